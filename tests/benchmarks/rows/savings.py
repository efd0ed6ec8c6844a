"""How long the facts of the business and ROI reports take out of closed days, beside the same out of the bookings."""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Connection, text

from cdk.local.instance import Instance
from tests.benchmarks import bookings
from tests.benchmarks.database import SUPERUSER, Server, lasting, on_server_ms, passing
from tests.benchmarks.row import Contender, Effort, Goal, Role, Row

SIZES = {"20 k bookings": 20_000, "400 k bookings": 400_000}
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)

AT = f"timestamptz '{NOW.isoformat()}'"
FLOOR = "select sum(kept) from allocation_days where time_zone = 'UTC'"
COUNTS = "select sum(kept), sum(replaced), sum(placed_calls) from lab_days('UTC', null, null)"
FACTS = f"""
    select roi_facts('UTC', 'roi-model/1', 'all', null, null, date_trunc('month', {AT})::date, {AT}::date,
                     {AT} - interval '30 days', {AT}, {AT}, null)
"""
DYNOS = "select dyno_days('UTC', '2030-01-01', '2030-01-31', '2033-01-01Z')"
ROWS = f"""
    select count(*) filter (where is_kept(status, created_at, cancelled_at)), count(*) filter (where shift_days > 0),
           count(distinct booked_by) filter (where created_at > {AT} - interval '30 days')
      from occupancies where kind = 'allocation'
"""


@contextmanager
def contenders(effort: Effort) -> Iterator[Sequence[Contender]]:
    """A small lab's three years and those of one twenty times as busy, each with its bookings and its closed days."""
    with ExitStack() as stack:
        server = stack.enter_context(passing() if effort.short else lasting(Instance.named("bench")))
        yield [
            contender
            for case, size in SIZES.items()
            for contender in _of_size(
                case, stack.enter_context(_filled(server, effort.pick(size, size // 100))), effort
            )
        ]


@contextmanager
def _filled(server: Server, size: int) -> Iterator[Connection]:
    database = f"bookings_{size}"
    server.keep(database, inspect.getsource(bookings), partial(bookings.fill, bookings=size, now=NOW))
    with server.connected(SUPERUSER, database) as connection:
        _agree(connection)
        yield connection


def _agree(connection: Connection) -> None:
    """Days say what the bookings say, and most of them are closed."""
    ours, theirs = (connection.execute(text(sql)).one() for sql in (COUNTS, ROWS))
    if ours[:2] != theirs[:2]:
        raise AssertionError(f"the days say {ours[:2]}, the bookings {theirs[:2]}")
    if ours[0] - (connection.scalar(text(FLOOR)) or 0) > ours[0] / 50:
        raise AssertionError("too few days are closed")


def _of_size(case: str, connection: Connection, effort: Effort) -> Iterator[Contender]:
    for name, role, sql, runs in (
        ("closed days alone", Role.FLOOR, FLOOR, 200),
        ("counts out of days", Role.OURS, COUNTS, 100),
        ("all facts of both reports", Role.OURS, FACTS, 20),
        ("days of 400 dynos in a month", Role.OURS, DYNOS, 50),
        ("who is active", Role.OURS, f"select people({AT} - interval '30 days', {AT})", 100),
        ("all the past for conflicts, by night", Role.OURS, "select conflicts()", 20),
        ("counts out of bookings", Role.PEER, ROWS, 20),
    ):
        yield Contender(name, role, partial(on_server_ms, connection, sql, effort.pick(runs, 2)), case)


ROW = Row(
    name="savings",
    asks="How long do the facts of the business report take, and does it matter how much was ever booked?",
    unit="ms",
    contenders=contenders,
    goals=[
        Goal("counts out of days, 20 k bookings", at_most=0.5),
        Goal("all facts of both reports, 20 k bookings", at_most=5),
        Goal("counts out of days, 400 k bookings", over="counts out of bookings, 400 k bookings", at_most=0.1),
    ],
)
