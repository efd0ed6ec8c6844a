"""Booking, cancelling and looking: what the API's routes do."""

from datetime import datetime, timedelta

from sqlalchemy import Engine

from dyno.allocation import store
from dyno.allocation.answers import (
    MAX_INTEGER,
    bad_window,
    contended,
    key_reused,
    no_room,
    no_such_dyno,
    no_such_vehicle,
    retired,
    too_long,
)
from dyno.allocation.model import (
    Allocation,
    AllocationFilter,
    AllocationRequest,
    AutoAllocation,
    AutoAllocationRequest,
    BookingRequest,
    Cancellation,
    Overlap,
    Placement,
    Refusal,
    Status,
    Swept,
    Terms,
)
from dyno.auth import Actor, Permission, Reach
from dyno.database import autocommit, trial
from dyno.errors import (
    AllocationClosed,
    AllocationNotFound,
    DynoError,
    Forbidden,
)
from dyno.metrics import track_performance
from dyno.paging import Page, after, page

SERVICE = "AllocationService"
AUTO_ROUTE, ROUTE = "POST /allocations/auto", "POST /allocations"
KEYS_KEPT = timedelta(hours=24)
"""How long an Idempotency-Key makes a retry safe."""


@track_performance(SERVICE, include_metadata=True)
def auto_allocate(
    over: Engine, request: AutoAllocationRequest, *, actor: Actor, key: str | None, terms: Terms
) -> AutoAllocation:
    """
    Book a vehicle onto the least capable dyno that is free, on the first day that will do; or hold it for a while.

    Args:
        key: The caller's Idempotency-Key; the same request under the same key is booked once and answered alike.
    Raises:
        InvalidRequest: In the past, beyond the horizon, too long.
        IdempotencyKeyReused: The key came with another request before.
        VehicleNotFound: No vehicle has that vin or id.
        VehicleRetired: It is not to be booked any more.
        VehicleAlreadyAllocated: It is booked on every day tried.
        NoDynoAvailable: No capable dyno is free on any day tried; says why for each.
        Unavailable: Others were faster every time.
    """
    return _booked(over, request, None, AUTO_ROUTE, actor, key, terms)


@track_performance(SERVICE, include_metadata=True)
def allocate(
    over: Engine, request: AllocationRequest, *, actor: Actor, key: str | None, terms: Terms
) -> AutoAllocation:
    """
    Book a vehicle onto the dyno that is named, on the first day that will do; or hold it for a while.

    Raises:
        DynoNotFound: No dyno has that id.
        DynoError: As of `auto_allocate`; NoDynoAvailable says why of that dyno.
    """
    if not 0 < request.dyno_id <= MAX_INTEGER:
        raise no_such_dyno(request.dyno_id)
    return _booked(over, request, request.dyno_id, ROUTE, actor, key, terms)


@track_performance(SERVICE, include_metadata=True)
def cancel_allocation(over: Engine, allocation_id: int, *, actor: Actor, dry_run: bool = False) -> Cancellation:
    """
    Cancel an allocation and keep its row; cancelling it again changes nothing.

    Args:
        dry_run: Say what would come of it, and change nothing.
    Raises:
        AllocationNotFound: No allocation has that id.
        Forbidden: It is somebody else's, and the actor may cancel only their own.
        AllocationClosed: The test is under way or over.
    """
    anybodys = actor.reach(Permission.DELETE_ALLOCATION) is Reach.ANY
    with trial(over) if dry_run else autocommit(over) as connection:
        seen = store.version(connection, allocation_id) if dry_run else None
        said = store.cancel(connection, allocation_id, actor.sub, anybodys=anybodys)
    match said.outcome:
        case "not_found":
            raise AllocationNotFound(f"no allocation has the id {allocation_id}")
        case "not_yours":
            raise Forbidden(f"allocation {allocation_id} was booked by somebody else; your role cancels its own only")
    if said.allocation is None:
        raise AllocationClosed(f"allocation {allocation_id} is {said.status}; only what has not begun can be cancelled")
    verb = "would be" if dry_run else "is"
    return Cancellation(
        message=f"allocation {allocation_id} {verb} cancelled",
        dry_run=dry_run,
        allocation=said.allocation.model_copy(update={"version": seen or said.allocation.version}),
    )


