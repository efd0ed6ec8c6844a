"""What is shown of the lab: what was booked, and what that saves."""

from collections.abc import Iterator, Sequence

from grafana_foundation_sdk.models.dashboard import Panel

from cdk.monitoring.grafana import asked
from cdk.monitoring.grafana.calls import BOOKING
from cdk.monitoring.grafana.panels import SHARE, WHOLE, About, Query, figure, graph, unit_of
from dyno.metrics import catalogue
from dyno.metrics.catalogue import BusinessMetric, Kind
from dyno.metrics.catalogue.naming import family as family_of

GAUGES = tuple(family for family in catalogue.EARLIER if family.kind is Kind.GAUGE)
"""As of the last batch, where the night's are as of last night."""


def days() -> Iterator[Panel]:
    """What became of those who asked for a booking, day by day."""
    says = f"Calls of {BOOKING} in the 24 hours before each point."
    yield graph(About("Bookings of a day, by outcome", says), [Query(asked.bookings_of_a_day(), "{{outcome}}")])
    for metric in catalogue.CALL_METRICS:
        if metric.row is catalogue.REJECTIONS.row and metric.family:
            about = About(f"{metric.name}, share of a day's", f"{metric.help} GET /metrics/demand says why.", SHARE)
            yield graph(about, [Query(asked.share_of_a_day(metric), metric.name)])


def nights(metrics: Sequence[BusinessMetric]) -> Iterator[Panel]:
    """What the night recorded last, then over time: what has one unit in one graph."""
    for metric in metrics:
        about = About(metric.name, f"{metric.help} Recorded last night.", _unit(metric))
        yield figure(about, _recorded(metric), width=WHOLE // len(metrics))
    for unit in dict.fromkeys(map(_unit, metrics)):
        alike = [metric for metric in metrics if _unit(metric) == unit]
        names = ", ".join(metric.name for metric in alike)
        about = About(names, "\n\n".join(f"{each.name}: {each.help}" for each in alike), unit)
        yield graph(about, [_recorded(metric) for metric in alike])


def month() -> Iterator[Panel]:
    """What it saves by the earlier system's names."""
    for gauge in GAUGES:
        about = About(gauge.name, f"{gauge.help} As of the last batch.", unit_of(gauge.name))
        yield figure(about, Query(asked.now(gauge), asked.legend(gauge)))


def _recorded(metric: BusinessMetric) -> Query:
    return Query(asked.now(family_of(metric)), metric.name)


def _unit(metric: BusinessMetric) -> str:
    return unit_of(family_of(metric).name)
