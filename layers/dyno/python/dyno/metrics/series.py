"""CloudWatch series of one environment: each counted when it is first used, none beyond the budget."""

from collections.abc import Collection, Mapping
from threading import Lock

from dyno.metrics.catalogue import OVERFLOW
from dyno.observability import logger

Dimensions = Mapping[str, str]

Named = tuple[str, frozenset[tuple[str, str]]]
"""A series: a metric's name and its dimensions."""


class Series:
    """
    Which series an environment may use, by metric name and dimensions.

    A metric that is told apart by dimensions holds a place for its overflow from the first, so that whatever comes
    beyond the budget still has somewhere to count: the sum over its own series and the overflow stays right. Other
    environments may have met others first: the bound is for one environment, and for all of them where, as in this
    service, the catalogue names which series there are.

    Args:
        budget: How many series besides those granted; with too few for a metric and its overflow, there is none of it.
    """

    def __init__(self, budget: int) -> None:
        self._budget = self._left = budget
        self._held: set[Named] = set()
        self._lock = Lock()
        self._told = False

    def dimensions(self, metrics: Collection[str], wanted: Dimensions) -> Dimensions | None:
        """By what these metrics are told apart: as wanted, else as overflow; None if neither has room."""
        if self._held.issuperset(_series(metrics, wanted)):
            return wanted
        has_overflow = not wanted or self.hold(metrics, OVERFLOW)
        if has_overflow and self.hold(metrics, wanted):
            return wanted
        self._tell(metrics, wanted)
        return OVERFLOW if wanted and has_overflow else None

    def hold(self, metrics: Collection[str], dimensions: Dimensions) -> bool:
        """Whether there is room for the metrics under these dimensions, which is theirs from now on."""
        with self._lock:
            new = _series(metrics, dimensions) - self._held
            if len(new) > self._left:
                return False
            self._left -= len(new)
            self._held |= new
            return True

    def grant(self, metrics: Collection[str], dimensions: Dimensions) -> None:
        """Give the metrics room under these dimensions that the budget does not pay for: somebody else bounds them."""
        with self._lock:
            self._held |= _series(metrics, dimensions)

    def _tell(self, metrics: Collection[str], wanted: Dimensions) -> None:
        if not self._told:
            self._told = True
            logger.warning(
                "no CloudWatch series left: these and what comes after them count as overflow",
                extra={"metrics": list(metrics), "dimensions": dict(wanted), "METRICS_SERIES_BUDGET": self._budget},
            )


def _series(metrics: Collection[str], dimensions: Dimensions) -> set[Named]:
    told_apart_by = frozenset(dimensions.items())
    return {(name, told_apart_by) for name in metrics}
