"""What AWS itself measures of the deployment, and when an error budget burns too fast; no function needs this page."""

from enum import StrEnum
from typing import NamedTuple

from dyno.metrics.catalogue import SLOW_MS
from dyno.metrics.catalogue.kinds import ErrorBudget, Limit, Objective, Row


class Part(StrEnum):
    """
    What a metric of AWS's is of.

    Attributes:
        DOORS: Each function of the API.
        UNLIMITED: Those of them that run as often at once as they are asked; sheets wait for each other.
        NIGHTLY: Each function that runs once a night.
        NOTICES: Who tells EventBridge what befell bookings.
        DEPLOYMENT: Each function that a deployment calls.
    """

    API = "api"
    DOORS = "doors"
    UNLIMITED = "unlimited"
    INGEST = "ingest"
    NIGHTLY = "nightly"
    NOTICES = "notices"
    DEPLOYMENT = "deployment"
    DATABASE = "database"


class AwsMetric(NamedTuple):
    """
    A metric of AWS's own, there whatever the strategy is.

    Attributes:
        graph: The title of the graph that shows it, maybe with others.
    """

    namespace: str
    name: str
    part: Part
    unit: str
    help: str
    row: Row
    graph: str
    statistics: tuple[str, ...] = ("Sum",)
    objective: Objective | None = None


GATEWAY, LAMBDA, RDS = "AWS/ApiGateway", "AWS/Lambda", "AWS/RDS"

LONG_RUNS_S = 3_600
"""Over which runs are looked at that may take up to 15 minutes: AWS counts one when it began, and tells at its end."""

REQUESTS = AwsMetric(GATEWAY, "Count", Part.API, "Count", "Requests, whatever they are answered.", Row.API, "Requests")
REFUSED = AwsMetric(
    GATEWAY, "4XXError", Part.API, "Count", "Those that the caller has to mend or wait with.", Row.API, "Requests"
)
FAILED = AwsMetric(
    GATEWAY,
    "5XXError",
    Part.API,
    "Count",
    "Those that failed.",
    Row.API,
    "Requests",
    objective=ErrorBudget("Api", 0.5, "Requests fail.", "Requests fail"),
)
LATENCY = AwsMetric(
    GATEWAY,
    "Latency",
    Part.API,
    "Milliseconds",
    "From request to answer, at the gateway.",
    Row.API,
    "Latency at the gateway",
    ("p50", "p95", "p99"),
    Limit(
        "p95",
        SLOW_MS,
        "Answers are slow.",
        "Answers are slow",
        period_s=900,
        urgent=True,
        name="ApiLatency",
    ),
)

DOOR_RUNS = AwsMetric(LAMBDA, "Invocations", Part.DOORS, "Count", "Runs.", Row.FUNCTIONS, "Runs")
DOOR_CRASHES = AwsMetric(
    LAMBDA,
    "Errors",
    Part.DOORS,
    "Count",
    "Runs that raised, ran out of time or of memory.",
    Row.FUNCTIONS,
    "Crashes",
    objective=Limit("Sum", 1, "A function of the API crashes.", "A function crashes"),
)
DOOR_THROTTLES = AwsMetric(
    LAMBDA,
    "Throttles",
    Part.UNLIMITED,
    "Count",
    "Runs that did not begin, as too many were under way.",
    Row.FUNCTIONS,
    "Throttled",
    objective=Limit("Sum", 1, "A function of the API is throttled.", "Functions are throttled"),
)
DOOR_CONCURRENCY = AwsMetric(
    LAMBDA,
    "ConcurrentExecutions",
    Part.DOORS,
    "Count",
    "Runs under way at once.",
    Row.FUNCTIONS,
    "Runs at once",
    ("Maximum",),
)
DOOR_DURATION = AwsMetric(
    LAMBDA, "Duration", Part.DOORS, "Milliseconds", "Time of a run.", Row.FUNCTIONS, "Time of a run", ("p95",)
)
NIGHTLY_FAILURES = AwsMetric(
    LAMBDA,
    "Errors",
    Part.NIGHTLY,
    "Count",
    "Nights' runs that failed.",
    Row.FUNCTIONS,
    "Nights and deployments that failed",
    objective=Limit("Sum", 1, "A night's work failed.", "A night's work failed", period_s=LONG_RUNS_S),
)
DEPLOYMENT_FAILURES = AwsMetric(
    LAMBDA,
    "Errors",
    Part.DEPLOYMENT,
    "Count",
    "Work in the database that a deployment could not do.",
    Row.FUNCTIONS,
    "Nights and deployments that failed",
    objective=Limit(
        "Sum",
        1,
        "Roles or schema could not be brought up to date.",
        "A deployment's work in the database failed",
        period_s=LONG_RUNS_S,
    ),
)

