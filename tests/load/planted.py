"""What can be wrong after a run, put into its database or its evidence: the checks must find each."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from tests.load.asks import GONE, Answered
from tests.load.invariants import Evidence
from tests.prove.history import Call, Outcome


@dataclass(frozen=True)
class Planted:
    """
    Something that is wrong.

    Attributes:
        rule: By which it is found, in these words.
        plants: Puts it into the database, or gives evidence of it.
    """

    name: str
    rule: str
    words: str
    plants: Callable[[Evidence, Connection], Evidence]


def in_the_database(*statements: str) -> Callable[[Evidence, Connection], Evidence]:
    def plants(evidence: Evidence, connection: Connection) -> Evidence:
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount != 0, statement
        return evidence

    return plants


def in_the_evidence(change: Callable[[Evidence], Evidence]) -> Callable[[Evidence, Connection], Evidence]:
    return lambda evidence, _: change(evidence)


def booked(evidence: Evidence) -> int:
    """An allocation that was acknowledged, and is one of an autonomous booking."""
    calls = (call for call in evidence.calls if call.request.kind == "book" and not call.request.dry_run)
    answer = next(call.answer for call in calls if call.outcome is Outcome.ACKNOWLEDGED)
    assert answer
    number: int = answer["allocation_id"]
    return number


def lose_a_commit(evidence: Evidence, connection: Connection) -> Evidence:
    number = booked(evidence)
    return in_the_database(
        f"delete from history where occupancy_id = {number}", f"delete from occupancies where id = {number}"
    )(evidence, connection)


def use_a_key_twice(evidence: Evidence, connection: Connection) -> Evidence:
    again = "jsonb_set(jsonb_set(after, '{allocation_id}', '999999'), '{start_date}', '\"2200-01-01\"')"
    return in_the_database(
        "insert into history (occupancy_id, action, actor, before, after)"
        f" select 999999, action, actor, null, {again} from history"
        f" where occupancy_id = {booked(evidence)} and action = 'book'"
    )(evidence, connection)


OVERLAP = """
    update occupancies o set dyno_id = b.dyno_id, vehicle_id = b.vehicle_id, start_date = b.start_date,
                             end_date = b.end_date, status = 'scheduled', expires_at = null
      from (select * from occupancies where status = 'scheduled' and kind = 'allocation' order by id limit 1) b
     where o.id = (select max(id) from occupancies where kind = 'allocation' and status = 'scheduled')
"""
ANOTHER_ROW = """
    insert into metrics (event_id, correlation_id, service_name, method_name, duration_ms, success, outcome, created_at)
    select {event_id}, correlation_id, service_name, method_name, duration_ms, success, outcome,
           created_at + interval '1 ms' from metrics order by id limit 1
