"""What becomes of many clients who all want the same: the same day, or the same vehicle."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from tests.benchmarks import wishes
from tests.benchmarks.clients import Task, Wishes
from tests.benchmarks.database import SUPERUSER
from tests.benchmarks.lab import Size
from tests.benchmarks.labs import DOOR, Labs, Ran, opened
from tests.benchmarks.peers import booking
from tests.benchmarks.row import Contender, Effort, Goal, Role, Row
from tests.benchmarks.shared import Shared

SIZE = Size(200, 100_000, 5)
CLIENTS = 32
VEHICLES = 20
DAYS = 8
"""On which each of the vehicles is wanted: the first day and those it may be moved to."""

OURS, USUAL = "store.book", "the usual way"
FIRST = f"{OURS}, never refused before"
ONE_DAY, ONE_VEHICLE = "one day", "one vehicle"
LEFT, BROKEN_OFF, OVERLAPS = "left over", "broken off", "overlaps"


@contextmanager
def contenders(effort: Effort) -> Iterator[Sequence[Contender]]:
    """Everybody goes on until there is nothing left, so that what there was must be booked, and no more than that."""
    with opened(effort) as labs:
        size, vehicles = labs.size(SIZE), effort.pick(VEHICLES, 2)
        yield [
            *_case(labs, ONE_DAY, partial(wishes.one_day, size), size.dynos),
            *_case(labs, ONE_VEHICLE, partial(wishes.one_vehicle, size, vehicles, DAYS), vehicles * DAYS),
        ]


def _case(labs: Labs, case: str, wanted: Wishes, there_are: int) -> Iterator[Contender]:
    size = labs.size(SIZE)
    ways = [
        (OURS, Role.OURS, booking.ours, DOOR),
        (USUAL, Role.PEER, booking.usual, SUPERUSER),
        (f"{USUAL}, asking for one", Role.PEER, booking.usual_asking_for_one, SUPERUSER),
    ]
    if case == ONE_DAY:
        ways += [
            (FIRST, Role.OURS, booking.ours, DOOR),
            ("bare INSERT", Role.FLOOR, booking.bare, SUPERUSER),
        ]
    for name, role, way, login in ways:
        warm_up = partial(wishes.warm_up, size, refused=name != FIRST)
        task = Task(way, login, warm_up, wanted, over=booking.engine_of(way), leaves=booking.left_by(way))
        ran = Shared(partial(labs.run, SIZE, task, CLIENTS))
        why = partial(labs.why, SIZE, task, CLIENTS)
        yield Contender(name, role, ran.figure(lambda ran: ran.outcome.booked_per_s), case, why=why)
        if role is not Role.FLOOR:
            yield from _besides(name, role, case, ran, there_are)


def _besides(name: str, role: Role, case: str, ran: Shared[Ran], there_are: int) -> Iterator[Contender]:
    for what, unit, of in (
        ("p99", "ms", lambda ran: ran.outcome.took_ms(0.99)),
        (LEFT, "days", lambda ran: there_are - sum(answer.said.booked for answer in ran.outcome.answers)),
        (BROKEN_OFF, "times", lambda ran: ran.outcome.broken_off),
        (OVERLAPS, "pairs", lambda ran: ran.overlaps),
    ):
        yield Contender(name, role, ran.figure(of), f"{case}, {what}", unit=unit)


ROW = Row(
    name="crowd",
    asks="What becomes of 32 clients who all want the same day of 200 dynos, or the same vehicle?",
    unit="/s",
    contenders=contenders,
    goals=[
        Goal(f"{OURS}, {ONE_DAY}", over=f"{USUAL}, {ONE_DAY}", at_least=40),
        *(
            Goal(f"{OURS}, {case}, {what}", at_most=0)
            for case in (ONE_DAY, ONE_VEHICLE)
            for what in (LEFT, BROKEN_OFF, OVERLAPS)
        ),
    ],
    rounds=5,
)
