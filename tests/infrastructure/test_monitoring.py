"""The dashboard and its alarms: nothing without a source, under any strategy."""

import json
import re

import pytest

from cdk.monitoring.calls import shown
from cdk.options import Strategy
from dyno.metrics import catalogue
from dyno.metrics.line import Finished, Lines
from dyno.metrics.observation import Observation
from tests.infrastructure import checks
from tests.infrastructure.template import Template, Templates, only, references, resources, text
from tests.unit.metrics.cloudwatch import points

NAMESPACE = catalogue.NAMESPACE
OPERATIONAL = {metric.name for metric in catalogue.CALL_METRICS if not metric.business}


def emitted(strategy: str) -> set[str]:
    """What finished calls put out, by the catalogue's own word."""
    calls = {call for metric in catalogue.CALL_METRICS for call in metric.methods} | {catalogue.AUTO_ALLOCATE}
    cold_starts = {catalogue.COLD_START.name} if strategy == "cloudwatch" else set()
    return cold_starts | {metric.name for call in calls for metric in catalogue.emitted(strategy, *call)}


def queries(template: Template) -> list[str]:
    return [widget["query"] for widget in checks.dashboard(template) if widget["type"] == "log"]


def test_everything_watched_has_a_source(each: Templates, strategy: str) -> None:
    assert checks.without_source(each.monitoring, emitted(strategy), NAMESPACE) == set()


def test_everything_emitted_is_watched(each: Templates, strategy: str) -> None:
    ours = {name for namespace, name in checks.watched(each.monitoring) if namespace == NAMESPACE}

    assert ours == emitted(strategy)


@pytest.mark.parametrize("strategy_without", ["prometheus", "hybrid"])
def test_an_operational_widget_where_none_is_emitted_would_be_found(aws: Templates, strategy_without: str) -> None:
    found = checks.without_source(aws.monitoring, emitted(strategy_without), NAMESPACE)

    assert {name for _, name in found} >= OPERATIONAL


def test_an_alarm_on_an_unknown_metric_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().monitoring
    next(iter(resources(spoilt, "AWS::CloudWatch::Alarm").values()))["Properties"] |= {
        "Namespace": NAMESPACE,
        "MetricName": "Duratoin",
    }

    assert checks.without_source(spoilt, emitted("cloudwatch"), NAMESPACE) == {(NAMESPACE, "Duratoin")}


def test_what_no_metric_says_the_log_does(each: Templates, strategy: str) -> None:
    missing = {metric.name for metric in (*catalogue.CALL_METRICS, catalogue.COLD_START)} - emitted(strategy)
    titles = {widget["title"] for widget in checks.dashboard(each.monitoring) if widget["type"] == "log"}

    assert {title.removesuffix(", from the log") for title in titles} - {"Recent calls that broke"} == missing
    of_calls = [query for query in queries(each.monitoring) if "Init Duration" not in query]
    assert all(f"record = '{catalogue.RECORD}'" in query for query in of_calls)
    assert all("CallLog" in query for query in queries(each.monitoring))


def test_the_log_counts_bookings_made_and_no_replays(each: Templates, strategy: str) -> None:
    counting = [query for query in queries(each.monitoring) if f"as {catalogue.ALLOCATIONS.name}" in query]

    assert len(counting) == (catalogue.ALLOCATIONS.name not in emitted(strategy))
    assert all("ispresent(metadata.allocation_id) and not ispresent(metadata.replayed)" in query for query in counting)
    assert all("outcome = 'success'" in query for query in counting)


Watched = set[tuple[str, frozenset[str]]]
"""Metrics with the names of the dimensions they are told apart by."""


def told_apart(template: Template) -> Watched:
    """What the dashboard's graphs look for in our namespace."""
    found: Watched = set()
    for metric in (metric for widget in checks.dashboard(template) for metric in widget.get("metrics", ())):
        if isinstance(metric[0], dict):
            [(dimensions, name)] = re.findall(
                rf"\{{{NAMESPACE},([^}}]+)\}} MetricName=\"(\w+)\"", metric[0]["expression"]
            )
            found.add((name, frozenset(dimensions.split(","))))
        elif metric[0] == NAMESPACE:
            values = [value for value in metric[2:] if isinstance(value, str)]
            found.add((metric[1], frozenset(values[::2])))
    return found


