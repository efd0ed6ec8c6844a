"""The reports as one page that people read, print and pass on: no script, and nothing to fetch."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dyno.roi.answers import BusinessReport, DemandReport, RoiReport
from dyno.roi.assumed import Assumptions, AssumptionsRow
from dyno.roi.chart import Chart, Column, chart
from dyno.roi.facts import PeriodKind, Span
from dyno.roi.model import Figures, Line, Range, Result
from dyno.roi.period import months
from dyno.roi.wording import UNDEFINED, hours, instant, money, number, percent, plain, rate, whole, with_unit, words

if TYPE_CHECKING:
    from jinja2 import Template

NEVER = "never"

TREND_HEIGHT, STRIP_HEIGHT = 200, 70
"""Of the charts' plots, in px."""


class Headline(NamedTuple):
    """A figure as it is read: what is expected, and both ends."""

    name: str
    title: str
    mid: str
    low: str
    high: str


class Fact(NamedTuple):
    """A number of the lab, and what it is made of."""

    name: str
    title: str
    value: str
    made_of: str


class Assumed(NamedTuple):
    """What was assumed of one thing."""

    title: str
    value: str


def page(
    report: RoiReport,
    business: BusinessReport,
    demand: DemandReport,
    trend: Sequence[Line],
    history: Sequence[AssumptionsRow],
) -> str:
    """
    A whole HTML document.

    Args:
        business: Of the same period, as `demand` is.
        trend: Months to compare with; lines of one month are shown as one.
        history: Everything that was ever assumed, the newest first.
    """
    return _template().render(
        report=report,
        business=business,
        demand=demand,
        trend=trend,
        history=history,
        period=title(business.period),
        query=query(business),
        state=state(business),
        headlines=headlines(report),
        facts=facts(business),
        projected=projection(report.projected) if report.projected else [],
        savings=savings(trend),
        unmet=unmet(demand),
        assumed=assumed,
    )


def title(period: Span) -> str:
    """What a report is about: November 2026, 2026-10-05 to 2026-11-30, everything since 2026-01-05."""
    if period.start_date is None or period.end_date is None:
        return "nothing so far"
    if period.kind is PeriodKind.MONTH:
        return f"{period.start_date:%B %Y}"
    if period.kind is PeriodKind.ALL:
        return f"everything since {period.start_date}"
    return f"{period.start_date} to {period.end_date}"


def query(business: BusinessReport) -> str:
    """The query of the API that gives the same period."""
    period = business.period
    if period.start_date is None or period.kind is PeriodKind.ALL:
        return ""
    if period.kind is PeriodKind.MONTH:
        return f"?month={period.start_date:%Y-%m}"
    return f"?from={period.start_date}&to={period.end_date}"


def state(business: BusinessReport) -> str:
    """How far the report can be relied on to stay as it is."""
    if business.revision is None:
        return "provisional: not stored, as only months are"
    if not business.stored:
        return f"provisional: not yet stored, revision {business.revision} by the next nightly run"
    return f"revision {business.revision}"


def headlines(report: RoiReport) -> list[Headline]:
    """What is quoted, each with its interval."""
    return [
        _headline("time_saved_hours", "Hours saved", report, lambda each: hours(each.time_saved_hours)),
        _headline("cost_savings_usd", "Cost savings", report, lambda each: money(each.cost_savings_usd)),
        _headline("roi_percentage", "ROI", report, lambda each: percent(each.roi_percentage)),
        _headline("net_roi_percentage", "Net ROI", report, lambda each: percent(each.net_roi_percentage)),
        _headline("payback_months", "Payback", report, lambda each: _payback(each.payback_months, report, "months")),
    ]


def projection(result: Result) -> list[Headline]:
    """What a year would bring, each with its interval."""
    return [
        _headline("annualised_benefit_usd", "A year", result, lambda each: money(each.annualised_benefit_usd)),
        _headline("weekly_benefit_usd", "A week", result, lambda each: money(each.weekly_benefit_usd)),
        _headline("roi_percentage", "ROI", result, lambda each: percent(each.roi_percentage)),
        _headline("net_roi_percentage", "Net ROI", result, lambda each: percent(each.net_roi_percentage)),
        _headline("payback_weeks", "Payback", result, lambda each: _payback(each.payback_weeks, result, "weeks")),
    ]


