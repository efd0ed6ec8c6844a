"""Who may do what: every role's grants and every function's callers, written out; whatever differs is found."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.infrastructure.grants import Caller, Grant, callers, differing, granted
from tests.infrastructure.template import Template, Templates, resources, starting
from tests.infrastructure.test_watchtower import EVERYTHING

HERE = "<AWS::Region>:<AWS::AccountId>"
OURS = "StringEquals aws:SourceAccount <AWS::AccountId>"
SNAPSHOT, FAILED, UPLOADS = "<SnapshotBucket.Arn>", "<FailedBatchesBucket.Arn>", "<UploadsBucket.Arn>"
TRACE = {Grant("Allow", f"xray:{action}", "*") for action in ("PutTelemetryRecords", "PutTraceSegments")}
INTERFACES = {
    *("ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"),
}
NOT_BY_ITS_CODE = f"ArnLike lambda:SourceFunctionArn arn:<AWS::Partition>:lambda:{HERE}:function:*"

Grants = dict[str, set[Grant]]


def may(resource: str, *actions: str, condition: str = "") -> set[Grant]:
    return {Grant("Allow", action, resource, condition) for action in actions}


def had_by(service: str, condition: str = "") -> set[Grant]:
    return may(f"{service}.amazonaws.com", "sts:AssumeRole", condition=condition)


def outside(log: str) -> set[Grant]:
    """Of a function that is not in the network."""
    return had_by("lambda") | may(f"<{log}.Arn>", "logs:CreateLogStream", "logs:PutLogEvents") | TRACE


def inside(log: str, user: str) -> set[Grant]:
    """Of a function in the network: Lambda attaches it, its own code attaches nothing; one database user."""
    attached = {Grant("Allow", action, "*") for action in INTERFACES}
    denied = {Grant("Deny", action, "*", NOT_BY_ITS_CODE) for action in INTERFACES}
    database = f"arn:<AWS::Partition>:rds-db:{HERE}:dbuser:<DatabaseCluster.DBClusterResourceId>/{user}"
    return outside(log) | attached | denied | may(database, "rds-db:connect")


def by_night(function: str) -> set[Grant]:
    return had_by("scheduler", OURS) | may(f"<{function}.Arn>", "lambda:InvokeFunction")


def flow_log(log: str) -> set[Grant]:
    written = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
    return had_by("vpc-flow-logs") | may(f"<{log}.Arn>", *written)


DATA: Grants = {
    "NetworkVpcFlowLogIAMRole": flow_log("NetworkRejected"),
    "BootstrapFunctionRole": outside("DeploymentLog")
    | may(f"arn:<AWS::Partition>:rds:{HERE}:cluster:<DatabaseCluster>", "rds-data:ExecuteStatement")
    | may("<DatabaseMaster>", "secretsmanager:GetSecretValue"),
    "MigrateFunctionRole": inside("DeploymentLog", "dyno_owner"),
}

SERVICE: Grants = {
    "AllocationsRole": inside("CallLog", "dyno_allocations"),
    "MetricsRole": inside("CallLog", "dyno_metrics")
    | may(SNAPSHOT, "s3:ListBucket")
    | may(f"{SNAPSHOT}/exposition/snapshot.json", "s3:GetObject"),
    "RoiRole": inside("CallLog", "dyno_roi"),
    "ImportsRole": inside("CallLog", "dyno_imports")
    | may(f"{UPLOADS}/uploads/*", "s3:PutObject")
    | may(f"{UPLOADS}/reports/*", "s3:GetObject"),
    "ImportJobsRole": inside("CallLog", "dyno_import_jobs")
    | may(f"{UPLOADS}/uploads/*", "s3:GetObject")
    | may(f"{UPLOADS}/reports/*", "s3:PutObject"),
    "ExportsRole": inside("CallLog", "dyno_exports"),
    "IngestRole": inside("IngestLog", "dyno_ingest")
    | may(SNAPSHOT, "s3:ListBucket")
    | may(f"{SNAPSHOT}/exposition/snapshot.json", "s3:GetObject", "s3:PutObject")
    | may(FAILED, "s3:ListBucket")
    | may(f"{FAILED}/*", "s3:PutObject"),
    "LifecycleRole": inside("NightlyLog", "dyno_lifecycle"),
    "RedriveRole": outside("NightlyLog")
    | may("<CallLog.Arn>", "logs:FilterLogEvents")
    | may("<IngestFunction.Arn>", "lambda:InvokeFunction")
    | may(FAILED, "s3:ListBucket")
    | may(f"{FAILED}/*", "s3:GetObject", "s3:DeleteObject")
    | may(f"{FAILED}/redrive/unfinished.json", "s3:PutObject"),
    "OutboxRole": inside("NightlyLog", "dyno_notices"),
    "NoticesCarrierRole": outside("NightlyLog")
    | may("<OutboxFunction.Arn>", "lambda:InvokeFunction")
    | may(
        f"arn:<AWS::Partition>:events:{HERE}:event-bus/default",
        "events:PutEvents",
        condition="StringEquals events:source dyno-agent.DynoAgent",
    ),
    "NoticesNightlyRole": by_night("NoticesCarrierFunction"),
    "NightlyLifecycleRole": by_night("LifecycleFunction"),
    "NightlyRedriveRole": by_night("RedriveFunction"),
    "NightlyRoiRole": by_night("RoiFunction"),
    "ApiRestCloudWatchRole": had_by("apigateway")
    | may(
        "arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs", "whatever is said by"
    ),
}

WATCHTOWER: Grants = {
    "WatchtowerNetworkVpcFlowLogIAMRole": flow_log("WatchtowerNetworkRejected"),
    "WatchtowerTaskRole": had_by("ecs-tasks", OURS)
    | may("arn:<AWS::Partition>:s3:::<cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}>/HASH.sh", "s3:GetObject")
    | may("<IdentityPool.Arn>", "cognito-idp:DescribeUserPoolClient")
    | may(
        "<WatchtowerHistoryFiles.Arn>",
        "elasticfilesystem:ClientMount",
        "elasticfilesystem:ClientWrite",
        condition="StringEquals elasticfilesystem:AccessPointArn arn:<AWS::Partition>:elasticfilesystem:"
        f"{HERE}:access-point/<WatchtowerHistoryFilesAccess>",
    ),
    "WatchtowerTaskExecutionRole": had_by("ecs-tasks", OURS)
    | may("<WatchtowerLog.Arn>", "logs:CreateLogStream", "logs:PutLogEvents")
    | may("<WatchtowerPassword>", "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"),
}

CHOSEN = {
    *may("<WatchtowerCopyWorkspace.Arn>", "aps:RemoteWrite"),
    *may("*", *(f"ssmmessages:{verb}{kind}Channel" for verb in ("Create", "Open") for kind in ("Control", "Data"))),
    *may("*", *(f"logs:{each}" for each in ("CreateLogStream", "DescribeLogGroups", "DescribeLogStreams"))),
    *may("*", "logs:PutLogEvents"),
}
"""What remote_write=managed and exec=on grant the task besides."""

GATEWAY = f"arn:<AWS::Partition>:execute-api:{HERE}:<ApiRest>/prod/*/*"
DOORS = ("Allocations", "Exports", "Imports", "Metrics", "Roi")
CALLERS = {
    *(Caller(f"{door}Function", "apigateway.amazonaws.com", GATEWAY) for door in DOORS),
    Caller("IngestFunction", "logs.amazonaws.com", "<CallLog.Arn>"),
    Caller("ImportJobsFunction", "events.amazonaws.com", "<Arrived.Arn>"),
    Caller("NoticesCarrierFunction", "logs.amazonaws.com", "<CallLog.Arn>"),
}
"""One of the gateway's a function: of each method they would outgrow Lambda's limit for a policy."""


def table(strategy: str) -> tuple[Grants, Grants, Grants]:
    return DATA, SERVICE, {} if strategy == "cloudwatch" else WATCHTOWER


def misgranted(templates: Templates, wanted: Iterable[Grants]) -> set[str]:
    return {each for one, other in zip(templates.all, wanted, strict=True) for each in differing(granted(one), other)}


def miscalled(templates: Templates) -> set[Caller]:
    found = {caller for template in templates.all for caller in callers(template)}
    return found ^ CALLERS


def test_every_role_may_do_exactly_what_is_written_here(each: Templates, strategy: str) -> None:
    assert misgranted(each, table(strategy)) == set()


def test_so_may_the_task_of_a_deployment_that_chose_everything(deployment: Callable[..., Templates]) -> None:
    more = WATCHTOWER | {"WatchtowerTaskRole": WATCHTOWER["WatchtowerTaskRole"] | CHOSEN}

    assert misgranted(deployment(**EVERYTHING), (DATA, SERVICE, more)) == set()


def statements(template: Template, role: str) -> list[dict[str, Any]]:
    found = starting(template, "AWS::IAM::Policy", f"{role}DefaultPolicy")["Properties"]["PolicyDocument"]
    said: list[dict[str, Any]] = found["Statement"]
    return said


def of(template: Template, role: str, action: str, effect: str = "Allow") -> dict[str, Any]:
    """The statement of a role that says an action."""
    (said,) = (s for s in statements(template, role) if action in str(s["Action"]) and s["Effect"] == effect)
    return said


def trust(template: Template, role: str) -> dict[str, Any]:
    found = starting(template, "AWS::IAM::Role", role)["Properties"]["AssumeRolePolicyDocument"]
    said: dict[str, Any] = found["Statement"][0]
    return said


def hand_over(template: Template, role: str) -> None:
    template["Resources"]["Planted"] = {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "Roles": [{"Ref": name} for name in resources(template, "AWS::IAM::Role") if name.startswith(role)],
            "PolicyDocument": {"Statement": [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}]},
        },
    }


Spoil = Callable[[Templates], object]

FAULTS: dict[str, Spoil] = {
    "another bucket": lambda t: of(t.service, "MetricsRole", "s3:GetObject").update(
        Resource={"Fn::ImportValue": "DynoAgent-Data:ExportsOutputFnGetAttFailedBatchesBucketD51F47E2Arn00000000"}
    ),
    "every object": lambda t: of(t.service, "RedriveRole", "s3:PutObject").update(Resource="*"),
    "every action": lambda t: of(t.data, "BootstrapFunctionRole", "rds-data").update(Action="rds-data:*"),
    "another action": lambda t: of(t.service, "NightlyRoiRole", "Invoke").update(
        Action=["lambda:InvokeFunction", "lambda:UpdateFunctionCode"]
    ),
    "every version": lambda t: of(t.service, "NightlyRoiRole", "Invoke").update(
        Resource={"Fn::Join": ["", [{"Fn::GetAtt": ["RoiFunction6DE61776", "Arn"]}, ":*"]]}
    ),
    "another database user": lambda t: of(t.service, "RoiRole", "rds-db").update(
        Resource=of(t.data, "MigrateFunctionRole", "rds-db")["Resource"]
    ),
    "a lost condition": lambda t: of(t.monitoring, "WatchtowerTaskRole", "ClientMount").pop("Condition"),
    "a weaker condition": lambda t: of(t.service, "IngestRole", "ec2:", "Deny").update(
        Condition={"ArnLike": {"lambda:SourceFunctionArn": "arn:aws:lambda:::function:other"}}
    ),
    "a lost denial": lambda t: statements(t.service, "LifecycleRole").remove(
        of(t.service, "LifecycleRole", "ec2:", "Deny")
    ),
    "a denial that allows": lambda t: of(t.data, "MigrateFunctionRole", "ec2:", "Deny").update(Effect="Allow"),
    "a lost permission": lambda t: statements(t.service, "AllocationsRole").pop(),
    "all but something": lambda t: hand_over(t.service, "AllocationsRole"),
    "another account's schedules": lambda t: trust(t.service, "NightlyRedriveRole").pop("Condition"),
    "another account's tasks": lambda t: trust(t.monitoring, "WatchtowerTaskExecutionRole").pop("Condition"),
    "somebody's role": lambda t: trust(t.service, "MetricsRole").update(Principal={"AWS": "*"}),
    "a managed policy": lambda t: starting(t.service, "AWS::IAM::Role", "RoiRole")["Properties"].update(
        ManagedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"]
    ),
    "a policy within a role": lambda t: starting(t.monitoring, "AWS::IAM::Role", "WatchtowerTaskRole")[
        "Properties"
    ].update(Policies=[{"PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}}]),
    "another role": lambda t: t.data["Resources"].update(
        Planted={"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": []}}}
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_grant_that_is_not_written_here_would_be_found(fault: str, deployment: Callable[..., Templates]) -> None:
    spoilt = deployment(monitoring="hybrid").planted()
    FAULTS[fault](spoilt)

    assert misgranted(spoilt, table("hybrid")) != set()


def test_functions_are_called_by_this_gateways_stage_and_by_the_call_log_alone(each: Templates) -> None:
    assert miscalled(each) == set()


def permission(templates: Templates, prefix: str) -> dict[str, Any]:
    given: dict[str, Any] = starting(templates.service, "AWS::Lambda::Permission", prefix)["Properties"]
    return given


def from_arn(part: str) -> dict[str, Any]:
    return {"Fn::Join": ["", ["arn:aws:execute-api:eu-central-1:123456789012:", part]]}


def by_url(templates: Templates) -> None:
    function = permission(templates, "Roi")["FunctionName"]
    templates.service["Resources"]["Planted"] = {
        "Type": "AWS::Lambda::Url",
        "Properties": {"AuthType": "NONE", "TargetFunctionArn": function},
    }


def by_mail(templates: Templates) -> None:
    given = permission(templates, "Roi") | {"Principal": "ses.amazonaws.com"}
    templates.service["Resources"]["Planted"] = {"Type": "AWS::Lambda::Permission", "Properties": given}


STRANGERS: dict[str, Spoil] = {
    "another gateway": lambda t: permission(t, "Allocations").update(SourceArn=from_arn("foreign123/prod/*/*")),
    "every stage": lambda t: permission(t, "Allocations").update(
        SourceArn={"Fn::Join": ["", ["arn:aws:execute-api:", {"Ref": "ApiRest4DEC74FE"}, "/*/*/*"]]}
    ),
    "from anywhere": lambda t: permission(t, "Metrics").pop("SourceArn"),
    "another principal": lambda t: permission(t, "Metrics").update(Principal="*"),
    "another log": lambda t: permission(t, "Pipeline").update(SourceArn={"Fn::GetAtt": ["IngestLog2226FE66", "Arn"]}),
    "another action": lambda t: permission(t, "Roi").update(Action="lambda:*"),
    "a function URL": by_url,
    "another service": by_mail,
    "no caller": lambda t: t.service["Resources"].pop("PipelineRecordsCanInvokeLambda59789152"),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_caller_that_is_not_written_here_would_be_found(aws: Templates, stranger: str) -> None:
    spoilt = aws.planted()
    STRANGERS[stranger](spoilt)

    assert miscalled(spoilt) != set()
