"""When somebody is called, and why."""

from collections.abc import Iterable
from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch

from cdk.monitoring.calls import metric_of, shown
from cdk.monitoring.platform import INGEST_FAILURES, Platform
from cdk.options import Strategy
from dyno.metrics import catalogue

SLOW_MS = 2_000
"""An allocation takes some tens of milliseconds; at this p95 people notice."""


@dataclass(frozen=True)
class Rule:
    """
    An alarm to be.

    Attributes:
        name: Its id in the stack.
        meaning: What it says to who is called: what is wrong, and where to look first.
        threshold: Reached or passed in each of the last `periods` it is an alarm.
    """

    name: str
    meaning: str
    metric: cloudwatch.Metric
    threshold: float
    periods: int = 1


def rules(strategy: Strategy, namespace: str, platform: Platform) -> list[Rule]:
    """Every alarm of a strategy: from the catalogue what is emitted, from AWS's own metrics the rest."""
    return [
        *_of_calls(strategy, namespace),
        *_of_gateway(platform),
        *_of_doors(platform),
        *_of_ingest(platform),
        *_of_nights(platform),
        *_of_database(platform),
    ]


def _of_calls(strategy: Strategy, namespace: str) -> Iterable[Rule]:
    objectives = {
        # Not from the first: a paused database answers the calls that wake it by 503, which is an error too.
        catalogue.ERRORS: ("Allocations break; see 'Recent calls that broke'.", "Sum", 5, 1),
        catalogue.DURATION: ("Allocations are slow; see the database's capacity.", "p95", SLOW_MS, 3),
    }
    for metric in shown(strategy):
        if metric in objectives:
            meaning, statistic, threshold, periods = objectives[metric]
            series = metric_of(metric, namespace, *catalogue.AUTO_ALLOCATE, statistic)
            yield Rule(f"Allocation{metric.name}", meaning, series, threshold, periods)


def _of_gateway(platform: Platform) -> Iterable[Rule]:
    failed, latency = platform.gateway("5XXError", "Sum"), platform.gateway("Latency", "p95")
    yield Rule("Api5xx", "Requests fail; see the functions' errors.", failed, 5, 2)
    yield Rule("ApiLatency", "Answers are slow; see durations and capacity.", latency, SLOW_MS, 3)


def _of_doors(platform: Platform) -> Iterable[Rule]:
    meanings = {
        "Errors": "crashes; see its log.",
        "Throttles": "is short of concurrency; see the account's limit.",
    }
    for name, function in platform.doors.items():
        for metric, meaning in meanings.items():
            if metric == "Errors" and name in platform.nightly:
                continue  # that alarm tells of both
            series = platform.function(function, metric, "Sum")
            yield Rule(f"{name.capitalize()}{metric}", f"The function {name} {meaning}", series, 1)


def _of_ingest(platform: Platform) -> Iterable[Rule]:
    meanings = (
        "Records are not written; after three tries a batch goes to the failed batches' bucket.",
        "Batches were given up; see the failed batches' bucket.",
        "Failed batches could not be kept; the lines are still in the call log.",
    )
    for metric, meaning in zip(INGEST_FAILURES, meanings, strict=True):
        yield Rule(f"Ingest{metric}", meaning, platform.function(platform.ingest, metric, "Sum"), 1)


def _of_nights(platform: Platform) -> Iterable[Rule]:
    meanings = {
        "lifecycle": "The night's ageing failed: partitions run out, old data stays; see 'nightly work' in its log.",
        "redrive": "Records may be missing; see the reason of 'redrive finished' in its log. The next night goes on.",
        "roi": "Reports were not stored, or requests for one crash; see what broke in its log.",
    }
    for name, function in platform.nightly.items():
        yield Rule(f"{name.capitalize()}Errors", meanings[name], platform.function(function, "Errors", "Sum"), 1)


def _of_database(platform: Platform) -> Iterable[Rule]:
    used = platform.database("ACUUtilization", "Average")
    yield Rule("DatabaseAtCapacity", "Aurora is at its most capacity units; raise max_capacity.", used, 95, 3)
