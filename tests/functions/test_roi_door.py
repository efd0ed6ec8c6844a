"""The door of what it saves: reports, assumptions, demand, and the run of the night, in process."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from dyno.errors import InvalidRequest
from dyno.metrics import calls, catalogue
from dyno.metrics.line import Lines
from dyno.roi import service as roi_service
from functions.allocations import handler as allocations
from functions.roi import handler as door
from tests.assumed import ASSUMED
from tests.functions.conftest import EVENTS, Call, Caller, Context
from tests.lab import MONDAY, Lab

THIS_MONTH = f"{datetime.now(UTC):%Y-%m}"
REPORTS = ("/metrics/business", "/metrics/roi", "/metrics/demand", "/metrics/roi.html")


def assumed(**changed: Any) -> dict[str, Any]:
    """What came with the service, but for what is changed."""
    return ASSUMED | changed


def change(**changed: Any) -> dict[str, Any]:
    return {"valid_from": "2026-01-01", "reason": "time study", "assumptions": assumed(**changed)}


@pytest.fixture
def booked(lab: Lab, call: Call) -> list[int]:
    """Three bookings on one dyno, two of them moved; a fourth attempt was refused, and a dry run is none."""
    lab.dyno("D1")
    answers = [
        call(
            allocations,
            "POST",
            "/allocations/auto",
            body={
                "vin": vin, "test_type": "brake", "start_date": str(MONDAY), "days_to_complete": 1,
                "max_backup_days": 2, "dry_run": number == 4,
            },
        )
        for number, vin in enumerate(lab.vehicles(5))
    ]  # fmt: skip
    assert [answer.status for answer in answers] == [201, 201, 201, 409, 409]
    return [answer.body["allocation"]["allocation_id"] for answer in answers[:3]]


@pytest.mark.usefixtures("booked")
def test_bookings_are_worth_what_is_assumed(call: Call) -> None:
    said = call(door, "GET", "/metrics/roi", query={"month": THIS_MONTH}).body

    assert (said["model"], said["allocations"], said["revision"], said["stored"]) == ("roi-model/1", 3, 1, False)
    assert (said["time_saved_hours"], said["cost_savings_usd"], said["roi_percentage"]) == (0.2, 10, 0.02)
    assert [said["interval"][end]["cost_savings_usd"] for end in ("low", "high")] == [6, 15]
    assert said["projected"]["annualised_benefit_usd"] == 260_000
    assert said["assumptions"][0]["recorded_by"] == "system"
    assert set(said["formulas"]) >= {"cost_savings_usd", "payback_months"}
    assert said["sources"]


@pytest.mark.usefixtures("booked")
def test_every_rate_stands_beside_what_it_is_made_of(call: Call) -> None:
    call(allocations, "POST", "/users", caller=Caller.ADMIN, body={"sub": "user"})
    call(allocations, "POST", "/users", caller=Caller.ADMIN, body={"sub": "idle"})

    said = call(door, "GET", "/metrics/business").body

    assert said["total_successful_allocations"] == said["monthly_successful_allocations"] == 3
    assert (said["conflicts_refused"], said["conflicts_replaced"], said["conflicts_existing"]) == (1, 2, 0)
    assert (said["conflicts_eliminated"], said["conflicts_total"], said["conflict_elimination_rate"]) == (3, 3, 100)
    assert (said["active_enrolled_users"], said["enrolled_users"], said["user_adoption_rate"]) == (1, 2, 50)
    assert (said["refused_attempts"], said["provisional_allocations"]) == (1, 3)
    assert (said["monthly_cost_savings"], said["month"]) == (10, THIS_MONTH)


def test_days_of_dynos_are_said_of_a_month_of_days_and_of_no_more(call: Call, lab: Lab) -> None:
    dyno_id, vehicle_id = lab.dyno("D1"), lab.vehicle()
    lab.dyno("D2")
    lab.occupy(dyno_id, vehicle_id, date(2026, 3, 2), end_date=date(2026, 3, 5))

    periods: list[dict[str, str]] = [{"month": "2026-03"}, {"from": "2026-03-01", "to": "2026-03-08"}, {}]
    said = [call(door, "GET", "/metrics/business", query=period).body for period in periods]

    names = ("dyno_days_used", "dyno_days_available", "dyno_utilization_rate")
    assert [[each[name] for name in names] for each in said] == [[4, 62, 6.4516], [4, 16, 25], [None, None, None]]
    assert "6.5 % (4 of 62)" in call(door, "GET", "/metrics/roi.html", query=periods[0]).body.replace("\xa0", " ")


@pytest.mark.parametrize("path", REPORTS)
def test_an_empty_lab_has_reports_too(call: Call, path: str) -> None:
    assert call(door, "GET", path).status == 200


def test_failures_save_nothing_and_leave_rates_undefined(call: Call, lab: Lab) -> None:
    lab.dyno("D1", "brake AWD <10K")
    lab.vehicle()
    wanted = {"vin": "9ZZ0TEST0VD000001", "test_type": "evap", "start_date": str(MONDAY), "days_to_complete": 1}
    for body in (wanted, wanted | {"vin": "nobody"}, wanted | {"days_to_complete": 0}):
        assert call(allocations, "POST", "/allocations/auto", body=body).status in {404, 409, 422}

    said = call(door, "GET", "/metrics/business").body

    assert said["refused_attempts"] == 1
    counted = ("total_successful_allocations", "estimated_time_saved_hours", "cost_savings_usd", "monthly_cost_savings")
    assert [said[name] for name in counted] == [0, 0, 0, 0]
    rates = ("conflict_elimination_rate", "user_adoption_rate", "avg_allocation_time_ms")
    assert [said[name] for name in rates] == [None, None, None]
    assert call(door, "GET", "/metrics/demand").body["by_reason"] == {"not_capable": 1}


@pytest.mark.parametrize(
    ("preset", "figures"),
    [
        ("activity", {"time_saved_hours": 189.8, "cost_savings_usd": 9_490, "roi_percentage": 18.98}),
        (
            "time-study",
            {
                "weekly_benefit_usd": 5_000,
                "annualised_benefit_usd": 260_000,
                "roi_percentage": 520,
                "net_roi_percentage": 420,
                "payback_weeks": 10,
            },
        ),
        ("dashboard", {"monthly_benefit_usd": 47_500}),
        ("programme", {"net_roi_percentage": 270, "payback_months": 3.24}),
    ],
)
def test_examples_come_out_to_the_cent(call: Call, preset: str, figures: dict[str, float]) -> None:
    said = call(door, "GET", "/metrics/roi", query={"preset": preset}).body

    assert {name: said[name] for name in figures} == figures
    assert (said["preset"], said["period"]) == (preset, None)
    assert said["inputs"]


@pytest.mark.parametrize("path", REPORTS[:2])
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"month": "2026-13"}, "month: is written YYYY-MM"),
        ({"month": "2026-1"}, "month: is written YYYY-MM"),
        ({"month": ""}, "month: is written YYYY-MM"),
        ({"month": "0001-01"}, "month: lies beyond"),
        ({"month": "2026-11", "from": "2026-11-01"}, "say month, or day, or from and to"),
        ({"to": "2026-11-01"}, "to: needs a from"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "to: lies before from"),
        ({"from": "1.11.2026"}, "a date is written YYYY-MM-DD"),
        ({"from": "9999-01-01"}, "from: lies beyond"),
        ({"revision": "1"}, "revision: is of a month or a day"),
        ({"day": "2026-11-31"}, "query.day"),
        ({"day": "2026-11-30", "month": "2026-11"}, "say month, or day, or from and to"),
        ({"month": "2026-11", "revision": "0"}, "whole number from 1"),
        ({"year": "2026"}, "unknown query parameters: year"),
    ],
)
def test_a_period_that_is_none_is_refused_with_what_would_be_right(
    call: Call, path: str, query: dict[str, str], message: str
) -> None:
    said = call(door, "GET", path, query=query)

    assert said.status == 422
    assert message in said.body["detail"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"preset": "best-case"}, "is one of activity, time-study, dashboard, programme"),
        ({"preset": "activity", "month": "2026-11"}, "an example is of no period"),
    ],
)
def test_an_example_that_is_none_is_refused(call: Call, query: dict[str, str], message: str) -> None:
    said = call(door, "GET", "/metrics/roi", query=query)

    assert said.status == 422
    assert message in said.body["detail"]


def test_a_revision_that_was_never_stored_is_not_found(call: Call) -> None:
    said = call(door, "GET", "/metrics/roi", query={"month": THIS_MONTH, "revision": "3"})

    assert (said.status, said.body["code"]) == (404, "report_not_found")


def test_assumptions_are_added_and_none_is_lost(call: Call) -> None:
    first = call(door, "PUT", "/metrics/roi/assumptions", caller=Caller.ADMIN, body=change(engineers=30), sub="ada")
    again = call(door, "PUT", "/metrics/roi/assumptions", caller=Caller.ADMIN, body=change(engineers=30), sub="bea")
    other = call(door, "PUT", "/metrics/roi/assumptions", caller=Caller.ADMIN, body=change(engineers=31.5), sub="bea")

    assert [first.status, again.status, other.status] == [201, 200, 201]
    assert again.body == first.body
    history = call(door, "GET", "/metrics/roi/assumptions").body
    assert [(row["recorded_by"], row["superseded"]) for row in history["items"]] == [
        ("bea", False), ("ada", True), ("system", False)
    ]  # fmt: skip
    assert history["current"] == history["items"][0] == other.body
    assert history["current"]["assumptions"]["engineers"] == 31.5


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (change(engineers="25"), "a number is wanted, without quotes"),
        (change(attribution_ratio=1.5), "less than or equal to 1"),
        (change(hourly_rate_usd={"low": 60, "mid": 50, "high": 40}), "low, mid and high are in that order"),
        (change(hourly_rate_usd=50), "valid dictionary"),
        (change(development_cost_usd=-1), "greater than or equal to 0"),
        (change(development_cost_usd=0.001), "no more than 2 decimal places"),
        (change(weeks_per_year=0), "greater than 0"),
        (change(surprise=1), "Extra inputs are not permitted"),
        ({**change(), "valid_from": "tomorrow"}, "a date is written YYYY-MM-DD"),
        ({**change(), "reason": " "}, "at least 1 character"),
        ({**change(), "reason": "two\nlines"}, "a text is one line, without control characters"),
        ({"valid_from": "2026-01-01", "assumptions": assumed()}, "reason: Field required"),
    ],
)
def test_assumptions_that_cannot_be_are_refused_with_what_would_be_right(
    call: Call, body: dict[str, Any], message: str
) -> None:
    said = call(door, "PUT", "/metrics/roi/assumptions", caller=Caller.ADMIN, body=body)

    assert said.status == 422
    assert message in said.body["detail"]
    assert len(call(door, "GET", "/metrics/roi/assumptions").body["items"]) == 1


@pytest.mark.usefixtures("booked")
def test_the_page_is_one_safe_document(call: Call) -> None:
    said = call(door, "GET", "/metrics/roi.html")

    assert said.headers["Content-Type"] == "text/html; charset=utf-8"
    assert said.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "$10.00" in said.body
    assert "<script" not in said.body


@pytest.fixture
def run(enter: Callable[[str], None]) -> Callable[..., dict[str, Any]]:
    """Calls the door as the timer does."""

    def by_night(**event: str) -> dict[str, Any]:
        enter("dyno_roi")
        return door.handler(json.loads((EVENTS / "roi.json").read_text()) | event, Context())  # type: ignore[arg-type]

    return by_night


def test_the_run_of_the_night_stores_what_is_new_once(
    call: Call, run: Callable[..., dict[str, Any]], booked: list[int]
) -> None:
    first, second = run(), run()
    call(allocations, "DELETE", f"/allocations/{booked[0]}")
    third = run()

    assert [ran["stored_months"] for ran in (first, second, third)] == [1, 0, 1]
    now = call(door, "GET", "/metrics/roi", query={"month": THIS_MONTH}).body
    before = call(door, "GET", "/metrics/roi", query={"month": THIS_MONTH, "revision": "1"}).body
    assert [(said["revision"], said["stored"], said["allocations"]) for said in (before, now)] == [
        (1, True, 3), (2, True, 2)
    ]  # fmt: skip
    assert [each["total_successful_allocations"] for each in now["revisions"]] == [3, 2]
    business = call(door, "GET", "/metrics/business", query={"month": THIS_MONTH, "revision": "1"}).body
    assert (business["revision"], business["total_successful_allocations"]) == (1, 3)


def measured(text: str) -> dict[str, dict[str, Any]]:
    """Business metrics' lines by name."""
    lines = [json.loads(line) for line in text.splitlines() if catalogue.METRIC_RECORD in line]
    return {line["name"]: line for line in lines}


