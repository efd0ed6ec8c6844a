"""What is watched: the CloudWatch dashboard and its alarms."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from cdk.constructs.alerts import Alerts
from cdk.constructs.dashboard import Dashboard
from cdk.constructs.tracking import metrics_namespace
from cdk.monitoring import alarms, calls
from cdk.monitoring.platform import Platform
from cdk.options import Options
from cdk.stacks.data import DataStack
from cdk.stacks.service import ServiceStack


class MonitoringStack(Stack):
    """The dashboard and its alarms, from the catalogue and from what AWS itself measures; nothing without a source."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        options: Options,
        data: DataStack,
        service: ServiceStack,
    ) -> None:
        super().__init__(scope, construct_id)
        strategy, namespace = options.monitoring, metrics_namespace(options)
        platform = Platform(
            api=service.api.rest,
            doors={"allocations": service.allocations, "metrics": service.metrics, "roi": service.roi},
            ingest=service.ingest,
            nightly={"lifecycle": service.lifecycle, "redrive": service.redrive, "roi": service.roi},
            cluster=data.database.cluster,
        )
        alerts = Alerts(self, "Alerts", email=options.alarm_email)
        watched = [alerts.watch(rule) for rule in alarms.rules(strategy, namespace, platform)]
        dashboard = Dashboard(
            self,
            "Dashboard",
            name=f"{options.name}-Production",
            alarms=watched,
            calls=calls.widgets(strategy, namespace, service.call_log),
            platform=platform.widgets(),
        )
        CfnOutput(self, "DashboardUrl", value=dashboard.url)
        CfnOutput(self, "AlarmTopicArn", value=alerts.topic.topic_arn)
