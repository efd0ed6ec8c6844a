"""Prometheus and Grafana on Fargate, by what their template means. Each check has found a planted fault."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from cdk.monitoring.prometheus import content
from cdk.stage import ROOT
from tests.infrastructure import checks, watchtower
from tests.infrastructure.grants import granted
from tests.infrastructure.template import Template, Templates, only, references, resources, text
from tests.infrastructure.watchtower import ELB, Passage

CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b2c3d-0000-4000-8000-0a1b2c3d4e5f"
HTTPS = {"certificate": CERTIFICATE, "monitoring_domain": "watch.example.com"}
HTTP = {"monitoring_cidr": "203.0.113.0/24"}
EVERYTHING = HTTPS | {"monitoring": "hybrid", "remote_write": "managed", "exec": "on"}
WAYS: dict[str, dict[str, str]] = {
    "no way in": {"monitoring": "prometheus"},
    "http": {"monitoring": "prometheus"} | HTTP,
    "https": {"monitoring": "hybrid"} | HTTPS,
}

OUT = {Passage("task", "Egress", "0.0.0.0/0", 443), Passage("task", "Egress", "history", 2049)}
BETWEEN = {
    Passage("history", "Ingress", "task", 2049),
    *(Passage("task", "Ingress", "door", port) for port in (9090, 3000)),
    *(Passage("door", "Egress", "task", port) for port in (9090, 3000)),
}


@pytest.fixture(scope="session", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def built(way: str, deployment: Callable[..., Templates]) -> Templates:
    return deployment(**WAYS[way])


@pytest.fixture(scope="session")
def https(deployment: Callable[..., Templates]) -> Templates:
    return deployment(**WAYS["https"])


@pytest.fixture(scope="session")
def everything(deployment: Callable[..., Templates]) -> Templates:
    return deployment(**EVERYTHING)


CHECKS = (
    watchtower.second_writers,
    watchtower.misshapen,
    watchtower.out_of_order,
    watchtower.unpinned,
    watchtower.too_free,
    watchtower.unwatched,
    watchtower.in_the_open,
    watchtower.cut_off,
    watchtower.unguarded_history,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_task_and_its_history_are_as_they_should_be(built: Templates, check: Callable[..., list[str]]) -> None:
    assert check(built.monitoring) == []


def service(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = only(template, "AWS::ECS::Service")["Properties"]
    return found


def task(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = only(template, "AWS::ECS::TaskDefinition")["Properties"]
    return found


def mount(template: Template, container: str, volume: str) -> dict[str, Any]:
    mounts = watchtower.containers(template)[container]["MountPoints"]
    found: dict[str, Any] = next(each for each in mounts if each["SourceVolume"] == volume)
    return found


def tell(template: Template, container: str, name: str, value: str) -> None:
    told = watchtower.containers(template)[container]["Environment"]
    told[:] = [each for each in told if each["Name"] != name] + [{"Name": name, "Value": value}]


def volume(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = task(template)["Volumes"][-1]["EFSVolumeConfiguration"]
    return found


def file_system(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = only(template, "AWS::EFS::FileSystem")["Properties"]
    return found


def statement(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = file_system(template)["FileSystemPolicy"]["Statement"][0]
    return found


def password(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = only(template, "AWS::SecretsManager::Secret")["Properties"]
    return found


def container(template: Template, name: str) -> dict[str, Any]:
    return watchtower.containers(template)[name]


def forget_retention(template: Template) -> None:
    for group in resources(template, "AWS::Logs::LogGroup").values():
        group["Properties"].pop("RetentionInDays", None)


def ways(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = service(template)["NetworkConfiguration"]["AwsvpcConfiguration"]
    return found


def some(template: Template, type_: str) -> dict[str, Any]:
    """The first of a type."""
    found: dict[str, Any] = next(iter(resources(template, type_).values()))["Properties"]
    return found


def forget(template: Template, type_: str) -> None:
    del template["Resources"][next(iter(resources(template, type_)))]


def add_an_isolated_subnet(template: Template) -> None:
    template["Resources"]["Planted"] = {"Type": "AWS::EC2::Subnet", "Properties": some(template, "AWS::EC2::Subnet")}
    ways(template)["Subnets"].append({"Ref": "Planted"})


Fault = tuple[Callable[..., list[str]], Callable[[Template], object]]

FAULTS: list[Fault] = [
    (watchtower.second_writers, lambda t: service(t).update(DesiredCount=2)),
    (watchtower.second_writers, lambda t: service(t)["DeploymentConfiguration"].update(MaximumPercent=200)),
    (watchtower.second_writers, lambda t: service(t)["DeploymentConfiguration"].update(MinimumHealthyPercent=100)),
    (watchtower.second_writers, lambda t: service(t).update(AvailabilityZoneRebalancing="ENABLED")),
    (watchtower.second_writers, lambda t: service(t)["DeploymentConfiguration"].update(DeploymentCircuitBreaker={})),
    (
        watchtower.second_writers,
        lambda t: t["Resources"].update(Planted={"Type": "AWS::ApplicationAutoScaling::ScalableTarget"}),
    ),
    (watchtower.misshapen, lambda t: task(t).update(Cpu="1024")),
    (watchtower.misshapen, lambda t: task(t)["RuntimePlatform"].update(CpuArchitecture="X86_64")),
    (watchtower.misshapen, lambda t: container(t, "prometheus").update(Memory=1024)),
    (watchtower.misshapen, lambda t: container(t, "grafana").update(MemoryReservation=513)),
    (watchtower.out_of_order, lambda t: container(t, "init").update(Essential=True)),
    (watchtower.out_of_order, lambda t: container(t, "snapshot").update(Essential=False)),
    (watchtower.out_of_order, lambda t: container(t, "snapshot").pop("DependsOn")),
    (watchtower.out_of_order, lambda t: container(t, "prometheus")["DependsOn"][0].update(Condition="START")),
    (watchtower.out_of_order, lambda t: container(t, "snapshot").pop("StopTimeout")),
    (watchtower.unpinned, lambda t: container(t, "grafana").update(Image="grafana/grafana:12")),
    (watchtower.unpinned, lambda t: container(t, "init").update(Image="public.ecr.aws/aws-cli/aws-cli")),
    (watchtower.too_free, lambda t: container(t, "prometheus").update(User="0")),
    (watchtower.too_free, lambda t: container(t, "grafana").pop("User")),
    (watchtower.too_free, lambda t: container(t, "prometheus").update(ReadonlyRootFilesystem=False)),
    (watchtower.too_free, lambda t: container(t, "init").update(Privileged=True)),
    (watchtower.too_free, lambda t: mount(t, "grafana", "content").update(ReadOnly=False)),
    (watchtower.too_free, lambda t: mount(t, "init", "history").update(ReadOnly=False)),
    (watchtower.unwatched, lambda t: container(t, "grafana").pop("HealthCheck")),
    (watchtower.unwatched, lambda t: container(t, "prometheus")["HealthCheck"].update(Command=["NONE"])),
    (watchtower.unwatched, lambda t: container(t, "snapshot").pop("LogConfiguration")),
    (watchtower.unwatched, forget_retention),
    (watchtower.in_the_open, lambda t: tell(t, "grafana", "GF_SECURITY_ADMIN_PASSWORD", "admin")),
    (watchtower.in_the_open, lambda t: tell(t, "init", "SCRAPER_SECRET", "s3cret")),
    (watchtower.in_the_open, lambda t: tell(t, "init", "CLIENT_ID", "{{resolve:secretsmanager:one}}")),
    (watchtower.in_the_open, lambda t: tell(t, "grafana", "GF_AUTH_ANONYMOUS_ENABLED", "true")),
    (watchtower.in_the_open, lambda t: tell(t, "grafana", "GF_USERS_ALLOW_SIGN_UP", "true")),
    (watchtower.in_the_open, lambda t: tell(t, "grafana", "GF_SECURITY_COOKIE_SECURE", "false")),
    (watchtower.in_the_open, lambda t: container(t, "grafana").pop("Secrets")),
    (watchtower.in_the_open, lambda t: password(t).update(SecretString="admin")),
    (watchtower.in_the_open, lambda t: password(t)["GenerateSecretString"].update(PasswordLength=8)),
    (watchtower.cut_off, lambda t: ways(t).update(AssignPublicIp="DISABLED")),
    (watchtower.cut_off, lambda t: ways(t).pop("AssignPublicIp")),
    (watchtower.cut_off, lambda t: ways(t).update(Subnets=[])),
    (watchtower.cut_off, add_an_isolated_subnet),
    (watchtower.cut_off, lambda t: forget(t, "AWS::EC2::Route")),
    (watchtower.cut_off, lambda t: some(t, "AWS::EC2::Route").update(DestinationCidrBlock="10.0.0.0/8")),
    (watchtower.cut_off, lambda t: some(t, "AWS::EC2::Route").update(GatewayId={"Ref": "Elsewhere"})),
    (watchtower.cut_off, lambda t: forget(t, "AWS::EC2::SubnetRouteTableAssociation")),
    (watchtower.cut_off, lambda t: forget(t, "AWS::EC2::VPCGatewayAttachment")),
    (watchtower.cut_off, lambda t: some(t, "AWS::EC2::VPCGatewayAttachment").update(VpcId={"Ref": "Elsewhere"})),
    (watchtower.unguarded_history, lambda t: file_system(t).update(Encrypted=False)),
    (watchtower.unguarded_history, lambda t: file_system(t).pop("FileSystemPolicy")),
    (watchtower.unguarded_history, lambda t: statement(t).update(Effect="Allow")),
    (watchtower.unguarded_history, lambda t: statement(t).update(Condition={})),
    (watchtower.unguarded_history, lambda t: volume(t).update(TransitEncryption="DISABLED")),
    (watchtower.unguarded_history, lambda t: volume(t)["AuthorizationConfig"].update(IAM="DISABLED")),
    (watchtower.unguarded_history, lambda t: volume(t)["AuthorizationConfig"].pop("AccessPointId")),
    (
        watchtower.unguarded_history,
        lambda t: only(t, "AWS::EFS::AccessPoint")["Properties"].update(PosixUser={"Uid": "0", "Gid": "0"}),
    ),
    (
        watchtower.unguarded_history,
        lambda t: next(iter(resources(t, "AWS::EFS::MountTarget").values()))["Properties"].update(
            SecurityGroups=[{"Ref": "WatchtowerNetworkDoor5B8B28DC"}]
        ),
    ),
    (
        watchtower.carelessly_balanced,
        lambda t: only(t, f"{ELB}LoadBalancer")["Properties"].update(LoadBalancerAttributes=[]),
    ),
    (watchtower.carelessly_balanced, lambda t: listener(t, 443).update(SslPolicy="ELBSecurityPolicy-2016-08")),
    (watchtower.carelessly_balanced, lambda t: listener(t, 443).pop("Certificates")),
    (
        watchtower.carelessly_balanced,
        lambda t: next(iter(resources(t, f"{ELB}TargetGroup").values()))["Properties"].update(HealthCheckPath="/"),
    ),
]


@pytest.mark.parametrize(("check", "plant"), FAULTS, ids=[f"{n}-{each[0].__name__}" for n, each in enumerate(FAULTS)])
def test_a_fault_of_it_would_be_found(
    https: Templates, check: Callable[..., list[str]], plant: Callable[[Template], object]
) -> None:
    spoilt = https.planted().monitoring
    plant(spoilt)

    assert check(https.monitoring) == []
    assert check(spoilt) != []


def passages_wanted(way: str) -> set[Passage]:
    if way == "no way in":
        return OUT | {Passage("history", "Ingress", "task", 2049)}
    if way == "http":
        return OUT | BETWEEN | {Passage("door", "Ingress", "203.0.113.0/24", 80)}
    anywhere = {Passage("door", "Ingress", "0.0.0.0/0", port) for port in (80, 443)}
    # The load balancer asks Cognito who somebody is.
    return OUT | BETWEEN | anywhere | {Passage("door", "Egress", "0.0.0.0/0", 443)}


def test_the_task_calls_out_and_only_the_load_balancer_comes_in(built: Templates, way: str) -> None:
    assert watchtower.passages(built.monitoring) == passages_wanted(way)


@pytest.mark.parametrize("port", [22, 9090])
def test_another_way_in_would_be_found(https: Templates, port: int) -> None:
    spoilt = https.planted().monitoring
    groups = resources(spoilt, "AWS::EC2::SecurityGroup")
    group = next(each for name, each in groups.items() if name.startswith("WatchtowerNetworkTask"))
    rule = {"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": port, "ToPort": port}
    group["Properties"]["SecurityGroupIngress"] = [rule]

    assert watchtower.passages(spoilt) - passages_wanted("https") == {Passage("task", "Ingress", "0.0.0.0/0", port)}


def test_addresses_narrow_a_load_balancer_with_a_certificate_too(deployment: Callable[..., Templates]) -> None:
    template = deployment(monitoring="hybrid", **HTTPS, **HTTP).monitoring

    admitted = {each for each in watchtower.passages(template) if (each.group, each.direction) == ("door", "Ingress")}

    assert admitted == {Passage("door", "Ingress", "203.0.113.0/24", port) for port in (80, 443)}


ADMIN = "/prometheus/api/v1/admin/tsdb/delete_series"


@pytest.mark.parametrize(
    ("method", "path", "whose"),
    [
        ("GET", "/prometheus/graph", "prometheus"),
        ("HEAD", "/prometheus", "prometheus"),
        ("POST", "/prometheus/api/v1/query", "404"),
        ("POST", ADMIN, "404"),
        ("PUT", ADMIN, "404"),
        ("POST", ADMIN.replace("admin", "%61dmin"), "404"),
        ("POST", ADMIN.replace("prometheus", "%70rometheus"), "404"),
        ("GET", "/grafana", "grafana"),
        ("POST", "/grafana/login", "grafana"),
        ("GET", "/prometheuses", "404"),
        ("GET", "/", "404"),
        ("GET", "/metrics", "404"),
    ],
)
def test_a_request_comes_to_whom_it_is_for_and_nobody_else(
    method: str, path: str, whose: str, deployment: Callable[..., Templates]
) -> None:
    http, secure = (deployment(**WAYS[way]).monitoring for way in ("http", "https"))

    assert watchtower.answer(http, 80, method, path) == [whose]
    assert watchtower.answer(secure, 80, method, path) == ["HTTPS 443"]
    assert watchtower.answer(secure, 443, method, path) == (["404"] if whose == "404" else ["sign in", whose])


def listener(template: Template, port: int) -> dict[str, Any]:
    found = resources(template, f"{ELB}Listener").values()
    (given,) = (each["Properties"] for each in found if each["Properties"]["Port"] == port)
    wanted: dict[str, Any] = given
    return wanted


def rule_of(template: Template, path: str) -> dict[str, Any]:
    for rule in resources(template, f"{ELB}ListenerRule").values():
        if path in str(rule["Properties"]["Conditions"]):
            found: dict[str, Any] = rule["Properties"]
            return found
    raise AssertionError(path)


def test_a_load_balancer_that_passes_on_what_changes_prometheus_would_be_found(https: Templates) -> None:
    spoilt = https.planted().monitoring
    rule = rule_of(spoilt, "/prometheus/*")
    rule["Conditions"] = [each for each in rule["Conditions"] if each["Field"] == "path-pattern"]

    assert watchtower.answer(spoilt, 443, "POST", ADMIN) == ["sign in", "prometheus"]


def test_a_site_that_asks_nobody_who_they_are_would_be_found(https: Templates) -> None:
    spoilt = https.planted().monitoring
    rule = rule_of(spoilt, "/grafana/*")
    rule["Actions"] = [each for each in rule["Actions"] if each["Type"] == "forward"]

    assert watchtower.answer(spoilt, 443, "GET", "/grafana/") == ["grafana"]


@pytest.mark.parametrize("way_in", ["http", "https"])
def test_the_load_balancer_is_careful(way_in: str, deployment: Callable[..., Templates]) -> None:
    assert watchtower.carelessly_balanced(deployment(**WAYS[way_in]).monitoring) == []


def test_people_sign_in_by_a_client_of_the_load_balancers_own(https: Templates) -> None:
    client = only(https.monitoring, "AWS::Cognito::UserPoolClient")["Properties"]

    assert client["GenerateSecret"] is True
    assert (client["AllowedOAuthFlows"], client["AllowedOAuthScopes"]) == (["code"], ["openid"])
    assert client["CallbackURLs"] == ["https://watch.example.com/oauth2/idpresponse"]
    assert client["ExplicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH"]


def test_no_load_balancer_is_built_unless_somebody_may_come_by_it(deployment: Callable[..., Templates]) -> None:
    template = deployment(**WAYS["no way in"]).monitoring

    assert not [r["Type"] for r in template["Resources"].values() if r["Type"].startswith(ELB)]
    assert "LoadBalancers" not in service(template)


def unset(script: str, told: dict[str, str]) -> set[str]:
    """Variables that the script wants and is not told."""
    (wanted,) = re.findall(r"^for name in ([A-Z_ ]+); do$", script, re.MULTILINE)
    return {*wanted.split(), "USER_POOL_ID", "CLIENT_ID", "AWS_REGION"} - told.keys() - {"CONTENT_HOME"}


@pytest.mark.parametrize("remote_write", [False, True])
def test_the_task_fetches_the_very_script_and_tells_it_all_that_it_asks(
    deployment: Callable[..., Templates], everything: Templates, remote_write: bool
) -> None:
    built = everything if remote_write else deployment(**WAYS["no way in"])
    init = watchtower.containers(built.monitoring)["init"]
    told = watchtower.environment(init)

    fetched = (built.folder / f"asset.{told['CONTENT_KEY']}").read_text()

    assert fetched == content.script(remote_write=remote_write)
    assert unset(fetched, told) == set()
    assert unset(fetched, {name: value for name, value in told.items() if name != "API_HOST"}) == {"API_HOST"}
    assert init["Command"] == ["aws s3 cp s3://$CONTENT_BUCKET/$CONTENT_KEY /tmp/content.sh && sh /tmp/content.sh"]
    assert (told["SCHEME"], told["METRICS_PATH"][0], told["TOKEN_URL"][:8]) == ("https", "/", "https://")
    assert told["METRICS_PATH"].endswith("/metrics/prometheus")
    assert told["API_HOST"].endswith(".execute-api.<AWS::Region>.<AWS::URLSuffix>")


def test_each_container_has_the_folders_that_the_scripts_have(built: Templates) -> None:
    mounted = {
        name: {each["ContainerPath"]: each["SourceVolume"] for each in container["MountPoints"]}
        for name, container in watchtower.containers(built.monitoring).items()
    }

    own = {"/content": "content", "/prometheus": "database", "/snapshots": "history"}
    assert mounted["init"] == own | {"/var/lib/grafana": "grafana", "/tmp": "scratch"}
    assert mounted["snapshot"] == own
    assert mounted["prometheus"] == {"/content": "content", "/prometheus": "database"}
    assert mounted["grafana"] == {"/content": "content", "/var/lib/grafana": "grafana", "/tmp": "grafana"}


def test_prometheus_keeps_thirty_days_under_its_path_and_takes_no_orders_to_end(built: Templates) -> None:
    flags = [text(each) for each in watchtower.containers(built.monitoring)["prometheus"]["Command"]]

    assert {
        "--config.file=/content/prometheus/prometheus.yml",
        "--storage.tsdb.path=/prometheus",
        "--storage.tsdb.retention.time=30d",
        "--web.route-prefix=/prometheus",
        "--web.enable-admin-api",
    } <= set(flags)
    assert "--web.enable-lifecycle" not in flags


def test_a_snapshot_is_made_every_quarter_of_an_hour(built: Templates) -> None:
    snapshot = watchtower.containers(built.monitoring)["snapshot"]

    assert snapshot["EntryPoint"] + snapshot["Command"] == ["sh", "/content/scripts/snapshot.sh"]
    assert watchtower.environment(snapshot) == {
        "PROMETHEUS_URL": "http://localhost:9090/prometheus",
        "SNAPSHOTS": "/snapshots",
        "SNAPSHOT_INTERVAL_S": "900",
        "TSDB": "/prometheus",
    }


@pytest.mark.parametrize(
    ("way_in", "begins"),
    [("no way in", "http://localhost:3000"), ("http", "http://<Watch"), ("https", "https://watch.example.com")],
)
def test_outputs_say_where_both_are_and_how_to_come_there(
    way_in: str, begins: str, deployment: Callable[..., Templates]
) -> None:
    template = deployment(**WAYS[way_in]).monitoring
    said = {name: text(output["Value"]) for name, output in template["Outputs"].items()}
    told = watchtower.environment(watchtower.containers(template)["grafana"])

    assert said["GrafanaUrl"].startswith(begins)
    assert said["GrafanaUrl"].endswith("/grafana/")
    assert said["GrafanaUrl"] == told["GF_SERVER_ROOT_URL"]
    assert f"--web.external-url={said['PrometheusUrl']}" in [
        text(each) for each in watchtower.containers(template)["prometheus"]["Command"]
    ]
    assert (
        set(references(template["Outputs"]["GrafanaSecretArn"]))
        <= resources(template, "AWS::SecretsManager::Secret").keys()
    )
    assert ("-c exec=on" in said["HowToReachGrafana"]) == (way_in == "no way in")


def test_ecs_exec_is_off_unless_chosen_and_then_only_grafanas_files_are_its_own(
    https: Templates, everything: Templates, deployment: Callable[..., Templates]
) -> None:
    by_tunnel = deployment(monitoring="prometheus", exec="on").monitoring
    with_it, without = (granted(each.monitoring)["WatchtowerTaskRole"] for each in (everything, https))

    assert not service(https.monitoring)["EnableExecuteCommand"]
    assert service(everything.monitoring)["EnableExecuteCommand"]
    assert watchtower.too_free(everything.monitoring, shell=True) == []
    assert watchtower.too_free(everything.monitoring) == ["grafana's files"]
    assert {each.action.partition(":")[0] for each in with_it - without} == {"ssmmessages", "logs", "aps"}
    assert "aws ssm start-session --target ecs:" in text(by_tunnel["Outputs"]["HowToReachGrafana"]["Value"])


def test_a_copy_of_the_samples_goes_to_a_workspace_only_if_chosen(https: Templates, everything: Templates) -> None:
    workspaces = resources(everything.monitoring, "AWS::APS::Workspace")
    told = watchtower.environment(watchtower.containers(everything.monitoring)["init"])

    assert not resources(https.monitoring, "AWS::APS::Workspace")
    assert len(workspaces) == 1
    assert re.fullmatch(
        r"<WatchtowerCopyWorkspace\w+\.PrometheusEndpoint>api/v1/remote_write", told["REMOTE_WRITE_URL"]
    )


def test_a_deployment_can_return_to_cloudwatch_while_prometheus_still_imports(
    aws: Templates, everything: Templates
) -> None:
    spoilt = aws.planted().data
    spoilt["Outputs"] = {name: each for name, each in spoilt["Outputs"].items() if "PoolDomain" not in name}

    assert checks.backward_imports((aws.data, aws.service, everything.monitoring)) == []
    assert len(set(checks.backward_imports((spoilt, aws.service, everything.monitoring)))) == 1


CONSTRUCTS = "".join(path.read_text() for path in (ROOT / "cdk" / "constructs").glob("*.py"))
MONITORING = (ROOT / "docs" / "monitoring.md").read_text()

TERRAFORM = {
    *("aws_vpc", "aws_subnet", "aws_internet_gateway", "aws_route_table", "aws_route_table_association", "aws_route"),
    *("aws_eip", "aws_nat_gateway", "aws_security_group"),
    *("aws_ecs_cluster", "aws_ecs_task_definition", "aws_ecs_service"),
    *("aws_efs_file_system", "aws_efs_mount_target", "aws_efs_access_point"),
    *("aws_lb", "aws_lb_listener", "aws_lb_listener_rule", "aws_lb_target_group"),
    *("aws_iam_role", "aws_iam_role_policy", "aws_iam_role_policy_attachment", "aws_secretsmanager_secret"),
    *("aws_cloudwatch_log_group", "aws_cloudwatch_dashboard", "aws_cloudwatch_metric_alarm", "aws_sns_topic"),
}
"""What people had."""

PLACES = {"History": "WatchtowerHistory", "FrontDoor": "WatchtowerDoor"}
"""What logical ids of a construct's resources begin with, where that is not its name."""

