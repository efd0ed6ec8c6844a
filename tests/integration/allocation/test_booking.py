from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dyno.allocation import service
from dyno.allocation.model import AllocationRequest
from dyno.errors import (
    IdempotencyKeyReused,
    InvalidRequest,
    NoDynoAvailable,
    VehicleAlreadyAllocated,
    VehicleNotFound,
    VehicleRetired,
)
from tests.lab import ANN, BOB, FRIDAY, MONDAY, TERMS, THURSDAY, TODAY, TUESDAY, WEDNESDAY, Lab

OTHER = "9ZZ0TEST0VD000002"


def reasons(refused: NoDynoAvailable) -> dict[str, str]:
    return {each["dyno_name"]: each["reason"] for each in refused.details["rejected"]}


def test_a_free_dyno_is_booked_for_whole_days_with_both_ends_in(lab: Lab) -> None:
    dyno_id, vehicle_id = lab.dyno("D1"), lab.vehicle()

    booked = lab.auto_allocate(start_date=MONDAY, days_to_complete=3)

    assert (booked.success, booked.backup_used, booked.shift_days) == (True, False, 0)
    assert booked.allocation.model_dump(exclude={"allocation_id", "created_at"}) == {
        "dyno_id": dyno_id,
        "dyno_name": "D1",
        "vehicle_id": vehicle_id,
        "vin": "9ZZ0TEST0VD000001",
        "test_type": "brake",
        "start_date": MONDAY,
        "end_date": WEDNESDAY,
        "status": "scheduled",
        "shift_days": 0,
        "booked_by": "ann",
        "expires_at": None,
        "cancelled_at": None,
        "work": None,
        "version": 1,
    }


def test_a_vehicle_may_be_named_by_its_id(lab: Lab) -> None:
    lab.dyno("D1")
    vehicle_id = lab.vehicle()

    booked = lab.auto_allocate(vin=None, vehicle_id=vehicle_id)

    assert booked.allocation.vehicle_id == vehicle_id


def test_the_least_capable_dyno_is_chosen_and_the_name_breaks_ties_by_bytes(lab: Lab) -> None:
    lab.dyno("Wide", "brake any any", "evap any any")
    lab.dyno("b", "brake any any")
    lab.dyno("B", "brake any any")
    lab.vehicle()

    assert lab.auto_allocate().allocation.dyno_name == "B"


def test_an_earlier_day_beats_a_less_capable_dyno(lab: Lab) -> None:
    lab.dyno("Narrow", "brake AWD <10K", available_from=TUESDAY)
    lab.dyno("Wide")
    lab.vehicle()

    assert lab.auto_allocate(backup=True).allocation.dyno_name == "Wide"


@pytest.mark.parametrize(
    ("capability", "weight_lbs", "drive_type", "fits"),
    [
        ("brake AWD <10K", 10_000, "AWD", True),
        ("brake AWD <10K", 10_001, "AWD", False),
        ("brake AWD >10K", 10_001, "AWD", True),
        ("brake 2WD any", 5_000, "AWD", False),
        ("brake any any", 20_000, "2WD", True),
        ("any any any", 5_000, "AWD", True),
        ("evap any any", 5_000, "AWD", False),
    ],
)
def test_a_capability_matches_as_a_whole(
    lab: Lab, capability: str, weight_lbs: int, drive_type: str, fits: bool
) -> None:
    lab.dyno("D1", capability)
    lab.vehicle(weight_lbs=weight_lbs, drive_type=drive_type)

    if fits:
        assert lab.auto_allocate().success
    else:
        with pytest.raises(NoDynoAvailable) as refused:
            lab.auto_allocate()
        assert reasons(refused.value) == {"D1": "not_capable"}


def test_capabilities_are_tuples_not_columns(lab: Lab) -> None:
    lab.dyno("D1", "mileage 2WD >10K", "certification 2WD <10K")
    lab.vehicle(weight_lbs=12_000, drive_type="2WD")

    with pytest.raises(NoDynoAvailable):
        lab.auto_allocate(test_type="certification")


