"""How fast bookings are made, in labs of three sizes by one client and many, beside the usual way and an INSERT."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from tests.benchmarks import wishes
from tests.benchmarks.clients import LEFT_BY_A_BOOKING, Task, Way
from tests.benchmarks.database import SUPERUSER
from tests.benchmarks.lab import Size
from tests.benchmarks.labs import DOOR, Differs, Labs, Ran, opened
from tests.benchmarks.peers import booking, scripts
from tests.benchmarks.row import Contender, Effort, Goal, Role, Row
from tests.benchmarks.shared import Shared

SIZES = (Size(20, 1_000, 100), Size(200, 100_000, 5), Size(2_000, 1_000_000, 5))
CLIENTS = (1, 8, 32)
SEVERAL = 8
FOR_S = 0.9


@contextmanager
def contenders(effort: Effort) -> Iterator[Sequence[Contender]]:
    """Each lab by Python's clients, a process each, and by pgbench's; what is compared has clients of one kind."""
    with opened(effort) as labs:
        check_same(labs, booking.usual, booking.usual_asking_for_one)
        yield [
            contender
            for size in SIZES
            for number in CLIENTS[: effort.pick(3, 2)]
            for contender in (*_of_clients(labs, size, number), *_of_pgbench(labs, size, number))
        ]


def check_same(labs: Labs, *ways: Way) -> None:
    """
    Have the service and others fulfil the same wishes.

    Raises:
        Differs: Somebody puts a vehicle elsewhere.
    """
    size = labs.size(SIZES[0])
    tasks = [
        Task(way, login, partial(wishes.warm_up, size), partial(wishes.some, size, 40), over=booking.engine_of(way))
        for way, login in ((booking.ours, DOOR), *((way, SUPERUSER) for way in ways))
    ]
    labs.check_same(SIZES[0], tasks)


def _of_clients(labs: Labs, size: Size, number: int) -> Iterator[Contender]:
    case = f"{size.case}, {_clients(number)}"
    ways = [
        ("store.book", Role.OURS, booking.ours, DOOR),
        ("the usual way", Role.PEER, booking.usual, SUPERUSER),
        ("the usual way, asking for one", Role.PEER, booking.usual_asking_for_one, SUPERUSER),
        ("empty statement", Role.FLOOR, booking.round_trip, DOOR),
    ]
    for name, role, way, login in ways if number == SEVERAL else ways[:2]:
        ran = Shared(partial(_ran, labs, size, way, login, number))
        why = partial(labs.why, size, _task(labs, size, way, login), number)
        yield Contender(name, role, ran.figure(lambda ran: ran.outcome.per_s), case, why=why)
        if number == 1:
            yield Contender(name, role, ran.figure(lambda ran: ran.outcome.took_ms()), f"{case}, p50", unit="ms")
        if number == SEVERAL and role is not Role.FLOOR:
            yield Contender(name, role, ran.figure(lambda ran: ran.overlaps), f"{case}, overlaps", unit="pairs")


def _of_pgbench(labs: Labs, size: Size, number: int) -> Iterator[Contender]:
    case = f"{size.case}, {_clients(number)} of pgbench"
    with labs.connected(size, DOOR) as connection:
        book = scripts.booking(connection)
    ways = [
        ("bare INSERT", Role.FLOOR, scripts.INSERT, SUPERUSER, LEFT_BY_A_BOOKING[:1]),
        ("book()", Role.OURS, book, DOOR, LEFT_BY_A_BOOKING),
        ("empty commit", Role.FLOOR, scripts.COMMIT, SUPERUSER, ()),
    ]
    why = partial(labs.why, size, _task(labs, size, booking.ours, DOOR), number)
    for name, role, sql, login, into in ways if size is SIZES[0] else ways[:2]:
        script = scripts.newcomers(labs.size(size), sql)
        ran = Shared(partial(labs.pgbench, size, script, login, number, into=into))
        yield Contender(name, role, ran.figure(lambda ran: ran.per_s), case, why=why)
        if number == 1:
            yield Contender(name, role, ran.figure(lambda ran: ran.p50_ms), f"{case}, p50", unit="ms", why=why)


def _ran(labs: Labs, size: Size, way: Way, login: str, number: int) -> Ran:
    ran = labs.run(size, _task(labs, size, way, login), number)
    if ran.overlaps and number != SEVERAL:  # of those the table tells
        raise Differs(f"{ran.overlaps} pairs of bookings overlap after {way.__name__}")
    return ran


def _task(labs: Labs, size: Size, way: Way, login: str) -> Task:
    really = labs.size(size)
    return Task(
        way,
        login,
        partial(wishes.warm_up, really),
        partial(wishes.all_over, really),
        labs.for_s(FOR_S),
        over=booking.engine_of(way),
    )


def _clients(number: int) -> str:
    return "1 client" if number == 1 else f"{number} clients"


ROW = Row(
    name="booking",
    asks="How fast are bookings made, with every rule, key and line of history?",
    unit="/s",
    contenders=contenders,
    goals=[
        *(
            Goal(f"store.book, {size.case}, 8 clients", over=f"the usual way, {size.case}, 8 clients", at_least=times)
            for size, times in zip(SIZES, (14, 14, 200), strict=True)
        ),
        *(
            Goal(f"book(), {case}", over=f"bare INSERT, {case}", at_least=0.4)
            for case in (f"{size.case}, 8 clients of pgbench" for size in SIZES)
        ),
        *(
            Goal(f"book(), {case}", over=f"bare INSERT, {case}", at_most=2.5)
            for case in (f"{size.case}, 1 client of pgbench, p50" for size in SIZES)
        ),
        *(Goal(f"store.book, {size.case}, 8 clients, overlaps", at_most=0) for size in SIZES),
    ],
    rounds=5,
)
