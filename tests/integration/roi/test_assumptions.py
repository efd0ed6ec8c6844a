"""Assumptions are rows that are added, never changed; each day is reckoned by the one in force on it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Barrier
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from dyno.roi import service
from dyno.roi.assumed import AssumptionsRow
from tests.integration.roi.past import Booking, Past, another
from tests.integration.roi.reports import UTC_LAB, assume, minutes, reports
from tests.lab import Lab

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
TODAY = NOW.date()


def history(roi: Engine) -> list[AssumptionsRow]:
    return service.assumptions(roi, UTC_LAB, now=NOW).items


def superseded(roi: Engine) -> dict[int, bool]:
    return {row.assumptions_id: row.superseded for row in history(roi)}


def test_what_came_with_the_service_is_in_force_from_the_beginning(lab: Lab, roi: Engine) -> None:
    said = service.assumptions(roi, UTC_LAB, now=NOW)

    assert (said.current.assumptions_id, said.current.valid_from) == (0, date(1, 1, 1))
    assert said.current.assumptions.minutes_saved_per_allocation.mid == 4
    assert said.items == [said.current]


def test_a_change_is_a_new_row_and_the_old_one_stays_as_it_was(lab: Lab, roi: Engine) -> None:
    (old,) = history(roi)

    row, is_new = assume(roi, date(2026, 1, 1), reason="asked the planners", **minutes(6))

    assert (is_new, row.recorded_by, row.reason, row.superseded) == (True, "ada", "asked the planners", False)
    assert row.assumptions.minutes_saved_per_allocation.mid == 6
    assert history(roi) == [row, old]


def test_of_rows_for_the_same_day_the_last_counts(lab: Lab, roi: Engine) -> None:
    for mid in (5, 6, 7):
        assume(roi, date(2026, 1, 1), **minutes(mid))
    assume(roi, date(2026, 2, 1), **minutes(8))

    assert superseded(roi) == {0: False, 1: True, 2: True, 3: False, 4: False}
    assert service.assumptions(roi, UTC_LAB, now=NOW).current.assumptions_id == 4


def test_saying_the_same_again_adds_nothing(lab: Lab, roi: Engine) -> None:
    first = assume(roi, date(2026, 1, 1), **minutes(5))
    again = assume(roi, date(2026, 1, 1), actor="somebody else", **minutes(Decimal("5.00")))

    assert (first[1], again) == (True, (first[0], False))
    assert len(history(roi)) == 2


def test_the_same_for_another_reason_or_another_day_or_after_something_else_is_a_row(lab: Lab, roi: Engine) -> None:
    changes = [
        assume(roi, date(2026, 1, 1), **minutes(5)),
        assume(roi, date(2026, 1, 1), reason="another", **minutes(5)),
        assume(roi, date(2026, 1, 2), reason="another", **minutes(5)),
        assume(roi, date(2026, 1, 1), **minutes(5)),
    ]

    assert [(row.assumptions_id, is_new) for row, is_new in changes] == [(1, True), (2, True), (3, True), (4, True)]


@pytest.mark.parametrize("same", [True, False])
def test_of_many_at_once_one_is_in_force_and_each_is_kept_once(lab: Lab, roi: Engine, same: bool) -> None:
    over, ready = another(roi, 8), Barrier(8)

    def one(number: int) -> bool:
        with over.connect() as connection:
            connection.execute(text("select 1"))
        ready.wait()
        return assume(over, date(2026, 1, 1), **minutes(5 if same else number))[1]

    with ThreadPoolExecutor(8) as pool:
        new = sum(pool.map(one, range(8)))
    over.dispose()

    rows = superseded(roi)
    assert new == (1 if same else 8)
    assert rows == {0: False} | {number: number < new for number in range(1, new + 1)}


def test_a_change_for_days_that_have_passed_restates_them(past: Past, roi: Engine) -> None:
    past.book(*(Booking(datetime(2026, 1, 10, tzinfo=UTC)) for _ in range(15)))
    before, _ = reports(roi, NOW, month="2026-01")

    assume(roi, date(2026, 1, 1), **minutes(8))
    after, _ = reports(roi, NOW, month="2026-01")

    assert (before.cost_savings_usd, after.cost_savings_usd) == (Decimal(50), Decimal(100))
    assert [row.assumptions_id for row in after.assumptions] == [1]


def test_a_change_within_a_month_divides_its_line(past: Past, roi: Engine) -> None:
    past.book(*(Booking(datetime(2026, 1, day, 23, tzinfo=UTC)) for day in (1, 9, 9, 10, 10, 10, 31)))
    assume(
        roi, date(2026, 1, 10), other_savings_usd_per_month=31, running_cost_usd_per_month=62, **minutes(Decimal("7.5"))
    )

    said, _ = reports(roi, NOW, month="2026-01")

    assert [
        (line.start_date, line.end_date, line.assumptions_id, line.allocations, line.cost_savings_usd.mid)
        for line in said.lines
    ] == [
        (date(2026, 1, 1), date(2026, 1, 9), 0, 3, Decimal("10.00")),
        (date(2026, 1, 10), date(2026, 1, 31), 1, 4, Decimal("25.00")),
    ]
    assert sum(line.months or 0 for line in said.lines) == said.months == 1
    assert (said.other_savings_usd, said.running_cost_usd) == (Decimal(22), Decimal(44))


def test_what_is_assumed_from_a_day_ahead_touches_nothing_until_then(past: Past, roi: Engine) -> None:
    past.book(Booking(NOW - timedelta(days=2)))
    before = reports(roi, NOW, month="2026-03")

    assume(roi, TODAY + timedelta(days=1), **minutes(60))

    assert reports(roi, NOW, month="2026-03") == before
    assert service.assumptions(roi, UTC_LAB, now=NOW).current.assumptions_id == 0
    assert service.assumptions(roi, UTC_LAB, now=NOW + timedelta(days=1)).current.assumptions_id == 1


def test_what_is_assumed_today_is_that_of_the_labs_day(lab: Lab, roi: Engine) -> None:
    assume(roi, date(2026, 3, 20), **minutes(5))
    late = datetime(2026, 3, 20, 2, tzinfo=UTC)

    current = {
        zone: service.assumptions(roi, ZoneInfo(zone), now=late).current.assumptions_id
        for zone in ("UTC", "America/New_York")
    }

    assert current == {"UTC": 1, "America/New_York": 0}
