"""The registry's vehicles: made known, corrected, retired; and never so that a booking is left behind."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from dyno.allocation import registry, service
from dyno.allocation.registry_model import Vehicle, VehicleFilter
from dyno.errors import BookingsStranded, IdempotencyKeyReused, Stale, VehicleExists, VehicleNotFound
from tests.integration.allocation.registered import OTHER_VIN, VIN, change_vehicle, create_vehicle
from tests.lab import ANN, MONDAY, TODAY, TUESDAY, Lab


def listed(lab: Lab, **wanted: Any) -> list[str]:
    return [vehicle.vin for vehicle in registry.list_vehicles(lab.over, VehicleFilter(**wanted), None, 50).items]


def history(lab: Lab) -> list[tuple[Any, ...]]:
    return lab.rows("select kind, thing_id, actor, action, before, after from registry_history order by id")


def test_a_vehicle_is_made_with_what_is_known_of_it(lab: Lab) -> None:
    words = {"program": "LMF", "build_id": "B-7", "cert_team": "North", "engine": "3.5L V6", "build_type": "PV"}

    made = create_vehicle(lab, " 1m8gdm9axkp042788 ", weight_lbs=10_001, drive_type="4x4", **words)

    assert made.model_dump() == words | {
        "vehicle_id": 1,
        "vin": VIN,
        "vin_check": True,
        "weight_lbs": 10_001,
        "weight_class": ">10K",
        "drive_type": "AWD",
        "retired_at": None,
        "version": 1,
    }
    assert registry.get_vehicle(lab.over, 1) == Vehicle(**made.model_dump())
    assert create_vehicle(lab, OTHER_VIN).vin_check is False


def test_a_vehicle_that_is_made_is_booked(lab: Lab) -> None:
    lab.dyno("D1")
    made = create_vehicle(lab)

    assert lab.auto_allocate(vin=VIN.lower()).allocation.vehicle_id == made.vehicle_id


def test_a_vin_is_one_vehicles_however_it_is_written(lab: Lab) -> None:
    made = create_vehicle(lab)

    with pytest.raises(VehicleExists, match=f"{VIN} is vehicle {made.vehicle_id}$") as refused:
        create_vehicle(lab, f" {VIN.lower()}")

    assert refused.value.details == {"vehicle_id": made.vehicle_id}
    assert listed(lab, vin=f"{VIN.lower()} ") == [VIN]


def test_of_a_retired_vehicle_the_refusal_says_how_it_comes_back(lab: Lab) -> None:
    change_vehicle(lab, create_vehicle(lab), retired=True)

    with pytest.raises(VehicleExists, match=re.escape('PATCH /vehicles/1 with {"retired": false}')):
        create_vehicle(lab)


def test_a_vehicle_is_answered_again_under_its_key(lab: Lab) -> None:
    first = create_vehicle(lab, key="k-1")
    change_vehicle(lab, first, weight_lbs=6000)

    again = create_vehicle(lab, VIN.lower(), key="k-1")

    assert again == first.model_copy(update={"replayed": True})
    with pytest.raises(IdempotencyKeyReused):
        create_vehicle(lab, OTHER_VIN, key="k-1")
    assert listed(lab) == [VIN]


def test_a_refusal_is_not_kept_under_its_key(lab: Lab) -> None:
    create_vehicle(lab)

    with pytest.raises(VehicleExists):
        create_vehicle(lab, key="k-1")

    assert create_vehicle(lab, OTHER_VIN, key="k-1").replayed is False


def test_what_is_not_named_stays_and_null_empties(lab: Lab) -> None:
    made = create_vehicle(lab, program="LMF", engine="V6")

    changed = change_vehicle(lab, made, weight_lbs=12_000, drive_type="fwd", program=None)

    assert changed.model_dump() == made.model_dump() | {
        "weight_lbs": 12_000,
        "weight_class": ">10K",
        "drive_type": "2WD",
        "program": None,
        "version": 2,
    }
    assert registry.get_vehicle(lab.over, made.vehicle_id) == changed


@pytest.mark.parametrize("nothing", [{}, {"weight_lbs": 5000, "drive_type": "4WD"}, {"engine": None, "retired": False}])
def test_a_change_of_nothing_makes_no_version(lab: Lab, nothing: dict[str, Any]) -> None:
    made = create_vehicle(lab)

    assert change_vehicle(lab, made, **nothing) == Vehicle(**made.model_dump())
    assert [row[3] for row in history(lab)] == ["create"]


def test_a_change_of_what_somebody_else_changed_is_refused(lab: Lab) -> None:
    made = create_vehicle(lab)
    changed = change_vehicle(lab, made, weight_lbs=6000)

    with pytest.raises(Stale, match="vehicle 1 is at version 2, not 1"):
        change_vehicle(lab, made, weight_lbs=7000)

    assert registry.get_vehicle(lab.over, made.vehicle_id) == changed


def test_a_vehicle_that_is_not_there_is_neither_shown_nor_changed(lab: Lab) -> None:
    made = create_vehicle(lab)

    with pytest.raises(VehicleNotFound, match="999"):
        change_vehicle(lab, made.model_copy(update={"vehicle_id": 999}), weight_lbs=1)
    with pytest.raises(VehicleNotFound, match="999"):
        registry.get_vehicle(lab.over, 999)


def test_a_vehicle_retires_and_comes_back(lab: Lab) -> None:
    made = create_vehicle(lab)

    retired = change_vehicle(lab, made, retired=True)
    again = change_vehicle(lab, retired, retired=True)

    assert isinstance(retired.retired_at, datetime)
    assert again == retired
    assert (listed(lab), listed(lab, retired=True), listed(lab, vin=VIN, retired=True)) == ([], [VIN], [VIN])
    back = change_vehicle(lab, retired, retired=False)
    assert (back.retired_at, back.version, listed(lab), listed(lab, retired=True)) == (None, 3, [VIN], [])


def test_who_changed_what_is_noted(lab: Lab) -> None:
    made = create_vehicle(lab)
    heavier = change_vehicle(lab, made, weight_lbs=6000)
    retired = change_vehicle(lab, heavier, retired=True, program="gone")
    change_vehicle(lab, retired, retired=False)

    noted = history(lab)

    assert [row[:4] for row in noted] == [
        ("vehicle", made.vehicle_id, "ada", action) for action in ("create", "change", "retire", "restore")
    ]
    assert [before and before["version"] for *_, before, _ in noted] == [None, 1, 2, 3]
    assert [after["version"] for *_, after in noted] == [1, 2, 3, 4]
    assert [after["weight_lbs"] for *_, after in noted] == [5000, 6000, 6000, 6000]
    assert noted[1][4] == {name: value for name, value in made.model_dump(mode="json").items() if name != "vin_check"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"drive_type": "2WD"}, "not_capable"),
        ({"weight_lbs": 10_001}, "not_capable"),
        ({"retired": True}, "vehicle_retired"),
        ({"retired": True, "drive_type": "2WD"}, "vehicle_retired"),
    ],
    ids=str,
)
def test_a_change_that_would_strand_a_booking_is_refused_with_it_and_changes_nothing(
    lab: Lab, change: dict[str, Any], reason: str
) -> None:
    dyno_id = lab.dyno("D1", "brake AWD <10K", "evap any any")
    made = create_vehicle(lab)
    allocation = lab.auto_allocate(VIN, MONDAY, 2).allocation

    with pytest.raises(BookingsStranded, match="strand a booking of vehicle 1") as refused:
        change_vehicle(lab, made, **change)

    assert refused.value.details["stranded"] == [
        {
            "allocation_id": allocation.allocation_id,
            "vehicle_id": made.vehicle_id,
            "vin": VIN,
            "dyno_id": dyno_id,
            "dyno_name": "D1",
            "start_date": str(MONDAY),
            "end_date": str(TUESDAY),
            "status": "scheduled",
            "reason": reason,
        }
    ]
    assert registry.get_vehicle(lab.over, made.vehicle_id) == Vehicle(**made.model_dump())
    assert [row[3] for row in history(lab)] == ["create"]


def test_a_booking_that_any_dyno_could_still_run_is_not_stranded(lab: Lab) -> None:
    lab.dyno("D1", "brake any <10K")
    made = create_vehicle(lab)
    lab.auto_allocate(VIN)

    assert change_vehicle(lab, made, drive_type="2WD", weight_lbs=10_000).version == 2


def test_what_is_over_cancelled_or_lapsed_is_not_stranded(lab: Lab) -> None:
    dyno_id, made = lab.dyno("D1"), create_vehicle(lab)
    lab.occupy(dyno_id, made.vehicle_id, TODAY - timedelta(days=1), status="in_progress")
    lab.occupy(dyno_id, made.vehicle_id, TODAY, status="completed")
    lab.occupy(dyno_id, made.vehicle_id, MONDAY, status="held", expires_at="2026-01-01")
    cancelled = lab.auto_allocate(VIN, TUESDAY).allocation
    service.cancel_allocation(lab.over, cancelled.allocation_id or 0, actor=ANN)

    assert change_vehicle(lab, made, retired=True).retired_at


def test_which_day_is_over_is_said_by_the_labs_own_time(lab: Lab) -> None:
    west, east = "Etc/GMT+12", "Pacific/Kiritimati"  # 26 hours apart, so never on the same day
    dyno_id, made = lab.dyno("D1"), create_vehicle(lab)
    lab.occupy(dyno_id, made.vehicle_id, lab.sql("select (now() at time zone :zone)::date", zone=west))

    with pytest.raises(BookingsStranded):
        change_vehicle(lab, made, time_zone=west, retired=True)

    assert change_vehicle(lab, made, time_zone=east, retired=True).retired_at


def test_the_list_has_pages_of_what_is_in_use(lab: Lab) -> None:
    for number in range(4):
        create_vehicle(lab, f"9ZZ0TEST0VD00000{number}")
    change_vehicle(lab, registry.get_vehicle(lab.over, 2), retired=True)

    first = registry.list_vehicles(lab.over, VehicleFilter(), None, 2)
    second = registry.list_vehicles(lab.over, VehicleFilter(), first.next_cursor, 2)

    assert [vehicle.vehicle_id for vehicle in first.items + second.items] == [1, 3, 4]
    assert second.next_cursor is None


def test_a_vehicle_that_was_put_there_otherwise_is_shown_too(lab: Lab) -> None:
    lab.vehicle("LIGHT", 10_000)
    lab.vehicle("HEAVY", 10_001)

    shown = registry.list_vehicles(lab.over, VehicleFilter(), None, 50).items

    assert [(each.vin, each.weight_class, each.vin_check) for each in shown] == [
        ("LIGHT", "<10K", False),
        ("HEAVY", ">10K", False),
    ]
