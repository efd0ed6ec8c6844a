"""What the functions of the database say, as errors: one table for all that book, change, close and look."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from dyno.allocation.model import Placement, Terms
from dyno.errors import (
    DynoError,
    DynoNotFound,
    IdempotencyKeyReused,
    InvalidRequest,
    NoDynoAvailable,
    Unavailable,
    VehicleAlreadyAllocated,
    VehicleNotFound,
    VehicleRetired,
)

MAX_INTEGER = 2**31 - 1
"""The largest id of a vehicle or a dyno."""


def bad_window(today: date, start_date: date, terms: Terms) -> InvalidRequest:
    """Why days cannot be booked, whoever wants them."""
    if start_date < today:
        return InvalidRequest(f"start_date {start_date} is in the past; today in the lab is {today}")
    last_day = today + timedelta(days=terms.horizon_days)
    return InvalidRequest(f"a booking ends by {last_day}, {terms.horizon_days} days ahead")


def too_long(days: int, terms: Terms) -> InvalidRequest:
    """Why so many days cannot be booked at once."""
    return InvalidRequest(f"days_to_complete is {days}; a booking takes 1 to {terms.max_days} days")


def no_such_vehicle(vin: str | None, vehicle_id: int | None) -> VehicleNotFound:
    """Nobody has registered that vehicle."""
    return VehicleNotFound(
        f"no vehicle has the {f'vin {vin[:64]!r}' if vin is not None else f'vehicle_id {vehicle_id}'}"
    )


def no_such_dyno(dyno_id: int) -> DynoNotFound:
    """Nobody has registered that dyno."""
    return DynoNotFound(f"no dyno has the id {dyno_id}")


def retired(vin: str | None) -> VehicleRetired:
    """The vehicle is not there any more."""
    return VehicleRetired(f"{vin} is retired; PATCH /vehicles with retired: false has it back")


def key_reused() -> IdempotencyKeyReused:
    """The key came with something else before."""
    return IdempotencyKeyReused("this Idempotency-Key came with another request; use a new one")


def contended() -> Unavailable:
    """Somebody else was there first, again and again."""
    return Unavailable("others were faster every time; try again")


def no_room(said: Placement, wanted: str) -> DynoError:
    """
    The lab cannot do it on those days.

    Args:
        wanted: For people: a test from which day on, or which days.
    """
    if said.outcome == "vehicle_already_allocated":
        return VehicleAlreadyAllocated(
            f"{said.vin} is booked whenever it could start, {wanted}", in_the_way=said.in_the_way
        )
    if said.outcome == "no_dyno_available":
        details: Mapping[str, Any] = said.model_dump(include={"start_date", "end_date", "rejected"})
        return NoDynoAvailable(f"no dyno can take {said.vin} for {wanted}", **details)
    return DynoError(f"the database said {said.outcome}")