def test_a_full_day_moves_the_window_to_the_next(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicles(3)
    lab.auto_allocate(start_date=MONDAY)

    moved = lab.auto_allocate(vin=OTHER, start_date=MONDAY, backup=True, max_backup_days=3)

    assert (moved.allocation.start_date, moved.shift_days, moved.backup_used) == (TUESDAY, 1, True)


def test_a_gap_too_short_is_jumped_over(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicles(4)
    lab.auto_allocate(start_date=MONDAY)
    lab.auto_allocate(vin=OTHER, start_date=WEDNESDAY)

    moved = lab.auto_allocate(
        vin="9ZZ0TEST0VD000003", start_date=MONDAY, days_to_complete=2, backup=True, max_backup_days=7
    )

    assert moved.allocation.start_date == THURSDAY


def test_the_day_must_suit_the_dyno_and_the_vehicle(lab: Lab) -> None:
    lab.dyno("D1", "brake any any", available_from=TUESDAY)
    lab.dyno("D2", "evap any any")
    lab.vehicle()
    lab.auto_allocate(start_date=TUESDAY, days_to_complete=2, test_type="evap")

    moved = lab.auto_allocate(start_date=MONDAY, backup=True, max_backup_days=7)

    assert moved.allocation.start_date == THURSDAY


def test_no_day_beyond_the_last_backup_day_is_tried(lab: Lab) -> None:
    lab.dyno("D1", available_from=THURSDAY)
    lab.vehicle()

    with pytest.raises(NoDynoAvailable):
        lab.auto_allocate(start_date=MONDAY, backup=True, max_backup_days=2)
    assert lab.auto_allocate(start_date=MONDAY, backup=True, max_backup_days=3).shift_days == 3


def test_a_refusal_names_every_dyno_with_its_reason_and_what_is_in_the_way(lab: Lab) -> None:
    lab.dyno("A disabled", enabled=False)
    lab.dyno("B incapable", "evap any any")
    lab.dyno("C closed", available_to=MONDAY - timedelta(days=1))
    serviced = lab.dyno("D serviced")
    resting = lab.dyno("E resting", turnaround_days=2)
    booked = lab.dyno("F booked")
    held = lab.dyno("G held")
    lab.vehicle()
    vehicles = [lab.vehicle(vin) for vin in "ABC"]
    window_id = lab.maintenance(serviced, MONDAY, days=2)
    before = lab.occupy(resting, vehicles[0], MONDAY - timedelta(days=1), turnaround_days=2)
    on = lab.occupy(booked, vehicles[1], MONDAY)
    hold = lab.occupy(held, vehicles[2], MONDAY, status="held", expires_at="2999-01-01")

    with pytest.raises(NoDynoAvailable) as refused:
        lab.auto_allocate(start_date=MONDAY)

    said = {
        each.pop("dyno_name"): {key: each[key] for key in each if key != "dyno_id"}
        for each in refused.value.details["rejected"]
    }
    assert said == {
        "A disabled": {"reason": "disabled"},
        "B incapable": {"reason": "not_capable"},
        "C closed": {"reason": "outside_availability"},
        "D serviced": {"reason": "maintenance", "window_id": window_id, "free_from": str(WEDNESDAY)},
        "E resting": {"reason": "turnaround", "allocation_id": before, "free_from": str(WEDNESDAY)},
        "F booked": {"reason": "booked", "allocation_id": on, "free_from": str(TUESDAY)},
        "G held": {"reason": "held", "allocation_id": hold, "free_from": str(TUESDAY)},
    }


def test_a_maintenance_window_is_never_called_an_allocation(lab: Lab) -> None:
    dyno_id = lab.dyno("D1", turnaround_days=1)
    lab.vehicle()
    window_id = lab.maintenance(dyno_id, TUESDAY)

    with pytest.raises(NoDynoAvailable) as refused:
        lab.auto_allocate(start_date=MONDAY)

    [said] = refused.value.details["rejected"]
    assert (said["reason"], said["window_id"], "allocation_id" in said) == ("turnaround", window_id, False)


def test_the_turnaround_behind_a_window_is_kept_free_too(lab: Lab) -> None:
    lab.dyno("D1", turnaround_days=2)
    lab.vehicles(3)
    lab.auto_allocate(start_date=THURSDAY)

    with pytest.raises(NoDynoAvailable) as refused:
        lab.auto_allocate(vin=OTHER, start_date=TUESDAY)
    assert reasons(refused.value) == {"D1": "turnaround"}
    assert lab.auto_allocate(vin=OTHER, start_date=MONDAY).success


def test_a_hold_that_ran_out_takes_nothing(lab: Lab) -> None:
    dyno_id = lab.dyno("D1")
    vehicle_id = lab.vehicle()
    lab.vehicle(OTHER)
    ago = datetime.now(UTC) - timedelta(seconds=1)
    hold = lab.occupy(dyno_id, vehicle_id, MONDAY, status="held", expires_at=ago)

    lab.auto_allocate(vin=OTHER, start_date=MONDAY)

    assert lab.sql("select status from occupancies where id = :id", id=hold) == "lapsed"
    assert lab.rows("select action, actor from history where occupancy_id = :id", id=hold) == [("lapse", "system")]


def test_a_vehicle_busy_on_every_day_is_refused_with_its_bookings(lab: Lab) -> None:
    lab.dyno("D1")
    lab.dyno("D2")
    lab.vehicle()
    first = lab.auto_allocate(start_date=MONDAY, days_to_complete=2)
    second = lab.auto_allocate(start_date=WEDNESDAY, days_to_complete=3)

    with pytest.raises(VehicleAlreadyAllocated) as refused:
        lab.auto_allocate(start_date=MONDAY, backup=True, max_backup_days=3)

    assert [each["allocation_id"] for each in refused.value.details["in_the_way"]] == [
        first.allocation_id,
        second.allocation_id,
    ]


def test_a_vehicle_busy_at_first_is_told_why_dynos_refuse_on_the_first_day_it_is_free(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicles(3)
    lab.auto_allocate(start_date=MONDAY)
    lab.auto_allocate(vin=OTHER, start_date=TUESDAY, days_to_complete=9)

    with pytest.raises(NoDynoAvailable) as refused:
        lab.auto_allocate(start_date=MONDAY, backup=True, max_backup_days=4)

    assert refused.value.details["start_date"] == TUESDAY
    assert reasons(refused.value) == {"D1": "booked"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"start_date": TODAY - timedelta(days=1)}, "in the past"),
        ({"days_to_complete": 181}, "1 to 180 days"),
        ({"days_to_complete": 10_000}, "1 to 180 days"),
        ({"start_date": TODAY + timedelta(days=1825), "days_to_complete": 2}, "days ahead"),
        ({"start_date": type(TODAY).max}, "days ahead"),
    ],
)
def test_a_window_that_can_never_be_booked_is_refused(lab: Lab, fields: dict[str, Any], said: str) -> None:
    lab.dyno("D1")
    lab.vehicle()

    with pytest.raises(InvalidRequest, match=said):
        lab.auto_allocate(**fields)


