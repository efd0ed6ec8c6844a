"""What a row came out at: figures, ratios, and which goals they meet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.benchmarks.row import Contender, Goal, Role, Row


@dataclass(frozen=True)
class Result:
    """
    A row, measured.

    Attributes:
        taken: Every sample as it was taken, by label, in order of the rounds.
        profiles: Where the time goes of those that missed a goal, by label.
    """

    row: Row
    contenders: Sequence[Contender]
    taken: Mapping[str, Sequence[float]]
    profiles: Mapping[str, str] = field(default_factory=dict)

    def figures(self, label: str) -> list[float]:
        """A contender's figure of each round, what is to be taken off taken off."""
        net_of = self.contender(label).net_of
        if not net_of:
            return list(self.taken[label])
        return [gross - off for gross, off in zip(self.taken[label], self.taken[net_of], strict=True)]

    def figure(self, label: str) -> float:
        """The median over the rounds."""
        return median(self.figures(label))

    def ratio(self, of: str, over: str) -> float:
        """
        How one contender compares with another: the median of the rounds' own ratios.

        Not the ratio of the medians: within a round both had the same machine, whatever else it did meanwhile.
        """
        return median(one / other for one, other in zip(self.figures(of), self.figures(over), strict=True))

    def over_floor(self, contender: Contender) -> float | None:
        """Its ratio to the floor of its case; None for what has none, or is none of the race."""
        floors = [each for each in self.contenders if each.role is Role.FLOOR and each.case == contender.case]
        if not floors or contender.role in (Role.NOTHING, Role.FLOOR) or contender.unit != floors[0].unit:
            return None
        return self.ratio(contender.label, floors[0].label)

    def best_peer(self, contender: Contender) -> Contender | None:
        """The peer that does best at the same; None where there is none, or where it comes to nothing."""
        peers = [
            each
            for each in self.contenders
            if each.role is Role.PEER and (each.case, each.unit) == (contender.case, contender.unit)
        ]
        if not peers or not all(figure for each in peers for figure in self.figures(each.label)):
            return None
        best = max if self.unit(contender.label).endswith("/s") else min
        return best(peers, key=lambda peer: self.figure(peer.label))

    def judged(self, goal: Goal) -> float:
        """The figure or the ratio that a goal is about."""
        return self.ratio(goal.of, goal.over) if goal.over else self.figure(goal.of)

    def missed(self) -> list[Goal]:
        """The goals that were not reached."""
        return [goal for goal in self.row.goals if not goal.is_met(self.judged(goal))]

    def unit(self, label: str) -> str:
        """What a contender's figure is counted in."""
        return self.contender(label).unit or self.row.unit

    def contender(self, label: str) -> Contender:
        """By its label."""
        return next(contender for contender in self.contenders if contender.label == label)
