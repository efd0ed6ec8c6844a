"""A dyno is closed for some days: what is in the way, what makes way, and all or nothing."""

from datetime import date, timedelta
from typing import Any

import pytest

from dyno.allocation import planning, service
from dyno.allocation.model import Allocation
from dyno.allocation.planning_model import Maintenance, MaintenanceRequest
from dyno.errors import (
    DynoNotFound,
    IdempotencyKeyReused,
    InvalidRequest,
    MaintenanceOverlap,
    NoDynoAvailable,
    WindowNotFound,
)
from tests.lab import ADMIN, FRIDAY, MONDAY, TERMS, THURSDAY, TODAY, TUESDAY, WEDNESDAY, Lab

FIRST, SECOND, THIRD = "9ZZ0TEST0VD000001", "9ZZ0TEST0VD000002", "9ZZ0TEST0VD000003"


def close(
    lab: Lab,
    dyno_id: int,
    first: date = MONDAY,
    last: date = MONDAY,
    *,
    key: str | None = None,
    displace: bool = False,
    **fields: Any,
) -> Maintenance:
    asked = {"start_date": str(first), "end_date": str(last), "reason": "belt"}
    request = MaintenanceRequest.model_validate(asked | fields)
    return planning.close_dyno(lab.over, dyno_id, request, displace=displace, actor=ADMIN, key=key, terms=TERMS)


def now(lab: Lab, allocation_id: int | None) -> Allocation:
    return service.get_allocation(lab.over, allocation_id or 0)


def everything(lab: Lab) -> list[Any]:
    return lab.rows("select to_jsonb(o) from occupancies o order by id") + lab.rows(
        "select to_jsonb(h) from history h order by id"
    )


def test_a_closed_dyno_is_not_booked_and_an_open_one_is(lab: Lab) -> None:
    dyno_id = lab.dyno("D1", turnaround_days=1)
    lab.vehicle()

    closed = close(lab, dyno_id, TUESDAY, WEDNESDAY)
    with pytest.raises(NoDynoAvailable) as refused:
        lab.auto_allocate(start_date=WEDNESDAY)
    reopened = planning.reopen_dyno(lab.over, dyno_id, closed.window.window_id or 0, actor=ADMIN)
    again = planning.reopen_dyno(lab.over, dyno_id, closed.window.window_id or 0, actor=ADMIN)

    [rejected] = refused.value.details["rejected"]
    assert (rejected["reason"], rejected["window_id"], rejected["free_from"]) == (
        "maintenance",
        closed.window.window_id,
        str(FRIDAY),
    )
    assert (closed.window.reason, closed.window.dyno_name, closed.window.status) == ("belt", "D1", "scheduled")
    assert reopened == again
    assert reopened.window.status == "cancelled"
    assert lab.auto_allocate(start_date=WEDNESDAY).allocation.dyno_id == dyno_id
    assert lab.rows(
        "select action, actor from history where occupancy_id = :id order by id", id=closed.window.window_id
    ) == [
        ("close", "ada"),
        ("reopen", "ada"),
    ]


def test_what_is_in_the_way_is_named_and_nothing_changes(lab: Lab) -> None:
    dyno_id = lab.dyno("D1", turnaround_days=1)
    lab.vehicle(FIRST)
    booked = lab.auto_allocate(FIRST)
    window_id = lab.maintenance(dyno_id, WEDNESDAY)
    before = everything(lab)

    with pytest.raises(MaintenanceOverlap) as refused:
        close(lab, dyno_id, TUESDAY, WEDNESDAY)

    assert [
        (each.get("allocation_id"), each.get("window_id"), each["reason"])
        for each in refused.value.details["in_the_way"]
    ] == [
        (booked.allocation_id, None, "turnaround"),
        (None, window_id, "maintenance"),
    ]
    assert everything(lab) == before


