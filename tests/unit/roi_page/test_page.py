"""The printable page: what it says is what the reports say, whoever wrote the words in them."""

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from jinja2 import Environment

from dyno.roi.answers import BusinessReport, RoiReport
from dyno.roi.facts import Asked, PeriodKind
from dyno.roi.page import _template, page, savings, unmet
from dyno.roi.period import month_of
from dyno.roi.wording import UNDEFINED, money, number, plain
from tests.unit.roi_page.document import Document, figure
from tests.unit.roi_page.lab import CAME_WITH_IT, NOW, REFUSALS, TODAY, Lab, busy, idle, row

HOSTILE = """<script>alert('x')</script>"><img src=x onerror=alert(1)>{{ 7 * 7 }}&lt;b&gt;"""
NOVEMBER = month_of(TODAY)
Page = Callable[[], str]


def golden() -> Lab:
    """437 bookings of November, by what the service came with: $1,456.67."""
    return Lab(kept={TODAY.replace(day=1): 437}, rows=[CAME_WITH_IT])


PAGES: dict[str, Page] = {
    "busy": lambda: busy(12).page(),
    "a month": lambda: busy(12).page(NOVEMBER),
    "forty months": lambda: busy(40).page(),
    "one month": lambda: busy(1).page(),
    "idle": lambda: idle().page(),
    "idle month": lambda: idle().page(NOVEMBER),
}


@pytest.mark.parametrize("made", PAGES.values(), ids=PAGES)
def test_every_page_is_well_formed(made: Page) -> None:
    html = made()

    assert html.startswith('<!doctype html>\n<html lang="en">')
    assert Document(html).faults == []


@pytest.mark.parametrize("planted", ["</section>", "</td>", "<p>", '<p id="short"></p>', '<a b="1" b="2"></a>'])
def test_a_page_that_is_not_well_formed_is_noticed(planted: str) -> None:
    html = golden().page().replace("</main>", f"{planted}</main>")

    assert Document(html).faults


@pytest.mark.parametrize("made", PAGES.values(), ids=PAGES)
def test_a_page_fetches_nothing_runs_nothing_and_names_nobody(made: Page) -> None:
    html = made()

    found = Document(html)
    assert not {"script", "iframe", "object", "embed", "img", "form", "base"} & {tag for tag, _ in found.tags}
    assert [each["href"] for each in found.all("link")] == ["data:,"]
    assert not re.search(r"url\(|@import|https?://|javascript:", html)
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert not re.search(r"[\w.]+@[\w-]+\.\w", found.text())


@pytest.mark.parametrize("made", PAGES.values(), ids=PAGES)
def test_a_page_can_be_read_aloud(made: Page) -> None:
    found = Document(made())

    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert {each.get("scope") for each in found.all("th")} <= {"row", "col"}
    drawings = [each for each in found.all("svg") if "chart" in each.get("class", "")]
    assert all(each["role"] == "img" and each["aria-label"] for each in drawings)
    ids = {attributes["id"] for _, attributes in found.tags if "id" in attributes}
    assert {each["aria-labelledby"] for each in found.all("section")} <= ids
    assert len(found.all("title")) == 1 + len([each for each in found.all("rect") if each["class"] == "bar"])


def test_the_golden_month_says_its_numbers_as_money_hours_and_percent() -> None:
    html = golden().page(NOVEMBER)

    assert figure(html, "time_saved_hours") == ["Hours saved", "29.1 h", "21.9 h", "to", "36.4 h"]
    assert figure(html, "cost_savings_usd") == ["Cost savings", "$1,456.67", "$874.00", "to", "$2,185.00"]
    assert figure(html, "roi_percentage") == ["ROI", "2.9 %", "1.7 %", "to", "4.4 %"]
    assert figure(html, "net_roi_percentage") == ["Net ROI", "-97.1 %", "-98.3 %", "to", "-95.6 %"]
    assert figure(html, "payback_months") == ["Payback", "27.5 months", "45.8 months", "to", "18.3 months"]
    assert figure(html, "annualised_benefit_usd")[1] == "$260,000.00"
    assert figure(html, "weekly_benefit_usd")[1] == "$5,000.00"
    assert figure(html, "payback_weeks")[1] == "10.0 weeks"
    assert "What the dyno lab saved: November 2026" in Document(html).text("h1")


