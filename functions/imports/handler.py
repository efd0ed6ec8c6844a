"""The door for files: a lab's sheets come in, and a report goes out."""

from datetime import datetime
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic_core import from_json

from dyno.auth import Permission
from dyno.database import engine
from dyno.errors import InvalidRequest
from dyno.http import Door, allow
from dyno.imports import service
from dyno.imports.model import DateOrder, Kind, Mapping
from dyno.imports.report import ImportReport, Terms, Wanted
from dyno.metrics import invocation
from dyno.settings import settings

door = Door(settings)

CSV, XLSX = "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAX_FILE_BYTES = 4 * 2**20
"""
In base64 that is 5.6 MB.

Source:
    AWS Lambda Developer Guide, "Lambda quotas": 6 MB of a request, in which the file is base64.
"""

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
    over = engine(settings(), service.TIMEOUT_S)
    return service.import_file(over, content, wanted, charset=charset(), actor=door.actor, terms=terms())


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


def terms() -> Terms:
    """The lab's limits for a booking, and the moment."""
    now = datetime.now(settings().lab_time_zone)
    return Terms(settings().lab_time_zone.key, now.date(), settings().horizon_days, settings().max_days, now)


door.check()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the gateway."""
    with invocation(event, context):
        return door.serve(event, context)
