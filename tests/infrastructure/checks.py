"""What must hold of every template; each check gives its findings, none if all is well."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from tests.infrastructure.template import LONG, Template, as_list, references, resources, strings, text

LAMBDA_POLICY_LIMIT = 20_480
"""Bytes of a function's resource policy; Lambda's quota."""

NO_WAY_OUT = {
    "AWS::EC2::EIP",
    "AWS::EC2::EgressOnlyInternetGateway",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NatGateway",
    "AWS::EC2::Route",
    "AWS::EC2::TransitGatewayAttachment",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::EC2::VPCPeeringConnection",
}

# Names that are unique only within a resource of this deployment, or that need not be unique at all.
HARMLESS_NAMES = {
    ("AWS::ApiGateway::Authorizer", "Name"),
    ("AWS::ApiGateway::RestApi", "Name"),
    ("AWS::ApiGateway::Stage", "StageName"),
    ("AWS::Cognito::UserPoolGroup", "GroupName"),
    ("AWS::Cognito::UserPoolResourceServer", "Identifier"),
    ("AWS::Cognito::UserPoolResourceServer", "Name"),
    ("AWS::IAM::Policy", "PolicyName"),
    ("AWS::Logs::SubscriptionFilter", "FilterName"),
    ("AWS::RDS::DBCluster", "DatabaseName"),
    ("AWS::CloudWatch::Alarm", "AlarmName"),
    ("AWS::CloudWatch::Alarm", "MetricName"),
    # Derived from the deployment's name, as people and the dashboard look for it.
    ("AWS::Logs::QueryDefinition", "Name"),
    ("AWS::CloudWatch::CompositeAlarm", "AlarmName"),
    ("AWS::RDS::DBCluster", "MasterUsername"),
    ("AWS::RDS::DBInstance", "CACertificateIdentifier"),
    # The one name that people look for; derived from the deployment's.
    ("AWS::CloudWatch::Dashboard", "DashboardName"),
}

STATEFUL = {
    "AWS::APS::Workspace",
    "AWS::Cognito::UserPool",
    "AWS::EFS::FileSystem",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
}


def policy_sizes(template: Template) -> dict[str, int]:
    """Bytes of each function's resource policy, with every unknown value as long as it gets."""
    statements = defaultdict(list)
    for name, permission in resources(template, "AWS::Lambda::Permission").items():
        given = permission["Properties"]
        (function,) = references(given["FunctionName"])
        statements[function].append(
            {
                "Sid": f"{LONG}-{name}",
                "Effect": "Allow",
                "Principal": {"Service": given["Principal"]},
                "Action": given["Action"],
                "Resource": f"arn:aws:lambda:ap-southeast-2:123456789012:function:{LONG}",
                "Condition": {"ArnLike": {"AWS:SourceArn": text(given.get("SourceArn", ""), LONG)}},
            }
        )
    return {name: len(json.dumps({"Statement": each, "Version": "2012-10-17"})) for name, each in statements.items()}


def too_large_policies(template: Template) -> list[str]:
    """Functions whose resource policy AWS would refuse."""
    return [name for name, size in policy_sizes(template).items() if size >= LAMBDA_POLICY_LIMIT]


def foreign_buckets(template: Template) -> list[str]:
    """What the way to S3 admits beside this stack's snapshot and CloudFormation's bucket for answers."""
    findings = []
    for endpoint in resources(template, "AWS::EC2::VPCEndpoint").values():
        document = endpoint["Properties"].get("PolicyDocument")
        if document is None:
            findings.append("an endpoint without a policy admits everything")
            continue
        for statement in document["Statement"]:
            findings += [f"action {action}" for action in as_list(statement["Action"]) if "*" in action]
            findings += [text(arn) for arn in as_list(statement["Resource"]) if not _admissible(statement, text(arn))]
    return findings


def _admissible(statement: Mapping[str, Any], arn: str) -> bool:
    if arn == "arn:<AWS::Partition>:s3:::cloudformation-custom-resource-response-<AWS::Region>/*":
        return as_list(statement["Action"]) == ["s3:PutObject"]
    ours = statement.get("Condition") == {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}
    sent = {"<UploadsBucket>/uploads/*": "s3:GetObject", "<UploadsBucket>/reports/*": "s3:PutObject"}
    if action := sent.get(re.sub(r"Bucket\w+\.Arn>", "Bucket>", arn)):
        return ours and as_list(statement["Action"]) == [action]
    return ours and re.fullmatch(r"<SnapshotBucket\w+\.Arn>(/exposition/snapshot\.json)?", arn) is not None


