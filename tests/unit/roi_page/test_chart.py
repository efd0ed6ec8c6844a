from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyno.roi.chart import FEWEST, MOST_LABELS, MOST_STEPS, Chart, Column, chart, short, ticks

AMOUNTS = st.decimals(min_value=0, max_value=10**13, places=2)


def columns(*values: float) -> list[Column]:
    return [
        Column(date(2025 + place // 12, place % 12 + 1, 1), Decimal(str(value)), f"{value}")
        for place, value in enumerate(values)
    ]


def drawn(*values: float) -> Chart:
    return chart(columns(*values), height=200)


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        ("0", [0, 1]),
        ("0.4", [0, 1]),
        ("1", [0, 1]),
        ("3", [0, 1, 2, 3]),
        ("6.67", [0, 2, 4, 6, 8]),
        ("100", [0, 20, 40, 60, 80, 100]),
        ("100.01", [0, 50, 100, 150]),
        ("2158.95", [0, 500, 1000, 1500, 2000, 2500]),
        ("2425.35", [0, 500, 1000, 1500, 2000, 2500]),
    ],
)
def test_an_axis_has_round_numbers(top: str, expected: list[int]) -> None:
    assert ticks(Decimal(top)) == expected


@given(AMOUNTS)
def test_an_axis_reaches_the_top_in_few_equal_round_steps(top: Decimal) -> None:
    found = ticks(top)

    steps = {after - before for before, after in pairwise(found)}
    assert len(steps) == 1
    assert str(steps.pop()).rstrip("0") in {"1", "2", "5"}
    assert found[0] == 0
    assert found[-2] < top <= found[-1] or found == [0, 1]
    assert len(found) <= MOST_STEPS + 1


@given(st.lists(AMOUNTS, min_size=1, max_size=50))
def test_bars_are_as_tall_as_their_values_and_stand_on_the_axis(values: list[Decimal]) -> None:
    found = chart([Column(date(2026, 1, 1), value, "") for value in values], height=200)

    top = ticks(max(values))[-1]
    assert [float(bar.height) for bar in found.bars] == pytest.approx(
        [200 * float(value) / top for value in values], abs=0.01
    )
    assert {bar.y + bar.height for bar in found.bars} == {200}
    assert [float(tick.y) for tick in (found.ticks[0], found.ticks[-1])] == [200, 0]


@pytest.mark.parametrize("count", [1, 2, 12, 40])
def test_bars_lie_side_by_side_within_the_plot(count: int) -> None:
    bars = drawn(*range(count)).bars

    assert len(bars) == count
    assert all(before.x + before.width < after.x for before, after in pairwise(bars))
    assert bars[0].x > 0
    assert bars[-1].x + bars[-1].width < 100
    assert all(bar.x < bar.middle < bar.x + bar.width for bar in bars)
    assert bars[0].width < 100 / FEWEST


@pytest.mark.parametrize("count", [1, 12, 13, 40, 100])
def test_labels_have_room_and_the_last_month_has_one(count: int) -> None:
    labels = [bar.label for bar in drawn(*range(count)).bars]

    assert labels[-1] is not None
    assert 1 <= len([each for each in labels if each]) <= MOST_LABELS


def test_a_year_is_said_once() -> None:
    found = [(bar.label, bar.year) for bar in drawn(*range(14)).bars if bar.label]

    assert found == [
        ("Feb", "’25"), ("Apr", None), ("Jun", None), ("Aug", None), ("Oct", None), ("Dec", None), ("Feb", "’26")
    ]  # fmt: skip


def test_a_whisker_goes_from_low_to_high_and_raises_the_axis() -> None:
    column = Column(date(2026, 11, 1), Decimal(40), "", low=Decimal(20), high=Decimal(90))

    found = chart([column], height=200)

    [bar] = found.bars
    assert bar.whisker
    assert [float(each) for each in (*bar.whisker, bar.height)] == [20, 160, 80]
    assert found.ticks[-1].label == "100"


def test_what_is_certain_has_no_whisker() -> None:
    certain = Column(date(2026, 11, 1), Decimal(40), "", low=Decimal(40), high=Decimal(40))

    assert [bar.whisker for bar in chart([certain, *columns(40)], height=200).bars] == [None, None]


def test_nothing_is_a_chart_too() -> None:
    found = chart([], height=200, unit="$")

    assert (found.bars, [tick.label for tick in found.ticks]) == ([], ["$0", "$1"])


def test_months_without_savings_have_bars_of_no_height() -> None:
    assert [bar.height for bar in drawn(0, 0, 0).bars] == [0, 0, 0]


@pytest.mark.parametrize(
    ("number", "letters"),
    [(0, "0"), (2500, "2,500"), (500_000, "500,000"), (2_500_000, "2.5M"), (20_000_000_000, "20B")],
)
def test_round_numbers_are_short(number: int, letters: str) -> None:
    assert short(number) == letters
