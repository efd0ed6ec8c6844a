"""Booking, cancelling and looking: what the API's routes do."""

from datetime import date, datetime, timedelta

from sqlalchemy import Engine

from dyno.allocation import store
from dyno.allocation.model import (
    Allocation,
    AllocationFilter,
    AutoAllocation,
    AutoAllocationRequest,
    Cancellation,
    Overlap,
    Placement,
    Refusal,
    Swept,
    Terms,
)
from dyno.auth import Actor, Permission, Reach
from dyno.database import autocommit
from dyno.errors import (
    AllocationClosed,
    AllocationNotFound,
    DynoError,
    Forbidden,
    IdempotencyKeyReused,
    InvalidRequest,
    NoDynoAvailable,
    Unavailable,
    VehicleAlreadyAllocated,
    VehicleNotFound,
)
from dyno.metrics import track_performance
from dyno.paging import Page, after, page

SERVICE = "AllocationService"
AUTO_ROUTE = "POST /allocations/auto"
KEYS_KEPT = timedelta(hours=24)
"""How long an Idempotency-Key makes a retry safe."""

_MAX_INTEGER = 2**31 - 1


@track_performance(SERVICE, include_metadata=True)
def auto_allocate(
    over: Engine, request: AutoAllocationRequest, *, actor: Actor, key: str | None, terms: Terms
) -> AutoAllocation:
    """
    Book a vehicle onto the least capable dyno that is free, on the first day that will do.

    Args:
        key: The caller's Idempotency-Key; the same request under the same key is booked once and answered alike.
    Raises:
        InvalidRequest: In the past, beyond the horizon, too long.
        IdempotencyKeyReused: The key came with another request before.
        VehicleNotFound: No vehicle has that vin or id.
        VehicleAlreadyAllocated: It is booked on every day tried.
        NoDynoAvailable: No capable dyno is free on any day tried; says why for each.
        Unavailable: Others were faster every time.
    """
    if request.days_to_complete > terms.max_days:
        raise InvalidRequest(
            f"days_to_complete is {request.days_to_complete}; a booking takes 1 to {terms.max_days} days"
        )
    if request.vehicle_id is not None and not 0 < request.vehicle_id <= _MAX_INTEGER:
        raise _no_such_vehicle(request)
    with autocommit(over) as connection:
        placed = store.place(connection, request, actor.sub, AUTO_ROUTE, key, terms)
    if placed.allocation is None:
        raise _refusal(request, placed, terms)
    return _answer(request, placed.allocation, replayed=placed.replayed)


@track_performance(SERVICE, include_metadata=True)
def cancel_allocation(over: Engine, allocation_id: int, *, actor: Actor) -> Cancellation:
    """
    Cancel an allocation and keep its row; cancelling it again changes nothing.

    Raises:
        AllocationNotFound: No allocation has that id.
        Forbidden: It is somebody else's, and the actor may cancel only their own.
        AllocationClosed: The test is under way or over.
    """
    anybodys = actor.reach(Permission.DELETE_ALLOCATION) is Reach.ANY
    with autocommit(over) as connection:
        said = store.cancel(connection, allocation_id, actor.sub, anybodys=anybodys)
    match said.outcome:
        case "not_found":
            raise AllocationNotFound(f"no allocation has the id {allocation_id}")
        case "not_yours":
            raise Forbidden(f"allocation {allocation_id} was booked by somebody else; your role cancels its own only")
    if said.allocation is None:
        raise AllocationClosed(f"allocation {allocation_id} is {said.status}; only what has not begun can be cancelled")
    return Cancellation(message=f"allocation {allocation_id} is cancelled", allocation=said.allocation)


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


def _bad_window(request: AutoAllocationRequest, terms: Terms, today: date) -> InvalidRequest:
    if request.start_date < today:
        return InvalidRequest(f"start_date {request.start_date} is in the past; today in the lab is {today}")
    last_day = today + timedelta(days=terms.horizon_days)
    return InvalidRequest(f"a booking ends by {last_day}, {terms.horizon_days} days ahead")


def _refusal(request: AutoAllocationRequest, said: Placement, terms: Terms) -> DynoError:
    days = f"{request.start_date} or up to {request.shift_limit_days} days later"
    refusal = DynoError(f"the booking function said {said.outcome}")
    match said.outcome:
        case "key_reused":
            refusal = IdempotencyKeyReused("this Idempotency-Key came with another request; use a new one")
        case "vehicle_not_found":
            refusal = _no_such_vehicle(request)
        case "bad_window" if said.today:
            refusal = _bad_window(request, terms, said.today)
        case "vehicle_already_allocated":
            refusal = VehicleAlreadyAllocated(
                f"{said.vin} is booked whenever it could start, {days}", in_the_way=said.in_the_way
            )
        case "no_dyno_available":
            refusal = NoDynoAvailable(
                f"no dyno can take {said.vin} for {request.test_type}, from {days}",
                start_date=said.start_date,
                end_date=said.end_date,
                rejected=said.rejected,
            )
        case "contended":
            refusal = Unavailable("others were faster every time; try again")
    return refusal


def _no_such_vehicle(request: AutoAllocationRequest) -> VehicleNotFound:
    asked = f"vin {request.vin[:64]!r}" if request.vin is not None else f"vehicle_id {request.vehicle_id}"
    return VehicleNotFound(f"no vehicle has the {asked}")


def _answer(request: AutoAllocationRequest, allocation: Allocation, *, replayed: bool) -> AutoAllocation:
    moved = f", {allocation.shift_days} days later than asked" if allocation.shift_days else ""
    verb = "would be" if request.dry_run else "is"
    days = f"from {allocation.start_date} to {allocation.end_date}{moved}"
    return AutoAllocation(
        message=f"{allocation.vin} {verb} on {allocation.dyno_name} {days}",
        dry_run=request.dry_run,
        backup_used=allocation.shift_days > 0,
        shift_days=allocation.shift_days,
        allocation=allocation,
        replayed=replayed,
    )
