"""Measuring: the tracker, the pipeline behind it, and the reports in front of it."""

from dyno.metrics.track import track_performance
from dyno.metrics.watchdog import deadline

__all__ = ["deadline", "track_performance"]