"""


def told(status: int, code: str | None, retry_after_s: float | None) -> Callable[[Evidence], Evidence]:
    """One more answer, to somebody."""

    def change(evidence: Evidence) -> Evidence:
        last: Answered = evidence.answered[-1]
        another = last._replace(status=status, code=code, retry_after_s=retry_after_s)
        return replace(evidence, answered=[*evidence.answered, another])

    return change


def broken_off_for_no_reason(evidence: Evidence) -> Evidence:
    calls: list[Call] = sorted(evidence.calls, key=lambda call: call.started_at)
    before, broken_off = (replace(call, connection="unhurt") for call in calls[-2:])
    broken_off = replace(broken_off, outcome=Outcome.UNKNOWN, code="database_unavailable")
    return replace(evidence, calls=[*calls[:-2], before, broken_off])


def silent(evidence: Evidence) -> Evidence:
    answered = next(each for each in evidence.answered if each.ask.tracked and each.status == 201)
    heard = evidence.printed.correlated - {answered.correlation_id}
    return replace(evidence, printed=replace(evidence.printed, correlated=heard))


def print_twice(evidence: Evidence) -> Evidence:
    (event,) = list(evidence.printed.events)[:1]
    return replace(evidence, printed=replace(evidence.printed, events=evidence.printed.events + Counter([event])))


def kill_more(evidence: Evidence) -> Evidence:
    kills = sum(fault.what == "killed" for fault in evidence.faults)
    gone = [evidence.answered[-1]._replace(status=GONE, correlation_id=f"gone-{n}") for n in range(kills + 1)]
    return replace(evidence, answered=[*evidence.answered, *gone])


FAULTS = (
    Planted("a commit that was acknowledged is lost", "lost", "which never was", lose_a_commit),
    Planted(
        "two bookings overlap",
        "overlap",
        "together",
        in_the_database("alter table occupancies drop constraint dyno_once, drop constraint vehicle_once", OVERLAP),
    ),
    Planted("a key is used twice", "keys", "2 bookings or windows under one key", use_a_key_twice),
    Planted(
        "a vehicle or a dyno is made twice under a key",
        "keys",
        "made 2 things under one key",
        in_the_database(
            "insert into registry_history (kind, thing_id, actor, action, after)"
            " select kind, thing_id, actor, action, after from registry_history where action = 'create' limit 1"
        ),
    ),
    Planted(
        "a change of a vehicle or a dyno is lost",
        "lost",
        "nothing is noted of it",
        in_the_database("delete from registry_history where action = 'change'"),
    ),
    Planted(
        "a line is dropped",
        "lines",
        "1 calls are printed, and no row",
        in_the_database("delete from metrics where id = (select min(id) from metrics)"),
    ),
    Planted(
        "a line is stored twice",
        "lines",
        "1 calls are stored twice",
        in_the_database(ANOTHER_ROW.format(event_id="event_id")),
    ),
    Planted(
        "a row was never printed",
        "lines",
        "a row, and never printed",
        in_the_database(ANOTHER_ROW.format(event_id="'x'")),
    ),
    Planted(
        "a torn line is nowhere",
        "lines",
        "lines were torn",
        in_the_evidence(lambda known: replace(known, printed=replace(known.printed, torn=known.printed.torn + 1))),
    ),
    Planted("two calls have one id", "lines", "printed twice", in_the_evidence(print_twice)),
    Planted("an answered call is not printed", "lines", "no call was printed", in_the_evidence(silent)),
    Planted("killed environments lose more than they were at", "lines", "calls are lost", in_the_evidence(kill_more)),
    Planted(
        "redrive leaves something to do",
        "lines",
        "redrive did not do all",
        in_the_evidence(lambda known: replace(known, redriven=[{"complete": False, "reason": "ingest failed"}])),
    ),
    Planted(
        "a rollup counts a call too many",
        "rollups",
        "metrics_rollups has",
        in_the_database("update metrics_rollups set calls = calls + 1"),
    ),
    Planted(
        "a total has lost some time",
        "rollups",
        "metrics_series has",
        in_the_database("update metrics_series set duration_ms_sum = duration_ms_sum - 1"),
    ),
    Planted("somebody is told 500", "errors", "was answered 500", in_the_evidence(told(500, "internal_error", None))),
    Planted("somebody is told 504", "errors", "was answered 504", in_the_evidence(told(504, None, None))),
    Planted(
        "a 503 does not say when to come back",
        "errors",
        "without Retry-After",
        in_the_evidence(told(503, "database_unavailable", None)),
    ),
    Planted("a 503 comes of nothing", "errors", "with no fault near", in_the_evidence(broken_off_for_no_reason)),
    Planted(
        "a report does not answer",
        "errors",
        "when all was quiet",
        in_the_evidence(lambda known: replace(known, afterwards={"/metrics/roi": (500, None)})),
    ),
    Planted(
        "the service sees a conflict itself",
        "overlap",
        "/allocations/conflicts shows",
        in_the_evidence(lambda known: replace(known, afterwards={"/allocations/conflicts": (200, {"items": [1]})})),
    ),
    Planted(
        "a session is left behind",
        "sessions",
        "has 3 sessions",
        in_the_evidence(lambda known: replace(known, sessions={"dyno_roi": (3, 2)})),
    ),
)
