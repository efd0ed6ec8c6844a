"""The door of the night: what is older than its retention goes, and what ran out lapses."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from dyno.allocation import service as allocation
from dyno.database import engine, wait_until_awake
from dyno.errors import DynoError
from dyno.metrics import service as metrics
from dyno.observability import incoming, logger, serving
from dyno.scrub import scrub
from dyno.settings import settings

PATIENCE_S = 60
ANSWER_TIMEOUT_S = 100
"""For each part; with the waking of the cluster both fit into the function's 300 s."""

MAX_WHY = 300


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """
    Do each room's work of the night, though another's failed.

    Raises:
        DynoError: Whose failed, and why; Lambda tries all of it again, which does no harm.
    """
    with serving(incoming(event, context)):
        return work_of_the_night()


def work_of_the_night() -> dict[str, Any]:
    """What each room did; raises as `handler` does."""
    known = settings()
    over = engine(known, answer_timeout_s=ANSWER_TIMEOUT_S)
    wait_until_awake(over, PATIENCE_S)
    now = datetime.now(UTC)
    done, failed = each(
        {
            "metrics": lambda: metrics.age(over, retention_days=known.metrics_retention_days, now=now),
            "allocation": lambda: allocation.sweep(over, retention_days=known.metrics_retention_days, now=now),
        }
    )
    logger.info("nightly work", extra={"done": done, "failed": failed})
    if failed:
        raise DynoError("; ".join(f"{room}: {why}" for room, why in failed.items()))
    return done


def each(works: Mapping[str, Callable[[], BaseModel]]) -> tuple[dict[str, Any], dict[str, str]]:
    """What each room did, and why another could not."""
    done: dict[str, Any] = {}
    failed: dict[str, str] = {}
    for room, work in works.items():
        try:
            done[room] = work().model_dump()
        except Exception as error:  # noqa: BLE001  # whatever it is, the next room's work is none the worse for it
            failed[room] = f"{type(error).__name__}: {scrub(str(error), MAX_WHY)}"
    return done, failed
