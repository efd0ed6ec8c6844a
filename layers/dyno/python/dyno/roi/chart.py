"""Columns of a chart by the month, laid out for an SVG as wide as its reader's screen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

MOST_STEPS = 5
"""Between the lines of an axis."""

MOST_LABELS = 12
"""Of columns: so many fit on a phone."""

FEWEST = 8
"""Columns there is room for in any case: a single one need not fill the page."""

_ROUND = (1, 2, 5, 10)
_FILLED = Decimal("0.62")
_MILLION, _BILLION = 10**6, 10**9


class Column(NamedTuple):
    """
    What is to be shown of a month.

    Attributes:
        low: Where the whisker begins; `high`, its end, is the same if nothing is uncertain.
        title: What is said of it in words.
    """

    month: date
    value: Decimal
    title: str
    low: Decimal | None = None
    high: Decimal | None = None


class Tick(NamedTuple):
    """A line of the axis; `y` in px from the top of the plot."""

    label: str
    y: Decimal


class Whisker(NamedTuple):
    """How far a value may lie off; in px from the top of the plot."""

    top: Decimal
    bottom: Decimal


class Bar(NamedTuple):
    """
    A column, drawn.

    Attributes:
        x: Its left edge, in percent of the plot, like `width` and `middle`.
        y: Its top, in px from the top of the plot, like `height`.
        label: Of its month; None where there is no room.
        year: Below that; None where the label before has the same.
    """

    x: Decimal
    width: Decimal
    middle: Decimal
    y: Decimal
    height: Decimal
    whisker: Whisker | None
    label: str | None
    year: str | None
    title: str


@dataclass(frozen=True)
class Chart:
    """
    Bars on an axis from 0.

    Attributes:
        height: Of the plot, in px.
        ticks: From 0 upwards.
        bars: In the columns' order.
    """

    height: Decimal
    ticks: list[Tick]
    bars: list[Bar]


def chart(columns: Sequence[Column], *, height: int, unit: str = "") -> Chart:
    """
    Columns, drawn in proportion.

    Args:
        height: Of the plot, in px.
        unit: In front of the numbers of the axis.
    """
    steps = ticks(max((column.high or column.value for column in columns), default=Decimal(0)))
    tall = Decimal(height)
    drawn = _Plot(height=tall, top=steps[-1], room=Decimal(100) / max(len(columns), FEWEST))
    return Chart(
        height=tall,
        ticks=[Tick(f"{unit}{short(step)}", drawn.y(Decimal(step))) for step in steps],
        bars=[
            drawn.bar(place, column, label)
            for place, (column, label) in enumerate(zip(columns, _labels(columns), strict=True))
        ],
    )


def ticks(top: Decimal) -> list[int]:
    """Whole round numbers from 0, evenly spaced, to the first that is not below `top`; 0 and 1 of nothing."""
    least = top / MOST_STEPS
    power = Decimal(10) ** (least.adjusted() if least else 0)
    step = max(1, int(next(power * times for times in _ROUND if power * times >= least)))
    last = max(1, int((top / step).to_integral_value(ROUND_CEILING)))
    return [step * each for each in range(last + 1)]


def short(number: int) -> str:
    """A round number in few letters: 2,500, 2.5M, 25B."""
    for size, letter in ((_BILLION, "B"), (_MILLION, "M")):
        if number >= size:
            return f"{number / size:,.10g}{letter}"
    return f"{number:,}"


@dataclass(frozen=True)
class _Plot:
    """Where values and places lie; `top` is the value at the upper edge, `room` a column's, in percent."""

    height: Decimal
    top: int
    room: Decimal

    def y(self, value: Decimal) -> Decimal:
        return _rounded(self.height - self.height * value / self.top)

    def bar(self, place: int, column: Column, label: tuple[str, str | None] | None) -> Bar:
        y = self.y(column.value)
        month, year = label or (None, None)
        certain = column.low == column.high
        return Bar(
            x=_rounded(self.room * (place + (1 - _FILLED) / 2)),
            width=_rounded(self.room * _FILLED),
            middle=_rounded(self.room * (place + Decimal("0.5"))),
            y=y,
            height=self.height - y,
            whisker=None if certain else Whisker(self.y(column.high or Decimal(0)), self.y(column.low or Decimal(0))),
            label=month,
            year=year,
            title=column.title,
        )


def _labels(columns: Sequence[Column]) -> list[tuple[str, str | None] | None]:
    """Month and, where it is another, year; the last column has one, and of the others as many as there is room for."""
    every = -(-len(columns) // MOST_LABELS)
    labels: list[tuple[str, str | None] | None] = []
    said = None
    for place, column in enumerate(columns, start=1):
        if (len(columns) - place) % every:
            labels.append(None)
            continue
        year = f"’{column.month:%y}"
        labels.append((f"{column.month:%b}", None if year == said else year))
        said = year
    return labels


def _rounded(exact: Decimal) -> Decimal:
    return exact.quantize(Decimal("0.01"))
