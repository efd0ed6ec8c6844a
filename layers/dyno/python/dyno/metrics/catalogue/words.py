"""The words of a record line, and what may stand in it."""

from collections.abc import Mapping

NAMESPACE = "DynoAgent/Production"
RECORD = "dyno-call/1"
METRIC_RECORD = "dyno-metric/1"

CALL_FIELDS = (
    "service",
    "method",
    "record",
    "event_id",
    "correlation_id",
    "sub",
    "outcome",
    "success",
    "duration_ms",
    "created_at",
    "parent_event_id",
    "error_type",
    "error_message",
    "metadata",
    "stack_trace",
    "release",
)
"""Members of a call's line, besides what it carries for CloudWatch; the last two are not on every one."""

METRIC_FIELDS = (
    "record",
    "feed",
    "event_id",
    "correlation_id",
    "sub",
    "name",
    "kind",
    "unit",
    "value",
    "labels",
    "created_at",
)
"""The same of a business metric's line. `feed` is RECORD: a log group has room for two subscriptions, and so the one on
that term delivers these lines as well."""

DIMENSIONS = ("service", "method")
FUNCTION_DIMENSION = "function"
OVERFLOW: Mapping[str, str] = {"overflow": "true"}
"""The one dimension of what has no series of its own, in place of its others."""

OTHERS = tuple(OVERFLOW.values())
"""The series of all these, by the values of its dimensions."""

_SIZES = tuple(
    f"{size}{what}".capitalize() for what in ("bytes", "bits") for size in ("", "kilo", "mega", "giga", "tera")
)
UNITS = (
    *("Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"),
    *_SIZES,
    *(f"{size}/Second" for size in _SIZES),
)
"""CloudWatch's. Source: CloudWatch API reference, MetricDatum."""

RESERVED_LABELS = frozenset({*CALL_FIELDS, *METRIC_FIELDS, FUNCTION_DIMENSION, *OVERFLOW})
RESERVED_LABELS |= {"le", "quantile", "job", "instance"}
"""What no label of a business metric may be called: a label is a member of the line and a dimension, and Prometheus has
its own idea of the last four."""
