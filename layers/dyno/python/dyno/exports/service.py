"""Sheets and calendars out; who subscribes to what."""

import json
import secrets
from datetime import date, timedelta
from typing import TypeVar

from sqlalchemy import Engine

from dyno.auth import Actor, Permission, Reach
from dyno.database import autocommit, transaction
from dyno.errors import (
    CalendarNotFound,
    DynoError,
    DynoNotFound,
    ExportTooLarge,
    Forbidden,
    TooManyCalendars,
    VehicleNotFound,
)
from dyno.exports import csvs, store
from dyno.exports.model import (
    MAX_ANSWER_BYTES,
    MAX_CALENDARS,
    MAX_EVENTS,
    MAX_ROWS,
    PAST_DAYS,
    Booking,
    CalendarShown,
    Cell,
    MadeCalendar,
    NewCalendar,
    OpenCalendar,
    Sheet,
    Wanted,
    is_token,
)
from dyno.metrics import track_performance
from dyno.paging import Page, after, page

SERVICE = "ExportService"
T = TypeVar("T")

ALLOCATIONS = ("Allocation ID", "VIN", "Test", "Dyno", "Start Date", "End Date", "Status", "Requested by")
LAB = (
    ("Vehicles", ("VIN", "Weight lbs", "Drive", "Program", "Build ID", "Cert Team", "Engine", "Build Type")),
    ("Dynos", ("Dyno", "Facility", "Turnaround days", "Available from", "Available to", "Enabled")),
    ("Rules", ("Test", "Drive", "Weight class", "Dynos")),
    ("Maintenance", ("Dyno", "Start Date", "End Date", "Reason")),
    ("Allocations", ("VIN", "Test", "Dyno", "Start Date", "End Date", "Status", "Requested by")),
)
"""Sheets and their headers, as an import reads them."""

NARROWER = "ask for fewer: by from and to, dyno_id, vehicle_id, vin, booked_by or status"


@track_performance(SERVICE)
def allocations_csv(over: Engine, wanted: Wanted) -> str:
    """
    Allocations as a CSV file.

    Raises:
        ExportTooLarge: They are more than an answer holds.
    """
    return _fitting_text(csvs.written(_sheet(_bookings(over, wanted, MAX_ROWS))))


@track_performance(SERVICE)
def allocations_workbook(over: Engine, wanted: Wanted) -> bytes:
    """
    Allocations as a workbook.

    Raises:
        ExportTooLarge: They are more than an answer holds.
    """
    from dyno.exports import workbooks  # noqa: PLC0415  # a fifth of a second that calendars need not wait for

    return _fitting(workbooks.written([_sheet(_bookings(over, wanted, MAX_ROWS))]))


@track_performance(SERVICE)
def allocations_calendar(over: Engine, wanted: Wanted, *, lab: str) -> str:
    """
    Allocations as an iCalendar file.

    Raises:
        ExportTooLarge: They are more than an answer holds.
    """
    return _fitting_text(_calendar("Dyno bookings", _bookings(over, wanted, MAX_EVENTS), lab))


@track_performance(SERVICE)
def lab_workbook(over: Engine) -> bytes:
    """
    The whole lab as it is in use, as an import into an empty one reads it.

    Raises:
        ExportTooLarge: It is more than an answer holds.
    """
    from dyno.exports import workbooks  # noqa: PLC0415

    # One snapshot: a booking's dyno and vehicle are there with it.
    with transaction(over) as connection:
        connection.exec_driver_sql("set transaction isolation level repeatable read")
        found = list(store.lab_sheets(connection, MAX_ROWS + 1))
    if sum(map(len, found)) > MAX_ROWS:
        raise ExportTooLarge(f"the lab has more than {MAX_ROWS} rows; {NARROWER}, at /exports/allocations.xlsx")
    sheets = [Sheet(name, headers, rows) for (name, headers), rows in zip(LAB, found, strict=True)]
    return _fitting(workbooks.written(sheets))


@track_performance(SERVICE)
def subscribe(over: Engine, wanted: NewCalendar, *, actor: Actor, address: str) -> MadeCalendar:
    """
    A calendar that whoever has its token may read until it is revoked.

    Args:
        address: Where calendars are fetched, without the token.
    Raises:
        DynoNotFound: No dyno has that id.
        VehicleNotFound: No vehicle has that id.
        TooManyCalendars: The actor has as many as one may.
    """
    token = f"cal_{secrets.token_urlsafe(32)}"
    with transaction(over) as connection:
        store.allow_writing(connection)
        said = store.make(connection, actor.sub, token, wanted, MAX_CALENDARS)
    match said.outcome:
        case "made" if said.calendar:
            return MadeCalendar(**said.calendar.model_dump(), token=token, url=f"{address}?token={token}")
        case "no_dyno":
            raise DynoNotFound(f"no dyno has the id {wanted.dyno_id}")
        case "no_vehicle":
            raise VehicleNotFound(f"no vehicle has the id {wanted.vehicle_id}")
        case "too_many":
            raise TooManyCalendars(f"you have {MAX_CALENDARS} calendars; DELETE /calendars/{{calendar_id}} ends one")
    raise DynoError(f"the subscribing function said {said.outcome}")


