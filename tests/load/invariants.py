"""What must hold once everything has come to rest, whatever was broken on the way."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import Connection, Engine, text

from tests.load.asks import GONE, Answered
from tests.load.site import HORIZON_DAYS
from tests.load.subscription import Printed
from tests.prove.history import Call, Fault, Json, kept
from tests.prove.judge import judged
from tests.prove.replay import TAKES, Finding

MOST_NAMED = 5
"""Of what is wrong in one way, so many are named and the others counted."""

OF_THE_REGISTRY = {"POST /vehicles", "POST /dynos", "POST /users"}
"""Routes whose keys are kept of what is no booking."""

_STORED = """
    select event_id, count(*)
      from (select event_id from metrics union all select event_id from observations) stored group by event_id
"""
"""Calls, and observations of business metrics, which go the same way."""

_MADE = "select actor, count(*) filter (where action = 'create'), count(*) from registry_history group by actor"

_TAKE = ", ".join(f"'{status}'" for status in sorted(TAKES))
_TOGETHER = f"""
    select 'dyno', a.dyno_id, a.id, b.id from occupancies a join occupancies b on b.dyno_id = a.dyno_id and a.id < b.id
     where a.status in ({_TAKE}) and b.status in ({_TAKE})
       and a.start_date <= b.end_date + b.turnaround_days and b.start_date <= a.end_date + a.turnaround_days
    union all
    select 'vehicle', a.vehicle_id, a.id, b.id
      from occupancies a join occupancies b on b.vehicle_id = a.vehicle_id and a.id < b.id
     where a.status in ({_TAKE}) and b.status in ({_TAKE})
       and a.start_date <= b.end_date and b.start_date <= a.end_date
"""
"""What a sceptic asks: no function, view, index or constraint of the service's is trusted."""

_COUNTS = """select service_name, method_name, outcome, {calls}, {duration}, {longest}
               from {table} group by service_name, method_name, outcome"""
_OF_ROWS = _COUNTS.format(calls="count(*)", duration="sum(duration_ms)", longest="max(duration_ms)", table="metrics")
_OF_COUNTED = {
    table: _COUNTS.format(
        calls="sum(calls)", duration="sum(duration_ms_sum)", longest="max(duration_ms_max)", table=table
    )
    for table in ("metrics_rollups", "metrics_series")
}


@dataclass(frozen=True)
class Evidence:
    """
    What is known of a run beside its database.

    Attributes:
        today: In the lab, when it began.
        alarms: What the server's log says that none should.
        afterwards: What doors answered when all was quiet again, by what they were asked: the status and the body.
        redriven: The reports of the last redrives, which are to be complete.
        sessions: By role of the database, how many there are in the end, and how many environments may have one.
    """

    today: date
    calls: Sequence[Call]
    answered: Sequence[Answered]
    faults: Sequence[Fault]
    printed: Printed
    alarms: Sequence[str]
    afterwards: Mapping[str, tuple[int, Any]]
    redriven: Sequence[Json]
    sessions: Mapping[str, tuple[int, int]]


def broken(evidence: Evidence, owner: Engine) -> list[Finding]:
    """Everything that does not hold; `owner` may read all of the database."""
    calls = sorted(evidence.calls, key=lambda call: call.started_at)
    there = kept(owner)
    there = replace(there, keys=[key for key in there.keys if key[1] not in OF_THE_REGISTRY])
    with owner.connect() as connection:
        return [
            *judged(calls, evidence.faults, there, evidence.alarms, evidence.today, HORIZON_DAYS),
            *_together(connection),
            *_defined(evidence),
            *_recorded(evidence),
            *_registered(evidence, connection),
            *_each_once(evidence.printed, connection),
            *_counted(connection),
            *_answering(evidence),
            *_sessions(evidence),
        ]


def lost_calls(evidence: Evidence) -> list[Answered]:
    """Requests that ended with their environment before a call of theirs was printed."""
    return [each for each in evidence.answered if each.status == GONE and not _is_recorded(each, evidence)]


def _together(connection: Connection) -> Iterator[Finding]:
    """No dyno and no vehicle has two bookings on one day."""
    for what, number, first, second in connection.execute(text(_TOGETHER)):
        yield Finding("overlap", f"{first} and {second} have {what} {number} together", frozenset({first, second}))


def _registered(evidence: Evidence, connection: Connection) -> Iterator[Finding]:
    """What was made or changed is noted as whoever asked, and made once however often it was asked for."""
    noted = {str(actor): (int(made), int(entries)) for actor, made, entries in connection.execute(text(_MADE))}
    for actor, (made, _) in noted.items():
        if made > 1:
            yield Finding("keys", f"{actor} made {made} things under one key", owners=frozenset({actor}))
    for each in evidence.answered:
        writes = each.ask.kind == "registry" and each.ask.method != "GET"
        if writes and each.status < 300 and each.ask.sub not in noted:
            says = f"{each.ask.route} of {each.ask.sub} was acknowledged, and nothing is noted of it"
            yield Finding("lost", says, owners=frozenset({each.ask.sub}))


