"""Vehicles and dynos: making them known, correcting what is said of them, and letting them retire."""

from sqlalchemy import Engine

from dyno.allocation import registry_store
from dyno.allocation.answers import key_reused, no_such_dyno
from dyno.allocation.registry_model import (
    CreatedDyno,
    CreatedVehicle,
    Dyno,
    DynoChange,
    NewDyno,
    NewVehicle,
    Said,
    TriedDyno,
    TriedVehicle,
    Vehicle,
    VehicleChange,
    VehicleFilter,
)
from dyno.auth import Actor
from dyno.database import autocommit, trial
from dyno.errors import (
    BookingsStranded,
    DynoError,
    DynoExists,
    DynoRetired,
    InvalidRequest,
    Stale,
    VehicleExists,
    VehicleNotFound,
)
from dyno.metrics import track_performance
from dyno.paging import Page, after, page

SERVICE = "AllocationService"
VEHICLES_ROUTE = "POST /vehicles"
DYNOS_ROUTE = "POST /dynos"


@track_performance(SERVICE)
def create_vehicle(over: Engine, request: NewVehicle, *, actor: Actor, key: str | None) -> CreatedVehicle:
    """
    Make a vehicle known.

    Args:
        key: The caller's Idempotency-Key; the same request under the same key makes it once and is answered alike. A
            dry run does not use it.
    Raises:
        IdempotencyKeyReused: The key came with another request before.
        VehicleExists: A vehicle has that vin, retired or not.
    """
    with trial(over) if request.dry_run else autocommit(over) as connection:
        said = registry_store.create_vehicle(connection, request, actor.sub, VEHICLES_ROUTE, key)
    if said.outcome != "created" or said.vehicle is None:
        raise _vehicle_refusal(said)
    if request.dry_run:
        return TriedVehicle(**said.vehicle.model_dump(exclude={"vehicle_id"}))
    return CreatedVehicle(**said.vehicle.model_dump(), replayed=said.replayed)


@track_performance(SERVICE)
def change_vehicle(
    over: Engine, vehicle_id: int, change: VehicleChange, *, version: int, actor: Actor, time_zone: str
) -> Vehicle:
    """
    Change what is said of a vehicle; of nothing new, nothing changes.

    Args:
        version: The one the caller has seen.
        time_zone: The lab's; decides which bookings are over.
    Raises:
        VehicleNotFound: No vehicle has that id.
        Stale: It is not as it was at that version.
        BookingsStranded: It has bookings that it could then not keep; nothing is changed.
    """
    with trial(over) if change.dry_run else autocommit(over) as connection:
        said = registry_store.change_vehicle(connection, vehicle_id, version, change, actor.sub, time_zone)
    if said.outcome not in {"changed", "unchanged"} or said.vehicle is None:
        raise _vehicle_refusal(said, vehicle_id, version)
    return said.vehicle.model_copy(update={"version": version}) if change.dry_run else said.vehicle


@track_performance(SERVICE)
def get_vehicle(over: Engine, vehicle_id: int) -> Vehicle:
    """
    One vehicle.

    Raises:
        VehicleNotFound: No vehicle has that id.
    """
    with autocommit(over) as connection:
        found = registry_store.vehicle(connection, vehicle_id)
    if found is None:
        raise VehicleNotFound(f"no vehicle has the id {vehicle_id}")
    return found


@track_performance(SERVICE)
def list_vehicles(over: Engine, wanted: VehicleFilter, cursor: str | None, limit: int) -> Page[Vehicle]:
    """Vehicles in order of id, or the one with a vin; those in use, or those retired."""
    with autocommit(over) as connection:
        return page(registry_store.vehicles_after(connection, wanted, after(cursor), limit + 1), limit)


@track_performance(SERVICE)
def create_dyno(over: Engine, request: NewDyno, *, actor: Actor, key: str | None) -> CreatedDyno:
    """
    Make a dyno known, with all it can run.

    Args:
        key: As for a vehicle.
    Raises:
        IdempotencyKeyReused: The key came with another request before.
        DynoExists: A dyno has that name, retired or not.
    """
    with trial(over) if request.dry_run else autocommit(over) as connection:
        said = registry_store.create_dyno(connection, request, actor.sub, DYNOS_ROUTE, key)
    if said.outcome != "created" or said.dyno is None:
        raise _dyno_refusal(said)
    if request.dry_run:
        return TriedDyno(**said.dyno.model_dump(exclude={"dyno_id"}))
    return CreatedDyno(**said.dyno.model_dump(), replayed=said.replayed)


