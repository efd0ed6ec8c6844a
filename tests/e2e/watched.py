"""What a deployment's lines give to CloudWatch, what it looks at there, and what of the one is not in the other."""

import json
import operator
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tests.e2e import insights
from tests.e2e.deployment import Deployment, Item, Lines
from tests.e2e.insights import Query, Record
from tests.unit.metrics.cloudwatch import points


class Series(NamedTuple):
    """One series of CloudWatch's."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]


class Search(NamedTuple):
    """All series with dimensions of these names."""

    namespace: str
    name: str
    dimensions: frozenset[str]


class Point(NamedTuple):
    """A value of a series."""

    series: Series
    value: float


def emf(lines: Lines) -> list[Point]:
    """What CloudWatch takes from the lines that are in its embedded metric format."""
    return [point for group in lines.values() for line in group if is_emf(line) for point in _points(line)]


def is_emf(line: str) -> bool:
    return line.startswith("{") and "CloudWatchMetrics" in json.loads(line).get("_aws", {})


def _points(line: str) -> Iterator[Point]:
    said = json.loads(line)
    for directive in said["_aws"]["CloudWatchMetrics"]:
        alone = json.dumps(said | {"_aws": {"CloudWatchMetrics": [directive]}})
        for point in points(alone):
            yield Point(Series(directive["Namespace"], point.name, point.dimensions), point.value)


def filtered(filters: Iterable[Item], lines: Lines) -> list[Point]:
    """What CloudWatch takes from lines by metric filters."""
    return [point for each in filters for line in lines[each["logGroupName"]] for point in _taken(each, line)]


def _taken(by: Item, line: str) -> Iterator[Point]:
    said = insights.record(line)
    if not passes(by["filterPattern"], said):
        return
    for each in by["metricTransformations"]:
        named = {name: str(_value(field, said)) for name, field in each.get("dimensions", {}).items()}
        value = _value(each["metricValue"], said)
        if value is not None:
            series = Series(each["metricNamespace"], each["metricName"], frozenset(named.items()))
            yield Point(series, float(value))


def _value(written: str, said: Record) -> Any:
    return said.get(written.removeprefix("$.")) if written.startswith("$.") else written


_COMPARE = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def passes(pattern: str, said: Record) -> bool:
    """
    Whether a line passes a metric filter: `{ $.field = * }`, `{ $.field > 0 && $.other = "text" }`.

    Raises:
        ValueError: The pattern is of another kind.
    Source:
        CloudWatch Logs User Guide, "Filter pattern syntax for metric filters": JSON terms.
    """
    condition = re.fullmatch(r"\{(.+)\}", pattern.strip())
    if condition is None:
        raise ValueError(f"not read here: {pattern}")
    return all(_is_so(each.strip(), said) for each in condition[1].split("&&"))


def _is_so(term: str, said: Record) -> bool:
    parts = re.fullmatch(r'\$\.(\S+) *([<>!]=|[<>=]) *(\*|"[^"]*"|-?[\d.]+)', term)
    if parts is None:
        raise ValueError(f"not read here: {term}")
    name, compare, written = parts.groups()
    if name not in said:
        return False
    return written == "*" or bool(_COMPARE[compare](said[name], json.loads(written)))


def series_of(given: Item) -> Series:
    """A series as an alarm describes it."""
    dimensions = frozenset((each["Name"], each["Value"]) for each in given.get("Dimensions", ()))
    return Series(given["Namespace"], given["MetricName"], dimensions)


def looked_at(alarm: Item) -> set[Series]:
    """The series of an alarm."""
    if "Metrics" not in alarm:
        return {series_of(alarm)}
    return {series_of(each["MetricStat"]["Metric"]) for each in alarm["Metrics"] if "MetricStat" in each}


def _drawn(widget: Item) -> Iterator[Series | Search]:
    for row in widget.get("metrics", ()):
        if isinstance(row[0], dict):
            yield from _searched(row[0]["expression"])
        else:
            namespace, name, *values = (each for each in row if isinstance(each, str))
            yield Series(namespace, name, frozenset(zip(values[::2], values[1::2], strict=True)))


def _searched(expression: str) -> Iterator[Search]:
    for schema, name in re.findall(r"\{([^}]+)\} *MetricName=\"(\w+)\"", expression):
        namespace, *dimensions = schema.split(",")
        yield Search(namespace, name, frozenset(dimensions))


def watched(deployment: Deployment, namespace: str) -> set[Series | Search]:
    """Everything in a namespace that an alarm or a graph looks for."""
    by_alarms = {series for alarm in deployment.alarms for series in looked_at(alarm)}
    by_graphs = {series for widget in deployment.widgets for series in _drawn(widget)}
    return {each for each in by_alarms | by_graphs if each.namespace == namespace}


def without_source(deployment: Deployment, emitted: Iterable[Point], namespace: str) -> set[Series | Search]:
    """What is looked for and not emitted."""
    series = {point.series for point in emitted}
    alike = {Search(*each[:2], frozenset(name for name, _ in each.dimensions)) for each in series}
    return watched(deployment, namespace) - series - alike


def unwatched(deployment: Deployment, emitted: Iterable[Point], namespace: str) -> set[str]:
    """Names of metrics that nothing looks for and no query speaks of."""
    names = {each.name for each in watched(deployment, namespace)}
    # What a query makes, or names as a text: a word like Duration stands in others, too.
    names |= {name for query in deployment.queries for name in re.findall(r"(?:\bas |')(\w+)", query.text)}
    return {point.series.name for point in emitted if point.series.namespace == namespace} - names


def idle(filters: Iterable[Item], lines: Lines) -> list[str]:
    """Metric filters that take nothing from any line."""
    return [each["filterName"] for each in filters if not filtered([each], lines)]


def unanswered(queries: Iterable[Query], lines: Lines) -> list[str]:
    """What is wrong with queries: fields that no line has, and filters that no line passes."""
    return [f"{query.title}: {fault}" for query in queries for fault in _faults(query, lines)]


def _faults(query: Query, lines: Lines) -> Iterator[str]:
    records = [insights.record(line) for group in query.groups for line in lines[group]]
    yield from sorted(insights.unknown(query.text, {name for each in records for name in each}))
    # What Lambda itself writes on AWS, it does not write here.
    if not any(insights.looks_at(each) <= {"@message"} for each in insights.filters(query.text)):
        yield from [] if insights.chosen(query.text, records) else ["chooses no line"]
