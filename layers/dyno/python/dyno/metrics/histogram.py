"""Percentiles out of the rollup's buckets."""

from collections.abc import Mapping
from itertools import pairwise
from math import ceil

from dyno.metrics.catalogue import BUCKET_BOUNDS_MS

MAX_ERROR_PERCENTAGE = ceil(1000 * (max(upper / lower for lower, upper in pairwise(BUCKET_BOUNDS_MS)) - 1)) / 10
"""How wide a bucket is at most, in percent of its lower bound: a percentile in it is off by no more."""


def quantile(rank: float, counts: Mapping[int, int], max_ms: float) -> float:
    """
    The duration that a share `rank` (0..1) of the calls did not exceed, in ms.

    Args:
        counts: Calls by bucket; at least one.
        max_ms: The longest call, which no percentile exceeds.
    Source:
        PromQL's histogram_quantile of native histograms: exponential within the bucket that the rank falls in, as its
        bounds are, and linear in the first, which begins at 0.
    """
    wanted = rank * sum(counts.values())
    below = 0
    for bucket, calls in sorted(counts.items()):
        if below + calls >= wanted:
            lower = BUCKET_BOUNDS_MS[bucket - 1] if bucket else 0.0
            upper = min(BUCKET_BOUNDS_MS[bucket], max_ms) if bucket < len(BUCKET_BOUNDS_MS) - 1 else max_ms
            share = (wanted - below) / calls
            return min(lower * (upper / lower) ** share if lower else upper * share, upper)
        below += calls
    return max_ms
