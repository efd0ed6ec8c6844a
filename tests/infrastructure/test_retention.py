"""Every log has an end, those that AWS makes by itself among them; beside it, each way to one that has none."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.infrastructure.retention import never_expiring
from tests.infrastructure.template import Template, Templates, only, resources, starting
from tests.infrastructure.test_watchtower import EVERYTHING

Spoil = Callable[[Templates], object]


def of(template: Template, type_: str) -> dict[str, Any]:
    found: dict[str, Any] = only(template, type_)["Properties"]
    return found


def log_elsewhere(templates: Templates) -> None:
    containers = of(templates.monitoring, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    containers[1]["LogConfiguration"]["Options"]["awslogs-group"] = "/somewhere/else"


def faults_of_another(templates: Templates) -> None:
    group = starting(templates.service, "AWS::Logs::LogGroup", "ApiFaults")["Properties"]
    group["LogGroupName"] = {"Fn::Join": ["", ["API-Gateway-Execution-Logs_", {"Ref": "Other"}, "/prod"]]}


FAULTS: dict[str, tuple[Spoil, str]] = {
    "a group": (
        lambda t: starting(t.service, "AWS::Logs::LogGroup", "CallLog")["Properties"].pop("RetentionInDays"),
        "CallLog",
    ),
    "a function's own": (
        lambda t: starting(t.service, "AWS::Lambda::Function", "Roi")["Properties"].pop("LoggingConfig"),
        "RoiFunction",
    ),
    "the gateway's faults": (
        lambda t: t.service["Resources"].pop(
            next(name for name in resources(t.service, "AWS::Logs::LogGroup") if name.startswith("ApiFaults"))
        ),
        "ApiRestDeploymentStage",
    ),
    "the faults of another gateway": (faults_of_another, "ApiRestDeploymentStage"),
    "faults before there is a group": (
        lambda t: only(t.service, "AWS::ApiGateway::Stage").update(DependsOn=["ApiRestAccountECB9C6D4"]),
        "ApiRestDeploymentStage",
    ),
    "the database's": (
        lambda t: of(t.data, "AWS::RDS::DBCluster").update(EnableCloudwatchLogsExports=["postgresql"]),
        "DatabaseCluster",
    ),
    "the database's system": (lambda t: of(t.data, "AWS::RDS::DBInstance").update(MonitoringInterval=60), "Database"),
    "rejected packets": (lambda t: of(t.data, "AWS::EC2::FlowLog").update(LogGroupName="another"), "NetworkVpcFlowLog"),
    "a container's": (log_elsewhere, "WatchtowerTaskDefinition"),
    "insights": (lambda t: of(t.monitoring, "AWS::ECS::Cluster").pop("ClusterSettings"), "WatchtowerCluster"),
}


def test_no_log_is_kept_for_ever(each: Templates, deployment: Callable[..., Templates]) -> None:
    unlogged = deployment(access_logs="off")

    found = [never_expiring(t) for made in (each, deployment(**EVERYTHING), unlogged) for t in made.all]

    assert found == [[]] * 9


@pytest.mark.parametrize("fault", FAULTS)
def test_one_that_is_would_be_found(deployment: Callable[..., Templates], fault: str) -> None:
    spoilt = deployment(monitoring="hybrid").planted()
    spoil, where = FAULTS[fault]
    spoil(spoilt)

    (found,) = (name for template in spoilt.all for name in never_expiring(template))

    assert found.startswith(where)
