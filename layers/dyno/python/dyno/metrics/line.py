"""The record line of a finished call, EMF included, filled into a template that Powertools itself made."""

import json
import re
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from dyno.metrics import catalogue
from dyno.metrics.scrub import storable

MAX_BYTES = 16_000
MAX_NAME = 200
"""Characters of a service or method name; CloudWatch takes dimensions of up to 1,024 bytes."""

MAX_TEMPLATES = 1_000


@dataclass(slots=True)
class Finished:
    """
    What is known of a call once it is over.

    Attributes:
        at_ns: When it finished, in nanoseconds of Unix time.
        stack_trace: For the log only; it is the first thing a long line goes without.
        metadata: JSON.
        placed: Whether it made an allocation; for the metrics only, the metadata tells of it.
    """

    event_id: str
    correlation_id: str
    sub: str | None
    service: str
    method: str
    outcome: str
    duration_ms: float
    at_ns: int
    parent_event_id: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    stack_trace: str | None = None
    metadata: str | None = None
    placed: bool = False


_Key = tuple[str, str, str, bool, bool]
"""Service, method, outcome, whether there is a stack trace, whether something was placed."""


class Lines:
    """Makes lines: one template per service, method, outcome and shape, filled for every call."""

    def __init__(self, strategy: str, namespace: str, release: str) -> None:
        self._strategy = strategy
        self._namespace = namespace
        self._release = storable(release)[:MAX_NAME]
        self._templates: dict[_Key, _Template] = {}

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Lines":
        """As the environment says; a service that sets nothing has the default strategy."""
        # Not dyno.settings: a service that only wants to be measured has none of its variables.
        return cls(
            env.get("METRICS_STRATEGY") or "cloudwatch",
            env.get("METRICS_NAMESPACE") or catalogue.NAMESPACE,
            env.get("RELEASE") or "",
        )

    def line(self, call: Finished) -> str:
        """The call on one line, newline included, at most 16,000 bytes of ASCII."""
        line = self._fill(call)
        if len(line) > MAX_BYTES:
            call.stack_trace = None
            line = self._fill(call)
        if len(line) > MAX_BYTES:
            line = self._fill(_curtailed(call))
        return line

    def _fill(self, call: Finished) -> str:
        key = (call.service, call.method, call.outcome, call.stack_trace is not None, call.placed)
        template = self._templates.get(key) or self._remember(key)
        line = template.pieces.copy()
        line[1::2] = (  # in the order of _SLOTS
            str(call.at_ns // 1_000_000) if template.has_timestamp else "",
            quoted(call.event_id),
            quoted(call.correlation_id),
            "null" if call.sub is None else quoted(call.sub),
            duration_ms := repr(call.duration_ms),
            _iso(call.at_ns),
            "null" if call.parent_event_id is None else quoted(call.parent_event_id),
            "null" if call.error_type is None else quoted(call.error_type),
            "null" if call.error_message is None else quoted(call.error_message),
            call.metadata or "null",
            "" if call.stack_trace is None else quoted(call.stack_trace),
            duration_ms if template.has_duration else "",
        )
        return "".join(line)

    def _remember(self, key: _Key) -> "_Template":
        if len(self._templates) >= MAX_TEMPLATES:
            self._templates.clear()
        self._templates[key] = template = self._template(*key)
        return template

    def _template(self, service: str, method: str, outcome: str, with_stack: bool, placed: bool) -> "_Template":
        mark = secrets.token_hex(8)
        fields: dict[str, object] = {
            "record": catalogue.RECORD,
            "event_id": mark + "event_id",
            "correlation_id": mark + "correlation_id",
            "sub": mark + "sub",
            "outcome": outcome,
            "success": outcome == "success",
            "duration_ms": mark + "duration_ms",
            "created_at": mark + "created_at",
            "parent_event_id": mark + "parent_event_id",
            "error_type": mark + "error_type",
            "error_message": mark + "error_message",
            "metadata": mark + "metadata",
        }
        if with_stack:
            fields["stack_trace"] = mark + "stack_trace"
        if self._release:
            fields["release"] = self._release
        metrics = catalogue.emitted(self._strategy, service, method)
        dimensions = {"service": _name(service), "method": _name(method)}
        whole: dict[str, object] = {**dimensions, **fields}
        if metrics:
            with suppress(Exception):  # a line without EMF is worth more than no line
                said = {outcome, catalogue.Source.PLACED} if placed else {outcome}
                whole = self._emf(dimensions, metrics, fields, said, mark)
        return _Template.of(_json(whole) + "\n", mark)

    def _emf(
        self,
        dimensions: Mapping[str, str],
        metrics: Sequence[catalogue.CallMetric],
        fields: Mapping[str, object],
        said: Collection[str],
        mark: str,
    ) -> dict[str, object]:
        # Imported here: where nothing is emitted it is not needed, and it costs a cold start.
        from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (  # noqa: PLC0415
            AmazonCloudWatchEMFProvider,
        )

        provider = AmazonCloudWatchEMFProvider(namespace=self._namespace)
        for name, value in dimensions.items():
            provider.add_dimension(name, value)
        for name, field in fields.items():
            provider.add_metadata(name, field)
        for metric in metrics:
            provider.add_metric(metric.name, metric.unit, float(metric.source in said))
        whole: dict[str, Any] = dict(provider.serialize_metric_set())
        whole["_aws"]["Timestamp"] = mark + "timestamp"
        for metric in metrics:
            if metric.source is catalogue.Source.DURATION_MS:
                whole[metric.name] = [mark + "duration"]
        return whole


_SLOTS = (
    "timestamp",
    "event_id",
    "correlation_id",
    "sub",
    "duration_ms",
    "created_at",
    "parent_event_id",
    "error_type",
    "error_message",
    "metadata",
    "stack_trace",
    "duration",
)
"""What differs from call to call, in the order in which it stands on the line."""


@dataclass(frozen=True, slots=True)
class _Template:
    """A line in pieces: text at even places, one for each of _SLOTS at the odd ones."""

    pieces: list[str]
    has_timestamp: bool
    has_duration: bool

    @classmethod
    def of(cls, text: str, mark: str) -> "_Template":
        """From a line in which each value is a string that begins with `mark`, which is found nowhere else."""
        found = re.split(rf'"{mark}(\w+)"', text)
        named = dict(zip(found[1::2], found[2::2], strict=True))
        pieces = [found[0]]
        for slot in _SLOTS:
            pieces += ["", named.get(slot, "")]
        return cls(pieces, "timestamp" in named, "duration" in named)


_json = json.JSONEncoder(separators=(",", ":")).encode


def _name(text: str) -> str:
    return storable(text)[:MAX_NAME].strip() or "unknown"


def _curtailed(call: Finished) -> Finished:
    return replace(
        call,
        correlation_id=call.correlation_id[:100],
        sub=call.sub and call.sub[:100],
        error_type=call.error_type and call.error_type[:100],
        error_message=call.error_message and call.error_message[:200],
        metadata=None,
    )


_second = (0, "")


def _iso(at_ns: int) -> str:
    # Formatting a date costs more than the rest of the line, so it is done once a second.
    global _second  # noqa: PLW0603
    at_s, rest_ns = divmod(at_ns, 1_000_000_000)
    known = _second
    if known[0] != at_s:
        _second = known = (at_s, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s)))
    return f'"{known[1]}.{rest_ns // 1000:06d}Z"'
