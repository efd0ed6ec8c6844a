"""From what befell a booking to an event on the account's bus: the bell, who carries, and what is by night."""

from aws_cdk import Aws, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_logs_destinations as log_destinations
from constructs import Construct

from cdk.constructs.environment import event_source, notice_variables
from cdk.constructs.function import DynoFunction
from cdk.constructs.layers import Layers
from cdk.constructs.schedule import Nightly
from cdk.options import Options

BELL = '"dyno-notice/1"'
"""What a line of the call log says when a notice waits, as a quoted term; it says no more."""


class Notices(Construct):
    """
    A function outside the network that is rung for by a line of the log, asks the outbox, and tells EventBridge.

    Nobody looks whether something waits: that would keep the database awake. At night, when it is awake anyway,
    somebody does.

    Args:
        outbox: The function next to the database that hands notices out.
        bell: Where the functions that change bookings log.
        log_group: Where it logs itself: what it says must not ring.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        layers: Layers,
        options: Options,
        outbox: DynoFunction,
        bell: logs.ILogGroup,
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        self.function = DynoFunction(
            self,
            "Carrier",
            name="notices",
            description="Tells EventBridge what befell bookings",
            layers=layers.versions,
            environment=notice_variables(options, outbox=outbox),
            log_group=log_group,
            timeout=Duration.minutes(2),
        )
        self._allow(outbox, event_source(options))
        Nightly(self, "Nightly", function=self.function, at=(2, 16), event={"sweep": True})
        logs.SubscriptionFilter(
            self,
            "Bell",
            log_group=bell,
            destination=log_destinations.LambdaDestination(self.function.function),
            filter_pattern=logs.FilterPattern.literal(BELL),
        )

    def _allow(self, outbox: DynoFunction, source: str) -> None:
        self.function.role.add_to_policy(
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[outbox.function.function_arn])
        )
        self.function.role.add_to_policy(
            iam.PolicyStatement(
                actions=["events:PutEvents"],
                resources=[f"arn:{Aws.PARTITION}:events:{Aws.REGION}:{Aws.ACCOUNT_ID}:event-bus/default"],
                conditions={"StringEquals": {"events:source": source}},
            )
        )
