"""The CloudWatch dashboard."""

from collections.abc import Mapping, Sequence

from aws_cdk import Aws, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

SHOWN = Duration.days(1)
"""Unless somebody chooses otherwise: with last night's work in it."""


class Dashboard(Construct):
    """
    Alarms first, then row by row.

    Args:
        name: Letters, digits, - and _; it is the one name that people look for, so it is not derived.
        rows: Widgets by the row's title.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        alarms: Sequence[cloudwatch.IAlarm],
        rows: Mapping[str, Sequence[cloudwatch.IWidget]],
    ) -> None:
        super().__init__(scope, construct_id)
        self._name = name
        board = cloudwatch.Dashboard(self, "Board", dashboard_name=name, default_interval=SHOWN)
        board.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=24, height=6))
        for title, widgets in rows.items():
            board.add_widgets(cloudwatch.TextWidget(markdown=f"## {title}", width=24, height=1))
            board.add_widgets(*widgets)

    @property
    def url(self) -> str:
        """Where it is seen."""
        console = f"https://{Aws.REGION}.console.aws.amazon.com/cloudwatch/home?region={Aws.REGION}"
        return f"{console}#dashboards/dashboard/{self._name}"
