"""Traces: one choice for the tracker, for Lambda and for the gateway."""

from collections.abc import Callable
from pathlib import Path

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template as Synthesized

from cdk.constructs.tracking import TrackedFunction, Tracking
from cdk.options import WrongOptionError
from tests.infrastructure import checks
from tests.infrastructure.template import Template, Templates, only, references, resources

SEND = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}
ADOT = "arn:aws:lambda:eu-central-1:901920570463:layer:aws-otel-python-arm64-ver-1-32-0:2"
OURS = ("Allocations", "Metrics", "Ingest", "BootstrapFunction", "MigrateFunction")


def traced_otherwise(template: Template, choice: str) -> list[str]:
    """What a template's functions are told, may do or have Lambda do that is not of the choice."""
    allowed = checks.permissions(template)
    wrong = []
    for name, function in resources(template, "AWS::Lambda::Function").items():
        given = function["Properties"]
        (role,) = references(given["Role"])
        mode = given.get("TracingConfig", {}).get("Mode")
        may = {action for effect, action, _ in allowed[role] if effect == "Allow"} & SEND
        expected = (choice, None, set()) if choice == "off" else (choice, "Active", SEND)
        if (given["Environment"]["Variables"]["TRACING"], mode, may) != expected:
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("choice", ["xray", "otel", "off"])
def test_one_choice_decides_for_every_function_and_the_gateway(
    deployment: Callable[..., Templates], choice: str
) -> None:
    chosen = deployment(tracing=choice, **({"otel_layer": ADOT} if choice == "otel" else {}))

    assert [name for template in chosen.all for name in traced_otherwise(template, choice)] == []
    functions = {name for template in chosen.all for name in resources(template, "AWS::Lambda::Function")}
    assert all(any(name.startswith(ours) for name in functions) for ours in OURS)
    assert only(chosen.service, "AWS::ApiGateway::Stage")["Properties"].get("TracingEnabled", False) == (
        choice != "off"
    )


def test_a_function_that_is_traced_otherwise_would_be_found(aws: Templates) -> None:
    for spoil in ("TRACING", "TracingConfig", "Role"):
        spoilt = aws.planted().service
        name, function = next(iter(resources(spoilt, "AWS::Lambda::Function").items()))
        given = function["Properties"]
        if spoil == "TRACING":
            given["Environment"]["Variables"]["TRACING"] = "off"
        elif spoil == "TracingConfig":
            del given["TracingConfig"]
        else:
            (role,) = references(given["Role"])
            for policy in resources(spoilt, "AWS::IAM::Policy").values():
                if role in references(policy["Properties"]["Roles"]):
                    policy["Properties"]["PolicyDocument"]["Statement"] = []

        assert traced_otherwise(spoilt, "xray") == [name]


def test_a_layer_with_opentelemetry_is_there_before_the_functions_code(deployment: Callable[..., Templates]) -> None:
    chosen = deployment(tracing="otel", otel_layer=ADOT)

    for name, function in resources(chosen.service, "AWS::Lambda::Function").items():
        given = function["Properties"]
        assert [layer for layer in given["Layers"] if isinstance(layer, str)] == [ADOT], name
        assert given["Environment"]["Variables"]["AWS_LAMBDA_EXEC_WRAPPER"] == "/opt/otel-instrument"


def test_traces_are_xrays_by_default(deployment: Callable[..., Templates], aws: Templates) -> None:
    assert deployment(tracing="xray").all == aws.all


def test_nobody_takes_traces_on_this_machine(local: Templates) -> None:
    assert [name for template in local.all for name in traced_otherwise(template, "off")] == []


@pytest.mark.parametrize(("told", "choice"), [({"TRACING": "otel"}, "otel"), ({"TRACING": "off"}, "off")])
def test_a_tracked_function_of_another_app_is_traced_as_its_variables_say(
    tmp_path: Path, told: dict[str, str], choice: str
) -> None:
    stack = Stack(App(outdir=str(tmp_path), analytics_reporting=False), "Another")
    tracking = Tracking.of_outputs(
        stack,
        dependency_layer_arn="arn:aws:lambda:eu-central-1:123456789012:layer:Dependencies:7",
        dyno_layer_arn="arn:aws:lambda:eu-central-1:123456789012:layer:Dyno:9",
        log_group_name="DynoAgent-Service-CallLog",
        variables=told,
        otel_layer_arn=ADOT if choice == "otel" else "",
    )
    TrackedFunction(
        stack,
        "Invoices",
        code=lambda_.Code.from_inline("def handler(event, context): ..."),
        handler="index.handler",
        description="Bills what was tested",
        tracking=tracking,
    )

    template = dict(Synthesized.from_stack(stack).to_json())
    given = only(template, "AWS::Lambda::Function")["Properties"]
    assert traced_otherwise(template, choice) == []
    assert given["Layers"][2:] == ([ADOT] if choice == "otel" else [])
    assert ("AWS_LAMBDA_EXEC_WRAPPER" in given["Environment"]["Variables"]) == (choice == "otel")


@pytest.mark.parametrize(("told", "arn"), [({"TRACING": "otel"}, ""), ({"TRACING": "xray"}, ADOT), ({}, ADOT)])
def test_a_layer_and_the_choice_of_it_go_together(tmp_path: Path, told: dict[str, str], arn: str) -> None:
    stack = Stack(App(outdir=str(tmp_path), analytics_reporting=False), "Another")

    with pytest.raises(WrongOptionError, match="otel_layer_arn"):
        Tracking.of_outputs(
            stack,
            dependency_layer_arn="arn:aws:lambda:eu-central-1:123456789012:layer:Dependencies:7",
            dyno_layer_arn="arn:aws:lambda:eu-central-1:123456789012:layer:Dyno:9",
            log_group_name="DynoAgent-Service-CallLog",
            variables=told,
            otel_layer_arn=arn,
        )
