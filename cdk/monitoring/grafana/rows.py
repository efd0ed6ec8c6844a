"""The panels of the catalogue's rows: its metrics as Prometheus has them, and where to look for the others."""

from collections.abc import Iterator

from grafana_foundation_sdk.models.dashboard import Panel

from cdk.monitoring.grafana import asked, calls, lab, pipeline
from cdk.monitoring.grafana.panels import A_SECOND, About, Query, figure, graph, note, unit_of
from dyno.metrics import catalogue
from dyno.metrics.catalogue import Family, Kind, Row, watching

SHOWN = (
    catalogue.CALLS_TOTAL,
    catalogue.CALL_DURATION,
    catalogue.DEAD_LETTERS_TOTAL,
    catalogue.OPEN_DEAD_LETTERS,
    catalogue.INGEST_LAG_SECONDS,
    catalogue.INGEST_FAILING_SINCE,
    catalogue.SNAPSHOT_READABLE,
    catalogue.SNAPSHOT_TIMESTAMP,
    catalogue.BUILD_INFO,
    *lab.GAUGES,
)
"""Families that have a place of their own."""


def top() -> Iterator[Panel]:
    """What to look at first: what is on, what may still break, and whether all this is new."""
    yield pipeline.alerts()
    for metric in catalogue.CALL_METRICS:
        yield from calls.left(metric)
    yield pipeline.scrapes()
    yield pipeline.release()


def of_service(row: Row) -> Iterator[Panel]:
    """What whoever runs the service looks for in a row."""
    if row is Row.BOOKINGS:
        yield calls.outcomes()
    for call_metric in catalogue.CALL_METRICS:
        if call_metric.row is row:
            yield from calls.of_calls(call_metric)
    for log_metric in catalogue.LOG_METRICS:
        if log_metric.row is row:
            yield from pipeline.of_lines(log_metric)
    yield from _besides(row)


def of_business(row: Row) -> Iterator[Panel]:
    """What whoever answers for the lab looks for in a row."""
    yield from lab.nights([metric for metric in catalogue.BUSINESS_METRICS if metric.row is row])
    if row is Row.BOOKINGS:
        yield from lab.days()


def others() -> Iterator[Panel]:
    """Every family that has no place of its own: what the earlier system had, and what is new."""
    for family in catalogue.FAMILIES:
        if family not in SHOWN:
            yield _of_family(family)


def _besides(row: Row) -> Iterator[Panel]:
    if row is Row.SIGNALS:
        for metric in catalogue.CALL_METRICS:
            yield from calls.burning(metric)
        yield calls.one_call()
    if row is Row.PIPELINE:
        yield from pipeline.of_ingest()
    if lines := [line for known, line in _only_in_cloudwatch() if known is row]:
        yield note(
            "In CloudWatch",
            "What Prometheus cannot know: it reads what the service says of itself, once that is written.",
            ("On the dashboard that the monitoring stack's output `DashboardUrl` leads to:", "", *lines),
        )


def _only_in_cloudwatch() -> Iterator[tuple[Row, str]]:
    """What has no family, with its row."""
    for metric in (*catalogue.CALL_METRICS, *catalogue.LOG_METRICS):
        if metric.family is None:
            yield metric.row, f"- `{metric.name}`: {metric.help}"
    for noted in catalogue.FUNCTION_METRICS:
        yield noted.row, f"- `{noted.name}`: {noted.help}"
    for measured in watching.AWS_METRICS:
        yield measured.row, f"- `{measured.namespace}` `{measured.name}`: {measured.help}"


def _of_family(family: Family) -> Panel:
    query = Query(asked.of_family(family), asked.legend(family))
    if family.kind is Kind.INFO:
        return figure(About(family.name, family.help), query, named=True)
    if family.kind is Kind.COUNTER:
        return graph(About(family.name, f"{family.help} A second.", A_SECOND), [query])
    which = " The 95th percentile." if family.kind is Kind.HISTOGRAM else ""
    return graph(About(family.name, f"{family.help}{which}", unit_of(family.name)), [query])
