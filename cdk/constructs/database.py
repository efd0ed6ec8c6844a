"""The Aurora PostgreSQL cluster, and who may log in to it as whom."""

from aws_cdk import Aws, Duration, RemovalPolicy, Token
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_rds as rds
from constructs import Construct

from cdk.constructs.function import DynoFunction
from cdk.constructs.nag import accept
from cdk.constructs.network import Network
from cdk.stage import Address

NAME = "dyno"
# To be raised only, and at least to what runs: AWS installs minor versions by itself, and none can be taken back.
ENGINE = rds.DatabaseClusterEngine.aurora_postgres(version=rds.AuroraPostgresEngineVersion.VER_16_11)


class Database(Construct):
    """
    Aurora Serverless v2 that costs nothing but storage when idle: no capacity, no session, no proxy keeps it awake.

    Its own log is not exported. AWS would make a group under the cluster's name and keep it for ever; to make it first,
    with an end, takes a name of ours, and a cluster whose name changes is another, empty one. RDS keeps the log's last
    three days by itself.

    Attributes:
        address: Where functions find it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        network: Network,
        max_capacity: float,
        address: Address | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._master = rds.DatabaseSecret(self, "Master", username="postgres")
        # The cluster outlives the stack, and without its master nobody could make another role.
        self._master.apply_removal_policy(RemovalPolicy.RETAIN)
        self.cluster = rds.DatabaseCluster(
            self,
            "Cluster",
            engine=ENGINE,
            writer=rds.ClusterInstance.serverless_v2(
                "Writer",
                auto_minor_version_upgrade=True,
                publicly_accessible=False,
                ca_certificate=rds.CaCertificate.RDS_CA_RSA2048_G1,
            ),
            serverless_v2_min_capacity=0,
            serverless_v2_max_capacity=max_capacity,
            serverless_v2_auto_pause_duration=Duration.minutes(5),
            default_database_name=NAME,
            credentials=rds.Credentials.from_secret(self._master),
            iam_authentication=True,
            enable_data_api=True,
            vpc=network.vpc,
            vpc_subnets=network.subnets,
            # It answers; it never calls.
            security_groups=[
                ec2.SecurityGroup(self, "Group", vpc=network.vpc, description="The database", allow_all_outbound=False)
            ],
            parameter_group=self._parameters(),
            storage_encrypted=True,
            backup=rds.BackupProps(retention=Duration.days(14)),
            copy_tags_to_snapshot=True,
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
        )
        self.address = address or Address(
            self.cluster.cluster_endpoint.hostname, Token.as_string(self.cluster.cluster_endpoint.port)
        )
        self.cluster.connections.allow_default_port_from(network.clients, "Functions that use the database")
        self._accept()

    def grant_connect(self, function: DynoFunction) -> None:
        """Let a function log in by IAM as its own database role, and as no other."""
        user = f"{self.cluster.cluster_resource_identifier}/{function.database_user}"
        function.role.add_to_policy(
            iam.PolicyStatement(
                actions=["rds-db:connect"],
                resources=[f"arn:{Aws.PARTITION}:rds-db:{Aws.REGION}:{Aws.ACCOUNT_ID}:dbuser:{user}"],
            )
        )

    def grant_statements_as_master(self, function: DynoFunction) -> None:
        """Let a function run SQL as the master user through the RDS Data API, which needs no network."""
        function.role.add_to_policy(
            iam.PolicyStatement(actions=["rds-data:ExecuteStatement"], resources=[self.cluster.cluster_arn])
        )
        function.role.add_to_policy(
            iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[self.secret_arn])
        )

    @property
    def secret_arn(self) -> str:
        """The secret that holds the master user's password."""
        return self._master.secret_arn

    def _parameters(self) -> rds.ParameterGroup:
        return rds.ParameterGroup(
            self,
            "Parameters",
            engine=ENGINE,
            description="TLS only; idle sessions do not keep the cluster awake",
            parameters={
                "rds.force_ssl": "1",
                "ssl_min_protocol_version": "TLSv1.2",
                # An error's details quote the values that it is about.
                "log_error_verbosity": "terse",
                # A frozen Lambda's connection would keep the cluster from pausing.
                "idle_session_timeout": "60000",
                "idle_in_transaction_session_timeout": "60000",
            },
        )

    def _accept(self) -> None:
        accept(
            self.cluster.node.find_child("Writer"),
            {
                "CKV_AWS_118": "Samples of the operating system would go to a log that AWS keeps for ever; what alarms "
                "need is among the instance's metrics.",
            },
        )
        accept(
            self._master,
            {
                "AwsSolutions-SMG4": "Rotation needs a function in the VPC with an interface endpoint. Only bootstrap "
                "uses the password, through the Data API; every other function logs in by IAM.",
                "CKV_AWS_149": "Encrypted by Secrets Manager's own key; who may read it is bootstrap's role alone.",
            },
        )
