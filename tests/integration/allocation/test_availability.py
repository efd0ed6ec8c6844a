"""What is free, and what would be booked: the same, as both read one rule."""

from datetime import timedelta
from typing import Any

import pytest

from dyno.allocation import availability
from dyno.allocation.availability_model import Availability, Schedule, Wanted
from dyno.errors import DynoNotFound, InvalidRequest, NoDynoAvailable, VehicleNotFound
from tests.lab import FRIDAY, MONDAY, TERMS, THURSDAY, TODAY, TUESDAY, WEDNESDAY, Lab

FIRST, SECOND = "9ZZ0TEST0VD000001", "9ZZ0TEST0VD000002"


def look(lab: Lab, **fields: Any) -> Availability:
    asked = {"vin": FIRST, "test_type": "brake", "start_date": MONDAY, "days_to_complete": 1, "next_windows": 0}
    return availability.list_available(lab.over, Wanted.model_validate(asked | fields), terms=TERMS)


def windows(seen: Availability) -> list[tuple[str, Any]]:
    return [(each.dyno_name, each.start_date) for each in seen.next]


def test_free_dynos_come_in_order_of_choice_and_the_others_with_their_reasons(lab: Lab) -> None:
    lab.dyno("Most")
    lab.dyno("Least", "brake AWD <10K")
    lab.dyno("Unfit", "emission any any")
    full = lab.dyno("Full", "brake AWD <10K")
    lab.vehicle()
    taken = lab.occupy(full, lab.vehicle(SECOND), MONDAY)

    seen = look(lab)

    assert [each.dyno_name for each in seen.available] == ["Least", "Most"]
    assert [(each["dyno_name"], each["reason"]) for each in seen.rejected] == [
        ("Full", "booked"),
        ("Unfit", "not_capable"),
    ]
    assert seen.rejected[0]["allocation_id"] == taken
    assert lab.auto_allocate().allocation.dyno_name == "Least"


def test_a_refused_booking_gives_the_same_reasons(lab: Lab) -> None:
    lab.dyno("Unfit", "emission any any")
    lab.maintenance(lab.dyno("Closed"), MONDAY)
    lab.dyno("Off", enabled=False)
    lab.dyno("Gone", available_to=MONDAY - timedelta(days=1))
    lab.vehicle()

    with pytest.raises(NoDynoAvailable) as refused:
        lab.auto_allocate()

    assert look(lab).rejected == refused.value.details["rejected"]
    assert look(lab).available == []


