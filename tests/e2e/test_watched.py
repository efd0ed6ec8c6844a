"""Whatever alarms, graphs and queries look at is what the deployed functions really put out, in each strategy."""

import json
import time
from dataclasses import dataclass, replace

import pytest

from dyno.metrics.catalogue import NAMESPACE
from tests.e2e.alarming import is_on
from tests.e2e.deployment import Deployment, Item, Lines
from tests.e2e.site import Site
from tests.e2e.traffic import BOOKINGS, fail, poison, settled, told, work
from tests.e2e.watched import (
    Point,
    Series,
    emf,
    filtered,
    idle,
    is_emf,
    looked_at,
    unanswered,
    unwatched,
    watched,
    without_source,
)
from tests.unit.metrics.cloudwatch import faults


@dataclass
class Seen:
    """
    What a deployment looks at, and what came of some work.

    Attributes:
        healthy: What it emitted before the first call that broke; with what AWS measures of its functions.
        emitted: In all, likewise.
    """

    deployment: Deployment
    lines: Lines
    healthy: list[Point]
    emitted: list[Point]

    def on(self, points: list[Point]) -> set[str]:
        """Alarms that look at a metric of the service's own and are on by these points."""
        return {alarm["AlarmName"] for alarm in ours(self.deployment) if is_on(alarm, points)}


def ours(deployment: Deployment) -> list[Item]:
    """The alarms that look at a metric of the service's own."""
    return [alarm for alarm in deployment.alarms if any(each.namespace == NAMESPACE for each in looked_at(alarm))]


@pytest.fixture(scope="module")
def seen(strategy: str, site: Site) -> Seen:
    known_by = f"watched-{strategy}"
    deployment = Deployment.read(strategy, site.deployed.aws_port).asked_for(known_by)
    began = time.time()  # what broke for another test's sake is older
    work(site, known_by)
    healthy = taken(deployment, settled(site, since=began))
    fail(site, known_by)
    with poison(site):
        lines = settled(site, dead_letters=1)
    runs = [runs_of(site)] * BOOKINGS
    return Seen(deployment, lines, healthy + runs, taken(deployment, lines) + runs)


def taken(deployment: Deployment, lines: Lines) -> list[Point]:
    return emf(lines) + filtered(deployment.filters, lines)


def runs_of(site: Site) -> Point:
    """What AWS measures of a run of the first door."""
    function = frozenset({("FunctionName", site.deployed.functions["allocations"])})
    return Point(Series("AWS/Lambda", "Invocations", function), 1)


def test_what_alarms_and_graphs_look_for_is_emitted(seen: Seen) -> None:
    assert watched(seen.deployment, NAMESPACE)
    assert without_source(seen.deployment, seen.emitted, NAMESPACE) == set()


def test_what_is_emitted_is_looked_at(seen: Seen) -> None:
    assert unwatched(seen.deployment, seen.emitted, NAMESPACE) == set()


def test_metric_filters_take_something(seen: Seen) -> None:
    assert idle(seen.deployment.filters, seen.lines) == []


def test_lines_carry_metrics_that_cloudwatch_takes_and_none_for_prometheus(seen: Seen, strategy: str) -> None:
    carrying = [line for group in seen.lines.values() for line in group if is_emf(line)]

    assert bool(carrying) == (strategy != "prometheus")
    assert [faults(f"{line}\n", now_ms=int(time.time() * 1000)) for line in carrying] == [[] for _ in carrying]


def test_queries_find_what_they_ask_for(seen: Seen) -> None:
    assert seen.deployment.queries
    assert unanswered(seen.deployment.queries, seen.lines) == []


def test_alarms_are_off_while_all_is_well_and_on_when_calls_break(seen: Seen) -> None:
    of_failures = {
        alarm["AlarmName"]
        for alarm in ours(seen.deployment)
        if any(each.name in {"Errors", "DeadLetters"} and each.namespace == NAMESPACE for each in looked_at(alarm))
    }

    assert seen.on(seen.healthy) == set()
    assert seen.on(seen.emitted) == of_failures


