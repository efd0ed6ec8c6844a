"""What is watched has a source, and what is emitted is watched: under every strategy."""

import json
import re

import pytest

from cdk.monitoring import queries
from cdk.stacks.service import DOOR_SERIES, JOB_SERIES, ROI_SERIES
from dyno.metrics import catalogue
from dyno.metrics.line import Finished, Lines
from dyno.metrics.observation import Observation
from tests.infrastructure import checks
from tests.infrastructure.template import Template, Templates, references, resources, text
from tests.unit.metrics.cloudwatch import points

NAMESPACE = catalogue.NAMESPACE
OPERATIONAL = {metric.name for metric in catalogue.CALL_METRICS if not metric.business}
BUSINESS = {metric.name for metric in catalogue.BUSINESS_METRICS}


def emitted(strategy: str) -> set[str]:
    """What is in our namespace, by the catalogue's own word."""
    calls = {call for metric in catalogue.CALL_METRICS for call in metric.methods} | {catalogue.AUTO_ALLOCATE}
    cold_starts = {metric.name for metric in catalogue.FUNCTION_METRICS} if strategy == "cloudwatch" else set()
    nightly = BUSINESS if strategy != "prometheus" else set()
    taken = {metric.name for metric in catalogue.filtered(strategy)}
    return cold_starts | nightly | taken | {m.name for call in calls for m in catalogue.emitted(strategy, *call)}


def asked(template: Template) -> list[str]:
    """What the dashboard asks the logs."""
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


@pytest.mark.parametrize("plain", [True, False])
def test_an_alarm_on_an_unknown_metric_would_be_found(aws: Templates, plain: bool) -> None:
    spoilt = aws.planted().monitoring
    alarms = [each["Properties"] for each in resources(spoilt, "AWS::CloudWatch::Alarm").values()]
    given = next(each for each in alarms if ("Metrics" not in each) == plain)
    metric = given if plain else next(e["MetricStat"]["Metric"] for e in given["Metrics"] if "MetricStat" in e)
    metric |= {"Namespace": NAMESPACE, "MetricName": "Duratoin"}

    assert checks.without_source(spoilt, emitted("cloudwatch"), NAMESPACE) == {(NAMESPACE, "Duratoin")}


def test_what_no_metric_says_the_log_does(each: Templates, strategy: str) -> None:
    logged = " ".join(asked(each.monitoring))
    metrics = (*catalogue.CALL_METRICS, *catalogue.FUNCTION_METRICS, *catalogue.LOG_METRICS)
    everything = {metric.name for metric in metrics}
    missing = (everything | BUSINESS) - emitted(strategy)

    told = {metric for metric in everything | BUSINESS if re.search(rf"as {metric}\b|'{metric}'", logged)}
    assert told | {catalogue.DURATION.name} == missing | {catalogue.DURATION.name}
    assert (catalogue.DURATION.name in missing) == ("count(*) as calls, pct(duration_ms, 50)" in logged)


def test_each_query_asks_the_log_that_knows(each: Templates) -> None:
    for query in asked(each.monitoring):
        of_ingest = "lag_s" in query
        assert ("IngestLog" in query) == of_ingest
        assert ("CallLog" in query) == (not of_ingest)
        assert of_ingest or "Init Duration" in query or "record = 'dyno-" in query


def test_the_log_counts_bookings_made_and_no_replays(each: Templates, strategy: str) -> None:
    counting = [query for query in asked(each.monitoring) if f"as {catalogue.ALLOCATIONS.name}" in query]

    assert len(counting) == (catalogue.ALLOCATIONS.name not in emitted(strategy))
    assert all("ispresent(metadata.allocation_id) and not ispresent(metadata.replayed)" in query for query in counting)
    assert all("outcome = 'success'" in query for query in counting)


Apart = set[tuple[str, frozenset[str]]]
"""Metrics with the names of the dimensions they are told apart by."""


def told_apart(template: Template) -> Apart:
    """What the dashboard's graphs look for in our namespace."""
    found: Apart = set()
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


def carried(strategy: str) -> Apart:
    """What lines carry: of a method of ours with series of its own, of one without, of a cold start, and of the lab."""
    lines = Lines(strategy, NAMESPACE, "")
    calls = [catalogue.AUTO_ALLOCATE, (catalogue.ALLOCATION_SERVICE, "unheard_of")]
    written = [lines.line(Finished("e", "c", None, *call, "success", 1.0, 10**18)) for call in calls]
    written += [lines.cold_start("door") or "{}"]
    for metric in catalogue.BUSINESS_METRICS:
        written.append(
            lines.observations.line(Observation("e", "c", None, metric.name, "gauge", metric.unit, 1.0, {}, 10**18))
        )
    taken = {
        (point.name, frozenset(name for name, _ in point.dimensions)) for line in written for point in points(line)
    }
    return taken | {(metric.name, frozenset[str]()) for metric in catalogue.filtered(strategy)}


