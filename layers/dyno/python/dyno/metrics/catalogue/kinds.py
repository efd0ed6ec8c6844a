"""
What can be said of a metric.

Named tuples and no data classes: each cold start makes them, and these take an eighth of the time.
"""

from enum import StrEnum
from typing import NamedTuple


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


class Row(StrEnum):
    """The rows of a dashboard, in the order in which they are looked at."""

    SIGNALS = "Golden signals, by method"
    BOOKINGS = "Bookings: placed, refused and why"
    LAB = "The lab and what it saves"
    PIPELINE = "From a line to a row"
    API = "API"
    FUNCTIONS = "Functions"
    DATABASE = "Database"


class ErrorBudget(NamedTuple):
    """
    How many calls may fail, of a metric that is 1 for one that did and 0 for one that did not.

    Attributes:
        name: What the alarms on it begin with.
        percentage: Of the calls of 30 days.
        says: What is wrong while it burns.
        section: The heading in docs/runbook.md of what to do.
    """

    name: str
    percentage: float
    says: str
    section: str


class Limit(NamedTuple):
    """
    A value at which somebody is told.

    Attributes:
        statistic: CloudWatch's name of it. Where it is a percentile, several samples must be above: of a few it is the
            greatest.
        at: Reached or passed in each of the last `periods`, it is an alarm.
        says: What is wrong then.
        section: The heading in docs/runbook.md of what to do.
        period_s: How long a period is.
        urgent: Whether people feel it now, so that somebody is called.
        name: What the alarm is called, where the metric's name does not say.
    """

    statistic: str
    at: float
    says: str
    section: str
    periods: int = 1
    period_s: int = 300
    urgent: bool = False
    name: str = ""

    @property
    def percentage(self) -> int | None:
        """Of a percentile; None of any other statistic."""
        return int(self.statistic.removeprefix("p")) if self.statistic.startswith("p") else None


Objective = ErrorBudget | Limit


class Family(NamedTuple):
    """A Prometheus family of /metrics/prometheus; names use base units."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


class CallMetric(NamedTuple):
    """
    A CloudWatch metric that rides on the record line of a finished call.

    Attributes:
        name: CloudWatch metric name.
        unit: CloudWatch unit.
        source: Which value of the call it carries; all but the duration count 1 or 0.
        row: Where dashboards show it.
        statistics: What is shown of it, CloudWatch's names, each with the title of its graph.
        business: True if it is emitted in every strategy but `prometheus`; operational ones only in `cloudwatch`.
        methods: (service, method) pairs it rides on, all of them of METHODS; empty: every call.
        objective: Of the calls of AUTO_ALLOCATE.
        family: Where Prometheus has the same.
        matching: The labels, with their values, of those of the family's series that say the same.
    """

    name: str
    unit: str
    source: Source
    help: str
    row: Row = Row.SIGNALS
    statistics: tuple[tuple[str, str], ...] = ()
    business: bool = False
    methods: tuple[tuple[str, str], ...] = ()
    objective: Objective | None = None
    family: Family | None = None
    matching: tuple[tuple[str, str], ...] = ()

    def rides_on(self, service: str, method: str) -> bool:
        """Whether calls of this method carry the metric."""
        return not self.methods or (service, method) in self.methods

    @property
    def graphs(self) -> tuple[tuple[str, str], ...]:
        """Statistics with their titles; what counts is summed, unless it says otherwise."""
        return self.statistics or (("Sum", self.name),)


class FunctionMetric(NamedTuple):
    """
    A CloudWatch metric of a function, on a line of its own; operational, so in strategy `cloudwatch` only.

    Attributes:
        name: CloudWatch metric name.
        unit: CloudWatch unit.
        reported: The time that Lambda's own report of a run has if the run is one that it counts.
    """

    name: str
    unit: str
    reported: str
    help: str
    row: Row = Row.FUNCTIONS
    statistic: str = "Sum"


class LogMetric(NamedTuple):
    """
    A CloudWatch metric that CloudWatch itself takes from the lines in which ingest tells of its batches.

    Attributes:
        name: CloudWatch metric name.
        unit: CloudWatch unit.
        field: The member of the line that it is the value of.
        floor: Values up to that are left out, and so are not billed; None for none.
        always: True if it is in every strategy, as somebody is called by it; else in `cloudwatch` only.
        family: What Prometheus has of it.
    """

    name: str
    unit: str
    field: str
    help: str
    row: Row = Row.PIPELINE
    statistic: str = "Sum"
    floor: float | None = None
    always: bool = False
    objective: Limit | None = None
    family: Family | None = None


class BusinessMetric(NamedTuple):
    """
    A gauge of the lab that is recorded every night, as `record_business_metric` takes it; without labels.

    Attributes:
        name: CloudWatch metric name, in PascalCase.
        unit: CloudWatch unit.
    """

    name: str
    unit: str
    help: str
    row: Row = Row.LAB
    statistic: str = "Maximum"