only_cloudwatch = pytest.mark.parametrize("strategy", ["cloudwatch"], indirect=True)
"""Where there is most to spoil."""


@only_cloudwatch
def test_an_alarm_is_on_when_calls_are_made_and_nothing_of_them_arrives(seen: Seen) -> None:
    runs = [point for point in seen.healthy if point.series.namespace != NAMESPACE]

    assert seen.on(runs)


@only_cloudwatch
@pytest.mark.parametrize(("slow", "on"), [(0, False), (2, False), (4, False), (5, True), (20, True)])
def test_an_alarm_on_slowness_is_on_when_several_calls_are_slow_and_not_when_the_database_wakes(
    seen: Seen, slow: int, on: bool
) -> None:
    [alarm] = [each for each in ours(seen.deployment) if {s.name for s in looked_at(each)} == {"Duration"}]
    [series] = looked_at(alarm)
    took_ms = [20.0] * BOOKINGS + [8_000.0] * slow

    assert is_on(alarm, [Point(series, each) for each in took_ms]) == on


@only_cloudwatch
def test_an_alarm_with_a_threshold_that_is_never_reached_would_be_found(seen: Seen) -> None:
    spoilt = [alarm | {"Threshold": 1_000_000} for alarm in ours(seen.deployment)]

    assert not any(is_on(alarm, seen.emitted) for alarm in spoilt)


@only_cloudwatch
@pytest.mark.parametrize(
    ("part", "before", "after"),
    [
        ("alarms", '"Duration"', '"Duratoin"'),
        ("alarms", '"Errors"', '"Erorrs"'),
        ("alarms", '"auto_allocate"', '"list_users"'),
        ("alarms", '"AllocationService"', '"BookingService"'),
        ("alarms", '"overflow"', '"other"'),
        ("widgets", "service,method}", "service}"),
        ("widgets", "{DynoAgent/Production,function", "{DynoAgent/Production,FunctionName"),
        ("widgets", '"overflow"', '"other"'),
        ("widgets", '"IngestLag"', '"IngestLog"'),
    ],
)
def test_an_alarm_or_a_graph_of_what_nobody_emits_would_be_found(
    seen: Seen, part: str, before: str, after: str
) -> None:
    described = ours(seen.deployment) if part == "alarms" else seen.deployment.widgets
    written = [text for text in (json.dumps(each, default=str) for each in described) if before in text]
    bare = replace(seen.deployment, alarms=[], widgets=[])

    spoilt = [replace(bare, **{part: [json.loads(text.replace(before, after))]}) for text in written]

    assert spoilt
    assert all(without_source(each, seen.emitted, NAMESPACE) for each in spoilt)


@only_cloudwatch
def test_a_metric_that_nobody_looks_at_would_be_found(seen: Seen) -> None:
    blind = replace(seen.deployment, widgets=[], alarms=[])

    assert unwatched(blind, seen.emitted, NAMESPACE) >= {"Duration", "Errors", "Rejections"}


@only_cloudwatch
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("error_type", "error_kind"),
        ("by service", "by server"),
        ("record = 'dyno-call/1'", "record = 'dyno-call/2'"),
        ("outcome = 'error'", "outcome = 'failure'"),
    ],
)
def test_a_query_for_what_no_line_says_would_be_found(seen: Seen, before: str, after: str) -> None:
    asked = [each for each in seen.deployment.queries if before in each.text]

    spoilt = [each._replace(text=each.text.replace(before, after)) for each in asked]

    assert spoilt
    assert all(unanswered([each], seen.lines) for each in spoilt)


@only_cloudwatch
def test_a_metric_filter_on_what_no_line_says_would_be_found(seen: Seen) -> None:
    of_no_line = {
        "filterName": "planted",
        "logGroupName": next(group for group, lines in seen.lines.items() if told({group: lines}, "rows")),
        "filterPattern": "{ $.rwos >= 0 }",
        "metricTransformations": [{"metricNamespace": NAMESPACE, "metricName": "Rows", "metricValue": "$.rows"}],
    }

    assert idle([of_no_line, of_no_line | {"filterPattern": "{ $.rows >= 0 }"}], seen.lines) == ["planted"]
