"""When Prometheus raises an alert, and why: from what the catalogue promises."""

from collections.abc import Iterator
from dataclasses import dataclass

from cdk.monitoring.alarms import MISSING_SECTION
from cdk.monitoring.prometheus.promql import labels, window
from cdk.monitoring.prometheus.recordings import INGEST_LAG, LATELY, counted, of_calls, quantile, slow
from dyno.metrics import catalogue
from dyno.metrics.catalogue import CallMetric, ErrorBudget, Family, Limit, LogMetric, watching
from dyno.metrics.catalogue.watching import Burn

JOB = "dyno"
"""What scrapes of the service are called."""

LAGGING_S = 300
"""A batch has had its three tries after some three minutes."""

LAGGING_FOR_S = 600
"""A redrive brings in a few batches what waited for a day: that is no lag."""

SILENT_FOR_S = 300

UNWRITTEN_SECTION = "Batches are not written"

BOOKINGS = labels(dict(zip(catalogue.DIMENSIONS, catalogue.AUTO_ALLOCATE, strict=True)))


@dataclass(frozen=True)
class Alert:
    """
    Something that somebody is told of.

    Attributes:
        says: What is wrong.
        section: The heading in docs/runbook.md of what to do.
        expression: The alert is on while this has a value,
        for_s: once it has had one for so long.
        detail: Whose, and how much: a template of Prometheus' that knows $labels and $value.
        urgent: Whether people feel it now, so that somebody is called.
    """

    name: str
    says: str
    section: str
    expression: str
    detail: str
    for_s: int = 0
    urgent: bool = False

    @property
    def severity(self) -> str:
        """Whether somebody is to be called, or finds it in the morning."""
        return "page" if self.urgent else "ticket"


def alerts() -> list[Alert]:
    """Every alert; what both sides watch has the name of the alarm in CloudWatch."""
    promising = (*catalogue.CALL_METRICS, *catalogue.LOG_METRICS)
    return [*(alert for metric in promising for alert in _promised(metric)), *_besides()]


def _promised(metric: CallMetric | LogMetric) -> Iterator[Alert]:
    match metric, metric.family, metric.objective:
        case CallMetric(), Family(), ErrorBudget() as budget:
            yield from (_burning(metric, budget, burn) for burn in watching.BURNS)
        case CallMetric(), Family() as family, Limit(percentage=int(percentage)) as limit:
            yield _slow(family, limit, percentage)
        case LogMetric(), Family() as family, Limit() as limit:
            yield _increasing(family, limit)


def _burning(metric: CallMetric, budget: ErrorBudget, burn: Burn) -> Alert:
    """Over the long window and still over the short one."""
    share, long, short = burn.rate * budget.percentage / 100, window(burn.long_s), window(burn.short_s)
    conditions = (
        f"{of_calls(metric, f'ratio_rate{long}')}{BOOKINGS} >= {share:g}",
        f"{of_calls(metric, f'ratio_rate{short}')}{BOOKINGS} >= {share:g}",
        f"{of_calls(metric, f'increase{long}')}{BOOKINGS} >= {watching.FEWEST_FAILURES}",
    )
    failed = f"{_told(*catalogue.DIMENSIONS)}: {_value('humanizePercentage')} of the calls within {long} failed"
    return Alert(
        f"{budget.name}ErrorBudget{burn.name}",
        budget.says,
        budget.section,
        " and ".join(conditions),
        f"{failed}, and {100 * share:g} % or more within {short}.",
        urgent=True,
    )


def _slow(family: Family, limit: Limit, percentage: int) -> Alert:
    """Of a histogram, whose seconds CloudWatch has as milliseconds."""
    over = window(limit.period_s)
    conditions = (
        f"{quantile(family, percentage, over)}{BOOKINGS} >= {limit.at / 1_000:g}",
        f"{slow(family, over)}{BOOKINGS} >= {watching.FEWEST_FAILURES}",
    )
    return Alert(
        limit.name,
        limit.says,
        limit.section,
        " and ".join(conditions),
        f"{_told(*family.labels)}: {limit.statistic} is {_value('humanizeDuration')}, within {over}.",
        for_s=(limit.periods - 1) * limit.period_s,
        urgent=limit.urgent,
    )


def _increasing(family: Family, limit: Limit) -> Alert:
    return Alert(
        limit.name,
        limit.says,
        limit.section,
        f"{counted(family, f'increase{LATELY}')} >= {limit.at:g}",
        f"{_told(*family.labels)}: {_value('humanize')} within {LATELY}.",
        for_s=(limit.periods - 1) * limit.period_s,
        urgent=limit.urgent,
    )


def _besides() -> Iterator[Alert]:
    """Those of what no metric of CloudWatch's promises."""
    yield from (_failing(), _lagging(), _unreadable(), _silent())


def _failing() -> Alert:
    # The next good batch ends it, maybe before the next evaluation; who is told should still find it.
    return Alert(
        "IngestFailing",
        "Records are not written.",
        UNWRITTEN_SECTION,
        f"max_over_time({catalogue.INGEST_FAILING_SINCE.name}[{LATELY}]) > 0",
        f"{_told('instance')}: failing since {_value('humanizeTimestamp')}, and within the last {LATELY}.",
    )


def _lagging() -> Alert:
    # It is the lag of the last batch, and stands still while nobody calls.
    arriving = f"max by (job) (changes({catalogue.SNAPSHOT_TIMESTAMP.name}[{LATELY}])) > 0"
    return Alert(
        "IngestLagging",
        "Records are written late.",
        UNWRITTEN_SECTION,
        f"{INGEST_LAG} >= {LAGGING_S} and on (job) {arriving}",
        f"{_told('job')}: calls wait {_value('humanizeDuration')} to be counted, for {window(LAGGING_FOR_S)}.",
        for_s=LAGGING_FOR_S,
    )


def _unreadable() -> Alert:
    readable = catalogue.SNAPSHOT_READABLE.name
    return Alert(
        "SnapshotUnreadable",
        "Prometheus gets answers without counts, and no other alert can speak.",
        MISSING_SECTION,
        f"{readable} == 0",
        f"{_told('instance')}: no counts for {window(SILENT_FOR_S)} ({readable} is {_value('humanize')}).",
        for_s=SILENT_FOR_S,
    )


def _silent() -> Alert:
    return Alert(
        "ScrapeFailing",
        "Prometheus gets no answer, and no other alert can speak.",
        MISSING_SECTION,
        f"up{labels({'job': JOB})} == 0",
        f"{_told('instance')}: no answer for {window(SILENT_FOR_S)} (up is {_value('humanize')}).",
        for_s=SILENT_FOR_S,
    )


def _told(*names: str) -> str:
    return ".".join(f"{{{{ $labels.{name} }}}}" for name in names)


def _value(unit: str) -> str:
    return f"{{{{ $value | {unit} }}}}"
