"""What is watched: the CloudWatch dashboard, its alarms, the month's budget, and what the logs are asked."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from cdk.constructs.alerts import Alerts
from cdk.constructs.budget import Budget
from cdk.constructs.dashboard import Dashboard
from cdk.constructs.log_metrics import LogMetrics, SavedQueries
from cdk.constructs.tracking import metrics_namespace
from cdk.monitoring.alarms import rules
from cdk.monitoring.platform import Platform
from cdk.monitoring.queries import SAVED, Log
from cdk.monitoring.widgets import Widgets
from cdk.options import Options
from cdk.stacks.data import DataStack
from cdk.stacks.service import ServiceStack
from dyno.metrics import catalogue
from dyno.metrics.catalogue import Row
from dyno.metrics.catalogue.watching import Part


class MonitoringStack(Stack):
    """All of it derived from the catalogue: nothing is watched without a source, under any strategy."""

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
        platform = _platform(options, data, service)
        alerts = Alerts(self, "Alerts", email=options.alarm_email, runbook=options.runbook)
        alarms = alerts.watch(
            rules(options.monitoring, platform.names), platform.watched, urgent=f"{options.name}-Urgent"
        )
        if options.monthly_budget is not None:
            Budget(self, "Budget", usd=options.monthly_budget, topic=alerts.topic)
        LogMetrics(
            self,
            "LogMetrics",
            log_group=platform.ingest_log,
            namespace=platform.namespace,
            metrics=catalogue.filtered(options.monitoring),
        )
        groups = {Log.CALLS: platform.call_log, Log.INGEST: platform.ingest_log}
        SavedQueries(self, "Queries", folder=options.name, queries=SAVED, groups=groups)
        widgets = Widgets(options.monitoring, platform)
        dashboard = Dashboard(
            self,
            "Dashboard",
            name=f"{options.name}-Production",
            alarms=alarms,
            rows={str(row): list(widgets.of(row)) for row in Row},
        )
        CfnOutput(self, "DashboardUrl", value=dashboard.url)
        CfnOutput(self, "AlarmTopicArn", value=alerts.topic.topic_arn)


def _platform(options: Options, data: DataStack, service: ServiceStack) -> Platform:
    return Platform(
        namespace=metrics_namespace(options),
        api=service.api.rest,
        functions={
            Part.DOORS: {"allocations": service.allocations, "metrics": service.metrics, "roi": service.roi},
            Part.INGEST: {"ingest": service.ingest},
            Part.NIGHTLY: {"lifecycle": service.lifecycle, "redrive": service.redrive, "roi": service.roi},
            Part.DEPLOYMENT: {"bootstrap": data.bootstrap, "migrate": data.migrate},
        },
        cluster=data.database.cluster,
        call_log=service.call_log,
        ingest_log=service.ingest_log,
    )
