"""What must hold of Prometheus and Grafana on Fargate; each check gives its findings, none if all is well."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from tests.infrastructure.template import Template, only, references, resources, text

ELB = "AWS::ElasticLoadBalancingV2::"
NOT_ROOT = {"prometheus": "65534", "snapshot": "65534", "grafana": "472"}
SIZE = {"Cpu": "512", "Memory": "1024", "NetworkMode": "awsvpc", "RequiresCompatibilities": ["FARGATE"]}
NO_SECRETS = ("TOKEN_URL", "CONTENT_KEY")
"""Variables that only sound like secrets."""


def containers(template: Template) -> dict[str, dict[str, Any]]:
    """The task's, by name."""
    given = only(template, "AWS::ECS::TaskDefinition")["Properties"]["ContainerDefinitions"]
    return {container["Name"]: container for container in given}


def environment(container: Mapping[str, Any]) -> dict[str, str]:
    """A container's variables, as AWS would see them."""
    return {each["Name"]: text(each["Value"]) for each in container.get("Environment", ())}


def second_writers(template: Template) -> list[str]:
    """Ways in which two tasks could write to one history."""
    given = only(template, "AWS::ECS::Service")["Properties"]
    deployed = given["DeploymentConfiguration"]
    wanted = {
        "one task": given["DesiredCount"] == 1,
        "none beside it": deployed["MaximumPercent"] == 100,
        "it may stop first": deployed["MinimumHealthyPercent"] == 0,
        "no zone is preferred": given["AvailabilityZoneRebalancing"] == "DISABLED",
        "a failed release ends": deployed["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True},
        "nothing scales it": not [
            r for r in template["Resources"].values() if r["Type"].startswith("AWS::ApplicationAutoScaling")
        ],
    }
    return [name for name, held in wanted.items() if not held]


def misshapen(template: Template) -> list[str]:
    """Where the task is of another size or kind, or its containers want more than it has."""
    given = only(template, "AWS::ECS::TaskDefinition")["Properties"]
    wanted = SIZE | {"RuntimePlatform": {"CpuArchitecture": "ARM64", "OperatingSystemFamily": "LINUX"}}
    claims = [each.get("Memory", each.get("MemoryReservation", 0)) for each in given["ContainerDefinitions"]]
    found = [key for key, value in wanted.items() if given[key] != value]
    return found + (["memory"] if sum(claims) > int(given["Memory"]) else [])


def out_of_order(template: Template) -> list[str]:
    """Containers that begin before what they need, or end after it."""
    waits = {
        name: {each["ContainerName"]: each["Condition"] for each in container.get("DependsOn", ())}
        for name, container in containers(template).items()
    }
    wanted: dict[str, dict[str, str]] = {
        "init": {},
        "prometheus": {"init": "SUCCESS"},
        "snapshot": {"prometheus": "HEALTHY"},
        "grafana": {"init": "SUCCESS"},
    }
    found = [name for name in wanted.keys() | waits.keys() if waits.get(name) != wanted.get(name)]
    for name, container in containers(template).items():
        if container["Essential"] == (name == "init"):
            found.append(f"{name} is essential: {container['Essential']}")
        if name in {"prometheus", "snapshot"} and container.get("StopTimeout") != 120:
            found.append(f"{name} is not waited for")
    return found


def unpinned(template: Template) -> list[str]:
    """Images whose tag is not one exact release's."""
    images = [container["Image"] for container in containers(template).values()]
    return [image for image in images if not re.search(r":v?\d+\.\d+\.\d+$", image)]


def too_free(template: Template, *, shell: bool = False) -> list[str]:
    """Containers that run as another user than theirs, or may write where they need not."""
    found = []
    for name, container in containers(template).items():
        if name != "init" and container.get("User") != NOT_ROOT.get(name):
            found.append(f"{name} is {container.get('User')}")
        if container.get("ReadonlyRootFilesystem") is not (not (shell and name == "grafana")):
            found.append(f"{name}'s files")
        found += [
            f"{name} writes to {mount['SourceVolume']}"
            for mount in container["MountPoints"]
            if not mount["ReadOnly"] and mount["SourceVolume"] in {"content", "history"} - _own(name)
        ]
        if container.get("Privileged"):
            found.append(f"{name} is privileged")
    return found


def _own(name: str) -> set[str]:
    return {"init": {"content"}, "snapshot": {"history"}}.get(name, set())


def unwatched(template: Template) -> list[str]:
    """Sites that nobody asks whether they are well, and containers that log nowhere."""
    found = []
    for name, port, path in (
        ("prometheus", 9090, "/prometheus/-/healthy"),
        ("grafana", 3000, "/grafana/api/health"),
    ):
        command = containers(template)[name].get("HealthCheck", {}).get("Command", [])
        if f"wget -q -O /dev/null http://localhost:{port}{path} || exit 1" not in command:
            found.append(name)
    for name, container in containers(template).items():
        groups = set(references(container.get("LogConfiguration", {}))) - {"AWS::Region"}
        kept = [template["Resources"][group]["Properties"].get("RetentionInDays") for group in groups]
        if not kept or None in kept:
            found.append(f"{name}'s log")
    return found


def in_the_open(template: Template) -> list[str]:
    """Secrets that can be read in the template, or settings by which Grafana would let in whoever comes."""
    found = []
    for name, container in containers(template).items():
        for variable, value in environment(container).items():
            if variable not in NO_SECRETS and re.search(r"PASSWORD|SECRET|TOKEN|KEY", variable):
                found.append(f"{name}: {variable}")
            if "resolve:" in value:
                found.append(f"{name}: {variable} is resolved")
    grafana = containers(template)["grafana"]
    injected = {each["Name"]: set(references(each["ValueFrom"])) for each in grafana.get("Secrets", ())}
    secrets = resources(template, "AWS::SecretsManager::Secret")
    if not injected.get("GF_SECURITY_ADMIN_PASSWORD", set()) & secrets.keys():
        found.append("the password is not injected")
    found += [name for name, secret in secrets.items() if "SecretString" in secret["Properties"]]
    found += [name for name, secret in secrets.items() if _weak(secret["Properties"])]
    told = environment(grafana)
    shut = ("GF_AUTH_ANONYMOUS_ENABLED", "GF_USERS_ALLOW_SIGN_UP")
    secure = str(told["GF_SERVER_ROOT_URL"].startswith("https:")).lower()
    found += [name for name in shut if told.get(name) != "false"]
    return found + [name for name in ("GF_SECURITY_COOKIE_SECURE",) if told.get(name) != secure]


def _weak(secret: Mapping[str, Any]) -> bool:
    return bool(secret.get("GenerateSecretString", {}).get("PasswordLength", 0) < 24)


class Passage(NamedTuple):
    """What a security group admits or lets out."""

    group: str
    direction: str
    peer: str
    port: int


def passages(template: Template) -> set[Passage]:
    """All, by the names that groups have in the code; a rule that is for nobody is none."""
    return {
        Passage(_short(group), direction, _short(peer), rule["FromPort"])
        for group, direction, rule in _rules(template)
        for peer in [_peer(rule)]
        if peer != "255.255.255.255/32"
    }


def _rules(template: Template) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for direction in ("Ingress", "Egress"):
        for name, group in resources(template, "AWS::EC2::SecurityGroup").items():
            given = group["Properties"].get(f"SecurityGroup{direction}", [])
            yield from ((name, direction, rule) for rule in given)
        for rule in resources(template, f"AWS::EC2::SecurityGroup{direction}").values():
            (group_id,) = references(rule["Properties"]["GroupId"])
            yield group_id, direction, rule["Properties"]


def _peer(rule: Mapping[str, Any]) -> str:
    if "CidrIp" in rule:
        return str(rule["CidrIp"])
    return next(references(rule.get("SourceSecurityGroupId") or rule.get("DestinationSecurityGroupId")))


def _short(name: str) -> str:
    found = re.fullmatch(r"WatchtowerNetwork([A-Z][a-z]+)[0-9A-F]{8}", name)
    return found[1].lower() if found else name


def cut_off(template: Template) -> list[str]:
    """Where the task has no way out: it has no address of its own, or a subnet of its no route to the internet."""
    network = only(template, "AWS::ECS::Service")["Properties"]["NetworkConfiguration"]["AwsvpcConfiguration"]
    subnets = set(references(network["Subnets"]))
    found = [] if network.get("AssignPublicIp") == "ENABLED" else ["its address"]
    return found + ([] if subnets else ["its subnets"]) + sorted(subnets - _leading_out(template))


def _leading_out(template: Template) -> set[str]:
    """Subnets whose route table leads everywhere by an internet gateway that is attached to their VPC."""
    attached = {
        (_one(each["InternetGatewayId"]), _one(each["VpcId"]))
        for each in _given(template, "AWS::EC2::VPCGatewayAttachment")
        if "InternetGatewayId" in each
    }
    gateways = {
        (_one(route["RouteTableId"]), _one(route["GatewayId"]))
        for route in _given(template, "AWS::EC2::Route")
        if route.get("DestinationCidrBlock") == "0.0.0.0/0" and "GatewayId" in route
    }
    tables = {
        _one(each["SubnetId"]): _one(each["RouteTableId"])
        for each in _given(template, "AWS::EC2::SubnetRouteTableAssociation")
    }
    return {
        name
        for name, subnet in resources(template, "AWS::EC2::Subnet").items()
        for table, gateway in gateways
        if tables.get(name) == table and (gateway, _one(subnet["Properties"]["VpcId"])) in attached
    }


def _given(template: Template, type_: str) -> list[dict[str, Any]]:
    return [each["Properties"] for each in resources(template, type_).values()]


def _one(reference: Any) -> str:
    (name,) = references(reference)
    return name


def unguarded_history(template: Template) -> list[str]:
    """Ways to the snapshots other than by TLS, with the task's role, as the user who runs Prometheus."""
    system = only(template, "AWS::EFS::FileSystem")["Properties"]
    point = only(template, "AWS::EFS::AccessPoint")["Properties"]
    (volume,) = (
        each["EFSVolumeConfiguration"]
        for each in only(template, "AWS::ECS::TaskDefinition")["Properties"]["Volumes"]
        if "EFSVolumeConfiguration" in each
    )
    targets = resources(template, "AWS::EFS::MountTarget").values()
    authorized = volume.get("AuthorizationConfig", {})
    wanted = {
        "encrypted": system.get("Encrypted") is True,
        "by TLS, or not at all": _denies_clear(system),
        "nobody is let in by the file system itself": _allows_none(system),
        "as Prometheus' user": point.get("PosixUser") == {"Uid": "65534", "Gid": "65534"},
        "below one folder": point["RootDirectory"]["Path"] == "/snapshots",
        "mounted by TLS": volume.get("TransitEncryption") == "ENABLED",
        "with the task's role": authorized.get("IAM") == "ENABLED",
        "by the access point": set(references(authorized.get("AccessPointId")))
        <= resources(template, "AWS::EFS::AccessPoint").keys()
        and "AccessPointId" in authorized,
        "behind its own security group": all(
            _short(name) == "history" for each in targets for name in references(each["Properties"]["SecurityGroups"])
        ),
    }
    return [name for name, held in wanted.items() if not held]


def _denies_clear(system: Mapping[str, Any]) -> bool:
    return any(
        each["Effect"] == "Deny"
        and each["Action"] == "*"
        and each["Principal"] == {"AWS": "*"}
        and each["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for each in system.get("FileSystemPolicy", {}).get("Statement", ())
    )


def _allows_none(system: Mapping[str, Any]) -> bool:
    return all(each["Effect"] != "Allow" for each in system.get("FileSystemPolicy", {}).get("Statement", ()))


def answer(template: Template, port: int, method: str, path: str) -> list[str]:
    """What the load balancer does with a request, step by step: sign in, a container's name, a status, a redirect."""
    (listener,) = (
        (name, each["Properties"])
        for name, each in resources(template, f"{ELB}Listener").items()
        if each["Properties"]["Port"] == port
    )
    rules = sorted(
        (
            rule["Properties"]
            for rule in resources(template, f"{ELB}ListenerRule").values()
            if listener[0] in references(rule["Properties"]["ListenerArn"])
        ),
        key=lambda rule: int(rule["Priority"]),
    )
    for rule in rules:
        if all(_holds(condition, method, path) for condition in rule["Conditions"]):
            return _steps(template, rule["Actions"])
    return _steps(template, listener[1]["DefaultActions"])


def _holds(condition: Mapping[str, Any], method: str, path: str) -> bool:
    if condition["Field"] == "path-pattern":
        return any(fnmatchcase(path, pattern) for pattern in condition["PathPatternConfig"]["Values"])
    return condition["Field"] == "http-request-method" and method in condition["HttpRequestMethodConfig"]["Values"]


def _steps(template: Template, actions: list[dict[str, Any]]) -> list[str]:
    return [_step(template, each) for each in sorted(actions, key=lambda each: int(each.get("Order", 1)))]


def _step(template: Template, action: Mapping[str, Any]) -> str:
    match action["Type"]:
        case "forward":
            (targets,) = references(action["TargetGroupArn"])
            (name,) = (
                each["ContainerName"]
                for each in only(template, "AWS::ECS::Service")["Properties"]["LoadBalancers"]
                if targets in references(each["TargetGroupArn"])
            )
            return str(name)
        case "authenticate-cognito":
            (client,) = references(action["AuthenticateCognitoConfig"]["UserPoolClientId"])
            return "sign in" if client in resources(template, "AWS::Cognito::UserPoolClient") else "who?"
        case "fixed-response":
            return str(action["FixedResponseConfig"]["StatusCode"])
        case _:
            return f"{action['RedirectConfig']['Protocol']} {action['RedirectConfig']['Port']}"


def carelessly_balanced(template: Template) -> list[str]:
    """Where the load balancer passes on what is malformed, speaks old TLS, or asks the wrong page for health."""
    balancer = only(template, f"{ELB}LoadBalancer")["Properties"]
    attributes = {each["Key"]: each["Value"] for each in balancer["LoadBalancerAttributes"]}
    wanted = {
        "headers": attributes.get("routing.http.drop_invalid_header_fields.enabled") == "true",
        "deletable": attributes.get("deletion_protection.enabled") == "false",
        "healthy": {
            (each["Properties"]["Port"], each["Properties"]["HealthCheckPath"])
            for each in resources(template, f"{ELB}TargetGroup").values()
        }
        == {(9090, "/prometheus/-/healthy"), (3000, "/grafana/api/health")},
    }
    for listener in resources(template, f"{ELB}Listener").values():
        if listener["Properties"]["Protocol"] == "HTTPS":
            wanted["TLS"] = "TLS13-1-2-Res" in listener["Properties"].get("SslPolicy", "")
            wanted["certificate"] = len(listener["Properties"].get("Certificates", ())) == 1
    return [name for name, held in wanted.items() if not held]
