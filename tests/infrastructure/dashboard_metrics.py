"""Whether CloudWatch could read the metrics of a graph: names and dimensions, shorthands, ids, expressions."""

from collections import Counter
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from tests.infrastructure.dashboard_expressions import Expression, read

Row = Sequence[Any]

MOST_DIMENSIONS = 30
LONGEST_NAME = 255
LONGEST_VALUE = 1024
"""
Of one metric; characters, of a namespace, a metric or a dimension, and of a dimension's value.

Source:
    The API's model (cloudwatch 2010-08-01): Dimensions, Namespace, MetricName, DimensionName, DimensionValue.
"""

MOST_SEARCHES = 100
"""Of one graph; CloudWatch User Guide, "CloudWatch search expression syntax"."""


def faults(rows: Sequence[Row]) -> Iterator[str]:
    """
    What is wrong with a graph's metrics, whose parts have the right types.

    Source:
        CloudWatch API reference, "Dashboard Body Structure and Syntax", format for each metric in the array.
    """
    before: list[str] = []
    for number, row in enumerate(rows):
        names = [part for part in row if isinstance(part, str)]
        for fault in _of_row(row, names, before):
            yield f"metrics[{number}]: {fault}"
        if names:
            before = resolved(names, before) or before
    yield from _of_graph(rows)


def resolved(names: Sequence[str], before: Sequence[str]) -> list[str] | None:
    """
    A row's names with its shorthands spelt out; None if they stand for nothing.

    Args:
        before: The names of the metric before: "." is the one at the same place, "..." all up to where the row goes on.
    """
    spelt = list(names)
    if "..." in spelt:
        at = spelt.index("...")
        spelt[at : at + 1] = before[at : len(before) - (len(names) - at - 1)]
        if not before or len(spelt) != len(before):
            return None
    if any(name == "." and place >= len(before) for place, name in enumerate(spelt)):
        return None
    return [before[place] if name == "." else name for place, name in enumerate(spelt)]


def _of_row(row: Row, names: list[str], before: list[str]) -> Iterator[str]:
    if row[: len(names)] != names or len(row) > len(names) + 1:
        yield "properties stand last, once, after all names"
        return
    properties = row[-1] if isinstance(row[-1], dict) else {}
    if names and "expression" in properties:
        yield "it is an expression and a metric at once"
    elif "expression" in properties:
        yield from (f"{properties['expression']!r}: {fault}" for fault in read(properties["expression"]).faults)
    elif not names:
        yield "it is neither a metric nor an expression"
    elif (spelt := resolved(names, before)) is None:
        yield f"{names} stands for nothing, after {before or 'no metric'}"
    else:
        yield from _of_metric(spelt)


def _of_metric(names: list[str]) -> Iterator[str]:
    keys, values = names[2::2], names[3::2]
    if len(names) < 2:
        yield f"{names} lacks the metric's name"
    if len(keys) > len(values):
        yield f"dimension {keys[-1]!r} has no value"
    if len(keys) > MOST_DIMENSIONS:
        yield f"{len(keys)} dimensions, {MOST_DIMENSIONS} at most"
    yield from (f"dimension {key!r} comes {count} times" for key, count in Counter(keys).items() if count > 1)
    for name in (*names[:2], *keys):
        if name.startswith(":") or len(name) > LONGEST_NAME:
            yield f"{name[:40]!r} is no name: it begins with a colon, or has over {LONGEST_NAME} characters"
    yield from (f"the value {value[:40]!r}… is too long" for value in values if len(value) > LONGEST_VALUE)


def _of_graph(rows: Sequence[Row]) -> Iterator[str]:
    named = [row[-1] for row in rows if isinstance(row[-1], dict)]
    counts = Counter(each["id"] for each in named if "id" in each)
    yield from (f"the id {name!r} is given {count} times" for name, count in counts.items() if count > 1)
    expressions = [(each.get("id"), read(each["expression"])) for each in named if "expression" in each]
    for _, expression in expressions:
        yield from (f"no metric has the id {name!r}" for name in sorted(expression.ids - counts.keys()))
    yield from _in_circles({name: expression.ids for name, expression in expressions if name})
    yield from _too_many([expression for _, expression in expressions])


def _in_circles(uses: dict[str, frozenset[str]]) -> Iterator[str]:
    try:
        tuple(TopologicalSorter(uses).static_order())
    except CycleError as error:
        yield f"expressions wait for each other: {' -> '.join(error.args[1])}"


def _too_many(expressions: list[Expression]) -> Iterator[str]:
    if (searches := sum(each.searches for each in expressions)) > MOST_SEARCHES:
        yield f"{searches} searches, {MOST_SEARCHES} at most"
    if (queries := sum(each.is_insights for each in expressions)) > 1:
        yield f"{queries} Metrics Insights queries, one at most"
