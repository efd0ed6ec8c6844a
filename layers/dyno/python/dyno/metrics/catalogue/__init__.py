"""
The metrics of the service, each defined once.

EMF directives, Prometheus families, CloudWatch widgets, alarms and saved queries, the bill and docs/metrics.md are
derived from these pages; nothing names a metric outside them. What no function needs, as what AWS
itself measures, is in `watching`. They import nothing of the service, so that the infrastructure can read them too.
"""

from collections.abc import Mapping

from dyno.metrics.catalogue.buckets import (
    BUCKET_BOUNDS_MS,
    BUCKET_COUNT,
    BUCKETS_PER_DECADE,
    EXPOSED_BUCKETS,
    bound_s,
    bucket,
)
from dyno.metrics.catalogue.kinds import (
    BusinessMetric,
    CallMetric,
    ErrorBudget,
    Family,
    FunctionMetric,
    Kind,
    Limit,
    LogMetric,
    Objective,
    Row,
    Source,
)
from dyno.metrics.catalogue.words import (
    CALL_FIELDS,
    DIMENSIONS,
    FUNCTION_DIMENSION,
    METRIC_FIELDS,
    METRIC_RECORD,
    NAMESPACE,
    OTHERS,
    OVERFLOW,
    RECORD,
    RESERVED_LABELS,
    UNITS,
)

ALLOCATION_SERVICE = "AllocationService"
AUTO_ALLOCATE = (ALLOCATION_SERVICE, "auto_allocate")

SLOW_MS = 2_000
"""A booking takes some tens of milliseconds; at this p95 people notice."""

CALLS_TOTAL = Family("dyno_calls_total", Kind.COUNTER, "Finished calls.", ("service", "method", "outcome"))
CALL_DURATION = Family("dyno_call_duration_seconds", Kind.HISTOGRAM, "Time from call to return.", ("service", "method"))
DEAD_LETTERS_TOTAL = Family("dyno_dead_letters_total", Kind.COUNTER, "Record lines set aside.", ("reason",))
# Not dyno_dead_letters: that is the counter's name in OpenMetrics.
OPEN_DEAD_LETTERS = Family(
    "dyno_open_dead_letters", Kind.GAUGE, "Record lines set aside that nothing became of so far.", ("reason",)
)
INGEST_LAG_SECONDS = Family(
    "dyno_ingest_lag_seconds", Kind.GAUGE, "How long the oldest call of the last batch had waited to be counted."
)
INGEST_FAILING_SINCE = Family(
    "dyno_ingest_failing_since_seconds", Kind.GAUGE, "When ingest began to fail, in Unix time; 0 while it does not."
)
SNAPSHOT_READABLE = Family(
    "dyno_snapshot_readable", Kind.GAUGE, "1 if what is counted could be read, if only that there is nothing; else 0."
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
    INGEST_LAG_SECONDS,
    INGEST_FAILING_SINCE,
    SNAPSHOT_READABLE,
    SNAPSHOT_TIMESTAMP,
    BUILD_INFO,
    *EARLIER,
)
"""All but those of business metrics, which are named as these are recorded; see dyno.metrics.observed."""

DURATION = CallMetric(
    "Duration",
    "Milliseconds",
    Source.DURATION_MS,
    "Time from call to return.",
    statistics=(
        ("SampleCount", "Calls"),
        ("p50", "Duration p50"),
        ("p95", "Duration p95"),
        ("p99", "Duration p99"),
    ),
    objective=Limit(
        "p95",
        SLOW_MS,
        "Bookings are slow.",
        "Bookings are slow",
        period_s=900,
        urgent=True,
        name="BookingDuration",
    ),
    family=CALL_DURATION,
)
ERRORS = CallMetric(
    "Errors",
    "Count",
    Source.ERROR,
    "Calls in which the service broke.",
    statistics=(("Sum", "Errors"), ("Average", "Errors, share of calls")),
    objective=ErrorBudget("Booking", 0.5, "Bookings fail.", "Bookings fail"),
    family=CALLS_TOTAL,
    matching=(("outcome", "error"),),
)
REJECTIONS = CallMetric(
    "Rejections",
    "Count",
    Source.REJECTED,
    "Calls refused for a domain reason.",
    row=Row.BOOKINGS,
    family=CALLS_TOTAL,
    matching=(("outcome", "rejected"),),
)
ALLOCATIONS = CallMetric(
    "Allocations",
    "Count",
    Source.PLACED,
    "Vehicles placed on a dyno.",
    row=Row.BOOKINGS,
    business=True,
    methods=(AUTO_ALLOCATE,),
)
CALL_METRICS = (DURATION, ERRORS, REJECTIONS, ALLOCATIONS)

COLD_START = FunctionMetric("ColdStart", "Count", "Init Duration", "Requests that waited for an environment to start.")
FUNCTION_METRICS = (COLD_START,)

DEAD_LETTERS = LogMetric(
    "DeadLetters",
    "Count",
    "dead_letters",
    "Record lines set aside.",
    floor=0,
    always=True,
    objective=Limit("Sum", 1, "Record lines were set aside.", "Lines were set aside", name="DeadLetters"),
    family=DEAD_LETTERS_TOTAL,
)
INGEST_LAG = LogMetric(
    "IngestLag",
    "Seconds",
    "lag_s",
    "How long the oldest call of a batch had waited to be counted.",
    statistic="Maximum",
    family=INGEST_LAG_SECONDS,
)
LOG_METRICS = (DEAD_LETTERS, INGEST_LAG)

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
DYNO_UTILIZATION = BusinessMetric(
    "DynoUtilization", "Percent", "Days of dynos with a test, of those on which they could have had one."
)
BUSINESS_METRICS = (
    SUCCESSFUL_ALLOCATIONS,
    SAVED_HOURS,
    SAVED_USD,
    ADOPTION_RATE,
    CONFLICT_ELIMINATION_RATE,
    PEOPLE_ACTIVE,
    DYNO_UTILIZATION,
)
"""Of the month that yesterday was in: a run that is done twice says the same again. What is undefined is left out."""

SERIES_BUDGET = 60
"""CloudWatch series the deployment may create by default, at $0.30 a series and month. A series is a metric name with
the values of its dimensions."""

SERIES_BUDGET_PER_FUNCTION = 14
"""What one environment of a function may besides those of METHODS, where METRICS_SERIES_BUDGET says nothing: half of
what they leave. The deployment's own functions have settings that share it out."""

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
    "ExportService": (),  # a file now and then
    "UserService": (),  # an admin's, and seldom
    "ImportService": (),  # so
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


def filtered(strategy: str) -> tuple[LogMetric, ...]:
    """The CloudWatch metrics that are taken from ingest's lines under a strategy."""
    return tuple(metric for metric in LOG_METRICS if metric.always or strategy == "cloudwatch")
