"""Changes and closings that a random lab has found to go wrong."""

from datetime import timedelta
from typing import Any

import pytest

from dyno.allocation import planning
from dyno.allocation.planning_model import AllocationChange, Changed, MaintenanceRequest
from dyno.errors import MaintenanceOverlap, NoDynoAvailable, VehicleAlreadyAllocated
from tests.lab import ADMIN, FRIDAY, MONDAY, POWER, TERMS, TUESDAY, WEDNESDAY, Lab


def change(lab: Lab, allocation_id: int | None, **wanted: Any) -> Changed:
    asked = AllocationChange.model_validate(wanted)
    return planning.change_allocation(lab.over, allocation_id or 0, asked, version=1, actor=POWER, terms=TERMS)


def test_a_booking_that_grows_keeps_the_turnaround_it_was_made_with_though_its_dyno_needs_less_now(lab: Lab) -> None:
    dyno_id, (first, second) = lab.dyno("D1", turnaround_days=2), lab.vehicles(2)
    booked = lab.auto_allocate(first, MONDAY)
    lab.auto_allocate(second, FRIDAY)
    lab.sql("update dynos set turnaround_days = 0")

    assert change(lab, booked.allocation_id, end_date=TUESDAY).allocation.end_date == TUESDAY
    with pytest.raises(NoDynoAvailable) as refused:
        planning.change_allocation(
            lab.over,
            booked.allocation_id or 0,
            AllocationChange(end_date=WEDNESDAY),
            version=2,
            actor=POWER,
            terms=TERMS,
        )
    [rejected] = refused.value.details["rejected"]
    assert (rejected["dyno_id"], rejected["reason"]) == (dyno_id, "turnaround")


def test_a_booking_that_grows_is_not_refused_for_what_its_dyno_needs_since(lab: Lab) -> None:
    lab.dyno("D1")
    first, second = lab.vehicles(2)
    booked = lab.auto_allocate(first, MONDAY)
    lab.auto_allocate(second, WEDNESDAY)
    lab.sql("update dynos set turnaround_days = 2")

    assert change(lab, booked.allocation_id, end_date=TUESDAY).allocation.end_date == TUESDAY


def test_a_vehicle_that_is_elsewhere_more_than_once_is_told_of_all(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    moved, *others = [lab.auto_allocate(start_date=day).allocation_id for day in (MONDAY, WEDNESDAY, FRIDAY)]

    with pytest.raises(VehicleAlreadyAllocated) as refused:
        change(lab, moved, end_date=FRIDAY)

    assert [each["allocation_id"] for each in refused.value.details["in_the_way"]] == others


def test_a_window_that_could_not_be_made_is_named_by_no_id(lab: Lab) -> None:
    closed, other = lab.dyno("D1"), lab.dyno("D2")
    lab.vehicle()
    lab.auto_allocate(start_date=TUESDAY)
    window_id = lab.maintenance(other, MONDAY, days=14)

    with pytest.raises(MaintenanceOverlap) as refused:
        planning.close_dyno(
            lab.over,
            closed,
            MaintenanceRequest(
                start_date=MONDAY, end_date=MONDAY + timedelta(days=6), reason="rollers", max_backup_days=2
            ),
            displace=True,
            actor=ADMIN,
            key=None,
            terms=TERMS,
        )

    [stuck] = refused.value.details["in_the_way"]
    assert [(each["dyno_id"], each.get("window_id")) for each in stuck["rejected"]] == [
        (closed, None),
        (other, window_id),
    ]
