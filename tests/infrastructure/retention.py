"""That no log is kept for ever: not a group of the template's, and none that AWS makes where it finds none."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.infrastructure.template import Resource, Template, as_list, references, resources, text

Groups = Mapping[str, Mapping[str, Any]]

NO_INSIGHTS = {"Name": "containerInsights", "Value": "disabled"}


def never_expiring(template: Template) -> list[str]:
    """Log groups without an end, and what would have AWS make such a one by itself."""
    groups = {name: r["Properties"] for name, r in resources(template, "AWS::Logs::LogGroup").items()}
    return [name for name, given in groups.items() if "RetentionInDays" not in given] + [
        name
        for name, r in template["Resources"].items()
        if r["Type"] in WRITE_ELSEWHERE and WRITE_ELSEWHERE[r["Type"]](name, r, r.get("Properties", {}), groups)
    ]


def _exports_elsewhere(name: str, cluster: Mapping[str, Any], groups: Groups) -> bool:
    exported = {f"/aws/rds/cluster/<{name}>/{each}" for each in cluster.get("EnableCloudwatchLogsExports", ())}
    return not exported <= {text(group.get("LogGroupName", "")) for group in groups.values()}


def _containers_elsewhere(task: Mapping[str, Any], groups: Groups) -> bool:
    logs = [each.get("LogConfiguration", {}).get("Options", {}) for each in task["ContainerDefinitions"]]
    return not all(_among(groups, each.get("awslogs-group")) for each in logs)


def _among(groups: Groups, group: object) -> bool:
    return bool(set(references(group)) & groups.keys())


def _logs_faults(stage: Mapping[str, Any]) -> bool:
    return any(each.get("LoggingLevel", "OFF") != "OFF" for each in stage.get("MethodSettings", ()))


def _faults_of(stage: Mapping[str, Any]) -> str:
    return f"API-Gateway-Execution-Logs_{text(stage['RestApiId'])}/{stage['StageName']}"


def _before_it(resource: Resource, groups: Groups, log: str) -> bool:
    """Whether a resource waits for a group of that name, without which AWS would make it."""
    waited = as_list(resource.get("DependsOn", []))
    return any(text(groups[name].get("LogGroupName", "")) == log for name in waited if name in groups)


WRITE_ELSEWHERE: Mapping[str, Callable[[str, Resource, Mapping[str, Any], Groups], bool]] = {
    "AWS::ApiGateway::Stage": lambda _, r, given, groups: (
        _logs_faults(given) and not _before_it(r, groups, _faults_of(given))
    ),
    "AWS::EC2::FlowLog": lambda _, __, given, groups: not _among(groups, given.get("LogGroupName")),
    "AWS::ECS::Cluster": lambda _, __, given, ___: NO_INSIGHTS not in given.get("ClusterSettings", ()),
    "AWS::ECS::TaskDefinition": lambda _, __, given, groups: _containers_elsewhere(given, groups),
    "AWS::Lambda::Function": lambda _, __, given, groups: (
        not _among(groups, given.get("LoggingConfig", {}).get("LogGroup"))
    ),
    "AWS::RDS::DBCluster": lambda name, _, given, groups: _exports_elsewhere(name, given, groups),
    "AWS::RDS::DBInstance": lambda _, __, given, ___: bool(given.get("MonitoringInterval")),
}
"""By type, whether what AWS logs of a resource goes to a group that is not of the template, or not there in time."""
