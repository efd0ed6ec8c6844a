"""What is watched, and by what: dashboard, alarms, budget, saved queries, and maybe Prometheus and Grafana."""

from aws_cdk import Aws, CfnOutput, Stack
from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from cdk.constructs.alerts import Alerts
from cdk.constructs.budget import Budget
from cdk.constructs.dashboard import Dashboard
from cdk.constructs.log_metrics import LogMetrics
from cdk.constructs.saved_queries import SavedQueries
from cdk.constructs.tracking import metrics_namespace
from cdk.constructs.watchtower import Scraped, Watchtower
from cdk.monitoring.alarms import rules
from cdk.monitoring.platform import Platform
from cdk.monitoring.queries import SAVED, Log
from cdk.monitoring.widgets import Widgets
from cdk.options import Options, Strategy
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
        alarms = alerts.watch(rules(options.monitoring, platform.names), platform.watched, deployment=options.name)
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
        _keep_exports(data, service)
        if options.monitoring is not Strategy.CLOUDWATCH:
            self._watch_by_prometheus(options, data, service)

    def _watch_by_prometheus(self, options: Options, data: DataStack, service: ServiceStack) -> None:
        tower = Watchtower(
            self, "Watchtower", options=options, scraped=_scraped(service.api.rest), identity=data.identity
        )
        CfnOutput(self, "GrafanaUrl", value=tower.addresses.grafana_url)
        CfnOutput(self, "PrometheusUrl", value=tower.addresses.prometheus_url)
        CfnOutput(self, "GrafanaSecretArn", value=tower.password.secret_arn)
        CfnOutput(self, "HowToReachGrafana", value=tower.how_to_reach)


def _keep_exports(data: DataStack, service: ServiceStack) -> None:
    """
    Export whatever the watchtower imports, under every strategy.

    Back to cloudwatch the other stacks are deployed first, and could not drop an export that is still imported.
    """
    identity, rest = data.identity, service.api.rest
    for value in (
        identity.pool.user_pool_id,
        identity.pool.user_pool_arn,
        identity.scraper.user_pool_client_id,
        identity.domain.domain_name,
    ):
        data.export_value(value)
    for value in (rest.rest_api_id, rest.deployment_stage.stage_name):
        service.export_value(value)


def _scraped(rest: apigateway.RestApi) -> Scraped:
    return Scraped(
        host=f"{rest.rest_api_id}.execute-api.{Aws.REGION}.{Aws.URL_SUFFIX}",
        path=f"/{rest.deployment_stage.stage_name}/metrics/prometheus",
    )


def _platform(options: Options, data: DataStack, service: ServiceStack) -> Platform:
    return Platform(
        namespace=metrics_namespace(options),
        api=service.api.rest,
        functions={
            Part.DOORS: {
                "allocations": service.allocations,
                "metrics": service.metrics,
                "roi": service.roi,
                "imports": service.imports,
                "exports": service.exports,
            },
            Part.UNLIMITED: {
                "allocations": service.allocations,
                "metrics": service.metrics,
                "roi": service.roi,
            },
            Part.INGEST: {"ingest": service.ingest},
            Part.NOTICES: {"notices": service.notices},
            Part.NIGHTLY: {"lifecycle": service.lifecycle, "redrive": service.redrive, "roi": service.roi},
            Part.DEPLOYMENT: {"bootstrap": data.bootstrap, "migrate": data.migrate},
        },
        cluster=data.database.cluster,
        call_log=service.call_log,
        ingest_log=service.ingest_log,
    )
