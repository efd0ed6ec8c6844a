"""Inputs to try the model on: an ordinary lab's, and those at the limits of what it admits."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import strategies as st

from dyno.roi.model import Basis, Inputs, Range, Scenario

# Few and round, so that many a product ends in exactly half a cent.
ROUND = st.sampled_from(["0", "0.05", "0.3", "1", "1.5", "3", "4", "6", "25", "50"]).map(Decimal)


def decimals(most: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.integers(0, most * 10**places).map(lambda units: Decimal(f"{units}e-{places}"))


def quantities(most: int) -> st.SearchStrategy[Decimal]:
    return st.one_of(ROUND.filter(lambda value: value <= most), decimals(most, 6))


def ranges(most: int) -> st.SearchStrategy[Range]:
    ends = st.lists(quantities(most), min_size=3, max_size=3).map(sorted)
    return ends.map(lambda three: Range(low=three[0], mid=three[1], high=three[2]))


def inputs(*, people: int, rate: int, usd: int, shortest: str, longest: int) -> st.SearchStrategy[Inputs]:
    shares = st.one_of(st.just(Decimal(1)), st.just(Decimal("0.95")), decimals(1, 6))
    lengths = st.one_of(st.sampled_from([Decimal(1), Decimal(12)]), quantities(longest))
    return st.builds(
        Inputs,
        basis=st.sampled_from(Basis),
        allocations=st.integers(0, people * 1000),
        minutes_saved_per_allocation=ranges(people),
        engineers=quantities(people),
        hours_per_engineer_week=quantities(people),
        weeks=quantities(people),
        hourly_rate_usd=ranges(rate),
        adoption_ratio=shares,
        attribution_ratio=shares,
        other_savings_usd=decimals(usd, 2),
        development_cost_usd=st.one_of(st.just(Decimal(0)), decimals(usd, 2)),
        running_cost_usd_per_month=st.one_of(st.just(Decimal(0)), decimals(usd, 2)),
        months=st.one_of(st.none(), st.just(Decimal(0)), lengths.filter(lambda months: months >= Decimal(shortest))),
    )


LAB = inputs(people=500, rate=500, usd=1_000_000, shortest="0.03", longest=120)
"""Of amounts that a spreadsheet would hold: below ten trillion, the year's included."""
EXTREME = inputs(people=10**6, rate=10**9, usd=10**12, shortest="0.000001", longest=10**9)
ANY = st.one_of(LAB, EXTREME)


def exact_savings_usd(inputs: Inputs, scenario: Scenario) -> Fraction:
    """What the saved time is worth, in fractions, which lose nothing."""
    if inputs.basis == Basis.PER_ENGINEER_WEEK:
        minutes = [inputs.engineers, inputs.weeks, inputs.hours_per_engineer_week, Decimal(60)]
    else:
        minutes = [Decimal(inputs.allocations), getattr(inputs.minutes_saved_per_allocation, scenario.value)]
    worth = Fraction(1, 60)
    for factor in (*minutes, inputs.attribution_ratio, inputs.adoption_ratio, inputs.hourly_rate_usd.at(scenario)):
        worth *= Fraction(factor)
    return worth
