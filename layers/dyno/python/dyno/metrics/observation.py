"""The lines of business metrics."""

from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quoted

from dyno.metrics import catalogue
from dyno.metrics.emf import SLOT, Emf, Metric, Template, Templates
from dyno.metrics.moment import iso

MAX_ID = 200
"""Characters of a correlation id or a sub that are kept, which is more than either has."""


@dataclass(slots=True)
class Observation:
    """
    What a business metric was seen to be, or to have grown by.

    Attributes:
        labels: In the order of their names.
        at_ns: When, in nanoseconds of Unix time.
    """

    event_id: str
    correlation_id: str
    sub: str | None
    name: str
    kind: str
    unit: str
    value: float
    labels: dict[str, str]
    at_ns: int


class Observations:
    """Makes their lines: one template per metric and label set."""

    def __init__(self, strategy: str, emf: Emf) -> None:
        self._emitted = strategy != "prometheus"
        self._emf = emf
        self._templates = Templates()

    def line(self, said: Observation) -> str:
        """The observation on one line, newline included; less than 16,000 bytes of ASCII by what may be recorded."""
        key = (said.name, said.kind, said.unit, *said.labels.items())
        template = self._templates.get(key) or self._templates.keep(key, self._template(said))
        line = template.pieces.copy()
        line[1::2] = (  # in the order of _SLOTS
            str(said.at_ns // 1_000_000) if template.has_timestamp else "",
            quoted(said.event_id),
            quoted(said.correlation_id[:MAX_ID]),
            "null" if said.sub is None else quoted(said.sub[:MAX_ID]),
            value := repr(said.value),
            iso(said.at_ns),
            value if template.has_metric else "",
        )
        return "".join(line)

    def _template(self, said: Observation) -> Template:
        fields = {
            "record": catalogue.METRIC_RECORD,
            "feed": catalogue.RECORD,
            "event_id": SLOT,
            "correlation_id": SLOT,
            "sub": SLOT,
            "name": said.name,
            "kind": said.kind,
            "unit": said.unit,
            "value": SLOT,
            "labels": said.labels,
            "created_at": SLOT,
        }
        metrics = [Metric(said.name, said.unit, None)] if self._emitted else []
        return self._emf.template(fields, metrics, said.labels, _SLOTS)


_SLOTS = ("timestamp", "event_id", "correlation_id", "sub", "value", "created_at", "metric")
"""What differs from line to line, in the order in which it stands there."""
