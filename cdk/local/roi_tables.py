"""The reports of what it saves, laid out for a terminal."""

from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from rich.table import Column, Table

Report = dict[str, Any]
"""As the API gives it, its numbers digit for digit."""

UNDEFINED = "–"


def heading(report: Report) -> str:
    """What a report is about, and how far it is final."""
    if report["preset"]:
        return f"The example {report['preset']}, by {report['model']}"
    period = report["period"]
    days = f"{period['start_date']} to {period['end_date']}" if period["start_date"] else "nothing so far"
    return f"{days}, as of {report['as_of']}, by {report['model']}: {_state(report)}"


def figures(report: Report) -> Table:
    """What was saved, and below it what is projected, each from low to high."""
    table = Table(
        "", *(_right(end) for end in ("low", "expected", "high")), title="What it saved", title_justify="left"
    )
    _fill(table, report, _OBSERVED)
    if report["projected"]:
        table.add_section()
        _fill(table, report["projected"], _PROJECTED)
    return table


def lab(report: Report) -> Table:
    """What the lab did, each rate beside what it is made of."""
    table = Table("", _right("value"), "made of", title="What the lab did", title_justify="left")
    for row in _of_the_lab(report):
        table.add_row(*row)
    return table


def lines(given: Iterable[Report]) -> Table:
    """The months, or parts of them, that a report is the sum of."""
    columns = ("bookings", "low", "expected", "high", "assumptions")
    table = Table("days", *(_right(name) for name in columns), title="Month by month", title_justify="left")
    for line in given:
        saved = line["cost_savings_usd"]
        table.add_row(
            f"{line['start_date']} to {line['end_date']}",
            f"{line['allocations']:,}",
            *(money(saved[end]) for end in ("low", "mid", "high")),
            str(line["assumptions_id"]),
        )
    return table


def money(exact: Decimal | None) -> str:
    """$1,456.67, -$0.50."""
    if exact is None:
        return UNDEFINED
    return f"{'-' if exact < 0 else ''}${_number(abs(exact), 2)}"


def hours(exact: Decimal | None) -> str:
    """1,234.5 h."""
    return _with_unit(exact, "h")


def percent(exact: Decimal | None) -> str:
    """12.3 %, of 12.345."""
    return _with_unit(exact, "%")


def months(exact: Decimal | None) -> str:
    """27.5 months."""
    return _with_unit(exact, "months")


def weeks(exact: Decimal | None) -> str:
    """10.0 weeks."""
    return _with_unit(exact, "weeks")


_OBSERVED = (
    ("hours saved", "time_saved_hours", hours),
    ("cost savings", "cost_savings_usd", money),
    ("benefit", "benefit_usd", money),
    ("cost", "cost_usd", money),
    ("net benefit", "net_benefit_usd", money),
    ("ROI", "roi_percentage", percent),
    ("net ROI", "net_roi_percentage", percent),
    ("payback", "payback_months", months),
    ("benefit a month", "monthly_benefit_usd", money),
    ("benefit a year", "annualised_benefit_usd", money),
)
_PROJECTED = (
    ("projected, a year", "annualised_benefit_usd", money),
    ("projected, a week", "weekly_benefit_usd", money),
    ("projected ROI", "roi_percentage", percent),
    ("projected net ROI", "net_roi_percentage", percent),
    ("projected payback", "payback_weeks", weeks),
)


def _state(report: Report) -> str:
    if report["revision"] is None:
        return "provisional, not stored"
    return f"revision {report['revision']}" + ("" if report["stored"] else ", not stored yet")


def _fill(table: Table, result: Report, rows: Iterable[Any]) -> None:
    for title, name, say in rows:
        interval = result["interval"]
        table.add_row(title, say(interval["low"][name]), say(result[name]), say(interval["high"][name]))


def _of_the_lab(said: Report) -> Iterator[tuple[str, str, str]]:
    yield (
        "bookings kept",
        f"{said['total_successful_allocations']:,}",
        f"{said['provisional_allocations']:,} provisional, {said['cancelled_within_24h']:,} cancelled within 24 h",
    )
    yield (
        f"cost savings of {said['month']}",
        money(said["monthly_cost_savings"]),
        f"{said['monthly_successful_allocations']:,} bookings kept",
    )
    yield (
        "hours saved, net",
        hours(said["net_time_saved_hours"]),
        f"{hours(said['estimated_time_saved_hours'])} less {_number(said['service_time_hours'], 4)} of the service's",
    )
    yield (
        "time to book",
        _with_unit(said["avg_allocation_time_ms"], "ms"),
        f"{_number(said['allocation_time_ms_sum'] / 1000, 1)} s over {said['allocation_calls']:,} calls",
    )
    yield (
        "conflicts eliminated",
        percent(said["conflict_elimination_rate"]),
        f"{said['conflicts_eliminated']:,} of {said['conflicts_total']:,}",
    )
    yield (
        "adoption",
        percent(said["user_adoption_rate"]),
        f"{said['active_enrolled_users']:,} of {said['enrolled_users']:,}",
    )
    yield "dynos in use", percent(said["dyno_utilization_rate"]), _dyno_days(said)
    yield "attempts refused", f"{said['refused_attempts']:,}", "no dyno was free, or the vehicle was taken"


def _dyno_days(said: Report) -> str:
    if said["dyno_days_used"] is None:
        return "of a month or of some days only"
    return f"{said['dyno_days_used']:,} of {said['dyno_days_available']:,} days of dynos"


def _with_unit(exact: Decimal | None, unit: str) -> str:
    return UNDEFINED if exact is None else f"{_number(exact, 1)} {unit}"


def _number(exact: Decimal, digits: int) -> str:
    rounded = exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{rounded or abs(rounded):,}"


def _right(title: str) -> Column:
    return Column(title, justify="right")