def test_bookings_make_way_to_where_they_would_be_booked_and_keep_their_ids(lab: Lab) -> None:
    best = lab.dyno("Best", "brake AWD <10K")
    lab.dyno("Later", "brake AWD <10K", "emission AWD <10K")
    most = lab.dyno("Most")
    for vin in (FIRST, SECOND, THIRD):
        lab.vehicle(vin)
    one, two = lab.auto_allocate(FIRST), lab.auto_allocate(THIRD, start_date=TUESDAY)
    lab.auto_allocate(SECOND)  # the next best on Monday

    closed = close(lab, best, MONDAY, TUESDAY, displace=True)

    assert [(each.before.allocation_id, each.after.allocation_id) for each in closed.displaced] == [
        (one.allocation_id,) * 2,
        (two.allocation_id,) * 2,
    ]
    assert (now(lab, one.allocation_id).dyno_id, now(lab, one.allocation_id).start_date) == (most, MONDAY)
    assert (now(lab, two.allocation_id).dyno_name, now(lab, two.allocation_id).start_date) == ("Later", TUESDAY)
    assert now(lab, one.allocation_id) == closed.displaced[0].after
    assert [each.before for each in closed.displaced] == [one.allocation, two.allocation]
    assert lab.rows("select action, actor from history where occupancy_id = :id order by id", id=one.allocation_id) == [
        ("book", "ann"),
        ("displace", "ada"),
    ]


def test_a_booking_may_make_way_to_days_behind_the_window_on_the_same_dyno(lab: Lab) -> None:
    dyno_id = lab.dyno("D1", turnaround_days=1)
    lab.vehicle()
    booked = lab.auto_allocate(days_to_complete=2)

    close(lab, dyno_id, TUESDAY, TUESDAY, displace=True)

    moved = now(lab, booked.allocation_id)
    assert (moved.start_date, moved.end_date, moved.shift_days) == (THURSDAY, FRIDAY, 0)


def test_a_hold_makes_way_as_a_hold(lab: Lab) -> None:
    dyno_id = lab.dyno("D1")
    other = lab.dyno("D2")
    lab.vehicle()
    held = lab.auto_allocate(hold_minutes=30)

    close(lab, dyno_id, displace=True)

    moved = now(lab, held.allocation_id)
    assert (moved.status, moved.expires_at, moved.dyno_id) == ("held", held.allocation.expires_at, other)


def test_if_one_cannot_make_way_none_does_and_all_that_cannot_are_named(lab: Lab) -> None:
    dyno_id = lab.dyno("D1")
    only_one = lab.dyno("D2", "brake AWD <10K", "brake 2WD <10K", "brake any any", "emission any any")
    for vin in (FIRST, SECOND, THIRD):
        lab.vehicle(vin)
    one = lab.auto_allocate(FIRST, days_to_complete=2)
    lab.sql("update occupancies set dyno_id = :d where id = :id", d=dyno_id, id=one.allocation_id)
    rare = lab.occupy(dyno_id, lab.sql("select id from vehicles where vin = :v", v=THIRD), THURSDAY, test_type="evap")
    assert only_one
    before = everything(lab)

    with pytest.raises(MaintenanceOverlap, match="1 cannot make way") as refused:
        close(lab, dyno_id, MONDAY, FRIDAY + timedelta(days=60), displace=True)

    [stuck] = refused.value.details["in_the_way"]
    assert (stuck["allocation_id"], stuck["reason"]) == (rare, "no_dyno_available")
    assert {each["dyno_name"]: each["reason"] for each in stuck["rejected"]} == {
        "D1": "maintenance",
        "D2": "not_capable",
    }
    assert everything(lab) == before


def test_what_is_under_way_or_closed_already_does_not_make_way(lab: Lab) -> None:
    dyno_id = lab.dyno("D1")
    lab.dyno("D2")
    begun = lab.occupy(dyno_id, lab.vehicle(), TODAY, status="in_progress")
    window_id = lab.maintenance(dyno_id, TODAY + timedelta(days=1))

    with pytest.raises(MaintenanceOverlap) as refused:
        close(lab, dyno_id, TODAY, TODAY + timedelta(days=2), displace=True)

    assert [
        (each.get("allocation_id"), each.get("window_id"), each["reason"])
        for each in refused.value.details["in_the_way"]
    ] == [
        (begun, None, "in_progress"),
        (None, window_id, "maintenance"),
    ]


