"""Instrumenting another service: a function whose calls are recorded and shown beside this service's own."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.constructs.function import PrivateFunction
from cdk.constructs.network import Network
from cdk.options import Options, Tracing, WrongOptionError


@dataclass(frozen=True)
class Tracking:
    """
    What a function needs so that its `track_performance` lines reach the pipeline.

    Attributes:
        layers: The dependency layer, the dyno layer and, with TRACING=otel, OpenTelemetry's.
        log_group: The one the pipeline is subscribed to.
        variables: METRICS_STRATEGY, METRICS_NAMESPACE, TRACING and RELEASE, as the service's own functions have them.
    """

    layers: tuple[lambda_.ILayerVersion, ...]
    log_group: logs.ILogGroup
    variables: Mapping[str, str]

    @classmethod
    def of_outputs(
        cls,
        scope: Construct,
        *,
        dependency_layer_arn: str,
        dyno_layer_arn: str,
        log_group_name: str,
        variables: Mapping[str, str],
        otel_layer_arn: str = "",
    ) -> "Tracking":
        """
        The same from the outputs of a deployed service stack, for functions of another app.

        Args:
            otel_layer_arn: What the service was deployed with as otel_layer, or another such layer.
        Raises:
            WrongOptionError: TRACING is otel and there is no layer to bring it, or the reverse.
        """
        if bool(otel_layer_arn) != (variables.get("TRACING") == Tracing.OTEL):
            raise WrongOptionError("TRACING=otel and an otel_layer_arn go together: give both, or neither")
        arns = {"DependencyLayer": dependency_layer_arn, "DynoLayer": dyno_layer_arn, "OtelLayer": otel_layer_arn}
        return cls(
            layers=tuple(
                lambda_.LayerVersion.from_layer_version_arn(scope, name, arn) for name, arn in arns.items() if arn
            ),
            log_group=logs.LogGroup.from_log_group_name(scope, "CallLog", log_group_name),
            variables=_wrapped(otel_layer_arn) | dict(variables),
        )


class TrackedFunction(PrivateFunction):
    """
    A function of your own whose tracked calls become rows, metrics and traces like this service's.

    In its code, `from dyno.metrics import track_performance` and decorate; nothing else is needed:

        TrackedFunction(self, "Invoices", code=Code.from_asset("invoices"), handler="app.handler",
                        description="Bills what was tested", tracking=service.tracking)

    Args:
        tracking: `ServiceStack.tracking` in this app, `Tracking.of_outputs(...)` in another.
        environment: Variables of your own, beside the tracker's.
        network: Given, the function may use the database's network; it is granted nothing there.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lambda_.Code,
        handler: str,
        description: str,
        tracking: Tracking,
        environment: Mapping[str, str] | None = None,
        timeout: Duration | None = None,
        memory_mb: int = 512,
        network: Network | None = None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            code=code,
            handler=handler,
            description=description,
            layers=tracking.layers,
            environment=dict(tracking.variables) | dict(environment or {}),
            log_group=tracking.log_group,
            timeout=timeout,
            memory_mb=memory_mb,
            network=network,
        )


def tracking_variables(options: Options) -> dict[str, str]:
    """What the tracker itself is told, and Lambda, so that OpenTelemetry is there before it."""
    return _wrapped(options.otel_layer) | {
        "METRICS_STRATEGY": options.monitoring,
        "METRICS_NAMESPACE": metrics_namespace(options),
        "TRACING": options.tracing,
        "RELEASE": options.release,
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def _wrapped(otel_layer: str) -> dict[str, str]:
    return {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/otel-instrument"} if otel_layer else {}


def metrics_namespace(options: Options) -> str:
    """The CloudWatch namespace; the catalogue's, unless the deployment has a name of its own."""
    return f"{options.name}/Production"
