"""The environment the functions of the service are given; dyno.settings reads it."""

from dataclasses import dataclass

from aws_cdk import aws_logs as logs

from cdk.constructs.database import NAME, Database
from cdk.constructs.function import PrivateFunction
from cdk.constructs.identity import Identity
from cdk.constructs.storage import FailedBatches, Snapshot, Uploads
from cdk.constructs.tracking import tracking_variables
from cdk.options import Options
from cdk.stage import Stage


@dataclass(frozen=True)
class Environment:
    """One set of variables for all doors; only the database user differs."""

    options: Options
    stage: Stage
    database: Database
    identity: Identity
    snapshot: Snapshot

    def of(self, database_user: str) -> dict[str, str]:
        """The environment of a function that logs in as `database_user`."""
        return tracking_variables(self.options) | {
            "DATABASE_HOST": self.database.address.host,
            "DATABASE_PORT": self.database.address.port,
            "DATABASE_NAME": NAME,
            "DATABASE_USER": database_user,
            "DATABASE_AUTH": self.stage.database_auth,
            "DATABASE_CA_FILE": self.stage.database_ca_file,
            "LAB_TIME_ZONE": self.options.lab_time_zone,
            "HORIZON_DAYS": str(self.options.horizon_days),
            "MAX_DAYS": str(self.options.max_days),
            "METRICS_RETENTION_DAYS": str(self.options.metrics_retention_days),
            "USER_POOL_ISSUER": self.identity.issuer,
            "USER_POOL_CLIENT_ID": self.identity.web.user_pool_client_id,
            "SCRAPER_CLIENT_ID": self.identity.scraper.user_pool_client_id,
            "SNAPSHOT_BUCKET": self.snapshot.bucket.bucket_name,
        }


def upload_variables(uploads: Uploads) -> dict[str, str]:
    """What a function is told besides that has to do with large files; dyno.settings.UploadSettings reads it."""
    return {"UPLOADS_BUCKET": uploads.bucket.bucket_name, "UPLOADS_DOMAIN": uploads.bucket.bucket_regional_domain_name}


def redrive_variables(
    options: Options, *, failed: FailedBatches, call_log: logs.ILogGroup, ingest: PrivateFunction
) -> dict[str, str]:
    """The environment of redrive, which needs no database and no caller; dyno.settings.RedriveSettings reads it."""
    return tracking_variables(options) | {
        "FAILED_BATCHES_BUCKET": failed.bucket.bucket_name,
        "CALL_LOG_GROUP_NAME": call_log.log_group_name,
        "INGEST_FUNCTION_NAME": ingest.called.function_name,
    }


def notice_variables(options: Options, *, outbox: PrivateFunction) -> dict[str, str]:
    """The environment of who carries notices; dyno.settings.NoticeSettings reads it."""
    return tracking_variables(options) | {
        "OUTBOX_FUNCTION_NAME": outbox.function.function_name,
        "EVENT_SOURCE": event_source(options),
    }


def event_source(options: Options) -> str:
    """What events of a deployment have as their source."""
    return f"dyno-agent.{options.name}"
