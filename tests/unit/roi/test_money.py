"""What is claimed of money, tried on many inputs; and that each claim tells a wrong model from the right one."""

import json
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import Phase, given, settings

from dyno.roi import formula
from dyno.roi.model import Inputs, Interval, Line, Range, Result, Scenario
from tests.unit.roi.claims import CENT, CLAIMS, MORE_BENEFIT, MORE_COST, Claim, Model


def put_to_the_test(claim: Claim, model: Model, **how: Any) -> None:
    @settings(deadline=None, report_multiple_bugs=False, **how)
    @given(claim.examples)
    def attempt(example: Any) -> None:
        claim.check(model, example)

    attempt()


@pytest.mark.parametrize("name", CLAIMS)
def test_what_is_claimed_of_money_holds(name: str) -> None:
    put_to_the_test(CLAIMS[name], Model(), max_examples=200)


def reckoned(worth: Callable[[Inputs, Scenario], Decimal]) -> Callable[[Inputs], Line]:
    """The model's line, but for what the saved time is worth."""

    def line(inputs: Inputs) -> Line:
        usd = {scenario.value: worth(inputs, scenario) for scenario in Scenario}
        return formula.line(inputs).model_copy(update={"cost_savings_usd": Interval(**usd)})

    return line


def of_inputs(change: Callable[[Inputs], Inputs]) -> Callable[[Inputs], Line]:
    """The model's line, but of other inputs than were given."""
    return lambda inputs: formula.line(change(inputs))


def hours(inputs: Inputs, scenario: Scenario) -> Decimal:
    return formula.line(inputs).time_saved_hours.at(scenario)


def in_floats(inputs: Inputs, scenario: Scenario) -> Decimal:
    usd = float(hours(inputs, scenario)) * float(inputs.hourly_rate_usd.at(scenario))
    return Decimal(repr(round(usd, 2)))


def each_allocation_rounded(inputs: Inputs, scenario: Scenario) -> Decimal:
    single = inputs.model_copy(update={"allocations": 1})
    return inputs.allocations * formula.line(single).cost_savings_usd.at(scenario)


def half_to_even(inputs: Inputs, scenario: Scenario) -> Decimal:
    exact = hours(inputs, scenario) * inputs.hourly_rate_usd.at(scenario)
    return exact.quantize(CENT, ROUND_HALF_EVEN)


def of_whole_hours(inputs: Inputs, scenario: Scenario) -> Decimal:
    return formula.cents(round(hours(inputs, scenario)) * inputs.hourly_rate_usd.at(scenario))


def of_hours_as_shown(inputs: Inputs, scenario: Scenario) -> Decimal:
    return formula.cents(round(hours(inputs, scenario), 4) * inputs.hourly_rate_usd.at(scenario))


def not_rounded(inputs: Inputs, scenario: Scenario) -> Decimal:
    return hours(inputs, scenario) * inputs.hourly_rate_usd.at(scenario)


def ends_swapped(inputs: Inputs) -> Inputs:
    rate = inputs.hourly_rate_usd
    swapped = Range.model_construct(low=rate.high, mid=rate.mid, high=rate.low)
    return inputs.model_copy(update={"hourly_rate_usd": swapped})


def to_the_dollar(lines: Sequence[Line], usd: Decimal) -> Result:
    whole = formula.total(lines, development_cost_usd=usd)
    return whole.model_copy(update={"cost_savings_usd": whole.cost_savings_usd.quantize(Decimal(1))})


def backwards(name: str) -> Model:
    """Takes more of something for less of it."""

    def less_for_more(inputs: Inputs) -> Inputs:
        was = getattr(inputs, name)
        if isinstance(was, Range):
            low, mid, high = (10**6 / (1 + was.at(scenario)) for scenario in Scenario)
            return inputs.model_copy(update={name: Range.model_construct(low=low, mid=mid, high=high)})
        becomes = 10**6 // (1 + was) if name == "allocations" else 10**6 / (1 + was)
        return inputs.model_copy(update={name: becomes})

    class Backwards(Model):
        def evaluate(self, inputs: Inputs) -> Result:
            return formula.evaluate(less_for_more(inputs))

    return Backwards()


def in_seven_digits(result: Result) -> str:
    return json.dumps(json.loads(result.model_dump_json(), parse_float=lambda text: float(f"{float(text):.7g}")))


PLANTED = [
    ("months_add_up", Model(line=reckoned(not_rounded))),
    ("months_add_up", Model(total=to_the_dollar)),
    ("a_line_is_exact_to_half_a_cent_and_half_a_cent_counts_as_one", Model(line=reckoned(in_floats))),
    ("a_line_is_exact_to_half_a_cent_and_half_a_cent_counts_as_one", Model(line=reckoned(each_allocation_rounded))),
    ("a_line_is_exact_to_half_a_cent_and_half_a_cent_counts_as_one", Model(line=reckoned(half_to_even))),
    ("a_line_is_exact_to_half_a_cent_and_half_a_cent_counts_as_one", Model(line=reckoned(of_hours_as_shown))),
    *(("each_input_moves_the_result_the_right_way", backwards(name)) for name in MORE_BENEFIT + MORE_COST),
    ("low_and_high_lie_on_their_sides", Model(line=of_inputs(ends_swapped))),
    ("a_split_moves_at_most_a_cent", Model(line=reckoned(of_whole_hours))),
    ("json_gives_back_the_cents", Model(written=in_seven_digits)),
    ("a_callers_context_changes_nothing", Model(line=reckoned(not_rounded))),
]


@pytest.mark.parametrize(("name", "wrong"), PLANTED)
def test_a_wrong_model_breaks_the_claim(name: str, wrong: Model) -> None:
    with pytest.raises(AssertionError):
        put_to_the_test(
            CLAIMS[name], wrong, max_examples=3000, derandomize=True, database=None, phases=[Phase.generate]
        )
