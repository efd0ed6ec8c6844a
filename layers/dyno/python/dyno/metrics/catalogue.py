"""
The metrics of the service, each defined once.

EMF directives, Prometheus families, CloudWatch widgets and alarms are derived from this page; nothing names a metric
outside it. It imports nothing of the service, so that the infrastructure can read it too.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

NAMESPACE = "DynoAgent/Production"
RECORD = "dyno-call/1"
METRIC_RECORD = "dyno-metric/1"

CALL_FIELDS = (
    "service",
    "method",
    "record",
    "event_id",
    "correlation_id",
    "sub",
    "outcome",
    "success",
    "duration_ms",
    "created_at",
    "parent_event_id",
    "error_type",
    "error_message",
    "metadata",
    "stack_trace",
    "release",
)
"""Members of a call's line, besides what it carries for CloudWatch; the last two are not on every one."""

METRIC_FIELDS = (
    "record",
    "feed",
    "event_id",
    "correlation_id",
    "sub",
    "name",
    "kind",
    "unit",
    "value",
    "labels",
    "created_at",
)
"""The same of a business metric's line. `feed` is RECORD: a log group has room for two subscriptions, and so the one on
that term delivers these lines as well."""

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
    """
    Prometheus metric types.

    Attributes:
        INFO: Always 1, its labels are what it says; a gauge where the text format knows no such type.
    """

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


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
        methods: (service, method) pairs it rides on, all of them of METHODS; empty: every call.
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
class FunctionMetric:
    """
    A CloudWatch metric of a function, on a line of its own; operational, so in strategy `cloudwatch` only.

    Attributes:
        name: CloudWatch metric name.
        unit: CloudWatch unit.
    """

    name: str
    unit: str
    help: str


@dataclass(frozen=True)
class BusinessMetric:
    """
    A gauge of the lab that is recorded every night, as `record_business_metric` takes it; without labels.

    Attributes:
        name: CloudWatch metric name, in PascalCase.
        unit: CloudWatch unit.
    """

    name: str
    unit: str
    help: str


@dataclass(frozen=True)
class Family:
    """A Prometheus family of /metrics/prometheus; names use base units."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


DIMENSIONS = ("service", "method")
FUNCTION_DIMENSION = "function"
OVERFLOW: Mapping[str, str] = {"overflow": "true"}
"""The one dimension of what has no series of its own, in place of its others."""

_SIZES = tuple(
    f"{size}{what}".capitalize() for what in ("bytes", "bits") for size in ("", "kilo", "mega", "giga", "tera")
)
UNITS = (
    *("Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"),
    *_SIZES,
    *(f"{size}/Second" for size in _SIZES),
)
"""CloudWatch's. Source: CloudWatch API reference, MetricDatum."""

RESERVED_LABELS = frozenset({*CALL_FIELDS, *METRIC_FIELDS, FUNCTION_DIMENSION, *OVERFLOW})
RESERVED_LABELS |= {"le", "quantile", "job", "instance"}
"""What no label of a business metric may be called: a label is a member of the line and a dimension, and Prometheus has
its own idea of the last four."""

AUTO_ALLOCATE = ("AllocationService", "auto_allocate")

DURATION = CallMetric("Duration", "Milliseconds", Source.DURATION_MS, "Time from call to return.")
ERRORS = CallMetric("Errors", "Count", Source.ERROR, "Calls in which the service broke.")
REJECTIONS = CallMetric("Rejections", "Count", Source.REJECTED, "Calls refused for a domain reason.")
ALLOCATIONS = CallMetric(
    "Allocations", "Count", Source.PLACED, "Vehicles placed on a dyno.", business=True, methods=(AUTO_ALLOCATE,)
)
CALL_METRICS = (DURATION, ERRORS, REJECTIONS, ALLOCATIONS)
COLD_START = FunctionMetric("ColdStart", "Count", "Requests that waited for an environment to start.")

SUCCESSFUL_ALLOCATIONS = BusinessMetric(
    "SuccessfulAllocations", "Count", "Bookings of the month that are kept: not cancelled within 24 hours."
)
SAVED_HOURS = BusinessMetric("HoursSaved", "None", "Planners' hours that these saved, by what is assumed.")
SAVED_USD = BusinessMetric("CostSavingsUSD", "None", "What these hours would have cost.")
ADOPTION_RATE = BusinessMetric("AdoptionRate", "Percent", "People with a kept booking in 30 days, of those enrolled.")
CONFLICT_ELIMINATION_RATE = BusinessMetric(
    "ConflictEliminationRate",
    "Percent",
    "Double bookings of the month that were refused or moved, of those and any there are.",
)
PEOPLE_ACTIVE = BusinessMetric("ActiveUsers", "Count", "Who made a kept booking in the last 30 days.")
BUSINESS_METRICS = (
    SUCCESSFUL_ALLOCATIONS,
    SAVED_HOURS,
    SAVED_USD,
    ADOPTION_RATE,
    CONFLICT_ELIMINATION_RATE,
    PEOPLE_ACTIVE,
)
"""Of the month that yesterday was in: a run that is done twice says the same again. What is undefined is left out."""

ALLOCATION_SERVICE = "AllocationService"

