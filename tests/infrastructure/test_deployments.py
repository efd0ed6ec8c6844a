"""Deployments unlike the default: another name, reserved concurrency, an e-mail address, a service of one's own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from cdk.app import build
from cdk.constructs.tracking import TrackedFunction, Tracking
from cdk.stacks.service import ServiceStack
from tests.infrastructure import checks
from tests.infrastructure.template import Templates, only, resources, starting, text

CHOSEN = {
    "name": "Second",
    "reserved_concurrency": "5",
    "alarm_email": "oncall@lab.example",
    "access_logs": "off",
    "max_capacity": "16",
    "lab_time_zone": "Europe/Berlin",
}


@pytest.fixture(scope="module")
def second(layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    outdir = tmp_path_factory.mktemp("second")
    build({"layers": str(layers), **CHOSEN}, str(outdir)).synth()
    return Templates.read(outdir, "Second")


def test_a_second_deployment_shares_no_name_with_the_first(second: Templates, aws: Templates) -> None:
    def names(templates: Templates) -> set[str]:
        exports = {o["Export"]["Name"] for t in templates.all for o in t.get("Outputs", {}).values() if "Export" in o}
        board = only(templates.monitoring, "AWS::CloudWatch::Dashboard")["Properties"]["DashboardName"]
        return exports | {board} | {namespace for namespace, _ in checks.watched(templates.monitoring)}

    shared = names(second) & names(aws)

    assert {name for name in shared if not name.startswith("AWS/")} == set()


def test_stateful_resources_keep_their_ids_under_another_name(second: Templates, aws: Templates) -> None:
    def stateful(templates: Templates) -> set[str]:
        return {name for name, r in templates.data["Resources"].items() if r["Type"] in checks.STATEFUL}

    assert stateful(second) == stateful(aws)


def test_choices_arrive(second: Templates) -> None:
    function = starting(second.service, "AWS::Lambda::Function", "Allocations")["Properties"]
    subscription = only(second.monitoring, "AWS::SNS::Subscription")["Properties"]
    scaling = only(second.data, "AWS::RDS::DBCluster")["Properties"]["ServerlessV2ScalingConfiguration"]

    assert function["ReservedConcurrentExecutions"] == 5
    assert function["Environment"]["Variables"]["LAB_TIME_ZONE"] == "Europe/Berlin"
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "oncall@lab.example")
    assert scaling["MaxCapacity"] == 16
    assert resources(second.service, "AWS::ApiGateway::Account") == {}


def a_service_of_ones_own(stack: Stack, tracking: Tracking) -> TrackedFunction:
    return TrackedFunction(
        stack,
        "Invoices",
        code=lambda_.Code.from_inline("def handler(event, context): ..."),
        handler="index.handler",
        description="Bills what was tested",
        tracking=tracking,
        environment={"CURRENCY": "USD"},
    )


def test_a_tracked_function_in_this_app_joins_the_pipeline(layers: Path, tmp_path: Path) -> None:
    app = build({"layers": str(layers), "monitoring": "hybrid"}, str(tmp_path))
    service = app.node.find_child("DynoAgent-Service")
    assert isinstance(service, ServiceStack)

    a_service_of_ones_own(service, service.tracking)

    app.synth()
    template = Templates.read(tmp_path).service
    function = starting(template, "AWS::Lambda::Function", "Invoices")["Properties"]
    doors = starting(template, "AWS::Lambda::Function", "Allocations")["Properties"]
    assert function["LoggingConfig"] == doors["LoggingConfig"]
    assert function["Layers"] == doors["Layers"]
    assert function["Environment"]["Variables"]["METRICS_STRATEGY"] == "hybrid"
    assert function["Environment"]["Variables"]["CURRENCY"] == "USD"
    assert len(resources(template, "AWS::Logs::SubscriptionFilter")) == 2


def test_a_tracked_function_of_another_app_needs_only_the_outputs(tmp_path: Path) -> None:
    stack = Stack(App(outdir=str(tmp_path), analytics_reporting=False), "Another")
    tracking = Tracking.of_outputs(
        stack,
        dependency_layer_arn="arn:aws:lambda:eu-central-1:123456789012:layer:Dependencies:7",
        dyno_layer_arn="arn:aws:lambda:eu-central-1:123456789012:layer:Dyno:9",
        log_group_name="DynoAgent-Service-CallLog",
        variables={"METRICS_STRATEGY": "cloudwatch", "TRACING": "xray"},
    )

    a_service_of_ones_own(stack, tracking)

    template = dict(Template.from_stack(stack).to_json())
    function = starting(template, "AWS::Lambda::Function", "Invoices")["Properties"]
    (said,) = checks.permissions(template).values()
    assert [layer.rsplit(":", 2)[1] for layer in function["Layers"]] == ["Dependencies", "Dyno"]
    assert text(function["LoggingConfig"]["LogGroup"]) == "DynoAgent-Service-CallLog"
    assert {action for _, action, _ in said} == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    }


def test_synthesizing_twice_says_the_same(layers: Path, aws: Templates, tmp_path: Path) -> None:
    build({"layers": str(layers), "monitoring": "cloudwatch"}, str(tmp_path)).synth()

    assert Templates.read(tmp_path).all == aws.all


def test_the_default_is_the_cloudwatch_strategy(deployment: Callable[..., Templates], aws: Templates) -> None:
    assert deployment().all == aws.all
