"""Calls on the dashboard: the catalogue's metrics where they are emitted, the log where they are not."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs

from cdk.options import Strategy
from dyno.metrics import catalogue

PERIOD = Duration.minutes(5)
THIRD, HALF, WHOLE = 8, 12, 24

STATISTICS = {catalogue.Source.DURATION_MS: ("p50", "p95", "p99")}
"""What is shown of a metric, by its source; counts are summed."""


MADE = "outcome = 'success' and ispresent(metadata.allocation_id) and not ispresent(metadata.replayed)"
"""How a record line says Source.PLACED, which is no outcome by itself."""


COLD_STARTS = (
    "filter @message like /^REPORT .*Init Duration/",
    r"parse @logStream /\d\/(?<function>[^\/\[]+)\[/",
    r"parse @message /Init Duration: (?<init_ms>\S+) ms/",
    f"stats count(*) as {catalogue.COLD_START.name}, max(init_ms) as slowest_ms by function",
)
"""
What Lambda itself logs of environments that a request waited for.

Source:
    Lambda Developer Guide, "Configuring CloudWatch log groups": streams of a group that functions share are named
    YYYY/MM/DD/<function_name>[<function_version>][<execution_environment_GUID>].
"""


def shown(strategy: Strategy) -> tuple[catalogue.CallMetric, ...]:
    """The catalogue's metrics that some call emits under a strategy; no other may be on a dashboard or an alarm."""
    return tuple(metric for metric in catalogue.CALL_METRICS if _emitters(metric, strategy))


def widgets(strategy: Strategy, namespace: str, log_group: logs.ILogGroup) -> list[cloudwatch.IWidget]:
    """One graph per metric that is emitted, and the log's own account of what is not."""
    graphs: list[cloudwatch.IWidget] = [_graph(metric, strategy, namespace) for metric in shown(strategy)]
    missing = [metric for metric in catalogue.CALL_METRICS if metric not in shown(strategy)]
    queries = [_query(metric, log_group) for metric in missing]
    return [*graphs, *queries, _cold_starts(strategy, namespace, log_group), _failures(log_group)]


def metric_of(
    metric: catalogue.CallMetric, namespace: str, service: str, method: str, statistic: str
) -> cloudwatch.Metric:
    """One series of a catalogue metric."""
    values = dict(zip(catalogue.DIMENSIONS, (service, method), strict=True))
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=metric.name,
        dimensions_map=values,
        statistic=statistic,
        period=PERIOD,
    )


def _emitters(metric: catalogue.CallMetric, strategy: Strategy) -> list[tuple[str, str]]:
    calls = metric.methods or (catalogue.AUTO_ALLOCATE,)
    return [call for call in calls if metric in catalogue.emitted(strategy, *call)]


def _statistics(metric: catalogue.CallMetric) -> tuple[str, ...]:
    return STATISTICS.get(metric.source, ("Sum",))


def _graph(metric: catalogue.CallMetric, strategy: Strategy, namespace: str) -> cloudwatch.GraphWidget:
    if metric.methods:
        calls = _emitters(metric, strategy)
        series: list[cloudwatch.IMetric] = [
            metric_of(metric, namespace, *call, statistic).with_(label=f"{'.'.join(call)} {statistic}")
            for call in calls
            for statistic in _statistics(metric)
        ]
    else:
        searches = [_search(metric.name, catalogue.DIMENSIONS, namespace, each) for each in _statistics(metric)]
        series = [*searches, *(_overflow(metric, namespace, each) for each in _statistics(metric))]
    return _widget(metric, series)


def _widget(
    metric: catalogue.CallMetric | catalogue.FunctionMetric, series: list[cloudwatch.IMetric]
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=metric.name,
        left=series,
        left_y_axis=cloudwatch.YAxisProps(min=0, label=metric.unit, show_units=False),
        width=THIRD,
    )


def _search(name: str, dimensions: Sequence[str], namespace: str, statistic: str) -> cloudwatch.MathExpression:
    """Every series of a metric that has these dimensions, those of services yet to come included."""
    series = f'{{{namespace},{",".join(dimensions)}}} MetricName="{name}"'
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{series}', '{statistic}', {PERIOD.to_seconds():.0f})",
        label=statistic,
        period=PERIOD,
        using_metrics={},
    )


def _overflow(metric: catalogue.CallMetric, namespace: str, statistic: str) -> cloudwatch.Metric:
    """The one series of all that have none of their own."""
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=metric.name,
        dimensions_map=catalogue.OVERFLOW,
        statistic=statistic,
        period=PERIOD,
        label=f"all others {statistic}",
    )


def _cold_starts(strategy: Strategy, namespace: str, log_group: logs.ILogGroup) -> cloudwatch.IWidget:
    metric = catalogue.COLD_START
    if strategy is Strategy.CLOUDWATCH:
        return _widget(metric, [_search(metric.name, (catalogue.FUNCTION_DIMENSION,), namespace, "Sum")])
    return cloudwatch.LogQueryWidget(
        title=f"{metric.name}, from the log",
        log_group_names=[log_group.log_group_name],
        query_lines=list(COLD_STARTS),
        view=cloudwatch.LogQueryVisualizationType.TABLE,
        width=THIRD,
    )


def _query(metric: catalogue.CallMetric, log_group: logs.ILogGroup) -> cloudwatch.LogQueryWidget:
    """The same number from the record lines."""
    filters = [f"record = '{catalogue.RECORD}'", *_only(metric)]
    if metric.source is catalogue.Source.DURATION_MS:
        value = ", ".join(f"pct(duration_ms, {level}) as p{level}_ms" for level in (50, 95, 99))
    else:
        placed = metric.source is catalogue.Source.PLACED
        filters.append(MADE if placed else f"outcome = '{metric.source}'")
        value = f"count(*) as {metric.name}"
    return cloudwatch.LogQueryWidget(
        title=f"{metric.name}, from the log",
        log_group_names=[log_group.log_group_name],
        query_lines=[*(f"filter {line}" for line in filters), f"stats {value} by service, method"],
        view=cloudwatch.LogQueryVisualizationType.TABLE,
        width=THIRD,
    )


def _only(metric: catalogue.CallMetric) -> list[str]:
    if not metric.methods:
        return []
    return [" or ".join(f"(service = '{service}' and method = '{method}')" for service, method in metric.methods)]


def _failures(log_group: logs.ILogGroup) -> cloudwatch.LogQueryWidget:
    return cloudwatch.LogQueryWidget(
        title="Recent calls that broke",
        log_group_names=[log_group.log_group_name],
        query_lines=[
            "fields @timestamp, service, method, error_type, error_message, correlation_id",
            f"filter record = '{catalogue.RECORD}' and outcome = '{catalogue.Source.ERROR}'",
            "sort @timestamp desc",
            "limit 20",
        ],
        view=cloudwatch.LogQueryVisualizationType.TABLE,
        width=WHOLE,
    )
