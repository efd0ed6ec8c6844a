"""The door of redrive: nightly, and by hand."""

import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dyno.errors import DynoError
from dyno.metrics.leftovers import Leftovers
from dyno.metrics.redrive import redrive
from dyno.metrics.redriven import Asked
from dyno.observability import incoming, logger, serving
from dyno.settings import RedriveSettings


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """
    Redrive, and report; of an incomplete run too, since what it has done is done.

    Raises:
        DynoError: It must be complete, and is not: Lambda runs it again, and its errors tell of it.
    """
    with serving(incoming(event, context)):
        asked = Asked.of(event)
        report = redrive(
            asked,
            Leftovers(RedriveSettings.from_env(os.environ)),
            clock=lambda: datetime.now(UTC),
            time_left_s=lambda: context.get_remaining_time_in_millis() / 1000,
        )
        said = report.model_dump(mode="json")
        (logger.info if report.complete else logger.error)("redrive finished", extra=said)
        if asked.must_complete and not report.complete:
            raise DynoError(f"redrive is not complete: {report.reason}")
        return said
