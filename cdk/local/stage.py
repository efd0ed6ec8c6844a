"""
How this machine differs from AWS; everything that does is on this page.

The database is elsewhere and knows its callers by trust, without TLS. Workers are this Python with the virtual
environment's packages, so the dependency layer is empty and the dyno layer is the source. There is no account limit to
reserve concurrency from, no account to log the gateway's requests to, and nobody to take traces. And some resource
types do not exist here.
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
    "reserved_concurrency": "off",
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
        database=Address(str(context.get("database_host", "127.0.0.1")), str(context.get("database_port", "5432"))),
        database_auth="trust",
        database_ca_file="",
        # A function that cannot be imported never answers; on AWS it gets the time a paused cluster needs.
        resource_timeout_s=60,
        api_tags={"ms-custom-id": API_ID},
        checked=False,
    )


def drop_unsupported(assembly: str) -> None:
    """Take the resources of UNSUPPORTED types, and every DependsOn on them, out of a synthesized app."""
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
    """A template less the resources of some types and every DependsOn on them."""
    resources = {name: r for name, r in template.get("Resources", {}).items() if r["Type"] not in types}
    return template | {"Resources": {name: _depending_on(resource, resources) for name, resource in resources.items()}}


def _depending_on(resource: dict[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    wanted = resource.get("DependsOn", [])
    kept = [name for name in ([wanted] if isinstance(wanted, str) else wanted) if name in present]
    rest = {key: value for key, value in resource.items() if key != "DependsOn"}
    return rest | ({"DependsOn": kept} if kept else {})