CALLS_TOTAL = Family("dyno_calls_total", Kind.COUNTER, "Finished calls.", ("service", "method", "outcome"))
CALL_DURATION = Family("dyno_call_duration_seconds", Kind.HISTOGRAM, "Time from call to return.", ("service", "method"))
DEAD_LETTERS_TOTAL = Family("dyno_dead_letters_total", Kind.COUNTER, "Record lines set aside.", ("reason",))
# Not dyno_dead_letters: that is the counter's name in OpenMetrics.
OPEN_DEAD_LETTERS = Family(
    "dyno_open_dead_letters", Kind.GAUGE, "Record lines set aside that nothing became of so far.", ("reason",)
)
INGEST_LAG = Family(
    "dyno_ingest_lag_seconds", Kind.GAUGE, "How long the oldest call of the last batch had waited to be counted."
)
INGEST_FAILING_SINCE = Family(
    "dyno_ingest_failing_since_seconds", Kind.GAUGE, "When ingest began to fail, in Unix time; 0 while it does not."
)
SNAPSHOT_TIMESTAMP = Family("dyno_snapshot_timestamp_seconds", Kind.GAUGE, "When these numbers were taken.")
BUILD_INFO = Family("dyno_build_info", Kind.INFO, "The release that answers.", ("release", "strategy"))

# As the earlier system named them, for the panels and rules that still do.
ALLOCATION_REQUESTS = Family(
    "dyno_allocation_requests_total",
    Kind.COUNTER,
    "Finished calls of the allocation service; see dyno_calls_total.",
    ("status", "service", "method"),
)
ALLOCATION_DURATION = Family(
    "dyno_allocation_duration_seconds",
    Kind.HISTOGRAM,
    "Time of the allocation service's calls; see dyno_call_duration_seconds.",
    ("service", "method"),
)
ACTIVE_USERS = Family("dyno_active_users", Kind.GAUGE, "Who made a booking that is kept, in the last 30 days.")
HOURS_SAVED = Family("dyno_monthly_hours_saved", Kind.GAUGE, "Planners' hours saved by this month's kept bookings.")
COST_SAVINGS = Family("dyno_cost_savings_usd", Kind.GAUGE, "What these hours would have cost.")
AGENT_INFO = Family(
    "dyno_agent_info", Kind.INFO, "The release that answers; see dyno_build_info.", ("version", "strategy")
)

EARLIER = (ALLOCATION_REQUESTS, ALLOCATION_DURATION, ACTIVE_USERS, HOURS_SAVED, COST_SAVINGS, AGENT_INFO)
FAMILIES = (
    CALLS_TOTAL,
    CALL_DURATION,
    DEAD_LETTERS_TOTAL,
    OPEN_DEAD_LETTERS,
    INGEST_LAG,
    INGEST_FAILING_SINCE,
    SNAPSHOT_TIMESTAMP,
    BUILD_INFO,
    *EARLIER,
)
"""All but those of business metrics, which are named as these are recorded; see dyno.metrics.observed."""

SERIES_BUDGET = 60
"""CloudWatch series the deployment may create by default, at $0.30 a series and month. A series is a metric name with
the values of its dimensions."""

SERIES_BUDGET_PER_FUNCTION = 14
"""What one environment of a function may besides those of METHODS, where METRICS_SERIES_BUDGET says nothing: half of
what they leave, as two of the deployment's functions measure calls. A third takes settings that share it out."""

METHODS: Mapping[str, tuple[str, ...]] = {
    ALLOCATION_SERVICE: (
        "auto_allocate",
        "cancel_allocation",
        "get_allocation",
        "list_allocations",
        "list_conflicts",
        "list_dynos",
        "list_vehicles",
    ),
    "MetricsService": ("calls", "exact_performance", "performance"),
    "RoiService": (),
    "UserService": (),  # an admin's, and seldom
}
"""
This service's methods with series of their own, service by service; the others of these services count as overflow.

Which they are is said here and not left to the first to come, so that all environments together have these and no more;
they are free of an environment's budget, so that what an alarm watches is there whatever came before.
Whoever is called at night wants to see apart what people wait for and what changes a booking; what nobody would be
called for may share: whose calls broke, the log and /metrics/performance say. Of a service that is not named here, any
method has its own as long as its environment's budget lasts.
"""


def has_own_series(service: str, method: str) -> bool:
    """Whether a method's calls may have series of their own; else they count as overflow."""
    return service not in METHODS or method in METHODS[service]


def carried(strategy: str) -> tuple[CallMetric, ...]:
    """The CloudWatch metrics that calls' lines carry under a strategy, in catalogue order."""
    if strategy == "prometheus":
        return ()
    return tuple(metric for metric in CALL_METRICS if metric.business or strategy == "cloudwatch")


def shared(strategy: str) -> tuple[CallMetric, ...]:
    """Those of them that a call without series of its own carries, as overflow."""
    return tuple(metric for metric in carried(strategy) if not metric.methods)


def emitted(strategy: str, service: str, method: str) -> tuple[CallMetric, ...]:
    """Those that the line of a call of this method carries."""
    return tuple(metric for metric in carried(strategy) if metric.rides_on(service, method))
