"""
The metrics of the service, each defined once.

EMF directives, Prometheus families, CloudWatch widgets and alarms are derived from this page; nothing names a metric
outside it. It imports nothing of the service, so that the infrastructure can read it too.
"""

from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum

NAMESPACE = "DynoAgent/Production"
RECORD = "dyno-call/1"

BUCKETS_PER_DECADE = 9
BUCKET_COUNT = 64
BUCKET_BOUNDS_MS = tuple(float(f"{0.1 * 10 ** (index / BUCKETS_PER_DECADE):.4g}") for index in range(BUCKET_COUNT))
"""Upper bounds, both in, of the rollup histogram, 0.1 ms to 1,000 s; what is slower counts in the last bucket.
Four digits each, so that the bound a dashboard prints is the bound that was counted by."""

EXPOSED_BUCKETS = tuple(range(6, 46, 3))
"""Indexes into BUCKET_BOUNDS_MS shown to Prometheus: 0.46 ms to 10 s, three a decade."""


def bucket(duration_ms: float) -> int:
    """The bucket a duration counts in: the first whose bound it does not exceed, else the last."""
    return min(bisect_left(BUCKET_BOUNDS_MS, duration_ms), BUCKET_COUNT - 1)


class Kind(StrEnum):
    """Prometheus metric types."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Source(StrEnum):
    """
    What a CloudWatch value is taken from: one member per thing a finished call can say.

    Attributes:
        PLACED: A success that names the allocation_id it made: a dry run made none, a replay made it before.
    """

    DURATION_MS = "duration_ms"
    ERROR = "error"
    REJECTED = "rejected"
    PLACED = "placed"


@dataclass(frozen=True)
class CallMetric:
    """
    A CloudWatch metric that rides on the record line of a finished call.

    Attributes:
        name: CloudWatch metric name.
        unit: CloudWatch unit.
        source: Which value of the call it carries; all but the duration count 1 or 0.
        business: True if it is emitted in every strategy but `prometheus`; operational ones only in `cloudwatch`.
        methods: (service, method) pairs it rides on; empty: every call.
    """

    name: str
    unit: str
    source: Source
    help: str
    business: bool = False
    methods: tuple[tuple[str, str], ...] = ()

    def rides_on(self, service: str, method: str) -> bool:
        """Whether calls of this method carry the metric."""
        return not self.methods or (service, method) in self.methods


@dataclass(frozen=True)
class Family:
    """A Prometheus family of /metrics/prometheus; names use base units."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


DIMENSIONS = ("service", "method")

AUTO_ALLOCATE = ("AllocationService", "auto_allocate")

DURATION = CallMetric("Duration", "Milliseconds", Source.DURATION_MS, "Time from call to return.")
ERRORS = CallMetric("Errors", "Count", Source.ERROR, "Calls in which the service broke.")
REJECTIONS = CallMetric("Rejections", "Count", Source.REJECTED, "Calls refused for a domain reason.")
ALLOCATIONS = CallMetric(
    "Allocations", "Count", Source.PLACED, "Vehicles placed on a dyno.", business=True, methods=(AUTO_ALLOCATE,)
)
CALL_METRICS = (DURATION, ERRORS, REJECTIONS, ALLOCATIONS)

CALLS_TOTAL = Family("dyno_calls_total", Kind.COUNTER, "Finished calls.", ("service", "method", "outcome"))
CALL_DURATION = Family("dyno_call_duration_seconds", Kind.HISTOGRAM, "Time from call to return.", ("service", "method"))
DEAD_LETTERS_TOTAL = Family("dyno_dead_letters_total", Kind.COUNTER, "Record lines set aside.", ("reason",))
SNAPSHOT_TIMESTAMP = Family("dyno_snapshot_timestamp_seconds", Kind.GAUGE, "When these numbers were taken.")
BUILD_INFO = Family("dyno_build_info", Kind.GAUGE, "The release that answers.", ("release", "strategy"))
FAMILIES = (CALLS_TOTAL, CALL_DURATION, DEAD_LETTERS_TOTAL, SNAPSHOT_TIMESTAMP, BUILD_INFO)

SERIES_BUDGET = 60
"""CloudWatch series the service may create by default; at $0.30 a series and month."""


def emitted(strategy: str, service: str, method: str) -> tuple[CallMetric, ...]:
    """The CloudWatch metrics a call's line carries under a strategy, in catalogue order."""
    if strategy == "prometheus":
        return ()
    return tuple(
        metric
        for metric in CALL_METRICS
        if metric.rides_on(service, method) and (metric.business or strategy == "cloudwatch")
    )