@track_performance(SERVICE)
def get_allocation(over: Engine, allocation_id: int) -> Allocation:
    """
    One allocation.

    Raises:
        AllocationNotFound: No allocation has that id.
    """
    with autocommit(over) as connection:
        found = store.allocation(connection, allocation_id)
    if found is None:
        raise AllocationNotFound(f"no allocation has the id {allocation_id}")
    return found


@track_performance(SERVICE)
def list_allocations(over: Engine, wanted: AllocationFilter, cursor: str | None, limit: int) -> Page[Allocation]:
    """Allocations of every status in order of id, filtered."""
    with autocommit(over) as connection:
        return page(store.allocations(connection, wanted, after(cursor), limit + 1), limit)


@track_performance(SERVICE)
def list_conflicts(over: Engine, cursor: str | None, limit: int) -> Page[Overlap]:
    """Overlapping pairs of live bookings, in order of their ids; none, as long as the constraints hold."""
    with autocommit(over) as connection:
        return page(store.overlaps(connection, after(cursor, 3), limit + 1), limit)


@track_performance(SERVICE)
def list_refusals(over: Engine, cursor: str | None, limit: int) -> Page[Refusal]:
    """Bookings that the lab had no days for, in order of time."""
    with autocommit(over) as connection:
        return page(store.refusals_after(connection, after(cursor), limit + 1), limit)


def sweep(over: Engine, *, retention_days: int, now: datetime) -> Swept:
    """
    Let holds lapse whose time is over, though nobody wants their days, and forget keys that no retry may use.

    Args:
        retention_days: Refusals are kept for as long; what their days came to is counted for good.
    """
    with autocommit(over) as connection:
        return store.sweep(connection, KEYS_KEPT, now - timedelta(days=retention_days))


def _booked(
    over: Engine,
    request: BookingRequest,
    dyno_id: int | None,
    route: str,
    actor: Actor,
    key: str | None,
    terms: Terms,
) -> AutoAllocation:
    if request.days > terms.max_days:
        raise too_long(request.days, terms)
    if request.vehicle_id is not None and not 0 < request.vehicle_id <= MAX_INTEGER:
        raise no_such_vehicle(request.vin, request.vehicle_id)
    with autocommit(over) as connection:
        placed = store.book(connection, request, dyno_id, actor.sub, route, key, terms)
    if placed.allocation is None:
        raise _refusal(request, dyno_id, placed, terms)
    return _answer(request, placed.allocation, replayed=placed.replayed)


def _refusal(request: BookingRequest, dyno_id: int | None, said: Placement, terms: Terms) -> DynoError:
    days = f"{request.start_date} or up to {request.shift_limit_days} days later"
    refusal: DynoError = no_room(
        said, days if said.outcome == "vehicle_already_allocated" else f"{request.test_type}, from {days}"
    )
    match said.outcome:
        case "key_reused":
            refusal = key_reused()
        case "vehicle_not_found":
            refusal = no_such_vehicle(request.vin, request.vehicle_id)
        case "vehicle_retired":
            refusal = retired(said.vin)
        case "dyno_not_found" if dyno_id:
            refusal = no_such_dyno(dyno_id)
        case "bad_window" if said.today:
            refusal = bad_window(said.today, request.start_date, terms)
        case "contended":
            refusal = contended()
    return refusal


def _answer(request: BookingRequest, allocation: Allocation, *, replayed: bool) -> AutoAllocation:
    moved = f", {allocation.shift_days} days later than asked" if allocation.shift_days else ""
    verb = "would be" if request.dry_run else "is held" if allocation.status is Status.HELD else "is"
    days = f"from {allocation.start_date} to {allocation.end_date}{moved}"
    return AutoAllocation(
        message=f"{allocation.vin} {verb} on {allocation.dyno_name} {days}",
        dry_run=request.dry_run,
        backup_used=allocation.shift_days > 0,
        shift_days=allocation.shift_days,
        allocation=allocation,
        replayed=replayed,
    )
