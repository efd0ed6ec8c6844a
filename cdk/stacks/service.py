"""What works: the functions, the API in front of them, and the pipeline behind them."""

from collections.abc import Mapping, Sequence

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.constructs.api import Api
from cdk.constructs.arrivals import arrived
from cdk.constructs.environment import redrive_variables, upload_variables
from cdk.constructs.firewall import Firewall
from cdk.constructs.function import DynoFunction
from cdk.constructs.layers import Layers
from cdk.constructs.log_group import log_group
from cdk.constructs.notices import Notices
from cdk.constructs.pipeline import PATTERN, Pipeline
from cdk.constructs.schedule import Nightly
from cdk.constructs.tracking import Tracking, tracking_variables
from cdk.options import Options
from cdk.stacks.data import DataStack
from cdk.stage import Stage

DOOR_SERIES, ROI_SERIES = 4, 11
"""CloudWatch series that a door's environment may make besides those of the catalogue's methods: three of overflow, its
cold starts and, of what reports on the lab, its seven business metrics. Together they are all that the catalogue's
budget leaves: another door needs a larger one, or fewer methods with series of their own."""

JOB_SERIES = 0
"""There are no more: calls of whoever imports large files are rows, in all reports, and nothing in CloudWatch."""

MOST_IMPORTS, MOST_IMPORT_JOBS = 5, 3
"""Imports at once, where concurrency is reserved; each has up to two sessions. See dyno.bootstrap."""


