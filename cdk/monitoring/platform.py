"""What AWS measures of the gateway, the functions and the database; there whatever the strategy is."""

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_rds as rds

from cdk.constructs.function import PrivateFunction
from cdk.monitoring.calls import HALF, PERIOD, THIRD


@dataclass(frozen=True)
class Platform:
    """
    The deployed parts that are watched.

    Attributes:
        doors: Functions of the API, by name.
        ingest: What writes records to the database.
    """

    api: apigateway.RestApi
    doors: dict[str, PrivateFunction]
    ingest: PrivateFunction
    cluster: rds.DatabaseCluster

    def gateway(self, name: str, statistic: str) -> cloudwatch.Metric:
        """A metric of AWS/ApiGateway."""
        dimensions = {"ApiName": self.api.rest_api_name, "Stage": self.api.deployment_stage.stage_name}
        return _metric("AWS/ApiGateway", name, dimensions, statistic, name)

    def function(self, function: PrivateFunction, name: str, statistic: str, label: str) -> cloudwatch.Metric:
        """A metric of AWS/Lambda."""
        return _metric("AWS/Lambda", name, {"FunctionName": function.function.function_name}, statistic, label)

    def database(self, name: str, statistic: str) -> cloudwatch.Metric:
        """A metric of AWS/RDS."""
        return _metric("AWS/RDS", name, {"DBClusterIdentifier": self.cluster.cluster_identifier}, statistic, name)

    def widgets(self) -> list[cloudwatch.IWidget]:
        """The gateway, the functions, the pipeline, the database."""
        return [
            self._graph("Requests", [self.gateway(name, "Sum") for name in ("Count", "4XXError", "5XXError")]),
            self._graph(
                "Latency at the gateway (ms)",
                [_labelled(self.gateway("Latency", statistic), statistic) for statistic in ("p50", "p95", "p99")],
            ),
            self._graph("Errors of functions", self._of_functions("Errors", "Sum")),
            self._graph("Throttled", self._of_functions("Throttles", "Sum")),
            self._graph("Duration p95 (ms)", self._of_functions("Duration", "p95")),
            self._graph("Executions at once", self._of_functions("ConcurrentExecutions", "Maximum")),
            self._graph(
                "Pipeline",
                [
                    self.function(self.ingest, name, "Sum", name)
                    for name in ("Invocations", "Errors", "AsyncEventsDropped", "DestinationDeliveryFailures")
                ],
                HALF,
            ),
            self._graph(
                "Database",
                [self.database(name, "Maximum") for name in ("ServerlessDatabaseCapacity", "DatabaseConnections")],
                HALF,
            ),
        ]

    def _of_functions(self, name: str, statistic: str) -> list[cloudwatch.Metric]:
        functions = self.doors | {"metrics_ingest": self.ingest}
        return [self.function(function, name, statistic, label) for label, function in functions.items()]

    def _graph(self, title: str, metrics: list[cloudwatch.Metric], width: int = THIRD) -> cloudwatch.GraphWidget:
        return cloudwatch.GraphWidget(
            title=title, left=list(metrics), left_y_axis=cloudwatch.YAxisProps(min=0), width=width
        )


def _metric(
    namespace: str, name: str, dimensions: dict[str, str], statistic: str, label: str, period: Duration = PERIOD
) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        label=label,
        period=period,
    )


def _labelled(metric: cloudwatch.Metric, label: str) -> cloudwatch.Metric:
    return metric.with_(label=label)
