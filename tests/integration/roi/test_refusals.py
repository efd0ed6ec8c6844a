"""What is refused for want of the lab's days leaves one refusal with its reason; nothing else leaves any."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, text

from dyno.allocation import service
from dyno.errors import (
    IdempotencyKeyReused,
    InvalidRequest,
    NoDynoAvailable,
    VehicleAlreadyAllocated,
    VehicleNotFound,
)
from tests.conftest import EngineAs
from tests.integration.roi.past import another
from tests.lab import BOB, MONDAY, TODAY, TUESDAY, Lab

HIS, HERS = "9ZZ0TEST0VD000000", "9ZZ0TEST0VD000001"


def refusals(lab: Lab) -> list[tuple[Any, ...]]:
    return lab.rows("select reason, conflicting from refusals order by id")


def booked(lab: Lab) -> None:
    lab.auto_allocate(HIS)


def held(lab: Lab) -> None:
    lab.occupy(1, 1, MONDAY, status="held", expires_at="infinity")


def turnaround(lab: Lab) -> None:
    lab.occupy(1, 1, MONDAY - timedelta(days=1), turnaround_days=1)


def maintenance(lab: Lab) -> None:
    lab.maintenance(1, MONDAY)


def outside_availability(lab: Lab) -> None:
    lab.sql("update dynos set available_from = :day", day=TUESDAY)


def disabled(lab: Lab) -> None:
    lab.sql("update dynos set enabled = false")


def not_capable(lab: Lab) -> None:
    lab.sql("update capabilities set test_type = 'evap'")


def no_dyno(lab: Lab) -> None:
    lab.sql("delete from capabilities")
    lab.sql("delete from dynos")


def disabled_and_not_capable(lab: Lab) -> None:
    disabled(lab)
    not_capable(lab)


@pytest.mark.parametrize(
    ("arranged", "reason", "conflicting"),
    [
        (booked, "booked", True),
        (held, "held", True),
        (turnaround, "turnaround", True),
        (maintenance, "maintenance", True),
        (outside_availability, "outside_availability", False),
        (disabled, "disabled", False),
        (not_capable, "not_capable", False),
        (no_dyno, "not_capable", False),
        (disabled_and_not_capable, "not_capable", False),
    ],
)
def test_a_refused_booking_leaves_one_refusal_with_its_reason(
    lab: Lab, arranged: Callable[[Lab], None], reason: str, conflicting: bool
) -> None:
    lab.dyno("D1", "brake any any")
    lab.vehicles(2)
    arranged(lab)

    with pytest.raises(NoDynoAvailable):
        lab.auto_allocate(HERS)

    assert refusals(lab) == [(reason, conflicting)]
    assert lab.sql("select count(*) from occupancies where vehicle_id = 2") == 0


def test_a_refusal_says_who_asked_for_what_when(lab: Lab) -> None:
    vehicle_id = lab.vehicle(HERS, weight_lbs=10_001, drive_type="2WD")

    with pytest.raises(NoDynoAvailable):
        lab.auto_allocate(HERS, TUESDAY, 3, actor=BOB, test_type="evap", backup=True, max_backup_days=2)

    assert lab.rows(
        "select actor, vehicle_id, test_type, drive_type, weight_class, start_date, days_to_complete from refusals"
        " where refused_at between clock_timestamp() - interval '1 minute' and clock_timestamp()"
    ) == [("bob", vehicle_id, "evap", "2WD", ">10K", TUESDAY, 3)]


def test_a_vehicle_that_is_taken_is_refused_as_a_conflict_however_it_is_named(lab: Lab) -> None:
    lab.dyno("D1")
    lab.dyno("D2")
    vehicle_id = lab.vehicle(HERS)
    lab.auto_allocate(HERS)

    for named in ({"vin": HERS}, {"vin": None, "vehicle_id": vehicle_id}):
        with pytest.raises(VehicleAlreadyAllocated):
            lab.auto_allocate(**named)

    assert refusals(lab) == [("vehicle_already_allocated", True)] * 2
    assert lab.rows("select distinct vehicle_id from refusals") == [(vehicle_id,)]


def test_what_keeps_most_of_the_capable_dynos_is_the_reason(lab: Lab) -> None:
    for number in range(2):
        lab.dyno(f"Off {number}", "brake any any", enabled=False)
    lab.dyno("Busy", "brake any any")
    for number in range(5):
        lab.dyno(f"Other {number}", "evap any any")
    lab.vehicle(HERS)
    lab.maintenance(3, MONDAY)

    with pytest.raises(NoDynoAvailable):
        lab.auto_allocate(HERS)

    assert refusals(lab) == [("disabled", True)]  # the maintenance was in the way as well


def test_of_as_many_a_booking_comes_before_what_the_lab_did_itself(lab: Lab) -> None:
    lab.dyno("Off", "brake any any", enabled=False)
    lab.dyno("Busy", "brake any any")
    lab.vehicles(2)
    lab.auto_allocate(HIS)

    with pytest.raises(NoDynoAvailable):
        lab.auto_allocate(HERS)

    assert refusals(lab) == [("booked", True)]


def test_the_reason_is_that_of_the_first_window_the_vehicle_was_free_for(lab: Lab) -> None:
    first, second = lab.dyno("D1"), lab.dyno("D2")
    hers, his = lab.vehicle(HERS), lab.vehicle(HIS)
    lab.occupy(first, hers, MONDAY)
    lab.occupy(first, his, TUESDAY)
    lab.maintenance(second, TUESDAY, days=9)
    lab.sql("update dynos set available_to = :day where id = 1", day=TUESDAY)

    with pytest.raises(NoDynoAvailable):
        lab.auto_allocate(HERS, MONDAY, backup=True, max_backup_days=3)

    assert refusals(lab) == [("booked", True)]


def test_every_attempt_leaves_one(lab: Lab) -> None:
    lab.dyno("D1", enabled=False)
    lab.vehicle(HERS)

    for _ in range(3):
        with pytest.raises(NoDynoAvailable):
            lab.auto_allocate(HERS, key="the same")

    assert refusals(lab) == [("disabled", False)] * 3


def test_a_crowd_leaves_as_many_as_were_refused(lab: Lab) -> None:
    lab.dyno("D1")
    vins = lab.vehicles(16)
    over = another(lab.over, 16)

    def attempt(vin: str) -> None:
        with suppress(NoDynoAvailable):
            lab.auto_allocate(vin, over=over)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(attempt, vins))
    over.dispose()

    assert refusals(lab) == [("booked", True)] * 15
    assert lab.sql("select count(distinct vehicle_id) from refusals") == 15


def test_dry_runs_leave_neither_a_refusal_nor_a_booking(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicles(2)
    lab.auto_allocate(HERS, TUESDAY, dry_run=True)
    lab.auto_allocate(HIS)

    for vin, error in ((HERS, NoDynoAvailable), (HIS, VehicleAlreadyAllocated)):
        with pytest.raises(error):
            lab.auto_allocate(vin, dry_run=True)

    assert (refusals(lab), lab.sql("select count(*) from occupancies")) == ([], 1)


def test_a_replay_leaves_neither(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicles(2)
    lab.auto_allocate(HERS, key="k")
    lab.sql("update dynos set enabled = false")

    assert lab.auto_allocate(HERS, key="k").allocation.allocation_id == 1
    with pytest.raises(IdempotencyKeyReused):
        lab.auto_allocate(HIS, key="k")

    assert (refusals(lab), lab.sql("select count(*) from occupancies")) == ([], 1)


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"vin": "9ZZ0TEST0VDNOBODY"}, VehicleNotFound),
        ({"vin": None, "vehicle_id": 4711}, VehicleNotFound),
        ({"start_date": TODAY - timedelta(days=2)}, InvalidRequest),
        ({"start_date": TODAY + timedelta(days=1826)}, InvalidRequest),
        ({"days_to_complete": 181}, InvalidRequest),
        ({"days_to_complete": 0}, ValidationError),
    ],
)
def test_what_is_not_found_or_can_never_succeed_leaves_neither(
    lab: Lab, wanted: dict[str, Any], error: type[Exception]
) -> None:
    lab.dyno("D1")
    lab.vehicle(HERS)

    with pytest.raises(error):
        lab.auto_allocate(**wanted)

    assert (refusals(lab), lab.sql("select count(*) from occupancies")) == ([], 0)


def test_a_booking_that_was_moved_is_no_refusal_but_a_replacement(lab: Lab) -> None:
    lab.dyno("D1")
    lab.vehicles(2)
    lab.auto_allocate(HIS)

    lab.auto_allocate(HERS, backup=True, max_backup_days=3)

    assert refusals(lab) == []
    assert lab.rows("select replaced, refused from lab_days('UTC', null, null)") == [(1, 0)]


def test_refusals_are_kept_as_long_as_calls(lab: Lab, engine_as: EngineAs) -> None:
    lab.vehicle(HERS)
    for _ in range(2):
        with pytest.raises(NoDynoAvailable):
            lab.auto_allocate(HERS)
    lab.sql("update refusals set refused_at = now() - interval '401 days' where id = 1")

    swept = service.sweep(engine_as("dyno_lifecycle"), retention_days=400, now=datetime.now(UTC))

    assert swept.refusals == 1
    assert lab.rows("select id from refusals") == [(2,)]


@pytest.mark.parametrize(
    ("arranged", "made_way"),
    [("the dyno is booked", 1), ("the dyno comes later", 0), ("another comes later", 1), ("another cannot run it", 0)],
)
def test_a_booking_made_way_only_if_days_that_could_have_been_its_own_were_taken(
    lab: Lab, roi: Engine, arranged: str, made_way: int
) -> None:
    if arranged in {"the dyno is booked", "another comes later"}:
        lab.maintenance(lab.dyno("D1"), MONDAY)
    if arranged != "the dyno is booked":
        lab.dyno("D2", available_from=TUESDAY)
    if arranged == "another cannot run it":
        lab.maintenance(lab.dyno("D3", "evap any any"), MONDAY)
    lab.vehicle(HERS)

    assert lab.auto_allocate(HERS, backup=True, max_backup_days=3).shift_days == 1

    with roi.connect() as connection:
        assert connection.execute(text("select sum(replaced) from lab_days('UTC', null, null)")).scalar() == made_way
