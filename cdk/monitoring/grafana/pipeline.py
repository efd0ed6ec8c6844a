"""What is shown of the way from a line to a row, and of Prometheus' own way to it."""

from collections.abc import Iterator

from grafana_foundation_sdk.models.dashboard import Panel

from cdk.monitoring.alarms import MISSING_SECTION
from cdk.monitoring.grafana import asked
from cdk.monitoring.grafana.panels import BAD, GOOD, SECONDS, About, Query, figure, graph, states, unit_of
from cdk.monitoring.prometheus.alerts import SILENT_FOR_S, UNWRITTEN_SECTION
from cdk.monitoring.prometheus.promql import window
from cdk.monitoring.prometheus.recordings import LATELY
from dyno.metrics import catalogue
from dyno.metrics.catalogue import Kind, LogMetric


def of_lines(metric: LogMetric) -> Iterator[Panel]:
    """A metric of ingest's; nothing of what has no family."""
    if metric.family is None:
        return
    counts, limit = metric.family.kind is Kind.COUNTER, metric.objective
    about = About(
        metric.name,
        f"{metric.help} {f'Within {LATELY}.' if counts else 'Of the last batch.'}",
        unit_of(metric.family.name),
        limit.section if limit else UNWRITTEN_SECTION,
    )
    expression = asked.recently(metric.family) if counts else asked.now(metric.family)
    query = Query(expression, asked.legend(metric.family))
    yield graph(about, [query], limits=[limit.at] if limit else [], bars=counts)


def of_ingest() -> Iterator[Panel]:
    """What no metric of CloudWatch says."""
    letters, failing, taken = catalogue.OPEN_DEAD_LETTERS, catalogue.INGEST_FAILING_SINCE, catalogue.SNAPSHOT_TIMESTAMP
    section = catalogue.DEAD_LETTERS.objective.section if catalogue.DEAD_LETTERS.objective else ""
    about = About("Dead letters that are open", letters.help, unit_of(letters.name), section)
    yield graph(about, [Query(asked.now(letters), asked.legend(letters))], limits=[1])
    about = About("Ingest has been failing for", f"0 while it does not. {failing.help}", SECONDS, UNWRITTEN_SECTION)
    yield graph(about, [Query(asked.age(failing), "failing for")])
    readable = catalogue.SNAPSHOT_READABLE
    about = About("These numbers can be read", readable.help, section=MISSING_SECTION)
    yield figure(about, Query(asked.READABLE, "readable"), steps=[(1, GOOD)], lowest=BAD)
    about = About("Age of these numbers", f"{taken.help} By the last batch: it grows while nobody calls.", SECONDS)
    yield graph(about, [Query(asked.age(taken), "age")])


def alerts() -> Panel:
    """When which alert was on."""
    says = "When which was on. Its own page in Prometheus says what is wrong, and where to read what to do."
    return states(About("Alerts", says), Query(asked.RAISED, "{{alertname}}"))


def scrapes() -> Panel:
    """Whether Prometheus gets an answer; without, all else here is old."""
    says = f"1 while Prometheus gets an answer, else 0; that is an alert after {window(SILENT_FOR_S)}."
    about = About("Scrapes are answered", says, section=MISSING_SECTION)
    return figure(about, Query(asked.SCRAPED, "up"), steps=[(1, GOOD)], lowest=BAD)


def release() -> Panel:
    """What answers."""
    info = catalogue.BUILD_INFO
    return figure(About("Release", info.help), Query(asked.now(info), asked.legend(info)), named=True)
