"""Log groups with a name that CloudFormation derives and an end to how long they keep."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.constructs.nag import accept

RETENTION = {
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}
"""What CloudWatch Logs offers, by days; the part of it that makes sense here."""


def log_group(
    scope: Construct, construct_id: str, *, days: int, kept: bool = False, name: str | None = None
) -> logs.LogGroup:
    """
    A log group.

    Args:
        days: A key of RETENTION.
        kept: Whether it outlives its stack.
        name: Where AWS writes to it by a name of its own choice.
    """
    group = logs.LogGroup(
        scope,
        construct_id,
        log_group_name=name,
        retention=RETENTION[days],
        removal_policy=RemovalPolicy.RETAIN if kept else RemovalPolicy.DESTROY,
    )
    accept(
        group,
        {
            "CKV_AWS_158": "CloudWatch Logs encrypts it by a key of AWS's own. One of ours would keep nobody out who "
            "may read the group, and whoever deleted the key would have deleted the log.",
        },
    )
    return group
