"""The tables of vehicles and dynos: the calls that make and change them, and the lists."""

import hashlib
from typing import Any

from pydantic import BaseModel
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    LargeBinary,
    ScalarSelect,
    Text,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.sql.functions import Function

from dyno.allocation.registry_model import (
    Dyno,
    DynoChange,
    NewDyno,
    NewVehicle,
    Said,
    Vehicle,
    VehicleChange,
    VehicleFilter,
)
from dyno.paging import Position
from dyno.tables import capabilities, dynos, vehicles

_VEHICLES = select(vehicles.c.id.label("vehicle_id"), *(column for column in vehicles.c if column.name != "id"))


def create_vehicle(connection: Connection, wanted: NewVehicle, owner: str, route: str, key: str | None) -> Said:
    """
    Make a vehicle, or say why not, in one statement that is its own transaction.

    Args:
        connection: In autocommit.
        owner: The caller's sub.
        key: The caller's Idempotency-Key on this route, if any; a dry run keeps none.
    """
    kept = None if wanted.dry_run else key
    return _said(
        connection, func.create_vehicle(owner, route, literal(kept, Text), _hash(wanted), _json(wanted), type_=JSONB)
    )


def create_dyno(connection: Connection, wanted: NewDyno, owner: str, route: str, key: str | None) -> Said:
    """Make a dyno with its capabilities, as `create_vehicle` does a vehicle."""
    kept = None if wanted.dry_run else key
    return _said(
        connection, func.create_dyno(owner, route, literal(kept, Text), _hash(wanted), _json(wanted), type_=JSONB)
    )


def change_vehicle(
    connection: Connection, vehicle_id: int, version: int, wanted: VehicleChange, actor: str, time_zone: str
) -> Said:
    """
    Change what is named of a vehicle, if it is still as it was at that version and no booking is stranded by it.

    Args:
        connection: In autocommit.
        actor: The caller's sub.
        time_zone: Decides which bookings are over.
    """
    return _said(connection, func.change_vehicle(actor, vehicle_id, version, _named(wanted), time_zone, type_=JSONB))


def change_dyno(
    connection: Connection, dyno_id: int, version: int, wanted: DynoChange, actor: str, time_zone: str
) -> Said:
    """Change what is named of a dyno, as `change_vehicle` does of a vehicle; all its capabilities or none of them."""
    return _said(connection, func.change_dyno(actor, dyno_id, version, _named(wanted), time_zone, type_=JSONB))


def vehicle(connection: Connection, vehicle_id: int) -> Vehicle | None:
    """One vehicle; None if there is no such id."""
    row = connection.execute(_VEHICLES.where(vehicles.c.id == vehicle_id)).one_or_none()
    return Vehicle.model_validate(row._asdict()) if row else None


def dyno(connection: Connection, dyno_id: int) -> Dyno | None:
    """One dyno with its capabilities; None if there is no such id."""
    row = connection.execute(_DYNOS.where(dynos.c.id == dyno_id)).one_or_none()
    return Dyno.model_validate(row._asdict()) if row else None


def vehicles_after(
    connection: Connection, wanted: VehicleFilter, after: Position, limit: int
) -> list[tuple[Position, Vehicle]]:
    """Vehicles in order of id, at most `limit`, or the one with a vin."""
    query = _VEHICLES.where(vehicles.c.id > literal(after[0], BigInteger)).order_by(vehicles.c.id).limit(limit)
    query = query.where(vehicles.c.retired_at.is_not(None) if wanted.retired else vehicles.c.retired_at.is_(None))
    if wanted.vin is not None:
        query = query.where(vehicles.c.vin == wanted.vin)
    return [((row.vehicle_id,), Vehicle.model_validate(row._asdict())) for row in connection.execute(query)]


def dynos_after(connection: Connection, *, retired: bool, after: Position, limit: int) -> list[tuple[Position, Dyno]]:
    """Dynos with their capabilities, in order of id, at most `limit`."""
    query = _DYNOS.where(dynos.c.id > literal(after[0], BigInteger)).order_by(dynos.c.id).limit(limit)
    query = query.where(dynos.c.retired_at.is_not(None) if retired else dynos.c.retired_at.is_(None))
    return [((row.dyno_id,), Dyno.model_validate(row._asdict())) for row in connection.execute(query)]


def _lines() -> ScalarSelect[Any]:
    line = func.jsonb_build_object(
        "test_type", capabilities.c.test_type,
        "drive_type", capabilities.c.drive_type,
        "weight_class", capabilities.c.weight_class,
    )  # fmt: skip
    in_order = aggregate_order_by(
        line, capabilities.c.test_type, capabilities.c.drive_type, capabilities.c.weight_class
    )
    can_run = select(func.coalesce(func.jsonb_agg(in_order, type_=JSONB), text("'[]'::jsonb")))
    return can_run.where(capabilities.c.dyno_id == dynos.c.id).scalar_subquery()


_DYNOS = select(
    dynos.c.id.label("dyno_id"),
    *(column for column in dynos.c if column.name != "id"),
    _lines().label("capabilities"),
)


def _said(connection: Connection, call: Function[Any]) -> Said:
    return Said.model_validate(connection.execute(select(call)).scalar_one())


def _hash(wanted: BaseModel) -> BindParameter[bytes]:
    body = wanted.model_dump_json(exclude_defaults=True).encode()
    return literal(hashlib.sha256(body).digest(), LargeBinary)


def _json(wanted: BaseModel) -> BindParameter[Any]:
    return literal(wanted.model_dump(mode="json", exclude={"dry_run"}), JSONB)


def _named(wanted: BaseModel) -> BindParameter[Any]:
    return literal(wanted.model_dump(mode="json", exclude_unset=True, exclude={"dry_run"}), JSONB)
