"""CloudWatch metrics that are taken from a log's lines."""

from collections.abc import Iterable

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from dyno.metrics.catalogue import LogMetric


class LogMetrics(Construct):
    """The catalogue's metrics of a log group's lines: what its functions need not emit themselves."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        log_group: logs.ILogGroup,
        namespace: str,
        metrics: Iterable[LogMetric],
    ) -> None:
        super().__init__(scope, construct_id)
        for metric in metrics:
            logs.MetricFilter(
                self,
                metric.name,
                log_group=log_group,
                metric_namespace=namespace,
                metric_name=metric.name,
                metric_value=f"$.{metric.field}",
                filter_pattern=logs.FilterPattern.literal(pattern(metric)),
                unit=cloudwatch.Unit[metric.unit.upper()],
            )


def pattern(metric: LogMetric) -> str:
    """
    Which lines have a value of the metric.

    Source:
        CloudWatch Logs User Guide, "Filter pattern syntax for metric filters": JSON terms.
    """
    condition = f"> {metric.floor:g}" if metric.floor is not None else "= *"
    return f"{{ $.{metric.field} {condition} }}"
