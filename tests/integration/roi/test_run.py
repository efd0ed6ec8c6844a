"""The nightly run stores each report once, restates what changed and nothing else, and makes up for a lost night."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from threading import Barrier
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from dyno.errors import DatabaseUnavailable, ReportNotFound
from dyno.roi import service, store
from dyno.roi.facts import PeriodKind, Ran
from dyno.roi.period import asked
from tests.integration.roi.past import DAY, Booking, Past, Refusal, another
from tests.integration.roi.reports import UTC_LAB, assume, minutes, reports
from tests.lab import Lab

NIGHT = datetime(2025, 11, 20, 2, 20, tzinfo=UTC)
NOVEMBER = date(2025, 11, 1)


def run(roi: Engine, now: datetime = NIGHT, zone: ZoneInfo = UTC_LAB, **days: date) -> Ran:
    return service.run(roi, zone, now=now, **days)


def stored(lab: Lab, kind: str = "month") -> list[tuple[Any, ...]]:
    """Which months or days have how many revisions."""
    return lab.rows(
        "select start_date, max(revision) from roi_reports where kind = :kind"
        " group by 1 having count(*) = max(revision) order by 1",
        kind=kind,
    )


def november(past: Past, count: int = 20) -> None:
    """A booking a day, and a refusal; the last one a moment ago."""
    past.book(*(Booking(NIGHT - timedelta(hours=1) - n * DAY) for n in range(count)))
    past.refuse(*(Refusal(NIGHT - timedelta(hours=1) - n * DAY) for n in range(0, count, 4)))


def test_a_run_stores_each_month_and_each_day_that_has_ended(past: Past, roi: Engine) -> None:
    past.book(Booking(datetime(2025, 10, 30, 12, tzinfo=UTC)))
    november(past)

    ran = run(roi)

    assert ran == Ran(closed_days=19, months=2, stored_months=2, days=21, stored_days=21)
    assert stored(past.lab) == [(date(2025, 10, 1), 1), (NOVEMBER, 1)]
    assert stored(past.lab, "day") == [(date(2025, 10, 30) + n * DAY, 1) for n in range(21)]


def test_a_run_of_an_empty_lab_stores_its_month(lab: Lab, roi: Engine) -> None:
    assert run(roi) == Ran(closed_days=0, months=1, stored_months=1, days=0, stored_days=0)
    assert stored(lab) == [(NOVEMBER, 1)]


def test_a_second_run_stores_nothing(past: Past, roi: Engine) -> None:
    november(past)
    run(roi)

    assert run(roi, NIGHT + timedelta(hours=1)) == Ran(closed_days=0, months=1, stored_months=0, days=0, stored_days=0)
    assert stored(past.lab) == [(NOVEMBER, 1)]


@pytest.mark.parametrize("round_", range(4))
def test_runs_at_once_store_each_report_once(past: Past, roi: Engine, round_: int) -> None:
    past.live(datetime(2025, 10, 20, tzinfo=UTC), 25, UTC_LAB, Random(round_), size=60)
    over, ready = another(roi, 3), Barrier(3)

    def one(number: int) -> Ran:
        with over.connect() as connection:
            connection.execute(text("select 1"))
        ready.wait()
        return run(over, NIGHT + timedelta(minutes=number))

    with ThreadPoolExecutor(3) as pool:
        ran = list(pool.map(one, range(3)))
    over.dispose()

    assert {revisions for kind in ("month", "day") for _, revisions in stored(past.lab, kind)} == {1}
    assert sum(each.stored_days for each in ran) == len(stored(past.lab, "day"))
    assert sum(each.stored_months for each in ran) == len(stored(past.lab)) == 2
    assert sum(each.closed_days for each in ran) == past.lab.sql("select count(*) from allocation_days")


def test_cancelling_half_of_the_bookings_restates_their_month_once(past: Past, roi: Engine) -> None:
    past.book(*(Booking(NIGHT - timedelta(hours=1)) for _ in range(30)))
    run(roi)
    before, _ = reports(roi, NIGHT, month="2025-11")

    past.lab.sql(
        "update occupancies set status = 'cancelled', cancelled_at = :at where mod(id, 2) = 0",
        at=NIGHT + timedelta(minutes=1),
    )
    later = NIGHT + timedelta(hours=2)
    unsaid, _ = reports(roi, later, month="2025-11")
    ran = [run(roi, later), run(roi, later)]
    after, business = reports(roi, later, month="2025-11")

    assert (before.revision, before.stored, before.allocations, before.cost_savings_usd) == (1, True, 30, Decimal(100))
    assert (unsaid.revision, unsaid.stored) == (2, False)
    assert (after.revision, after.stored, after.allocations, after.cost_savings_usd) == (2, True, 15, Decimal(50))
    assert (business.cancelled_within_24h, business.provisional_allocations) == (15, 15)
    assert [each.stored_months for each in ran] == [1, 0]
    assert [(each.revision, each.total_successful_allocations, each.cost_savings_usd) for each in after.revisions] == [
        (1, 30, Decimal(100)),
        (2, 15, Decimal(50)),
    ]


def test_an_old_revision_reads_as_it_was(past: Past, roi: Engine) -> None:
    november(past)
    assume(roi, date(2025, 11, 7), **minutes(Decimal("3.7")))
    run(roi)
    said, business = reports(roi, NIGHT, month="2025-11")
    past.lab.sql("update occupancies set status = 'cancelled', cancelled_at = created_at")
    assume(roi, NOVEMBER, **minutes(60))
    run(roi, NIGHT + DAY)

    old, old_business = reports(roi, NIGHT + 30 * DAY, month="2025-11", revision=1)

    as_it_was = {"revisions"}  # what was stored by then, itself not yet among it
    assert old.model_dump(mode="json", exclude=as_it_was) == said.model_dump(mode="json", exclude=as_it_was)
    assert old_business.model_dump(mode="json") == business.model_dump(mode="json")
    with pytest.raises(ReportNotFound):
        reports(roi, NIGHT, month="2025-11", revision=3)
    with pytest.raises(ReportNotFound):
        reports(roi, NIGHT, month="2025-10", revision=1)


@pytest.mark.parametrize("dies_at", [1, 7, 20])
def test_a_run_that_died_is_made_up_for_by_the_next(
    past: Past, roi: Engine, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    november(past)
    kept, keep = iter(range(1, 100)), store.keep

    def dying(*args: Any, **values: Any) -> store.Kept:
        if next(kept) == dies_at:
            raise DatabaseUnavailable("gone")
        return keep(*args, **values)

    monkeypatch.setattr(store, "keep", dying)
    with pytest.raises(DatabaseUnavailable):
        run(roi)
    assert (len(stored(past.lab, "day")), stored(past.lab)) == (dies_at - 1, [])
    run(roi, NIGHT + timedelta(hours=1))

    assert stored(past.lab) == [(NOVEMBER, 1)]
    assert stored(past.lab, "day") == [(NOVEMBER + n * DAY, 1) for n in range(19)]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "America/Havana", "Pacific/Apia"])
def test_night_after_night_a_month_is_restated_until_it_is_complete_and_a_day_at_most_once(
    past: Past, roi: Engine, zone: str
) -> None:
    lab_zone = ZoneInfo(zone)
    past.live(datetime(2025, 10, 28, tzinfo=UTC), 34, lab_zone, Random(5))

    for night in range(90):
        run(roi, datetime(2025, 10, 15, 14, 20, tzinfo=UTC) + night * DAY, lab_zone)

    for (complete,) in past.lab.rows(
        "select array_agg((report #>> '{roi,period,complete}')::boolean order by revision) from roi_reports"
        " where start_date < '2025-12-01' group by kind, start_date"
    ):
        assert complete.count(True) == 1
        assert complete[-1]
    # As soon as it ended, and when it was complete; a cancellation between the two makes no third.
    assert {revisions for day, revisions in stored(past.lab, "day") if day > date(2025, 10, 29)} <= {1, 2}
    assert stored(past.lab)[1][1] <= 32


def test_a_past_month_does_not_change_when_nothing_happened(past: Past, roi: Engine) -> None:
    november(past)
    complete = datetime(2025, 12, 2, 2, 20, tzinfo=UTC)
    run(roi, complete)
    said = reports(roi, complete, month="2025-11")

    past.book(Booking(complete + DAY, booked_by="somebody new"))
    past.refuse(Refusal(complete + DAY))
    assume(roi, date(2025, 12, 1), **minutes(60))
    ran = run(roi, complete + 30 * DAY)

    after = reports(roi, complete + 30 * DAY, month="2025-11")
    assert stored(past.lab)[0] == (NOVEMBER, 1)
    assert [each.model_copy(update={"as_of": complete}) for each in after] == list(said)
    assert ran.stored_months == 2


def test_a_change_for_days_that_have_passed_restates_their_reports(past: Past, roi: Engine) -> None:
    november(past)
    complete = datetime(2025, 12, 2, 2, 20, tzinfo=UTC)
    run(roi, complete)

    assume(roi, date(2025, 11, 11), **minutes(8))
    run(roi, complete)

    assert stored(past.lab)[0] == (NOVEMBER, 2)
    days = dict(stored(past.lab, "day"))
    assert {days[NOVEMBER + n * DAY] for n in range(10)} == {1}
    assert {days[NOVEMBER + n * DAY] for n in range(10, 30)} == {2}


def test_a_run_of_some_days_reckons_all_of_their_months_and_no_others(past: Past, roi: Engine) -> None:
    past.book(*(Booking(datetime(2025, month, 5, tzinfo=UTC)) for month in (8, 9, 10, 11)))

    run(roi, since=date(2025, 9, 20), until=date(2025, 10, 2))
    ahead = run(roi, since=date(2026, 1, 1), until=date(2026, 2, 2))
    before = run(roi, since=date(2020, 1, 1), until=date(2025, 8, 1))

    assert stored(past.lab) == [(date(2025, month, 1), 1) for month in (8, 9, 10)]
    days = [day for day, _ in stored(past.lab, "day")]
    assert days == [date(2025, 8, 5) + n * DAY for n in range(88)]
    assert (ahead.months, before.months) == (0, 1)


def test_a_late_report_does_not_take_the_place_of_a_newer_one(past: Past, roi: Engine) -> None:
    with roi.connect() as connection:
        for hours, digest in ((2, "new"), (1, "old")):
            store.keep(
                connection,
                PeriodKind.MONTH,
                NOVEMBER,
                computed_at=NIGHT + timedelta(hours=hours),
                digest=digest,
                report={"said": digest},
            )

    assert past.lab.rows("select digest, revision from roi_reports") == [("new", 1)]


def test_what_is_measured_is_what_is_reported(past: Past, roi: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    november(past)

    service.measure(roi, UTC_LAB, now=NIGHT)

    _, business = reports(roi, NIGHT, month="2025-11")
    assert f'"value":{float(business.cost_savings_usd)!r}' in capsys.readouterr().out.replace(" ", "")
    assert asked(month="2025-11").start_date == NOVEMBER
