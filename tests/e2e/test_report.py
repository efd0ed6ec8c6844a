"""The printable page of what it saves, as a manager's browser shows it, from the deployed stack."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from cdk.local import chromium
from tests.e2e.site import Site, in_days
from tests.reader import DESKTOP, PHONE, Visit, visit

pytestmark = pytest.mark.needs("browser")

TREND_MONTHS = 12
Report = dict[str, Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.browser() as running:
        yield running


@pytest.fixture(scope="module")
def booked(site: Site) -> None:
    """A dyno for one booking a day that three people want: one gets the day, one the next, and one nothing."""
    site.add_dyno("e2e-report")
    wanted = {"test_type": "e2e-report", "start_date": in_days(40), "days_to_complete": 1, "max_backup_days": 1}
    with site.client("user") as user:
        answers = [user.post("/allocations/auto", json={**wanted, "vin": site.add_vehicle()}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 409]


@pytest.fixture
def seen(site: Site, browser: Browser, booked: None) -> Iterator[Visit]:
    with visit(browser, f"{site.url}/metrics/roi.html", token=site.token()) as opened:
        yield opened


def report(user: httpx.Client, name: str) -> Report:
    """Of the current month, as the page is."""
    answer = user.get(f"/metrics/{name}", params={"month": f"{datetime.now(UTC):%Y-%m}"})
    assert answer.status_code == 200, answer.text
    said: Report = answer.json()
    return said


def said(exact: float | None, digits: int) -> str:
    rounded = Decimal(str(exact)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{rounded:,}"


def money(exact: float) -> str:
    return f"${said(exact, 2)}"


def percent(exact: float | None) -> str:
    return f"{said(exact, 1)} %"


def test_it_is_one_document_that_asks_for_nothing_else(seen: Visit) -> None:
    assert seen.response
    assert (seen.response.status, seen.response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert seen.requests == [seen.page.url]
    assert seen.complaints == []


def test_nobody_sees_it_without_a_token(site: Site, browser: Browser) -> None:
    with visit(browser, f"{site.url}/metrics/roi.html") as refused:
        assert refused.response
        assert refused.response.status == 401


def test_what_is_seen_is_what_the_reports_say(seen: Visit, user: httpx.Client) -> None:
    roi, business = report(user, "roi"), report(user, "business")
    low, high = roi["interval"]["low"], roi["interval"]["high"]

    assert roi["allocations"] >= 2
    assert seen.figure("time_saved_hours")[1:] == [
        f"{said(roi['time_saved_hours'], 1)} h",
        f"{said(low['time_saved_hours'], 1)} h to {said(high['time_saved_hours'], 1)} h",
    ]
    assert seen.figure("cost_savings_usd")[1:] == [
        money(roi["cost_savings_usd"]),
        f"{money(low['cost_savings_usd'])} to {money(high['cost_savings_usd'])}",
    ]
    for name in ("roi_percentage", "net_roi_percentage"):
        assert seen.figure(name)[1:] == [percent(roi[name]), f"{percent(low[name])} to {percent(high[name])}"]
    assert seen.figure("total_successful_allocations")[1] == f"{business['total_successful_allocations']:,}"
    assert seen.figure("conflict_elimination_rate")[1] == (
        f"{percent(business['conflict_elimination_rate'])} "
        f"({business['conflicts_eliminated']:,} of {business['conflicts_total']:,})"
    )


def test_unmet_demand_is_in_its_table(seen: Visit) -> None:
    rows = [row.inner_text().split("\t") for row in seen.page.locator("[data-table=demand] tbody tr").all()]

    [ours] = [row for row in rows if row[0] == "e2e-report"]
    assert ours[4:7] == ["1", "1", "1"]


def test_there_is_a_bar_for_every_month_as_tall_as_what_it_saved(seen: Visit, user: httpx.Client) -> None:
    bars = seen.bars("savings")

    saved = {bar.title[:7]: float(bar.title.split()[1].replace("$", "").replace(",", "")) for bar in bars}
    this_month = f"{datetime.now(UTC):%Y-%m}"
    assert len(saved) == len(bars) == TREND_MONTHS
    assert list(saved) == sorted(saved)
    assert saved[this_month] == report(user, "roi")["cost_savings_usd"]
    tallest = max(bars, key=lambda bar: bar.height)
    assert tallest.height > 0
    for bar in bars:
        share = saved[bar.title[:7]] / saved[tallest.title[:7]]
        assert bar.height == pytest.approx(tallest.height * share, abs=0.5)
    assert all(before.right < after.left for before, after in pairwise(bars))


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_nothing_sticks_out_of_the_window(site: Site, browser: Browser, width: int) -> None:
    with visit(browser, f"{site.url}/metrics/roi.html", width=width, token=site.token()) as opened:
        assert opened.overflowing() == []


def test_it_prints_on_a_few_sheets(seen: Visit) -> None:
    assert all(1 <= seen.pdf_pages(paper) <= 4 for paper in ("A4", "Letter"))
