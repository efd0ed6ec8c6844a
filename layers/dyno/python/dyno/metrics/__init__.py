"""Measuring: the tracker, the pipeline behind it, and the reports in front of it."""

from dyno.metrics.business import record_business_metric
from dyno.metrics.invocation import invocation
from dyno.metrics.outgoing import correlated, correlation_headers
from dyno.metrics.track import track_performance
from dyno.metrics.watchdog import deadline

__all__ = ["correlated", "correlation_headers", "deadline", "invocation", "record_business_metric", "track_performance"]
