"""The door of what goes out: sheets, the whole lab, and calendars to subscribe to."""

import base64
import hashlib
from datetime import datetime
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from dyno.auth import Permission
from dyno.database import engine
from dyno.exports import service
from dyno.exports.model import CalendarShown, Day, MadeCalendar, NewCalendar, StatusName, Wanted
from dyno.http import Door, Number, allow
from dyno.metrics import invocation
from dyno.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from dyno.reference import Published
from dyno.settings import settings

CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ICS = "text/calendar; charset=utf-8"
FEED = "/exports/calendar.ics"
FEED_MAX_AGE_S = 900
"""Calendar programs ask every few minutes to every few hours; and asking wakes a sleeping database."""

door = Door(settings)

Id = Annotated[Number | None, Query(lt=2**31)]
Vin = Annotated[str | None, Query(max_length=64)]
BookedBy = Annotated[str | None, Query(max_length=64)]
Status = Annotated[StatusName | None, Query()]
From = Annotated[Day | None, Query(alias="from")]
To = Annotated[Day | None, Query(alias="to")]
CalendarId = Annotated[Number, Path(lt=2**31)]


@door.get("/exports/allocations.csv")
@allow(Permission.VIEW_ALLOCATIONS)
def allocations_csv(
    dyno_id: Id = None,
    vehicle_id: Id = None,
    vin: Vin = None,
    booked_by: BookedBy = None,
    status: Status = None,
    from_date: From = None,
    to_date: To = None,
) -> Response[str]:
    """Allocations as a CSV file, in order of their first day."""
    wanted = Wanted(dyno_id, vehicle_id, _vin(vin), booked_by, status, from_date, to_date)
    return Response(200, CSV, service.allocations_csv(engine(settings()), wanted), headers=_named("allocations.csv"))


@door.get("/exports/allocations.xlsx")
@allow(Permission.VIEW_ALLOCATIONS)
def allocations_xlsx(
    dyno_id: Id = None,
    vehicle_id: Id = None,
    vin: Vin = None,
    booked_by: BookedBy = None,
    status: Status = None,
    from_date: From = None,
    to_date: To = None,
) -> Response[str]:
    """Allocations as a workbook, in order of their first day."""
    wanted = Wanted(dyno_id, vehicle_id, _vin(vin), booked_by, status, from_date, to_date)
    return _workbook(service.allocations_workbook(engine(settings()), wanted), "allocations.xlsx")


@door.get("/exports/allocations.ics")
@allow(Permission.VIEW_ALLOCATIONS)
def allocations_ics(
    dyno_id: Id = None,
    vehicle_id: Id = None,
    vin: Vin = None,
    booked_by: BookedBy = None,
    status: Status = None,
    from_date: From = None,
    to_date: To = None,
) -> Response[str]:
    """Allocations as a calendar of whole days."""
    wanted = Wanted(dyno_id, vehicle_id, _vin(vin), booked_by, status, from_date, to_date)
    calendar = service.allocations_calendar(engine(settings()), wanted, lab=_lab())
    return Response(200, ICS, calendar, headers=_named("allocations.ics"))


@door.get("/exports/lab.xlsx")
@allow(Permission.IMPORT_DATA)
def lab() -> Response[str]:
    """The whole lab as it is in use, as an import into an empty one reads it."""
    return _workbook(service.lab_workbook(engine(settings())), "lab.xlsx")


@door.post("/calendars")
@allow(Permission.MANAGE_CALENDARS)
def subscribe(request: NewCalendar) -> Response[MadeCalendar]:
    """Make a calendar that programs subscribe to; its token is in this answer and nowhere else."""
    made = service.subscribe(engine(settings()), request, actor=door.actor, address=_address())
    return Response(201, "application/json", made)


@door.get("/calendars")
@allow(Permission.MANAGE_CALENDARS)
def calendars(
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[Number, Query(le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> Page[CalendarShown]:
    """One's own calendars, in order of id, without their tokens; everybody's for admins."""
    return service.list_calendars(engine(settings()), cursor, limit, actor=door.actor)


@door.delete("/calendars/<calendar_id>")
@allow(Permission.MANAGE_CALENDARS)
def revoke(calendar_id: CalendarId) -> CalendarShown:
    """End a calendar of one's own, or anybody's for admins: its address opens nothing any more."""
    return service.revoke(engine(settings()), calendar_id, actor=door.actor)


@door.get(FEED)
@allow(Permission.PUBLIC)
def feed(
    token: Annotated[str | None, Query()] = None,
    if_none_match: Annotated[str | None, Header(alias="If-None-Match", max_length=1000)] = None,
) -> Response[str]:
    """What a calendar program fetches, by the token alone."""
    today = datetime.now(settings().lab_time_zone).date()
    text = service.subscribed(engine(settings()), token, today=today, lab=_lab())
    found = Published(text, f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"')
    kept = {"ETag": found.etag, "Cache-Control": f"private, max-age={FEED_MAX_AGE_S}"}
    if found.is_known(if_none_match):
        return Response(304, body="", headers=kept)
    return Response(200, ICS, text, headers=kept)


def _vin(given: str | None) -> str | None:
    """As it is stored."""
    return given.strip().upper() if given else None


def _workbook(content: bytes, file: str) -> Response[str]:
    """As the gateway takes bytes."""
    answer = Response(200, XLSX, base64.b64encode(content).decode(), headers=_named(file))
    answer.base64_encoded = True
    return answer


def _named(file: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{file}"'}


def _lab() -> str:
    """What no other lab is called: the user pool's id, as a domain."""
    return f"{settings().user_pool_issuer.rstrip('/').rsplit('/', 1)[-1]}.dyno-agent".lower().replace("_", "-")


def _address() -> str:
    """Where the gateway was found, its stage included; an emulator does not say, and the front before it does."""
    context = door.current_event.raw_event["requestContext"]
    if host := context.get("domainName"):
        before = str(context.get("path", "")).removesuffix("/calendars")
        return f"https://{host}{before}{FEED}"
    headers = {name.lower(): value for name, value in (door.current_event.headers or {}).items()}
    return f"http://{headers.get('x-forwarded-host', 'localhost')}{FEED}"


door.check()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the gateway."""
    with invocation(event, context):
        return door.serve(event, context)