@pytest.mark.parametrize("strategy", ["cloudwatch", "hybrid", "prometheus"])
@pytest.mark.usefixtures("booked")
def test_the_night_measures_the_month_for_every_strategy(
    run: Callable[..., dict[str, Any]],
    strategy: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(calls, "_lines", Lines(strategy, catalogue.NAMESPACE, ""))
    measure = roi_service.measure
    # As the night behind today does it, of today's month whatever the day.
    monkeypatch.setattr(
        roi_service, "measure", lambda *args, now: measure(*args, now=now.replace(hour=2) + timedelta(days=1))
    )

    run()

    found = measured(capsys.readouterr().out)
    known = {metric.name for metric in catalogue.BUSINESS_METRICS}
    assert set(found) == known - {catalogue.ADOPTION_RATE.name}, "nobody is enrolled, so that one is undefined"
    assert found["SuccessfulAllocations"]["value"] == 3
    assert found["CostSavingsUSD"]["value"] == 10
    assert (found["DynoUtilization"]["value"], found["DynoUtilization"]["unit"]) == (0, "Percent")
    assert ["_aws" in line for line in found.values()] == [strategy != "prometheus"] * len(found)


@pytest.mark.usefixtures("booked")
def test_a_backfill_measures_nothing(run: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(since="2026-01-01", until=f"{THIS_MONTH}-28")

    assert ran["months"] == 1
    assert measured(capsys.readouterr().out) == {}


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"since": "January"}, "since: .*a date is written YYYY-MM-DD"),
        ({"since": "20260101"}, "since: .*a date is written YYYY-MM-DD"),
        ({"sinse": "2026-01-01"}, "sinse: Extra inputs are not permitted"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "until lies before since"),
    ],
)
def test_a_run_that_is_told_something_else_is_refused(
    run: Callable[..., dict[str, Any]], event: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        run(**event)
