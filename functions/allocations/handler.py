"""The door of the lab: booking, cancelling, looking; its vehicles and dynos; and of its people."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from dyno.allocation import availability, planning, registry, service
from dyno.allocation.availability_model import MAX_NEXT, Availability, Schedule, Wanted
from dyno.allocation.model import (
    Allocation,
    AllocationFilter,
    AllocationRequest,
    AutoAllocation,
    AutoAllocationRequest,
    Cancellation,
    Day,
    Overlap,
    Refusal,
    Status,
    Terms,
    TestType,
)
from dyno.allocation.planning_model import (
    AllocationChange,
    Changed,
    HistoryEntry,
    Maintenance,
    MaintenanceRequest,
    MaintenanceWindow,
    Reopened,
)
from dyno.allocation.registry_model import (
    CreatedDyno,
    CreatedVehicle,
    Dyno,
    DynoChange,
    NewDyno,
    NewVehicle,
    TriedDyno,
    TriedVehicle,
    Vehicle,
    VehicleChange,
    VehicleFilter,
)
from dyno.auth import Permission
from dyno.database import engine
from dyno.http import Door, Number, allow, seen_version
from dyno.metrics import invocation
from dyno.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from dyno.settings import settings
from dyno.users import service as people
from dyno.users.model import Enrolled, Enrolment, Me, User, UserChange

door = Door(settings)

AllocationId = Annotated[Number, Path(lt=2**63)]
DynoId = Annotated[Number, Path(lt=2**31)]
VehicleId = Annotated[Number, Path(lt=2**31)]
WindowId = AllocationId
DryRun = Annotated[Literal["true", "false"], Query()]
UserId = Annotated[Number, Path(lt=2**31)]
Cursor = Annotated[str | None, Query(max_length=64)]
Limit = Annotated[Number, Query(le=MAX_LIMIT)]
Retired = Annotated[Literal["true", "false"], Query()]
Id = Annotated[Number | None, Query(lt=2**31)]
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")
]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=255)]


@door.post("/allocations/auto")
@allow(Permission.ALLOCATE_VEHICLE)
def auto(request: AutoAllocationRequest, idempotency_key: IdempotencyKey = None) -> Response[AutoAllocation]:
    """Book a vehicle onto the least capable free dyno, or hold it for a while."""
    booked = service.auto_allocate(engine(settings()), request, actor=door.actor, key=idempotency_key, terms=terms())
    return made(booked)


@door.post("/allocations")
@allow(Permission.ALLOCATE_VEHICLE)
def allocate(request: AllocationRequest, idempotency_key: IdempotencyKey = None) -> Response[AutoAllocation]:
    """Book a vehicle onto one dyno, or hold it for a while."""
    booked = service.allocate(engine(settings()), request, actor=door.actor, key=idempotency_key, terms=terms())
    return made(booked)


@door.get("/allocations")
@allow(Permission.VIEW_ALLOCATIONS)
def allocations(
    dyno_id: Id = None,
    vehicle_id: Id = None,
    vin: Annotated[str | None, Query(max_length=64)] = None,
    status: Annotated[Status | None, Query()] = None,
    from_date: Annotated[Day | None, Query(alias="from")] = None,
    to_date: Annotated[Day | None, Query(alias="to")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Allocation]:
    """Allocations of every status, in order of id."""
    wanted = AllocationFilter(
        dyno_id=dyno_id, vehicle_id=vehicle_id, vin=vin, status=status, from_date=from_date, to_date=to_date
    )
    return service.list_allocations(engine(settings()), wanted, cursor, limit)


@door.get("/allocations/conflicts")
@allow(Permission.VIEW_ALLOCATIONS)
def conflicts(cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> Page[Overlap]:
    """Overlapping pairs of live bookings; an honest lab has none."""
    return service.list_conflicts(engine(settings()), cursor, limit)


@door.get("/allocations/refusals")
@allow(Permission.VIEW_ALLOCATIONS)
def refusals(cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> Page[Refusal]:
    """Bookings that the lab had no days for, in order of time."""
    return service.list_refusals(engine(settings()), cursor, limit)


@door.get("/allocations/<allocation_id>")
@allow(Permission.VIEW_ALLOCATIONS)
def allocation(allocation_id: AllocationId) -> Response[Allocation]:
    """One allocation, its version as ETag."""
    found = service.get_allocation(engine(settings()), allocation_id)
    return Response(200, "application/json", found, headers=etag(found))


@door.get("/allocations/<allocation_id>/history")
@allow(Permission.VIEW_ALLOCATIONS)
def history(allocation_id: AllocationId, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> Page[HistoryEntry]:
    """Who changed what of an allocation, and when."""
    return planning.list_history(engine(settings()), allocation_id, cursor, limit)


@door.patch("/allocations/<allocation_id>")
@allow(Permission.MODIFY_ALLOCATION)
def change(allocation_id: AllocationId, change: AllocationChange, if_match: IfMatch = None) -> Response[Changed]:
    """Move an allocation, change its length, confirm a hold, or take its status a step on."""
    version = seen_version(if_match)
    changed = planning.change_allocation(
        engine(settings()), allocation_id, change, version=version, actor=door.actor, terms=terms()
    )
    return Response(200, "application/json", changed, headers=etag(changed.allocation))


@door.delete("/allocations/<allocation_id>")
@allow(Permission.DELETE_ALLOCATION)
def cancel(allocation_id: AllocationId, dry_run: DryRun = "false") -> Cancellation:
    """Cancel an allocation, one's own or, with the role for it, anybody's."""
    return service.cancel_allocation(engine(settings()), allocation_id, actor=door.actor, dry_run=dry_run == "true")


@door.post("/dynos")
@allow(Permission.MANAGE_DYNOS)
def create_dyno(request: NewDyno, idempotency_key: IdempotencyKey = None) -> Response[CreatedDyno | TriedDyno]:
    """Make a dyno known, with its capabilities."""
    return known(registry.create_dyno(engine(settings()), request, actor=door.actor, key=idempotency_key))


@door.get("/dynos")
@allow(Permission.VIEW_DYNOS)
def dynos(retired: Retired = "false", cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> Page[Dyno]:
    """Dynos with their capabilities: those in use, or those retired."""
    return registry.list_dynos(engine(settings()), cursor, limit, retired=retired == "true")


@door.get("/dynos/<dyno_id>")
@allow(Permission.VIEW_DYNOS)
def dyno(dyno_id: DynoId) -> Response[Dyno]:
    """One dyno, its version as ETag."""
    found = registry.get_dyno(engine(settings()), dyno_id)
    return Response(200, "application/json", found, headers=etag(found))


@door.patch("/dynos/<dyno_id>")
@allow(Permission.MANAGE_DYNOS)
def change_dyno(dyno_id: DynoId, change: DynoChange, if_match: IfMatch = None) -> Response[Dyno]:
    """Change what is said of a dyno, let it retire, or have it back."""
    version = seen_version(if_match)
    changed = registry.change_dyno(
        engine(settings()), dyno_id, change, version=version, actor=door.actor, time_zone=terms().time_zone
    )
    return Response(200, "application/json", changed, headers=etag(changed))


@door.post("/vehicles")
@allow(Permission.MANAGE_VEHICLES)
def create_vehicle(
    request: NewVehicle, idempotency_key: IdempotencyKey = None
) -> Response[CreatedVehicle | TriedVehicle]:
    """Make a vehicle known."""
    return known(registry.create_vehicle(engine(settings()), request, actor=door.actor, key=idempotency_key))


@door.get("/dynos/availability")
@allow(Permission.VIEW_DYNOS)
def available(
    test_type: Annotated[TestType, Query()],
    start_date: Annotated[Day, Query()],
    days_to_complete: Annotated[Number, Query()] = 1,
    vin: Annotated[str | None, Query(max_length=64)] = None,
    vehicle_id: Annotated[Number | None, Query()] = None,
    drive_type: Annotated[Literal["2WD", "AWD"] | None, Query()] = None,
    weight_lbs: Annotated[Number | None, Query(lt=2**31)] = None,
    next_windows: Annotated[Number | None, Query(alias="next", le=MAX_NEXT)] = None,
) -> Availability:
    """Which dynos could take a test, which could not and why, and the next windows that would do."""
    wanted = Wanted(
        vin=vin,
        vehicle_id=vehicle_id,
        drive_type=drive_type,
        weight_lbs=weight_lbs,
        test_type=test_type,
        start_date=start_date,
        days_to_complete=days_to_complete,
        next_windows=next_windows or 0,
    )
    return availability.list_available(engine(settings()), wanted, terms=terms())


@door.get("/dynos/maintenance")
@allow(Permission.VIEW_DYNOS)
def maintenance_on(
    on: Annotated[Day | None, Query()] = None, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[MaintenanceWindow]:
    """The maintenance windows that are in force on a day, today unless said otherwise."""
    return planning.list_maintenance_on(engine(settings()), on or today(), cursor, limit)


@door.get("/dynos/<dyno_id>/schedule")
@allow(Permission.VIEW_DYNOS)
def schedule(
    dyno_id: DynoId,
    from_date: Annotated[Day | None, Query(alias="from")] = None,
    to_date: Annotated[Day | None, Query(alias="to")] = None,
) -> Schedule:
    """One dyno's calendar: what takes it, and the days that nothing takes; a month from today unless said otherwise."""
    return availability.get_schedule(engine(settings()), dyno_id, from_date, to_date, today=today())


