"""
How this machine differs from AWS; everything that does is on this page.

The database is elsewhere and knows its callers by trust, without TLS. Workers are this Python with the virtual
environment's packages, so layers of packages are empty and the dyno layer is the source. There is no account limit to
reserve concurrency from, nobody to copy a process, no account to log the gateway's requests to, and nobody to take
traces or a copy of Prometheus' samples. And some resource types do not exist here.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cdk.stage import ROOT, Address, LayerSource, Stage

API_ID = "dyn0dyn0"
"""The API's id; ministack takes it from the tag ms-custom-id."""

CHOICES = {
    "access_logs": "off",
    "remote_write": "off",
    "reserved_concurrency": "off",
    "snapstart": "off",
    "throttle_rate": "10000",
    "throttle_burst": "5000",
    "tracing": "off",
}
"""What the context would choose otherwise."""

UNSUPPORTED = frozenset(
    {
        "AWS::Budgets::Budget",
        "AWS::CloudWatch::CompositeAlarm",
        "AWS::EC2::FlowLog",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::Logs::QueryDefinition",
        "AWS::WAFv2::WebACLAssociation",
    }
)
"""Resource types ministack does not know; one of them makes it refuse the whole template."""


def local(context: Mapping[str, Any]) -> Stage:
    """
    This machine as a stage.

    Args:
        context: `database_port`, and `database_host` if it is not the loopback address.
    """
    empty = ROOT / ".run" / "layers" / "empty"
    (empty / "python").mkdir(parents=True, exist_ok=True)
    return Stage(
        dependencies=LayerSource(empty, fingerprint="empty"),
        dyno=LayerSource(ROOT / "layers" / "dyno"),
        sheets=LayerSource(empty, fingerprint="empty"),
        database=Address(str(context.get("database_host", "127.0.0.1")), str(context.get("database_port", "5432"))),
        database_auth="trust",
        database_ca_file="",
        # A function that cannot be imported never answers; on AWS it gets the time a paused cluster needs.
        resource_timeout_s=60,
        api_tags={"ms-custom-id": API_ID},
        checked=False,
    )


def drop_unsupported(assembly: str) -> None:
    """Take what ministack does not know out of a synthesized app: resources of UNSUPPORTED types, and some alarms."""
    for template in Path(assembly).glob("*.template.json"):
        text = template.read_text()
        supported = json.dumps(without(json.loads(text), UNSUPPORTED), indent=1)
        template.write_text(supported)
        _rename(Path(assembly), text, supported)


def _rename(assembly: Path, before: str, after: str) -> None:
    """
    Name a template in the assembly by what it now says.

    The CLI uploads a template under its hash and skips one it has uploaded before.
    """
    old, new = (hashlib.sha256(text.encode()).hexdigest() for text in (before, after))
    for index in (*assembly.glob("*.assets.json"), assembly / "manifest.json"):
        index.write_text(index.read_text().replace(old, new))


def without(template: dict[str, Any], types: frozenset[str]) -> dict[str, Any]:
    """
    A template less the resources of some types, alarms on metric math, and every DependsOn on one of these.

    Whatever shows such an alarm, as a dashboard does, shows its id.
    """
    found = template.get("Resources", {})
    math = {name for name, r in found.items() if is_on_metric_math(r)}
    kept = {name: _spelt_out(r, math) for name, r in found.items() if r["Type"] not in types and name not in math}
    return template | {"Resources": {name: _depending_on(resource, kept) for name, resource in kept.items()}}


def is_on_metric_math(resource: Mapping[str, Any]) -> bool:
    """Whether it is an alarm on more than one series; ministack has alarms, but refuses a template with such a one."""
    return resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]


def _spelt_out(value: Any, names: set[str]) -> Any:  # noqa: ANN401  # any part of a template
    """The same with the ids of some resources where it refers to them."""
    if isinstance(value, list):
        return [_spelt_out(part, names) for part in value]
    if not isinstance(value, dict):
        return value
    target = value.get("Fn::GetAtt", [None])[0]
    return target if target in names else {key: _spelt_out(part, names) for key, part in value.items()}


def _depending_on(resource: dict[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    wanted = resource.get("DependsOn", [])
    kept = [name for name in ([wanted] if isinstance(wanted, str) else wanted) if name in present]
    rest = {key: value for key, value in resource.items() if key != "DependsOn"}
    return rest | ({"DependsOn": kept} if kept else {})
