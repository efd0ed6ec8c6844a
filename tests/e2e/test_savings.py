"""What it saves, recomputed by hand from what the API says of bookings, refusals and people."""

import json
import re
import subprocess
import sys
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import httpx
import pytest

from cdk.local.instance import ROOT
from tests.e2e.site import Site, eventually

Item = dict[str, Any]

HANDED_OVER = 3
"""How often AWS hands over a batch that fails; the emulator does it once, so here it is made as often."""

TAKING = {"scheduled", "in_progress", "completed"}
CALCULATED = (
    "allocations",
    "months",
    "time_saved_hours",
    "cost_savings_usd",
    "benefit_usd",
    "cost_usd",
    "net_benefit_usd",
    "benefit_cost_ratio",
    "roi_percentage",
    "net_roi_percentage",
    "monthly_benefit_usd",
    "annualised_benefit_usd",
    "payback_months",
)


def everything(client: httpx.Client, path: str) -> list[Item]:
    """All pages of a list."""
    items: list[Item] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get(path, params={"limit": 500, **cursor}).raise_for_status().json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}


def report(client: httpx.Client, path: str, **query: Any) -> Item:
    """A report with its money as it was written."""
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    said: Item = json.loads(answer.text, parse_float=Decimal)
    return said


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def is_kept(each: Item) -> bool:
    if each["status"] == "cancelled":
        return moment(each["cancelled_at"]) - moment(each["created_at"]) >= timedelta(hours=24)
    return each["status"] in TAKING


def is_there(dyno: Item, start_date: str, end_date: str) -> bool:
    """Whether a dyno is enabled and available from one day to another."""
    begin, end = dyno["available_from"] or "0001-01-01", dyno["available_to"] or "9999-12-31"
    return bool(dyno["enabled"] and begin <= start_date and end_date <= end)


def rounded(exact: Decimal, to: str) -> Decimal:
    return exact.quantize(Decimal(to), ROUND_HALF_UP)


def in_cents(exact: Decimal) -> Decimal:
    return rounded(exact, "0.01")


@dataclass
class ByHand:
    """A calculator's account of the lab, which trusts no report."""

    allocations: list[Item]
    refusals: list[Item]
    users: list[Item]
    conflicts: list[Item]
    dynos: list[Item]
    vehicles: list[Item]

    @classmethod
    def of(cls, admin: httpx.Client) -> "ByHand":
        paths = ("/allocations", "/allocations/refusals", "/users", "/allocations/conflicts", "/dynos", "/vehicles")
        return cls(*(everything(admin, path) for path in paths))

    def kept(self, month: str) -> list[Item]:
        return [each for each in self.allocations if each["created_at"].startswith(month) and is_kept(each)]

    def business(self, month: str, now: datetime) -> Item:
        since = now - timedelta(days=30)
        active = {
            each["booked_by"] for each in self.allocations if is_kept(each) and moment(each["created_at"]) >= since
        }
        enrolled = {each["sub"] for each in self.users if each["enrolled_at"] and not each["left_at"]}
        kept = len(self.kept(month))
        refused = [each for each in self.refusals if each["refused_at"].startswith(month)]
        moved = [each for each in self.allocations if each["created_at"].startswith(month) and self.made_way(each)]
        eliminated = sum(each["conflicting"] for each in refused) + len(moved)
        total = eliminated + len(self.conflicts)
        used, available = self.dyno_days(now.date())
        return {
            "total_successful_allocations": kept,
            "provisional_allocations": sum(
                moment(each["created_at"]) > now - timedelta(hours=24) for each in self.kept(month)
            ),
            "monthly_successful_allocations": kept,
            "cancelled_within_24h": sum(
                each["created_at"].startswith(month) and each["status"] == "cancelled" and not is_kept(each)
                for each in self.allocations
            ),
            "estimated_time_saved_hours": round(Decimal(kept * 4) / 60, 4),
            "cost_savings_usd": in_cents(Decimal(kept * 4 * 50) / 60),
            "monthly_cost_savings": in_cents(Decimal(kept * 4 * 50) / 60),
            "refused_attempts": len(refused),
            "conflicts_refused": sum(each["conflicting"] for each in refused),
            "conflicts_replaced": len(moved),
            "conflicts_eliminated": eliminated,
            "conflicts_existing": len(self.conflicts),
            "conflicts_total": total,
            "conflict_elimination_rate": rate(eliminated, total),
            "active_users": len(active),
            "active_enrolled_users": len(active & enrolled),
            "enrolled_users": len(enrolled),
            "user_adoption_rate": rate(len(active & enrolled), len(enrolled)),
            "dyno_days_used": used,
            "dyno_days_available": available,
            "dyno_utilization_rate": rate(used, available),
        }

    def dyno_days(self, today: date) -> tuple[int, int]:
        """Days of dynos this month that were booked, and that could be; the sample's maintenance lies ahead."""
        over = [today.replace(day=number).isoformat() for number in range(1, today.day)]
        booked = {
            (each["dyno_id"], day)
            for each in self.allocations
            for day in over
            if each["status"] in TAKING and each["start_date"] <= day <= each["end_date"]
        }
        bookable = {(dyno["dyno_id"], day) for dyno in self.dynos for day in over if is_there(dyno, day, day)}
        return len(booked), len(booked | bookable)

    def made_way(self, each: Item) -> bool:
        """Whether a booking was moved although some dyno could have run it on the days asked for, but for others."""
        if not each["shift_days"]:
            return False
        [vehicle] = [found for found in self.vehicles if found["vehicle_id"] == each["vehicle_id"]]
        moved = timedelta(days=each["shift_days"])
        start, end = (date.fromisoformat(each[name]) - moved for name in ("start_date", "end_date"))
        needs = {"test_type": each["test_type"], **{name: vehicle[name] for name in ("drive_type", "weight_class")}}
        return any(
            is_there(dyno, start.isoformat(), end.isoformat())
            and any(all(line[name] in {need, "any"} for name, need in needs.items()) for line in dyno["capabilities"])
            for dyno in self.dynos
        )

    def roi(self, month: str, today: date) -> Item:
        kept = len(self.kept(month))
        ends = {"low": (3, 40), "mid": (4, 50), "high": (5, 60)}
        saved = {end: in_cents(Decimal(kept * minutes * usd) / 60) for end, (minutes, usd) in ends.items()}
        cost, benefit = Decimal(50_000), saved["mid"]
        months = rounded(Decimal(today.day) / monthrange(today.year, today.month)[1], "0.000001")
        return {
            "allocations": kept,
            "months": months,
            "time_saved_hours": rounded(Decimal(kept * 4) / 60, "0.0001"),
            "cost_savings_usd": benefit,
            "benefit_usd": benefit,
            "cost_usd": cost,
            "net_benefit_usd": benefit - cost,
            "benefit_cost_ratio": rounded(benefit / cost, "0.0001"),
            "roi_percentage": rounded(benefit * 100 / cost, "0.0001"),
            "net_roi_percentage": rounded((benefit - cost) * 100 / cost, "0.0001"),
            "monthly_benefit_usd": rounded(benefit / months, "0.01"),
            "annualised_benefit_usd": rounded(benefit * 12 / months, "0.01"),
            "payback_months": rounded(cost * months / benefit, "0.01") if benefit else None,
            "low": saved["low"],
            "high": saved["high"],
            "projected": Decimal(25 * 4 * 52 * 50),
        }