def cycles(template: Template) -> list[str]:
    """Resources that wait for each other."""
    known = template["Resources"]
    graph = {
        name: {target for target in (*references(r), *as_list(r.get("DependsOn", []))) if target in known}
        for name, r in known.items()
    }
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


def dangling(template: Template) -> list[str]:
    """References to what is not in the template."""
    known = {*template["Resources"], *template.get("Parameters", {})}
    wanted = {
        target for r in template["Resources"].values() for target in (*references(r), *as_list(r.get("DependsOn", [])))
    }
    wanted |= set(references(template.get("Outputs", {})))
    return sorted(target for target in wanted - known if not target.startswith("AWS::"))


def backward_imports(stacks: Iterable[Template]) -> list[str]:
    """Imports of what no earlier stack exports."""
    exported: set[str] = set()
    findings = []
    for template in stacks:
        findings += [name for name in _imports(template) if name not in exported]
        exported |= {output["Export"]["Name"] for output in template.get("Outputs", {}).values() if "Export" in output}
    return findings


def _imports(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("Fn::ImportValue"), str):
            yield value["Fn::ImportValue"]
        for part in value.values():
            yield from _imports(part)
    elif isinstance(value, list):
        for part in value:
            yield from _imports(part)


def latest(template: Template) -> list[str]:
    """Versions that are whatever is newest; a function's own $LATEST is not one, nor is what a query calls so."""
    return [each for each in strings(template) if re.search(r"(?<!\$)\blatest\b(?!\()", each, re.IGNORECASE)]


def ways_out(template: Template) -> list[str]:
    """Resources through which the network could reach the internet, or be reached."""
    findings = [name for name, r in template["Resources"].items() if r["Type"] in NO_WAY_OUT]
    for name, subnet in resources(template, "AWS::EC2::Subnet").items():
        if subnet["Properties"].get("MapPublicIpOnLaunch"):
            findings.append(name)
    for name, instance in resources(template, "AWS::RDS::DBInstance").items():
        if instance["Properties"].get("PubliclyAccessible") is not False:
            findings.append(name)
    return findings


def joined_networks(template: Template) -> list[str]:
    """What is part of another stack's network, or leads there."""
    return [
        name
        for name, r in template["Resources"].items()
        if r["Type"].startswith(("AWS::EC2::", "AWS::ECS::Service", "AWS::EFS::MountTarget"))
        and (set(_imports(r)) or "Peering" in r["Type"] or "TransitGateway" in r["Type"])
    ]


def fixed_names(template: Template) -> list[str]:
    """Physical names written out, which a second deployment could not have."""
    return [
        f"{logical_id}.{key}"
        for logical_id, r in template["Resources"].items()
        for key, value in r.get("Properties", {}).items()
        if re.search(r"(Name|Identifier|Alias|Domain)$", key, re.IGNORECASE)
        and isinstance(value, str)
        and (r["Type"], key) not in HARMLESS_NAMES
        and not r["Type"].startswith("Custom::")
    ]


def not_retained(template: Template) -> list[str]:
    """Stateful resources that a deletion or replacement would take with it."""
    return [
        name
        for name, r in template["Resources"].items()
        if r["Type"] in STATEFUL and {r.get("DeletionPolicy"), r.get("UpdateReplacePolicy")} != {"Retain"}
    ]


def leaning_on_the_deleted(template: Template) -> list[str]:
    """Kept resources that refer to one that is deleted with the stack, which could then not be deleted."""
    found = template["Resources"]
    kept = {name for name, r in found.items() if r.get("DeletionPolicy") == "Retain"}
    return sorted(
        f"{name} on {other}"
        for name in kept
        for other in set(references(found[name].get("Properties", {}))) & (found.keys() - kept)
    )


def routes(template: Template) -> dict[tuple[str, str], tuple[str, tuple[str, ...]]]:
    """By method and path: the kind of authorization, and the scopes it asks for."""
    parts = {name: r["Properties"] for name, r in resources(template, "AWS::ApiGateway::Resource").items()}

    def path(resource_id: Any) -> str:
        (name,) = references(resource_id)
        return f"{path(parts[name]['ParentId'])}/{parts[name]['PathPart']}" if name in parts else ""

    found = {}
    for method in resources(template, "AWS::ApiGateway::Method").values():
        given = method["Properties"]
        kind = (
            given["AuthorizationType"] if "AuthorizerId" in given or given["AuthorizationType"] == "NONE" else "broken"
        )
        scopes = tuple(text(scope) for scope in given.get("AuthorizationScopes", ()))
        found[given["HttpMethod"], path(given["ResourceId"])] = (kind, scopes)
    return found


