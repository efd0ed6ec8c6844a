"""The dashboard's rows: the catalogue's metrics where they are emitted, the log where they are not."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from cdk.monitoring import queries
from cdk.monitoring.alarms import PERIOD_S, Stat
from cdk.monitoring.platform import Platform
from cdk.monitoring.queries import Log, Query
from cdk.options import Strategy
from dyno.metrics import catalogue
from dyno.metrics.catalogue import BusinessMetric, CallMetric, FunctionMetric, LogMetric, Row, watching
from dyno.metrics.catalogue.watching import AwsMetric, Part

THIRD, WHOLE = 8, 24

DAY_S = 86_400
NIGHTS_SHOWN = "-P62D"
"""What is recorded once a night is looked at over two months."""


class Widgets:
    """The widgets of one strategy."""

    def __init__(self, strategy: Strategy, platform: Platform) -> None:
        self._strategy, self._platform = strategy, platform

    def of(self, row: Row) -> Iterator[cloudwatch.IWidget]:
        """A row's, in the catalogue's order; every row has some under every strategy."""
        for call_metric in catalogue.CALL_METRICS:
            if call_metric.row is row:
                yield from self._of_calls(call_metric)
        yield from self._of_business([metric for metric in catalogue.BUSINESS_METRICS if metric.row is row])
        for log_metric in catalogue.LOG_METRICS:
            if log_metric.row is row:
                yield self._of_lines(log_metric)
        for title, metrics in groupby(
            [each for each in watching.AWS_METRICS if each.row is row], lambda metric: metric.graph
        ):
            yield self._graph(title, list(self._of_aws(list(metrics))))
        yield from self._besides(row)

    def _besides(self, row: Row) -> Iterator[cloudwatch.IWidget]:
        """What no metric says in any strategy, or another kind of metric does."""
        if row is Row.SIGNALS:
            yield self._ask(queries.BROKE, WHOLE)
        if row is Row.BOOKINGS:
            yield self._ask(queries.REFUSAL_REASONS)
        for metric in catalogue.FUNCTION_METRICS:
            if metric.row is row:
                yield self._of_functions(metric)

    def _of_calls(self, metric: CallMetric) -> Iterator[cloudwatch.IWidget]:
        if metric not in catalogue.carried(self._strategy):
            for query in queries.of_calls(metric):
                yield self._ask(query)
            return
        for statistic, title in metric.graphs:
            yield self._graph(title, list(self._series(metric, statistic)), _unit(metric, statistic))

    def _series(self, metric: CallMetric, statistic: str) -> Iterator[cloudwatch.IMetric]:
        """Each method's that has one of its own, those of services yet to come included; then all others'."""
        for call in metric.methods:
            yield self._platform.series(Stat(metric, statistic, call), ".".join(call))
        if not metric.methods:
            yield self._search(metric.name, catalogue.DIMENSIONS, statistic)
            others = Stat(metric, statistic, catalogue.OTHERS)
            yield self._platform.series(others, "all others")

    def _of_business(self, metrics: Sequence[BusinessMetric]) -> Iterator[cloudwatch.IWidget]:
        if not metrics:
            return
        if self._strategy is Strategy.PROMETHEUS:
            yield self._ask(queries.of_business(metrics), WHOLE)
            return
        yield cloudwatch.SingleValueWidget(
            title="Last night's: of the month that yesterday was in",
            metrics=list(self._nightly(metrics)),
            sparkline=True,
            period=Duration.seconds(DAY_S),
            start=NIGHTS_SHOWN,
            width=WHOLE,
            height=4,
        )
        for alike in _on_one_axis(metrics):
            title = ", ".join(metric.name for metric in alike)
            yield self._graph(title, list(self._nightly(alike)), alike[0].unit, start=NIGHTS_SHOWN)

    def _nightly(self, metrics: Sequence[BusinessMetric]) -> Iterator[cloudwatch.IMetric]:
        for metric in metrics:
            yield self._platform.series(Stat(metric, metric.statistic, period_s=DAY_S), metric.name)

    def _of_lines(self, metric: LogMetric) -> cloudwatch.IWidget:
        if metric not in catalogue.filtered(self._strategy):
            return self._ask(queries.of_lines(metric))
        series = self._platform.series(Stat(metric, metric.statistic), metric.name)
        return self._graph(metric.name, [series], metric.unit)

    def _of_aws(self, metrics: Sequence[AwsMetric]) -> Iterator[cloudwatch.IMetric]:
        for metric in metrics:
            for statistic in metric.statistics:
                for of in self._each(metric.part):
                    yield self._platform.series(Stat(metric, statistic, of), _label(metrics, metric, statistic, of))

    def _each(self, part: Part) -> list[tuple[str, ...]]:
        """What of a part has a series of its own: each function, or else the part."""
        return [(name,) for name in self._platform.names.get(part, ())] or [()]

    def _of_functions(self, metric: FunctionMetric) -> cloudwatch.IWidget:
        if self._strategy is not Strategy.CLOUDWATCH:
            return self._ask(queries.of_functions(metric))
        series = self._search(metric.name, (catalogue.FUNCTION_DIMENSION,), metric.statistic)
        return self._graph(metric.name, [series], metric.unit)

    def _search(self, name: str, dimensions: Sequence[str], statistic: str) -> cloudwatch.MathExpression:
        """Every series of a metric that has these dimensions."""
        series = f'{{{self._platform.namespace},{",".join(dimensions)}}} MetricName="{name}"'
        return cloudwatch.MathExpression(
            expression=f"SEARCH('{series}', '{statistic}', {PERIOD_S})",
            label=".".join(f"${{PROP('Dim.{dimension}')}}" for dimension in dimensions),
            period=Duration.seconds(PERIOD_S),
            using_metrics={},
        )

    def _ask(self, query: Query, width: int = THIRD) -> cloudwatch.LogQueryWidget:
        log = {Log.CALLS: self._platform.call_log, Log.INGEST: self._platform.ingest_log}[query.log]
        views = cloudwatch.LogQueryVisualizationType
        return cloudwatch.LogQueryWidget(
            title=query.title,
            log_group_names=[log.log_group_name],
            query_lines=list(query.lines),
            view=views.LINE if query.over_time else views.TABLE,
            width=width,
        )

    def _graph(
        self,
        title: str,
        series: list[cloudwatch.IMetric],
        unit: str | None = None,
        start: str | None = None,
    ) -> cloudwatch.GraphWidget:
        return cloudwatch.GraphWidget(
            title=title,
            left=series,
            left_y_axis=_axis(unit),
            width=THIRD,
            start=start,
        )


def _label(metrics: Sequence[AwsMetric], metric: AwsMetric, statistic: str, of: tuple[str, ...]) -> str:
    """What tells a series from its graph's others."""
    names = {each.name for each in metrics}
    told = (metric.name if len(names) > 1 else "", statistic if len(metric.statistics) > 1 else "")
    said = " ".join(filter(None, told if metric.part is Part.INGEST else (*of, *told)))
    return said or metric.name


def _axis(unit: str | None) -> cloudwatch.YAxisProps:
    """From 0 on; without a name where the title says what it is of."""
    named = unit if unit != "None" else None
    return cloudwatch.YAxisProps(min=0, label=named, show_units=False if named else None)


def _unit(metric: CallMetric, statistic: str) -> str:
    """Of a statistic: how many there are is a count, and the average of ones and zeros is a share."""
    if statistic == "SampleCount":
        return "Count"
    return "None" if metric.unit == "Count" and statistic == "Average" else metric.unit


def _on_one_axis(metrics: Sequence[BusinessMetric]) -> Iterator[Sequence[BusinessMetric]]:
    """Those of one unit together; what has none of CloudWatch's is hours or money, each by itself."""
    for unit in dict.fromkeys(metric.unit for metric in metrics):
        alike = [metric for metric in metrics if metric.unit == unit]
        yield from ([metric] for metric in alike) if unit == "None" else [alike]