def test_today_and_the_last_day_of_the_horizon_can_be_booked(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()

    assert lab.auto_allocate(start_date=TODAY).success
    assert lab.auto_allocate(start_date=TODAY + timedelta(days=1825)).success


def test_backup_days_beyond_the_horizon_are_not_tried(lab: Lab) -> None:
    last_day = TODAY + timedelta(days=1825)
    lab.dyno("D1")
    lab.vehicles(3)
    lab.auto_allocate(start_date=last_day)

    with pytest.raises(NoDynoAvailable):
        lab.auto_allocate(vin=OTHER, start_date=last_day, backup=True, max_backup_days=7)


def test_the_booking_statement_holds_the_limits_by_its_own_clock(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()

    for start, days in ((TODAY - timedelta(days=1), 1), (TODAY, 181), (TODAY, 0), (TODAY + timedelta(days=1826), 1)):
        said = lab.sql(
            "select book('ann', 'r', null, '', null, null, '9ZZ0TEST0VD000001', 'brake', :start, :days, 0, null, null,"
            " false, 'UTC', 1825, 180)",
            start=start,
            days=days,
        )
        assert said == {"outcome": "bad_window", "today": str(TODAY)}


@pytest.mark.parametrize(
    "named",
    [{"vin": vin} for vin in ("nobody", "", "'; drop table vehicles; --", "x" * 5000)]
    + [{"vin": None, "vehicle_id": number} for number in (-(2**31) - 1, -1, 0, 999, 2**31, 10**30)],
)  # fmt: skip
def test_an_unknown_vehicle_of_any_shape_is_not_found(lab: Lab, named: dict[str, Any]) -> None:
    lab.dyno("D1")
    lab.vehicle()

    with pytest.raises(VehicleNotFound):
        lab.auto_allocate(**named)
    assert lab.sql("select count(*) from vehicles") == 1


def test_a_dry_run_says_what_would_be_booked_and_books_nothing(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()

    tried = lab.auto_allocate(key="k", dry_run=True)
    booked = lab.auto_allocate(key="k")

    assert (tried.dry_run, tried.allocation.allocation_id, tried.allocation.version) == (True, None, None)
    assert (tried.allocation.dyno_id, tried.allocation.start_date) == (booked.allocation.dyno_id, MONDAY)
    assert lab.sql("select count(*) from occupancies") == 1
    assert not booked.replayed


def test_a_key_books_once_and_answers_alike(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()

    first = lab.auto_allocate(key="k")
    again = lab.auto_allocate(key="k")

    assert (first.replayed, again.replayed) == (False, True)
    assert again.allocation == first.allocation
    assert lab.sql("select count(*) from history") == 1


def test_a_key_belongs_to_one_caller_and_one_request(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicles(3)
    lab.auto_allocate(key="k")

    with pytest.raises(IdempotencyKeyReused):
        lab.auto_allocate(key="k", start_date=TUESDAY)
    assert not lab.auto_allocate(vin=OTHER, start_date=TUESDAY, key="k", actor=BOB).replayed


def test_a_retry_after_midnight_is_still_answered_by_its_key(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    now = datetime.now(UTC)
    where_it_is_still_yesterday = "Etc/GMT+12"
    start = now.astimezone(ZoneInfo(where_it_is_still_yesterday)).date()
    first = lab.auto_allocate(start_date=start, key="k", terms=replace(TERMS, time_zone=where_it_is_still_yesterday))

    again = lab.auto_allocate(start_date=start, key="k", terms=replace(TERMS, time_zone="Pacific/Kiritimati"))

    assert (again.replayed, again.allocation) == (True, first.allocation)


def test_a_refusal_is_not_kept_under_the_key(lab: Lab) -> None:
    dyno_id = lab.dyno("D1", enabled=False)
    lab.vehicle()
    with pytest.raises(NoDynoAvailable):
        lab.auto_allocate(key="k")

    lab.sql("update dynos set enabled = true where id = :id", id=dyno_id)

    assert not lab.auto_allocate(key="k").replayed


def test_a_key_is_forgotten_after_a_day(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    lab.auto_allocate(key="k")
    lab.sql("update idempotency_keys set created_at = created_at - interval '25 hours'")

    booked = lab.auto_allocate(key="k", start_date=FRIDAY)

    assert not booked.replayed


def test_a_booking_leaves_its_history(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()

    booked = lab.auto_allocate()

    [(action, actor, before, after)] = lab.rows("select action, actor, before, after from history")
    assert (action, actor, before) == ("book", "ann", None)
    assert after == booked.allocation.model_dump(mode="json") | {"created_at": after["created_at"]}


def test_a_retired_vehicle_is_not_booked_and_not_looked_for(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicle()
    lab.sql("update vehicles set retired_at = now()")

    with pytest.raises(VehicleRetired, match="9ZZ0TEST0VD000001 is retired"):
        lab.auto_allocate()
    with pytest.raises(VehicleRetired):
        lab.auto_allocate(dry_run=True)

    assert lab.sql("select count(*) from refusals") == 0


def test_a_retired_dyno_is_not_among_those_that_refuse_unless_it_was_named(lab: Lab) -> None:
    gone = lab.dyno("Gone", enabled=False, retired_at=TODAY)
    lab.dyno("Off", enabled=False)
    lab.vehicle()
    named = AllocationRequest(
        vin="9ZZ0TEST0VD000001", test_type="brake", start_date=MONDAY, days_to_complete=1, dyno_id=gone
    )

    with pytest.raises(NoDynoAvailable) as refused:
        lab.auto_allocate()
    with pytest.raises(NoDynoAvailable) as refused_by_name:
        service.allocate(lab.over, named, actor=ANN, key=None, terms=TERMS)

    assert reasons(refused.value) == {"Off": "disabled"}
    assert reasons(refused_by_name.value) == {"Gone": "disabled"}