def test_the_graphs_look_for_what_lines_carry_and_for_nothing_else(each: Templates, strategy: str) -> None:
    assert told_apart(each.monitoring) == carried(strategy)


@pytest.mark.parametrize("dimension", ["overflow", "function", "method"])
def test_a_graph_that_looks_by_another_dimension_would_be_found(aws: Templates, dimension: str) -> None:
    spoilt = json.loads(json.dumps(aws.monitoring).replace(dimension, "else"))

    assert told_apart(spoilt) != carried("cloudwatch")


def watched_one_by_one(template: Template) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """The series in our namespace that an alarm or a graph names with the values of its dimensions."""
    found: set[tuple[str, frozenset[tuple[str, str]]]] = {
        (series.name, series.dimensions)
        for alarm in checks.alarms(template).values()
        for series in alarm.series
        if series.namespace == NAMESPACE
    }
    for metric in (metric for widget in checks.dashboard(template) for metric in widget.get("metrics", ())):
        if metric[0] == NAMESPACE:
            values = [value for value in metric[2:] if isinstance(value, str)]
            found.add((metric[1], frozenset(zip(values[::2], values[1::2], strict=True))))
    return found


def tracked(strategy: str) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """
    What lines make of calls and the lab's gauges that come after more label sets of a business metric than there are
    series, and filters of ingest's lines.
    """
    lines = Lines(strategy, NAMESPACE, "")
    nightly = [
        Observation("e", "c", None, metric.name, "gauge", metric.unit, 1.0, {}, 10**18)
        for metric in catalogue.BUSINESS_METRICS
    ]
    written = [lines.observations.line(each) for each in nightly]
    for number in range(40):
        scan = Observation("e", "c", None, "Scans", "counter", "Count", 1.0, {"site": str(number)}, 10**18)
        lines.observations.line(scan)
    calls = [(service, method) for service, methods in catalogue.METHODS.items() for method in methods]
    calls.append((catalogue.ALLOCATION_SERVICE, "unheard_of"))
    written += [lines.line(Finished("e", "c", None, *call, "success", 1.0, 10**18)) for call in calls]
    taken = {(metric.name, frozenset[tuple[str, str]]()) for metric in catalogue.filtered(strategy)}
    return taken | {point.series for line in written for point in points(line)}


def test_alarms_and_graphs_name_series_that_there_are_whatever_came_before(each: Templates, strategy: str) -> None:
    named_in_full = watched_one_by_one(each.monitoring)

    assert named_in_full <= tracked(strategy)
    assert {name for name, _ in named_in_full} >= {metric.name for metric in catalogue.filtered(strategy)}


@pytest.mark.parametrize("value", ["auto_allocate", "AllocationService"])
def test_an_alarm_on_a_series_that_nobody_makes_would_be_found(aws: Templates, value: str) -> None:
    spoilt = json.loads(json.dumps(aws.monitoring).replace(value, "else"))

    assert not watched_one_by_one(spoilt) <= tracked("cloudwatch")


def test_ingests_lines_are_filtered_for_the_catalogues_metrics(each: Templates, strategy: str) -> None:
    filters = [each["Properties"] for each in resources(each.monitoring, "AWS::Logs::MetricFilter").values()]
    made = {
        (given["FilterPattern"], *(transformed[name] for name in ("MetricNamespace", "MetricName", "MetricValue")))
        for given in filters
        for transformed in given["MetricTransformations"]
    }

    expected = {("{ $.dead_letters > 0 }", NAMESPACE, "DeadLetters", "$.dead_letters")}
    if strategy == "cloudwatch":
        expected.add(("{ $.lag_s = * }", NAMESPACE, "IngestLag", "$.lag_s"))
    assert made == expected
    assert all("IngestLog" in json.dumps(given["LogGroupName"]) for given in filters)


REPORT = (
    "REPORT RequestId: 3604209a-e9a3-11e6-939a-754dd98c7be3\tDuration: 12.34 ms\tBilled Duration: 13 ms\t"
    "Memory Size: 1024 MB\tMax Memory Used: 128 MB\tInit Duration: 456.78 ms\t"
)
STREAM = "2027/01/04/DynoAgent-Service-AllocationsFunction-AbC[$LATEST]3893xmpl7fac4485b47bb75b671a283c"


