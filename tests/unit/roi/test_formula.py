from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given

from dyno.roi import formula
from dyno.roi.formula import FORMULAS, cents, evaluate, line, total
from dyno.roi.model import Basis, Figures, Inputs, Range
from tests.unit.roi.claims import figures
from tests.unit.roi.examples import ANY
from tests.unit.roi.worked import Worked


def inputs(**given: Any) -> Inputs:
    usual: dict[str, Any] = {
        "basis": Basis.PER_ALLOCATION,
        "allocations": 300,
        "minutes_saved_per_allocation": Range(low=Decimal(3), mid=Decimal(4), high=Decimal(5)),
        "hourly_rate_usd": Range(low=Decimal(40), mid=Decimal(50), high=Decimal("62.50")),
        "attribution_ratio": Decimal("0.9"),
        "other_savings_usd": Decimal("12.50"),
        "development_cost_usd": Decimal(5000),
        "running_cost_usd_per_month": Decimal("65.25"),
        "months": Decimal(2),
    }
    return Inputs(**usual | given)


def mismatches(of: Inputs) -> list[str]:
    """The figures that are not what FORMULAS say, at either end or in the middle."""
    return [
        name
        for scenario, shown in figures(evaluate(of)).items()
        for name, value in shown.model_dump(include=set(Figures.model_fields)).items()
        if (None if value is None else Fraction(value)) != Worked(of, scenario).figure(name)
    ]


def test_every_figure_has_its_formula_in_every_result() -> None:
    result = evaluate(inputs())

    assert set(FORMULAS) == set(Figures.model_fields)
    assert result.formulas == FORMULAS


@given(ANY)
def test_the_figures_are_what_their_formulas_say(of: Inputs) -> None:
    assert mismatches(of) == []


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_that_says_something_else_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = FORMULAS[name].replace("allocations *", "2 * allocations *")
    wrong = twice if twice != FORMULAS[name] else f"1 + {twice}"
    monkeypatch.setattr(formula, "FORMULAS", {**FORMULAS, name: wrong})

    assert name in mismatches(inputs())


def test_two_months_come_out_as_reckoned_by_hand() -> None:
    result = evaluate(inputs())

    assert result.time_saved_hours == Decimal(18)
    assert result.cost_savings_usd == Decimal(900)
    assert result.benefit_usd == Decimal("912.50")
    assert result.running_cost_usd == Decimal("130.50")
    assert result.cost_usd == Decimal("5130.50")
    assert result.net_benefit_usd == Decimal("-4218.00")
    assert result.benefit_cost_ratio == Decimal("0.1779")
    assert result.roi_percentage == Decimal("18.25")
    assert result.net_roi_percentage == Decimal("-82.2142")
    assert (result.payback_months, result.payback_weeks) == (Decimal("12.79"), Decimal("55.41"))
    assert result.monthly_benefit_usd == Decimal("456.25")
    assert result.annualised_benefit_usd == Decimal(5475)
    assert result.weekly_benefit_usd == Decimal("105.29")


def test_each_end_takes_the_minutes_and_the_rate_of_its_name() -> None:
    ends = evaluate(inputs()).interval

    assert (ends.low.time_saved_hours, ends.high.time_saved_hours) == (Decimal("13.5"), Decimal("22.5"))
    assert (ends.low.cost_savings_usd, ends.high.cost_savings_usd) == (Decimal(540), Decimal("1406.25"))
    assert (ends.low.payback_months, ends.high.payback_months) == (Decimal("23.70"), Decimal("7.76"))


def test_a_line_keeps_its_days_its_row_and_its_hours_to_the_last_third() -> None:
    kept = line(inputs(allocations=1), start_date=date(2026, 11, 1), end_date=date(2026, 11, 30), assumptions_id=7)

    assert (kept.start_date, kept.end_date, kept.assumptions_id) == (date(2026, 11, 1), date(2026, 11, 30), 7)
    assert kept.months == 2
    assert kept.time_saved_hours.mid == Decimal("0.06")
    assert str(line(inputs(allocations=1, attribution_ratio=Decimal(1))).time_saved_hours.mid) == "0.0" + "6" * 99 + "7"


def test_half_a_cent_is_not_lost_in_thirds_of_hours() -> None:
    rate = Decimal("0.285")
    kept = line(
        inputs(
            allocations=20,
            minutes_saved_per_allocation=Range.exactly(1),
            hourly_rate_usd=Range.exactly(rate),
            attribution_ratio=Decimal(1),
        )
    )

    assert kept.cost_savings_usd.mid == Decimal("0.10")
    assert cents(formula._EXACT.multiply(kept.time_saved_hours.mid, rate)) == Decimal("0.09")


