"""How long a refusal takes: in labs of three sizes, for three numbers of clients, beside the usual way."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from tests.benchmarks import wishes
from tests.benchmarks.clients import Task, Way, Wish
from tests.benchmarks.database import SUPERUSER
from tests.benchmarks.lab import Size
from tests.benchmarks.labs import DOOR, Differs, Labs, Ran, opened
from tests.benchmarks.peers import booking
from tests.benchmarks.row import Contender, Effort, Goal, Role, Row
from tests.benchmarks.rows.booking import SIZES
from tests.benchmarks.rows.refusal import FULL_DAYS, full
from tests.benchmarks.shared import Shared

CLIENTS = (1, 8, 32)
FOR_S = 0.6
OURS, USUAL = "store.book", "the usual way"
WAYS = (
    ("empty statement", Role.FLOOR, booking.round_trip, DOOR),
    (OURS, Role.OURS, booking.ours, DOOR),
    (USUAL, Role.PEER, booking.usual, SUPERUSER),
)
"""Each with what it logs in as."""

Case = tuple[int, str, Role, Way, str]


@contextmanager
def contenders(effort: Effort) -> Iterator[Sequence[Contender]]:
    """Nothing is booked, so all runs of a lab of one round are in one copy of it, full on eight days."""
    with opened(effort) as labs:
        yield [contender for size in SIZES for contender in _of_size(labs, size)]


def check(ran: Ran) -> None:
    """
    Hold a run to what it was asked for.

    Raises:
        Differs: Something is booked.
    """
    if booked := sum(answer.said.booked for answer in ran.outcome.answers):
        raise Differs(f"{booked} wishes are booked where every dyno is full")


def _of_size(labs: Labs, size: Size) -> Iterator[Contender]:
    cases = [(number, *way) for number in CLIENTS for way in WAYS]
    ran = Shared(partial(_ran, labs, size, cases))
    for index, (number, name, role, _, _) in enumerate(cases):
        case = f"{size.case}, {number} client{'s' * (number > 1)}"
        note = "without reasons" if role is Role.PEER else ""
        yield Contender(name, role, ran.figure(partial(_p50_ms, index)), case, note=note)


def _ran(labs: Labs, size: Size, cases: Sequence[Case]) -> list[Ran]:
    really = labs.size(size)
    wanted = partial(wishes.impossible, really, FULL_DAYS)
    tasks = [
        (Task(way, login, _nothing, wanted, labs.for_s(FOR_S), over=booking.engine_of(way)), number)
        for number, _, _, way, login in cases
    ]
    ran = labs.several(size, tasks, full(really))
    for each in ran:
        check(each)
    return ran


def _nothing(_client: int) -> Sequence[Wish]:
    return ()


def _p50_ms(index: int, ran: Sequence[Ran]) -> float:
    return ran[index].outcome.took_ms()


ROW = Row(
    name="refusals",
    asks="How long does a refusal with its reasons take, in labs of three sizes, that are full for eight days?",
    unit="ms",
    contenders=contenders,
    goals=[
        Goal(f"{OURS}, {size.case}, 8 clients", over=f"{USUAL}, {size.case}, 8 clients", at_most=0.25) for size in SIZES
    ],
    rounds=5,
)