def _defined(evidence: Evidence) -> Iterator[Finding]:
    """Every answer is one that the request may have, or a 503 that says when to come back."""
    strange: dict[str, list[Answered]] = defaultdict(list)
    for each in evidence.answered:
        if each.status in each.ask.answers or each.status == GONE:
            continue
        if not each.says_try_again:
            strange[f"{each.ask.kind} {each.ask.route} was answered {each.status} {each.code or ''}"].append(each)
        elif each.retry_after_s is None:
            strange[f"{each.ask.route} was answered 503 without Retry-After"].append(each)
    for says, those in strange.items():
        yield Finding("errors", f"{says}, {len(those)} times: {_some(each.correlation_id for each in those)}")


def _recorded(evidence: Evidence) -> Iterator[Finding]:
    """Whoever was answered left a line; whoever was killed lost no more than the call it was at."""
    silent = [
        each.correlation_id
        for each in evidence.answered
        if each.ask.tracked and each.status < 300 and not _is_recorded(each, evidence)
    ]
    if silent:
        yield Finding("lines", f"{len(silent)} requests were answered, and no call was printed: {_some(silent)}")
    killed, lost = sum(fault.what == "killed" for fault in evidence.faults), len(lost_calls(evidence))
    if lost > killed:
        yield Finding("lines", f"{lost} calls are lost, and {killed} environments were killed, each at one at most")


def _each_once(printed: Printed, connection: Connection) -> Iterator[Finding]:
    """Calls finished are rows and dead letters, each once."""
    stored = connection.execute(text(_STORED))
    rows = {str(event): int(times) for event, times in stored}
    letters = connection.execute(text("select count(*) from dead_letters where redriven_at is null")).scalar_one()
    for says, those in (
        ("printed twice", [event for event, times in printed.events.items() if times > 1]),
        ("printed, and no row", sorted(printed.events.keys() - rows.keys())),
        ("a row, and never printed", sorted(rows.keys() - printed.events.keys())),
        ("stored twice", [event for event, times in rows.items() if times > 1]),
    ):
        if those:
            yield Finding("lines", f"{len(those)} calls are {says}: {_some(those)}")
    if letters != printed.torn:
        yield Finding("lines", f"{printed.torn} lines were torn, and there are {letters} dead letters")


def _counted(connection: Connection) -> Iterator[Finding]:
    """Rollups and totals say of each method what its rows say."""
    rows = _counts(connection, _OF_ROWS)
    for table, sql in _OF_COUNTED.items():
        counts = _counts(connection, sql)
        for method in sorted(rows.keys() | counts.keys()):
            if rows.get(method) != counts.get(method):
                says = f"{table} has {counts.get(method)} of {' '.join(method)}, and the rows {rows.get(method)}"
                yield Finding("rollups", says)


def _counts(connection: Connection, sql: str) -> dict[tuple[str, ...], tuple[int, float, float]]:
    """Calls, their time and the longest; sums of the same numbers in another order differ in their last digits."""
    return {tuple(row[:3]): (int(row[3]), round(row[4], 3), row[5]) for row in connection.execute(text(sql)) if row[3]}


def _answering(evidence: Evidence) -> Iterator[Finding]:
    """Once all is quiet, reports answer, nobody sees a conflict, and redrive has nothing left to do."""
    for route, (status, body) in evidence.afterwards.items():
        if status != 200:
            yield Finding("errors", f"{route} was answered {status} when all was quiet: {body}")
        elif route.endswith("/conflicts") and body["items"]:
            yield Finding("overlap", f"{route} shows {body['items'][:MOST_NAMED]}")
    for report in evidence.redriven:
        if not report.get("complete"):
            yield Finding("lines", f"redrive did not do all: {report.get('reason') or report}")


def _sessions(evidence: Evidence) -> Iterator[Finding]:
    """No environment holds more than one session, and none that is gone holds any."""
    for role, (there, may) in evidence.sessions.items():
        if there > may:
            yield Finding("sessions", f"{role} has {there} sessions for {may} environments")


def _is_recorded(answered: Answered, evidence: Evidence) -> bool:
    return answered.correlation_id in evidence.printed.correlated


def _some(those: Any) -> str:
    named = list(those)
    return ", ".join(named[:MOST_NAMED]) + (", …" if len(named) > MOST_NAMED else "")
