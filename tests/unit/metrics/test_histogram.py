import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyno.metrics.catalogue import BUCKET_BOUNDS_MS, BUCKET_COUNT, BUCKETS_PER_DECADE, EXPOSED_BUCKETS, bucket
from dyno.metrics.histogram import MAX_ERROR_PERCENTAGE, quantile

DURATIONS = st.floats(0, 2e6, allow_subnormal=False)


def counted(durations: list[float]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for duration in durations:
        counts[bucket(duration)] = counts.get(bucket(duration), 0) + 1
    return counts


@given(DURATIONS | st.sampled_from(BUCKET_BOUNDS_MS))
def test_a_duration_lies_within_its_bucket(duration_ms: float) -> None:
    index = bucket(duration_ms)

    assert index == 0 or BUCKET_BOUNDS_MS[index - 1] < duration_ms
    assert index == BUCKET_COUNT - 1 or duration_ms <= BUCKET_BOUNDS_MS[index]


def test_bounds_rise_evenly_and_print_as_they_are_counted_by() -> None:
    ratio = 10 ** (1 / BUCKETS_PER_DECADE)

    assert (BUCKET_BOUNDS_MS[0], BUCKET_BOUNDS_MS[-1], len(BUCKET_BOUNDS_MS)) == (0.1, 1_000_000, BUCKET_COUNT)
    assert all(abs(upper / lower / ratio - 1) < 1e-3 for lower, upper in pairwise(BUCKET_BOUNDS_MS))
    assert all(
        float(f"{BUCKET_BOUNDS_MS[index] / 1000:.9g}") == BUCKET_BOUNDS_MS[index] / 1000 for index in EXPOSED_BUCKETS
    )


@given(st.lists(DURATIONS, min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_off_by_less_than_its_bucket(durations: list[float], rank: float) -> None:
    true_ms = sorted(durations)[math.ceil(rank * len(durations)) - 1]

    told_ms = quantile(rank, counted(durations), max(durations))

    assert bucket(told_ms) in (bucket(true_ms), bucket(true_ms) - 1)
    assert told_ms <= max(durations)
    if bucket(true_ms) < BUCKET_COUNT - 1:
        lower = BUCKET_BOUNDS_MS[bucket(true_ms) - 1] if bucket(true_ms) else 0
        assert lower <= told_ms <= BUCKET_BOUNDS_MS[bucket(true_ms)]


@given(st.lists(st.floats(0, BUCKET_BOUNDS_MS[-1]), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_off_by_no_more_than_is_said_rounded_as_it_is(durations: list[float], rank: float) -> None:
    true_ms = sorted(durations)[math.ceil(rank * len(durations)) - 1]

    told_ms = round(quantile(rank, counted(durations), max(durations)), 3)

    assert abs(told_ms - true_ms) <= max(MAX_ERROR_PERCENTAGE / 100 * true_ms, BUCKET_BOUNDS_MS[0])


@pytest.mark.parametrize("index", range(1, BUCKET_COUNT))
def test_the_worst_a_bucket_can_tell_is_within_what_is_said(index: int) -> None:
    # All calls but one just above its lower bound, the longest at its upper one: the percentile is told as that.
    lower, upper = BUCKET_BOUNDS_MS[index - 1], BUCKET_BOUNDS_MS[index]
    true_ms = math.nextafter(lower, upper)

    told_ms = round(quantile(1.0, {index: 100}, upper), 3)

    assert abs(told_ms - true_ms) <= max(MAX_ERROR_PERCENTAGE / 100 * true_ms, BUCKET_BOUNDS_MS[0])


def test_what_is_said_is_not_more_than_it_need_be() -> None:
    widest = max(upper / lower - 1 for lower, upper in pairwise(BUCKET_BOUNDS_MS))

    assert 0 <= MAX_ERROR_PERCENTAGE - 100 * widest < 0.1


@pytest.mark.parametrize(
    ("calls", "wanted_ms"), [(1, 1.0), (2, 1.0), (3, 2.0), (199, 100.0), (200, 100.0), (201, 101.0)]
)
def test_the_rank_is_that_of_the_first_value_whose_share_reaches_it(calls: int, wanted_ms: float) -> None:
    # As percentile_disc has it; 1 and 100 are bounds, behind which the next rank is in another bucket.
    durations = [float(number) for number in range(1, calls + 1)]

    told_ms = quantile(0.5, counted(durations), durations[-1])

    assert bucket(told_ms) == bucket(wanted_ms)


def test_percentiles_interpolate_as_promql_does_within_native_buckets() -> None:
    # histogram_quantile(0.5, …) over le=1 → 10, le=1.292 → 30: the 20th of 40 is half way through the second bucket
    assert quantile(0.5, {9: 10, 10: 20, 20: 10}, 50.0) == pytest.approx(1.292**0.5)


def test_durations_as_they_come_are_told_to_a_few_percent() -> None:
    # log-normal around 20 ms, by its own quantiles
    steps = 20_000
    normal = sorted(
        math.sqrt(-2 * math.log((i + 0.5) / steps)) * math.cos(2 * math.pi * (i * 0.6180339887 % 1))
        for i in range(steps)
    )
    durations = [20 * math.exp(0.8 * value) for value in normal]

    for rank, allowed in ((0.5, 0.01), (0.95, 0.03), (0.99, 0.05)):
        true_ms = durations[math.ceil(rank * steps) - 1]
        assert abs(quantile(rank, counted(durations), durations[-1]) / true_ms - 1) < allowed
