"""The lab's tables: the call that books, the call that cancels, and the lists."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    and_,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB

from dyno.allocation.model import (
    Allocation,
    AllocationFilter,
    BookingRequest,
    Overlap,
    Placement,
    Refusal,
    Swept,
    Terms,
)
from dyno.database import correlated
from dyno.driver import Prepared
from dyno.paging import Position
from dyno.tables import dynos, occupancies, refusals, vehicles

_BOOK = Prepared(
    "select book(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, make_interval(mins => %s), %s::jsonb, %s, %s, %s, %s)"
    "::text"  # pydantic reads it in half the time that a reader of JSON before it takes
)
MOST_LAPSES = 64
"""How often a booking goes on looking behind holds that ran out; each time there are fewer of them."""


def digest(request: BaseModel) -> bytes:
    """What makes a request another one under the same key: whatever it says, and not what it leaves to the defaults."""
    return hashlib.sha256(request.model_dump_json(exclude_defaults=True).encode()).digest()


def book(
    connection: Connection,
    request: BookingRequest,
    dyno_id: int | None,
    owner: str,
    route: str,
    key: str | None,
    terms: Terms,
) -> Placement:
    """
    Choose and book, or say why not, in one statement that is its own transaction; another where holds are to lapse.

    Args:
        connection: In autocommit.
        dyno_id: The only one that will do; None: any.
        owner: The caller's sub.
        key: The caller's Idempotency-Key on this route, if any; a dry run keeps none.
    """
    wanted = (
        owner,
        route,
        None if request.dry_run else key,
        digest(request),
        dyno_id,
        request.vehicle_id,
        request.vin,
        request.test_type,
        request.start_date,
        request.days,
        request.shift_limit_days,
        request.hold_minutes,
        request.work.model_dump_json() if request.work else None,
        request.dry_run,
        terms.time_zone,
        terms.horizon_days,
        terms.max_days,
    )
    for _ in range(MOST_LAPSES):
        # As the driver takes it: to compile it and its parameters is a seventh of what a booking costs the client.
        placement = Placement.model_validate_json(connection.exec_driver_sql(_BOOK, wanted).scalar_one())
        if placement.outcome != "lapsed":
            return placement
    return Placement(outcome="contended")


def version(connection: Connection, occupancy_id: int) -> int | None:
    """The version that an allocation or a maintenance window is at."""
    return connection.execute(select(occupancies.c.version).where(occupancies.c.id == big(occupancy_id))).scalar()


def cancel(connection: Connection, allocation_id: int, actor: str, *, anybodys: bool) -> Placement:
    """Cancel an allocation in one statement; a second time changes nothing."""
    cancelled = func.cancel(allocation_id, actor, anybodys, type_=JSONB)
    _, answer = connection.execute(select(correlated(), cancelled)).one()
    return Placement.model_validate(answer)


def sweep(connection: Connection, keys_kept: timedelta, refusals_before: datetime) -> Swept:
    """Let holds lapse whose time is over, and forget keys older than that and refusals of before a moment."""
    swept = func.sweep(keys_kept).table_valued("lapsed", "keys")
    done = connection.execute(select(swept)).one()._asdict()
    return Swept(**done, refusals=connection.execute(select(func.age_refusals(refusals_before))).scalar_one())


_RAN_OUT = (occupancies.c.status == "held") & (occupancies.c.expires_at <= func.clock_timestamp())
_STATUS = case((_RAN_OUT, "lapsed"), else_=occupancies.c.status)
"""A hold that ran out is over, though nobody has said so yet."""

_ALLOCATIONS = (
    select(
        occupancies.c.id.label("allocation_id"),
        occupancies.c.dyno_id,
        dynos.c.name.label("dyno_name"),
        occupancies.c.vehicle_id,
        vehicles.c.vin,
        occupancies.c.test_type,
        occupancies.c.start_date,
        occupancies.c.end_date,
        _STATUS.label("status"),
        occupancies.c.shift_days,
        occupancies.c.booked_by,
        occupancies.c.created_at,
        case((~_RAN_OUT, occupancies.c.expires_at)).label("expires_at"),
        occupancies.c.cancelled_at,
        occupancies.c.work,
        occupancies.c.version,
    )
    .join(dynos, dynos.c.id == occupancies.c.dyno_id)
    .join(vehicles, vehicles.c.id == occupancies.c.vehicle_id)
    .where(occupancies.c.kind == "allocation")
)


_CONDITIONS: Mapping[str, Callable[[Any], ColumnElement[bool]]] = {
    "dyno_id": occupancies.c.dyno_id.__eq__,
    "vehicle_id": occupancies.c.vehicle_id.__eq__,
    "vin": vehicles.c.vin.__eq__,
    "status": _STATUS.__eq__,
    "from_date": occupancies.c.end_date.__ge__,
    "to_date": occupancies.c.start_date.__le__,
}


def allocation(connection: Connection, allocation_id: int) -> Allocation | None:
    """One allocation; None if there is no such thing."""
    row = connection.execute(_ALLOCATIONS.where(occupancies.c.id == allocation_id)).one_or_none()
    return Allocation.model_validate(row._asdict()) if row else None


def allocations(
    connection: Connection, wanted: AllocationFilter, after: Position, limit: int
) -> list[tuple[Position, Allocation]]:
    """Allocations in order of id, at most `limit`."""
    query = _ALLOCATIONS.where(occupancies.c.id > big(after[0])).order_by(occupancies.c.id).limit(limit)
    for field, value in wanted.model_dump(exclude_none=True).items():
        query = query.where(_CONDITIONS[field](value))
    return [((row.allocation_id,), Allocation.model_validate(row._asdict())) for row in connection.execute(query)]


def overlaps(connection: Connection, after: Position, limit: int) -> list[tuple[Position, Overlap]]:
    """
    Pairs of live bookings that take one dyno, or one vehicle, on the same days; an honest lab has none.

    Args:
        after: (first_id, second_id, whether it is the vehicle they share) of the last pair seen.
    Source:
        A plain self-join, which trusts neither the constraints nor the columns derived for the booking.
    """
    first, second = occupancies.alias("first"), occupancies.alias("second")
    live = [
        each.c.status.in_(("scheduled", "in_progress", "completed"))
        | ((each.c.status == "held") & (each.c.expires_at > func.clock_timestamp()))
        for each in (first, second)
    ]
    same_dyno = and_(
        first.c.dyno_id == second.c.dyno_id, second.c.start_date <= first.c.end_date + first.c.turnaround_days
    )
    same_vehicle = and_(first.c.vehicle_id == second.c.vehicle_id, second.c.start_date <= first.c.end_date)
    earlier = or_(
        first.c.start_date < second.c.start_date,
        and_(first.c.start_date == second.c.start_date, first.c.id < second.c.id),
    )
    pairs = [
        select(
            (first.c.dyno_id if shared is same_dyno else literal_column("null::integer")).label("dyno_id"),
            (first.c.vehicle_id if shared is same_vehicle else literal_column("null::integer")).label("vehicle_id"),
            first.c.id.label("first_id"),
            second.c.id.label("second_id"),
            second.c.start_date,
            func.least(first.c.end_date, second.c.end_date).label("end_date"),
        ).where(shared, earlier, *live)
        for shared in (same_dyno, same_vehicle)
    ]
    pair = pairs[0].union_all(pairs[1]).subquery()
    position = (pair.c.first_id, pair.c.second_id, pair.c.vehicle_id.is_not(None).cast(Integer))
    query = select(pair).where(tuple_(*position) > tuple_(*map(big, after))).order_by(*position).limit(limit)
    return [
        ((row.first_id, row.second_id, int(row.vehicle_id is not None)), Overlap.model_validate(row._asdict()))
        for row in connection.execute(query)
    ]


def refusals_after(connection: Connection, after: Position, limit: int) -> list[tuple[Position, Refusal]]:
    """Refused bookings in order of id, at most `limit`."""
    query = (
        select(
            refusals.c.id.label("refusal_id"),
            refusals.c.actor.label("asked_by"),
            vehicles.c.vin,
            *(column for column in refusals.c if column.name not in {"id", "actor"}),
        )
        .join(vehicles, vehicles.c.id == refusals.c.vehicle_id)
        .where(refusals.c.id > big(after[0]))
        .order_by(refusals.c.id)
        .limit(limit)
    )
    return [((row.refusal_id,), Refusal.model_validate(row._asdict())) for row in connection.execute(query)]


def big(number: int) -> BindParameter[int]:
    """A number of a cursor, which may be larger than any id of the table."""
    return literal(number, BigInteger)