GONE = {
    "aws_eip": "AWS::EC2::EIP",
    "aws_nat_gateway": "AWS::EC2::NatGateway",
    "aws_appautoscaling_target": "AWS::ApplicationAutoScaling::ScalableTarget",
    "aws_appautoscaling_policy": "AWS::ApplicationAutoScaling::ScalingPolicy",
    "aws_acm_certificate": "AWS::CertificateManager::Certificate",
    "aws_iam_role_policy_attachment": "AWS::IAM::ManagedPolicy",
    "aws_secretsmanager_secret_version": "SecretString",
}
"""What there would be, if it were there."""


def replaced(page: str) -> dict[str, tuple[list[str], str, str]]:
    """By the name that Terraform has: the types that are there instead, by which construct, and what is different."""
    rows = re.findall(r"^\| (`aws_[^|]+) \| ([^|]+) \| ([^|]*?) ?\| ([^|]*?) ?\|$", page, re.MULTILINE)
    return {
        name: (re.findall(r"`([\w:]+)`", now), by.strip("`"), why)
        for names, now, by, why in rows
        for name in re.findall(r"`(\w+)`", names)
    }


def untrue(page: str, template: Template) -> set[str]:
    """Rows of what a deployment's stack has not, or has in spite of them."""
    return {name for name, row in replaced(page).items() if not _is_so(name, *row, template)}


