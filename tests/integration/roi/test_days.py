"""Days: counted as one would by hand, closed or not, in whatever zone the lab lies."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from threading import Barrier
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from dyno.database import autocommit
from dyno.roi import store
from dyno.roi.period import end_of
from tests.integration.roi.past import A_MOMENT, COUNTS, DAY, Booking, Call, Past, Refusal, another

AUTUMN, SPRING = datetime(2025, 10, 20, tzinfo=UTC), datetime(2026, 2, 20, tzinfo=UTC)
LATER = datetime(2026, 6, 1, tzinfo=UTC)
# The clocks of Havana and the Azores go back to midnight, so that the hour behind it comes twice; Santiago's skip it.
ZONES = [
    ("UTC", AUTUMN),
    ("America/New_York", AUTUMN),
    ("America/New_York", SPRING),
    ("Asia/Kathmandu", SPRING),
    ("Pacific/Apia", AUTUMN),
    ("America/Havana", AUTUMN),
    ("America/Havana", SPRING),
    ("Atlantic/Azores", AUTUMN),
    ("America/Santiago", datetime(2025, 8, 25, tzinfo=UTC)),
]


def days(
    over: Engine, zone: ZoneInfo, first: date | None = None, last: date | None = None
) -> dict[date, dict[str, Any]]:
    """What lab_days() says, each day once."""
    asked = {"zone": zone.key, "first": first, "last": last}
    with over.connect() as connection:
        rows = connection.execute(text("select * from lab_days(:zone, :first, :last)"), asked).mappings().all()
    assert len({row["day"] for row in rows}) == len(rows)
    return {row["day"]: {name: row[name] for name in COUNTS} for row in rows}


def close(over: Engine, zone: ZoneInfo, now: datetime) -> int:
    with autocommit(over) as connection:
        return store.close_days(connection, zone.key, now)


@pytest.mark.parametrize(
    ("zone", "first"), ZONES, ids=lambda value: f"{value:%b}" if isinstance(value, datetime) else value
)
@pytest.mark.parametrize("seed", range(3))
def test_days_come_to_what_a_recount_says_open_closed_and_half_closed(
    past: Past, roi: Engine, zone: str, first: datetime, seed: int
) -> None:
    random, lab_zone = Random(seed), ZoneInfo(zone)
    moments = sorted(first + timedelta(seconds=random.randrange(44 * 86_400)) for _ in range(3))

    past.live(first, 40, lab_zone, random)
    there = past.days(lab_zone)
    assert days(roi, lab_zone) == there
    for now in [*moments, LATER]:
        close(roi, lab_zone, now)
        assert days(roi, lab_zone) == there

    for _ in range(20):
        start = (first + timedelta(days=random.randrange(42))).date()
        end = start + timedelta(days=random.choice([0, 0, 1, 5, 30]))
        assert days(roi, lab_zone, start, end) == {day: counts for day, counts in there.items() if start <= day <= end}
        assert days(roi, lab_zone, start) == {day: counts for day, counts in there.items() if start <= day}
        assert days(roi, lab_zone, None, end) == {day: counts for day, counts in there.items() if day <= end}
    past.lab.sql("delete from allocation_days where day > :day", day=start)
    assert days(roi, lab_zone, start, end) == {day: counts for day, counts in there.items() if start <= day <= end}


@pytest.mark.parametrize(
    ("zone", "day"), [("America/Havana", date(2025, 11, 2)), ("Atlantic/Azores", date(2025, 10, 26))]
)
def test_an_hour_behind_midnight_that_comes_twice_is_all_of_its_day(
    past: Past, roi: Engine, zone: str, day: date
) -> None:
    lab_zone = ZoneInfo(zone)
    past.book(*(Booking(datetime.combine(day, time(0, 30), lab_zone).replace(fold=fold)) for fold in range(2)))

    before = days(roi, lab_zone, day - timedelta(days=1), day - timedelta(days=1))
    close(roi, lab_zone, end_of(day, lab_zone) + timedelta(hours=1))

    assert (before, past.lab.rows("select day from allocation_days")) == ({}, [])
    assert days(roi, lab_zone, day, day)[day]["kept"] == 2


@pytest.mark.parametrize("zone", ["America/New_York", "America/Havana", "Asia/Kathmandu"])
def test_what_happens_while_days_are_being_closed_is_counted_once(past: Past, roi: Engine, zone: str) -> None:
    lab_zone, random = ZoneInfo(zone), Random(7)

    for week in range(6):
        past.live(AUTUMN + timedelta(days=7 * week), 7, lab_zone, random, size=30)
        close(roi, lab_zone, AUTUMN + timedelta(days=7 * week + 4))

    assert days(roi, lab_zone) == past.days(lab_zone)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "America/Havana", "Asia/Kathmandu", "Pacific/Apia"])
@pytest.mark.parametrize("day", [date(2025, 10, 31), date(2025, 11, 1), date(2025, 11, 2), date(2026, 3, 8)])
def test_a_day_is_closed_24_hours_after_its_end_and_not_a_moment_sooner(
    past: Past, roi: Engine, zone: str, day: date
) -> None:
    lab_zone = ZoneInfo(zone)
    end = end_of(day, lab_zone).astimezone(UTC)
    past.book(Booking(end - A_MOMENT))

    sooner = close(roi, lab_zone, end + DAY - A_MOMENT)
    then = close(roi, lab_zone, end + DAY)

    assert (sooner, then) == (0, 1)
    assert past.lab.rows("select day, kept from allocation_days") == [(day, 1)]


def test_no_day_is_closed_before_its_time_whatever_it_is_told(past: Past, roi: Engine) -> None:
    past.book(Booking(datetime.now(UTC) - timedelta(hours=20)))

    assert close(roi, ZoneInfo("UTC"), datetime.now(UTC) + timedelta(days=365)) == 0


def test_a_day_that_is_closed_is_not_counted_again(past: Past, roi: Engine) -> None:
    past.book(Booking(AUTUMN), Booking(AUTUMN + DAY))
    close(roi, ZoneInfo("UTC"), AUTUMN + 2 * DAY)

    past.lab.sql("update occupancies set status = 'lapsed'")

    assert [counts["kept"] for counts in days(roi, ZoneInfo("UTC")).values()] == [1, 0]


def test_closing_twice_changes_nothing(past: Past, roi: Engine) -> None:
    past.book(Booking(AUTUMN), Booking(AUTUMN + 2 * DAY))
    past.refuse(Refusal(AUTUMN + DAY))

    closed = [close(roi, ZoneInfo("UTC"), LATER) for _ in range(2)]

    assert closed == [3, 0]


@pytest.mark.parametrize("round_", range(5))
def test_of_some_that_close_at_once_one_does(past: Past, roi: Engine, round_: int) -> None:
    past.live(AUTUMN, 40, ZoneInfo("UTC"), Random(round_))
    there, ready = past.days(ZoneInfo("UTC")), Barrier(4)
    over = another(roi, 4)

    def one(_number: int) -> int:
        with over.connect() as connection:
            connection.execute(text("select 1"))
        ready.wait()
        return close(over, ZoneInfo("UTC"), LATER)

    with ThreadPoolExecutor(4) as pool:
        closed = sum(pool.map(one, range(4)))
    over.dispose()

    assert closed == len(there)
    assert days(roi, ZoneInfo("UTC")) == there


def test_each_zone_has_days_of_its_own(past: Past, roi: Engine) -> None:
    past.book(Booking(datetime(2025, 11, 1, 3, tzinfo=UTC)))

    for zone in ("UTC", "America/New_York"):
        close(roi, ZoneInfo(zone), LATER)

    assert past.lab.rows("select time_zone, day from allocation_days order by 1") == [
        ("America/New_York", date(2025, 10, 31)),
        ("UTC", date(2025, 11, 1)),
    ]


def test_the_recount_sees_a_booking_that_was_left_out(past: Past, roi: Engine) -> None:
    past.live(AUTUMN, 40, ZoneInfo("UTC"), Random(1))

    past.lab.sql(
        "update occupancies set status = 'lapsed' where id ="
        " (select min(id) from occupancies where kind = 'allocation' and status = 'scheduled')"
    )

    assert days(roi, ZoneInfo("UTC")) != past.days(ZoneInfo("UTC"))


def test_calls_that_made_no_booking_are_no_calls_that_did(past: Past, roi: Engine) -> None:
    past.call(
        Call(AUTUMN, 12.5),
        Call(AUTUMN, 1, {"allocation_id": 1, "replayed": True}),
        Call(AUTUMN, 2, {"dry_run": True}),
    )

    (counts,) = days(roi, ZoneInfo("UTC")).values()

    assert (counts["placed_calls"], counts["placed_ms"]) == (1, 12.5)