def test_a_vehicle_that_is_elsewhere_is_said_with_where(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    booked = lab.auto_allocate(days_to_complete=2)

    seen = look(lab, start_date=TUESDAY)

    assert [each["allocation_id"] for each in seen.in_the_way] == [booked.allocation_id]


def test_the_next_windows_are_those_that_would_be_booked(lab: Lab) -> None:
    one, two = lab.dyno("D1"), lab.dyno("D2", turnaround_days=1)
    lab.vehicle()
    other = lab.vehicle(SECOND)
    third = lab.vehicle("9ZZ0TEST0VD000003")
    lab.occupy(one, other, MONDAY, end_date=TUESDAY)
    lab.occupy(one, other, THURSDAY)
    lab.occupy(two, third, TUESDAY)

    seen = look(lab, days_to_complete=1, next_windows=5)
    booked = lab.auto_allocate(backup=True, max_backup_days=30)

    # On Monday D2 would need its turnaround, and on Tuesday it is taken.
    assert windows(seen) == [("D1", WEDNESDAY), ("D2", WEDNESDAY), ("D1", FRIDAY)]
    assert (booked.allocation.dyno_name, booked.allocation.start_date) == windows(seen)[0]


def test_the_next_windows_pass_over_the_days_of_the_vehicle(lab: Lab) -> None:
    one, two = lab.dyno("D1"), lab.dyno("D2")
    vehicle_id = lab.vehicle()
    lab.occupy(two, vehicle_id, TUESDAY)
    assert one

    seen = look(lab, next_windows=3)

    assert windows(seen) == [("D1", MONDAY), ("D2", MONDAY), ("D1", WEDNESDAY)]
    assert [each.end_date for each in look(lab, days_to_complete=2, next_windows=1).next] == [THURSDAY]


def test_a_dyno_that_will_not_do_has_no_next_window(lab: Lab) -> None:
    lab.dyno("Unfit", "emission any any")
    lab.dyno("Off", enabled=False)
    lab.dyno("Late", available_from=FRIDAY)
    lab.dyno("Gone", available_to=TUESDAY)
    lab.vehicle()

    assert windows(look(lab, next_windows=9)) == [("Gone", MONDAY), ("Late", FRIDAY)]


def test_a_vehicle_need_not_be_registered_to_look(lab: Lab) -> None:
    lab.dyno("Light", "brake AWD <10K")
    lab.dyno("Heavy", "brake AWD >10K")

    def free(weight_lbs: int) -> list[str]:
        seen = look(lab, vin=None, drive_type="AWD", weight_lbs=weight_lbs, next_windows=1)
        assert [name for name, _ in windows(seen)] == [each.dyno_name for each in seen.available]
        return [each.dyno_name for each in seen.available]

    assert (free(10_000), free(10_001)) == (["Light"], ["Heavy"])


@pytest.mark.parametrize(
    "fields",
    [
        {"vin": None},
        {"vehicle_id": 1},
        {"vin": None, "drive_type": "AWD"},
        {"vin": None, "weight_lbs": 5000},
        {"drive_type": "AWD", "weight_lbs": 5000},
    ],
)
def test_one_vehicle_is_to_be_named_in_one_way(lab: Lab, fields: dict[str, Any]) -> None:
    lab.vehicle()

    with pytest.raises(InvalidRequest, match="give either vin, or vehicle_id, or drive_type and weight_lbs"):
        look(lab, **fields)


def test_days_that_cannot_be_booked_are_not_looked_at(lab: Lab) -> None:
    lab.vehicle()

    refused: list[tuple[dict[str, Any], str]] = [
        ({"start_date": TODAY - timedelta(days=1)}, "in the past"),
        ({"start_date": TODAY + timedelta(days=1826)}, "a booking ends by"),
        ({"days_to_complete": 181}, "1 to 180 days"),
    ]
    for fields, says in refused:
        with pytest.raises(InvalidRequest, match=says):
            look(lab, **fields)
    with pytest.raises(VehicleNotFound):
        look(lab, vin="9ZZ")
    with pytest.raises(VehicleNotFound):
        look(lab, vin=None, vehicle_id=2**40)


# one dyno's calendar


def calendar(lab: Lab, dyno_id: int, first: Any = MONDAY, last: Any = FRIDAY) -> Schedule:
    return availability.get_schedule(lab.over, dyno_id, first, last, today=TODAY)


def test_a_calendar_shows_what_takes_the_dyno_and_the_days_between(lab: Lab) -> None:
    dyno_id = lab.dyno("D1", turnaround_days=1)
    booked = lab.occupy(dyno_id, lab.vehicle(), MONDAY, turnaround_days=1)
    window_id = lab.maintenance(dyno_id, THURSDAY)
    lab.occupy(dyno_id, lab.vehicle(SECOND), FRIDAY, status="cancelled", cancelled_at=TODAY)

    seen = calendar(lab, dyno_id)

    assert [
        (each.kind, each.allocation_id, each.window_id, each.start_date, each.free_from) for each in seen.items
    ] == [
        ("allocation", booked, None, MONDAY, WEDNESDAY),
        ("maintenance", None, window_id, THURSDAY, FRIDAY),
    ]
    assert [(each.vin, each.test_type, each.reason) for each in seen.items] == [
        (FIRST, "brake", None),
        (None, None, "calibration"),
    ]
    assert [(each.start_date, each.end_date) for each in seen.free] == [(WEDNESDAY, WEDNESDAY), (FRIDAY, FRIDAY)]


def test_a_calendar_begins_and_ends_within_what_takes_the_dyno(lab: Lab) -> None:
    dyno_id = lab.dyno("D1")
    lab.occupy(dyno_id, lab.vehicle(), MONDAY, end_date=FRIDAY)

    seen = calendar(lab, dyno_id, TUESDAY, WEDNESDAY)

    assert [(each.start_date, each.end_date) for each in seen.items] == [(MONDAY, FRIDAY)]
    assert seen.free == []


@pytest.mark.parametrize(
    ("columns", "free"),
    [
        ({}, [(MONDAY, FRIDAY)]),
        ({"enabled": False}, []),
        ({"available_from": WEDNESDAY}, [(WEDNESDAY, FRIDAY)]),
        ({"available_to": TUESDAY}, [(MONDAY, TUESDAY)]),
        ({"available_to": MONDAY - timedelta(days=3)}, []),
        ({"available_from": FRIDAY + timedelta(days=3)}, []),
    ],
)
def test_a_dyno_is_free_on_the_days_it_is_there(lab: Lab, columns: dict[str, Any], free: list[Any]) -> None:
    dyno_id = lab.dyno("D1", **columns)

    assert [(each.start_date, each.end_date) for each in calendar(lab, dyno_id).free] == free


def test_a_calendar_that_cannot_be_shown_is_refused(lab: Lab) -> None:
    dyno_id = lab.dyno("D1")

    with pytest.raises(DynoNotFound):
        calendar(lab, 99)
    with pytest.raises(InvalidRequest, match="is before"):
        calendar(lab, dyno_id, TUESDAY, MONDAY)
    with pytest.raises(InvalidRequest, match="at most 400 days"):
        calendar(lab, dyno_id, MONDAY, MONDAY + timedelta(days=400))
    assert len(calendar(lab, dyno_id, MONDAY, MONDAY + timedelta(days=399)).free) == 1
