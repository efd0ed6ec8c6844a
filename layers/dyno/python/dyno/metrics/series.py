"""CloudWatch series of one environment: each counted when it is first used, none beyond the budget."""

from collections.abc import Collection, Mapping
from threading import Lock

from dyno.metrics.catalogue import OVERFLOW
from dyno.observability import logger

Dimensions = Mapping[str, str]


class Series:
    """
    Which series an environment may use, by metric name and dimensions.

    A metric that is told apart by dimensions holds a place for its overflow from the first, so that whatever comes
    beyond the budget still has somewhere to count: the sum over its own series and the overflow stays right. Other
    environments may have met others first: the bound is for one environment, and for all of them where, as in this
    service, the catalogue names which series there are.

    Args:
        budget: How many series; with too few for a metric and its overflow, there is none of it.
    """

    def __init__(self, budget: int) -> None:
        self._budget = self._left = budget
        self._held: set[tuple[str, frozenset[tuple[str, str]]]] = set()
        self._lock = Lock()
        self._told = False

    def dimensions(self, metrics: Collection[str], wanted: Dimensions) -> Dimensions | None:
        """By what these metrics are told apart: as wanted, else as overflow; None if neither has room."""
        has_overflow = not wanted or self.hold(metrics, OVERFLOW)
        if has_overflow and self.hold(metrics, wanted):
            return wanted
        self._tell(metrics, wanted)
        return OVERFLOW if wanted and has_overflow else None

    def hold(self, metrics: Collection[str], dimensions: Dimensions) -> bool:
        """Whether there is room for the metrics under these dimensions, which is theirs from now on."""
        told_apart_by = frozenset(dimensions.items())
        with self._lock:
            new = {(name, told_apart_by) for name in metrics} - self._held
            if len(new) > self._left:
                return False
            self._left -= len(new)
            self._held |= new
            return True

    def _tell(self, metrics: Collection[str], wanted: Dimensions) -> None:
        if not self._told:
            self._told = True
            logger.warning(
                "no CloudWatch series left: these and what comes after them count as overflow",
                extra={"metrics": list(metrics), "dimensions": dict(wanted), "METRICS_SERIES_BUDGET": self._budget},
            )
