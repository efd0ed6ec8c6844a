"""One query a sheet, and the calls that make, open and revoke calendars."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, case, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from dyno.exports.model import Booking, CalendarShown, Cell, NewCalendar, OpenCalendar, Said, Wanted
from dyno.paging import Position
from dyno.tables import capabilities, dynos, history, occupancies, vehicles

_RAN_OUT = (occupancies.c.status == "held") & (occupancies.c.expires_at <= func.clock_timestamp())
_STATUS = case((_RAN_OUT, "lapsed"), else_=occupancies.c.status)
_CHANGED = func.coalesce(
    select(func.max(history.c.at)).where(history.c.occupancy_id == occupancies.c.id).scalar_subquery(),
    occupancies.c.created_at,
)
_OVER = ("cancelled", "lapsed")

_BOOKINGS = (
    select(
        occupancies.c.id.label("allocation_id"),
        dynos.c.name.label("dyno_name"),
        vehicles.c.vin,
        vehicles.c.program,
        occupancies.c.test_type,
        occupancies.c.start_date,
        occupancies.c.end_date,
        _STATUS.label("status"),
        occupancies.c.booked_by,
        _CHANGED.label("changed_at"),
        occupancies.c.version,
    )
    .join(dynos, dynos.c.id == occupancies.c.dyno_id)
    .join(vehicles, vehicles.c.id == occupancies.c.vehicle_id)
    .where(occupancies.c.kind == "allocation")
    .order_by(occupancies.c.start_date, occupancies.c.id)
)

_CONDITIONS: Mapping[str, Callable[[Any], ColumnElement[bool]]] = {
    "dyno_id": occupancies.c.dyno_id.__eq__,
    "vehicle_id": occupancies.c.vehicle_id.__eq__,
    "vin": vehicles.c.vin.__eq__,
    "booked_by": occupancies.c.booked_by.__eq__,
    "status": _STATUS.__eq__,
    "from_date": occupancies.c.end_date.__ge__,
    "to_date": occupancies.c.start_date.__le__,
}


def bookings(connection: Connection, wanted: Wanted, limit: int) -> list[Booking]:
    """Allocations in order of their first day, at most `limit`."""
    query = _narrowed(_BOOKINGS, wanted).limit(limit)
    return [Booking(**row._asdict()) for row in connection.execute(query)]


def _narrowed(query: Select[Any], wanted: Wanted) -> Select[Any]:
    for field, value in asdict(wanted).items():
        if value is not None:
            query = query.where(_CONDITIONS[field](value))
    return query


def lab_sheets(connection: Connection, limit: int) -> Iterator[list[tuple[Cell, ...]]]:
    """
    Rows of vehicles, dynos, rules, maintenance and allocations that are in use, a query of at most `limit` each.

    What is retired is left out, with its bookings; and of these whatever takes no days any more.
    """
    in_use = dynos.c.retired_at.is_(None)
    of_dyno = occupancies.join(dynos, dynos.c.id == occupancies.c.dyno_id)
    v, d, c, o = vehicles.c, dynos.c, capabilities.c, occupancies.c
    queries = (
        select(v.vin, v.weight_lbs, v.drive_type, v.program, v.build_id, v.cert_team, v.engine, v.build_type)
        .where(v.retired_at.is_(None))
        .order_by(v.id),
        select(d.name, d.facility, d.turnaround_days, d.available_from, d.available_to, d.enabled)
        .where(in_use)
        .order_by(d.id),
        select(c.test_type, c.drive_type, c.weight_class, d.name)
        .join(dynos, d.id == c.dyno_id)
        .where(in_use)
        .order_by(c.test_type, c.drive_type, c.weight_class, d.name),
        select(d.name, o.start_date, o.end_date, o.reason)
        .select_from(of_dyno)
        .where(in_use, o.kind == "maintenance", o.status == "scheduled")
        .order_by(o.start_date, o.id),
        select(v.vin, o.test_type, d.name, o.start_date, o.end_date, o.status, o.booked_by)
        .select_from(of_dyno.join(vehicles, v.id == o.vehicle_id))
        .where(in_use, v.retired_at.is_(None), o.kind == "allocation", _STATUS.not_in(_OVER))
        .order_by(o.start_date, o.id),
    )
    for query in queries:
        yield [tuple(row) for row in connection.execute(query.limit(limit))]


def events(connection: Connection, calendar: OpenCalendar, *, since: date, today: date, limit: int) -> list[Booking]:
    """
    What a calendar shows: allocations that end on a day or later, in order of their first day.

    Of more than `limit`, what is over is left out first, the longest ago; then what is farthest ahead.
    """
    wanted = Wanted(
        dyno_id=calendar.dyno_id, vehicle_id=calendar.vehicle_id, booked_by=calendar.booked_by, from_date=since
    )
    over = occupancies.c.end_date < today
    away = case((over, today - occupancies.c.end_date), else_=occupancies.c.start_date - today)
    query = _narrowed(_BOOKINGS.order_by(None).order_by(over, away, occupancies.c.id), wanted).limit(limit)
    found = [Booking(**row._asdict()) for row in connection.execute(query)]
    return sorted(found, key=lambda booking: (booking.start_date, booking.allocation_id))


def digest(token: str) -> bytes:
    """By which a token is known; of 256 random bits no salt is needed."""
    return hashlib.sha256(token.encode()).digest()


def make(connection: Connection, owner: str, token: str, wanted: NewCalendar, most: int) -> Said:
    """Let somebody subscribe, or say why not; in a transaction that may write."""
    booked_by = wanted.booked_by or (owner if wanted.scope == "person" else None)
    made = func.make_calendar(
        owner, digest(token), wanted.scope, wanted.dyno_id, wanted.vehicle_id, booked_by, most, type_=JSONB
    )
    return Said.model_validate(connection.execute(select(made)).scalar_one())


def revoke(connection: Connection, calendar_id: int, actor: str, *, anybodys: bool) -> Said:
    """Let a token open nothing from now on; in a transaction that may write."""
    revoked = func.revoke_calendar(calendar_id, actor, anybodys, type_=JSONB)
    return Said.model_validate(connection.execute(select(revoked)).scalar_one())


def find(connection: Connection, token: str) -> OpenCalendar | None:
    """What a token opens; None for nothing, whatever the reason."""
    found = connection.execute(select(func.open_calendar(digest(token), type_=JSONB))).scalar_one()
    return OpenCalendar.model_validate(found) if found else None


def note(connection: Connection, calendar_id: int) -> None:
    """That a calendar is in use; in a transaction that may write."""
    connection.execute(select(func.note_calendar(calendar_id)))


def allow_writing(connection: Connection) -> None:
    """Of this transaction: the login's own write nothing."""
    connection.exec_driver_sql("set transaction read write")


def calendars(
    connection: Connection, owner: str | None, after: Position, limit: int
) -> list[tuple[Position, CalendarShown]]:
    """Somebody's calendars or everybody's, in order of id."""
    listed = func.calendars_of(owner, literal(after[0], BigInteger), limit, type_=JSONB)
    found = map(CalendarShown.model_validate, connection.execute(select(listed)).scalars())
    return [((each.calendar_id,), each) for each in found]
