"""This machine is AWS but for what cdk/local/stage.py says."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cdk.local import stage
from cdk.stage import ROOT
from tests.infrastructure import checks
from tests.infrastructure.template import Template, Templates, only, resources, starting
from tests.infrastructure.test_watchtower import HTTP, HTTPS

# The gateway's log of requests: a choice of cdk/local/stage.py, not something the emulator does not know.
OF_ACCESS_LOGS = ("ApiAccessLog", "ApiFaults", "ApiRestCloudWatchRole", "ApiRestAccount")


def missing_here(aws: Template, local: Template) -> dict[str, str]:
    """Types of what AWS has and this machine lacks, by logical id."""
    return {
        name: r["Type"]
        for name, r in aws["Resources"].items()
        if name not in local["Resources"] and not name.startswith((*OF_ACCESS_LOGS, "ApiRestDeployment"))
    }


def differences(aws: Any, local: Any, path: str = "") -> set[str]:
    """Paths at which two resources differ."""
    if isinstance(aws, dict) and isinstance(local, dict):
        return {
            found
            for key in aws.keys() | local.keys()
            for found in differences(aws.get(key), local.get(key), f"{path}.{key}".lstrip("."))
        }
    return set() if aws == local else {path}


def lacking(aws: Templates, local: Templates) -> set[str]:
    """Types of what AWS has and this machine lacks, alarms aside: of them only some are lacking."""
    missing = (missing_here(one, other) for one, other in zip(aws.all, local.all, strict=True))
    return {type_ for each in missing for type_ in each.values()} - {"AWS::CloudWatch::Alarm"}


def test_aws_has_everything_this_machine_lacks(aws: Templates, local: Templates) -> None:
    assert lacking(aws, local) == stage.UNSUPPORTED


@pytest.mark.parametrize("type_", sorted(stage.UNSUPPORTED))
def test_a_type_that_is_left_out_here_and_that_aws_has_not_either_would_be_found(
    aws: Templates, local: Templates, type_: str
) -> None:
    spoilt = aws.planted()
    for template in spoilt.all:
        for name in resources(template, type_):
            del template["Resources"][name]

    assert lacking(spoilt, local) == stage.UNSUPPORTED - {type_}


def test_of_alarms_this_machine_lacks_those_on_metric_math_and_no_others(aws: Templates, local: Templates) -> None:
    alarms = resources(aws.monitoring, "AWS::CloudWatch::Alarm")
    here = resources(local.monitoring, "AWS::CloudWatch::Alarm")

    assert alarms.keys() - here.keys() == {name for name, alarm in alarms.items() if "Metrics" in alarm["Properties"]}
    assert here


@pytest.mark.parametrize("way", [{}, HTTP, HTTPS | {"exec": "on"}], ids=["no way in", "http", "https"])
def test_of_prometheus_and_grafana_this_machine_has_what_aws_has_but_those_types(
    deployment: Callable[..., Templates], way: dict[str, str]
) -> None:
    on_aws = deployment(monitoring="hybrid", **way)
    here = deployment(stage="local", database_port="5433", monitoring="hybrid", remote_write="managed", **way)

    assert lacking(on_aws, here) == stage.UNSUPPORTED
    assert not here.monitoring["Resources"].keys() - on_aws.monitoring["Resources"].keys()
    assert checks.dangling(here.monitoring) == []
    assert only(here.monitoring, "AWS::ECS::Service")["Properties"]["DesiredCount"] == 1


def test_this_machine_has_nothing_that_aws_lacks(aws: Templates, local: Templates) -> None:
    for one, other in zip(aws.all, local.all, strict=True):
        own = other["Resources"].keys() - one["Resources"].keys()
        assert {name for name in own if not name.startswith("ApiRestDeployment")} == set()


def test_what_differs_is_the_database_its_proof_the_layers_and_the_patience(
    deployment: Callable[..., Templates], local: Templates
) -> None:
    untraced = deployment(tracing="off")
    differing = {
        (r["Type"], difference)
        for one, other in zip(untraced.all, local.all, strict=True)
        for name, r in one["Resources"].items()
        if name in other["Resources"]
        for difference in differences(
            {key: r.get(key) for key in ("Type", "Properties")},
            {key: other["Resources"][name].get(key) for key in ("Type", "Properties")},
        )
    }
    variables = "Properties.Environment.Variables."

    assert differing == {
        ("AWS::ApiGateway::RestApi", "Properties.Tags"),
        ("AWS::ApiGateway::Stage", "Properties.AccessLogSetting"),
        # Its name is a hash of the API's.
        ("AWS::ApiGateway::Stage", "Properties.DeploymentId.Ref"),
        ("AWS::ApiGateway::Stage", "Properties.MethodSettings"),
        ("AWS::ApiGateway::Stage", "Properties.Tags"),
        # It shows the ids of alarms that are not here.
        ("AWS::CloudWatch::Dashboard", "Properties.DashboardBody.Fn::Join"),
        ("AWS::Lambda::Function", f"{variables}CLUSTER_ARN"),
        ("AWS::Lambda::Function", f"{variables}SECRET_ARN"),
        ("AWS::Lambda::Function", f"{variables}DATABASE_AUTH"),
        ("AWS::Lambda::Function", f"{variables}DATABASE_CA_FILE"),
        ("AWS::Lambda::Function", f"{variables}DATABASE_HOST"),
        ("AWS::Lambda::Function", f"{variables}DATABASE_PORT"),
        ("AWS::Lambda::LayerVersion", "Properties.Content.S3Key"),
        ("Custom::Bootstrap", "Properties.ServiceTimeout"),
        ("Custom::Migrate", "Properties.ServiceTimeout"),
    }


def test_a_function_forgotten_here_would_be_found(aws: Templates, local: Templates) -> None:
    spoilt = local.planted().service
    del spoilt["Resources"]["AllocationsFunctionFC2E7F5C"]

    assert set(missing_here(aws.service, spoilt).values()) - stage.UNSUPPORTED == {"AWS::Lambda::Function"}


def test_functions_here_find_the_database_they_are_told(local: Templates) -> None:
    told = starting(local.service, "AWS::Lambda::Function", "Allocations")["Properties"]["Environment"]["Variables"]
    bootstrap = starting(local.data, "AWS::Lambda::Function", "BootstrapFunction")["Properties"]["Environment"][
        "Variables"
    ]

    assert (told["DATABASE_HOST"], told["DATABASE_PORT"]) == ("127.0.0.1", "5433")
    assert (told["DATABASE_AUTH"], told["DATABASE_CA_FILE"]) == ("trust", "")
    assert bootstrap == {
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": "5433",
        "DATABASE_NAME": "dyno",
        "TRACING": "off",
    }


def test_the_api_here_has_the_id_that_the_front_knows(local: Templates) -> None:
    tags = only(local.service, "AWS::ApiGateway::RestApi")["Properties"]["Tags"]

    assert {"Key": "ms-custom-id", "Value": "dyn0dyn0"} in tags


def test_the_layer_here_has_the_apis_description_itself_and_no_link_to_it(local: Templates) -> None:
    [shipped] = local.folder.glob("asset.*/python/dyno/openapi.json")

    assert not shipped.is_symlink()
    assert shipped.read_text() == (ROOT / "docs" / "openapi.json").read_text()


def test_nothing_unknown_and_nothing_reserved_is_left_here(local: Templates) -> None:
    for template in local.all:
        assert not {r["Type"] for r in template["Resources"].values()} & stage.UNSUPPORTED
        for function in resources(template, "AWS::Lambda::Function").values():
            assert "ReservedConcurrentExecutions" not in function["Properties"]


def test_dropping_takes_what_waits_for_the_dropped_along_no_further() -> None:
    template = {
        "Resources": {
            "Hole": {"Type": "AWS::EC2::FlowLog"},
            "One": {"Type": "AWS::S3::Bucket", "DependsOn": "Hole"},
            "Two": {"Type": "AWS::S3::Bucket", "DependsOn": ["Hole", "One"]},
        },
        "Outputs": {"Kept": {"Value": 1}},
    }

    dropped = stage.without(template, frozenset({"AWS::EC2::FlowLog"}))

    assert dropped == {
        "Resources": {"One": {"Type": "AWS::S3::Bucket"}, "Two": {"Type": "AWS::S3::Bucket", "DependsOn": ["One"]}},
        "Outputs": {"Kept": {"Value": 1}},
    }
    assert checks.dangling(dropped) == []


def test_dropping_an_alarm_on_metric_math_leaves_its_id_where_it_is_shown() -> None:
    board = {"Type": "AWS::CloudWatch::Dashboard", "Properties": {"DashboardBody": {"Fn::GetAtt": ["Share", "Arn"]}}}
    share = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metrics": []}}

    dropped = stage.without({"Resources": {"Share": share, "Board": board}}, frozenset())

    assert dropped == {"Resources": {"Board": board | {"Properties": {"DashboardBody": "Share"}}}}


def test_a_changed_template_is_uploaded_under_another_name(local: Templates) -> None:
    manifest = (local.folder / "manifest.json").read_text()

    for template in Path(local.folder).glob("*.template.json"):
        digest = hashlib.sha256(template.read_bytes()).hexdigest()
        stack = template.name.removesuffix(".template.json")
        assert digest in (local.folder / f"{stack}.assets.json").read_text()
        assert digest in manifest
        assert json.loads(template.read_text())


@pytest.mark.parametrize("port", ["5433", "6000"])
def test_the_port_is_the_supervisors_choice(port: str) -> None:
    address = stage.local({"database_port": port}).database

    assert address is not None
    assert (address.host, address.port) == ("127.0.0.1", port)
