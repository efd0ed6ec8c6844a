"""How others record a finished call: the same metrics and the same fields as the record line, by their own means."""

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from unittest import mock

import prometheus_client
from aws_embedded_metrics.environment.environment_detector import (
    EnvironmentCache,
    lambda_environment,
    resolve_environment,
)
from aws_embedded_metrics.logger.metrics_logger import MetricsLogger
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit, single_metric
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from dyno.metrics.catalogue import BUCKET_BOUNDS_MS, DURATION, EXPOSED_BUCKETS

Recorder = Callable[[float], object]
"""Records a call by its duration in ms."""


@dataclass(frozen=True)
class Said:
    """
    What a record line says, for others to say too. All but the duration stays the same from call to call: others are
    spared the making of ids and dates.

    Attributes:
        counts: Metrics of unit Count.
        fields: What stands beside the metrics.
    """

    namespace: str
    timestamp_ms: int
    duration_ms: float
    dimensions: Mapping[str, str]
    counts: Mapping[str, float]
    fields: Mapping[str, object]

    @classmethod
    def by(cls, line: str) -> "Said":
        """From a line with EMF."""
        record = json.loads(line)
        aws = record.pop("_aws")
        (directive,) = aws["CloudWatchMetrics"]
        dimensions = {name: record.pop(name) for name in directive["Dimensions"][0]}
        values = {metric["Name"]: record.pop(metric["Name"])[0] for metric in directive["Metrics"]}
        duration_ms = values.pop(DURATION.name)
        return cls(directive["Namespace"], aws["Timestamp"], duration_ms, dimensions, values, record)


def ephemeral_metrics(said: Said, duration_ms: float) -> EphemeralMetrics:
    """Powertools' metrics of one call, yet to be flushed."""
    metrics = EphemeralMetrics(namespace=said.namespace)
    for name, value in said.dimensions.items():
        metrics.add_dimension(name, value)
    for name, field in said.fields.items():
        metrics.add_metadata(name, field)
    metrics.add_metric(DURATION.name, MetricUnit.Milliseconds, duration_ms)
    for name, count in said.counts.items():
        metrics.add_metric(name, MetricUnit.Count, count)
    return metrics


def single_metrics(said: Said) -> Recorder:
    """Powertools' `single_metric`, once for each metric."""
    units = {DURATION.name: MetricUnit.Milliseconds} | dict.fromkeys(said.counts, MetricUnit.Count)

    def record(duration_ms: float) -> None:
        for name, value in {DURATION.name: duration_ms, **said.counts}.items():
            with single_metric(name, units[name], value, namespace=said.namespace) as metric:
                for dimension, text in said.dimensions.items():
                    metric.add_dimension(dimension, text)
                for field, content in said.fields.items():
                    metric.add_metadata(field, content)

    return record


@contextmanager
def embedded_metrics(said: Said) -> Iterator[Recorder]:
    """AWS's own aws-embedded-metrics as it is in Lambda, a new logger for each call as its `metric_scope` has it."""

    def record(duration_ms: float) -> None:
        logger = MetricsLogger(resolve_environment)
        logger.set_namespace(said.namespace)
        logger.set_dimensions(dict(said.dimensions))
        for name, field in said.fields.items():
            logger.set_property(name, field)
        logger.put_metric(DURATION.name, duration_ms, "Milliseconds")
        for name, count in said.counts.items():
            logger.put_metric(name, count, "Count")
        logger.flush_sync()

    with mock.patch.object(EnvironmentCache, "environment", lambda_environment):
        yield record


@contextmanager
def powertools_logger(said: Said) -> Iterator[Recorder]:
    """A log line of Powertools with the same fields."""
    handler = logging.StreamHandler(sys.stdout)
    logger = Logger(service="recorder", logger_handler=handler)
    fields = {**said.dimensions, **said.fields}
    try:
        yield lambda duration_ms: logger.info("finished", extra={**fields, "duration_ms": duration_ms})
    finally:
        # Loggers last as long as the process; the next one of this name would find the handler of a closed stdout.
        logging.Logger.manager.loggerDict.pop("recorder")


def prometheus(said: Said) -> Recorder:
    """prometheus-client: a histogram and a counter, kept in memory."""
    registry = prometheus_client.CollectorRegistry()
    bounds_s = [BUCKET_BOUNDS_MS[bucket] / 1000 for bucket in EXPOSED_BUCKETS]
    names = list(said.dimensions)
    seconds = prometheus_client.Histogram("call_duration_seconds", "", names, buckets=bounds_s, registry=registry)
    calls = prometheus_client.Counter("calls", "", [*names, "outcome"], registry=registry)
    values = said.dimensions.values()

    def record(duration_ms: float) -> None:
        seconds.labels(*values).observe(duration_ms / 1000)
        calls.labels(*values, "success").inc()

    return record


@contextmanager
def opentelemetry_metrics(said: Said) -> Iterator[Recorder]:
    """OpenTelemetry: a histogram and a counter, kept in memory."""
    provider = MeterProvider([InMemoryMetricReader()])
    meter = provider.get_meter("recorder")
    duration, calls = meter.create_histogram("duration", "ms"), meter.create_counter("calls")
    attributes = dict(said.dimensions)

    def record(duration_ms: float) -> None:
        duration.record(duration_ms, attributes)
        calls.add(1, {**attributes, "outcome": "success"})

    try:
        yield record
    finally:
        provider.shutdown()


@contextmanager
def opentelemetry_span(said: Said) -> Iterator[Callable[[], AbstractContextManager[object]]]:
    """Gives OpenTelemetry spans to work within; a thread exports them in batches, to nowhere."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(_Nowhere()))
    tracer = provider.get_tracer("recorder")
    attributes = {name: str(value) for name, value in {**said.dimensions, **said.fields}.items() if value is not None}

    try:
        yield lambda: tracer.start_as_current_span("plan", attributes=attributes)
    finally:
        provider.shutdown()


class _Nowhere(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002  # the library's own signature
        return SpanExportResult.SUCCESS
