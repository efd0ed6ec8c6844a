"""Changing what is booked, closing dynos, and who changed what."""

from datetime import date, timedelta

from sqlalchemy import Engine

from dyno.allocation import planning_store as store
from dyno.allocation.answers import (
    MAX_INTEGER,
    bad_window,
    contended,
    key_reused,
    no_room,
    no_such_dyno,
)
from dyno.allocation.model import Allocation, Placement, Status, Terms
from dyno.allocation.planning_model import (
    AllocationChange,
    Changed,
    Closing,
    HistoryEntry,
    Maintenance,
    MaintenanceRequest,
    MaintenanceWindow,
    Reopened,
)
from dyno.allocation.store import version as version_of
from dyno.auth import Actor
from dyno.database import autocommit, trial
from dyno.errors import (
    AllocationClosed,
    AllocationNotFound,
    AllocationUnderWay,
    DynoError,
    InvalidRequest,
    MaintenanceOverlap,
    Stale,
    StepNotAllowed,
    WindowNotFound,
)
from dyno.metrics import track_performance
from dyno.paging import Page, after, page

SERVICE = "AllocationService"
CLOSE_ROUTE = "POST /dynos/{}/maintenance?displace={}"
"""A key belongs to one dyno, and to making way or not."""

MOST_CLOSED = timedelta(days=1825)
"""As the table has it."""

STEPS = {Status.HELD: Status.SCHEDULED, Status.SCHEDULED: Status.IN_PROGRESS, Status.IN_PROGRESS: Status.COMPLETED}
"""What each status can become, beside cancelled."""


@track_performance(SERVICE, include_metadata=True)
def change_allocation(
    over: Engine, allocation_id: int, change: AllocationChange, *, version: int, actor: Actor, terms: Terms
) -> Changed:
    """
    Move an allocation, change its length, confirm a hold, or take its status a step on; or say what would come of it.

    Args:
        version: The one the caller has seen.
    Raises:
        InvalidRequest: Days in the past, beyond the horizon, too many.
        AllocationNotFound: No allocation has that id.
        DynoNotFound: No dyno has that id.
        Stale: It is not as it was at that version.
        AllocationClosed: It is over, cancelled or lapsed.
        AllocationUnderWay: It has begun, and more than its end was to be changed.
        StepNotAllowed: Its status does not lead to that one, or its first day has not come.
        VehicleAlreadyAllocated: The vehicle is booked on one of those days.
        NoDynoAvailable: The dyno cannot take it on those days; says why.
        Unavailable: Others were faster every time.
    """
    if change.dyno_id is not None and not 0 < change.dyno_id <= MAX_INTEGER:
        raise no_such_dyno(change.dyno_id)
    if change.days_to_complete is not None and change.days_to_complete > terms.max_days:
        raise InvalidRequest.of("body.days_to_complete", f"a booking takes 1 to {terms.max_days} days")
    with trial(over) if change.dry_run else autocommit(over) as connection:
        said = store.change(connection, allocation_id, actor.sub, version, change, terms)
    if said.outcome not in {"changed", "would_change", "unchanged"} or said.allocation is None:
        raise _not_changed(said, allocation_id, change, version, terms)
    return _changed(said.outcome, said.allocation, change)


@track_performance(SERVICE)
def list_history(over: Engine, allocation_id: int, cursor: str | None, limit: int) -> Page[HistoryEntry]:
    """
    Who changed what of an allocation, and when; the first first.

    Raises:
        AllocationNotFound: No allocation has that id.
    """
    with autocommit(over) as connection:
        found = store.changes(connection, allocation_id, after(cursor), limit + 1)
        if not found and not store.is_allocation(connection, allocation_id):
            raise _no_such_allocation(allocation_id)
    return page(found, limit)


@track_performance(SERVICE)
def close_dyno(
    over: Engine,
    dyno_id: int,
    request: MaintenanceRequest,
    *,
    displace: bool,
    actor: Actor,
    key: str | None,
    terms: Terms,
) -> Maintenance:
    """
    Close a dyno for some days; or say what would come of it.

    Args:
        displace: Whether the bookings that are in the way are placed anew, all of them or nothing happens.
        key: The caller's Idempotency-Key; the same request under the same key closes it once and is answered alike.
    Raises:
        InvalidRequest: Days that are over, or beyond the horizon.
        DynoNotFound: No dyno has that id.
        IdempotencyKeyReused: The key came with another request before.
        MaintenanceOverlap: Something is in the way that is not to move, or cannot; says what and why.
        Unavailable: Others were faster every time.
    """
    route = CLOSE_ROUTE.format(dyno_id, str(displace).lower())
    with trial(over) if request.dry_run else autocommit(over) as connection:
        said = store.close(connection, dyno_id, request, actor.sub, route, key, terms, displace=displace)
    if said.window is None:
        raise _not_closed(said, dyno_id, request, terms, displace=displace)
    return _closed(said, said.window, request)


@track_performance(SERVICE)
def reopen_dyno(over: Engine, dyno_id: int, window_id: int, *, actor: Actor, dry_run: bool = False) -> Reopened:
    """
    Cancel a maintenance window and keep its row; cancelling it again changes nothing.

    Args:
        dry_run: Say what would come of it, and change nothing.
    Raises:
        WindowNotFound: The dyno has no window of that id.
    """
    with trial(over) if dry_run else autocommit(over) as connection:
        seen = version_of(connection, window_id) if dry_run else None
        said = store.reopen(connection, dyno_id, window_id, actor.sub)
    if said.window is None:
        raise WindowNotFound(f"dyno {dyno_id} has no maintenance window of the id {window_id}")
    verb = "would be" if dry_run else "is"
    message = f"{said.window.dyno_name} {verb} open again from {said.window.start_date}"
    window = said.window.model_copy(update={"version": seen or said.window.version})
    return Reopened(message=message, dry_run=dry_run, window=window)


