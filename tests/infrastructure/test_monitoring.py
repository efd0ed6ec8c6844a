"""The dashboard and its alarms: nothing without a source, under any strategy."""

import pytest

from cdk.monitoring.calls import shown
from cdk.options import Strategy
from dyno.metrics import catalogue
from tests.infrastructure import checks
from tests.infrastructure.template import Template, Templates, only, resources, text

NAMESPACE = catalogue.NAMESPACE
OPERATIONAL = {metric.name for metric in catalogue.CALL_METRICS if not metric.business}


def emitted(strategy: str) -> set[str]:
    """What finished calls put out, by the catalogue's own word."""
    calls = {call for metric in catalogue.CALL_METRICS for call in metric.methods} | {catalogue.AUTO_ALLOCATE}
    return {metric.name for call in calls for metric in catalogue.emitted(strategy, *call)}


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
    missing = {metric.name for metric in catalogue.CALL_METRICS} - emitted(strategy)
    titles = {widget["title"] for widget in checks.dashboard(each.monitoring) if widget["type"] == "log"}

    assert {title.removesuffix(", from the log") for title in titles} - {"Recent calls that broke"} == missing
    assert all(f"record = '{catalogue.RECORD}'" in query for query in queries(each.monitoring))
    assert all("CallLog" in query for query in queries(each.monitoring))


def test_the_log_counts_bookings_made_and_no_replays(each: Templates, strategy: str) -> None:
    counting = [query for query in queries(each.monitoring) if f"as {catalogue.ALLOCATIONS.name}" in query]

    assert len(counting) == (catalogue.ALLOCATIONS.name not in emitted(strategy))
    assert all("ispresent(metadata.allocation_id) and not ispresent(metadata.replayed)" in query for query in counting)
    assert all("outcome = 'success'" in query for query in counting)


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
