"""No release replaces what has a state, or what others know: by CloudFormation's own rules, from release to release."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cdk.layers import LAYERS
from cdk.stage import ROOT
from tests.infrastructure.test_templates import FROZEN, FROZEN_COPY, FROZEN_SERVICE, FROZEN_WATCHTOWER
from tests.infrastructure.test_watchtower import EVERYTHING
from tests.release.previous import environment
from tests.release.replacing import Place, Stacks, fixed, replaced

pytestmark = [pytest.mark.needs("history"), pytest.mark.xdist_group("replacing")]

SYNTHESIZE = "import json, sys; from cdk.app import synthesize; synthesize(json.loads(sys.argv[1]), sys.argv[2])"

KNOWN = FROZEN | FROZEN_SERVICE | FROZEN_WATCHTOWER | FROZEN_COPY
NEW: set[str] = set()
"""What the release before has not yet."""
VERSIONED = {"AWS::Lambda::LayerVersion"}
"""Kept, and never changed: what replaces one stands beside it."""

DATA, SERVICE, MONITORING = (f"DynoAgent-{part}" for part in ("Data", "Service", "Monitoring"))


def synthesized(tree: Path, layers: Path, outdir: Path) -> Stacks:
    """The templates that a tree's own code makes of everything that may be chosen."""
    context = json.dumps(EVERYTHING | {"layers": str(layers)})
    made = subprocess.run(
        [sys.executable, "-c", SYNTHESIZE, context, outdir],
        cwd=tree,
        env=os.environ | environment(tree),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    suffix = ".template.json"
    return {path.name.removesuffix(suffix): json.loads(path.read_text()) for path in outdir.glob(f"*{suffix}")}


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stand-ins for the built layers."""
    folder = tmp_path_factory.mktemp("layers")
    for name in LAYERS:
        (folder / name / "python").mkdir(parents=True)
        (folder / name / "python" / "stand_in.py").write_text(f'"""In place of {name}."""\n')
    return folder


@pytest.fixture(scope="module")
def before(previous: Path, layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    return synthesized(previous, layers, tmp_path_factory.mktemp("before"))


@pytest.fixture(scope="module")
def after(layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    return synthesized(ROOT, layers, tmp_path_factory.mktemp("after"))


def kept(stacks: Stacks) -> set[Place]:
    """What outlives its stack, and what is known to others by its name."""
    return {
        Place(stack, logical_id)
        for stack, template in stacks.items()
        for logical_id, resource in template["Resources"].items()
        if logical_id in KNOWN or (resource.get("DeletionPolicy") == "Retain" and resource["Type"] not in VERSIONED)
    }


def lost(before: Stacks, after: Stacks) -> dict[str, str]:
    """What is kept and would be another all the same, and why."""
    holding = kept(before)
    return {place.logical_id: why for place, why in replaced(before, after).items() if place in holding}


def test_this_release_replaces_nothing_that_is_kept(before: Stacks, after: Stacks) -> None:
    assert lost(before, after) == {}


def test_everything_that_is_known_or_has_a_state_is_looked_at(before: Stacks) -> None:
    looked_at = {place.logical_id for place in kept(before)}

    assert looked_at >= set(KNOWN) - NEW
    assert not looked_at & NEW
    assert len(looked_at) > len(KNOWN)  # the network and the logs, for example


def properties(stacks: Any, stack: str, logical_id: str) -> dict[str, Any]:
    found: dict[str, Any] = stacks[stack]["Resources"][logical_id].setdefault("Properties", {})
    return found


def rename(stacks: Any, stack: str, logical_id: str) -> None:
    resources = stacks[stack]["Resources"]
    resources["Renamed"] = resources.pop(logical_id)


def give_a_key(stacks: Any) -> None:
    stacks[DATA]["Resources"]["Key"] = {"Type": "AWS::KMS::Key", "Properties": {}}
    properties(stacks, DATA, "DatabaseCluster5B53A178")["KmsKeyId"] = {"Fn::GetAtt": ["Key", "Arn"]}


CLUSTER, WRITER, POOL = "DatabaseCluster5B53A178", "DatabaseClusterWriterD43085C6", "IdentityPool9E5AED46"
SUBNETS = {"NetworkVpcIsolatedSubnet1Subnet0400477E", "NetworkVpcIsolatedSubnet2SubnetF65B365A"}

FAULTS: dict[str, tuple[Callable[[Any], object], set[str]]] = {
    "another database": (lambda s: properties(s, DATA, CLUSTER).update(DatabaseName="lab"), {CLUSTER, WRITER}),
    "a key for the cluster": (give_a_key, {CLUSTER, WRITER}),
    "a master of another name": (
        lambda s: properties(s, DATA, CLUSTER).update(MasterUsername="root"),
        {CLUSTER, WRITER},
    ),
    "other subnets for the cluster": (
        lambda s: properties(s, DATA, CLUSTER).update(DBSubnetGroupName="default"),
        {CLUSTER, WRITER},
    ),
    "parameters of another family": (
        lambda s: properties(s, DATA, "DatabaseParametersB8AC9B07").update(Family="aurora-postgresql18"),
        {"DatabaseParametersB8AC9B07"},
    ),
    "a bucket with a name": (
        lambda s: properties(s, DATA, "SnapshotBucket0C603D6F").update(BucketName="dyno-snapshot"),
        {"SnapshotBucket0C603D6F"},
    ),
    "a secret with a name": (
        lambda s: properties(s, DATA, "DatabaseMaster5784D55C").update(Name="master"),
        {"DatabaseMaster5784D55C"},
    ),
    "people known by their address": (
        lambda s: properties(s, DATA, POOL).update(UsernameAttributes=["phone_number"]),
        {POOL, "IdentityPoolDomain8A19A96F", "IdentityPoolScraper93C5D28A", "IdentityPoolWebCD876810"},
    ),
    "people with another name besides": (
        lambda s: properties(s, DATA, POOL).update(AliasAttributes=["preferred_username"]),
        {POOL, "IdentityPoolDomain8A19A96F", "IdentityPoolScraper93C5D28A", "IdentityPoolWebCD876810"},
    ),
    "a client with a secret": (
        lambda s: properties(s, DATA, "IdentityPoolWebCD876810").update(GenerateSecret=True),
        {"IdentityPoolWebCD876810"},
    ),
    "another logical id": (lambda s: rename(s, DATA, "FailedBatchesBucketD51F47E2"), {"FailedBatchesBucketD51F47E2"}),
    "another logical id, and what leans on it": (
        lambda s: rename(s, MONITORING, "WatchtowerHistoryFiles2400ACEC"),
        {"WatchtowerHistoryFiles2400ACEC", "WatchtowerHistoryFilesAccess4019DC82"},
    ),
    "another type": (
        lambda s: s[SERVICE]["Resources"]["ApiRest4DEC74FE"].update(Type="AWS::ApiGatewayV2::Api"),
        {"ApiRest4DEC74FE"},
    ),
    "another owner of the history": (
        lambda s: properties(s, MONITORING, "WatchtowerHistoryFilesAccess4019DC82")["PosixUser"].update(Uid="0"),
        {"WatchtowerHistoryFilesAccess4019DC82"},
    ),
    "a network of other addresses": (
        lambda s: properties(s, DATA, "NetworkVpc7FB7348F").update(CidrBlock="10.9.0.0/16"),
        {"NetworkVpc7FB7348F", "DatabaseGroupFDC7ECA8", "NetworkClientsD2C4FBFD"} | SUBNETS,
    ),
    "another stack": (lambda s: s.update({"Renamed": s.pop(SERVICE)}), set(FROZEN_SERVICE)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_replacement_would_be_found(after: Stacks, fault: str) -> None:
    spoil, found = FAULTS[fault]
    spoilt: Any = copy.deepcopy(after)
    spoil(spoilt)

    assert set(lost(after, spoilt)) >= found
    assert (found & set(lost(after, after))) == set()


def test_what_changes_in_place_is_nobodys_loss(after: Stacks) -> None:
    changed: Any = copy.deepcopy(after)
    properties(changed, DATA, CLUSTER)["DeletionProtection"] = False
    properties(changed, DATA, POOL)["MfaConfiguration"] = "ON"
    properties(changed, DATA, "DatabaseParametersB8AC9B07")["Parameters"]["log_statement"] = "ddl"

    assert replaced(after, changed) == {}


def test_an_export_by_another_name_is_the_same_resource(after: Stacks) -> None:
    text = json.dumps(after)
    name = next(o["Export"]["Name"] for o in after[DATA]["Outputs"].values() if "IdentityPool" in str(o.get("Export")))

    assert replaced(after, json.loads(text.replace(name, f"{name}Renamed"))) == {}


def test_the_schemas_say_what_cannot_change_in_place() -> None:
    assert ("DatabaseName",) in fixed("AWS::RDS::DBCluster")
    assert ("PosixUser", "Uid") in fixed("AWS::EFS::AccessPoint")
    assert fixed("Custom::Migrate") == (("ServiceToken",),)
