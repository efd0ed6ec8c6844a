"""Measuring: the tracker, the pipeline behind it, and the reports in front of it."""

from dyno.metrics.deadline import deadline
from dyno.metrics.track import track_performance

__all__ = ["deadline", "track_performance"]
