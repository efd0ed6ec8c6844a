"""Where Prometheus' history outlives its task: a file system of snapshots."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_efs as efs
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.constructs.watchtower_network import WatchtowerNetwork

NOBODY = "65534"
"""User and group of Prometheus' images."""

FOLDER = "/snapshots"


class History(Construct):
    """
    An encrypted file system for one task and one folder: by TLS, with the task's role, as the user who runs Prometheus.

    The live database is not on it: Prometheus does not support NFS. It has no backups and no cheaper storage for old
    files: it is the backup itself, some hundred MB that change every quarter of an hour.
    """

    def __init__(self, scope: Construct, construct_id: str, *, network: WatchtowerNetwork) -> None:
        super().__init__(scope, construct_id)
        group = network.group("History", "The file system of snapshots")
        self.file_system = efs.FileSystem(
            self,
            "Files",
            vpc=network.vpc,
            security_group=group,
            encrypted=True,
            enable_automatic_backups=False,
            throughput_mode=efs.ThroughputMode.BURSTING,
            file_system_policy=_tls_only(),
            removal_policy=RemovalPolicy.RETAIN,
        )
        self.file_system.connections.allow_default_port_from(network.task, "Snapshots")
        self._access = self.file_system.add_access_point(
            "Access",
            path=FOLDER,
            create_acl=efs.Acl(owner_uid=NOBODY, owner_gid=NOBODY, permissions="750"),
            posix_user=efs.PosixUser(uid=NOBODY, gid=NOBODY),
        )

    def volume(self) -> ecs.EfsVolumeConfiguration:
        """The folder, as a task mounts it."""
        return ecs.EfsVolumeConfiguration(
            file_system_id=self.file_system.file_system_id,
            transit_encryption="ENABLED",
            authorization_config=ecs.AuthorizationConfig(access_point_id=self._access.access_point_id, iam="ENABLED"),
        )

    def grant_read_write(self, role: iam.Role) -> None:
        """Let a task mount the folder and write there."""
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
                resources=[self.file_system.file_system_arn],
                conditions={"StringEquals": {"elasticfilesystem:AccessPointArn": self._access.access_point_arn}},
            )
        )


def _tls_only() -> iam.PolicyDocument:
    """
    Refuses whoever comes in the clear, and by being there whoever has no role that may come.

    Source:
        EFS User Guide, "Using IAM to control file system data access": the default policy, which admits everybody in
        the network, holds only where there is no other.
    """
    return iam.PolicyDocument(
        statements=[
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=["*"],
                conditions={"Bool": {"aws:SecureTransport": "false"}},
            )
        ]
    )