class ServiceStack(Stack):
    """
    The doors, and who may touch what.

    Attributes:
        tracking: Give it to a TrackedFunction of yours.
    """

    def __init__(self, scope: Construct, construct_id: str, *, options: Options, stage: Stage, data: DataStack) -> None:
        super().__init__(scope, construct_id)
        self._options, self._data = options, data
        self._layers = Layers(self, "Layers", stage=stage, otel_arn=options.otel_layer)
        self.call_log = self._log("CallLog", kept=True)
        self.tracking = Tracking(tuple(self._layers.versions), self.call_log, tracking_variables(options))

        self.allocations = self._door("Allocations", "allocations", "dyno_allocations", "Books and lists")
        self.metrics = self._door("Metrics", "metrics", "dyno_metrics", "Reports, exposition, health")
        self.roi = self._door(
            "Roi", "roi", "dyno_roi", "Reports what it saves", timeout=Duration.minutes(5), series=ROI_SERIES
        )
        self.imports = self._imports()
        self.import_jobs = self._import_jobs()
        self.exports = self._door(
            "Exports",
            "exports",
            "dyno_exports",
            "Gives out sheets and calendars",
            timeout=Duration.seconds(29),
            more_layers=[self._layers.sheets],
        )
        self.ingest = self._ingest()
        data.snapshot.grant_read(self.metrics)
        data.snapshot.grant_read_write(self.ingest)
        Pipeline(self, "Pipeline", log_group=self.call_log, ingest=self.ingest, failed=data.failed_batches)
        self._nightly()
        self.api = Api(
            self,
            "Api",
            functions={
                "allocations": self.allocations.called,
                "metrics": self.metrics.called,
                "roi": self.roi.called,
                "imports": self.imports.called,
                "exports": self.exports.called,
            },
            identity=data.identity,
            options=options,
            tags=stage.api_tags,
        )
        if options.waf:
            Firewall(self, "Firewall", stage=self.api.rest.deployment_stage, rate_limit=options.waf_rate_limit)
        self._outputs()

    def _door(
        self,
        construct_id: str,
        name: str,
        database_user: str,
        description: str,
        *,
        timeout: Duration | None = None,
        series: int = DOOR_SERIES,
        more_layers: Sequence[lambda_.ILayerVersion] = (),
    ) -> DynoFunction:
        return self._function(
            construct_id,
            name,
            database_user,
            description,
            self.call_log,
            timeout or Duration.seconds(20),
            1024,
            reserved_concurrency=self._options.reserved_concurrency,
            snapstart=self._options.snapstart,
            series=series,
            more_layers=more_layers,
        )

    def _imports(self) -> DynoFunction:
        """Few at a time: each keeps who moves bookings waiting; and beyond the gateway's 29 s nobody waits for one."""
        reserved = self._options.reserved_concurrency
        return self._function(
            "Imports",
            "imports",
            "dyno_imports",
            "Takes sheets",
            self.call_log,
            Duration.seconds(28),
            1792,  # a whole processor: it reads files
            reserved_concurrency=reserved and min(reserved, MOST_IMPORTS),
            series=DOOR_SERIES,
            more_layers=[self._layers.sheets],
            more_variables=upload_variables(self._data.uploads),
        )

    def _import_jobs(self) -> DynoFunction:
        """Nobody waits at the gateway for these; their own time is the longest that Lambda has."""
        reserved = self._options.reserved_concurrency
        function = self._function(
            "ImportJobs",
            "import_jobs",
            "dyno_import_jobs",
            "Imports large files",
            self.call_log,
            Duration.minutes(15),
            1792,  # a whole processor; 50,000 rows take 264 MB
            reserved_concurrency=reserved and min(reserved, MOST_IMPORT_JOBS),
            series=JOB_SERIES,
            more_layers=[self._layers.sheets],
            more_variables=upload_variables(self._data.uploads),
        )
        self._data.uploads.grant_import(function)
        self._data.uploads.grant_sign(self.imports)
        arrived(self, "Arrived", uploads=self._data.uploads, function=function)
        return function

    def _ingest(self) -> DynoFunction:
        # What ingest logs must not come back to it.
        self.ingest_log = self._log("IngestLog", kept=False)
        return self._function(
            "Ingest",
            "metrics_ingest",
            "dyno_ingest",
            "Writes records to the database",
            self.ingest_log,
            Duration.seconds(60),
            512,
            reserved_concurrency=self._options.reserved_concurrency,
            # Nobody waits for it as for a door, but a report shows a call within seconds.
            snapstart=self._options.snapstart,
        )

    def _nightly(self) -> None:
        """Each soon behind the one before: a database with nothing to do sleeps again within six minutes."""
        log = self._log("NightlyLog", kept=False)
        self.lifecycle = self._function(
            "Lifecycle", "lifecycle", "dyno_lifecycle", "Ages what is old", log, Duration.minutes(5), 512
        )
        self.redrive = self._redrive(log)
        Nightly(self, "NightlyLifecycle", function=self.lifecycle, at=(2, 10), event={})
        Nightly(self, "NightlyRedrive", function=self.redrive, at=(2, 15), event={"must_complete": True})
        # Behind redrive, so that a day is closed with all its calls.
        Nightly(self, "NightlyRoi", function=self.roi, at=(2, 20), event={})

        self.outbox = self._function(
            "Outbox",
            "outbox",
            "dyno_notices",
            "Hands out what befell bookings",
            log,
            Duration.seconds(45),
            512,
        )
        self.notices = Notices(
            self,
            "Notices",
            layers=self._layers,
            options=self._options,
            outbox=self.outbox,
            bell=self.call_log,
            log_group=log,
        ).function

    def _redrive(self, log: logs.ILogGroup) -> DynoFunction:
        failed = self._data.failed_batches
        function = DynoFunction(
            self,
            "Redrive",
            name="redrive",
            description="Hands to ingest what did not reach the database",
            layers=self._layers.versions,
            environment=redrive_variables(self._options, failed=failed, call_log=self.call_log, ingest=self.ingest),
            log_group=log,
            timeout=Duration.minutes(15),
        )
        failed.grant_replay(function)
        self.call_log.grant(function.role, "logs:FilterLogEvents")
        function.role.add_to_policy(
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[self.ingest.called.function_arn])
        )
        return function

    def _function(
        self,
        construct_id: str,
        name: str,
        database_user: str,
        description: str,
        log_group: logs.ILogGroup,
        timeout: Duration,
        memory_mb: int,
        *,
        reserved_concurrency: int | None = None,
        snapstart: bool = False,
        series: int | None = None,
        more_layers: Sequence[lambda_.ILayerVersion] = (),
        more_variables: Mapping[str, str] | None = None,
    ) -> DynoFunction:
        function = DynoFunction(
            self,
            construct_id,
            name=name,
            description=description,
            layers=[*self._layers.versions, *more_layers],
            environment=self._data.variables.of(database_user)
            | ({"METRICS_SERIES_BUDGET": str(series)} if series is not None else {})
            | dict(more_variables or {}),
            log_group=log_group,
            network=self._data.network,
            timeout=timeout,
            memory_mb=memory_mb,
            reserved_concurrency=reserved_concurrency,
            snapstart=snapstart,
        )
        self._data.database.grant_connect(function)
        return function

    def _log(self, construct_id: str, *, kept: bool) -> logs.LogGroup:
        return log_group(self, construct_id, days=self._options.log_retention_days, kept=kept)

    def _outputs(self) -> None:
        CfnOutput(self, "ApiUrl", value=self.api.rest.url)
        CfnOutput(self, "AllocationsFunctionName", value=self.allocations.function.function_name)
        CfnOutput(self, "MetricsFunctionName", value=self.metrics.function.function_name)
        CfnOutput(self, "RoiFunctionName", value=self.roi.function.function_name)
        CfnOutput(self, "ImportsFunctionName", value=self.imports.function.function_name)
        CfnOutput(self, "ImportJobsFunctionName", value=self.import_jobs.function.function_name)
        CfnOutput(self, "ExportsFunctionName", value=self.exports.function.function_name)
        CfnOutput(self, "MetricsIngestFunctionName", value=self.ingest.function.function_name)
        CfnOutput(self, "LifecycleFunctionName", value=self.lifecycle.function.function_name)
        CfnOutput(self, "RedriveFunctionName", value=self.redrive.function.function_name)
        CfnOutput(self, "NoticesFunctionName", value=self.notices.function.function_name)
        CfnOutput(self, "OutboxFunctionName", value=self.outbox.function.function_name)
        CfnOutput(self, "CallLogGroupName", value=self.call_log.log_group_name)
        CfnOutput(self, "SubscriptionPattern", value=PATTERN)
        CfnOutput(self, "DynoLayerArn", value=self._layers.dyno.layer_version_arn)
        CfnOutput(self, "DependencyLayerArn", value=self._layers.dependencies.layer_version_arn)
