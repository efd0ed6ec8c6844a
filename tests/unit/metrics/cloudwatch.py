"""Reads lines as CloudWatch does: what is wrong with their EMF, and which values it takes from them."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from jsonschema import Draft7Validator, ValidationError

SCHEMA = Draft7Validator(json.loads(Path(__file__).with_name("emf_schema.json").read_text()))

MAX_BYTES = 16_384
"""Of a line; beyond, Lambda may hand it on in pieces."""

DAY_MS = 24 * 3_600_000
OLDEST_MS, NEWEST_MS = -14 * DAY_MS, 2 * 3_600_000
"""How far from now a moment may be. Source: CloudWatch Logs API reference, PutLogEvents."""


class Point(NamedTuple):
    """A value that CloudWatch takes."""

    name: str
    unit: str
    dimensions: frozenset[tuple[str, str]]
    value: float

    @property
    def series(self) -> tuple[str, frozenset[tuple[str, str]]]:
        """What is billed."""
        return self.name, self.dimensions


def points(line: str) -> list[Point]:
    """What CloudWatch takes from a line; nothing if it is no EMF."""
    said = json.loads(line)
    return [
        Point(metric["Name"], metric["Unit"], frozenset((name, said[name]) for name in dimensions), value)
        for directive in said.get("_aws", {}).get("CloudWatchMetrics", [])
        for dimensions in directive["Dimensions"]
        for metric in directive["Metrics"]
        for value in said[metric["Name"]]
    ]


def faults(line: str, *, now_ms: int) -> list[str]:
    """
    Why CloudWatch would not take a line's metrics as they are meant; none if it would, or if the line is no EMF.

    Source:
        CloudWatch User Guide, "Specification: Embedded metric format", the schema and the text; CloudWatch API
        reference, Dimension and MetricDatum.
    """
    found = [] if line.endswith("\n") and line.count("\n") == 1 else ["not one line"]
    if len(line.encode()) > MAX_BYTES:
        found.append("too long")
    said = json.loads(line)
    if "_aws" not in said:
        return found
    against_schema = [f"schema: {_path(error)} {error.validator}" for error in SCHEMA.iter_errors(said)]
    if against_schema:
        return found + against_schema
    if not OLDEST_MS <= said["_aws"]["Timestamp"] - now_ms <= NEWEST_MS:
        found.append("not of this time")
    return found + list(_beyond_the_schema(said))


def _path(error: ValidationError) -> str:
    return ".".join(map(str, error.absolute_path))


def _beyond_the_schema(said: dict[str, Any]) -> Iterator[str]:
    yield from _others("_aws", said["_aws"], {"Timestamp", "CloudWatchMetrics"})
    for directive in said["_aws"]["CloudWatchMetrics"]:
        yield from _others("directive", directive, {"Namespace", "Dimensions", "Metrics"})
        names = [metric["Name"] for metric in directive["Metrics"]]
        if not 1 <= len(names) == len(set(names)) <= 100:
            yield "not 1 to 100 metrics, each once"
        for metric in directive["Metrics"]:
            yield from _others("metric", metric, {"Name", "Unit", "StorageResolution"})
            if not _is_value(said.get(metric["Name"])):
                yield f"no value of {metric['Name']}"
        for name in {name for each in directive["Dimensions"] for name in each}:
            if not (_is_ascii(name) and _is_dimension(said.get(name))):
                yield f"no dimension {name}"


def _others(what: str, given: dict[str, Any], known: set[str]) -> Iterator[str]:
    if given.keys() - known:
        yield f"{what} has members that are not specified"


def _is_value(value: Any) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return 1 <= len(numbers) <= 100 and all(_is_number(number) for number in numbers)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= 2.0**360


def _is_dimension(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value.encode("utf-8", "surrogatepass")) <= 1024 and _is_ascii(value)


def _is_ascii(text: str) -> bool:
    return text.isascii() and text.isprintable() and bool(text.strip()) and not text.startswith(":")
