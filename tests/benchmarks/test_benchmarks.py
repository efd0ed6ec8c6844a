"""The benchmarks work: every row runs as short as it can, and nothing here asks how fast."""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from dyno.metrics import store
from functions.allocations.handler import handler
from tests.benchmarks import lab, labs, rows, shares, wishes
from tests.benchmarks.__main__ import main
from tests.benchmarks.chart import used
from tests.benchmarks.clients import Answer, Outcome, Said, Task
from tests.benchmarks.database import SUPERUSER, Server
from tests.benchmarks.dataset import fill
from tests.benchmarks.lab import TINY
from tests.benchmarks.labs import DOOR, Labs
from tests.benchmarks.peers import booking, scripts, writing
from tests.benchmarks.pgbench import Transactions
from tests.benchmarks.result import Result
from tests.benchmarks.rounds import measure
from tests.benchmarks.row import Contender, Effort, Goal, Role, Row
from tests.benchmarks.rows import ROWS, exposition, ingest, instrumentation
from tests.benchmarks.shared import Shared
from tests.benchmarks.stdout import stdout_to_nowhere, written


def a_row(*contenders: Contender, goals: Sequence[Goal] = (), name: str = "sorting") -> Row:
    """A row whose contenders need nothing."""

    @contextmanager
    def given(_effort: Effort) -> Iterator[Sequence[Contender]]:
        yield contenders

    return Row(name, "How long does it take?", "µs", given, goals)


def giving(*figures: float) -> Callable[[], float]:
    """A sample that gives these, one after the other."""
    return iter(figures).__next__


def measured(row: Row, effort: Effort) -> Result:
    return measure(row, effort, lambda _taken, _of: None)


def broken() -> float:
    raise RuntimeError("out of order")


OURS = Contender("ours", Role.OURS, lambda: 2.0)
PEER = Contender("peer", Role.PEER, lambda: 8.0)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_runs_and_gives_what_its_goals_are_about(row: Row) -> None:
    result = measured(row, Effort(rounds=1, short=True))

    labels = [contender.label for contender in result.contenders]
    assert len(set(labels)) == len(labels)
    assert all(len(figures) == 1 and isfinite(figures[0]) for figures in result.taken.values())
    assert row.goals
    assert all(isfinite(result.judged(goal)) for goal in row.goals)
    assert {Role.OURS, Role.FLOOR, Role.PEER} <= {contender.role for contender in result.contenders}


def test_every_round_has_every_contender_once_and_begins_with_another() -> None:
    order: list[str] = []

    def noting(name: str) -> Contender:
        def sample() -> float:
            order.append(name)
            return 1.0

        return Contender(name, Role.PEER, sample)

    measured(a_row(*map(noting, "abc")), Effort(rounds=3))

    assert "".join(order) == "abcbcacab"


def test_a_ratio_compares_within_each_round() -> None:
    ours = Contender("ours", Role.OURS, giving(1, 20, 3))
    peer = Contender("peer", Role.PEER, giving(2, 100, 9))

    result = measured(a_row(ours, peer), Effort(rounds=3))

    assert result.ratio("peer", "ours") == 3  # of 2, 5 and 3; the ratio of the medians would be 9 / 3
    assert result.figure("peer") == 9


def test_what_is_taken_off_is_of_the_same_round() -> None:
    nothing = Contender("nothing", Role.NOTHING, giving(1, 5, 1))
    ours = Contender("ours", Role.OURS, giving(3, 9, 4), net_of="nothing")

    result = measured(a_row(nothing, ours), Effort(rounds=3))

    assert result.figures("ours") == [2, 4, 3]


def test_the_floor_of_a_case_is_what_its_others_are_compared_with() -> None:
    floors = [Contender("floor", Role.FLOOR, lambda: 2.0, "small"), Contender("floor", Role.FLOOR, lambda: 4.0, "big")]
    ours = [Contender("ours", Role.OURS, lambda: 8.0, "small"), Contender("ours", Role.OURS, lambda: 8.0, "big")]

    result = measured(a_row(*floors, *ours), Effort(rounds=1))

    assert [result.over_floor(contender) for contender in result.contenders] == [None, None, 4, 2]


