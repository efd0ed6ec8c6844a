"""What a line carries for CloudWatch: made by Powertools once of a kind, and kept as a template for the others."""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from dyno.metrics.catalogue import OVERFLOW
from dyno.metrics.series import Dimensions, Series

MAX_TEMPLATES = 1_000
MAX_DIMENSION = 1_024


class Metric(NamedTuple):
    """A CloudWatch metric as a line carries it; its value is None where it differs from line to line."""

    name: str
    unit: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Template:
    """
    A line in pieces: text at even places, at the odd ones a slot for what differs from line to line.

    Attributes:
        has_timestamp: Whether the line has directives.
        has_metric: Whether one of its metrics is filled in.
    """

    pieces: list[str]
    has_timestamp: bool
    has_metric: bool

    @classmethod
    def of(cls, text: str, mark: str, slots: Sequence[str]) -> "Template":
        """From a line in which the value of a slot is a string that begins with `mark`, which is found nowhere else."""
        found = re.split(rf'"{mark}(\w+)"', text)
        named = dict(zip(found[1::2], found[2::2], strict=True))
        pieces = [found[0]]
        for slot in slots:
            pieces += ["", named.get(slot, "")]
        return cls(pieces, "timestamp" in named, "metric" in named)


class Templates(dict[tuple[object, ...], Template]):
    """Templates by what they were made for; they start over at MAX_TEMPLATES, as names may be without end."""

    def keep(self, key: tuple[object, ...], template: Template) -> Template:
        """The template, from now on found under its key."""
        if len(self) >= MAX_TEMPLATES:
            self.clear()
        self[key] = template
        return template


SLOT = object()
"""Stands in a line's members for a value that differs from line to line."""


class Emf:
    """The embedded metric format of one environment's lines: its namespace, and which series they may use."""

    def __init__(self, namespace: str, series: Series) -> None:
        self._namespace = namespace
        self._series = series

    def template(
        self, fields: Mapping[str, object], metrics: Sequence[Metric], wanted: Dimensions, slots: Sequence[str]
    ) -> Template:
        """
        For lines of these members, and of these metrics as far as there is room for their series.

        Args:
            fields: SLOT where the value differs from line to line.
            wanted: What the series are told apart by; where that is not to be had, they count as overflow.
            slots: Names of what is filled in, in the order in which it stands on the line: "timestamp", fields, and
                "metric" for the metric without a value. What a line does not have is filled with "".
        """
        mark = os.urandom(8).hex()
        whole = {name: mark + name if field is SLOT else field for name, field in fields.items()}
        if metrics:
            with suppress(Exception):  # a line without EMF is worth more than no line
                whole = self._directed(whole, metrics, wanted, mark)
        return Template.of(_json(whole) + "\n", mark, slots)

    def alone(self, metric: Metric, dimensions: Dimensions) -> str | None:
        """A line of this moment with one metric and nothing else; None if there is no room for its series."""
        if not (_fit(dimensions) and self._series.hold([metric.name], dimensions)):
            return None
        return _json(powertools(self._namespace, dimensions, [metric], {})) + "\n"

    def _directed(
        self, fields: dict[str, object], metrics: Sequence[Metric], wanted: Dimensions, mark: str
    ) -> dict[str, object]:
        dimensions = self._series.dimensions([each.name for each in metrics], wanted if _fit(wanted) else OVERFLOW)
        if dimensions is None:
            return fields
        whole = powertools(self._namespace, dimensions, metrics, fields)
        whole["_aws"]["Timestamp"] = mark + "timestamp"
        return whole | {each.name: [mark + "metric"] for each in metrics if each.value is None}


def powertools(
    namespace: str, dimensions: Dimensions, metrics: Iterable[Metric], fields: Mapping[str, object]
) -> dict[str, Any]:
    """
    A line's members as Powertools puts them: directives, dimensions, fields, values.

    Raises:
        SchemaValidationError: As Powertools does.
    """
    provider = AmazonCloudWatchEMFProvider(namespace=namespace)
    # It would add a dimension service, from POWERTOOLS_SERVICE_NAME, where there is to be none.
    provider.service = ""
    for name, value in dimensions.items():
        provider.add_dimension(name, value)
    for name, field in fields.items():
        provider.add_metadata(name, field)
    for metric in metrics:
        provider.add_metric(metric.name, metric.unit, metric.value or 0)
    return dict(provider.serialize_metric_set())


_json = json.JSONEncoder(separators=(",", ":")).encode


def _fit(dimensions: Dimensions) -> bool:
    """
    Whether CloudWatch takes them; from a line with others it takes no metric.

    Source:
        CloudWatch API reference, Dimension: 1 to 1,024 characters of ASCII, no control characters, not all blank.
    """
    return all(map(_fits, dimensions.values()))


def _fits(value: str) -> bool:
    return value.isascii() and value.isprintable() and not value.isspace() and 1 <= len(value) <= MAX_DIMENSION