def carried(strategy: str) -> Watched:
    """What lines carry: of a method of ours with series of its own, of one without, and of a cold start."""
    lines = Lines(strategy, NAMESPACE, "")
    calls = [catalogue.AUTO_ALLOCATE, (catalogue.ALLOCATION_SERVICE, "unheard_of")]
    written = [lines.line(Finished("e", "c", None, *call, "success", 1.0, 10**18)) for call in calls]
    taken = [point for line in [*written, lines.cold_start("door") or "{}"] for point in points(line)]
    return {(point.name, frozenset(name for name, _ in point.dimensions)) for point in taken}


def test_the_graphs_look_for_what_lines_carry_and_for_nothing_else(each: Templates, strategy: str) -> None:
    assert told_apart(each.monitoring) == carried(strategy)


@pytest.mark.parametrize("dimension", ["overflow", "function", "method"])
def test_a_graph_that_looks_by_another_dimension_would_be_found(aws: Templates, dimension: str) -> None:
    spoilt = json.loads(json.dumps(aws.monitoring).replace(dimension, "else"))

    assert told_apart(spoilt) != carried("cloudwatch")


def watched_one_by_one(template: Template) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """The series in our namespace that an alarm or a graph names with the values of its dimensions."""
    found: set[tuple[str, frozenset[tuple[str, str]]]] = set()
    for alarm in resources(template, "AWS::CloudWatch::Alarm").values():
        given = alarm["Properties"]
        if given.get("Namespace") == NAMESPACE:
            found.add((given["MetricName"], frozenset((each["Name"], each["Value"]) for each in given["Dimensions"])))
    for metric in (metric for widget in checks.dashboard(template) for metric in widget.get("metrics", ())):
        if metric[0] == NAMESPACE:
            values = [value for value in metric[2:] if isinstance(value, str)]
            found.add((metric[1], frozenset(zip(values[::2], values[1::2], strict=True))))
    return found


def tracked(strategy: str) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """What the tracker makes of calls that come after more label sets of a business metric than there are series."""
    lines = Lines(strategy, NAMESPACE, "")
    for number in range(40):
        scan = Observation("e", "c", None, "Scans", "counter", "Count", 1.0, {"site": str(number)}, 10**18)
        lines.observations.line(scan)
    calls = [(service, method) for service, methods in catalogue.METHODS.items() for method in methods]
    calls.append((catalogue.ALLOCATION_SERVICE, "unheard_of"))
    written = [lines.line(Finished("e", "c", None, *call, "success", 1.0, 10**18)) for call in calls]
    return {point.series for line in written for point in points(line)}


def test_alarms_and_graphs_name_series_that_the_tracker_makes_whatever_came_before(
    each: Templates, strategy: str
) -> None:
    named_in_full = watched_one_by_one(each.monitoring)

    assert named_in_full <= tracked(strategy)
    assert bool(named_in_full) == (strategy != "prometheus")


@pytest.mark.parametrize("value", ["auto_allocate", "AllocationService"])
def test_an_alarm_on_a_series_that_nobody_makes_would_be_found(aws: Templates, value: str) -> None:
    spoilt = json.loads(json.dumps(aws.monitoring).replace(value, "else"))

    assert not watched_one_by_one(spoilt) <= tracked("cloudwatch")


REPORT = (
    "REPORT RequestId: 3604209a-e9a3-11e6-939a-754dd98c7be3\tDuration: 12.34 ms\tBilled Duration: 13 ms\t"
    "Memory Size: 1024 MB\tMax Memory Used: 128 MB\tInit Duration: 456.78 ms\t"
)
STREAM = "2027/01/04/DynoAgent-Service-AllocationsFunction-AbC[$LATEST]3893xmpl7fac4485b47bb75b671a283c"


