"""What is kept: network, database, buckets, people; and what a deployment does in the database."""

from pathlib import Path

from aws_cdk import CfnOutput, Duration, RemovalPolicies, Stack
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.constructs.custom_resource import deployment_step
from cdk.constructs.database import NAME, Database
from cdk.constructs.environment import Environment
from cdk.constructs.function import DynoFunction
from cdk.constructs.identity import Identity
from cdk.constructs.layers import Layers
from cdk.constructs.log_group import log_group
from cdk.constructs.network import Network
from cdk.constructs.storage import FailedBatches, Snapshot, Uploads
from cdk.options import Options
from cdk.stage import ROOT, Stage

DYNO = ROOT / "layers" / "dyno" / "python" / "dyno"


class DataStack(Stack):
    """Everything that outlives a release. Its resources are retained, and their logical ids do not change."""

    def __init__(self, scope: Construct, construct_id: str, *, options: Options, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self._options, self._stage = options, stage
        self.network = Network(self, "Network")
        self.database = Database(
            self, "Database", network=self.network, max_capacity=options.max_capacity, address=stage.database
        )
        self.snapshot = Snapshot(self, "Snapshot")
        self.failed_batches = FailedBatches(self, "FailedBatches")
        self.uploads = Uploads(self, "Uploads")
        self.identity = Identity(self, "Identity")
        self.variables = Environment(options, stage, self.database, self.identity, self.snapshot)
        # A missing snapshot is told from a forbidden one by the right to list.
        self.network.admit(actions=["s3:GetObject", "s3:PutObject"], resources=[self.snapshot.object_arn])
        self.network.admit(actions=["s3:ListBucket"], resources=[self.snapshot.bucket.bucket_arn])
        self.uploads.admit_to(self.network)
        # With everything they lean on: a kept cluster would otherwise hold its network and parameters half deleted.
        for kept in (self.network, self.database, self.snapshot, self.failed_batches, self.uploads, self.identity):
            RemovalPolicies.of(kept).retain()
        self._prepare_database()
        self._outputs()

    def _prepare_database(self) -> None:
        """Roles first, through the Data API as master; then the schema, from inside the network as its owner."""
        layers = Layers(self, "Layers", stage=self._stage, otel_arn=self._options.otel_layer)
        log = log_group(self, "DeploymentLog", days=90, kept=True)
        self.bootstrap = self._bootstrap(layers, log)
        self.migrate = self._migrate(layers, log)
        bootstrap = deployment_step(
            self,
            "Bootstrap",
            function=self.bootstrap.function,
            sources=[DYNO / "bootstrap.py"],
            timeout=Duration.seconds(self._stage.resource_timeout_s),
        )
        bootstrap.node.add_dependency(self.database)
        migrate = deployment_step(
            self,
            "Migrate",
            function=self.migrate.function,
            sources=_migrations(),
            timeout=Duration.seconds(self._stage.resource_timeout_s),
        )
        # Not before its function may reach the database, and the bucket that takes its answer.
        migrate.node.add_dependency(bootstrap, self.network)

    def _bootstrap(self, layers: Layers, log: logs.ILogGroup) -> DynoFunction:
        function = DynoFunction(
            self,
            "BootstrapFunction",
            name="bootstrap",
            description="Makes the database's roles and extensions",
            layers=layers.versions,
            environment=self._bootstrap_variables(),
            log_group=log,
            timeout=Duration.minutes(5),
        )
        self.database.grant_statements_as_master(function)
        function.function.configure_async_invoke(retry_attempts=0)
        return function

    def _bootstrap_variables(self) -> dict[str, str]:
        variables = {"DATABASE_NAME": NAME, "TRACING": self._options.tracing}
        if address := self._stage.database:
            return variables | {"DATABASE_HOST": address.host, "DATABASE_PORT": address.port}
        return variables | {
            "CLUSTER_ARN": self.database.cluster.cluster_arn,
            "SECRET_ARN": self.database.secret_arn,
        }

    def _migrate(self, layers: Layers, log: logs.ILogGroup) -> DynoFunction:
        function = DynoFunction(
            self,
            "MigrateFunction",
            name="migrate",
            description="Brings the schema up to this release",
            layers=layers.versions,
            environment=self.variables.of("dyno_owner"),
            log_group=log,
            network=self.network,
            timeout=Duration.minutes(14),  # it answers CloudFormation before that gives up
        )
        self.database.grant_connect(function)
        # Once CloudFormation has been told, or has given up, nobody waits for another try.
        function.function.configure_async_invoke(retry_attempts=0)
        return function

    def _outputs(self) -> None:
        CfnOutput(self, "UserPoolId", value=self.identity.pool.user_pool_id)
        CfnOutput(self, "UserPoolClientId", value=self.identity.web.user_pool_client_id)
        CfnOutput(self, "ScraperClientId", value=self.identity.scraper.user_pool_client_id)
        CfnOutput(self, "TokenUrl", value=self.identity.token_url)
        CfnOutput(self, "SnapshotBucketName", value=self.snapshot.bucket.bucket_name)
        CfnOutput(self, "BootstrapFunctionName", value=self.bootstrap.function.function_name)
        CfnOutput(self, "MigrateFunctionName", value=self.migrate.function.function_name)
        CfnOutput(self, "FailedBatchesBucketName", value=self.failed_batches.bucket.bucket_name)
        CfnOutput(self, "UploadsBucketName", value=self.uploads.bucket.bucket_name)


def _migrations() -> list[Path]:
    return [path for kind in ("*.py", "*.sql") for path in (DYNO / "migrations").rglob(kind)]
