"""What CloudWatch Logs Insights asks the logs: what no metric says, and what somebody at night wants to know."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from dyno.metrics import catalogue
from dyno.metrics.catalogue import BusinessMetric, CallMetric, FunctionMetric, LogMetric, Row, Source

CALLS = f"record = '{catalogue.RECORD}'"

MADE = "outcome = 'success' and ispresent(metadata.allocation_id) and not ispresent(metadata.replayed)"
"""How a record line says Source.PLACED, which is no outcome by itself."""

PASTE_HERE = "paste-the-correlation-id-here"

CALLS_WITH_TIMES = ", ".join(
    ("count(*) as calls", *(f"pct(duration_ms, {level}) as p{level}_ms" for level in (50, 95, 99)))
)


class Log(Enum):
    """Which log is asked: that of calls, with everything the doors say, or that of ingest."""

    CALLS = "calls"
    INGEST = "ingest"


@dataclass(frozen=True)
class Query:
    """
    A question, and what it is called.

    Attributes:
        over_time: Whether the answer is a graph; else it is a table.
    """

    title: str
    lines: tuple[str, ...]
    log: Log = Log.CALLS
    over_time: bool = False

    @property
    def text(self) -> str:
        """As it is typed."""
        return "\n| ".join(self.lines)


BROKE = Query(
    "Calls that broke",
    (
        "fields @timestamp, service, method, error_type, error_message, correlation_id",
        f"filter {CALLS} and outcome = '{Source.ERROR}'",
        "sort @timestamp desc",
        "limit 20",
    ),
)

REFUSAL_REASONS = Query(
    "Refusals by reason",
    (
        f"filter {CALLS} and outcome = '{Source.REJECTED}'",
        "stats count(*) as refusals by service, method, error_type",
        "sort refusals desc",
    ),
)

SAVED = (
    Query(
        "One request, by correlation id",
        (
            "fields @timestamp, service, method, outcome, duration_ms, error_type, error_message, level, message",
            f"filter correlation_id = '{PASTE_HERE}'",
            "sort @timestamp asc",
            "limit 1000",
        ),
    ),
    Query(
        "Slow calls",
        (
            "fields @timestamp, duration_ms, service, method, outcome, correlation_id",
            f"filter {CALLS}",
            "sort duration_ms desc",
            "limit 50",
        ),
    ),
    Query(
        "Refusals",
        (
            "fields @timestamp, service, method, error_type, error_message, sub, correlation_id",
            f"filter {CALLS} and outcome = '{Source.REJECTED}'",
            "sort @timestamp desc",
            "limit 50",
        ),
    ),
    BROKE,
    Query(
        "Calls by method",
        (
            f"filter {CALLS}",
            f"stats {CALLS_WITH_TIMES} by service, method, outcome",
            "sort calls desc",
        ),
    ),
    Query(
        "Batches with lines set aside",
        (
            f"fields @timestamp, {catalogue.DEAD_LETTERS.field}, @logStream",
            f"filter {catalogue.DEAD_LETTERS.field} > 0",
            "sort @timestamp desc",
            "limit 50",
        ),
        Log.INGEST,
    ),
)
"""Questions that are kept where somebody looks for them at night."""


def of_calls(metric: CallMetric) -> list[Query]:
    """The same numbers as the metric's, from the record lines: by method, and of a golden signal over time, too."""
    filters = [CALLS, *_only(metric)]
    if metric.source is Source.DURATION_MS:
        value, over_time, most = CALLS_WITH_TIMES, "pct(duration_ms, 95) as p95_ms", "calls"
    else:
        filters.append(MADE if metric.source is Source.PLACED else f"outcome = '{metric.source}'")
        value = over_time = f"count(*) as {metric.name}"
        most = metric.name
    chosen = [f"filter {line}" for line in filters]
    by_method = (*chosen, f"stats {value} by service, method", f"sort {most} desc")
    found = [Query(f"{metric.name}, from the log", by_method)]
    if metric.row is Row.SIGNALS:
        lines = (*chosen, f"stats {over_time} by bin(5m)")
        found.append(Query(f"{metric.name} over time, from the log", lines, over_time=True))
    return found


def of_functions(metric: FunctionMetric) -> Query:
    """
    The same runs as the metric's, by function, from what Lambda itself logs of each.

    Source:
        Lambda Developer Guide, "Configuring CloudWatch log groups": streams of a group that functions share are named
        YYYY/MM/DD/<function_name>[<function_version>][<execution_environment_GUID>].
    """
    lines = (
        f"filter @message like /^REPORT .*{metric.reported}/",
        r"parse @logStream /\d\/(?<function>[^\/\[]+)\[/",
        rf"parse @message /{metric.reported}: (?<took_ms>\S+) ms/",
        f"stats count(*) as {metric.name}, max(took_ms) as slowest_ms by function",
    )
    return Query(f"{metric.name}, from the log", lines)


def of_lines(metric: LogMetric) -> Query:
    """The same values as the metric's, from ingest's lines."""
    function = {"Sum": "sum", "Maximum": "max"}[metric.statistic]
    lines = (
        f"filter ispresent({metric.field})",
        f"stats {function}({metric.field}) as {metric.name} by bin(5m)",
    )
    return Query(f"{metric.name}, from the log", lines, Log.INGEST, over_time=True)


def of_business(metrics: Sequence[BusinessMetric]) -> Query:
    """The gauges' latest values, from the lines in which they are recorded."""
    names = ", ".join(f"'{metric.name}'" for metric in metrics)
    lines = (
        f"filter record = '{catalogue.METRIC_RECORD}' and name in [{names}]",
        "stats latest(value) as latest_value by name, unit",
        "sort name asc",
    )
    return Query("Last night's, from the log", lines)


def _only(metric: CallMetric) -> list[str]:
    if not metric.methods:
        return []
    return [" or ".join(f"(service = '{service}' and method = '{method}')" for service, method in metric.methods)]
