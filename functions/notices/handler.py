"""The door of notices: rung for by a line of the log, and at night, to see whether anything was left behind."""

import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dyno.errors import DynoError
from dyno.notices.carrying import Bus, Outbox, carry
from dyno.notices.model import Errand
from dyno.observability import incoming, logger, serving
from dyno.settings import NoticeSettings


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """
    Send what waits; the line that rang says nothing of what that is.

    Raises:
        DynoError: Not all could be sent, or at night something had been left behind: Lambda runs it again, and its
            errors tell of it.
    """
    with serving(incoming(event, context)):
        errand = Errand.model_validate(event)
        known = NoticeSettings.from_env(os.environ)
        carried = carry(
            Outbox(known.outbox_function_name),
            Bus(known.event_source),
            now=datetime.now(UTC),
            time_left_s=lambda: context.get_remaining_time_in_millis() / 1000,
        )
        said = carried.model_dump()
        (logger.error if carried.reason or carried.late else logger.info)("notices carried", extra=said)
        if carried.reason:
            raise DynoError(f"notices wait: {carried.reason}")
        if errand.sweep and carried.late:
            raise DynoError(f"{carried.late} notices had been left behind; they are sent now")
        return said