@track_performance(SERVICE)
def list_calendars(over: Engine, cursor: str | None, limit: int, *, actor: Actor) -> Page[CalendarShown]:
    """The actor's calendars, revoked ones too; everybody's for whoever may manage them all."""
    owner = None if actor.reach(Permission.MANAGE_CALENDARS) is Reach.ANY else actor.sub
    with autocommit(over) as connection:
        return page(store.calendars(connection, owner, after(cursor), limit + 1), limit)


@track_performance(SERVICE)
def revoke(over: Engine, calendar_id: int, *, actor: Actor) -> CalendarShown:
    """
    Let a calendar's token open nothing from now on; a second time changes nothing.

    Raises:
        CalendarNotFound: No calendar has that id.
        Forbidden: It is somebody else's.
    """
    anybodys = actor.reach(Permission.MANAGE_CALENDARS) is Reach.ANY
    with transaction(over) as connection:
        store.allow_writing(connection)
        said = store.revoke(connection, calendar_id, actor.sub, anybodys=anybodys)
    match said.outcome:
        case "revoked" | "unchanged" if said.calendar:
            return said.calendar
        case "not_found":
            raise CalendarNotFound(f"no calendar has the id {calendar_id}")
        case "not_yours":
            raise Forbidden(f"calendar {calendar_id} is somebody else's")
    raise DynoError(f"the revoking function said {said.outcome}")


def subscribed(over: Engine, token: str | None, *, today: date, lab: str) -> str:
    """
    What a calendar program fetches; not recorded, as it asks again and again.

    Raises:
        CalendarNotFound: The token opens nothing; that it was revoked, or never was one, is not said.
    """
    if token is None or not is_token(token):
        raise _opens_nothing()
    with autocommit(over) as connection:
        calendar = store.find(connection, token)
        if calendar is None:
            raise _opens_nothing()
        since = today - timedelta(days=PAST_DAYS)
        found = store.events(connection, calendar, since=since, today=today, limit=MAX_EVENTS)
    if calendar.unnoted:
        with transaction(over) as connection:
            store.allow_writing(connection)
            store.note(connection, calendar.calendar_id)
    return _fitting_text(_calendar(_name(calendar, found), found, lab))


def _opens_nothing() -> CalendarNotFound:
    return CalendarNotFound("this address opens no calendar; make one by POST /calendars")


def _name(calendar: OpenCalendar, found: list[Booking]) -> str:
    match calendar.scope:
        case "dyno":
            return found[0].dyno_name if found else f"Dyno {calendar.dyno_id}"
        case "vehicle":
            return found[0].vin if found else f"Vehicle {calendar.vehicle_id}"
        case "person":
            return "My dyno bookings" if calendar.booked_by == calendar.owner else "Somebody's dyno bookings"
    return "Dyno bookings"


def _bookings(over: Engine, wanted: Wanted, most: int) -> list[Booking]:
    with autocommit(over) as connection:
        found = store.bookings(connection, wanted, most + 1)
    if len(found) > most:
        raise ExportTooLarge(f"these are more than {most} allocations; {NARROWER}")
    return found


def _sheet(bookings: list[Booking]) -> Sheet:
    rows: list[tuple[Cell, ...]] = [
        (each.allocation_id, each.vin, each.test_type, each.dyno_name, each.start_date, each.end_date, each.status,
         each.booked_by)
        for each in bookings
    ]  # fmt: skip
    return Sheet("Allocations", ALLOCATIONS, rows)


def _calendar(name: str, bookings: list[Booking], lab: str) -> str:
    from dyno.exports import calendar_files  # noqa: PLC0415  # a tenth of a second that sheets need not wait for

    return calendar_files.written(name, bookings, lab)


def _fitting(content: bytes) -> bytes:
    return _checked(content, len(content) * 4 // 3)


def _fitting_text(content: str) -> str:
    return _checked(content, len(json.dumps(content)))


def _checked(content: T, size: int) -> T:
    if size > MAX_ANSWER_BYTES:
        raise ExportTooLarge(f"it is {size} bytes, and an answer has at most {MAX_ANSWER_BYTES}; {NARROWER}")
    return content