def test_half_a_digit_of_hours_is_not_lost_in_thirds_either() -> None:
    short = inputs(
        allocations=1, minutes_saved_per_allocation=Range.exactly(Decimal("0.011")), attribution_ratio=Decimal(1)
    )
    lines = [line(short)] * 3

    assert total(lines, development_cost_usd=Decimal(0)).time_saved_hours == Decimal("0.0006")
    with localcontext(formula._EXACT):
        exact = sum((each.time_saved_hours.mid for each in lines), Decimal(0))
        assert exact.quantize(Decimal("0.0001")) == Decimal("0.0005")


@pytest.mark.parametrize(
    ("exact", "shown"), [("0.005", "0.01"), ("0.00499", "0.00"), ("-0.005", "-0.01"), ("2.345", "2.35")]
)
def test_half_a_cent_counts_as_one(exact: str, shown: str) -> None:
    assert cents(Decimal(exact)) == Decimal(shown)


def test_no_lines_come_to_nothing_and_what_it_cost() -> None:
    result = total([], development_cost_usd=Decimal(5000))

    assert result.months is not None
    assert not any((result.months, result.benefit_usd, result.time_saved_hours))
    assert (result.cost_usd, result.net_benefit_usd) == (Decimal(5000), Decimal(-5000))
    assert result.net_roi_percentage == Decimal(-100)
    assert result.payback_months is result.monthly_benefit_usd is result.weekly_benefit_usd is None


def test_nothing_at_all_has_no_ratios() -> None:
    result = total([], development_cost_usd=Decimal(0))

    assert result.benefit_cost_ratio is result.roi_percentage is result.net_roi_percentage is None


def test_what_cost_nothing_to_develop_has_paid_it_back_even_at_a_loss() -> None:
    result = evaluate(inputs(development_cost_usd=Decimal(0), running_cost_usd_per_month=Decimal(10_000)))

    assert (result.payback_months, result.payback_weeks) == (Decimal(0), Decimal(0))
    assert result.net_benefit_usd < 0


@pytest.mark.parametrize("running", ["456.25", "456.26"])
def test_what_brings_in_no_more_than_it_costs_to_run_never_pays_back(running: str) -> None:
    result = evaluate(inputs(running_cost_usd_per_month=Decimal(running)))

    assert result.payback_months is result.payback_weeks is None


@pytest.mark.parametrize("months", [None, Decimal(0)])
def test_without_a_length_nothing_is_said_by_the_month(months: Decimal | None) -> None:
    result = evaluate(inputs(months=months))

    assert result.months == months
    assert (result.benefit_usd, result.running_cost_usd) == (Decimal("912.50"), Decimal(0))
    assert result.payback_months is result.monthly_benefit_usd is result.annualised_benefit_usd is None


def test_one_line_of_unknown_length_leaves_the_whole_unknown() -> None:
    lines = [line(inputs()), line(inputs(months=None))]

    assert total(lines, development_cost_usd=Decimal(0)).months is None


def test_a_negative_zero_is_never_shown() -> None:
    zero = Decimal("-0.00")
    nothing = inputs(
        hourly_rate_usd=Range.exactly(zero),
        attribution_ratio=zero,
        other_savings_usd=zero,
        running_cost_usd_per_month=zero,
        months=zero,
    )
    a_hair_below = inputs(
        allocations=0, other_savings_usd=Decimal("99999999.99"), development_cost_usd=Decimal(10**8), months=None
    )

    assert "-0" not in f"{line(nothing)!r} {evaluate(nothing)!r}"
    assert str(evaluate(a_hair_below).net_roi_percentage) == "0"
    assert str(Decimal("-0.00001").quantize(Decimal("0.0001"))) == "-0.0000"  # what it would be


def test_the_largest_inputs_come_out_to_the_cent() -> None:
    most = Decimal(10**9)
    largest = inputs(
        basis=Basis.PER_ENGINEER_WEEK,
        engineers=most,
        hours_per_engineer_week=most,
        weeks=most - Decimal("0.000001"),
        hourly_rate_usd=Range.exactly(most),
        attribution_ratio=Decimal(1),
    )

    assert evaluate(largest).cost_savings_usd == Decimal("999999999999999" + "0" * 21)
