"""The CloudWatch dashboard."""

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct


class Dashboard(Construct):
    """
    Alarms first, then what calls say, then what AWS says.

    Args:
        name: Letters, digits, - and _; it is the one name that people look for, so it is not derived.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        alarms: Sequence[cloudwatch.IAlarm],
        calls: Sequence[cloudwatch.IWidget],
        platform: Sequence[cloudwatch.IWidget],
    ) -> None:
        super().__init__(scope, construct_id)
        self._name = name
        board = cloudwatch.Dashboard(self, "Board", dashboard_name=name)
        board.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=24, height=4))
        board.add_widgets(*calls)
        board.add_widgets(*platform)

    @property
    def url(self) -> str:
        """Where it is seen."""
        console = f"https://{Aws.REGION}.console.aws.amazon.com/cloudwatch/home?region={Aws.REGION}"
        return f"{console}#dashboards/dashboard/{self._name}"
