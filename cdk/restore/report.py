"""What a drill says when it is over, whether of a cluster or of this machine's database."""

from dataclasses import dataclass
from datetime import datetime

from cdk.restore.comparison import Measured, Verdict


@dataclass(frozen=True)
class Drill:
    """
    A drill that came to its end.

    Attributes:
        copy: The name of what was restored, which is gone by now.
        moment: What it was restored to.
        lost_s: How long before the drill the latest moment was that could be had: what a loss would have cost (RPO).
            None for a dump, which is as old as it is.
        took_s: From the order to restore until the copy answered and was judged (RTO), in parts by name.
    """

    copy: str
    moment: datetime
    lost_s: float | None
    took_s: dict[str, float]
    restored: Measured
    verdict: Verdict

    @property
    def lines(self) -> list[str]:
        """The report; the last line is the verdict."""
        rows = sum(table.rows for table in self.restored.tables.values())
        parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.took_s.items())
        said = [
            f"restored {self.copy} to {self.moment:%Y-%m-%d %H:%M:%S} UTC",
            f"revision {self.restored.revision}, {len(self.restored.tables)} tables, {rows} rows",
            f"last write {self.restored.last_write_at or 'never'}, overlapping occupancies: {self.restored.overlaps}",
            self._rpo,
            f"RTO {sum(self.took_s.values()):.0f} s: {parts}",
        ]
        if self.verdict.moving:
            said.append(f"written to meanwhile, so only counted: {', '.join(self.verdict.moving)}")
        return [*said, *(f"fault: {fault}" for fault in self.verdict.faults), self._last]

    @property
    def _rpo(self) -> str:
        if self.lost_s is None:
            return "RPO: the age of the dump"
        return f"RPO {self.lost_s:.0f} s: the latest moment that could have been restored"

    @property
    def _last(self) -> str:
        if self.verdict.faults:
            return f"the drill FAILED: {len(self.verdict.faults)} faults"
        return f"the drill passed: {len(self.verdict.exact)} tables are the same to the row"
