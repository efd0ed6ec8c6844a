"""What is booked is changed: moved, made longer or shorter, held and confirmed, begun and finished; and who did it."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from dyno.allocation import planning, service
from dyno.allocation.model import Allocation, AllocationRequest, AutoAllocation
from dyno.allocation.planning_model import AllocationChange, Changed, MaintenanceRequest
from dyno.errors import (
    AllocationClosed,
    AllocationNotFound,
    AllocationUnderWay,
    DynoNotFound,
    InvalidRequest,
    NoDynoAvailable,
    Stale,
    StepNotAllowed,
    VehicleAlreadyAllocated,
)
from tests.conftest import EngineAs
from tests.lab import ANN, FRIDAY, MONDAY, POWER, TERMS, THURSDAY, TODAY, TUESDAY, WEDNESDAY, Lab

OTHER = "9ZZ0TEST0VD000002"


def change(lab: Lab, of: Allocation | AutoAllocation | Changed, version: int | None = None, **fields: Any) -> Changed:
    there = of if isinstance(of, Allocation) else of.allocation
    assert there.allocation_id
    return planning.change_allocation(
        lab.over,
        there.allocation_id,
        AllocationChange.model_validate(fields),
        version=version or there.version or 0,
        actor=POWER,
        terms=TERMS,
    )


def allocate(lab: Lab, dyno_id: int, **fields: Any) -> AutoAllocation:
    asked = {"vin": "9ZZ0TEST0VD000001", "test_type": "brake", "start_date": MONDAY, "days_to_complete": 1}
    request = AllocationRequest.model_validate(asked | {"dyno_id": dyno_id, "backup": False} | fields)
    return service.allocate(lab.over, request, actor=ANN, key=fields.get("key"), terms=TERMS)


def history(lab: Lab, booked: AutoAllocation) -> list[tuple[str, str]]:
    assert booked.allocation_id
    entries = planning.list_history(lab.over, booked.allocation_id, None, 50).items
    return [(entry.action, entry.actor) for entry in entries]


def run_out(lab: Lab, booked: AutoAllocation) -> None:
    lab.sql(
        "update occupancies set expires_at = clock_timestamp() - interval '1 second' where id = :id",
        id=booked.allocation_id,
    )


def underway(lab: Lab, days: int = 3, first: date = TODAY - timedelta(days=1)) -> Allocation:
    """A test that began yesterday."""
    last = first + timedelta(days=days - 1)
    dyno_id, vehicle_id = lab.dyno("Now"), lab.vehicle()
    allocation_id = lab.occupy(dyno_id, vehicle_id, first, end_date=last, status="in_progress")
    return service.get_allocation(lab.over, allocation_id)


# onto one dyno


def test_a_dyno_that_is_named_is_booked_though_a_less_capable_one_is_free(lab: Lab) -> None:
    lab.dyno("Least", "brake AWD <10K")
    most = lab.dyno("Most")
    lab.vehicle()

    assert allocate(lab, most).allocation.dyno_id == most


def test_a_dyno_that_is_named_is_waited_for_and_no_other_taken(lab: Lab) -> None:
    lab.dyno("Other")
    wanted = lab.dyno("Wanted")
    lab.vehicle()
    lab.occupy(wanted, lab.vehicle(OTHER), MONDAY, end_date=TUESDAY)

    booked = allocate(lab, wanted, backup=True, max_backup_days=5)

    assert (booked.allocation.dyno_id, booked.allocation.start_date, booked.shift_days) == (wanted, WEDNESDAY, 2)


def test_a_dyno_that_is_named_and_taken_is_refused_with_its_reason_alone(lab: Lab) -> None:
    lab.dyno("Other")
    wanted = lab.dyno("Wanted")
    lab.vehicle()
    taken = lab.occupy(wanted, lab.vehicle(OTHER), MONDAY)

    with pytest.raises(NoDynoAvailable) as refused:
        allocate(lab, wanted)

    assert refused.value.details["rejected"] == [
        {
            "dyno_id": wanted,
            "dyno_name": "Wanted",
            "reason": "booked",
            "allocation_id": taken,
            "free_from": str(TUESDAY),
        }
    ]


def test_a_dyno_that_is_not_there_is_not_found(lab: Lab) -> None:
    lab.vehicle()

    for dyno_id in (7, 2**40, 0, -1):
        with pytest.raises(DynoNotFound):
            allocate(lab, dyno_id)


# work


@pytest.mark.parametrize(
    ("work", "days"),
    [
        ({"miles": 1000, "miles_per_day": 500}, 2),
        ({"miles": 1001, "miles_per_day": 500}, 3),
        ({"miles": 1, "miles_per_day": 500, "added_days": 2}, 3),
    ],
)
def test_days_are_reckoned_from_the_work_and_both_are_shown(lab: Lab, work: dict[str, int], days: int) -> None:
    lab.dyno("D1")
    lab.vehicle()

    booked = lab.auto_allocate(days_to_complete=None, **work)  # type: ignore[arg-type]

    assert booked.allocation.end_date == MONDAY + timedelta(days=days - 1)
    assert booked.allocation.work
    assert booked.allocation.work.model_dump() == {"added_days": 0} | work | {"days_to_complete": days}
    assert service.get_allocation(lab.over, booked.allocation_id or 0).work == booked.allocation.work


# holds


def test_a_hold_takes_the_days_until_it_runs_out(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    lab.vehicle(OTHER)
    held = lab.auto_allocate(hold_minutes=30)

    with pytest.raises(NoDynoAvailable) as refused:
        lab.auto_allocate(OTHER)
    run_out(lab, held)
    taken = lab.auto_allocate(OTHER)

    assert held.allocation.status == "held"
    assert held.allocation.expires_at
    assert held.allocation.created_at
    assert timedelta(minutes=29) < held.allocation.expires_at - held.allocation.created_at < timedelta(minutes=31)
    assert [each["reason"] for each in refused.value.details["rejected"]] == ["held"]
    assert taken.allocation.status == "scheduled"
    assert history(lab, held) == [("hold", "ann"), ("lapse", "system")]


def test_a_hold_that_ran_out_is_shown_as_lapsed_before_anybody_wants_its_days(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    held = lab.auto_allocate(hold_minutes=30)
    run_out(lab, held)

    seen = service.get_allocation(lab.over, held.allocation_id or 0)

    assert (seen.status, seen.expires_at) == ("lapsed", None)


def test_a_confirmed_hold_is_a_booking_like_any_other(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    held = lab.auto_allocate(hold_minutes=30)

    confirmed = change(lab, held, status="scheduled").allocation

    assert (confirmed.status, confirmed.expires_at, confirmed.version) == ("scheduled", None, 2)
    assert history(lab, held) == [("hold", "ann"), ("confirm", "pat")]


def test_a_hold_that_ran_out_cannot_be_confirmed(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    held = lab.auto_allocate(hold_minutes=30)
    run_out(lab, held)

    with pytest.raises(AllocationClosed, match="lapsed"):
        change(lab, held, status="scheduled")

    assert history(lab, held) == [("hold", "ann"), ("lapse", "system")]


def counted(engine_as: EngineAs) -> list[tuple[Any, ...]]:
    with engine_as("dyno_roi").connect() as connection:
        query = text(
            "select day, kept, cancelled_early from lab_days('UTC', null, null) where kept + cancelled_early > 0"
        )
        return [tuple(row) for row in connection.execute(query)]


def test_a_hold_counts_from_when_it_is_confirmed_and_one_that_never_was_does_not(lab: Lab, engine_as: EngineAs) -> None:
    lab.dyno("D1")
    lab.vehicle()
    lab.vehicle(OTHER)
    held, let_go = lab.auto_allocate(hold_minutes=60), lab.auto_allocate(OTHER, start_date=FRIDAY, hold_minutes=60)
    lab.sql("update occupancies set created_at = created_at - interval '3 days'")

    service.cancel_allocation(lab.over, let_go.allocation_id or 0, actor=ANN)
    before = counted(engine_as)
    change(lab, held, status="scheduled")
    confirmed = counted(engine_as)
    service.cancel_allocation(lab.over, held.allocation_id or 0, actor=ANN)

    assert before == []
    assert confirmed == [(TODAY, 1, 0)]
    assert counted(engine_as) == [(TODAY, 0, 1)]


def test_a_booking_made_way_though_it_was_moved_since(lab: Lab, engine_as: EngineAs) -> None:
    dyno_id = lab.dyno("D1", available_from=MONDAY)
    lab.vehicle()
    lab.maintenance(dyno_id, MONDAY)
    booked = lab.auto_allocate(backup=True)

    # By where it is now it had been asked for before the dyno was there.
    lab.sql("delete from occupancies where kind = 'maintenance'")
    change(lab, booked, start_date=str(MONDAY))

    with engine_as("dyno_roi").connect() as connection:
        assert connection.execute(text("select sum(replaced) from lab_days('UTC', null, null)")).scalar() == 1


# moving


def test_a_move_keeps_the_length_and_frees_the_days_before(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    lab.vehicle(OTHER)
    booked = lab.auto_allocate(days_to_complete=2)

    moved = change(lab, booked, start_date=str(WEDNESDAY)).allocation
    other = lab.auto_allocate(OTHER, days_to_complete=2)

    assert (moved.start_date, moved.end_date, moved.version) == (WEDNESDAY, THURSDAY, 2)
    assert other.allocation.start_date == MONDAY
    assert history(lab, booked) == [("book", "ann"), ("move", "pat")]


def test_a_move_may_overlap_where_it_was(lab: Lab) -> None:
    lab.dyno("D1", turnaround_days=2)
    lab.vehicle()
    booked = lab.auto_allocate(days_to_complete=3)

    assert change(lab, booked, start_date=str(TUESDAY)).allocation.end_date == THURSDAY


def test_a_move_onto_another_dyno_takes_its_turnaround(lab: Lab) -> None:
    lab.dyno("D1")
    slow = lab.dyno("Slow", "any any any", "brake AWD <10K", turnaround_days=3)
    lab.vehicle()
    lab.vehicle(OTHER)
    booked = lab.auto_allocate()

    moved = change(lab, booked, dyno_id=slow).allocation

    assert moved.dyno_id == slow
    with pytest.raises(NoDynoAvailable) as refused:
        allocate(lab, slow, vin=OTHER, start_date=TUESDAY)
    assert [each["reason"] for each in refused.value.details["rejected"]] == ["turnaround"]


def test_a_move_is_refused_by_the_rule_of_booking_and_changes_nothing(lab: Lab) -> None:
    lab.dyno("D1")
    full = lab.dyno("Full")
    unfit = lab.dyno("Unfit", "emission AWD <10K")
    lab.vehicle()
    taken = lab.occupy(full, lab.vehicle(OTHER), TUESDAY)
    booked = lab.auto_allocate()

    refusals: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"dyno_id": full, "start_date": str(TUESDAY)}, {"reason": "booked", "allocation_id": taken}),
        ({"dyno_id": unfit}, {"reason": "not_capable"}),
    ]
    for fields, reason in refusals:
        with pytest.raises(NoDynoAvailable) as refused:
            change(lab, booked, **fields)
        [rejected] = refused.value.details["rejected"]
        assert rejected.items() >= reason.items()
    with pytest.raises(DynoNotFound):
        change(lab, booked, dyno_id=99)

    assert service.get_allocation(lab.over, booked.allocation_id or 0) == booked.allocation


def test_a_vehicle_cannot_be_moved_to_days_on_which_it_is_elsewhere(lab: Lab) -> None:
    first, second = lab.dyno("D1"), lab.dyno("D2")
    lab.vehicle()
    elsewhere = allocate(lab, second, start_date=WEDNESDAY)
    booked = allocate(lab, first)

    with pytest.raises(VehicleAlreadyAllocated) as refused:
        change(lab, booked, days_to_complete=3)

    assert [each["allocation_id"] for each in refused.value.details["in_the_way"]] == [elsewhere.allocation_id]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"start_date": str(TODAY - timedelta(days=1))}, "start_date .* is in the past"),
        ({"start_date": str(TODAY + timedelta(days=1825))}, "a booking ends by"),
        ({"end_date": str(MONDAY - timedelta(days=1))}, "before the first day"),
        ({"end_date": str(MONDAY + timedelta(days=180))}, "that is 181 days"),
        ({"days_to_complete": 181}, "1 to 180 days"),
    ],
)
def test_days_that_cannot_be_booked_cannot_be_moved_to(lab: Lab, fields: dict[str, Any], says: str) -> None:
    lab.dyno("D1")
    lab.vehicle()
    booked = lab.auto_allocate(days_to_complete=2)

    with pytest.raises(InvalidRequest, match=says):
        change(lab, booked, **fields)


def test_longer_and_shorter(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    booked = lab.auto_allocate(days_to_complete=2)

    longer = change(lab, booked, end_date=str(FRIDAY))
    shorter = change(lab, longer, days_to_complete=1)

    assert (longer.allocation.end_date, shorter.allocation.end_date, shorter.allocation.version) == (FRIDAY, MONDAY, 3)


def test_of_nothing_new_nothing_changes(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    booked = lab.auto_allocate()

    same = change(lab, booked, start_date=str(MONDAY), status="scheduled")

    assert same.allocation == booked.allocation
    assert history(lab, booked) == [("book", "ann")]


def test_a_dry_run_says_what_would_come_of_it_and_changes_nothing(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    booked = lab.auto_allocate()

    would = change(lab, booked, start_date=str(TUESDAY), dry_run=True)

    assert would.dry_run
    assert would.allocation == booked.allocation.model_copy(update={"start_date": TUESDAY, "end_date": TUESDAY})
    assert service.get_allocation(lab.over, booked.allocation_id or 0) == booked.allocation
    assert history(lab, booked) == [("book", "ann")]


def test_a_trial_of_a_cancellation_says_what_would_come_of_it_and_changes_nothing(lab: Lab) -> None:
    dyno_id = lab.dyno("D1")
    lab.vehicle()
    booked, window_id = lab.auto_allocate(), lab.maintenance(dyno_id, FRIDAY)
    allocation_id = booked.allocation_id or 0

    cancelled = service.cancel_allocation(lab.over, allocation_id, actor=ANN, dry_run=True)
    opened = planning.reopen_dyno(lab.over, dyno_id, window_id, actor=ANN, dry_run=True)

    assert (cancelled.message, cancelled.dry_run) == (f"allocation {allocation_id} would be cancelled", True)
    assert (cancelled.allocation.status, opened.window.status) == ("cancelled", "cancelled")
    assert (cancelled.allocation.version, opened.window.version) == (1, 1)
    assert (opened.message, opened.dry_run) == (f"D1 would be open again from {FRIDAY}", True)
    assert service.get_allocation(lab.over, allocation_id) == booked.allocation
    assert lab.sql("select status from occupancies where id = :id", id=window_id) == "scheduled"
    assert history(lab, booked) == [("book", "ann")]


def test_a_trial_lets_no_hold_lapse(lab: Lab) -> None:
    dyno_id = lab.dyno("D1")
    lab.vehicle()
    lab.vehicle(OTHER)
    held, booked = lab.auto_allocate(hold_minutes=5), lab.auto_allocate(OTHER, start_date=TUESDAY)
    run_out(lab, held)

    change(lab, booked, start_date=str(MONDAY), dry_run=True)
    wanted = MaintenanceRequest.model_validate(
        {"start_date": str(MONDAY), "end_date": str(MONDAY), "reason": "belt", "dry_run": True}
    )
    planning.close_dyno(lab.over, dyno_id, wanted, displace=False, actor=POWER, key=None, terms=TERMS)

    assert lab.sql("select status from occupancies where id = :id", id=held.allocation_id) == "held"
    assert history(lab, held) == [("hold", "ann")]


def test_a_hold_that_ran_out_is_over_and_cannot_be_cancelled(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    held = lab.auto_allocate(hold_minutes=5)
    run_out(lab, held)

    with pytest.raises(AllocationClosed, match="lapsed"):
        service.cancel_allocation(lab.over, held.allocation_id or 0, actor=ANN)

    assert history(lab, held) == [("hold", "ann"), ("lapse", "system")]


def test_the_history_of_a_maintenance_window_is_not_an_allocations(lab: Lab) -> None:
    wanted = MaintenanceRequest.model_validate({"start_date": str(MONDAY), "end_date": str(MONDAY), "reason": "belt"})
    closed = planning.close_dyno(lab.over, lab.dyno("D1"), wanted, displace=False, actor=POWER, key=None, terms=TERMS)

    with pytest.raises(AllocationNotFound):
        planning.list_history(lab.over, closed.window.window_id or 0, None, 50)


def test_who_has_seen_an_older_version_is_told_so(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    booked = lab.auto_allocate()
    change(lab, booked, start_date=str(TUESDAY))

    with pytest.raises(Stale, match="at version 2, not 1"):
        change(lab, booked, start_date=str(WEDNESDAY))


def test_what_is_not_there_is_not_found(lab: Lab) -> None:
    window = lab.maintenance(lab.dyno("D1"), MONDAY)

    for allocation_id in (99, window, 2**62):
        with pytest.raises(AllocationNotFound):
            planning.change_allocation(
                lab.over, allocation_id, AllocationChange(status="completed"), version=1, actor=POWER, terms=TERMS
            )
        with pytest.raises(AllocationNotFound):
            planning.list_history(lab.over, allocation_id, None, 50)


# status


def test_a_test_begins_on_its_first_day_and_not_before(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    booked = lab.auto_allocate()

    with pytest.raises(StepNotAllowed, match=f"begins on {MONDAY}"):
        change(lab, booked, status="in_progress")
    begun = change(lab, booked, start_date=str(TODAY), status="in_progress")

    assert (begun.allocation.status, begun.allocation.start_date) == ("in_progress", TODAY)
    assert history(lab, booked) == [("book", "ann"), ("step", "pat")]


def test_a_test_that_is_over_early_frees_the_days_behind_today(lab: Lab) -> None:
    begun = underway(lab, days=5)
    lab.vehicle(OTHER)

    over = change(lab, begun, status="completed").allocation
    next_one = lab.auto_allocate(OTHER, start_date=TODAY + timedelta(days=1))

    assert (over.status, over.end_date) == ("completed", TODAY)
    assert next_one.allocation.dyno_id == begun.dyno_id


def test_a_test_that_is_over_late_ends_when_it_was_to(lab: Lab) -> None:
    begun = underway(lab, days=1)

    assert change(lab, begun, status="completed").allocation.end_date == begun.end_date


@pytest.mark.parametrize("step", ["completed", "in_progress"])
def test_no_step_is_left_out_and_none_goes_back(lab: Lab, step: str) -> None:
    lab.dyno("D1")
    lab.vehicle()
    held = lab.auto_allocate(start_date=TODAY, hold_minutes=5)

    with pytest.raises(StepNotAllowed, match="which becomes scheduled or cancelled") as refused:
        change(lab, held, status=step)
    begun = change(lab, change(lab, held, status="scheduled"), status="in_progress")
    with pytest.raises(StepNotAllowed, match="which becomes completed"):
        change(lab, begun, status="scheduled")

    assert refused.value.details["next"] == "scheduled"


def test_of_a_test_under_way_only_the_end_can_be_changed(lab: Lab) -> None:
    other = lab.dyno("Other")
    begun = underway(lab)

    for fields in ({"dyno_id": other}, {"start_date": str(TODAY)}):
        with pytest.raises(AllocationUnderWay):
            change(lab, begun, **fields)
    with pytest.raises(InvalidRequest, match="in the past"):
        change(lab, begun, end_date=str(TODAY - timedelta(days=1)))

    longer = change(lab, begun, end_date=str(TODAY + timedelta(days=9)))
    assert longer.allocation.end_date == TODAY + timedelta(days=9)


@pytest.mark.parametrize("status", ["completed", "cancelled", "lapsed"])
def test_what_is_over_is_not_changed(lab: Lab, status: str) -> None:
    columns = {"cancelled_at": TODAY} if status == "cancelled" else {}
    allocation_id = lab.occupy(lab.dyno("D1"), lab.vehicle(), MONDAY, status=status, **columns)
    closed = service.get_allocation(lab.over, allocation_id)

    with pytest.raises(AllocationClosed, match=status):
        change(lab, closed, start_date=str(TUESDAY))


# history


def test_the_history_says_what_was_before_and_after_each_change(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    booked = lab.auto_allocate()
    moved = change(lab, booked, start_date=str(TUESDAY))
    cancelled = service.cancel_allocation(lab.over, booked.allocation_id or 0, actor=ANN)

    page = planning.list_history(lab.over, booked.allocation_id or 0, None, 2)
    rest = planning.list_history(lab.over, booked.allocation_id or 0, page.next_cursor, 2)

    entries = [*page.items, *rest.items]
    shown = [each.model_dump(mode="json") for each in (booked.allocation, moved.allocation, cancelled.allocation)]
    assert [entry.action for entry in entries] == ["book", "move", "cancel"]
    assert entries[0].before is None
    seen = [Allocation.model_validate(entry.after).model_dump(mode="json") for entry in entries]
    assert seen == shown
    assert [entry.before for entry in entries[1:]] == [entry.after for entry in entries[:-1]]
