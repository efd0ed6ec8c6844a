"""What is claimed of a model's money, as checks that take the model; and the right one."""

import decimal
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from hypothesis import strategies as st

from dyno.roi import formula
from dyno.roi.model import Basis, Figures, Inputs, Line, Range, Result, Scenario
from tests.unit.roi.examples import ANY, LAB, decimals, exact_savings_usd

CENT = Decimal("0.01")
MONEY = [name for name in Figures.model_fields if name.endswith("_usd")]
MORE_BENEFIT = (
    "allocations",
    "engineers",
    "minutes_saved_per_allocation",
    "hourly_rate_usd",
    "adoption_ratio",
    "attribution_ratio",
    "other_savings_usd",
)
MORE_COST = ("development_cost_usd", "running_cost_usd_per_month")


@dataclass(frozen=True)
class Model:
    """One way to reckon: the right one unless said."""

    line: Callable[[Inputs], Line] = formula.line
    total: Callable[[Sequence[Line], Decimal], Result] = lambda lines, usd: formula.total(
        lines, development_cost_usd=usd
    )
    written: Callable[[Result], str] = Result.model_dump_json

    def evaluate(self, inputs: Inputs) -> Result:
        return self.total([self.line(inputs)], inputs.development_cost_usd)


class Claim(NamedTuple):
    """A check of a model on an example, and the examples to try."""

    check: Callable[[Model, Any], None]
    examples: st.SearchStrategy[Any]


def figures(result: Result) -> dict[Scenario, Figures]:
    return {Scenario.LOW: result.interval.low, Scenario.MID: result, Scenario.HIGH: result.interval.high}


def more(inputs: Inputs, name: str, step: Decimal) -> Inputs:
    """The same with more of one thing; of shares, never more than all."""
    was = getattr(inputs, name)
    if isinstance(was, Range):
        becomes: object = Range.model_construct(low=was.low + step, mid=was.mid + step, high=was.high + step)
    elif name == "allocations":
        becomes = was + int(step)
    else:
        becomes = min(was + step, Decimal(1)) if name.endswith("_ratio") else was + step
    return inputs.model_copy(update={name: becomes})


def months_add_up(model: Model, months: list[Inputs]) -> None:
    lines = [model.line(month) for month in months]

    whole = model.total(lines, Decimal(0))

    for scenario, shown in figures(whole).items():
        assert shown.cost_savings_usd == sum(line.cost_savings_usd.at(scenario).quantize(CENT) for line in lines)
        assert shown.other_savings_usd == sum(line.other_savings_usd.quantize(CENT) for line in lines)
        assert shown.running_cost_usd == sum(line.running_cost_usd.quantize(CENT) for line in lines)
        assert shown.benefit_usd == shown.cost_savings_usd + shown.other_savings_usd


def a_line_is_exact_to_half_a_cent_and_half_a_cent_counts_as_one(model: Model, inputs: Inputs) -> None:
    line = model.line(inputs)

    for scenario in Scenario:
        too_much = Fraction(line.cost_savings_usd.at(scenario)) - exact_savings_usd(inputs, scenario)
        assert Fraction(-1, 200) < too_much <= Fraction(1, 200)


def each_input_moves_the_result_the_right_way(model: Model, example: tuple[Inputs, str, Decimal]) -> None:
    inputs, name, step = example
    before, after = (figures(model.evaluate(each)) for each in (inputs, more(inputs, name, step)))

    for scenario in Scenario:
        less, raised = before[scenario], after[scenario]
        if name in MORE_BENEFIT:
            assert less.benefit_usd <= raised.benefit_usd
        else:
            assert _endless(raised.net_roi_percentage) <= _endless(less.net_roi_percentage)
            assert _endless(raised.benefit_cost_ratio) <= _endless(less.benefit_cost_ratio)
            assert _endless(less.payback_months) <= _endless(raised.payback_months)


def low_and_high_lie_on_their_sides(model: Model, inputs: Inputs) -> None:
    low, mid, high = figures(model.evaluate(inputs)).values()

    assert low.cost_savings_usd <= mid.cost_savings_usd <= high.cost_savings_usd
    assert low.time_saved_hours <= mid.time_saved_hours <= high.time_saved_hours
    assert _endless(low.payback_months) >= _endless(mid.payback_months) >= _endless(high.payback_months)


def a_split_moves_at_most_a_cent(model: Model, example: tuple[Inputs, Decimal]) -> None:
    inputs, share = example
    first = int(inputs.allocations * share)
    counts = (first, inputs.allocations - first)
    parts = [model.line(inputs.model_copy(update={"allocations": count})) for count in counts]

    for scenario in Scenario:
        whole = model.line(inputs).cost_savings_usd.at(scenario)
        assert abs(sum(part.cost_savings_usd.at(scenario) for part in parts) - whole) <= CENT


def json_gives_back_the_cents(model: Model, inputs: Inputs) -> None:
    result = model.evaluate(inputs)

    read = json.loads(model.written(result), parse_float=Decimal)

    for said, meant in ((read, result), (read["interval"]["low"], result.interval.low)):
        assert [said[name] for name in MONEY] == [getattr(meant, name) for name in MONEY]


def a_callers_context_changes_nothing(model: Model, example: tuple[Inputs, int, str]) -> None:
    inputs, precision, rounding = example
    usual = model.evaluate(inputs).model_dump_json()

    with decimal.localcontext(decimal.Context(precision, rounding, traps=[decimal.FloatOperation])):
        elsewhere = model.evaluate(inputs).model_dump_json()

    assert elsewhere == usual


def _endless(value: Decimal | None) -> Decimal:
    """A number by no cost, or of months that never end: null, and more than any other."""
    return Decimal("Infinity") if value is None else value


BOOKED = ANY.map(lambda inputs: inputs.model_copy(update={"basis": Basis.PER_ALLOCATION}))
STEPS = st.one_of(st.just(Decimal(1)), decimals(1000, 2))
ROUNDINGS = st.sampled_from([decimal.ROUND_FLOOR, decimal.ROUND_CEILING, decimal.ROUND_HALF_EVEN, decimal.ROUND_DOWN])

CLAIMS = {
    claim.check.__name__: claim
    for claim in (
        Claim(months_add_up, st.lists(ANY, max_size=6)),
        Claim(a_line_is_exact_to_half_a_cent_and_half_a_cent_counts_as_one, ANY),
        Claim(
            each_input_moves_the_result_the_right_way,
            st.tuples(ANY, st.sampled_from(MORE_BENEFIT + MORE_COST), STEPS),
        ),
        Claim(low_and_high_lie_on_their_sides, ANY),
        Claim(a_split_moves_at_most_a_cent, st.tuples(BOOKED, decimals(1, 6))),
        Claim(json_gives_back_the_cents, LAB),
        Claim(a_callers_context_changes_nothing, st.tuples(ANY, st.integers(1, 60), ROUNDINGS)),
    )
}
