"""The deployed parts that are watched, and the series by which they are."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds

from cdk.constructs.function import PrivateFunction
from cdk.monitoring.alarms import Functions, Rule, Stat
from dyno.metrics import catalogue
from dyno.metrics.catalogue.watching import AwsMetric, Part


@dataclass(frozen=True)
class Platform:
    """
    The deployed parts that are watched.

    Attributes:
        namespace: Of the service's own metrics.
        functions: By what they are for, by name.
        call_log: Where the functions of the API log, calls' records among it.
        ingest_log: Where ingest tells of its batches.
    """

    namespace: str
    api: apigateway.RestApi
    functions: Mapping[Part, Mapping[str, PrivateFunction]]
    cluster: rds.DatabaseCluster
    call_log: logs.ILogGroup
    ingest_log: logs.ILogGroup

    @property
    def names(self) -> Functions:
        """The functions' names."""
        return {part: tuple(functions) for part, functions in self.functions.items()}

    def series(self, stat: Stat, label: str | None = None) -> cloudwatch.Metric:
        """A statistic of one series, as CloudWatch knows it."""
        return cloudwatch.Metric(
            namespace=stat.metric.namespace if isinstance(stat.metric, AwsMetric) else self.namespace,
            metric_name=stat.metric.name,
            dimensions_map=dict(self._dimensions(stat)) or None,
            statistic=stat.statistic,
            period=Duration.seconds(stat.period_s),
            label=label,
        )

    def watched(self, rule: Rule) -> cloudwatch.IMetric:
        """What a rule compares."""
        series = {name: self.series(stat) for name, stat in rule.stats.items()}
        if not rule.expression:
            (only,) = series.values()
            return only
        return cloudwatch.MathExpression(
            expression=rule.expression, using_metrics=series, label=rule.name, period=Duration.seconds(rule.period_s)
        )

    def _dimensions(self, stat: Stat) -> Mapping[str, str]:
        if isinstance(stat.metric, AwsMetric):
            return self._dimensions_of_part(stat.metric.part, stat.of)
        if stat.of == catalogue.OTHERS:
            return catalogue.OVERFLOW
        return dict(zip(catalogue.DIMENSIONS, stat.of, strict=True)) if stat.of else {}

    def _dimensions_of_part(self, part: Part, of: tuple[str, ...]) -> Mapping[str, str]:
        if part is Part.API:
            return {"ApiName": self.api.rest_api_name, "Stage": self.api.deployment_stage.stage_name}
        if part is Part.DATABASE:
            return {"DBClusterIdentifier": self.cluster.cluster_identifier}
        (name,) = of
        return {"FunctionName": self.functions[part][name].function.function_name}
