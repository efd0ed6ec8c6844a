"""Whether CloudWatch would take a dashboard's body; the local AWS takes any text."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from tests.infrastructure import dashboard_metrics, dashboard_queries, dashboard_search
from tests.infrastructure.dashboard_terms import is_instant, is_period, is_statistic, is_time_ago

Widget = Mapping[str, Any]
Place = tuple[int, Widget]

COLUMNS = 24
DEFAULT_SIZE = 6
"""Grid units of a width or height that is not given."""

MOST_METRICS = 2500
"""Of all widgets together; CloudWatch User Guide, service quotas."""

LARGEST_BODY = 1_000_000
"""Bytes. No size is published; CloudFormation takes no template larger than 1 MB."""

SCHEMA = json.loads((Path(__file__).parent / "dashboard_body.json").read_text())

FORMATS: dict[str, tuple[type, Callable[[Any], bool]]] = {
    "instant": (str, is_instant),
    "instant or time ago": (str, lambda text: is_instant(text) or is_time_ago(text)),
    "period": (int, is_period),
    "statistic": (str, is_statistic),
}


def faults(body: Any) -> list[str]:
    """
    Why CloudWatch would refuse a dashboard, or show a widget of it empty or broken.

    Each line says which widget and what. A widget whose structure is wrong is looked at no further. The chart widget
    (PromQL), which the newest edition of the structure has, is taken for unknown.

    Source:
        CloudWatch API reference, "Dashboard Body Structure and Syntax":
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """
    errors = list(Draft202012Validator(SCHEMA, format_checker=_checker()).iter_errors(body))
    lines = [_line(error, body) for error in errors]
    if not isinstance(body, dict) or not isinstance(body.get("widgets"), list):
        return lines
    broken = {
        path[1] for path in (list(error.absolute_path) for error in errors) if path[:1] == ["widgets"] and path[1:]
    }
    sound = [(number, widget) for number, widget in enumerate(body["widgets"]) if number not in broken]
    return [*lines, *_of_size(body), *_of_grid(sound), *_of_meaning(sound), *_of_variables(body)]


def _checker() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, (type_, holds) in FORMATS.items():
        checker.checks(name)(lambda value, type_=type_, holds=holds: not isinstance(value, type_) or holds(value))
    return checker


def _line(error: ValidationError, body: Any) -> str:
    path = list(error.absolute_path)
    where = ""
    if path[:1] == ["widgets"] and len(path) > 1:
        where, path = f"{_name(path[1], body['widgets'][path[1]])}: ", path[2:]
    steps = ".".join(str(step) for step in path if step != "properties")
    return f"{where}{f'{steps}: ' if steps else ''}{_said(error)}"


def _said(error: ValidationError) -> str:
    given, limit = error.instance, error.validator_value
    match error.validator:
        case "maxItems" | "minItems":
            return f"{len(given)} entries, {limit} at {'most' if error.validator == 'maxItems' else 'least'}"
        case "maxLength":
            return f"{len(given)} characters, {limit} at most"
        case "pattern" | "format" | "type":
            return f"{json.dumps(given)[:80]} is no {limit}"
    return str(error.message)[:200]


def _name(number: int, widget: Any) -> str:
    given = widget if isinstance(widget, dict) else {}
    properties = given.get("properties")
    title = properties.get("title") if isinstance(properties, dict) else None
    return f"widget {number} ({given.get('type', 'of no type')}{f', {title}' if title else ''})"


def _of_size(body: dict[str, Any]) -> Iterator[str]:
    size = len(json.dumps(body, separators=(",", ":")).encode())
    if size > LARGEST_BODY:
        yield f"the body has {size} bytes, {LARGEST_BODY} at most"


def _of_grid(sound: list[Place]) -> Iterator[str]:
    for number, widget in sound:
        if widget.get("x", 0) + widget.get("width", DEFAULT_SIZE) > COLUMNS:
            yield f"{_name(number, widget)}: it ends right of column {COLUMNS}"
    placed = [(number, widget) for number, widget in sound if "x" in widget]
    for (number, widget), (other, beneath) in combinations(placed, 2):
        if _meet(widget, beneath, "x", "width") and _meet(widget, beneath, "y", "height"):
            yield f"{_name(number, widget)}: it overlaps widget {other}"


def _meet(one: Widget, other: Widget, begin: str, size: str) -> bool:
    first, second = sorted((one, other), key=lambda widget: int(widget[begin]))
    return int(second[begin]) < int(first[begin]) + int(first.get(size, DEFAULT_SIZE))


def _of_meaning(sound: list[Place]) -> Iterator[str]:
    meanings = {"metric": _of_metric, "log": _of_log, "explorer": _of_explorer}
    for number, widget in sound:
        if meaning := meanings.get(widget["type"]):
            yield from (f"{_name(number, widget)}: {fault}" for fault in meaning(widget["properties"]))
    metrics = sum(len(widget["properties"].get("metrics", ())) for _, widget in sound)
    if metrics > MOST_METRICS:
        yield f"{metrics} metrics in all widgets, {MOST_METRICS} at most"


def _of_metric(given: Widget) -> Iterator[str]:
    annotations = given.get("annotations", {})
    alarms = annotations.get("alarms")
    if "metrics" not in given and not alarms:
        yield "it has neither metrics nor an alarm"
    if alarms and "metrics" in given:
        yield "it has metrics and an alarm; a widget can have one of them"
    if alarms and annotations.keys() & {"horizontal", "vertical"}:
        yield "it has an alarm and other annotations; a widget can have one of them"
    for side, axis in given.get("yAxis", {}).items():
        if axis.get("min", float("-inf")) >= axis.get("max", float("inf")):
            yield f"yAxis.{side}: it ends at {axis['max']}, where it begins or before"
    yield from dashboard_metrics.faults(given.get("metrics", ()))


def _of_log(given: Widget) -> Iterator[str]:
    if given.get("queryLanguage", "Logs") == "Logs":
        yield from (f"query: {fault}" for fault in dashboard_queries.faults(given["query"], given.get("view", "table")))


def _of_explorer(given: Widget) -> Iterator[str]:
    types = {metric["resourceType"] for metric in given["metrics"]}
    if len(types) > 1:
        yield f"its metrics are of {len(types)} types of resource, of one at most"


def _of_variables(body: dict[str, Any]) -> Iterator[str]:
    variables = body.get("variables", ())
    if not isinstance(variables, list) or not all(isinstance(variable, dict) for variable in variables):
        return
    counts = Counter(str(variable.get("id")) for variable in variables)
    yield from (f"the variable {name!r} is given {count} times" for name, count in counts.items() if count > 1)
    for variable in variables:
        if isinstance(search := variable.get("search"), str):
            yield from (f"variable {variable.get('id')}: {fault}" for fault in dashboard_search.faults(search))
