"""The door of the log subscription: record lines in, rows and an up-to-date snapshot behind it."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dyno.database import engine, wait_until_awake
from dyno.errors import DatabaseResuming
from dyno.metrics import service
from dyno.metrics.model import LogBatch
from dyno.metrics.snapshot import Snapshots
from dyno.observability import logger
from dyno.settings import settings

PATIENCE_S = 40


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, int]:
    """Take a batch in; a failure goes back to Lambda, which sends the batch again and sets it aside in the end."""
    batch = LogBatch.unpack(event)
    if not batch.events:
        return {}
    try:
        ingested = take_in(batch)
    except DatabaseResuming:
        # The line of the very call that woke a paused cluster gets here before the cluster is up.
        wait_until_awake(engine(settings()), PATIENCE_S)
        ingested = take_in(batch)
    logger.info("batch ingested", extra=ingested)
    return ingested


def take_in(batch: LogBatch) -> dict[str, int]:
    """What became of the batch's lines."""
    known = settings()
    return service.ingest(
        batch.events,
        engine(known),
        Snapshots(known.snapshot_bucket),
        now=datetime.now(UTC),
        retention_days=known.metrics_retention_days,
    ).model_dump()
