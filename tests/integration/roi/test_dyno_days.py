"""Days of dynos, booked and bookable, as a calendar that is ticked off day by day has them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from dyno import migrations
from dyno.metrics import catalogue
from dyno.roi import report, service
from dyno.roi.period import asked
from tests.integration.roi.past import A_MOMENT, Booking, Past
from tests.integration.roi.reports import UTC_LAB, reports
from tests.lab import Lab

SOURCE = Path(migrations.__file__).with_name("versions") / "0006_dyno_days.sql"
MARCH, MARCHS_END = date(2026, 3, 1), date(2026, 3, 31)
APRIL = datetime(2026, 4, 10, 12, tzinfo=UTC)
"""When all of March is over."""

ZONES = ("UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia")
FIELDS = ("dyno_days_used", "dyno_days_available", "dyno_utilization_rate")


def march(day: int) -> date:
    return MARCH + timedelta(days=day - 1)


@dataclass(frozen=True)
class Taken:
    """Days of a dyno that are taken, or once were."""

    start_date: date
    end_date: date
    kind: str = "allocation"
    status: str = "scheduled"
    expires_at: datetime | None = None
    turnaround_days: int = 0

    def takes(self, day: date, at: datetime) -> bool:
        """Whether it keeps everybody else off a day, as of a moment."""
        is_live = self.status in {"scheduled", "in_progress", "completed"} or (
            self.expires_at is not None and self.expires_at > at
        )
        return is_live and self.start_date <= day <= self.end_date


@dataclass(frozen=True)
class Dyno:
    """A dyno, and what took it."""

    taken: Sequence[Taken] = ()
    enabled: bool = True
    available_from: date | None = None
    available_to: date | None = None

    def ticks(self, day: date, at: datetime) -> tuple[bool, bool]:
        """Whether it is booked on a day, and whether it is or could be."""
        booked, maintained = (
            any(each.kind == kind and each.takes(day, at) for each in self.taken)
            for kind in ("allocation", "maintenance")
        )
        is_there = (self.available_from or day) <= day <= (self.available_to or day)
        return booked, booked or (self.enabled and is_there and not maintained)


ONE_OF_EVERYTHING = (
    Dyno(
        (
            Taken(date(2026, 2, 10), date(2026, 2, 20)),
            Taken(date(2026, 2, 25), march(3), turnaround_days=2),
            Taken(march(10), march(11), "maintenance"),
            Taken(march(30), date(2026, 4, 5), status="in_progress"),
        )
    ),
    Dyno((Taken(march(5), march(6), status="completed"),), enabled=False),
    Dyno(
        (Taken(march(9), march(12)), Taken(march(20), march(22), "maintenance")),
        available_from=march(11),
        available_to=march(20),
    ),
    Dyno(
        (
            Taken(march(1), march(2), status="held", expires_at=APRIL + timedelta(hours=1)),
            Taken(march(5), march(5), status="held", expires_at=datetime(2026, 2, 1, tzinfo=UTC)),
            Taken(march(7), march(7), status="cancelled"),
            Taken(march(8), march(8), status="lapsed"),
        )
    ),
)
"""In March: 3 + 2 of 31 - 2 days, 2 of as many, 4 of 10 - 1 + 2, and 2 of 31."""

USED, AVAILABLE = 13, 73


def put(lab: Lab, dynos: Sequence[Dyno]) -> None:
    """These dynos instead of any others; each has a vehicle of its own."""
    lab.sql("delete from occupancies")
    lab.sql("delete from dynos")
    if not lab.sql("select count(*) from vehicles"):
        lab.vehicles(9)
    for number, dyno in enumerate(dynos):
        columns: dict[str, Any] = {
            "enabled": dyno.enabled,
            "available_from": dyno.available_from,
            "available_to": dyno.available_to,
        }
        rows = [asdict(each) | {"cancelled_at": APRIL if each.status == "cancelled" else None} for each in dyno.taken]
        lab.sql(
            """insert into occupancies (kind, dyno_id, vehicle_id, test_type, booked_by, start_date, end_date, status,
                                        expires_at, turnaround_days, cancelled_at, created_at)
               select kind, :dyno_id, case kind when 'allocation' then (select min(id) from vehicles) + :number end,
                      case kind when 'allocation' then 'brake' end, case kind when 'allocation' then 'ann' end,
                      start_date, end_date, status, expires_at, turnaround_days, cancelled_at, '2026-01-01T00:00Z'
                 from jsonb_populate_recordset(null::occupancies, cast(:rows as jsonb))""",
            rows=json.dumps(rows, default=str),
            dyno_id=lab.dyno(f"D{number}", **columns),
            number=number,
        )


def ticked(dynos: Iterable[Dyno], first: date, last: date, at: datetime, zone: ZoneInfo) -> tuple[int, int]:
    """Used and available, one day of one dyno after the other."""
    over = min(last, at.astimezone(zone).date() - timedelta(days=1))
    days = [first + timedelta(days=ahead) for ahead in range((over - first).days + 1)]
    ticks = [dyno.ticks(day, at) for dyno in dynos for day in days]
    return sum(booked for booked, _ in ticks), sum(bookable for _, bookable in ticks)


def counted(
    connection: Connection,
    first: date | None,
    last: date | None,
    at: datetime = APRIL,
    zone: ZoneInfo = UTC_LAB,
) -> list[tuple[Any, ...]]:
    """What the database says."""
    values = {"zone": zone.key, "first": first, "last": last, "at": at}
    return [
        tuple(row) for row in connection.execute(text("select * from dyno_days(:zone, :first, :last, :at)"), values)
    ]


@dataclass(frozen=True)
class Case:
    """A lab, a period, and the moment they are looked at from somewhere."""

    dynos: Sequence[Dyno]
    first: date
    last: date
    at: datetime
    zone: ZoneInfo = field(default=UTC_LAB)


@st.composite
def a_dyno(draw: st.DrawFn, at: datetime) -> Dyno:
    """One that was taken time and again, its turnarounds kept; what was given back lies in between, or under others."""
    day, taken = march(1) - timedelta(days=draw(st.integers(0, 30))), []
    for _ in range(draw(st.integers(0, 6))):
        day += timedelta(days=draw(st.integers(0, 8)))
        end = day + timedelta(days=draw(st.integers(0, 20) | st.just(60)))
        kind = draw(st.sampled_from(["allocation", "allocation", "allocation", "maintenance"]))
        statuses = ["scheduled", "cancelled"]
        if kind == "allocation":
            statuses += ["in_progress", "completed", "held", "held", "lapsed"]
        status, turnaround_days = draw(st.sampled_from(statuses)), draw(st.integers(0, 3))
        ends = st.sampled_from([at - A_MOMENT, at, at + A_MOMENT]) if status == "held" else st.none()
        taken.append(Taken(day, end, kind, status, draw(ends), turnaround_days))
        if status not in {"cancelled", "lapsed"}:
            day = end + timedelta(days=1 + turnaround_days)
    bounds = st.none() | st.integers(-10, 50).map(lambda ahead: MARCH + timedelta(days=ahead))
    first, last = draw(bounds), draw(bounds)
    if first and last and last < first:
        first, last = last, first
    return Dyno(taken, draw(st.sampled_from([True, True, False])), first, last)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    first = MARCH + timedelta(days=draw(st.integers(-15, 40)))
    looked_at = datetime.combine(MARCH, time(), UTC) + timedelta(hours=draw(st.integers(0, 24 * 60)))
    return Case(
        draw(st.lists(a_dyno(looked_at), max_size=4)),
        first,
        first + timedelta(days=draw(st.just(0) | st.integers(0, 45))),
        looked_at,
        ZoneInfo(draw(st.sampled_from(ZONES))),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_as_many_days_are_counted_as_are_ticked_off(lab: Lab, roi: Engine, case: Case) -> None:
    put(lab, case.dynos)

    with roi.connect() as connection:
        [(used, available)] = counted(connection, case.first, case.last, case.at, case.zone)

    assert (used, available) == ticked(case.dynos, case.first, case.last, case.at, case.zone)
    assert 0 <= used <= available


def test_one_of_everything_comes_out_as_it_does_by_hand(lab: Lab, roi: Engine) -> None:
    put(lab, ONE_OF_EVERYTHING)

    with roi.connect() as connection:
        found = counted(connection, MARCH, MARCHS_END)

    assert found == [(USED, AVAILABLE)] == [ticked(ONE_OF_EVERYTHING, MARCH, MARCHS_END, APRIL, UTC_LAB)]


FAULTS = {
    "a hold that ran out": ("where is_live(o.status, o.expires_at, p_now)", ""),
    "whoever came before": ("x.start_date < p_from", "false"),
    "the first that came before": ("order by x.start_date desc", "order by x.start_date"),
    "what ends behind the period": ("p_from, period.last_day, o.start_date", "p_from, null, o.start_date"),
    "a day that is not over": ("::date - 1", "::date"),
    "a booking of a dyno that is not there": ("- taken.there + taken.booked", "- taken.there"),
    "maintenance as if it were a test": ("filter (where each.kind = 'allocation')", ""),
    "maintenance as if a test could have been": ("- taken.there", "- taken.booked"),
    "a turnaround": ("o.start_date, o.end_date) as days", "o.start_date, o.free_from - 1) as days"),
    "a day of maintenance when the dyno is not there": ("days_there(d, greatest", "shared_days(null, null, greatest"),
    "who is disabled": ("d.enabled", "true"),
    "who is not there yet": ("d.available_from", "null"),
    "who is there no more": ("d.available_to", "null"),
    "the last day": ("+ 1 else 0", "else 0"),
}


@pytest.mark.own_database
@pytest.mark.parametrize(("right", "wrong"), FAULTS.values(), ids=FAULTS)
def test_whatever_is_counted_wrongly_is_noticed(lab: Lab, right: str, wrong: str) -> None:
    put(lab, ONE_OF_EVERYTHING)
    source = SOURCE.read_text().replace("create function", "create or replace function")
    assert source.count(right) == 1
    moments = (APRIL, datetime(2026, 3, 12, tzinfo=UTC))

    with lab.owner.connect() as connection:
        connection.exec_driver_sql(source.replace(right, wrong))
        found = [counted(connection, MARCH, MARCHS_END, at) for at in moments]

    assert found != [[ticked(ONE_OF_EVERYTHING, MARCH, MARCHS_END, at, UTC_LAB)] for at in moments]


def said(roi: Engine, now: datetime = APRIL, **period: Any) -> tuple[Any, ...]:
    _, business = reports(roi, now, **period)
    return tuple(getattr(business, name) for name in FIELDS)


def test_the_report_of_a_month_a_day_or_some_days_has_the_rate_beside_what_it_is_made_of(lab: Lab, roi: Engine) -> None:
    put(lab, ONE_OF_EVERYTHING)

    assert said(roi, month="2026-03") == said(roi, start=MARCH, end=MARCHS_END) == (USED, AVAILABLE, 17.8082)
    assert said(roi, day=march(5)) == (1, 3, 33.3333)
    assert said(roi, start=march(30)) == (7, 22, 31.8182)
    assert said(roi) == (None, None, None)


def test_of_days_that_are_not_over_nothing_is_said(lab: Lab, roi: Engine) -> None:
    put(lab, [Dyno([Taken(march(1), march(9))])])
    noon = datetime(2026, 3, 5, 12, tzinfo=UTC)

    assert said(roi, noon, month="2026-03") == said(roi, noon, start=MARCH) == (4, 4, 100)
    assert said(roi, noon, day=march(5)) == said(roi, noon, month="2026-04") == (0, 0, None)


def test_where_no_dyno_is_there_the_rate_is_undefined(lab: Lab, roi: Engine) -> None:
    put(lab, [Dyno(enabled=False), Dyno(available_from=date(2027, 1, 1))])

    assert said(roi, month="2026-03") == (0, 0, None)


@pytest.fixture
def recorded(past: Past, roi: Engine) -> Past:
    """A past with a dyno and one booking, of five days of March; the month is complete and stored."""
    past.book(Booking(datetime(2026, 3, 3, 12, tzinfo=UTC)))
    past.lab.sql("update occupancies set start_date = date '2026-03-09', end_date = date '2026-03-13'")
    service.run(roi, UTC_LAB, now=APRIL, until=MARCHS_END)
    return past


def nightly(roi: Engine) -> int:
    """How many reports a run stores."""
    ran = service.run(roi, UTC_LAB, now=APRIL + timedelta(days=1), until=MARCHS_END)
    return ran.stored_months + ran.stored_days


def test_another_dyno_changes_what_is_true_now_and_restates_nothing(recorded: Past, roi: Engine) -> None:
    recorded.lab.dyno("Another")

    assert nightly(roi) == 0
    assert said(roi, month="2026-03", revision=1) == (5, 31, 16.129)
    assert said(roi, month="2026-03") == (5, 62, 8.0645)


def test_months_that_an_earlier_release_stored_are_not_restated_for_what_it_did_not_say(
    recorded: Past, roi: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten = " ".join(f"#- '{{business,{name}}}'" for name in FIELDS)
    recorded.lab.sql(f"update roi_reports set report = report {forgotten}")

    assert nightly(roi) == 0
    assert said(roi, month="2026-03", revision=1) == (None, None, None)
    assert "<html" in service.page(roi, asked(month="2026-03", revision=1), UTC_LAB, now=APRIL)

    monkeypatch.setattr(report, "_NOT_IN_DIGEST", report._NOT_IN_DIGEST - set(FIELDS))
    assert nightly(roi) > 20  # the month, and each of its days that has anything or came behind one


def utilization(printed: str) -> list[tuple[str, float]]:
    """Unit and value of each such metric that was recorded."""
    lines = [json.loads(line) for line in printed.splitlines() if catalogue.METRIC_RECORD in line]
    return [(line["unit"], line["value"]) for line in lines if line["name"] == catalogue.DYNO_UTILIZATION.name]


def test_the_night_records_the_month_that_yesterday_was_in(
    lab: Lab, roi: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    put(lab, ONE_OF_EVERYTHING)

    recorded = {}
    for night in (datetime(2026, 4, 1, 2, 20, tzinfo=UTC), datetime(2026, 3, 5, 2, 20, tzinfo=UTC)):
        service.measure(roi, UTC_LAB, now=night)
        recorded[night.day] = utilization(capsys.readouterr().out)

    through_the_4th = ticked(ONE_OF_EVERYTHING, MARCH, march(4), datetime(2026, 3, 5, tzinfo=UTC), UTC_LAB)
    assert through_the_4th == (5, 8)
    assert recorded == {1: [("Percent", 17.8082)], 5: [("Percent", 62.5)]}


def test_an_undefined_rate_is_not_recorded(lab: Lab, roi: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    service.measure(roi, UTC_LAB, now=APRIL)

    printed = capsys.readouterr().out
    assert '"SuccessfulAllocations"' in printed
    assert utilization(printed) == []