@track_performance(SERVICE)
def list_maintenance(over: Engine, dyno_id: int, cursor: str | None, limit: int) -> Page[MaintenanceWindow]:
    """
    Every maintenance window of a dyno, in order of id, cancelled ones too.

    Raises:
        DynoNotFound: No dyno has that id.
    """
    with autocommit(over) as connection:
        found = store.windows(connection, after(cursor), limit + 1, dyno_id=dyno_id)
        if not found and not store.has_dyno(connection, dyno_id):
            raise no_such_dyno(dyno_id)
    return page(found, limit)


@track_performance(SERVICE)
def list_maintenance_on(over: Engine, day: date, cursor: str | None, limit: int) -> Page[MaintenanceWindow]:
    """The maintenance windows of all dynos that are in force on a day, in order of id."""
    with autocommit(over) as connection:
        return page(store.windows(connection, after(cursor), limit + 1, on=day), limit)


def _changed(outcome: str, allocation: Allocation, change: AllocationChange) -> Changed:
    verb = {"changed": "is now", "unchanged": "is as it was,", "would_change": "would be"}[outcome]
    days = f"from {allocation.start_date} to {allocation.end_date}"
    message = f"allocation {allocation.allocation_id} {verb} {allocation.status} on {allocation.dyno_name} {days}"
    return Changed(message=message, dry_run=change.dry_run, allocation=allocation)


def _not_changed(
    said: Placement, allocation_id: int, change: AllocationChange, version: int, terms: Terms
) -> DynoError:
    it = f"allocation {allocation_id}"
    refusal: DynoError = no_room(said, f"from {said.start_date} to {said.end_date}")
    match said:
        case Placement(outcome="not_found"):
            refusal = _no_such_allocation(allocation_id)
        case Placement(outcome="stale", allocation=Allocation(version=there)):
            refusal = Stale(f"{it} is at version {there}, not {version}; look at it again")
        case Placement(outcome="closed"):
            refusal = AllocationClosed(f"{it} is {said.status}; what is over is not changed")
        case Placement(outcome="under_way"):
            refusal = AllocationUnderWay(f"{it} is in progress; its end can be changed, not its dyno or its first day")
        case Placement(outcome="too_early"):
            refusal = StepNotAllowed(
                f"{it} begins on {said.start_date}, today is {said.today}; move it first", next="scheduled"
            )
        case Placement(outcome="step_not_allowed", status=Status() as status):
            refusal = StepNotAllowed(
                f"{it} is {status}, which becomes {STEPS[status]} or cancelled, not {change.status}", next=STEPS[status]
            )
        case Placement(outcome="bad_window", today=date() as today, start_date=date() as start, end_date=date() as end):
            refusal = _bad_days(today, start, end, change, terms)
        case Placement(outcome="dyno_not_found") if change.dyno_id:
            refusal = no_such_dyno(change.dyno_id)
        case Placement(outcome="contended"):
            refusal = contended()
    return refusal


def _bad_days(today: date, start: date, end: date, change: AllocationChange, terms: Terms) -> InvalidRequest:
    field = "body.days_to_complete" if "days_to_complete" in change.model_fields_set else "body.end_date"
    if end < start:
        return InvalidRequest.of("body.end_date", f"{end} is before the first day, {start}")
    if (end - start).days >= terms.max_days:
        return InvalidRequest.of(field, f"that is {(end - start).days + 1} days; a booking takes 1 to {terms.max_days}")
    if end < today:
        return InvalidRequest.of(
            field, f"{end} is in the past; today in the lab is {today}, and status completed ends it today"
        )
    return bad_window(today, change.start_date or start, terms)


def _closed(said: Closing, window: MaintenanceWindow, request: MaintenanceRequest) -> Maintenance:
    verb = "would be" if request.dry_run else "is"
    made_way = f"; {len(said.displaced)} bookings make way" if said.displaced else ""
    return Maintenance(
        message=f"{window.dyno_name} {verb} closed from {window.start_date} to {window.end_date}{made_way}",
        dry_run=request.dry_run,
        window=window.model_copy(update={"window_id": None}) if request.dry_run else window,
        displaced=said.displaced,
        replayed=said.replayed,
    )


def _not_closed(said: Closing, dyno_id: int, request: MaintenanceRequest, terms: Terms, *, displace: bool) -> DynoError:
    refusal: DynoError = DynoError(f"the closing function said {said.outcome}")
    match said:
        case Closing(outcome="key_reused"):
            refusal = key_reused()
        case Closing(outcome="dyno_not_found"):
            refusal = no_such_dyno(dyno_id)
        case Closing(outcome="bad_window", today=date() as today) if request.end_date < today:
            refusal = InvalidRequest.of(
                "body.end_date", f"{request.end_date} is in the past; today in the lab is {today}"
            )
        case Closing(outcome="bad_window") if request.end_date - request.start_date >= MOST_CLOSED:
            refusal = InvalidRequest.of(
                "body.end_date", f"a dyno is closed for at most {MOST_CLOSED.days} days at once"
            )
        case Closing(outcome="bad_window", today=date() as today):
            refusal = bad_window(today, max(today, request.start_date), terms)
        case Closing(outcome="maintenance_overlap"):
            why = "cannot make way" if displace else "are in the way; displace=true places bookings anew"
            refusal = MaintenanceOverlap(f"{len(said.in_the_way)} {why}", in_the_way=said.in_the_way)
        case Closing(outcome="contended"):
            refusal = contended()
    return refusal


def _no_such_allocation(allocation_id: int) -> AllocationNotFound:
    return AllocationNotFound(f"no allocation has the id {allocation_id}")
