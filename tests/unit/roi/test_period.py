from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyno.roi.assumed import Assumptions, AssumptionsRow
from dyno.roi.facts import PeriodKind, Span
from dyno.roi.model import Range
from dyno.roi.period import asked, month_of, segments, span

ASSUMED = Assumptions(
    minutes_saved_per_allocation=Range.exactly(4),
    hourly_rate_usd=Range.exactly(50),
    attribution_ratio=Decimal(1),
    other_savings_usd_per_month=Decimal(0),
    development_cost_usd=Decimal(0),
    running_cost_usd_per_month=Decimal(0),
    engineers=Decimal(0),
    hours_per_engineer_week=Decimal(0),
    weeks_per_year=Decimal(52),
    adoption_ratio=Decimal(1),
)
DAYS = st.dates(date(2024, 1, 1), date(2028, 12, 31))


def row(number: int, valid_from: date) -> AssumptionsRow:
    return AssumptionsRow(
        assumptions_id=number,
        valid_from=valid_from,
        recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        recorded_by="ada",
        reason="because",
        superseded=False,
        assumptions=ASSUMED,
    )


def rows(*days: date) -> list[AssumptionsRow]:
    return [row(number, day) for number, day in enumerate([date(1, 1, 1), *sorted(set(days))])]


@given(DAYS, DAYS, st.lists(DAYS, max_size=4))
def test_segments_are_every_day_once_within_one_month_and_under_the_row_in_force(
    one: date, other: date, changes: list[date]
) -> None:
    first, last = sorted((one, other))
    period = Span(kind=PeriodKind.RANGE, start_date=first, end_date=last, complete=True)

    found = list(segments(period, rows(*changes), last))

    days = [
        (segment.start_date + timedelta(days=ahead), segment)
        for segment in found
        for ahead in range((segment.end_date - segment.start_date).days + 1)
    ]
    assert [day for day, _ in days] == [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]
    assert all(segment.start_date.replace(day=1) == day.replace(day=1) for day, segment in days)
    for day, segment in days:
        assert segment.row.valid_from == max(each.valid_from for each in rows(*changes) if each.valid_from <= day)


@given(DAYS, st.lists(DAYS, max_size=6))
def test_the_shares_of_a_month_add_up_to_it_however_it_is_divided(day: date, changes: list[date]) -> None:
    whole = span(month_of(day), None, ZoneInfo("UTC"), datetime(2030, 1, 1, tzinfo=UTC))

    found = segments(whole, rows(*changes), date.max)

    assert sum(segment.months for segment in found) == 1


def test_days_that_have_not_come_have_no_share_yet() -> None:
    november = Span(kind=PeriodKind.MONTH, start_date=date(2026, 11, 1), end_date=date(2026, 11, 30), complete=False)

    [segment] = segments(november, rows(), today=date(2026, 11, 15))

    assert (segment.end_date, segment.months) == (date(2026, 11, 15), Decimal("0.5"))
    assert list(segments(november, rows(), today=date(2026, 10, 31))) == []


@pytest.mark.parametrize(
    ("zone", "moment", "complete"),
    [
        ("UTC", "2026-12-01T23:59:59+00:00", False),
        ("UTC", "2026-12-02T00:00:00+00:00", True),
        ("America/New_York", "2026-12-02T04:59:59+00:00", False),
        ("America/New_York", "2026-12-02T05:00:00+00:00", True),
    ],
)
def test_a_period_is_complete_a_day_after_its_end_in_the_lab(zone: str, moment: str, complete: bool) -> None:
    said = span(asked(month="2026-11"), None, ZoneInfo(zone), datetime.fromisoformat(moment))

    assert said.complete is complete


def test_everything_begins_with_the_first_day_and_ends_today() -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)

    said = span(asked(), date(2026, 3, 1), ZoneInfo("Asia/Kathmandu"), late)

    assert (said.start_date, said.end_date) == (date(2026, 3, 1), date(2026, 12, 1))
    empty = span(asked(), None, ZoneInfo("UTC"), late)
    assert (empty.start_date, empty.end_date) == (None, None)


def test_a_period_from_a_day_that_has_not_come_ends_no_sooner_than_it_begins() -> None:
    tomorrow = date(2026, 11, 25)

    found = span(asked(start=tomorrow), None, ZoneInfo("UTC"), datetime(2026, 11, 24, 9, tzinfo=UTC))

    assert (found.start_date, found.end_date, found.complete) == (tomorrow, tomorrow, False)