def test_the_log_knows_a_cold_start_from_lambdas_own_report(each: Templates, strategy: str) -> None:
    about_it = [query for query in asked(each.monitoring) if "Init Duration" in query]

    assert len(about_it) == (strategy != "cloudwatch")
    for query in about_it:
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
    """How many series the catalogue's methods and ingest's lines have, which are beside the functions' budgets."""
    return len(catalogue.LOG_METRICS) + sum(
        len(catalogue.emitted("cloudwatch", service, method))
        for service, methods in catalogue.METHODS.items()
        for method in methods
    )


def test_the_functions_that_measure_calls_share_the_series_budget(aws: Templates) -> None:
    budgets = series_budgets(aws.service)

    assert len(budgets) >= 2
    assert sum(budgets) + named() <= catalogue.SERIES_BUDGET


def left_out(budget: int, *, reports: bool) -> set[str]:
    """Metrics that a function has no room for: of a call that overflows, of its cold start, and of the lab."""
    lines = Lines("cloudwatch", NAMESPACE, "", budget)
    wanted = {metric.name for metric in catalogue.shared("cloudwatch")}
    wanted |= {metric.name for metric in catalogue.FUNCTION_METRICS}
    written = [
        lines.line(Finished("e", "c", None, "ExportService", "lab_workbook", "success", 1.0, 10**18)),
        lines.cold_start("door") or "{}",
    ]
    if reports:
        wanted |= BUSINESS
        gauges = [
            Observation("e", "c", None, m.name, "gauge", m.unit, 1.0, {}, 10**18) for m in catalogue.BUSINESS_METRICS
        ]
        written += map(lines.observations.line, gauges)
    return wanted - {point.name for line in written for point in points(line)}


def test_each_share_has_room_for_what_its_function_makes(aws: Templates) -> None:
    jobs, *doors, reporting = sorted(series_budgets(aws.service))

    assert jobs == JOB_SERIES == 0
    assert doors == [DOOR_SERIES] * len(doors)
    assert reporting == ROI_SERIES
    assert left_out(DOOR_SERIES, reports=False) == left_out(ROI_SERIES, reports=True) == set()


def test_a_share_that_is_one_too_few_would_be_found() -> None:
    assert left_out(DOOR_SERIES - 1, reports=False) == {"ColdStart"}
    assert left_out(ROI_SERIES - 1, reports=True) != set()


def test_another_function_that_takes_its_full_share_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().service
    functions = resources(spoilt, "AWS::Lambda::Function")
    spoilt["Resources"]["Another"] = next(
        function for name, function in functions.items() if name.startswith("Allocations")
    )

    assert sum(series_budgets(spoilt)) + named() > catalogue.SERIES_BUDGET


def test_saved_queries_are_there_under_every_strategy(each: Templates) -> None:
    saved = {
        r["Properties"]["Name"]: r["Properties"]
        for r in resources(each.monitoring, "AWS::Logs::QueryDefinition").values()
    }

    assert set(saved) == {f"DynoAgent/{query.title}" for query in queries.SAVED}
    assert {"One request, by correlation id", "Slow calls", "Refusals"} <= {query.title for query in queries.SAVED}
    for name, given in saved.items():
        (group,) = given["LogGroupNames"]
        assert ("IngestLog" if "set aside" in name else "CallLog") in json.dumps(group)
        assert given["QueryString"].startswith(("fields ", "filter "))


def test_the_dashboards_address_is_an_output(each: Templates) -> None:
    url = text(each.monitoring["Outputs"]["DashboardUrl"]["Value"])

    assert url.endswith("#dashboards/dashboard/DynoAgent-Production")


FARGATE = ("AWS::ECS", "AWS::EFS", "AWS::ElasticLoadBalancingV2", "AWS::APS")


def test_a_prometheus_is_built_and_told_of_where_it_belongs_to_the_strategy_only(
    each: Templates, strategy: str
) -> None:
    types = {r["Type"] for template in each.all for r in template["Resources"].values()}
    outputs = {name for template in each.all for name in template.get("Outputs", {})}
    has_one = strategy != "cloudwatch"

    assert any(type_.startswith(FARGATE) for type_ in types) == has_one
    assert ({"GrafanaUrl", "PrometheusUrl", "GrafanaSecretArn"} <= outputs) == has_one
    assert bool({"GrafanaUrl", "PrometheusUrl"} & outputs) == has_one
