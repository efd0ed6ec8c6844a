"""What the registry takes for a vehicle and a dyno, and what it says of the rest."""

from typing import Any

import pytest
from pydantic import ValidationError

from dyno.allocation.registry_model import DynoChange, NewCapability, NewDyno, NewVehicle, VehicleChange

VEHICLE: dict[str, Any] = {"vin": "1M8GDM9AXKP042788", "weight_lbs": 5000, "drive_type": "AWD"}
LINE = {"test_type": "brake", "drive_type": "AWD", "weight_class": "<10K"}
DYNO: dict[str, Any] = {"name": "Cell 3", "capabilities": [LINE]}


def faults(of: type[Any], body: dict[str, Any]) -> list[tuple[str, str]]:
    """Where each fault is, and what is wrong; none if the body will do."""
    try:
        of.model_validate(body)
    except ValidationError as invalid:
        return [(".".join(map(str, each["loc"])), each["msg"]) for each in invalid.errors()]
    return []


@pytest.mark.parametrize(
    ("word", "drive_type"),
    [
        ("2WD", "2WD"),
        ("fwd", "2WD"),
        ("Rwd", "2WD"),
        ("AWD", "AWD"),
        ("4wd", "AWD"),
        ("4x4", "AWD"),
        ("RWD/AWD", "AWD"),
        (" rwd / awd ", "AWD"),
        ("4 WD\t", "AWD"),
    ],
)
def test_a_drive_type_is_taken_in_the_words_people_write(word: str, drive_type: str) -> None:
    assert NewVehicle.model_validate(VEHICLE | {"drive_type": word}).drive_type == drive_type
    assert VehicleChange.model_validate({"drive_type": word}).drive_type == drive_type
    assert NewCapability.model_validate(LINE | {"drive_type": word}).drive_type == drive_type


@pytest.mark.parametrize("word", ["6WD", "", " ", "AWD/RWD", "2WD AWD", "both", "any"])
def test_another_drive_type_is_refused_with_those_there_are(word: str) -> None:
    [(field, message)] = faults(NewVehicle, VEHICLE | {"drive_type": word})

    assert field == "drive_type"
    assert all(word in message for word in ("2WD", "FWD", "RWD", "AWD", "4WD", "4X4", "RWD/AWD"))


@pytest.mark.parametrize("word", ["any", "ANY", " Any "])
def test_any_is_one_word_in_each_place_of_a_capability(word: str) -> None:
    line = NewCapability.model_validate(dict.fromkeys(LINE, word))

    assert line.model_dump() == dict.fromkeys(LINE, "any")


@pytest.mark.parametrize("vin", ["1M8GDM9AXKP042788", " 1m8gdm9axkp042788\n", "WP0ZZZ99ZTS392124"])
def test_a_vin_is_kept_in_capitals_whatever_its_check_digit(vin: str) -> None:
    assert NewVehicle.model_validate(VEHICLE | {"vin": vin}).vin == vin.strip().upper()


@pytest.mark.parametrize(
    "vin", ["", "1M8GDM9AXKP04278", "1M8GDM9AXKP0427888", "IM8GDM9AXKP042788", "1M8GDM9AXKP04278O", "1M8 DM9AXKP042788"]
)
def test_what_has_not_the_form_of_a_vin_is_refused_with_the_form(vin: str) -> None:
    [(field, message)] = faults(NewVehicle, VEHICLE | {"vin": vin})

    assert (field, "17 letters and digits" in message) == ("vin", True)


@pytest.mark.parametrize("field", ["weight_lbs", "drive_type", "retired"])
def test_what_a_vehicle_needs_cannot_be_emptied(field: str) -> None:
    [(_, message)] = faults(VehicleChange, {field: None})

    assert f"{field} can be changed, not emptied" in message


@pytest.mark.parametrize("field", ["name", "enabled", "turnaround_days", "capabilities", "retired"])
def test_what_a_dyno_needs_cannot_be_emptied(field: str) -> None:
    [(_, message)] = faults(DynoChange, {field: None})

    assert f"{field} can be changed, not emptied" in message


def test_what_they_may_be_without_can_be_emptied_and_what_is_not_named_is_not() -> None:
    emptied = VehicleChange.model_validate({"program": None})

    assert emptied.model_dump(exclude_unset=True) == {"program": None}
    assert faults(DynoChange, {"facility": None, "available_from": None, "available_to": None}) == []


def test_a_capability_that_is_there_twice_is_named_with_its_lines() -> None:
    lines = [LINE, LINE | {"test_type": "evap"}, LINE | {"drive_type": "4x4"}]

    for of in (NewDyno, DynoChange):
        [(field, message)] = faults(of, DYNO | {"capabilities": lines})
        assert field == "capabilities"
        assert "line 2 says what line 0 says, counted from 0: brake, AWD, <10K" in message


def test_a_dyno_has_at_most_500_capabilities_and_may_have_none() -> None:
    lines = [LINE | {"test_type": f"test {number}"} for number in range(501)]

    assert faults(NewDyno, DYNO | {"capabilities": lines[:500]}) == faults(NewDyno, DYNO | {"capabilities": []}) == []
    assert [field for field, _ in faults(NewDyno, DYNO | {"capabilities": lines})] == ["capabilities"]


def test_a_dyno_is_available_to_a_day_that_is_not_before_the_first() -> None:
    days = {"available_from": "2027-06-08", "available_to": "2027-06-07"}

    [(_, message)] = faults(NewDyno, DYNO | days)

    assert "available_to 2027-06-07 lies before available_from 2027-06-08" in message
    assert faults(NewDyno, DYNO | days | {"available_to": "2027-06-08"}) == []


def test_what_retires_is_not_enabled_at_once() -> None:
    assert faults(DynoChange, {"retired": True, "enabled": False}) == []
    [(_, message)] = faults(DynoChange, {"retired": True, "enabled": True})
    assert "what is retired is disabled" in message