@track_performance(SERVICE)
def change_dyno(over: Engine, dyno_id: int, change: DynoChange, *, version: int, actor: Actor, time_zone: str) -> Dyno:
    """
    Change what is said of a dyno; of nothing new, nothing changes. A booking keeps the turnaround it was made with.

    Args:
        version: The one the caller has seen.
        time_zone: The lab's; decides which bookings are over.
    Raises:
        DynoNotFound: No dyno has that id.
        Stale: It is not as it was at that version.
        DynoExists: Another dyno has the name.
        DynoRetired: It is, and would be enabled.
        InvalidRequest: It would be available to a day before the one it is available from.
        BookingsStranded: It has bookings that it could then not keep; nothing is changed.
    """
    with trial(over) if change.dry_run else autocommit(over) as connection:
        said = registry_store.change_dyno(connection, dyno_id, version, change, actor.sub, time_zone)
    if said.outcome not in {"changed", "unchanged"} or said.dyno is None:
        raise _dyno_refusal(said, dyno_id, version)
    return said.dyno.model_copy(update={"version": version}) if change.dry_run else said.dyno


@track_performance(SERVICE)
def get_dyno(over: Engine, dyno_id: int) -> Dyno:
    """
    One dyno with its capabilities.

    Raises:
        DynoNotFound: No dyno has that id.
    """
    with autocommit(over) as connection:
        found = registry_store.dyno(connection, dyno_id)
    if found is None:
        raise no_such_dyno(dyno_id)
    return found


@track_performance(SERVICE)
def list_dynos(over: Engine, cursor: str | None, limit: int, *, retired: bool = False) -> Page[Dyno]:
    """Dynos with their capabilities, in order of id; those in use, or those retired."""
    with autocommit(over) as connection:
        rows = registry_store.dynos_after(connection, retired=retired, after=after(cursor), limit=limit + 1)
        return page(rows, limit)


def _vehicle_refusal(said: Said, vehicle_id: int = 0, version: int = 0) -> DynoError:
    match said:
        case Said(outcome="not_found"):
            return VehicleNotFound(f"no vehicle has the id {vehicle_id}")
        case Said(outcome="stale", vehicle=Vehicle() as vehicle):
            return _stale("vehicle", vehicle_id, vehicle.version, version)
        case Said(outcome="exists", vehicle=Vehicle(retired_at=None) as vehicle):
            return VehicleExists(f"{vehicle.vin} is vehicle {vehicle.vehicle_id}", vehicle_id=vehicle.vehicle_id)
        case Said(outcome="exists", vehicle=Vehicle() as vehicle):
            back = f'PATCH /vehicles/{vehicle.vehicle_id} with {{"retired": false}} has it back'
            return VehicleExists(
                f"{vehicle.vin} is vehicle {vehicle.vehicle_id} and retired; {back}", vehicle_id=vehicle.vehicle_id
            )
    return _refusal(said, f"vehicle {vehicle_id}")


def _dyno_refusal(said: Said, dyno_id: int = 0, version: int = 0) -> DynoError:
    match said:
        case Said(outcome="not_found"):
            return no_such_dyno(dyno_id)
        case Said(outcome="stale", dyno=Dyno() as dyno):
            return _stale("dyno", dyno_id, dyno.version, version)
        case Said(outcome="exists", dyno=Dyno() as dyno):
            retired = ", and retired" if dyno.retired_at else ""
            return DynoExists(f"{dyno.name!r} is the name of dyno {dyno.dyno_id}{retired}", dyno_id=dyno.dyno_id)
        case Said(outcome="retired"):
            return DynoRetired(f'dyno {dyno_id} is retired; {{"retired": false, "enabled": true}} has it back in use')
        case Said(outcome="not_in_order", dyno=Dyno() as dyno):
            return InvalidRequest.of(
                "body.available_to", f"{dyno.available_to} lies before available_from {dyno.available_from}"
            )
    return _refusal(said, f"dyno {dyno_id}")


def _refusal(said: Said, of: str) -> DynoError:
    match said.outcome:
        case "key_reused":
            return key_reused()
        case "stranded":
            count = len(said.stranded)
            bookings = "a booking" if count == 1 else f"{count} bookings"
            return BookingsStranded(
                f"the change would strand {bookings} of {of}; move or cancel what is stranded first",
                stranded=said.stranded,
            )
    return DynoError(f"the registry's function said {said.outcome}")


def _stale(kind: str, number: int, version: int, seen: int) -> Stale:
    return Stale(f"{kind} {number} is at version {version}, not {seen}; look at it again")
