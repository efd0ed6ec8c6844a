"""The model roi-model/1: from inputs to lines, from lines to figures."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext

from dyno.roi.model import Basis, Ends, Figures, Inputs, Interval, Line, Result, Scenario

FORMULAS: Mapping[str, str] = {
    "time_saved_hours": "per_allocation: allocations * minutes_saved_per_allocation / 60 * adoption_ratio"
    " * attribution_ratio; per_engineer_week: engineers * hours_per_engineer_week * weeks * adoption_ratio"
    " * attribution_ratio",
    "cost_savings_usd": "time_saved_hours * hourly_rate_usd; each line is rounded to the cent",
    "other_savings_usd": "other_savings_usd; as it was given, for each line",
    "benefit_usd": "cost_savings_usd + other_savings_usd",
    "running_cost_usd": "running_cost_usd_per_month * months; each line is rounded to the cent, 0 if months is null",
    "cost_usd": "development_cost_usd + running_cost_usd",
    "net_benefit_usd": "benefit_usd - cost_usd",
    "benefit_cost_ratio": "benefit_usd / cost_usd; null if cost_usd is 0",
    "roi_percentage": "benefit_usd / development_cost_usd * 100; null if development_cost_usd is 0",
    "net_roi_percentage": "(benefit_usd - cost_usd) / cost_usd * 100; null if cost_usd is 0",
    "payback_months": "development_cost_usd / (monthly_benefit_usd - running_cost_usd / months); null if months is"
    " null or 0, else 0 if development_cost_usd is 0, else null if no more comes in than it costs to run",
    "payback_weeks": "payback_months * 52 / 12",
    "weekly_benefit_usd": "annualised_benefit_usd / 52",
    "monthly_benefit_usd": "benefit_usd / months; null if months is null or 0",
    "annualised_benefit_usd": "benefit_usd * 12 / months; null if months is null or 0",
}
"""How each figure is reckoned, by the names it has in JSON: what to work out, then what is to be said of it."""

CENT = Decimal("0.01")
_TEN_THOUSANDTH = Decimal("0.0001")
_MINUTES_PER_HOUR = 60
_MONTHS_PER_YEAR = 12
_WEEKS_PER_YEAR = 52

# Products of all that Inputs admits have at most 80 digits: none is cut off, so that a tie is seen to be one.
_EXACT = Context(
    prec=100, rounding=ROUND_HALF_UP, Emin=-999, Emax=999, traps=[InvalidOperation, DivisionByZero, Overflow]
)
_SETTLED = Decimal("1e-40")


def cents(amount_usd: Decimal) -> Decimal:
    """Money as it is paid: to the cent, half a cent away from 0, in whatever decimal context."""
    return amount_usd.quantize(CENT, ROUND_HALF_UP, _EXACT)


def line(
    inputs: Inputs, *, start_date: date | None = None, end_date: date | None = None, assumptions_id: int | None = None
) -> Line:
    """What a part of a period saved, in each scenario. Money is rounded here, and nowhere else."""
    with localcontext(_EXACT):
        return Line(
            start_date=start_date,
            end_date=end_date,
            assumptions_id=assumptions_id,
            months=inputs.months,
            allocations=inputs.allocations,
            time_saved_hours=_interval(lambda scenario: _minutes(inputs, scenario) / _MINUTES_PER_HOUR),
            # Not hours by rate: hours may be thirds, and one cut off may turn the half of a cent down.
            cost_savings_usd=_interval(
                lambda scenario: cents(
                    _minutes(inputs, scenario) * inputs.hourly_rate_usd.at(scenario) / _MINUTES_PER_HOUR
                )
            ),
            other_savings_usd=cents(inputs.other_savings_usd),
            running_cost_usd=cents(inputs.running_cost_usd_per_month * (inputs.months or 0)),
        )


def total(lines: Sequence[Line], *, development_cost_usd: Decimal) -> Result:
    """
    The figures of some lines together: their cents add up to it.

    Returns:
        months is the sum of theirs, null if one is not known; by the month, nothing is said of null or 0 months.
    """
    with localcontext(_EXACT):
        months = _months(lines)
        low, mid, high = (
            _figures(lines, scenario, development_cost_usd, months or Decimal(0)) for scenario in Scenario
        )
        return Result(**mid.model_dump(), months=months, interval=Ends(low=low, high=high), formulas=dict(FORMULAS))


def evaluate(inputs: Inputs) -> Result:
    """The figures of inputs that are a whole period's."""
    result = total([line(inputs)], development_cost_usd=inputs.development_cost_usd)
    return result.model_copy(update={"inputs": inputs})


def _interval(of: Callable[[Scenario], Decimal]) -> Interval:
    return Interval(low=of(Scenario.LOW), mid=of(Scenario.MID), high=of(Scenario.HIGH))


def _minutes(inputs: Inputs, scenario: Scenario) -> Decimal:
    if inputs.basis is Basis.PER_ALLOCATION:
        minutes = inputs.allocations * inputs.minutes_saved_per_allocation.at(scenario)
    else:
        minutes = inputs.engineers * inputs.hours_per_engineer_week * inputs.weeks * _MINUTES_PER_HOUR
    return minutes * inputs.adoption_ratio * inputs.attribution_ratio


def _months(lines: Sequence[Line]) -> Decimal | None:
    known = [line.months for line in lines if line.months is not None]
    return sum(known, Decimal(0)) if len(known) == len(lines) else None


def _figures(lines: Sequence[Line], scenario: Scenario, development: Decimal, months: Decimal) -> Figures:
    savings = sum((line.cost_savings_usd.at(scenario) for line in lines), Decimal(0))
    other = sum((line.other_savings_usd for line in lines), Decimal(0))
    running = sum((line.running_cost_usd for line in lines), Decimal(0))
    benefit, cost, surplus = savings + other, development + running, savings + other - running
    return Figures(
        time_saved_hours=_hours(lines, scenario),
        cost_savings_usd=savings,
        other_savings_usd=other,
        benefit_usd=benefit,
        running_cost_usd=running,
        cost_usd=cost,
        net_benefit_usd=benefit - cost,
        benefit_cost_ratio=_quotient(benefit, cost),
        roi_percentage=_quotient(benefit * 100, development),
        net_roi_percentage=_quotient((benefit - cost) * 100, cost),
        payback_months=_payback(development, surplus, months),
        payback_weeks=_payback(development, surplus * _MONTHS_PER_YEAR, months * _WEEKS_PER_YEAR),
        weekly_benefit_usd=_quotient(benefit * _MONTHS_PER_YEAR, months * _WEEKS_PER_YEAR, CENT),
        monthly_benefit_usd=_quotient(benefit, months, CENT),
        annualised_benefit_usd=_quotient(benefit * _MONTHS_PER_YEAR, months, CENT),
    )


def _hours(lines: Sequence[Line], scenario: Scenario) -> Decimal:
    exact = sum((line.time_saved_hours.at(scenario) for line in lines), Decimal(0))
    # Three thirds, each cut off, come out a hair below the whole, which must not bring a half down.
    return exact.quantize(_SETTLED).quantize(_TEN_THOUSANDTH)


def _quotient(of: Decimal, by: Decimal, unit: Decimal = _TEN_THOUSANDTH) -> Decimal | None:
    return (of / by).quantize(unit) if by else None


def _payback(development: Decimal, surplus: Decimal, length: Decimal) -> Decimal | None:
    if not length:
        return None
    return _quotient(development * length, max(surplus, Decimal(0)), CENT) if development else Decimal(0)
