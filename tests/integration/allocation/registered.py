"""The registry as an admin uses it."""

from typing import Any

from dyno.allocation import registry
from dyno.allocation.registry_model import (
    CreatedDyno,
    CreatedVehicle,
    Dyno,
    DynoChange,
    NewDyno,
    NewVehicle,
    Vehicle,
    VehicleChange,
)
from tests.lab import ADMIN, Lab

VIN, OTHER_VIN = "1M8GDM9AXKP042788", "WP0ZZZ99ZTS392124"


def lines(*capabilities: str) -> list[dict[str, str]]:
    """Of capabilities as a test's lab writes them, 'brake AWD <10K'."""
    return [dict(zip(("test_type", "drive_type", "weight_class"), line.split(), strict=True)) for line in capabilities]


def create_vehicle(lab: Lab, vin: str = VIN, key: str | None = None, **fields: Any) -> CreatedVehicle:
    """A vehicle, 5,000 lb and all-wheel drive unless said otherwise."""
    request = NewVehicle.model_validate({"vin": vin, "weight_lbs": 5000, "drive_type": "AWD"} | fields)
    return registry.create_vehicle(lab.over, request, actor=ADMIN, key=key)


def change_vehicle(lab: Lab, vehicle: Vehicle, time_zone: str = "UTC", **fields: Any) -> Vehicle:
    """A change of it as it was seen."""
    change = VehicleChange.model_validate(fields)
    return registry.change_vehicle(
        lab.over, vehicle.vehicle_id, change, version=vehicle.version, actor=ADMIN, time_zone=time_zone
    )


def create_dyno(lab: Lab, name: str = "D1", *capabilities: str, key: str | None = None, **fields: Any) -> CreatedDyno:
    """A dyno; without capabilities, one for any test at all."""
    body = {"name": name, "capabilities": lines(*(capabilities or ("any any any",)))} | fields
    return registry.create_dyno(lab.over, NewDyno.model_validate(body), actor=ADMIN, key=key)


def change_dyno(lab: Lab, dyno: Dyno, time_zone: str = "UTC", **fields: Any) -> Dyno:
    """A change of it as it was seen."""
    change = DynoChange.model_validate(fields)
    return registry.change_dyno(lab.over, dyno.dyno_id, change, version=dyno.version, actor=ADMIN, time_zone=time_zone)
