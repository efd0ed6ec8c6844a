from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from dyno.allocation import service
from dyno.allocation.model import AllocationFilter, Status
from dyno.errors import InvalidRequest, NoDynoAvailable
from tests.lab import ANN, BOB, MONDAY, TUESDAY, WEDNESDAY, Lab

ALL = AllocationFilter()


def every_page(over: Engine, wanted: AllocationFilter, limit: int) -> list[int | None]:
    found: list[int | None] = []
    cursor = None
    while True:
        shown = service.list_allocations(over, wanted, cursor, limit)
        found += [each.allocation_id for each in shown.items]
        cursor = shown.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 5, 500])
def test_pages_show_everything_once_in_order(lab: Lab, limit: int) -> None:
    lab.dyno("D1")
    lab.vehicle()
    booked = [lab.auto_allocate(start_date=MONDAY + timedelta(days=day)).allocation_id for day in range(5)]

    assert every_page(lab.over, ALL, limit) == booked


def test_allocations_are_filtered(lab: Lab) -> None:
    first, second = lab.dyno("D1"), lab.dyno("D2")
    vehicle_id = lab.vehicle()
    lab.vehicle("9ZZ0TEST0VD000002")
    one = lab.auto_allocate(start_date=MONDAY, days_to_complete=2).allocation
    two = lab.auto_allocate(vin="9ZZ0TEST0VD000002", start_date=MONDAY).allocation
    three = lab.auto_allocate(start_date=WEDNESDAY).allocation
    service.cancel_allocation(lab.over, three.allocation_id or 0, actor=ANN)

    def shown(**wanted: Any) -> list[int | None]:
        return every_page(lab.over, AllocationFilter(**wanted), 50)

    ids = one.allocation_id, two.allocation_id, three.allocation_id
    assert shown(dyno_id=second) == [ids[1]]
    assert shown(dyno_id=first) == [ids[0], ids[2]]
    assert shown(vehicle_id=vehicle_id) == [ids[0], ids[2]]
    assert shown(vin="9ZZ0TEST0VD000002") == shown(vin=" 9zz0test0vd000002 ") == [ids[1]]
    assert shown(status=Status.CANCELLED) == [ids[2]]
    assert shown(from_date=TUESDAY, to_date=TUESDAY) == [ids[0]]
    assert shown(from_date=WEDNESDAY) == [ids[2]]
    assert shown(to_date=MONDAY) == [ids[0], ids[1]]


def test_a_cursor_of_somebody_elses_is_refused(lab: Lab) -> None:
    for cursor in ("nonsense", "aWQ6eA", "", "é", "aWQ6OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk"):
        with pytest.raises(InvalidRequest):
            service.list_allocations(lab.over, ALL, cursor, 10)


@pytest.mark.own_database
def test_conflicts_are_found_where_the_constraints_are_gone(lab: Lab) -> None:
    first, second = lab.dyno("D1"), lab.dyno("D2")
    vehicles = [lab.vehicle(vin) for vin in ("A", "B")]
    assert service.list_conflicts(lab.over, None, 10).items == []
    lab.sql("alter table occupancies drop constraint dyno_once, drop constraint vehicle_once")

    tail = lab.occupy(first, vehicles[0], MONDAY, turnaround_days=1)
    inside = lab.occupy(first, vehicles[1], TUESDAY)
    twin = lab.occupy(second, vehicles[1], TUESDAY)
    lab.occupy(second, vehicles[0], TUESDAY, status="cancelled", cancelled_at="2026-01-01")

    found = service.list_conflicts(lab.over, None, 10).items

    assert [(each.first_id, each.second_id, each.dyno_id, each.vehicle_id) for each in found] == [
        (tail, inside, first, None),
        (inside, twin, None, vehicles[1]),
    ]
    first_page = service.list_conflicts(lab.over, None, 1)
    second_page = service.list_conflicts(lab.over, first_page.next_cursor, 1)
    assert [*first_page.items, *second_page.items] == found
    assert second_page.next_cursor is None


def test_refusals_are_listed_with_what_was_wanted_and_why_not(lab: Lab) -> None:
    lab.dyno("D1")
    first, second = lab.vehicles(2)
    lab.auto_allocate(first, MONDAY)
    for day in (MONDAY, MONDAY, TUESDAY):
        with suppress(NoDynoAvailable):
            lab.auto_allocate(second, day, days_to_complete=2 - (day == TUESDAY), actor=BOB)

    pages = [service.list_refusals(lab.over, None, 1), service.list_refusals(lab.over, None, 50)]

    shown = pages[1].items
    assert [each.refusal_id for each in pages[0].items] == [shown[0].refusal_id]
    assert pages[0].next_cursor is not None
    assert pages[1].next_cursor is None
    assert [(each.vin, each.asked_by, each.start_date, each.days_to_complete) for each in shown] == [
        (second, "bob", MONDAY, 2)
    ] * 2
    assert [(each.reason, each.conflicting, each.test_type) for each in shown] == [("booked", True, "brake")] * 2
    assert [(each.drive_type, each.weight_class) for each in shown] == [("AWD", "<10K")] * 2