@door.get("/dynos/<dyno_id>/maintenance")
@allow(Permission.VIEW_DYNOS)
def maintenance(dyno_id: DynoId, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> Page[MaintenanceWindow]:
    """One dyno's maintenance windows, cancelled ones too."""
    return planning.list_maintenance(engine(settings()), dyno_id, cursor, limit)


@door.post("/dynos/<dyno_id>/maintenance")
@allow(Permission.MANAGE_MAINTENANCE)
def close_dyno(
    dyno_id: DynoId,
    request: MaintenanceRequest,
    displace: Annotated[Literal["true", "false"], Query()] = "false",
    idempotency_key: IdempotencyKey = None,
) -> Response[Maintenance]:
    """Close a dyno for some days; with displace=true, the bookings in the way are placed anew."""
    closed = planning.close_dyno(
        engine(settings()),
        dyno_id,
        request,
        displace=displace == "true",
        actor=door.actor,
        key=idempotency_key,
        terms=terms(),
    )
    return made(closed)


@door.delete("/dynos/<dyno_id>/maintenance/<window_id>")
@allow(Permission.MANAGE_MAINTENANCE)
def reopen_dyno(dyno_id: DynoId, window_id: WindowId, dry_run: DryRun = "false") -> Reopened:
    """Cancel a maintenance window."""
    return planning.reopen_dyno(engine(settings()), dyno_id, window_id, actor=door.actor, dry_run=dry_run == "true")


@door.get("/vehicles")
@allow(Permission.VIEW_VEHICLES)
def vehicles(
    vin: Annotated[str | None, Query(max_length=64)] = None,
    retired: Retired = "false",
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Vehicle]:
    """Vehicles, or the one with a vin: those in use, or those retired."""
    wanted = VehicleFilter(vin=vin, retired=retired == "true")
    return registry.list_vehicles(engine(settings()), wanted, cursor, limit)


@door.get("/vehicles/<vehicle_id>")
@allow(Permission.VIEW_VEHICLES)
def vehicle(vehicle_id: VehicleId) -> Response[Vehicle]:
    """One vehicle, its version as ETag."""
    found = registry.get_vehicle(engine(settings()), vehicle_id)
    return Response(200, "application/json", found, headers=etag(found))


@door.patch("/vehicles/<vehicle_id>")
@allow(Permission.MANAGE_VEHICLES)
def change_vehicle(vehicle_id: VehicleId, change: VehicleChange, if_match: IfMatch = None) -> Response[Vehicle]:
    """Change what is said of a vehicle, let it retire, or have it back."""
    version = seen_version(if_match)
    changed = registry.change_vehicle(
        engine(settings()), vehicle_id, change, version=version, actor=door.actor, time_zone=terms().time_zone
    )
    return Response(200, "application/json", changed, headers=etag(changed))


@door.get("/me")
@allow(Permission.SIGNED_IN)
def me() -> Me:
    """Who is asking, and what they may do."""
    asking = door.actor
    return Me(
        sub=asking.sub,
        role=asking.role.value if asking.role else None,
        permissions=list(map(str, asking.permissions())),
    )


@door.post("/users")
@allow(Permission.MANAGE_USERS)
def enrol(request: Enrolment, idempotency_key: IdempotencyKey = None) -> Response[Enrolled]:
    """Enrol a person of the user pool."""
    enrolled = people.enrol(engine(settings()), request, actor=door.actor, key=idempotency_key, now=datetime.now(UTC))
    return Response(201, "application/json", enrolled, headers=etag(enrolled) | replay(enrolled))


@door.get("/users")
@allow(Permission.VIEW_USERS)
def users(
    enrolled: Annotated[Literal["true", "false"] | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[User]:
    """People seen or enrolled, in order of id; those who are enrolled and here, or the others."""
    wanted = None if enrolled is None else enrolled == "true"
    return people.list_users(engine(settings()), cursor, limit, enrolled=wanted)


@door.get("/users/<user_id>")
@allow(Permission.VIEW_USERS)
def user(user_id: UserId) -> Response[User]:
    """One person, their version as ETag."""
    found = people.get_user(engine(settings()), user_id)
    return Response(200, "application/json", found, headers=etag(found))


@door.patch("/users/<user_id>")
@allow(Permission.MANAGE_USERS)
def change_user(user_id: UserId, change: UserChange, if_match: IfMatch = None) -> Response[User]:
    """Correct what is noted of a person, let them leave, or have them back."""
    version = seen_version(if_match)
    changed = people.change_user(
        engine(settings()), user_id, change, version=version, actor=door.actor, now=datetime.now(UTC)
    )
    return Response(200, "application/json", changed, headers=etag(changed))


@door.delete("/users/<user_id>")
@allow(Permission.MANAGE_USERS)
def erase_user(user_id: UserId, if_match: IfMatch = None) -> Response[User]:
    """Erase a person: what they did stays, under a pseudonym."""
    erased = people.erase_user(engine(settings()), user_id, version=seen_version(if_match), actor=door.actor)
    return Response(200, "application/json", erased, headers=etag(erased))


def etag(shown: Allocation | Dyno | Vehicle | User) -> dict[str, str]:
    """Its version, for a change to say what it is of."""
    return {"ETag": f'"{shown.version}"'}


def replay(made: AutoAllocation | Maintenance | CreatedDyno | CreatedVehicle | Enrolled) -> dict[str, str]:
    """Says so, if the same key had made it before."""
    return {"Idempotency-Replayed": "true"} if made.replayed else {}


def made(answer: AutoAllocation | Maintenance) -> Response[Any]:
    """What was made, or would be; or was, under the same key."""
    return Response(200 if answer.dry_run else 201, "application/json", answer, headers=replay(answer))


def known(answer: CreatedDyno | CreatedVehicle) -> Response[Any]:
    """What was made known, its version as ETag, or what would be, which has none."""
    if isinstance(answer, TriedDyno | TriedVehicle):
        return Response(200, "application/json", answer)
    return Response(201, "application/json", answer, headers=etag(answer) | replay(answer))


def today() -> date:
    """The lab's."""
    return datetime.now(settings().lab_time_zone).date()


def terms() -> Terms:
    """The lab's limits for a booking."""
    return Terms(settings().lab_time_zone.key, settings().horizon_days, settings().max_days)


door.check()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the gateway."""
    with invocation(event, context):
        return door.serve(event, context)