def test_every_rate_stands_beside_its_numerator_and_denominator() -> None:
    html = busy().page()

    [_, business] = busy().reports()
    total = business.conflicts_total
    assert figure(html, "conflict_elimination_rate")[1] == f"100.0 % ({total} of {total})"
    assert figure(html, "user_adoption_rate")[1] == "65.0 % (13 of 20)"
    assert figure(busy().page(NOVEMBER), "dyno_utilization_rate")[1] == "71.2 % (445 of 625)"


def test_what_is_undefined_is_no_number() -> None:
    html = idle().page()

    assert figure(html, "conflict_elimination_rate")[1] == f"{UNDEFINED} (0 of 0)"
    assert figure(html, "user_adoption_rate")[1] == f"{UNDEFINED} (0 of 0)"
    assert figure(html, "dyno_utilization_rate")[1] == UNDEFINED
    assert figure(idle().page(NOVEMBER), "dyno_utilization_rate")[1] == f"{UNDEFINED} (0 of 0)"
    assert figure(html, "avg_allocation_time_ms")[1] == UNDEFINED
    assert figure(html, "payback_months")[1:] == [UNDEFINED, UNDEFINED, "to", UNDEFINED]
    assert "nothing so far" in html
    assert "No dyno is missing." in html


def test_a_long_payback_breaks_between_number_and_unit() -> None:
    html = Lab(kept={TODAY.replace(day=1): 2}, rows=[CAME_WITH_IT]).page(NOVEMBER)

    assert '<dd class="value">5,997.0 months</dd>' in html


def test_what_costs_more_to_run_than_it_brings_in_never_pays_back() -> None:
    dear = row(1, date(2026, 1, 1), "a dear year", running_cost_usd_per_month=Decimal(2_000))

    html = Lab(kept={TODAY.replace(day=1): 437}, rows=[CAME_WITH_IT, dear]).page(NOVEMBER)

    assert figure(html, "payback_months")[1:3] == ["never", "never"]


REVISIONS: list[tuple[dict[str, object], str]] = [
    ({"revision": 2, "stored": True}, "revision 2"),
    ({"revision": 3, "stored": False}, "provisional: not yet stored, revision 3 by the next nightly run"),
    ({"revision": None, "stored": False}, "provisional: not stored, as only months are"),
]


@pytest.mark.parametrize(("under", "said"), REVISIONS, ids=["stored", "not yet", "never"])
def test_a_page_says_how_far_it_is_final(under: dict[str, object], said: str) -> None:
    lab = busy()
    roi, business = (each.model_copy(update=under) for each in lab.reports(NOVEMBER))
    assert isinstance(roi, RoiReport)
    assert isinstance(business, BusinessReport)

    html = page(roi, business, lab.demand(), lab.trend(), lab.rows)

    assert f"<span data-state>{said}</span>" in html


def test_an_old_revision_says_that_what_stands_beside_it_is_newer() -> None:
    lab = busy()
    roi, business = (each.model_copy(update={"as_of": NOW - timedelta(days=3)}) for each in lab.reports(NOVEMBER))
    assert isinstance(roi, RoiReport)
    assert isinstance(business, BusinessReport)

    old = Document(page(roi, business, lab.demand(), lab.trend(), lab.rows)).text()

    newer = "The chart and what the lab could not do are as of 2026-11-24 14:30 UTC."
    assert "As of 2026-11-21 14:30 UTC" in old
    assert newer in old
    assert newer not in Document(lab.page(NOVEMBER)).text()


@pytest.mark.parametrize(
    ("wanted", "query"),
    [
        (Asked(kind=PeriodKind.ALL), ""),
        (NOVEMBER, "?month=2026-11"),
        (
            Asked(kind=PeriodKind.RANGE, start_date=date(2026, 10, 5), end_date=date(2026, 11, 2)),
            "?from=2026-10-05&to=2026-11-02",
        ),
    ],
    ids=["all", "month", "range"],
)
def test_a_page_says_how_to_get_its_numbers_from_the_api(wanted: Asked, query: str) -> None:
    said = Document(busy().page(wanted)).text("footer")

    for route in ("roi", "business", "demand"):
        assert f'"$API/metrics/{route}{query}"' in said
    assert "revision 1 of 2026-11-23 02:20 UTC (401 bookings, $1,563.90)" in said


def test_the_dyno_that_is_missing_most_is_named() -> None:
    said = Document(busy().page()).text()

    assert "Missing most: a dyno for mileage accumulation, AWD, >10K. 308 days of such tests went unmet" in said
    assert "It can be run today by Cell 3, Cell 11." in said
    assert "evap 2WD <10K none 7 5 18" in said
    assert "not capable" in said
    assert "vehicle already allocated" in said


