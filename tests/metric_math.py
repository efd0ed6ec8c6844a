"""What CloudWatch makes of statistics and of metric math, as far as our alarms use them."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

Value = float | None
"""None: nothing was measured."""

STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "Sum": math.fsum,
    "Average": fmean,
    "Maximum": max,
    "Minimum": min,
    "SampleCount": len,
}

SPELT = {r"\bAND\b|&&": " and ", r"\bOR\b|\|\|": " or "}
"""Its words in Python."""


def statistic(name: str, samples: Sequence[float]) -> Value:
    """
    A statistic of a period's samples; percentiles are of the nearest rank.

    Source:
        CloudWatch User Guide, "CloudWatch statistics definitions": a trimmed count, TC(2000:), is of the samples above
        its lower bound.
    """
    if not samples:
        return None
    if percentile := re.fullmatch(r"p([\d.]+)", name):
        return sorted(samples)[math.ceil(float(percentile[1]) / 100 * len(samples)) - 1]
    if counted := re.fullmatch(r"TC\(([\d.]+):\)", name):
        return float(sum(sample > float(counted[1]) for sample in samples))
    return float(STATISTICS[name](samples))


def computed(expression: str, known: Mapping[str, Value]) -> Value:
    """
    Metric math: it is nearly Python, so Python says.

    Source:
        CloudWatch User Guide, "Using math expressions with CloudWatch metrics": what is made of a value that is
        missing is missing, but for FILL; SUM is of the others.
    """
    for theirs, ours in SPELT.items():
        expression = re.sub(theirs, ours, expression)
    functions = {"IF": _if, "FILL": filled, "SUM": _sum}
    try:
        return _number(eval(expression, {"__builtins__": {}}, {**known, **functions}))
    except TypeError:
        return None


def _if(condition: Value, then: Value, otherwise: Value) -> Value:
    return then if condition else otherwise


def filled(value: Value, otherwise: float) -> Value:
    """Of a series with points at other times; what becomes of one that has none is not written down."""
    return otherwise if value is None else value


def _sum(values: list[Value]) -> Value:
    measured = [value for value in values if value is not None]
    return math.fsum(measured) if measured else None


def _number(value: Any) -> Value:
    return None if value is None else float(value)
