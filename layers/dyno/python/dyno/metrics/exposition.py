"""The totals as Prometheus reads them."""

from collections.abc import Iterator
from itertools import accumulate, groupby

from dyno.metrics.catalogue import (
    BUCKET_BOUNDS_MS,
    BUCKET_COUNT,
    BUILD_INFO,
    CALL_DURATION,
    CALLS_TOTAL,
    DEAD_LETTERS_TOTAL,
    EXPOSED_BUCKETS,
    SNAPSHOT_TIMESTAMP,
    Family,
)
from dyno.metrics.model import SeriesTotal, Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BOUNDS = [(bucket, f"{BUCKET_BOUNDS_MS[bucket] / 1000:.9g}") for bucket in EXPOSED_BUCKETS]


def exposition(snapshot: Snapshot | None, *, release: str, strategy: str) -> str:
    """
    Every family of the catalogue; without a snapshot, those that count are there without a sample.

    Source:
        Prometheus text exposition format 0.0.4.
    """
    return "".join(line + "\n" for line in _lines(snapshot, release, strategy))


def _lines(snapshot: Snapshot | None, release: str, strategy: str) -> Iterator[str]:
    series = snapshot.totals.series if snapshot else []
    yield from _head(CALLS_TOTAL)
    for each in series:
        yield f"{CALLS_TOTAL.name}{{{_labels(CALLS_TOTAL, each.service, each.method, each.outcome)}}} {each.calls}"
    yield from _head(CALL_DURATION)
    for (service, method), outcomes in groupby(series, key=lambda each: (each.service, each.method)):
        yield from _histogram(_labels(CALL_DURATION, service, method), list(outcomes))
    yield from _head(DEAD_LETTERS_TOTAL)
    for reason, letters in snapshot.totals.dead_letters.items() if snapshot else ():
        yield f"{DEAD_LETTERS_TOTAL.name}{{{_labels(DEAD_LETTERS_TOTAL, reason)}}} {letters}"
    yield from _head(SNAPSHOT_TIMESTAMP)
    if snapshot:
        yield f"{SNAPSHOT_TIMESTAMP.name} {snapshot.taken_at.timestamp()!r}"
    yield from _head(BUILD_INFO)
    yield f"{BUILD_INFO.name}{{{_labels(BUILD_INFO, release, strategy)}}} 1"


def _head(family: Family) -> Iterator[str]:
    described = family.help.replace("\\", r"\\").replace("\n", r"\n")
    yield f"# HELP {family.name} {described}"
    yield f"# TYPE {family.name} {family.kind}"


def _labels(family: Family, *values: str) -> str:
    return ",".join(f'{label}="{_escaped(value)}"' for label, value in zip(family.labels, values, strict=True))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _histogram(labels: str, outcomes: list[SeriesTotal]) -> Iterator[str]:
    counts = [0] * BUCKET_COUNT
    for each in outcomes:
        for bucket, calls in each.buckets.items():
            counts[bucket] += calls
    so_far = list(accumulate(counts))
    bucket_name = f'{CALL_DURATION.name}_bucket{{{labels},le="'
    for bucket, bound in _BOUNDS:
        yield f'{bucket_name}{bound}"}} {so_far[bucket]}'
    yield f'{bucket_name}+Inf"}} {so_far[-1]}'
    yield f"{CALL_DURATION.name}_sum{{{labels}}} {sum(each.duration_ms_sum for each in outcomes) / 1000!r}"
    yield f"{CALL_DURATION.name}_count{{{labels}}} {so_far[-1]}"
