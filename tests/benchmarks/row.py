"""What a row of the benchmarks is: contenders, measured side by side, and goals for what comes out."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from math import inf


class Role(StrEnum):
    """
    What a contender is there for.

    Attributes:
        NOTHING: The work left undone, to be taken off the others.
        FLOOR: The least that the work can cost; one for each case.
        OURS: This project's own way.
        PEER: What others do it with.
    """

    NOTHING = "nothing"
    FLOOR = "floor"
    OURS = "ours"
    PEER = "peer"


@dataclass(frozen=True)
class Contender:
    """
    One way to do a row's work.

    Attributes:
        sample: Does the work and gives one figure.
        case: What it is done with or on, where the row has more than one.
        net_of: The label of the contender whose figure of the same round is taken off.
        unit: Where it is not the row's.
        note: What else is to be known of it.
        why: Says where its time goes, if a goal is missed; without it, this process is looked at during a sample.
    """

    name: str
    role: Role
    sample: Callable[[], float]
    case: str = ""
    net_of: str = ""
    unit: str = ""
    note: str = ""
    why: Callable[[], str] | None = None

    @property
    def label(self) -> str:
        """What it is called by, alone in its row."""
        return f"{self.name}, {self.case}" if self.case else self.name


@dataclass(frozen=True)
class Goal:
    """
    A limit for one contender's figure or, with `over`, for its ratio to another's.

    Attributes:
        of: A label; so is `over`.
    """

    of: str
    over: str = ""
    at_most: float = inf
    at_least: float = -inf

    def is_met(self, figure: float) -> bool:
        """Whether the figure, or the ratio, is within the limit."""
        return self.at_least <= figure <= self.at_most

    @property
    def limit(self) -> str:
        """The limit as one reads it."""
        return f"≤ {self.at_most:g}" if self.at_most < inf else f"≥ {self.at_least:g}"


@dataclass(frozen=True)
class Effort:
    """
    How much work a measurement is worth.

    Attributes:
        rounds: Samples of each contender; None for as many as the row takes by itself.
        short: As little as shows that everything works; its figures mean nothing.
    """

    rounds: int | None = None
    short: bool = False

    def pick(self, full: int, short: int = 1) -> int:
        """One of two amounts of work."""
        return short if self.short else full


@dataclass(frozen=True)
class Row:
    """
    One question of speed.

    Attributes:
        unit: Of its figures.
        rounds: Samples of each contender; more where one is over soon.
        contenders: Sets up what they need, checks that all of them do the same work, and gives them in the order of the
            table; all is gone again at the end of the block.
    """

    name: str
    asks: str
    unit: str
    contenders: Callable[[Effort], AbstractContextManager[Sequence[Contender]]]
    goals: Sequence[Goal]
    rounds: int = 7
