"""When somebody is called, and why."""

from collections.abc import Iterable
from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from dyno.metrics import catalogue

from cdk.monitoring.calls import metric_of, shown
from cdk.monitoring.platform import Platform
from cdk.options import Strategy

SLOW_MS = 2_000
"""An allocation takes some tens of milliseconds; at this p95 people notice."""


@dataclass(frozen=True)
class Rule:
    """
    An alarm to be.

    Attributes:
        name: Its id in the stack.
        meaning: What it says to who is called: what is wrong, and where to look first.
        threshold: Reached or passed in `periods` of the last `periods` is an alarm.
    """

    name: str
    meaning: str
    metric: cloudwatch.Metric
    threshold: float
    periods: int = 1


def rules(strategy: Strategy, namespace: str, platform: Platform) -> list[Rule]:
    """Every alarm of a strategy: from the catalogue what is emitted, from AWS's own metrics the rest."""
    return [*_of_calls(strategy, namespace), *_of_gateway(platform), *_of_functions(platform), *_of_database(platform)]


def _of_calls(strategy: Strategy, namespace: str) -> Iterable[Rule]:
    objectives = {
        catalogue.ERRORS: ("Allocations break; see 'Latest calls that broke'.", "Sum", 1.0, 1),
        catalogue.DURATION: ("Allocations are slow; see the database's capacity.", "p95", SLOW_MS, 3),
    }
    for metric in shown(strategy):
        if metric in objectives:
            meaning, statistic, threshold, periods = objectives[metric]
            series = metric_of(metric, namespace, *catalogue.AUTO_ALLOCATE, statistic)
            yield Rule(f"Allocation{metric.name}", meaning, series, threshold, periods)


def _of_gateway(platform: Platform) -> Iterable[Rule]:
    yield Rule("Api5xx", "Requests fail; see the functions' errors.", platform.gateway("5XXError", "Sum"), 5, 2)
    yield Rule(
        "ApiLatency", "Answers are slow; see durations and capacity.", platform.gateway("Latency", "p95"), SLOW_MS, 3
    )


def _of_functions(platform: Platform) -> Iterable[Rule]:
    for label, function in platform.doors.items():
        name = label.capitalize()
        yield Rule(
            f"{name}Errors", f"{label} crashes; see its log.", platform.function(function, "Errors", "Sum", label), 1
        )
        yield Rule(
            f"{name}Throttles",
            f"{label} is short of concurrency; see the account's limit.",
            platform.function(function, "Throttles", "Sum", label),
            1,
        )
    ingest = platform.ingest
    yield Rule(
        "IngestErrors",
        "Records are not written; after three tries a batch goes to the failed batches' bucket.",
        platform.function(ingest, "Errors", "Sum", "metrics_ingest"),
        3,
    )
    for name, meaning in {
        "AsyncEventsDropped": "Batches were given up; see the failed batches' bucket.",
        "DestinationDeliveryFailures": "Failed batches could not be kept; records are lost unless replayed from the log.",
    }.items():
        yield Rule(f"Ingest{name}", meaning, platform.function(ingest, name, "Sum", "metrics_ingest"), 1)


def _of_database(platform: Platform) -> Iterable[Rule]:
    yield Rule(
        "DatabaseAtCapacity",
        "Aurora is at its most capacity units; raise max_capacity.",
        platform.database("ACUUtilization", "Average"),
        95,
        3,
    )
