"""From a line in the log to a row in the database: the subscription, and what happens to batches that fail."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_logs_destinations as log_destinations
from constructs import Construct

from cdk.constructs.function import DynoFunction
from cdk.constructs.nag import accept
from cdk.constructs.storage import FailedBatches
from dyno.metrics import catalogue

# A quoted term, not a JSON pattern: a line is then found without being parsed.
PATTERN = f'"{catalogue.RECORD}"'


class Pipeline(Construct):
    """
    One subscription hands every record of the shared log group to ingest.

    Lambda tries a batch three times in all; then it goes to the failed batches' bucket.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        log_group: logs.ILogGroup,
        ingest: DynoFunction,
        failed: FailedBatches,
    ) -> None:
        super().__init__(scope, construct_id)
        logs.SubscriptionFilter(
            self,
            "Records",
            log_group=log_group,
            destination=log_destinations.LambdaDestination(ingest.called),
            filter_pattern=logs.FilterPattern.literal(PATTERN),
        )
        self._keep_failures(ingest, failed)

    def _keep_failures(self, ingest: DynoFunction, failed: FailedBatches) -> None:
        bucket_arn = Stack.of(failed).export_value(failed.bucket.bucket_arn)
        writes = iam.Policy(self, "KeepFailures", roles=[ingest.role], statements=_writes(bucket_arn))
        exported = Stack.of(self).resolve(bucket_arn)["Fn::ImportValue"]
        finding = f"AwsSolutions-IAM5[Resource::{exported}/*]"
        accept(writes, {finding: "Lambda names each failed batch by function, time and a random id."})
        # Not the library's S3Destination: it would let ingest read, list and delete in the bucket too.
        config = lambda_.CfnEventInvokeConfig(
            self,
            "Failure",
            function_name=ingest.function.function_name,
            # What is called by another name than this loses a batch that fails.
            qualifier=ingest.qualifier,
            maximum_retry_attempts=2,
            maximum_event_age_in_seconds=6 * 60 * 60,
            destination_config={"onFailure": {"destination": failed.bucket.bucket_arn}},
        )
        # Lambda tries the permission when the destination is set.
        config.node.add_dependency(writes)
        if ingest.called is not ingest.function:
            config.node.add_dependency(ingest.called)  # the qualifier is no more than its name


def _writes(bucket_arn: str) -> list[iam.PolicyStatement]:
    """
    What Lambda needs to keep a batch that failed.

    Source:
        Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations": actions and the key's form.
    """
    return [
        iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket_arn]),
        iam.PolicyStatement(actions=["s3:PutObject"], resources=[f"{bucket_arn}/*"]),
    ]