def rate(part: int, whole: int) -> Decimal | None:
    return round(Decimal(100 * part) / whole, 4) if whole else None


def seen(said: Item, by_hand: Item) -> Item:
    return {name: said[name] for name in by_hand}


def money(said: Item) -> Item:
    """The parts of an ROI report that a calculator gives."""
    ends = {end: said["interval"][end]["cost_savings_usd"] for end in ("low", "high")}
    return {name: said[name] for name in CALCULATED} | ends | {"projected": said["projected"]["annualised_benefit_usd"]}


def run(site: Site) -> Item:
    """What `make invoke FUNCTION=roi` prints."""
    command = ["--stack", site.instance.folder.name, "invoke", "--name", "roi", "--event", "events/roi.json"]
    said = subprocess.run(
        [sys.executable, "-m", "cdk.local", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    ran: Item = json.loads(said.stdout)
    return ran


@pytest.fixture
def bookings(site: Site) -> None:
    """Some, of all three people, where no other test has made any."""
    for role in ("user", "power_user", "admin"):
        with site.client(role) as client:
            vin = everything(client, "/vehicles")[len(role)]["vin"]
            start = (datetime.now(UTC).date() + timedelta(days=500)).isoformat()
            wanted = {
                "vin": vin,
                "test_type": "brake",
                "start_date": start,
                "days_to_complete": 1,
                "max_backup_days": 90,
            }
            assert client.post("/allocations/auto", json=wanted).status_code in {201, 409}


@pytest.mark.usefixtures("bookings")
def test_every_number_can_be_recomputed_by_hand(admin: httpx.Client) -> None:
    by_hand = ByHand.of(admin)

    business = report(admin, "/metrics/business", month=f"{datetime.now(UTC):%Y-%m}")
    roi = report(admin, "/metrics/roi", month=business["month"])

    expected = by_hand.business(business["month"], moment(business["as_of"]))
    assert expected["total_successful_allocations"] > 0
    assert seen(business, expected) == expected
    assert money(roi) == by_hand.roi(business["month"], moment(roi["as_of"]).date())
    assert business["user_adoption_rate"] is not None


def test_the_totals_of_all_time_are_the_sum_of_their_months(admin: httpx.Client) -> None:
    whole = report(admin, "/metrics/roi")

    months = [report(admin, "/metrics/roi", month=line["start_date"][:7]) for line in whole["lines"]]

    assert sum(each["cost_savings_usd"] for each in months) == whole["cost_savings_usd"]
    assert sum(each["allocations"] for each in months) == whole["allocations"]
    assert report(admin, "/metrics/business")["cost_savings_usd"] == whole["cost_savings_usd"]


def test_cancelling_half_of_the_bookings_restates_the_month_and_keeps_what_was_said(
    site: Site, admin: httpx.Client
) -> None:
    run(site)
    month = f"{datetime.now(UTC):%Y-%m}"
    before = report(admin, "/metrics/roi", month=month)
    kept = ByHand.of(admin).kept(month)
    assert before["stored"]

    for each in kept[::2]:
        assert admin.delete(f"/allocations/{each['allocation_id']}").status_code == 200

    after = report(admin, "/metrics/roi", month=month)
    assert (after["stored"], after["revision"]) == (False, before["revision"] + 1)
    assert after["allocations"] == len(kept) - len(kept[::2])
    assert money(after) == ByHand.of(admin).roi(month, moment(after["as_of"]).date())
    assert run(site)["stored_months"] == 1
    assert run(site)["stored_months"] == 0
    restated = report(admin, "/metrics/roi", month=month)
    assert (restated["stored"], restated["revision"]) == (True, before["revision"] + 1)
    old = report(admin, "/metrics/roi", month=month, revision=before["revision"])
    assert money(old) == money(before)
    assert [each["revision"] for each in restated["revisions"]] == list(range(1, restated["revision"] + 1))


def test_what_the_night_measures_is_exposed(site: Site, admin: httpx.Client, nobody: httpx.Client) -> None:
    now = datetime.now(UTC)
    yesterdays, todays = (
        report(admin, "/metrics/business", month=f"{day:%Y-%m}") for day in (now - timedelta(days=1), now)
    )

    def exposed() -> dict[str, float]:
        text = nobody.get("/metrics/prometheus").text
        return {name: float(value) for name, value in re.findall(r"^(dyno_[a-z_]+) (\S+)$", text, re.MULTILINE)}

    expected = {
        "dyno_business_successful_allocations": yesterdays["total_successful_allocations"],
        "dyno_business_cost_savings_usd": yesterdays["cost_savings_usd"],
        "dyno_business_active_users": yesterdays["active_users"],
        "dyno_business_dyno_utilization_ratio": float(yesterdays["dyno_utilization_rate"]) / 100,
        "dyno_cost_savings_usd": todays["cost_savings_usd"],
        "dyno_active_users": todays["active_users"],
    }
    wanted = {name: float(value) for name, value in expected.items()}
    for _ in range(HANDED_OVER):
        run(site)
        found = eventually(exposed, lambda seen: wanted.items() <= seen.items())
        if wanted.items() <= found.items():
            break
    assert wanted.items() <= found.items(), f"{HANDED_OVER} nights did not show it"
    assert found["dyno_monthly_hours_saved"] == pytest.approx(float(todays["estimated_time_saved_hours"]), abs=1e-4)


def test_an_admin_may_assume_something_else_and_every_report_follows(site: Site, admin: httpx.Client) -> None:
    assumed = admin.get("/metrics/roi/assumptions").json()["current"]["assumptions"]
    month = f"{datetime.now(UTC):%Y-%m}"
    run(site)
    before = report(admin, "/metrics/roi", month=month)
    change = {
        "valid_from": f"{month}-01",
        "reason": "the lab's own study",
        "assumptions": assumed | {"hourly_rate_usd": {"low": 80, "mid": 100, "high": 120}},
    }

    with site.client("user") as user:
        assert user.put("/metrics/roi/assumptions", json=change).status_code == 403
    first, second = (admin.put("/metrics/roi/assumptions", json=change) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 200)
    after = report(admin, "/metrics/roi", month=month)
    assert after["interval"]["high"]["cost_savings_usd"] == pytest.approx(
        2 * before["interval"]["high"]["cost_savings_usd"], abs=Decimal("0.02")
    )
    assert after["assumptions"][-1]["reason"] == "the lab's own study"
    assert after["revision"] == before["revision"] + 1
    assert (
        admin.put("/metrics/roi/assumptions", json=change | {"assumptions": assumed, "reason": "back"}).status_code
        == 201
    )
    assert money(report(admin, "/metrics/roi", month=month)) == money(before)


def test_a_manager_sees_which_dyno_is_missing(admin: httpx.Client) -> None:
    refusals = everything(admin, "/allocations/refusals")

    demand = report(admin, "/metrics/demand", by="month")

    assert demand["refused_attempts"] == len(refusals)
    assert sum(group["refused_attempts"] for group in demand["groups"]) == len(refusals)
    requests = {(each["vehicle_id"], each["test_type"], each["start_date"]) for each in refusals}
    assert demand["refused_requests"] == len(requests)
    lacking = [group["unmet_dyno_days"] for group in demand["groups"]]
    assert lacking == sorted(lacking, reverse=True)
