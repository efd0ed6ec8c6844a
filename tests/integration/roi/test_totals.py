"""Months add up, both reports agree, the exposition says what they say, and nothing at all is a report, too."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine

from dyno.errors import InvalidRequest, NoDynoAvailable, VehicleNotFound
from dyno.roi import service, store
from dyno.roi.answers import Bin, BusinessReport, RoiReport
from dyno.roi.period import asked
from tests.integration.roi.past import Booking, Past
from tests.integration.roi.reports import UTC_LAB, assume, reports
from tests.lab import MONDAY, Lab

ZONES = ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "America/Havana"]
FIRST = datetime(2025, 10, 12, tzinfo=UTC)
MONEY = ("cost_savings_usd", "other_savings_usd", "benefit_usd", "running_cost_usd")
MONTHS = ("2025-10", "2025-11", "2025-12", "2026-01")


def lived(past: Past, roi: Engine, zone: ZoneInfo, seed: int, days: int = 100) -> datetime:
    """Some days with changing assumptions, some of them closed; the moment they are looked at."""
    random = Random(seed)
    past.live(FIRST, days, zone, random, size=4 * days)
    for _ in range(6):
        low, mid, high = sorted(Decimal(random.randrange(1, 9_000_000)) / 1_000_000 for _ in range(3))
        assume(
            roi,
            date(2025, 9, 20) + timedelta(days=random.randrange(days + 30)),
            minutes_saved_per_allocation={"low": low, "mid": mid, "high": high},
            hourly_rate_usd={"low": 40, "mid": Decimal(random.randrange(4_000, 9_000)) / 100, "high": 100},
            attribution_ratio=Decimal(random.randrange(1_000_000)) / 1_000_000,
            other_savings_usd_per_month=Decimal(random.randrange(100_000)) / 100,
            running_cost_usd_per_month=Decimal(random.randrange(100_000)) / 100,
        )
    with roi.connect() as connection:
        store.close_days(connection, zone.key, FIRST + timedelta(days=random.randrange(days)))
    return FIRST + timedelta(days=days + 1, seconds=random.randrange(8 * 86_400))


def money(report: RoiReport) -> tuple[Any, ...]:
    ends = (report, report.interval.low, report.interval.high)
    return tuple(getattr(end, name) for end in ends for name in MONEY)


def added(months: list[RoiReport]) -> tuple[Any, ...]:
    return tuple(map(sum, zip(*map(money, months), strict=True)))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("seed", range(3))
def test_months_add_up_to_the_cent(past: Past, roi: Engine, zone: str, seed: int) -> None:
    lab_zone = ZoneInfo(zone)
    now = lived(past, roi, lab_zone, seed)

    months = [reports(roi, now, lab_zone, month=month) for month in MONTHS]

    for period in ({}, {"start": date(2025, 10, 1), "end": date(2026, 1, 31)}, {"start": date(2025, 10, 1)}):
        said, business = reports(roi, now, lab_zone, **period)
        assert money(said) == added([each for each, _ in months])
        assert said.allocations == sum(each.allocations for each, _ in months)
        for count in ("refused_attempts", "conflicts_replaced", "cancelled_within_24h", "allocation_calls"):
            assert getattr(business, count) == sum(getattr(each, count) for _, each in months)
    two, _ = reports(roi, now, lab_zone, start=date(2025, 11, 1), end=date(2025, 12, 31))
    assert money(two) == added([each for each, _ in months[1:3]])


@pytest.mark.parametrize("zone", ZONES)
def test_both_reports_say_the_same_and_what_a_recount_says(past: Past, roi: Engine, zone: str) -> None:
    lab_zone = ZoneInfo(zone)
    now = lived(past, roi, lab_zone, seed=9)
    days = past.days(lab_zone)

    for period in ({}, {"month": "2025-11"}, {"start": date(2025, 11, 2), "end": date(2025, 12, 24)}):
        said, business = reports(roi, now, lab_zone, **period)

        wanted = asked(**period)
        there = [
            counts for day, counts in days.items() if (wanted.start_date or day) <= day <= (wanted.end_date or day)
        ]
        assert said.allocations == business.total_successful_allocations == sum(day["kept"] for day in there)
        assert business.cancelled_within_24h == sum(day["cancelled_early"] for day in there)
        assert business.refused_attempts == sum(day["refused"] for day in there)
        assert business.conflicts_eliminated == sum(day["refused_conflicts"] + day["replaced"] for day in there)
        assert business.allocation_time_ms_sum == sum(day["placed_ms"] for day in there)
        assert (
            business.cost_savings_usd == said.cost_savings_usd == sum(line.cost_savings_usd.mid for line in said.lines)
        )
        assert business.estimated_time_saved_hours == said.time_saved_hours
        assert business.net_time_saved_hours == said.net_time_saved_hours
        assert business.period == said.period
        assert said.period
        assert said.period.start_date
        assert said.period.start_date <= min(day for day in days if (wanted.start_date or day) <= day)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("seed", range(5))
def test_the_exposition_says_of_the_month_what_the_reports_do(past: Past, roi: Engine, zone: str, seed: int) -> None:
    lab_zone = ZoneInfo(zone)
    now = lived(past, roi, lab_zone, seed, days=25 + 13 * seed)

    said, business = reports(roi, now, lab_zone, month=f"{now.astimezone(lab_zone):%Y-%m}")
    users, kept, hours, usd = exposed(past.lab, lab_zone, now)

    assert (users, kept, usd) == (business.active_users, said.allocations, said.cost_savings_usd)
    assert abs(hours - said.time_saved_hours) <= Decimal("0.00005")


def test_the_exposition_rounds_half_a_cent_up_and_nothing_less(past: Past, roi: Engine) -> None:
    now = datetime(2025, 10, 20, tzinfo=UTC)
    past.book(Booking(now - timedelta(hours=1)))
    for minutes, rate in (("0.3", "1"), ("0.299999", "1"), ("0.3", "0.999999"), ("0.899999", "0.333333")):
        assume(
            roi,
            date(2025, 10, 1),
            minutes_saved_per_allocation={"low": 0, "mid": Decimal(minutes), "high": 1},
            hourly_rate_usd={"low": 0, "mid": Decimal(rate), "high": 1},
        )
        said, _ = reports(roi, now, month="2025-10")
        assert exposed(past.lab, UTC_LAB, now)[3] == said.cost_savings_usd


def exposed(lab: Lab, zone: ZoneInfo, now: datetime) -> tuple[Any, ...]:
    return lab.rows("select * from lab_month(:zone, :now)", zone=zone.key, now=now)[0]


def blank(said: RoiReport, business: BusinessReport) -> None:
    """Nothing saved, nothing undefined called a number."""
    assert [said.allocations, said.time_saved_hours, said.cost_savings_usd, said.benefit_usd] == [0] * 4
    assert (said.payback_months, business.avg_allocation_time_ms, business.user_adoption_rate) == (None, None, None)
    assert [business.total_successful_allocations, business.monthly_cost_savings] == [0] * 2
    assert (business.conflicts_total, business.conflict_elimination_rate) == (0, None)


PERIODS: list[dict[str, Any]] = [
    {},
    {"month": "2025-11"},
    {"month": "2026-01"},
    {"month": "9998-12"},
    {"month": "1970-01"},
    {"start": date(1970, 1, 1), "end": date(1970, 1, 2)},
    {"start": date(2025, 1, 1)},
    {"start": date(2030, 1, 1)},
    {"start": date(2030, 1, 1), "end": date(9998, 12, 31)},
]


@pytest.mark.parametrize("period", PERIODS, ids=str)
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Apia", "America/New_York"])
def test_a_lab_in_which_nothing_happened_has_reports(lab: Lab, roi: Engine, period: dict[str, Any], zone: str) -> None:
    now, lab_zone = datetime(2026, 1, 10, tzinfo=UTC), ZoneInfo(zone)

    said, business = reports(roi, now, lab_zone, **period)
    demand = service.demand(roi, asked(**period), Bin.WEEK, lab_zone, now=now)

    blank(said, business)
    assert said.assumptions
    assert demand.refused_attempts == demand.unmet_dyno_days == 0
    if said.period and said.period.start_date and said.period.end_date:
        assert said.period.start_date <= said.period.end_date
    assert "<html" in service.page(roi, asked(**period), lab_zone, now=now)


def test_attempts_that_failed_for_other_reasons_than_taken_days_save_nothing_and_eliminate_nothing(
    lab: Lab, roi: Engine
) -> None:
    lab.dyno("D1", "evap any any")
    lab.vehicle()
    for wanted, error in (
        ({"vin": "9ZZ0TEST0VDNOBODY"}, VehicleNotFound),
        ({}, NoDynoAvailable),
        ({"start_date": MONDAY - timedelta(days=60)}, InvalidRequest),
        ({"days_to_complete": 500}, InvalidRequest),
    ):
        with pytest.raises(error):
            lab.auto_allocate(**wanted)
    now = datetime.now(UTC)

    for period in ({}, {"month": f"{now:%Y-%m}"}, {"start": now.date()}):
        said, business = reports(roi, now, **period)

        blank(said, business)
        assert (business.refused_attempts, business.conflicts_refused) == (1, 0)
    service.run(roi, UTC_LAB, now=now)
    service.measure(roi, UTC_LAB, now=now)


def test_days_before_the_first_and_behind_the_last_add_nothing(past: Past, roi: Engine) -> None:
    past.book(Booking(FIRST))
    now = FIRST + timedelta(days=40)

    said, _ = reports(roi, now, start=date(2024, 12, 1), end=date(2026, 12, 31))
    ahead, _ = reports(roi, now, month="2026-03")

    assert said.cost_savings_usd == reports(roi, now)[0].cost_savings_usd > 0
    assert (said.lines[0].start_date, said.lines[-1].end_date) == (date(2024, 12, 1), now.date())
    assert (ahead.lines, ahead.monthly_benefit_usd) == ([], None)
    assert ahead.months == 0