@pytest.mark.parametrize(
    ("goal", "status"),
    [
        (Goal("ours", at_most=2), 0),
        (Goal("ours", at_most=1.9), 1),
        (Goal("peer", over="ours", at_least=4), 0),
        (Goal("peer", over="ours", at_least=4.1), 1),
    ],
)
def test_a_missed_goal_is_named_and_fails_only_those_who_are_strict(
    goal: Goal, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [a_row(OURS, PEER, goals=[goal])]

    assert main(["--strict"], rows, tmp_path) == status
    assert main([], rows, tmp_path) == 0

    assert ("missed\n" in capsys.readouterr().out) == bool(status)


def test_a_row_that_breaks_is_told_and_leaves_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [a_row(Contender("ours", Role.OURS, broken), name="broken"), a_row(OURS, name="sound")]

    status = main([], rows, tmp_path)

    assert status == 1
    (file,) = tmp_path.iterdir()
    assert [row["name"] for row in json.loads(file.read_text())["rows"]] == ["sound"]
    assert "out of order" in capsys.readouterr().out


def test_one_row_may_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [a_row(Contender("ours", Role.OURS, broken), name="broken"), a_row(OURS, name="sound")]

    assert main(["sound"], rows, tmp_path) == 0
    with pytest.raises(SystemExit):
        main(["unsound"], rows, tmp_path)

    assert "there is no row unsound" in capsys.readouterr().err


def test_everything_is_kept(tmp_path: Path) -> None:
    ours = Contender("ours", Role.OURS, giving(*range(1, 8)), "small", note="in place")

    main(["--rounds", "7"], [a_row(ours, goals=[Goal("ours, small", at_most=5)])], tmp_path)

    (file,) = tmp_path.iterdir()
    kept = json.loads(file.read_text())
    assert kept["command"] == "--rounds 7"
    assert {"cpu", "cores", "python", "versions"} <= kept["machine"].keys()
    (row,) = kept["rows"]
    assert row["contenders"][0]["rounds"] == [1, 2, 3, 4, 5, 6, 7]
    assert (row["contenders"][0]["median"], row["goals"][0]["met"]) == (4, True)


def test_the_last_run_is_kept_with_a_picture_of_it(tmp_path: Path) -> None:
    rows = [a_row(OURS, PEER, goals=[Goal("ours", at_most=4), Goal("ours", over="peer", at_most=0.2)])]

    main([], rows, tmp_path / "bench")

    (row,) = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert row["goals"][0]["peer"] == {"name": "peer", "times": 0.25}
    picture = (tmp_path / "bench.svg").read_text().replace("&#160;", " ")
    assert ("50%" in picture, "125%" in picture) == (True, True)


@pytest.mark.parametrize(
    ("goal", "figure", "share"),
    [
        (Goal("ours", at_most=4), 3, 0.75),
        (Goal("ours", at_least=4), 5, 0.8),
        (Goal("ours", at_least=4), 0, 2),
        (Goal("ours", at_most=0), 0, 0),
        (Goal("ours", at_most=0), 7, 2),
    ],
)
def test_a_limit_is_used_up_by_what_comes_near_it(goal: Goal, figure: float, share: float) -> None:
    assert used(goal, figure) == share


def test_a_door_that_books_and_says_nothing_is_noticed(server: Server) -> None:
    database = labs.kept(server, TINY)
    rows.request.check_left(server, database, TINY, lambda _over: rows.request.through(handler))

    with pytest.raises(rows.request.Differs, match="1 bookings, and 0 rows"):
        rows.request.check_left(server, database, TINY, lambda over: partial(booking.ours, over))


def test_time_is_whose_code_it_is_spent_in() -> None:
    mine, rest = compile("look()", "/opt/python/dyno/x.py", "exec"), compile("look()", "/somewhere/x.py", "exec")

    def look() -> None:
        seen.append(shares.owner(sys._getframe(1)))

    seen: list[str] = []
    exec(mine, {"look": lambda: exec(rest, {"look": look})})
    exec(rest, {"look": look})
    waited = shares.shares(lambda: time.sleep(0.05))

    assert seen == ["our code", shares.REST]
    assert waited[shares.REST] == 100 == sum(waited.values())


def test_what_is_short_is_not_kept(tmp_path: Path) -> None:
    main(["--short"], [a_row(OURS)], tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_line_that_is_not_what_powertools_writes_is_noticed() -> None:
    with instrumentation.told_nothing(), stdout_to_nowhere() as nowhere:
        line = written(instrumentation.Planner().plan, nowhere)
    instrumentation.check_powertools_writes_it_so(line)

    with pytest.raises(instrumentation.Differs):
        instrumentation.check_powertools_writes_it_so(line.replace('"Errors":[0.0]', '"Errors":[0]'))


def test_an_exposition_that_counts_otherwise_is_noticed() -> None:
    lines = exposition.exposed(exposition.snapshot(3))
    exposition.check_same(lines, lines)

    with pytest.raises(exposition.Differs):
        exposition.check_same(lines, lines.replace("} 4", "} 5", 1))


@pytest.fixture
def server(server_port: int) -> Server:
    return Server(server_port)


def test_a_way_that_loses_a_record_is_noticed(server: Server) -> None:
    server.keep(ingest.MONTH, "", partial(ingest.fill_month, rows=100))
    ours = next(way for way in ingest.BATCHWISE if way.counted)
    ingest.check_same(server, [ours, ours])

    with pytest.raises(ingest.Differs, match="rows"):
        ingest.check_same(server, [ours, replace(ours, prepare=lambda batch: writing.as_json(batch[1:]))])


def test_a_way_that_counts_in_another_bucket_is_noticed(server: Server) -> None:
    server.keep(ingest.MONTH, "", partial(ingest.fill_month, rows=100))
    ours = next(way for way in ingest.BATCHWISE if way.counted)

    with pytest.raises(ingest.Differs, match="counts"):
        ingest.check_same(server, [ours, replace(ours, counted=ours.counted.replace("number - 1", "number"))])


@pytest.fixture(scope="module")
def opened() -> Iterator[Labs]:
    with labs.opened(Effort(short=True)) as opened:
        yield opened


def test_overlaps_are_seen_where_nothing_keeps_them_away(opened: Labs) -> None:
    def unguard(connection: Connection) -> None:
        connection.exec_driver_sql("alter table occupancies drop constraint dyno_once")

    everybody = Task(
        booking.bare,
        SUPERUSER,
        partial(wishes.warm_up, TINY),
        partial(wishes.one_day, TINY),
        0.2,
        leaves=booking.left_by(booking.bare),
    )

    guarded = opened.run(TINY, everybody, 2)
    unguarded = opened.run(TINY, everybody, 2, unguard)

    assert guarded.overlaps == 0 < unguarded.overlaps


def test_a_client_that_leaves_less_than_it_says_is_noticed(opened: Labs) -> None:
    forgetful = Task(booking.bare, SUPERUSER, partial(wishes.warm_up, TINY), partial(wishes.one_day, TINY), 0.1)

    with pytest.raises(labs.Differs, match="more history"):
        opened.run(TINY, forgetful, 1)


def test_a_way_to_book_that_leaves_less_than_it_says_is_noticed(opened: Labs) -> None:
    with pytest.raises(labs.Differs, match="more occupancies"):
        opened.pgbench(TINY, scripts.newcomers(TINY, scripts.COMMIT), SUPERUSER, 1, into=["occupancies"])


def test_a_way_that_books_other_dynos_is_noticed(opened: Labs) -> None:
    rows.booking.check_same(opened, booking.usual)

    with pytest.raises(labs.Differs, match="bare books otherwise"):
        rows.booking.check_same(opened, booking.bare)


def test_a_refusal_that_is_none_is_noticed(server: Server) -> None:
    server.keep("tiny_lab", "", partial(lab.fill, size=TINY))
    with server.copied("tiny_lab") as database, server.connected(SUPERUSER, database) as connection:
        lab.fill_up(connection, TINY, rows.refusal.FULL_DAYS)
        rows.refusal.check_reasons(connection, TINY)

        connection.exec_driver_sql("update dynos set enabled = false where id = 1")
        with pytest.raises(labs.Differs):
            rows.refusal.check_reasons(connection, TINY)


def outcome(*booked: bool) -> labs.Ran:
    return labs.Ran(Outcome([[Answer(1.0, 1.0, Said(each)) for each in booked]], 0), 0)


@pytest.mark.parametrize(
    "spoilt", [outcome(True), replace(outcome(True, True), overlaps=1)], ids=["a dyno is left", "two overlap"]
)
def test_a_crowd_that_is_not_served_as_promised_is_noticed(spoilt: labs.Ran) -> None:
    rows.crowds.check(outcome(True, True, False), 2)

    with pytest.raises(labs.Differs):
        rows.crowds.check(spoilt, 2)


def test_a_booking_among_refusals_is_noticed() -> None:
    rows.refusals.check(outcome(False, False))

    with pytest.raises(labs.Differs, match="1 wishes are booked"):
        rows.refusals.check(outcome(False, True))


def test_a_door_without_an_event_is_noticed() -> None:
    assert set(rows.coldstart.answers(rows.coldstart.DOORS, "http://127.0.0.1/")) == set(rows.coldstart.DOORS)

    with pytest.raises(rows.coldstart.UnknownDoorError, match="no event for a_new_one"):
        rows.coldstart.answers([*rows.coldstart.DOORS, "a_new_one"], "http://127.0.0.1/")


def test_whoever_need_not_get_to_the_end_stops_in_time(opened: Labs) -> None:
    patient = Task(booking.ours, DOOR, partial(wishes.warm_up, TINY), partial(wishes.all_over, TINY), up_to_s=0.1)

    (ran,) = opened.several(TINY, [(patient, 1)])

    assert 0.1 < ran.outcome.answers[-1].at_s < 5
    assert ran.outcome.booked > 0


def test_of_a_goal_that_is_missed_it_is_told_where_the_time_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = replace(PEER, why=lambda: "in the queue")
    goals = [Goal("ours", at_most=1), Goal("peer", at_most=1)]

    main([], [a_row(OURS, told, goals=goals)], tmp_path)
    missed = capsys.readouterr().out
    main([], [a_row(OURS, told, goals=[Goal("ours", at_most=3)])], tmp_path)
    met = capsys.readouterr().out

    assert ("in the queue" in missed, "(<lambda>)" in missed) == (True, True)
    assert "takes its time" not in met


def test_of_a_booking_it_is_told_what_is_waited_for_and_what_takes_long(opened: Labs) -> None:
    task = Task(booking.ours, DOOR, partial(wishes.warm_up, TINY), partial(wishes.all_over, TINY), 0.3)

    told = opened.why(TINY, task, 2)

    assert re.search(r" %  (at work|[A-Z])", told)
    assert re.search(r" ms in +20 of  .*book", told)


def test_a_client_that_breaks_is_told_of_with_its_reason(opened: Labs) -> None:
    stranger = Task(booking.bare, "nobody", partial(wishes.warm_up, TINY), partial(wishes.one_day, TINY))

    with pytest.raises(RuntimeError, match='role "nobody" does not exist'):
        opened.run(TINY, stranger, 1)


def test_figures_of_one_run_are_of_one_run_whoever_is_asked_first() -> None:
    run = Shared(giving(1, 2, 3))
    same, double = run.figure(lambda made: made), run.figure(lambda made: 2 * made)

    assert [same(), double(), double(), same(), same(), double()] == [1, 2, 4, 2, 3, 6]


def test_pgbench_s_own_time_to_get_going_does_not_count() -> None:
    ran = Transactions([0, 0.3, 1.0, 1.2, 1.6, 2.0], [300, 300, 4, 1, 2, 3])

    assert ran.per_s == pytest.approx(4 / 1.7)
    assert ran.p50_ms == 2.5


def rollups(connection: Connection) -> list[Any]:
    """Hours and totals, each sum to the microsecond that all durations have."""
    return [
        connection.exec_driver_sql(
            "select to_jsonb(r) || jsonb_build_object('duration_ms_sum', round(duration_ms_sum::numeric, 3)) as counted"
            f" from {table} r order by counted"
        ).all()
        for table in ("metrics_rollups", "metrics_series")
    ]


def test_what_is_filled_in_is_what_ingest_would_have_counted(server: Server, template: str) -> None:
    with server.copied(template) as database, server.connected(SUPERUSER, database) as connection:
        fill(connection, 2_000, datetime(2027, 1, 4, 10, tzinfo=UTC))
        records = connection.exec_driver_sql(
            "select (to_jsonb(m) || jsonb_build_object('service', service_name, 'method', method_name))::text"
            " from metrics m"
        )
        lines, filled = records.scalars().all(), rollups(connection)

    with server.copied(template) as database, server.connected(SUPERUSER, database) as connection:
        store.ingest(connection, lines, [])
        counted = rollups(connection)
        connection.exec_driver_sql("update metrics_series set calls = calls + 1 where method_name = 'calls'")
        planted = rollups(connection)

    assert filled == counted != planted
    assert [len(table) for table in filled] > [100, 20]


def test_a_database_is_filled_once_until_what_fills_it_changes(server: Server) -> None:
    filled: list[Connection] = []

    for made_by in ("first", "first", "second"):
        server.keep("kept", made_by, filled.append)

    assert len(filled) == 2