def test_a_test_that_no_dyno_can_run_is_said_to_be_one() -> None:
    lab = Lab(kept={date(2026, 10, 1): 9}, refusals=[REFUSALS[2]])

    assert "No dyno of the lab can run it." in lab.page()


def hostile() -> Lab:
    """Whatever people may write is markup."""
    return Lab(
        kept={date(2026, 10, 1): 9},
        rows=[CAME_WITH_IT, row(1, date(2026, 9, 1), HOSTILE).model_copy(update={"recorded_by": HOSTILE})],
        refusals=[REFUSALS[0] | {"test_type": HOSTILE, "drive_type": HOSTILE, "reason": HOSTILE}],
        dynos=[{"test_type": HOSTILE, "drive_type": HOSTILE, "weight_class": ">10K", "names": [HOSTILE, "Cell 1"]}],
    )


def test_what_people_wrote_is_text_and_nothing_else() -> None:
    found = Document(hostile().page())

    assert found.faults == []
    assert not {"script", "img", "b"} & {tag for tag, _ in found.tags}
    assert found.text().count(HOSTILE) >= 9


def test_without_escaping_it_would_be_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jinja2.Environment", lambda **named: Environment(**named | {"autoescape": False}))
    monkeypatch.setattr("dyno.roi.page._template", _template.__wrapped__)

    assert {"script", "img"} <= {tag for tag, _ in Document(hostile().page()).tags}


def test_assumptions_carry_their_day_their_author_and_their_reason() -> None:
    said = Document(busy().page()).text()

    assert (
        "Assumptions 1, from 2026-08-15 on: “Time study of July, 40 bookings timed”, recorded by "
        "7f9c1a52-40aa-4f0e-9d1b-2a3c4d5e6f70 on 2026-08-01 09:00 UTC" in said
    )
    assert "Minutes saved per booking 4.5 (3.5 to 6)" in said
    assert "An engineer's hour $52.00 ($48.00 to $55.50)" in said


def test_every_formula_and_source_is_on_the_page() -> None:
    [roi, _] = busy().reports()

    said = Document(busy().page()).text()

    assert roi.formulas
    for name, words in [*roi.formulas.items(), *roi.sources.items()]:
        assert f"{name} {words}" in said


@pytest.mark.parametrize("count", [0, 1, 12, 40])
def test_the_chart_has_a_bar_for_every_month(count: int) -> None:
    lab = busy(count) if count else idle()

    found = savings(lab.trend())

    assert len(found.bars) == count
    assert lab.page().count('class="whisker"') == count


def test_a_month_with_two_sets_of_assumptions_is_one_bar_of_their_sum() -> None:
    lab = busy()
    august = [line for line in lab.trend() if line.start_date and line.start_date.month == 8]
    assert len(august) == 2

    titles = [bar.title for bar in savings(lab.trend()).bars if bar.title.startswith("2026-08")]

    total = sum(line.cost_savings_usd.mid for line in august)
    assert [title.split()[1] for title in titles] == [money(Decimal(total))]


def test_months_without_refusals_are_shown_between_those_with_some() -> None:
    lab = Lab(kept={date(2026, 6, 1): 9}, refusals=[REFUSALS[0], REFUSALS[1]])

    assert [bar.title for bar in unmet(lab.demand()).bars] == [
        "2026-09: 29 unmet", "2026-10: 0 unmet", "2026-11: 10 unmet"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("exact", "digits", "said"),
    [("0.05", 1, "0.1"), ("0.25", 1, "0.3"), ("-0.04", 1, "0.0"), ("-1234.56", 1, "-1,234.6"), ("2.675", 2, "2.68")],
)
def test_numbers_are_rounded_half_away_from_zero(exact: str, digits: int, said: str) -> None:
    assert number(Decimal(exact), digits) == said


@pytest.mark.parametrize(
    ("amount", "said"),
    [("1456.67", "$1,456.67"), ("0", "$0.00"), ("-0.5", "-$0.50"), ("1E+12", "$1,000,000,000,000.00")],
)
def test_money_is_said_to_the_cent(amount: str, said: str) -> None:
    assert money(Decimal(amount)) == said


@pytest.mark.parametrize(("exact", "said"), [("4", "4"), ("4.50", "4.5"), ("1E+3", "1,000"), ("0.000001", "0.000001")])
def test_assumptions_are_said_as_they_were_given(exact: str, said: str) -> None:
    assert plain(Decimal(exact)) == said


def test_no_route_but_the_page_pays_for_its_library() -> None:
    code = "import sys; import dyno.roi.service, dyno.roi.page; sys.exit('jinja2' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
