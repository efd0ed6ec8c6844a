"""Crowds that want the same day: in labs of three sizes, of three numbers of clients, beside the usual way."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from tests.benchmarks import wishes
from tests.benchmarks.clients import Task, Way
from tests.benchmarks.database import SUPERUSER
from tests.benchmarks.lab import Size
from tests.benchmarks.labs import DOOR, Differs, Labs, Ran, opened
from tests.benchmarks.peers import booking
from tests.benchmarks.row import Contender, Effort, Goal, Role, Row
from tests.benchmarks.rows.booking import SIZES
from tests.benchmarks.shared import Shared

CLIENTS = (2, 8, 32)
PATIENCE_S = 1.5
"""How long others go on: to the end, a day of 2,000 dynos would take them minutes, and be no faster."""

OURS, USUAL = "store.book", "the usual way"
WAYS = (
    ("bare INSERT", Role.FLOOR, booking.bare, SUPERUSER),
    (OURS, Role.OURS, booking.ours, DOOR),
    (USUAL, Role.PEER, booking.usual, SUPERUSER),
)
"""Each with what it logs in as."""


@contextmanager
def contenders(effort: Effort) -> Iterator[Sequence[Contender]]:
    """All runs of a lab of one round are in one copy of it, each on a day of its own."""
    with opened(effort) as labs:
        yield [contender for size in SIZES for contender in _of_size(labs, size)]


def check(ran: Ran, dynos: int) -> None:
    """
    Hold the service's own run to what it promises.

    Raises:
        Differs: A dyno is free though somebody wanted it, or has two, or something had to be begun anew.
    """
    booked = sum(answer.said.booked for answer in ran.outcome.answers)
    if (booked, ran.overlaps, ran.outcome.broken_off) != (dynos, 0, 0):
        raise Differs(
            f"{booked} of {dynos} dynos are booked, {ran.overlaps} pairs overlap, {ran.outcome.broken_off} broken off"
        )


def _of_size(labs: Labs, size: Size) -> Iterator[Contender]:
    cases = [(number, *way) for number in CLIENTS for way in WAYS]
    ran = Shared(partial(_ran, labs, size, cases))
    for index, (number, name, role, _, _) in enumerate(cases):
        case = f"{size.case}, {number} clients"
        yield Contender(name, role, ran.figure(partial(_booked_per_s, index)), case, note=_note(role))
        if role is not Role.FLOOR:
            yield Contender(name, role, ran.figure(partial(_pairs, index)), f"{case}, overlaps", unit="pairs")


def _ran(labs: Labs, size: Size, cases: Sequence[tuple[int, str, Role, Way, str]]) -> list[Ran]:
    really = labs.size(size)
    tasks = [
        Task(
            way,
            login,
            partial(wishes.warm_up, really, run=run),
            partial(wishes.one_day, really, run=run),
            up_to_s=PATIENCE_S if role is Role.PEER else None,
            over=booking.engine_of(way),
            leaves=booking.left_by(way),
        )
        for run, (_, _, role, way, login) in enumerate(cases)
    ]
    ran = labs.several(size, [(task, number) for task, (number, *_) in zip(tasks, cases, strict=True)])
    for each, (_, _, role, _, _) in zip(ran, cases, strict=True):
        if role is Role.OURS:
            check(each, really.dynos)
    return ran


def _booked_per_s(index: int, ran: Sequence[Ran]) -> float:
    return ran[index].outcome.booked_per_s


def _pairs(index: int, ran: Sequence[Ran]) -> float:
    return ran[index].overlaps


def _note(role: Role) -> str:
    return f"its first {PATIENCE_S:g} s" if role is Role.PEER else ""


ROW = Row(
    name="crowds",
    asks="How fast is a day booked up that all clients want, in labs of three sizes?",
    unit="/s",
    contenders=contenders,
    goals=[
        Goal(
            f"{OURS}, {size.case}, {CLIENTS[-1]} clients",
            over=f"{USUAL}, {size.case}, {CLIENTS[-1]} clients",
            at_least=14,
        )
        for size in SIZES
    ],
    rounds=5,
)
