"""Functions that run every night by themselves."""

from collections.abc import Mapping

from aws_cdk import Aws, Duration, TimeZone
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct

from cdk.constructs.function import PrivateFunction


class Nightly(Construct):
    """
    Calls a function once a night.

    A call that could not be delivered is tried again for an hour, and one that failed once more: what is missed then is
    made up for by the next night's.

    Args:
        at: Hour and minute, UTC.
        event: What the function is handed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: PrivateFunction,
        at: tuple[int, int],
        event: Mapping[str, bool],
    ) -> None:
        super().__init__(scope, construct_id)
        hour, minute = at
        scheduler.Schedule(
            self,
            "Schedule",
            description=function.function.node.path,
            schedule=scheduler.ScheduleExpression.cron(hour=str(hour), minute=str(minute), time_zone=TimeZone.ETC_UTC),
            target=targets.LambdaInvoke(
                function.called,
                input=scheduler.ScheduleTargetInput.from_object(dict(event)),
                retry_attempts=5,
                max_event_age=Duration.hours(1),
                # The library's own role may call every version and alias, too.
                role=self._role(function).without_policy_updates(),
            ),
        )
        function.called.configure_async_invoke(retry_attempts=1, max_event_age=Duration.hours(1))

    def _role(self, function: PrivateFunction) -> iam.Role:
        """May call the function, on behalf of this account only."""
        ours = iam.ServicePrincipal(
            "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
        )
        role = iam.Role(self, "Role", assumed_by=ours)
        role.add_to_policy(
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.called.function_arn])
        )
        return role