def test_the_log_knows_a_cold_start_from_lambdas_own_report(each: Templates, strategy: str) -> None:
    asked = [query for query in queries(each.monitoring) if "Init Duration" in query]

    assert len(asked) == (strategy != "cloudwatch")
    for query in asked:
        begins, stream, duration = (re.compile(each.replace("(?<", "(?P<")) for each in re.findall(r"/(.+)/", query))
        assert begins.search(REPORT)
        assert not begins.search(REPORT.replace("Init", "Restore"))
        assert not begins.search('{"message":"REPORT of the Init Duration"}')
        assert stream.findall(STREAM) == ["DynoAgent-Service-AllocationsFunction-AbC"]
        assert duration.findall(REPORT) == ["456.78"]


def series_budgets(template: Template) -> list[int]:
    """What each function may that logs where calls are logged."""
    default = catalogue.SERIES_BUDGET_PER_FUNCTION
    return [
        int(function["Properties"]["Environment"]["Variables"].get("METRICS_SERIES_BUDGET", default))
        for function in resources(template, "AWS::Lambda::Function").values()
        if any(name.startswith("CallLog") for name in references(function["Properties"].get("LoggingConfig", {})))
    ]


def named() -> int:
    """How many series the catalogue's methods have, which are beside the functions' budgets."""
    return sum(
        len(catalogue.emitted("cloudwatch", service, method))
        for service, methods in catalogue.METHODS.items()
        for method in methods
    )


def test_the_functions_that_measure_calls_share_the_series_budget(aws: Templates) -> None:
    budgets = series_budgets(aws.service)

    assert len(budgets) >= 2
    assert sum(budgets) + named() <= catalogue.SERIES_BUDGET


def test_another_function_that_takes_its_full_share_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().service
    functions = resources(spoilt, "AWS::Lambda::Function")
    spoilt["Resources"]["Another"] = next(
        function for name, function in functions.items() if name.startswith("Allocations")
    )

    assert sum(series_budgets(spoilt)) + named() > catalogue.SERIES_BUDGET


def test_operational_metrics_are_shown_by_the_cloudwatch_strategy_alone() -> None:
    assert {metric.name for metric in shown(Strategy.CLOUDWATCH)} >= OPERATIONAL
    assert not {metric.name for metric in shown(Strategy.HYBRID)} & OPERATIONAL
    assert shown(Strategy.PROMETHEUS) == ()


def test_the_gateway_the_functions_and_the_database_are_watched_always(each: Templates) -> None:
    watched = checks.watched(each.monitoring)

    assert {
        ("AWS/ApiGateway", "5XXError"),
        ("AWS/ApiGateway", "Latency"),
        ("AWS/Lambda", "Errors"),
        ("AWS/Lambda", "DestinationDeliveryFailures"),
        ("AWS/RDS", "ServerlessDatabaseCapacity"),
    } <= watched


def test_every_alarm_says_what_is_wrong_to_an_encrypted_topic(each: Templates) -> None:
    (topic,) = resources(each.monitoring, "AWS::SNS::Topic")
    alarms = resources(each.monitoring, "AWS::CloudWatch::Alarm")

    assert len(alarms) >= 10
    for alarm in alarms.values():
        given = alarm["Properties"]
        assert given["AlarmDescription"]
        assert given["AlarmActions"] == given["OKActions"] == [{"Ref": topic}]
        assert given["TreatMissingData"] == "notBreaching"
    assert only(each.monitoring, "AWS::KMS::Key")["Properties"]["EnableKeyRotation"]


def test_alarms_may_use_the_topics_key(each: Templates) -> None:
    statements = only(each.monitoring, "AWS::KMS::Key")["Properties"]["KeyPolicy"]["Statement"]

    assert {"Service": "cloudwatch.amazonaws.com"} in [statement["Principal"] for statement in statements]


def test_the_dashboards_address_is_an_output(each: Templates) -> None:
    url = text(each.monitoring["Outputs"]["DashboardUrl"]["Value"])

    assert url.endswith("#dashboards/dashboard/DynoAgent-Production")


def test_nothing_of_fargate_is_built_or_pretended(each: Templates) -> None:
    types = {r["Type"] for template in each.all for r in template["Resources"].values()}
    outputs = {name for template in each.all for name in template.get("Outputs", {})}

    assert not [type_ for type_ in types if type_.startswith(("AWS::ECS", "AWS::EFS", "AWS::ElasticLoadBalancingV2"))]
    assert not outputs & {"GrafanaUrl", "PrometheusUrl"}
