"""The calls that change what is booked and close dynos, and the lists of both."""

from datetime import date

from sqlalchemy import Connection, Integer, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from dyno.allocation.model import Placement, Terms
from dyno.allocation.planning_model import (
    AllocationChange,
    Closing,
    HistoryEntry,
    MaintenanceRequest,
    MaintenanceWindow,
)
from dyno.allocation.store import big, digest
from dyno.database import correlated
from dyno.paging import Position
from dyno.tables import dynos, history, occupancies


def change(
    connection: Connection, allocation_id: int, actor: str, version: int, wanted: AllocationChange, terms: Terms
) -> Placement:
    """Change what is named of an allocation, if it is still as it was at that version."""
    named = literal(wanted.named(), JSONB)
    changed = func.change_allocation(
        big(allocation_id), actor, version, named, wanted.dry_run, terms.time_zone, terms.horizon_days, terms.max_days,
        type_=JSONB,
    )  # fmt: skip
    _, answer = connection.execute(select(correlated(), changed)).one()
    return Placement.model_validate(answer)


def close(
    connection: Connection,
    dyno_id: int,
    request: MaintenanceRequest,
    actor: str,
    route: str,
    key: str | None,
    terms: Terms,
    *,
    displace: bool,
) -> Closing:
    """
    Close a dyno for some days, or say why not, in one statement that is its own transaction.

    Args:
        connection: In autocommit.
        key: The caller's Idempotency-Key on this route, if any; a dry run keeps none.
        displace: Whether bookings that are in the way are placed anew.
    """
    closed = func.close_dyno(
        actor, route, None if request.dry_run else key, digest(request), dyno_id, request.start_date, request.end_date,
        request.reason, displace, request.max_backup_days, request.dry_run, terms.time_zone, terms.horizon_days,
        type_=JSONB,
    )  # fmt: skip
    _, answer = connection.execute(select(correlated(), closed)).one()
    return Closing.model_validate(answer)


def reopen(connection: Connection, dyno_id: int, window_id: int, actor: str) -> Closing:
    """Cancel a window in one statement; a second time changes nothing."""
    reopened = func.reopen_dyno(dyno_id, big(window_id), actor, type_=JSONB)
    return Closing.model_validate(connection.execute(select(reopened)).scalar_one())


def has_dyno(connection: Connection, dyno_id: int) -> bool:
    """Whether a dyno has that id."""
    return connection.execute(select(dynos.c.id).where(dynos.c.id == dyno_id)).one_or_none() is not None


def windows(
    connection: Connection, after: Position, limit: int, *, dyno_id: int | None = None, on: date | None = None
) -> list[tuple[Position, MaintenanceWindow]]:
    """Maintenance windows in order of id, at most `limit`: all of a dyno, or those in force on a day."""
    query = (
        select(
            occupancies.c.id.label("window_id"),
            dynos.c.name.label("dyno_name"),
            *(occupancies.c[name] for name in _OF_WINDOW),
        )
        .join(dynos, dynos.c.id == occupancies.c.dyno_id)
        .where(occupancies.c.kind == "maintenance", occupancies.c.id > big(after[0]))
        .order_by(occupancies.c.id)
        .limit(limit)
    )
    if dyno_id is not None:
        query = query.where(occupancies.c.dyno_id == dyno_id)
    if on is not None:
        query = query.where(occupancies.c.occupies, occupancies.c.start_date <= on, occupancies.c.end_date >= on)
    return [((row.window_id,), MaintenanceWindow.model_validate(row._asdict())) for row in connection.execute(query)]


_OF_WINDOW = ("dyno_id", "start_date", "end_date", "reason", "status", "created_at", "cancelled_at", "version")


def is_allocation(connection: Connection, allocation_id: int) -> bool:
    """Whether an allocation has that id."""
    query = select(literal(1, Integer)).where(
        occupancies.c.id == big(allocation_id), occupancies.c.kind == "allocation"
    )
    return connection.execute(query).one_or_none() is not None


def changes(
    connection: Connection, allocation_id: int, after: Position, limit: int
) -> list[tuple[Position, HistoryEntry]]:
    """What was done to an allocation, in order, at most `limit`."""
    query = (
        select(
            history.c.id.label("history_id"),
            *(column for column in history.c if column.name not in {"id", "occupancy_id"}),
        )
        .join(occupancies, occupancies.c.id == history.c.occupancy_id)
        .where(occupancies.c.kind == "allocation", occupancies.c.id == big(allocation_id), history.c.id > big(after[0]))
        .order_by(history.c.id)
        .limit(limit)
    )
    return [((row.history_id,), HistoryEntry.model_validate(row._asdict())) for row in connection.execute(query)]
