"""The door for files: a lab's sheets come in, or are told where to go if they are large, and a report goes out."""

import os
import time
from datetime import datetime
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic_core import from_json

from dyno.auth import Permission
from dyno.database import engine
from dyno.errors import InvalidRequest
from dyno.http import Door, Number, allow
from dyno.imports import jobs, service
from dyno.imports.jobs_model import ImportJob, MadeUpload, NewUpload
from dyno.imports.model import DateOrder, Kind, Mapping
from dyno.imports.report import ImportReport, Terms, Wanted
from dyno.imports.storage import Uploads
from dyno.metrics import invocation
from dyno.settings import UploadSettings, settings

door = Door(settings)

CSV, XLSX = "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAX_FILE_BYTES = 4 * 2**20
"""
In base64 that is 5.6 MB.

Source:
    AWS Lambda Developer Guide, "Lambda quotas": 6 MB of a request, in which the file is base64.
"""

RESERVE_S = 4
"""Of the function's own 28 s, for an answer with a report of all rows."""

Flag = Annotated[Literal["true", "false"], Query()]


@door.post("/imports")
@allow(Permission.IMPORT_DATA)
def import_file(
    filename: Annotated[str | None, Query(max_length=255)] = None,
    kind: Annotated[Kind | None, Query()] = None,
    date_order: Annotated[DateOrder, Query()] = DateOrder.NONE,
    columns: Annotated[str | None, Query(max_length=1_500)] = None,
    dry_run: Flag = "false",
    partial: Flag = "false",
    keep_placements: Flag = "false",
) -> ImportReport:
    """Import a lab's sheets: its vehicles, dynos, rules, maintenance and tests, and who is enrolled."""
    content = door.sent((CSV, XLSX), MAX_FILE_BYTES)
    wanted = Wanted(
        filename=filename,
        kind=kind,
        date_order=date_order,
        columns=mapping(columns),
        dry_run=dry_run == "true",
        partial=partial == "true",
        keep_placements=keep_placements == "true",
    )
    left_s = door.lambda_context.get_remaining_time_in_millis() / 1000
    give_up_at = time.monotonic() + left_s - RESERVE_S
    return service.import_file(
        engine(settings(), answer_timeout_s=None),
        content,
        wanted,
        charset=charset(),
        actor=door.actor,
        terms=Terms.of(settings(), now()),
        course=service.Course(give_up_at=lambda: give_up_at),
    )


@door.post("/imports/uploads")
@allow(Permission.IMPORT_DATA)
def announce(request: NewUpload) -> Response[MadeUpload]:
    """Say where a file too large for a request is to be sent; it is imported when it is there."""
    made = jobs.announce_import(engine(settings()), request, actor=door.actor, uploads=uploads(), now=now())
    return Response(201, "application/json", made)


@door.get("/imports/<import_id>")
@allow(Permission.IMPORT_DATA)
def import_job(import_id: Annotated[Number, Path(lt=2**31)]) -> ImportJob:
    """How far the import of an uploaded file has come, and what came of it."""
    return jobs.import_job(engine(settings()), import_id, uploads=uploads(), now=now())


def now() -> datetime:
    """The moment, in the lab."""
    return datetime.now(settings().lab_time_zone)


def uploads() -> Uploads:
    """Where large files go."""
    return Uploads(UploadSettings.from_env(os.environ), settings().aws_region)


def mapping(columns: str | None) -> Mapping:
    """
    What the query says of columns: JSON, by sheet or "*" and then by header.

    Raises:
        InvalidRequest: It says so in another form.
    """
    try:
        found = from_json(columns or "{}")
    except ValueError as error:  # nested deeper than anything we take, too
        raise InvalidRequest.of("query.columns", "is not JSON") from error
    sheets = found.values() if isinstance(found, dict) else [None]
    if not all(isinstance(each, dict) and all(isinstance(name, str) for name in each.values()) for each in sheets):
        raise InvalidRequest.of("query.columns", 'is like {"*": {"header": "field"}}, by the sheet\'s name or "*"')
    return dict(found)


def charset() -> str | None:
    """What the content type says a CSV file is written in."""
    _, _, parameters = str(door.current_event.headers.get("Content-Type", "")).partition(";")
    named = (each.strip().partition("=") for each in parameters.split(";"))
    return next((value.strip('"').lower() for name, _, value in named if name.lower() == "charset"), None)


door.check()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the gateway."""
    with invocation(event, context):
        return door.serve(event, context)
