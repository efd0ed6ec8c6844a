"""How long it takes to say of every dyno why it cannot be had, beside a booking in the same lab."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Connection

from dyno.allocation import store
from tests.benchmarks import lab, wishes
from tests.benchmarks.clients import LEFT_BY_A_BOOKING, Task
from tests.benchmarks.database import SUPERUSER
from tests.benchmarks.lab import TESTS, Size
from tests.benchmarks.labs import DOOR, Differs, Labs, opened
from tests.benchmarks.peers import booking, scripts
from tests.benchmarks.pgbench import Transactions
from tests.benchmarks.row import Contender, Effort, Goal, Role, Row

SIZE = Size(200, 100_000, 5)
FULL_DAYS = 8
FOR_S = 1.2
CLIENTS, PGBENCH = "Python", "pgbench"


@contextmanager
def contenders(effort: Effort) -> Iterator[Sequence[Contender]]:
    """One client, in a lab in which all dynos are full on the day that is asked for and on the seven after it."""
    with opened(effort) as labs:
        yield [*_of_pgbench(labs), *_of_clients(labs)]


def check_reasons(connection: Connection, size: Size) -> None:
    """
    Have the booking function refuse a wish.

    Raises:
        Differs: It does not, or not with a reason for every dyno.
    """
    wish = next(next(wishes.impossible(size, FULL_DAYS, 0, 1)))
    said = store.book(connection, booking.request(wish), None, booking.OWNER, booking.ROUTE, None, booking.TERMS)
    if len({each.get("allocation_id") for each in said.rejected} - {None}) != size.dynos:
        raise Differs(f"of {size.dynos} dynos that are all booked, it says {said.rejected}")


def _of_pgbench(labs: Labs) -> Iterator[Contender]:
    size = labs.size(SIZE)
    impossible = partial(wishes.impossible, size, FULL_DAYS)
    task = Task(booking.ours, DOOR, partial(wishes.warm_up, size), impossible, labs.for_s(FOR_S))
    why = partial(labs.why, SIZE, task, 1, full(size))
    day = f"date '{lab.full_day(size)}'"
    with labs.connected(SIZE, DOOR) as connection:
        refused = scripts.booking(connection, start=day, test=f"'{TESTS[0]}'")
        booked = scripts.booking(connection)
    for name, role, sql, login, into in (
        ("list of what is there", Role.FLOOR, scripts.LIST.format(day=day), SUPERUSER, ()),
        ("book(), refused", Role.OURS, refused, DOOR, ("refusals",)),
        ("book(), booked", Role.OURS, booked, DOOR, LEFT_BY_A_BOOKING),
    ):
        run = partial(labs.pgbench, SIZE, scripts.newcomers(size, sql), login, 1, into=into, arrange=full(size))
        yield Contender(name, role, partial(_p50_ms_of_pgbench, run), PGBENCH, why=why)


def _of_clients(labs: Labs) -> Iterator[Contender]:
    size = labs.size(SIZE)
    impossible, possible = partial(wishes.impossible, size, FULL_DAYS), partial(wishes.all_over, size)
    for name, role, way, login, wanted in (
        ("store.book, refused", Role.OURS, booking.ours, DOOR, impossible),
        ("store.book, booked", Role.OURS, booking.ours, DOOR, possible),
        ("the usual way, refused", Role.PEER, booking.usual, SUPERUSER, impossible),
        ("the usual way, booked", Role.PEER, booking.usual, SUPERUSER, possible),
    ):
        task = Task(way, login, partial(wishes.warm_up, size), wanted, labs.for_s(FOR_S), over=booking.engine_of(way))
        why = partial(labs.why, SIZE, task, 1, full(size))
        note = "without reasons" if wanted is impossible and way is booking.usual else ""
        yield Contender(name, role, partial(_p50_ms, labs, task, wanted is possible), CLIENTS, note=note, why=why)


def _p50_ms(labs: Labs, task: Task, booked: bool) -> float:
    outcome = labs.run(SIZE, task, 1, arrange=full(labs.size(SIZE))).outcome
    if any(answer.said.booked is not booked for answer in outcome.answers):
        raise Differs(f"{task.way.__name__} should {'book' if booked else 'refuse'} every wish")
    return outcome.took_ms()


def _p50_ms_of_pgbench(run: Callable[[], Transactions]) -> float:
    return run().p50_ms


def full(size: Size) -> Callable[[Connection], None]:
    """Fills a lab of that size up, and checks that it refuses with reasons."""

    def arrange(connection: Connection) -> None:
        lab.fill_up(connection, size, FULL_DAYS)
        check_reasons(connection, size)

    return arrange


ROW = Row(
    name="refusal",
    asks="How long does it take to say why none of 200 dynos is free on eight days, beside a booking?",
    unit="ms",
    contenders=contenders,
    goals=[
        Goal(f"book(), refused, {PGBENCH}", over=f"book(), booked, {PGBENCH}", at_most=4),
        Goal(f"store.book, refused, {CLIENTS}", over=f"store.book, booked, {CLIENTS}", at_most=4),
    ],
    rounds=5,
)
