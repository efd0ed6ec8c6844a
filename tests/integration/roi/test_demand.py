"""Which dyno is missing: what was refused, which of it was booked later, and the days that went unmet."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from dyno.roi import service
from dyno.roi.answers import Bin, DemandReport
from dyno.roi.period import asked
from tests.integration.roi.past import Booking, Past, Refusal

MORNING, NOON = datetime(2026, 3, 2, 9, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC)


def demand(over: Engine, now: datetime = datetime(2026, 5, 1, tzinfo=UTC)) -> DemandReport:
    """Of March 2026."""
    return service.demand(over, asked(month="2026-03"), Bin.MONTH, ZoneInfo("UTC"), now=now)


def test_a_request_is_unmet_once_however_often_it_was_tried(past: Past, roi: Engine) -> None:
    past.refuse(*(Refusal(MORNING, days_to_complete=3) for _ in range(4)))
    past.refuse(Refusal(NOON, days_to_complete=2, start_date=date(2030, 2, 4)))

    said = demand(roi)

    assert (said.refused_attempts, said.refused_requests, said.unmet_requests, said.unmet_dyno_days) == (5, 2, 2, 5)


def test_what_was_booked_afterwards_is_met_unless_that_was_cancelled(past: Past, roi: Engine) -> None:
    past.refuse(Refusal(MORNING, days_to_complete=3))
    cancelled = Booking(NOON, cancelled_after=NOON - MORNING)

    past.book(cancelled)
    before = demand(roi)
    past.book(Booking(NOON))
    after = demand(roi)

    assert [(said.booked_later, said.unmet_dyno_days) for said in (before, after)] == [(0, 3), (1, 0)]


def test_a_vehicle_that_is_itself_booked_misses_no_dyno(past: Past, roi: Engine) -> None:
    past.refuse(Refusal(MORNING, "vehicle_already_allocated", days_to_complete=5))
    past.refuse(Refusal(NOON, days_to_complete=2, start_date=date(2030, 2, 4)))

    said = demand(roi)

    assert (said.refused_requests, said.unmet_requests, said.unmet_dyno_days) == (2, 2, 2)
    assert said.by_reason == {"booked": 1, "vehicle_already_allocated": 1}


def test_as_many_dynos_are_missing_as_would_have_been_busy_from_the_first_day_wanted_to_the_last(
    past: Past, roi: Engine
) -> None:
    past.refuse(*(Refusal(MORNING, days_to_complete=8, start_date=date(2030, 2, 1)) for _ in range(2)))
    alone = demand(roi)
    past.refuse(Refusal(NOON, days_to_complete=4, start_date=date(2030, 2, 3)))
    beside_another = demand(roi)
    past.refuse(Refusal(NOON, days_to_complete=3, start_date=date(2030, 2, 28)))
    and_one_much_later = demand(roi)

    said = (alone, beside_another, and_one_much_later)
    assert [(each.unmet_dyno_days, each.groups[0].missing_dynos) for each in said] == [(8, 1), (12, 1.5), (15, 0.5)]


def test_no_dyno_is_missing_where_everything_was_booked_later(past: Past, roi: Engine) -> None:
    past.refuse(Refusal(MORNING, days_to_complete=8))
    past.book(Booking(NOON))

    assert [(group.unmet_dyno_days, group.missing_dynos) for group in demand(roi).groups] == [(0, 0)]
