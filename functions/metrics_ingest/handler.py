"""The door of the log subscription: record lines in, rows and an up-to-date snapshot behind it."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dyno.database import engine, wait_until_awake
from dyno.errors import DatabaseResuming
from dyno.metrics import service
from dyno.metrics.model import Ingested, LogBatch
from dyno.metrics.snapshot import Snapshots
from dyno.observability import incoming, logger, serving
from dyno.settings import settings

PATIENCE_S = 40


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, float]:
    """
    Take a batch in, or try dead letters again: {"dead_letters": {"after": id}}.

    A failure goes back to Lambda, which sends the batch again and sets it aside in the end.
    """
    with serving(incoming(event, context)):
        try:
            return take_patiently(event)
        except Exception:
            Snapshots(settings().snapshot_bucket).note_failure(datetime.now(UTC))
            raise


def take_patiently(event: dict[str, Any]) -> dict[str, float]:
    """What became of the event's lines, once a sleeping database is awake."""
    try:
        return take(event)
    except DatabaseResuming:
        # The line of the very call that woke a paused cluster gets here before the cluster is up.
        wait_until_awake(engine(settings()), PATIENCE_S)
        return take(event)


def take(event: dict[str, Any]) -> dict[str, float]:
    """What became of the event's lines."""
    said: Ingested
    if "dead_letters" in event:
        said = service.retry_dead_letters(int(event["dead_letters"]["after"]), **pipeline())
    else:
        batch = LogBatch.unpack(event)
        if not batch.events:
            return {}
        said = service.ingest(batch.events, **pipeline(), redriven=batch.is_redriven)
    # Metrics are taken from this line: a member without a value is none.
    told = said.model_dump(exclude_none=True)
    logger.info("batch ingested", extra=told)
    return told


def pipeline() -> dict[str, Any]:
    """What every batch is written with."""
    known = settings()
    return {
        "over": engine(known),
        "snapshots": Snapshots(known.snapshot_bucket),
        "now": datetime.now(UTC),
        "retention_days": known.metrics_retention_days,
        "lab_time_zone": known.lab_time_zone,
    }
