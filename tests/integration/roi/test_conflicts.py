"""Conflicts are counted as GET /allocations/conflicts lists them, by a query of its own."""

from datetime import date, timedelta
from random import Random

import pytest
from sqlalchemy import Engine, text

from dyno.allocation import store
from tests.lab import MONDAY, TUESDAY, Lab

EVERYTHING = 10_000


def listed(lab: Lab) -> int:
    with lab.over.connect() as connection:
        return len(store.overlaps(connection, (0, 0, 0), EVERYTHING))


def counted(roi: Engine, function: str = "conflicts") -> int:
    with roi.connect() as connection:
        count: int = connection.execute(text(f"select {function}()")).scalar_one()
    return count


@pytest.fixture
def lawless(lab: Lab) -> Lab:
    """A lab with four dynos and five vehicles whose database lets everything happen at once."""
    lab.sql("alter table occupancies drop constraint dyno_once, drop constraint vehicle_once")
    for number in range(4):
        lab.dyno(f"D{number}")
    lab.vehicles(5)
    return lab


@pytest.mark.own_database
@pytest.mark.parametrize("bookings", [4, 12, 40, 120])
def test_as_many_are_counted_as_are_listed(lawless: Lab, roi: Engine, bookings: int) -> None:
    seen = set()
    for seed in range(12):
        random = Random(seed)
        lawless.sql("delete from occupancies")
        for _ in range(bookings):
            anything(lawless, random)

        seen.add(listed(lawless))
        assert counted(roi) == listed(lawless)
    assert len(seen) > 1  # it is not one number that is compared with itself


def anything(lab: Lab, random: Random) -> None:
    day, dyno_id = MONDAY + timedelta(days=random.randrange(30)), random.randint(1, 4)
    if random.random() < 0.2:
        lab.maintenance(dyno_id, day, random.randint(1, 4))
        return
    status = random.choice(["scheduled", "scheduled", "in_progress", "completed", "held", "cancelled", "lapsed"])
    columns = {
        "end_date": day + timedelta(days=random.randrange(4)),
        "turnaround_days": random.choice([0, 0, 1, 3]),
        "status": status,
        "expires_at": random.choice(["infinity", "2020-01-01T00:00:00Z"]) if status == "held" else None,
        "cancelled_at": "2026-01-01T00:00:00Z" if status == "cancelled" else None,
    }
    lab.occupy(dyno_id, random.randint(1, 5), day, **columns)


@pytest.mark.own_database
def test_a_pair_that_shares_dyno_and_vehicle_counts_for_each(lawless: Lab, roi: Engine) -> None:
    lawless.occupy(1, 1, MONDAY)
    lawless.occupy(1, 1, MONDAY)

    assert counted(roi) == listed(lawless) == 2


@pytest.mark.own_database
def test_three_at_once_are_three_pairs(lawless: Lab, roi: Engine) -> None:
    for vehicle_id in (1, 2, 3):
        lawless.occupy(1, vehicle_id, MONDAY)

    assert counted(roi) == listed(lawless) == 3


@pytest.mark.own_database
def test_a_long_booking_is_in_the_way_of_those_behind_the_next(lawless: Lab, roi: Engine) -> None:
    lawless.occupy(1, 1, MONDAY, end_date=MONDAY + timedelta(days=9))
    lawless.occupy(1, 2, TUESDAY)
    lawless.occupy(1, 3, MONDAY + timedelta(days=8))

    assert counted(roi) == listed(lawless) == 2


@pytest.mark.own_database
@pytest.mark.parametrize(("turnaround_days", "pairs"), [(0, 0), (1, 1)])
def test_a_turnaround_is_taken_too_but_not_by_the_vehicle(
    lawless: Lab, roi: Engine, turnaround_days: int, pairs: int
) -> None:
    lawless.occupy(1, 1, MONDAY, turnaround_days=turnaround_days)
    lawless.occupy(1, 1, TUESDAY)

    assert counted(roi) == listed(lawless) == pairs


@pytest.mark.own_database
def test_one_conflict_in_a_long_past_is_found_without_comparing_everything(lawless: Lab, roi: Engine) -> None:
    lawless.sql(
        "insert into occupancies (kind, dyno_id, vehicle_id, test_type, start_date, end_date, booked_by)"
        " select 'allocation', 1 + n % 4, 1 + n % 5, 'brake', date '2000-01-01' + n, date '2000-01-01' + n, 'ann'"
        " from generate_series(1, 100000) n"
    )
    lawless.occupy(1, 1, date(2000, 1, 9))

    assert counted(roi) == 1  # by an engine that waits for 8 s at the most


