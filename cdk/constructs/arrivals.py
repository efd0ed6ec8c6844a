"""From a file that is there to the function that imports it."""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from cdk.constructs.function import PrivateFunction
from cdk.constructs.storage import UPLOADS, Uploads


def arrived(scope: Construct, construct_id: str, *, uploads: Uploads, function: PrivateFunction) -> events.Rule:
    """
    Calls a function for each file that was uploaded, at least once.

    Source:
        Amazon S3 user guide, "Using EventBridge": events of a bucket go to the account's own bus, at least once each.
    """
    rule = events.Rule(
        scope,
        construct_id,
        description="A large file is there",
        event_pattern=events.EventPattern(
            source=["aws.s3"],
            detail_type=["Object Created"],
            detail={
                "bucket": {"name": [uploads.bucket.bucket_name]},
                "object": {"key": [{"prefix": UPLOADS}]},
            },
        ),
    )
    rule.add_target(targets.LambdaFunction(function.called, max_event_age=Duration.hours(2), retry_attempts=10))
    return rule
