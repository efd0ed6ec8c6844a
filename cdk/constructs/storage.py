"""The buckets: what Prometheus reads, what could not be written, and large files with what became of them."""

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.constructs.function import DynoFunction, PrivateFunction
from cdk.constructs.nag import accept
from cdk.constructs.network import Network

SNAPSHOT_KEY = "exposition/snapshot.json"
UNFINISHED_KEY = "redrive/unfinished.json"
UPLOADS, REPORTS = "uploads/", "reports/"

_ACCESS_LOG = ("AwsSolutions-S1", "CKV_AWS_18")


class Snapshot(Construct):
    """The bucket with one object: the totals that /metrics/prometheus shows, so that a scrape wakes no database."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.bucket = _private_bucket(self, versioned=False)
        accept(
            self.bucket,
            {
                **dict.fromkeys(_ACCESS_LOG, "One object, rewritten every few seconds: its log would outgrow it."),
                "CKV_AWS_21": "The totals are in the database; an older version of them is of no use to anybody.",
            },
        )

    @property
    def object_arn(self) -> str:
        """The snapshot itself."""
        return self.bucket.arn_for_objects(SNAPSHOT_KEY)

    def grant_read(self, function: DynoFunction) -> None:
        """Let a function read the snapshot, and tell one that is not there from one it may not see."""
        self._grant(function, ["s3:GetObject"])

    def grant_read_write(self, function: DynoFunction) -> None:
        """Let a function replace the snapshot."""
        self._grant(function, ["s3:GetObject", "s3:PutObject"])

    def _grant(self, function: DynoFunction, actions: list[str]) -> None:
        function.role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[self.object_arn]))
        function.role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn]))


class FailedBatches(Construct):
    """The bucket of batches that ingest could not write; they stay until they are replayed, and 30 days behind that."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.bucket = _private_bucket(self, versioned=True)
        accept(
            self.bucket,
            dict.fromkeys(_ACCESS_LOG, "Written by Lambda's own failure handling only; empty in good times."),
        )

    def grant_replay(self, function: PrivateFunction) -> None:
        """Let a function see what there is, read it, take away what it has replayed, and note where it did not get."""
        bucket_arn = Stack.of(self).export_value(self.bucket.bucket_arn)
        function.role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket_arn]))
        function.role.add_to_policy(
            iam.PolicyStatement(actions=["s3:GetObject", "s3:DeleteObject"], resources=[f"{bucket_arn}/*"])
        )
        function.role.add_to_policy(
            iam.PolicyStatement(actions=["s3:PutObject"], resources=[f"{bucket_arn}/{UNFINISHED_KEY}"])
        )
        exported = Stack.of(function).resolve(bucket_arn)["Fn::ImportValue"]
        accept(
            function.role.node.find_child("DefaultPolicy"),
            {f"AwsSolutions-IAM5[Resource::{exported}/*]": "Lambda chose the batches' names; all of them are meant."},
        )


class Uploads(Construct):
    """
    The bucket that large files are sent to, from anywhere by an address that is signed for one, and their reports.

    A file is of no use when it was imported, and a report as long as somebody asks for it.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.bucket = _private_bucket(self, versioned=False)
        self.bucket.add_lifecycle_rule(prefix=UPLOADS, expiration=Duration.days(1))
        self.bucket.add_lifecycle_rule(prefix=REPORTS, expiration=Duration.days(30))
        # Said by ourselves: the library would have a function of its own say it to the bucket later.
        plain = self.bucket.node.default_child
        if isinstance(plain, s3.CfnBucket):
            plain.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
                event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
            )
        accept(
            self.bucket,
            {
                **dict.fromkeys(_ACCESS_LOG, "Who sent what is in the database, import by import."),
                "CKV_AWS_21": "A file is sent once, and its report is written once, or once more if that was cut off.",
            },
        )

    def admit_to(self, network: Network) -> None:
        """Let functions in the network read files and write reports, if their own roles allow it too."""
        network.admit(actions=["s3:GetObject"], resources=[self.bucket.arn_for_objects(f"{UPLOADS}*")])
        network.admit(actions=["s3:PutObject"], resources=[self.bucket.arn_for_objects(f"{REPORTS}*")])

    def grant_sign(self, function: DynoFunction) -> None:
        """Let a function say where a file is sent and a report is fetched: it signs for what it may do itself."""
        self._grant(function, "s3:PutObject", UPLOADS)
        self._grant(function, "s3:GetObject", REPORTS)

    def grant_import(self, function: DynoFunction) -> None:
        """Let a function read files and write reports."""
        self._grant(function, "s3:GetObject", UPLOADS)
        self._grant(function, "s3:PutObject", REPORTS)

    def _grant(self, function: DynoFunction, action: str, folder: str) -> None:
        bucket_arn = Stack.of(self).export_value(self.bucket.bucket_arn)
        function.role.add_to_policy(iam.PolicyStatement(actions=[action], resources=[f"{bucket_arn}/{folder}*"]))
        exported = Stack.of(function).resolve(bucket_arn)["Fn::ImportValue"]
        accept(
            function.role.node.find_child("DefaultPolicy"),
            {f"AwsSolutions-IAM5[Resource::{exported}/{folder}*]": "Each import has a file of its own; all are meant."},
        )


def _private_bucket(scope: Construct, *, versioned: bool) -> s3.Bucket:
    return s3.Bucket(
        scope,
        "Bucket",
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        versioned=versioned,
        lifecycle_rules=[
            s3.LifecycleRule(
                abort_incomplete_multipart_upload_after=Duration.days(1),
                noncurrent_version_expiration=Duration.days(30) if versioned else None,
                expired_object_delete_marker=versioned or None,
            )
        ],
        removal_policy=RemovalPolicy.RETAIN,
    )