def permissions(template: Template) -> dict[str, set[tuple[str, str, str]]]:
    """By role: effect, action and resource of everything its policies say."""
    said: dict[str, set[tuple[str, str, str]]] = {name: set() for name in resources(template, "AWS::IAM::Role")}
    for policy in resources(template, "AWS::IAM::Policy").values():
        for role in policy["Properties"]["Roles"]:
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                said[role["Ref"]] |= {
                    (statement["Effect"], action, text(resource))
                    for action in as_list(statement["Action"])
                    for resource in as_list(statement["Resource"])
                }
    return said


def shared_roles(template: Template) -> list[str]:
    """Roles that more than one function has."""
    users = defaultdict(list)
    for name, function in resources(template, "AWS::Lambda::Function").items():
        (role,) = references(function["Properties"]["Role"])
        users[role].append(name)
    return [role for role, functions in users.items() if len(functions) > 1]


def dashboard(template: Template) -> list[dict[str, Any]]:
    """The widgets' properties."""
    (board,) = resources(template, "AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(text(board["Properties"]["DashboardBody"]))["widgets"]
    return [widget["properties"] | {"type": widget["type"]} for widget in widgets]


class Watched(NamedTuple):
    """One series of a metric, by the values of its dimensions, as an alarm looks at it."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    statistic: str
    period_s: int


class Alarm(NamedTuple):
    """An alarm as CloudWatch is told of it; `series` by the names its expression knows them by."""

    logical_id: str
    described: str
    expression: str | None
    by_name: Mapping[str, Watched]
    threshold: float
    periods: int
    acts: bool
    ends: bool

    @property
    def series(self) -> tuple[Watched, ...]:
        return tuple(self.by_name.values())


def alarms(template: Template) -> dict[str, Alarm]:
    """Those of one or more metrics, by the name that the stack knows them by."""
    return {
        _rule_name(logical_id): _alarm(logical_id, alarm["Properties"])
        for logical_id, alarm in resources(template, "AWS::CloudWatch::Alarm").items()
    }


def _rule_name(logical_id: str) -> str:
    (name,) = re.findall(r"^Alerts(\w+)[0-9A-F]{8}$", logical_id)
    return str(name)


def _alarm(logical_id: str, given: Mapping[str, Any]) -> Alarm:
    expressions = [each["Expression"] for each in given.get("Metrics", ()) if "Expression" in each]
    series = {
        each["Id"]: _watched(
            each["MetricStat"]["Metric"] | {"Period": each["MetricStat"]["Period"]}, each["MetricStat"]
        )
        for each in given.get("Metrics", ())
        if "MetricStat" in each
    }
    return Alarm(
        logical_id,
        text(given["AlarmDescription"]),
        expressions[0] if expressions else None,
        series or {"value": _watched(given, {"Stat": given.get("Statistic") or given.get("ExtendedStatistic")})},
        given["Threshold"],
        given["EvaluationPeriods"],
        bool(given.get("AlarmActions")),
        bool(given.get("OKActions")),
    )


def _watched(metric: Mapping[str, Any], stat: Mapping[str, Any]) -> Watched:
    dimensions = frozenset((each["Name"], text(each["Value"])) for each in metric.get("Dimensions", ()))
    return Watched(metric["Namespace"], metric["MetricName"], dimensions, stat["Stat"], metric["Period"])


def watched(template: Template) -> set[tuple[str, str]]:
    """Namespace and name of every metric on the dashboard or behind an alarm."""
    found = set()
    for widget in dashboard(template):
        for metric in widget.get("metrics", ()):
            if isinstance(metric[0], dict):
                namespace, name = re.findall(r"\{([^,]+),.*MetricName=\"(\w+)\"", metric[0]["expression"])[0]
                found.add((namespace, name))
            else:
                found.add((metric[0], metric[1]))
    return found | {(series.namespace, series.name) for alarm in alarms(template).values() for series in alarm.series}


def without_source(template: Template, emitted: Iterable[str], namespace: str) -> set[tuple[str, str]]:
    """Metrics that are watched and that nothing emits."""
    platform = {"AWS/ApiGateway", "AWS/Lambda", "AWS/RDS"}
    ours = {(namespace, name) for name in emitted}
    return {metric for metric in watched(template) if metric not in ours and metric[0] not in platform}
