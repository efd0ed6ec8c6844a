"""What it costs to answer a scrape, beside prometheus-client with the same numbers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import accumulate
from random import Random

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from dyno.metrics.catalogue import BUCKET_BOUNDS_MS, BUCKET_COUNT, CALL_DURATION, CALLS_TOTAL, EXPOSED_BUCKETS
from dyno.metrics.exposition import exposition
from dyno.metrics.model import SeriesTotal, Snapshot, Totals
from tests.benchmarks.clock import per_call_us
from tests.benchmarks.row import Contender, Effort, Goal, Role, Row

SIZES = (50, 500)
FORMATTED = 5_000
"""Series formatted for a sample, in as many scrapes as that makes."""


class Differs(AssertionError):
    """Two expositions of the same numbers do not say the same."""


@contextmanager
def contenders(effort: Effort) -> Iterator[Sequence[Contender]]:
    """The same totals as text, at every size; a series is a method with one outcome: a counter and a histogram."""
    yield [contender for size in SIZES for contender in _of_size(size, effort.pick(FORMATTED // size))]


def check_same(one: str, other: str) -> None:
    """
    Compare what two expositions say of calls.

    Raises:
        Differs: They do not have the same samples.
    """
    if _said(one) != _said(other):
        raise Differs(f"only in one of them: {sorted(_said(one) ^ _said(other))[:5]}")


def snapshot(size: int) -> Snapshot:
    """Totals of so many series, each with calls in half of the buckets."""
    random = Random(size)
    series = [
        SeriesTotal(
            service="PlanningService",
            method=f"method_{number:03}",
            outcome="success",
            duration_ms_sum=random.uniform(1e3, 1e6),
            buckets={bucket: random.randrange(1, 10_000) for bucket in range(10, 10 + BUCKET_COUNT // 2)},
        )
        for number in range(size)
    ]
    return Snapshot(version=1, taken_at=datetime(2027, 1, 4, tzinfo=UTC), totals=Totals(series=series, dead_letters={}))


class Collected(Collector):
    """The same as a custom collector of prometheus-client gives it."""

    def __init__(self, series: Iterable[SeriesTotal]) -> None:
        self._series = series

    def collect(self) -> Iterator[Metric]:
        calls = CounterMetricFamily(CALLS_TOTAL.name, CALLS_TOTAL.help, labels=CALLS_TOTAL.labels)
        durations = HistogramMetricFamily(CALL_DURATION.name, CALL_DURATION.help, labels=CALL_DURATION.labels)
        for each in self._series:
            calls.add_metric((each.service, each.method, each.outcome), each.calls)
            durations.add_metric((each.service, each.method), list(_buckets(each)), each.duration_ms_sum / 1000)
        return iter((calls, durations))


def _buckets(series: SeriesTotal) -> Iterator[tuple[str, float]]:
    so_far = list(accumulate(series.buckets.get(bucket, 0) for bucket in range(BUCKET_COUNT)))
    for bucket in EXPOSED_BUCKETS:
        yield f"{BUCKET_BOUNDS_MS[bucket] / 1000:.9g}", so_far[bucket]
    yield "+Inf", so_far[-1]


def _of_size(size: int, scrapes: int) -> Iterator[Contender]:
    kept = snapshot(size)
    registry = CollectorRegistry()
    registry.register(Collected(kept.totals.series))
    lines = exposed(kept).splitlines(keepends=True)
    check_same(exposed(kept), generate_latest(registry).decode())
    for name, role, answer in (
        ("join of ready lines", Role.FLOOR, lambda: "".join(lines)),
        ("exposition", Role.OURS, lambda: exposed(kept)),
        ("generate_latest", Role.PEER, lambda: generate_latest(registry)),
    ):
        yield Contender(name, role, partial(_per_scrape_ms, answer, scrapes), f"{size} series")


def _per_scrape_ms(answer: Callable[[], object], scrapes: int) -> float:
    return per_call_us(answer, scrapes) / 1000


def exposed(kept: Snapshot) -> str:
    return exposition(kept, release="bench", strategy="cloudwatch")


def _said(text: str) -> set[tuple[str, tuple[tuple[str, str], ...], float]]:
    return {
        (sample.name, tuple(sorted((name, _number(said)) for name, said in sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(text)
        if family.name in (CALLS_TOTAL.name.removesuffix("_total"), CALL_DURATION.name)
        for sample in family.samples
    }


def _number(label: str) -> str:
    """A bound is the same with and without its .0."""
    return label.removesuffix(".0")


ROW = Row(
    name="exposition",
    asks="What does it cost to answer a scrape?",
    unit="ms",
    contenders=contenders,
    goals=[Goal("exposition, 50 series", at_most=1)],
    rounds=15,
)