BATCHES = AwsMetric(
    LAMBDA, "Invocations", Part.INGEST, "Count", "Batches of lines, tries included.", Row.PIPELINE, "Batches"
)
BATCH_ERRORS = AwsMetric(
    LAMBDA,
    "Errors",
    Part.INGEST,
    "Count",
    "Tries that failed; there are three.",
    Row.PIPELINE,
    "Batches",
    objective=Limit("Sum", 1, "Records are not written.", "Batches are not written"),
)
BATCHES_THROTTLED = AwsMetric(
    LAMBDA,
    "Throttles",
    Part.INGEST,
    "Count",
    "Tries that did not begin, as too many runs were under way; they are made up for.",
    Row.PIPELINE,
    "Batches",
)
BATCHES_DROPPED = AwsMetric(
    LAMBDA,
    "AsyncEventsDropped",
    Part.INGEST,
    "Count",
    "Batches given up, to be kept in the failed batches' bucket.",
    Row.PIPELINE,
    "Batches",
    objective=Limit("Sum", 1, "Batches were given up.", "Batches are not written"),
)
BATCHES_NOT_KEPT = AwsMetric(
    LAMBDA,
    "DestinationDeliveryFailures",
    Part.INGEST,
    "Count",
    "Batches given up that could not be kept.",
    Row.PIPELINE,
    "Batches",
    objective=Limit(
        "Sum", 1, "Failed batches could not be kept; their lines are in the call log.", "Batches are not written"
    ),
)

NOTICES_FAILED = AwsMetric(
    LAMBDA,
    "Errors",
    Part.NOTICES,
    "Count",
    "Runs that could not send all notices, or at night found some that had been left behind.",
    Row.PIPELINE,
    "Notices that stayed behind",
    objective=Limit("Sum", 1, "Notices of bookings stay behind.", "Notices stay behind"),
)

CAPACITY = AwsMetric(
    RDS,
    "ServerlessDatabaseCapacity",
    Part.DATABASE,
    "Count",
    "Aurora capacity units (ACU) in use.",
    Row.DATABASE,
    "Capacity (ACU)",
    ("Maximum",),
)
CAPACITY_USED = AwsMetric(
    RDS,
    "ACUUtilization",
    Part.DATABASE,
    "Percent",
    "The same, of max_capacity.",
    Row.DATABASE,
    "Capacity used (%)",
    ("Average",),
    Limit(
        "Average",
        95,
        "Aurora is near its most capacity units.",
        "The database is near its ceiling",
        periods=3,
        name="DatabaseACUUtilization",
    ),
)
CONNECTIONS = AwsMetric(
    RDS, "DatabaseConnections", Part.DATABASE, "Count", "Sessions.", Row.DATABASE, "Connections", ("Maximum",)
)
DEADLOCKS = AwsMetric(
    RDS,
    "Deadlocks",
    Part.DATABASE,
    "Count/Second",
    "Transactions that waited for each other.",
    Row.DATABASE,
    "Deadlocks a second",
    ("Maximum",),
)

AWS_METRICS = (
    REQUESTS,
    REFUSED,
    FAILED,
    LATENCY,
    DOOR_RUNS,
    DOOR_CRASHES,
    DOOR_THROTTLES,
    DOOR_CONCURRENCY,
    DOOR_DURATION,
    NIGHTLY_FAILURES,
    DEPLOYMENT_FAILURES,
    BATCHES,
    BATCH_ERRORS,
    BATCHES_THROTTLED,
    BATCHES_DROPPED,
    BATCHES_NOT_KEPT,
    NOTICES_FAILED,
    CAPACITY,
    CAPACITY_USED,
    CONNECTIONS,
    DEADLOCKS,
)
"""
In the order in which they are shown.

Source:
    API Gateway Developer Guide, "Amazon API Gateway dimensions and metrics"; Lambda Developer Guide, "Types of metrics
    for Lambda functions"; Aurora User Guide, "Amazon CloudWatch metrics for Amazon Aurora".
"""


class Burn(NamedTuple):
    """
    How fast an error budget may not be used up.

    Attributes:
        name: What it is called.
        rate: Times the rate at which the budget lasts for just its 30 days.
        long_s: The window over which it burns so fast.
        short_s: The window over which it still does: who is called once it is over looks in vain.
    """

    name: str
    rate: float
    long_s: int
    short_s: int


BURNS = (Burn("Fast", 14.4, 3_600, 300), Burn("Slow", 6.0, 21_600, 1_800))
"""
2 % of the budget in an hour, 5 % in six.

Source:
    The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".
"""

FEWEST_FAILURES = 5
"""
That failed, or were slow; below that, a window says nothing.

A paused database lets those who wake it wait and answers them by 503, one or two of them a time; and at night they may
be all there are, but for a Prometheus that scrapes.
"""
