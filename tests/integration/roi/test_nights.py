"""What the run of the night stores, night by night; and what it stores nothing about."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from dyno.roi import service
from dyno.roi.facts import Ran
from tests.integration.roi.past import Booking, Past

UTC_LAB = ZoneInfo("UTC")
FIRST = date(2026, 3, 1)


def booked_on(day: date) -> Booking:
    return Booking(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))


def run(over: Engine, on: date, since: date | None = None, until: date | None = None) -> Ran:
    """The run of a night."""
    return service.run(
        over, UTC_LAB, now=datetime(on.year, on.month, on.day, 2, 20, tzinfo=UTC), since=since, until=until
    )


def stored(past: Past, kind: str) -> dict[date, int]:
    """How many revisions there are, by first day."""
    found = past.lab.rows(
        "select start_date, count(*) from roi_reports where kind = :kind group by 1 order by 1", kind=kind
    )
    return dict(found)


def test_a_day_is_stored_when_it_is_over_and_when_it_is_complete_however_its_month_goes_on(
    past: Past, roi: Engine
) -> None:
    for ahead in range(6):
        day = FIRST + timedelta(days=ahead)
        past.book(booked_on(day))
        run(roi, day + timedelta(days=1))

    days = [FIRST + timedelta(days=ahead) for ahead in range(6)]
    assert stored(past, "day") == dict.fromkeys(days[:5], 2) | {days[5]: 1}


def test_a_cancelled_booking_restates_its_day_and_no_other(past: Past, roi: Engine) -> None:
    past.book(booked_on(FIRST), booked_on(FIRST + timedelta(days=1)))
    run(roi, FIRST + timedelta(days=2))
    past.lab.sql("update occupancies set status = 'cancelled', cancelled_at = created_at + interval '20 hours'"
                 " where created_at >= date '2026-03-02'")  # fmt: skip

    again = run(roi, FIRST + timedelta(days=2))

    assert (again.days, again.stored_days) == (2, 1)
    assert stored(past, "day") == {FIRST: 1, FIRST + timedelta(days=1): 2}


def test_a_run_since_a_day_is_of_its_whole_month(past: Past, roi: Engine) -> None:
    past.book(booked_on(FIRST + timedelta(days=2)), booked_on(FIRST + timedelta(days=19)))

    run(roi, date(2026, 3, 25), since=date(2026, 3, 15))

    assert list(stored(past, "day")) == [FIRST + timedelta(days=ahead) for ahead in range(2, 24)]


def test_nothing_is_stored_of_the_time_before_there_was_anything(past: Past, roi: Engine) -> None:
    past.book(booked_on(FIRST + timedelta(days=2)))

    ran = run(roi, date(2026, 4, 3), since=date(1, 1, 1), until=date(2026, 3, 31))

    assert (ran.months, ran.stored_months) == (1, 1)
    assert min(stored(past, "day")) == FIRST + timedelta(days=2)
