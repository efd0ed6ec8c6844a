"""The door of large files: each is imported when it is there, and GET /imports/{import_id} tells what came of it."""

import os
from datetime import datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dyno.database import engine, wait_until_awake
from dyno.imports.jobs import Run
from dyno.imports.jobs_model import Arrived
from dyno.imports.report import Terms
from dyno.imports.storage import Uploads
from dyno.observability import incoming, logger, serving
from dyno.settings import UploadSettings, settings

PATIENCE_S = 300
"""Nobody waits at the gateway, and an event that failed three times is gone."""


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """
    Import the file that an event of its bucket tells of.

    Raises:
        Unavailable: It is worth another try, which Lambda makes.
    """
    with serving(incoming(event, context)):
        arrived, known = Arrived.model_validate(event), settings()
        beside = engine(known)
        wait_until_awake(beside, PATIENCE_S)
        run = Run(
            over=engine(known, answer_timeout_s=None),
            beside=beside,
            uploads=Uploads(UploadSettings.from_env(os.environ), known.aws_region),
            terms=Terms.of(known, datetime.now(known.lab_time_zone)),
            run=context.aws_request_id,
            time_left_s=lambda: context.get_remaining_time_in_millis() / 1000,
        )
        outcome = run.take(arrived)
        logger.info("import over", import_id=arrived.import_id, outcome=outcome)
        return {"import_id": arrived.import_id, "outcome": outcome}
