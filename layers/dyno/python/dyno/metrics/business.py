"""Business metrics of one's own: `record_business_metric("VehiclesScanned", 3, labels={"site": "north"})`."""

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

from dyno.metrics import catalogue
from dyno.metrics.calls import current, lines, next_event_id, write
from dyno.metrics.observation import Observation
from dyno.observability import current_request, logger
from dyno.scrub import READ_LIMIT, scrub

MAX_LABELS = 5
MAX_LABEL_VALUE = 100
MAX_VALUE = 2.0**360
"""Source: CloudWatch API reference, MetricDatum: from -2^360 to 2^360."""

MAX_KNOWN_METRICS = 1_000

KINDS = (catalogue.Kind.COUNTER, catalogue.Kind.GAUGE)

_NAME = re.compile(r"[A-Z][A-Za-z0-9]{0,99}")
_LABEL = re.compile(r"[a-z][a-z0-9_]{0,49}")
_TAKEN = {metric.name for metric in (*catalogue.CALL_METRICS, *catalogue.FUNCTION_METRICS, *catalogue.LOG_METRICS)}


class WrongMetricError(ValueError):
    """
    A metric that no data could make right: its code is wrong; says in what, and what would be right.

    A ValueError and no DynoError: nobody who asks the service for something is told of it, only who wrote the call.
    """


def record_business_metric(
    name: str,
    value: float = 1.0,
    *,
    unit: str = "Count",
    kind: str = "counter",
    labels: Mapping[str, str] | None = None,
) -> None:
    """
    Record a value of a metric of your own, at once, as part of the request and the call it is recorded in.

    It becomes a row and a family of Prometheus and, where the strategy emits business metrics, a CloudWatch metric with
    the labels as dimensions, as long as there is room for its series; beyond that it counts as overflow. Nothing that
    fails in here reaches the caller, who may have committed by then, but for what is wrong whatever the data.

    Args:
        name: In PascalCase, up to 100 letters and digits.
        value: What a counter has grown by, not less than 0; what a gauge is now; from -2^360 to 2^360. Of a metric, the
            first that is not so is warned of, and none is recorded.
        unit: CloudWatch's name of it, e.g. Milliseconds or Bytes/Second.
        kind: counter or gauge.
        labels: What its series are told apart by, up to 5: each value is a series of its own, so no ids. Values are
            scrubbed and cut to 100 characters; what is not printable is replaced, a blank one is "unknown".
    Raises:
        WrongMetricError: Name, unit, kind, label names or any type are not as said above, or the name was recorded with
            another kind, unit or other labels.
    """
    _check_name(name)
    given = _labels({} if labels is None else labels)
    form = _Form(_kind(kind), _unit(unit), tuple(given))
    _check_type(value)
    _agree(name, form)
    with suppress(Exception):  # measuring never breaks what it measures
        if _is_told(name, value, form.kind):
            write(lines().observations.line(_observed(name, form, float(value), given)))


class _Form(NamedTuple):
    """What is the same of all values of a metric."""

    kind: str
    unit: str
    labels: tuple[str, ...]


_known: dict[str, _Form] = {}
_warned: set[str] = set()
"""Metrics that had a value which cannot be told."""


def _observed(name: str, form: _Form, value: float, labels: dict[str, str]) -> Observation:
    event_id, part_of = next_event_id(), current_request() or current()
    correlation_id, sub = (part_of.correlation_id, part_of.sub) if part_of else (event_id, None)
    return Observation(
        event_id,
        correlation_id or event_id,
        sub or None,
        name,
        form.kind,
        form.unit,
        value,
        labels,
        time.time_ns(),
    )


def _agree(name: str, form: _Form) -> None:
    if name not in _known and len(_known) >= MAX_KNOWN_METRICS:
        _known.clear()
        _warned.clear()
    before = _known.setdefault(name, form)
    if before != form:
        raise WrongMetricError(f"{name} is recorded as {_told(form)}, but it is {_told(before)} elsewhere")


def _told(form: _Form) -> str:
    return f"a {form.kind} in {form.unit} with {'the labels ' + ', '.join(form.labels) if form.labels else 'no labels'}"


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise WrongMetricError(f"{name!r:.100} names no metric: it takes PascalCase of 100 letters and digits at most")
    if name in _TAKEN:
        raise WrongMetricError(f"{name} is measured by the service itself: another name is needed")


def _kind(kind: str) -> str:
    if kind not in KINDS:
        raise WrongMetricError(f"{kind!r:.100} is no kind of metric: it is one of {', '.join(KINDS)}")
    return str(kind)


def _unit(unit: str) -> str:
    if unit not in catalogue.UNITS:
        raise WrongMetricError(f"{unit!r:.100} is no unit of CloudWatch's: it is one of {', '.join(catalogue.UNITS)}")
    return unit


def _check_type(value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongMetricError(f"{value!r:.100} is no number: it takes an int or a float")


def _is_told(name: str, value: float, kind: str) -> bool:
    least = 0 if kind == catalogue.Kind.COUNTER else -MAX_VALUE
    if least <= value <= MAX_VALUE:  # which NaN is not
        return True
    if name not in _warned:
        _warned.add(name)
        between = "0 and 2^360, as a counter only grows" if least == 0 else "-2^360 and 2^360"
        logger.warning("a value of %s is left out, as others like it will be: it is not between %s", name, between)
    return False


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels in the order of their names."""
    if not isinstance(labels, Mapping) or len(labels) > MAX_LABELS:
        raise WrongMetricError(f"{labels!r:.100} are no labels: they are a mapping of at most {MAX_LABELS}")
    for name, value in labels.items():
        _check_label(name)
        if not isinstance(value, str):
            raise WrongMetricError(f"{value!r:.100} is no value of the label {name}: it takes a string")
    return {name: _label_value(str.__str__(labels[name])) for name in sorted(labels)}  # of an enumeration, its value


@lru_cache(maxsize=1_000)  # the same few come again and again
def _label_value(value: str) -> str:
    scrubbed = scrub(value, READ_LIMIT).strip()
    printable = (
        scrubbed if scrubbed.isprintable() else "".join(each if each.isprintable() else "�" for each in scrubbed)
    )
    return printable[:MAX_LABEL_VALUE].rstrip() or "unknown"


def _check_label(name: str) -> None:
    if not isinstance(name, str) or not _LABEL.fullmatch(name):
        raise WrongMetricError(f"{name!r:.100} names no label: it takes lower-case letters, digits and _, 50 at most")
    if name in catalogue.RESERVED_LABELS:
        raise WrongMetricError(f"{name} is no name for a label: it is one of the line's own or of Prometheus's")
