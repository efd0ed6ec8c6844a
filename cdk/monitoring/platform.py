"""What AWS measures of the gateway, the functions and the database; there whatever the strategy is."""

from collections.abc import Mapping
from dataclasses import dataclass

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
        nightly: Functions that run once a night, by name.
    """

    api: apigateway.RestApi
    doors: Mapping[str, PrivateFunction]
    ingest: PrivateFunction
    nightly: Mapping[str, PrivateFunction]
    cluster: rds.DatabaseCluster

    def gateway(self, name: str, statistic: str) -> cloudwatch.Metric:
        """A metric of AWS/ApiGateway."""
        dimensions = {"ApiName": self.api.rest_api_name, "Stage": self.api.deployment_stage.stage_name}
        return _metric("AWS/ApiGateway", name, dimensions, statistic)

    def function(self, function: PrivateFunction, name: str, statistic: str) -> cloudwatch.Metric:
        """A metric of AWS/Lambda."""
        return _metric("AWS/Lambda", name, {"FunctionName": function.function.function_name}, statistic)

    def database(self, name: str, statistic: str) -> cloudwatch.Metric:
        """A metric of AWS/RDS."""
        return _metric("AWS/RDS", name, {"DBClusterIdentifier": self.cluster.cluster_identifier}, statistic)

    def widgets(self) -> list[cloudwatch.IWidget]:
        """The gateway, the functions, the pipeline, the database."""
        return [
            _graph("Requests", {name: self.gateway(name, "Sum") for name in ("Count", "4XXError", "5XXError")}),
            _graph("Latency at the gateway (ms)", {p: self.gateway("Latency", p) for p in ("p50", "p95", "p99")}),
            _graph("Errors of functions", self._of_functions("Errors", "Sum")),
            _graph("Throttled", self._of_functions("Throttles", "Sum")),
            _graph("Duration p95 (ms)", self._of_functions("Duration", "p95")),
            _graph("Executions at once", self._of_functions("ConcurrentExecutions", "Maximum")),
            _graph(
                "Pipeline",
                {name: self.function(self.ingest, name, "Sum") for name in ("Invocations", *INGEST_FAILURES)},
                HALF,
            ),
            _graph(
                "Database",
                {
                    name: self.database(name, "Maximum")
                    for name in ("ServerlessDatabaseCapacity", "DatabaseConnections")
                },
                HALF,
            ),
        ]

    def _of_functions(self, name: str, statistic: str) -> dict[str, cloudwatch.Metric]:
        functions = {**self.doors, "metrics_ingest": self.ingest}
        return {label: self.function(function, name, statistic) for label, function in functions.items()}


INGEST_FAILURES = ("Errors", "AsyncEventsDropped", "DestinationDeliveryFailures")
"""How the pipeline can fail, from a try that did not work to a batch that could not even be set aside."""


def _graph(title: str, metrics: Mapping[str, cloudwatch.Metric], width: int = THIRD) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title,
        left=[metric.with_(label=label) for label, metric in metrics.items()],
        left_y_axis=cloudwatch.YAxisProps(min=0),
        width=width,
    )


def _metric(namespace: str, name: str, dimensions: dict[str, str], statistic: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace, metric_name=name, dimensions_map=dimensions, statistic=statistic, period=PERIOD
    )
