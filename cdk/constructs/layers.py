"""The layers: what every function stands on, the packages and the house itself, and what only some need."""

from functools import cached_property

from aws_cdk import AssetHashType, RemovalPolicy, SymlinkFollowMode
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.stage import LayerSource, Stage

RUNTIME = lambda_.Runtime.PYTHON_3_13
ARCHITECTURE = lambda_.Architecture.ARM_64


class Layers(Construct):
    """
    The layers, published for one stack.

    Each stack publishes its own: a layer's ARN changes with its content, and an ARN that another stack imports could
    not change. Superseded versions are kept, because functions of other stacks may stand on them.

    Args:
        otel_arn: A layer with OpenTelemetry, for each function to have as well; empty for none.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, otel_arn: str = "") -> None:
        super().__init__(scope, construct_id)
        self.dependencies = self._version(
            "Dependencies", stage.dependencies, "Packages and the database's certificates"
        )
        self.dyno = self._version("Dyno", stage.dyno, "The package dyno, with track_performance")
        self._sheets = stage.sheets
        self._otel = [lambda_.LayerVersion.from_layer_version_arn(self, "Otel", otel_arn)] if otel_arn else []

    @cached_property
    def sheets(self) -> lambda_.LayerVersion:
        """For functions that read or write spreadsheets and calendars; published where there is one."""
        return self._version("Sheets", self._sheets, "Packages for spreadsheets and calendars")

    @property
    def versions(self) -> list[lambda_.ILayerVersion]:
        """What every function has, in the order it is given them."""
        return [self.dependencies, self.dyno, *self._otel]

    def _version(self, construct_id: str, source: LayerSource, description: str) -> lambda_.LayerVersion:
        return lambda_.LayerVersion(
            self,
            construct_id,
            code=folder(source),
            description=description,
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[ARCHITECTURE],
            removal_policy=RemovalPolicy.RETAIN,
        )


def folder(source: LayerSource) -> lambda_.AssetCode:
    """A folder as a Lambda asset; what a local run leaves in it does not change the asset."""
    if source.fingerprint:
        return lambda_.Code.from_asset(
            str(source.path), asset_hash=source.fingerprint, asset_hash_type=AssetHashType.CUSTOM
        )
    return lambda_.Code.from_asset(
        str(source.path), exclude=["**/__pycache__", "**/*.pyc"], follow_symlinks=SymlinkFollowMode.ALWAYS
    )
