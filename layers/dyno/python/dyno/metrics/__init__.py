"""Measuring: the tracker, the pipeline behind it, and the reports in front of it."""