def facts(business: BusinessReport) -> list[Fact]:
    """What the lab did with the service; each rate beside its numerator and denominator."""
    return [
        Fact(
            "total_successful_allocations",
            "Bookings kept",
            whole(business.total_successful_allocations),
            f"{whole(business.provisional_allocations)} of them are younger than 24 hours; "
            f"{whole(business.cancelled_within_24h)} more were cancelled within that time and never counted",
        ),
        Fact(
            "avg_allocation_time_ms",
            "Time to book",
            with_unit(business.avg_allocation_time_ms, "ms"),
            f"{number(business.allocation_time_ms_sum / 1000, 1)} s over {whole(business.allocation_calls)} calls",
        ),
        Fact(
            "net_time_saved_hours",
            "Hours saved, net",
            hours(business.net_time_saved_hours),
            f"{hours(business.estimated_time_saved_hours)} less the {number(business.service_time_hours, 4)} "
            "that planners waited for the service",
        ),
        Fact(
            "monthly_cost_savings",
            f"Cost savings of {business.month}",
            money(business.monthly_cost_savings),
            f"{whole(business.monthly_successful_allocations)} bookings kept in that month",
        ),
        Fact(
            "conflict_elimination_rate",
            "Conflicts eliminated",
            rate(business.conflict_elimination_rate, business.conflicts_eliminated, business.conflicts_total),
            f"{whole(business.conflicts_refused)} refused and {whole(business.conflicts_replaced)} moved to a later "
            f"day; {whole(business.conflicts_existing)} overlapping pairs exist",
        ),
        Fact(
            "user_adoption_rate",
            "Adoption",
            rate(business.user_adoption_rate, business.active_enrolled_users, business.enrolled_users),
            f"enrolled people with a kept booking in the last 30 days; {whole(business.active_users)} people in all",
        ),
        Fact(
            "dyno_utilization_rate",
            "Dynos in use",
            _in_use(business),
            "days of dynos with a booking, of those on which they could have had one, as they are now; up to yesterday",
        ),
        Fact(
            "refused_attempts",
            "Attempts refused",
            whole(business.refused_attempts),
            "because no dyno was free or the vehicle was taken",
        ),
    ]


def savings(trend: Iterable[Line]) -> Chart:
    """Cost savings by the month, each with a whisker from low to high."""
    by_month: dict[date, list[Line]] = {}
    for line in trend:
        if line.start_date:
            by_month.setdefault(line.start_date.replace(day=1), []).append(line)
    return chart([_saved(month, by_month[month]) for month in sorted(by_month)], height=TREND_HEIGHT, unit="$")


def unmet(demand: DemandReport) -> Chart:
    """Refused requests that were not booked later, by the month; months with none in between are shown, too."""
    by_month: dict[date, int] = {}
    for each in demand.over_time:
        month = each.start_date.replace(day=1)
        by_month[month] = by_month.get(month, 0) + each.unmet_requests
    shown = months(min(by_month), max(by_month)) if by_month else ()
    counted = ((month, by_month.get(month, 0)) for month in shown)
    return chart(
        [Column(month, Decimal(unmet), f"{month:%Y-%m}: {whole(unmet)} unmet") for month, unmet in counted],
        height=STRIP_HEIGHT,
    )


def assumed(row: Assumptions) -> list[Assumed]:
    """A row of assumptions, line by line."""
    return [
        Assumed("Minutes saved per booking", _range(row.minutes_saved_per_allocation, plain)),
        Assumed("An engineer's hour", _range(row.hourly_rate_usd, money)),
        Assumed("The service's doing", percent(row.attribution_ratio * 100)),
        Assumed("Other savings a month", money(row.other_savings_usd_per_month)),
        Assumed("Development, once", money(row.development_cost_usd)),
        Assumed("Running it, a month", money(row.running_cost_usd_per_month)),
        Assumed("Projected: engineers", plain(row.engineers)),
        Assumed("Projected: hours a week each", plain(row.hours_per_engineer_week)),
        Assumed("Projected: weeks a year", plain(row.weeks_per_year)),
        Assumed("Projected: adoption", percent(row.adoption_ratio * 100)),
    ]


def _headline(name: str, title: str, result: Result, say: Callable[[Figures], str]) -> Headline:
    return Headline(name, title, say(result), say(result.interval.low), say(result.interval.high))


def _in_use(business: BusinessReport) -> str:
    used, available = business.dyno_days_used, business.dyno_days_available
    if used is None or available is None:
        return UNDEFINED
    return rate(business.dyno_utilization_rate, used, available)


def _payback(exact: Decimal | None, result: Result, unit: str) -> str:
    # Where the length is known, it is null for one reason alone: no more comes in than it costs to run.
    if exact is None:
        return NEVER if result.months else UNDEFINED
    return f"{number(exact, 1)} {unit}"


def _range(of: Range, say: Callable[[Decimal], str]) -> str:
    return say(of.mid) if of.low == of.high else f"{say(of.mid)} ({say(of.low)} to {say(of.high)})"


def _saved(month: date, lines: Sequence[Line]) -> Column:
    low, mid, high = (
        sum((getattr(line.cost_savings_usd, end) for line in lines), Decimal(0)) for end in ("low", "mid", "high")
    )
    kept = whole(sum(line.allocations for line in lines))
    said = f"{month:%Y-%m}: {money(mid)} ({money(low)} to {money(high)}), {kept} bookings"
    return Column(month, mid, said, low, high)


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  # of no use to other routes

    here = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=here, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    for say in (money, hours, percent, whole, plain, instant, words):
        environment.filters[say.__name__] = say
    return environment.get_template("page.html")