def test_how_far_a_booking_may_make_way_is_said(lab: Lab) -> None:
    dyno_id = lab.dyno("D1")
    lab.vehicle()
    lab.auto_allocate()

    with pytest.raises(MaintenanceOverlap):
        close(lab, dyno_id, MONDAY, WEDNESDAY, displace=True, max_backup_days=2)

    assert close(lab, dyno_id, MONDAY, WEDNESDAY, displace=True, max_backup_days=3).displaced


def test_a_dry_run_says_what_would_make_way_and_changes_nothing(lab: Lab) -> None:
    dyno_id = lab.dyno("D1")
    lab.vehicle()
    booked = lab.auto_allocate()
    before = everything(lab)

    would = close(lab, dyno_id, displace=True, dry_run=True)

    assert (would.dry_run, would.window.window_id) == (True, None)
    assert [(each.before, each.after.start_date) for each in would.displaced] == [(booked.allocation, TUESDAY)]
    assert everything(lab) == before


def test_the_same_under_the_same_key_closes_once(lab: Lab) -> None:
    dyno_id = lab.dyno("D1")
    lab.vehicle()
    lab.auto_allocate()

    first = close(lab, dyno_id, displace=True, key="k")
    again = close(lab, dyno_id, displace=True, key="k")

    assert again.replayed
    assert again.model_copy(update={"replayed": False}) == first
    assert lab.sql("select count(*) from occupancies where kind = 'maintenance'") == 1
    with pytest.raises(IdempotencyKeyReused):
        close(lab, dyno_id, TUESDAY, TUESDAY, displace=True, key="k")


def test_a_hold_that_ran_out_is_not_in_the_way(lab: Lab) -> None:
    dyno_id = lab.dyno("D1")
    held = lab.occupy(dyno_id, lab.vehicle(), MONDAY, status="held", expires_at=TODAY - timedelta(days=1))

    close(lab, dyno_id)

    assert now(lab, held).status == "lapsed"


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        (TODAY - timedelta(days=3), TODAY - timedelta(days=1), "in the past"),
        (MONDAY, TODAY + timedelta(days=1826), "a booking ends by"),
    ],
)
def test_days_that_cannot_be_closed_are_refused(lab: Lab, first: date, last: date, says: str) -> None:
    dyno_id = lab.dyno("D1")

    with pytest.raises(InvalidRequest, match=says):
        close(lab, dyno_id, first, last)


def test_a_dyno_that_broke_yesterday_can_be_closed_since_then(lab: Lab) -> None:
    assert close(lab, lab.dyno("D1"), TODAY - timedelta(days=1), TODAY).window.start_date == TODAY - timedelta(days=1)


def test_what_is_not_there_is_not_found(lab: Lab) -> None:
    dyno_id = lab.dyno("D1")
    booked = lab.occupy(dyno_id, lab.vehicle(), MONDAY)
    elsewhere = lab.maintenance(lab.dyno("D2"), MONDAY)

    with pytest.raises(DynoNotFound):
        close(lab, 99)
    with pytest.raises(DynoNotFound):
        planning.list_maintenance(lab.over, 99, None, 50)
    for window_id in (99, booked, elsewhere, 2**62):
        with pytest.raises(WindowNotFound):
            planning.reopen_dyno(lab.over, dyno_id, window_id, actor=ADMIN)


def test_windows_are_listed_by_dyno_and_by_day(lab: Lab) -> None:
    one, two = lab.dyno("D1"), lab.dyno("D2")
    monday = close(lab, one, MONDAY, TUESDAY).window
    tuesday = close(lab, two, TUESDAY, WEDNESDAY).window
    later = close(lab, one, FRIDAY, FRIDAY).window
    planning.reopen_dyno(lab.over, one, later.window_id or 0, actor=ADMIN)

    def on(day: date) -> list[int | None]:
        return [each.window_id for each in planning.list_maintenance_on(lab.over, day, None, 50).items]

    of_one = planning.list_maintenance(lab.over, one, None, 50).items
    assert [(each.window_id, each.status) for each in of_one] == [
        (monday.window_id, "scheduled"),
        (later.window_id, "cancelled"),
    ]
    assert of_one[0] == monday
    assert [on(day) for day in (MONDAY, TUESDAY, WEDNESDAY, FRIDAY)] == [
        [monday.window_id],
        [monday.window_id, tuesday.window_id],
        [tuesday.window_id],
        [],
    ]