def test_where_the_constraints_hold_there_is_none(lab: Lab, roi: Engine) -> None:
    lab.dyno("D1", turnaround_days=1)
    vins = lab.vehicles(6)
    for vin in vins:
        lab.auto_allocate(vin, backup=True, max_backup_days=30)
    lab.maintenance(1, MONDAY + timedelta(days=60))
    lab.occupy(1, 1, MONDAY, status="cancelled", cancelled_at="2026-01-01T00:00:00Z")

    assert counted(roi) == listed(lab) == 0


@pytest.mark.own_database
def test_what_is_counted_since_the_last_check_is_what_there_is(lawless: Lab, roi: Engine) -> None:
    seen = set()
    for seed in range(60):
        random = Random(seed)
        lawless.sql("delete from history")
        lawless.sql("delete from occupancies")
        for _ in range(random.choice([0, 2, 5, 9])):
            anything(lawless, random)
        before = counted(roi, "check_conflicts")

        for _ in range(random.randrange(4)):
            change(lawless, random)

        seen.add((before > 0, listed(lawless) > 0))
        assert counted(roi, "conflicts_now") == listed(lawless)
    assert {(False, False), (False, True), (True, True)} <= seen  # whether there were any, whether there are


def change(lab: Lab, random: Random) -> None:
    """Another booking, or one that is moved or cancelled as the service does it: with a line in the history."""
    there = [
        found for (found,) in lab.rows("select id from occupancies where kind = 'allocation' and occupies order by id")
    ]
    if not there or random.random() < 0.5:
        anything(lab, random)
        return
    changed, days = random.choice(there), random.randrange(-3, 4)
    what = random.choice(
        [
            "start_date = start_date + cast(:days as integer), end_date = end_date + cast(:days as integer)",
            "end_date = end_date + abs(cast(:days as integer))",
            "dyno_id = 1 + mod(dyno_id + abs(cast(:days as integer)), 4)",
        ]
    )
    lab.sql(f"update occupancies set {what} where id = :id", id=changed, days=days)
    lab.sql("insert into history (occupancy_id, action, actor) values (:id, 'book', 'ann')", id=changed)


@pytest.mark.own_database
def test_before_the_first_check_and_after_a_bad_one_everything_is_looked_at(lawless: Lab, roi: Engine) -> None:
    for vehicle_id in (1, 2):
        lawless.occupy(1, vehicle_id, MONDAY)

    assert counted(roi, "conflicts_now") == 1
    assert counted(roi, "check_conflicts") == 1
    lawless.sql("update occupancies set status = 'cancelled', cancelled_at = now() where vehicle_id = 2")
    assert counted(roi, "conflicts_now") == 0


@pytest.mark.own_database
@pytest.mark.parametrize("shared", ["dyno", "vehicle"])
@pytest.mark.parametrize("days_later", [-1, 1])
@pytest.mark.parametrize("is_new", [True, False])
def test_one_booking_written_or_moved_beside_another_is_found(
    lawless: Lab, roi: Engine, shared: str, days_later: int, is_new: bool
) -> None:
    other_dyno, other_vehicle = (1, 2) if shared == "dyno" else (2, 1)
    lawless.occupy(1, 1, MONDAY, end_date=TUESDAY)
    far = None if is_new else lawless.occupy(other_dyno, other_vehicle, MONDAY + timedelta(days=50))
    assert counted(roi, "check_conflicts") == counted(roi, "conflicts_now") == 0

    day = MONDAY + timedelta(days=days_later)
    if is_new:
        lawless.occupy(other_dyno, other_vehicle, day, end_date=day + timedelta(days=1))
    else:
        lawless.sql(
            "update occupancies set start_date = :day, end_date = cast(:day as date) + 1 where id = :id",
            day=day,
            id=far,
        )
        lawless.sql("insert into history (occupancy_id, action, actor) values (:id, 'book', 'ann')", id=far)

    assert counted(roi, "conflicts_now") == listed(lawless) == 1


@pytest.mark.own_database
def test_two_checks_at_the_same_moment_are_one(lab: Lab, roi: Engine) -> None:
    definition: str = lab.sql("select pg_get_functiondef('check_conflicts'::regproc)")
    with lab.owner.connect() as connection:
        connection.exec_driver_sql(definition.replace("clock_timestamp()", "timestamptz '2027-01-01'"))

    assert [counted(roi, "check_conflicts") for _ in range(2)] == [0, 0]
    assert lab.sql("select count(*) from conflict_checks") == 1
