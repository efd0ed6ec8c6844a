"""The lines of one environment, EMF included: of calls here, of business metrics in `observation`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from json.encoder import encode_basestring_ascii as quoted

from dyno.metrics import catalogue
from dyno.metrics.emf import SLOT, Emf, Metric, Template, Templates
from dyno.metrics.moment import iso
from dyno.metrics.observation import Observations
from dyno.metrics.series import Series
from dyno.text import storable

MAX_BYTES = 16_000
MAX_NAME = 200
"""Characters of a service or method name; CloudWatch takes dimensions of up to 1,024 bytes."""


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


class Lines:
    """
    Makes the lines of one environment; of calls, one template per service, method, outcome and shape.

    Args:
        series_budget: How many CloudWatch series all its lines may use, besides those of catalogue.METHODS.
    Attributes:
        observations: Makes those of business metrics.
    """

    def __init__(
        self,
        strategy: str,
        namespace: str,
        release: str,
        series_budget: int = catalogue.SERIES_BUDGET_PER_FUNCTION,
    ) -> None:
        self._strategy = strategy
        self._release = storable(release)[:MAX_NAME]
        self._emf = Emf(namespace, _series(strategy, series_budget))
        self._templates = Templates()
        self.observations = Observations(strategy, self._emf)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Lines":
        """As the environment says; a service that sets nothing has the default strategy."""
        # Not dyno.settings: a service that only wants to be measured has none of its variables.
        return cls(
            env.get("METRICS_STRATEGY") or "cloudwatch",
            env.get("METRICS_NAMESPACE") or catalogue.NAMESPACE,
            env.get("RELEASE") or "",
            _series_budget(env.get("METRICS_SERIES_BUDGET") or ""),
        )

    def line(self, call: Finished) -> str:
        """The call on one line, newline included, at most 16,000 bytes of ASCII."""
        line = self._fill(call)
        for shorter in (_without_stack, _curtailed, _without_metadata):
            if len(line) <= MAX_BYTES:
                break
            call = shorter(call)
            line = self._fill(call)
        return line

    def _fill(self, call: Finished) -> str:
        key = (call.service, call.method, call.outcome, call.stack_trace is not None, call.placed)
        template = self._templates.get(key) or self._templates.keep(key, self._template(*key))
        line = template.pieces.copy()
        line[1::2] = (  # in the order of _SLOTS
            str(call.at_ns // 1_000_000) if template.has_timestamp else "",
            quoted(call.event_id),
            quoted(call.correlation_id),
            "null" if call.sub is None else quoted(call.sub),
            duration_ms := repr(call.duration_ms),
            iso(call.at_ns),
            "null" if call.parent_event_id is None else quoted(call.parent_event_id),
            "null" if call.error_type is None else quoted(call.error_type),
            "null" if call.error_message is None else quoted(call.error_message),
            call.metadata or "null",
            "" if call.stack_trace is None else quoted(call.stack_trace),
            duration_ms if template.has_metric else "",
        )
        return "".join(line)

    def cold_start(self, function: str) -> str | None:
        """That a request waited for an environment of the function, now, on one line; None where it is not told."""
        if self._strategy != "cloudwatch":
            return None
        metric = catalogue.COLD_START
        return self._emf.alone(Metric(metric.name, metric.unit, 1), {catalogue.FUNCTION_DIMENSION: function})

    def _template(self, service: str, method: str, outcome: str, with_stack: bool, placed: bool) -> Template:
        own = {"service": _name(service), "method": _name(method)}
        fields = own | {
            "record": catalogue.RECORD,
            "event_id": SLOT,
            "correlation_id": SLOT,
            "sub": SLOT,
            "outcome": outcome,
            "success": outcome == "success",
            "duration_ms": SLOT,
            "created_at": SLOT,
            "parent_event_id": SLOT,
            "error_type": SLOT,
            "error_message": SLOT,
            "metadata": SLOT,
        }
        if with_stack:
            fields["stack_trace"] = SLOT
        if self._release:
            fields["release"] = self._release
        said = {outcome, catalogue.Source.PLACED} if placed else {outcome}
        metrics = [
            Metric(each.name, each.unit, None if each.source is catalogue.Source.DURATION_MS else each.source in said)
            for each in catalogue.emitted(self._strategy, service, method)
        ]
        wanted = own if catalogue.has_own_series(service, method) else catalogue.OVERFLOW
        return self._emf.template(fields, metrics, wanted, _SLOTS)


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
    "metric",
)
"""What differs from call to call, in the order in which it stands on the line."""


def _name(text: str) -> str:
    return storable(text)[:MAX_NAME].strip() or "unknown"


def _series(strategy: str, budget: int) -> Series:
    series = Series(budget)
    # Alarms watch these, so that nothing that came before them may have taken their place.
    for service, methods in catalogue.METHODS.items():
        for method in methods:
            metrics = [metric.name for metric in catalogue.emitted(strategy, service, method)]
            series.grant(metrics, {"service": service, "method": method})
    # Theirs from the first: whoever comes when all the others are taken still has somewhere to count.
    series.hold([metric.name for metric in catalogue.shared(strategy)], catalogue.OVERFLOW)
    return series


def _series_budget(text: str) -> int:
    return int(text) if text.isdecimal() else catalogue.SERIES_BUDGET_PER_FUNCTION


def _without_stack(call: Finished) -> Finished:
    return replace(call, stack_trace=None)


def _without_metadata(call: Finished) -> Finished:
    return replace(call, metadata=None)


def _curtailed(call: Finished) -> Finished:
    return replace(
        call,
        correlation_id=call.correlation_id[:100],
        sub=call.sub and call.sub[:100],
        error_type=call.error_type and call.error_type[:100],
        error_message=call.error_message and call.error_message[:200],
    )
