"""What is shown of calls: how many, how fast, how many broke, and how many more may."""

from collections.abc import Iterator

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import Panel

from cdk.monitoring.grafana import asked
from cdk.monitoring.grafana.panels import (
    A_SECOND,
    BAD,
    GOOD,
    GRAPH_HEIGHT,
    SHARE,
    THIRD,
    WARNING,
    WHOLE,
    About,
    Query,
    figure,
    graph,
    link,
    note,
    unit_of,
)
from cdk.monitoring.prometheus.promql import window
from cdk.monitoring.prometheus.recordings import LATELY
from cdk.monitoring.queries import BROKE
from dyno.metrics import catalogue
from dyno.metrics.catalogue import CallMetric, ErrorBudget, Family, Limit, watching
from dyno.metrics.catalogue.naming import scale
from dyno.metrics.catalogue.watching import Burn

LITTLE_LEFT = 0.25
"""Of an error budget: time to be careful."""

API = "${api:raw}"
"""The address of the API, as it is typed at the top of a dashboard."""

CORRELATION_ID = "correlation_id"
CALL = f"{API}/metrics/calls?{CORRELATION_ID}=${{{CORRELATION_ID}:percentencode}}"
"""The call whose correlation id is typed at the top of a dashboard."""

ONE_CALL = "From a line to one call"
THIS_CALL = "One call, by its correlation id"
GO_ON = f"A click on a line leads to its method's calls in the database, or to one; '{ONE_CALL}' says how."

BOOKING = ".".join(catalogue.AUTO_ALLOCATE)
METHODS = ".".join(f"{{{{{dimension}}}}}" for dimension in catalogue.DIMENSIONS)


def of_calls(metric: CallMetric) -> Iterator[Panel]:
    """A metric's statistics, of the chosen methods; none of what has no family."""
    if metric.family is None:
        return
    for statistic, title in metric.graphs:
        limits, section = _promise(metric, statistic)
        about = About(title, f"{metric.help} Over {LATELY}. {GO_ON}", _unit(metric.family, statistic), section)
        query = Query(asked.of_statistic(metric, metric.family, statistic), METHODS)
        yield graph(about, [query], limits=limits, links=[_performance(), this_call()])


def left(metric: CallMetric) -> Iterator[Panel]:
    """What is left of a metric's error budget, if it has one."""
    match metric.family, metric.objective:
        case Family(), ErrorBudget() as budget:
            about = About(
                f"{budget.name}: error budget left",
                f"Of the calls of {BOOKING}, {budget.percentage:g} % may fail in {asked.BUDGET_DAYS} days; below 0 it "
                "is overdrawn. Prometheus knows of the days since it began to record.",
                SHARE,
                budget.section,
            )
            query = Query(asked.budget_left(metric, budget.percentage), "left")
            yield figure(about, query, steps=[(0, WARNING), (LITTLE_LEFT, GOOD)], lowest=BAD)


def burning(metric: CallMetric) -> Iterator[Panel]:
    """How fast a metric's error budget goes, if it has one."""
    match metric.family, metric.objective:
        case Family(), ErrorBudget() as budget:
            called = " or ".join(f"{burn.rate:g} or more over {window(burn.long_s)}" for burn in watching.BURNS)
            about = About(
                f"{budget.name}: how fast the error budget burns",
                f"At 1 it lasts for just its {asked.BUDGET_DAYS} days. Somebody is called at {called}, if it goes on.",
                section=budget.section,
            )
            queries = [_burn(metric, budget, burn) for burn in watching.BURNS]
            yield graph(about, queries, limits=sorted(burn.rate for burn in watching.BURNS))


def outcomes() -> Panel:
    """What became of those who asked for a booking."""
    says = f"Calls of {BOOKING} a second, over {LATELY}. Dry runs and repeated answers are among the successes."
    about = About("Bookings by outcome", f"{says} GET /metrics/demand says why the refused were.", A_SECOND)
    return graph(about, [Query(asked.bookings_by_outcome(), "{{outcome}}")], bars=True)


def one_call() -> Panel:
    """How to find the call behind a number."""
    return note(
        ONE_CALL,
        "How to find the call behind a number: Prometheus counts calls and keeps none.",
        (
            "1. Click the line: the API tells of its method in the time shown.",
            f"2. In CloudWatch Logs Insights, the saved query *{BROKE.title}* lists calls with their correlation ids;",
            "   others list the slow and the refused. Every answer has its own, too.",
            f"3. Type the id at the top: [{THIS_CALL}]({CALL}) is the call with all that it called, as a tree.",
            "",
            "Both take an ID token of who may `view:metrics`. A browser sends none, and is told 401; this does:",
            "",
            f"`curl -H 'Authorization: Bearer …' '{CALL}'`",
        ),
        width=WHOLE - THIRD,
        height=GRAPH_HEIGHT,
    )


def this_call() -> DashboardLink:
    """To the call whose correlation id is typed."""
    return link(THIS_CALL, CALL)


def _unit(family: Family, statistic: str) -> str:
    return {"Sum": A_SECOND, "SampleCount": A_SECOND, "Average": SHARE}.get(statistic, unit_of(family.name))


def _promise(metric: CallMetric, statistic: str) -> tuple[list[float], str]:
    """Where a statistic's objective is, in Prometheus' units, and the section on what to do beyond it."""
    match metric.objective:
        case ErrorBudget() as budget if statistic == "Average":
            return [budget.percentage / 100], budget.section
        case Limit() as limit if statistic == limit.statistic:
            unit = scale(metric.unit)
            return [limit.at * unit.times / unit.by], limit.section
    return [], ""


def _burn(metric: CallMetric, budget: ErrorBudget, burn: Burn) -> Query:
    return Query(asked.burning(metric, budget.percentage, burn), f"over {window(burn.long_s)}")


def _performance() -> DashboardLink:
    """No series knows a correlation id: a line leads to its method's calls, and `one_call` says how to go on."""
    of = [f"{dimension}=${{__field.labels.{dimension}}}" for dimension in catalogue.DIMENSIONS]
    query = "&".join((*of, "from=${__from:date:iso}", "to=${__to:date:iso}"))
    return link("This method, from the database", f"{API}/metrics/performance?{query}")
