"""The buckets that durations are counted in."""

from bisect import bisect_left

BUCKETS_PER_DECADE = 9
BUCKET_COUNT = 64
BUCKET_BOUNDS_MS = tuple(float(f"{0.1 * 10 ** (index / BUCKETS_PER_DECADE):.4g}") for index in range(BUCKET_COUNT))
"""Upper bounds, both in, of the rollup histogram, 0.1 ms to 1,000 s; what is slower counts in the last bucket.
Four digits each, so that the bound a dashboard prints is the bound that was counted by."""

EXPOSED_BUCKETS = tuple(range(6, 46, 3))
"""Indexes into BUCKET_BOUNDS_MS shown to Prometheus: 0.46 ms to 10 s, three a decade."""


def bound_s(bucket: int) -> str:
    """A bucket's bound in seconds, as its label says it: a float, as OpenMetrics wants it."""
    return repr(float(f"{BUCKET_BOUNDS_MS[bucket] / 1000:.9g}"))


def bucket(duration_ms: float) -> int:
    """The bucket a duration counts in: the first whose bound it does not exceed, else the last."""
    return min(bisect_left(BUCKET_BOUNDS_MS, duration_ms), BUCKET_COUNT - 1)
