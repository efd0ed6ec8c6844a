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


def counted(roi: Engine) -> int:
    with roi.connect() as connection:
        count: int = connection.execute(text("select conflicts()")).scalar_one()
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
