"""Settings as a deployed function has them, to be changed where a test needs another."""

from zoneinfo import ZoneInfo

from dyno.settings import DatabaseAuth, Settings, Strategy

SETTINGS = Settings(
    database_host="127.0.0.1",
    database_port=5432,
    database_name="dyno",
    database_user="dyno_allocations",
    database_auth=DatabaseAuth.TRUST,
    database_ca_file="",
    aws_region="us-east-1",
    lab_time_zone=ZoneInfo("UTC"),
    horizon_days=1825,
    max_days=180,
    metrics_strategy=Strategy.CLOUDWATCH,
    metrics_namespace="DynoAgent/Production",
    metrics_retention_days=400,
    user_pool_issuer="https://cognito-idp.us-east-1.amazonaws.com/us-east-1_test",
    user_pool_client_id="web",
    scraper_client_id="scraper",
    snapshot_bucket="snapshots",
    release="test",
)