def _is_so(name: str, now: list[str], by: str, why: str, template: Template) -> bool:
    if not now:
        return bool(why) and f'"{GONE[name]}"' not in json.dumps(template)
    begins = PLACES.get(by, by)
    return f"class {by}(" in CONSTRUCTS and all(
        any(each.startswith(begins) for each in resources(template, type_)) for type_ in now
    )


def test_each_resource_that_people_had_in_terraform_is_there_by_another_name_or_gone_for_a_reason(
    everything: Templates,
) -> None:
    assert TERRAFORM - replaced(MONITORING).keys() == set()
    assert untrue(MONITORING, everything.monitoring) == set()


@pytest.mark.parametrize(
    ("right", "wrong", "name"),
    [
        ("`AWS::EFS::AccessPoint` | `History`", "`AWS::EFS::AccessPoint` | `FrontDoor`", "aws_efs_access_point"),
        ("`AWS::ECS::Cluster`", "`AWS::ECS::Clusters`", "aws_ecs_cluster"),
        ("`FrontDoor` | only if", "`BackDoor` | only if", "aws_lb"),
        ("none | | was the NAT gateway's", "none | | ", "aws_eip"),
        ("`AWS::EC2::Subnet` | `WatchtowerNetwork`", "`AWS::EC2::NatGateway` | `WatchtowerNetwork`", "aws_subnet"),
    ],
)
def test_a_row_that_is_not_so_would_be_found(everything: Templates, right: str, wrong: str, name: str) -> None:
    assert MONITORING.count(right) == 1
    assert untrue(MONITORING.replace(right, wrong), everything.monitoring) == {name}


def test_a_resource_that_is_back_or_missing_would_be_found(everything: Templates) -> None:
    spoilt = everything.planted().monitoring
    spoilt["Resources"]["Planted"] = {"Type": "AWS::EC2::NatGateway"}
    for name in resources(spoilt, "AWS::EFS::MountTarget"):
        del spoilt["Resources"][name]

    assert untrue(MONITORING, spoilt) == {"aws_nat_gateway", "aws_efs_mount_target"}
