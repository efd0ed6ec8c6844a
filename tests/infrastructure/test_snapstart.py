"""With -c snapstart=on, what people wait for is restored from a snapshot, and everybody calls what has one."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cdk.bill.bill import bill
from cdk.bill.inventory import Group
from cdk.bill.traffic import Traffic
from cdk.constructs.function import NEWEST
from cdk.layers import LAYERS
from cdk.options import Strategy
from tests.infrastructure.conftest import STRATEGIES
from tests.infrastructure.grants import callers
from tests.infrastructure.template import Resource, Template, Templates, references, resources, starting, text
from tests.infrastructure.test_permissions import GATEWAY

RESTORED = ("Allocations", "Metrics", "Roi", "Exports", "Ingest")
"""Those that somebody waits for; what a night, a deployment or a sheet does may start as slowly as it likes."""

OTHERS = ("ImportJobs", "Imports", "NoticesCarrier")
"""Those that are called from outside, too."""

BY_ITSELF = {"AWS::Lambda::Version", "AWS::Lambda::Alias"}
"""What may name the function itself."""


@pytest.fixture(scope="module")
def restored(deployment: Callable[..., Templates]) -> Templates:
    return deployment(monitoring="cloudwatch", snapstart="on")


def with_snapshot(template: Template) -> set[str]:
    functions = resources(template, "AWS::Lambda::Function").items()
    return {name for name, r in functions if r["Properties"].get("SnapStart") == {"ApplyOn": "PublishedVersions"}}


def past_the_snapshot(template: Template) -> set[str]:
    """What names a function that has a snapshot, and so would call what has none."""
    return {
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] not in BY_ITSELF
        and with_snapshot(template) & set(references(resource.get("Properties", {})))
        and not _configures_the_alias(resource)
    }


def _configures_the_alias(resource: Resource) -> bool:
    """Of an asynchronous call's settings, which name the function and, beside it, the version."""
    of: str = resource["Type"]
    return of == "AWS::Lambda::EventInvokeConfig" and resource["Properties"]["Qualifier"] != NEWEST


def aliases(template: Template) -> Iterator[tuple[str, str, str]]:
    """Each with its function and its version."""
    for name, alias in resources(template, "AWS::Lambda::Alias").items():
        (function,) = references(alias["Properties"]["FunctionName"])
        (version,) = references(alias["Properties"]["FunctionVersion"])
        yield name, function, version


def test_by_default_nothing_has_a_snapshot(each: Templates) -> None:
    for template in each.all:
        assert with_snapshot(template) == set()
        assert {r["Type"] for r in template["Resources"].values()} & BY_ITSELF == set()


def test_what_somebody_waits_for_has_one(restored: Templates) -> None:
    found = with_snapshot(restored.service)

    assert {name.partition("Function")[0] for name in found} == set(RESTORED)
    assert {function for _, function, _ in aliases(restored.service)} == found
    for _, function, version in aliases(restored.service):
        published = restored.service["Resources"][version]
        assert set(references(published["Properties"]["FunctionName"])) == {function}
        # An older version's snapshot is paid for as long as the version is there.
        assert published.get("DeletionPolicy", "Delete") == "Delete"


def test_everybody_calls_what_has_a_snapshot(restored: Templates) -> None:
    assert past_the_snapshot(restored.service) == set()


def settings_of(template: Template, prefix: str) -> Resource:
    given: Resource = starting(template, "AWS::Lambda::EventInvokeConfig", prefix)["Properties"]
    return given


FAULTS: dict[str, Callable[[Template, Any], object]] = {
    "a method": lambda t, arn: starting(t, "AWS::ApiGateway::Method", "ApiRestmeGET")["Properties"].update(
        Integration={"Uri": {"Fn::Join": ["", ["arn:…:path/functions/", arn("Allocations"), "/invocations"]]}}
    ),
    "the subscription": lambda t, arn: starting(t, "AWS::Logs::SubscriptionFilter", "Pipeline")["Properties"].update(
        DestinationArn=arn("Ingest")
    ),
    "a schedule": lambda t, arn: starting(t, "AWS::Scheduler::Schedule", "NightlyRoi")["Properties"].update(
        Target={"Arn": arn("Roi")}
    ),
    "a permission": lambda t, arn: starting(t, "AWS::Lambda::Permission", "PipelineRecords")["Properties"].update(
        FunctionName=arn("Ingest")
    ),
    "where a lost batch goes": lambda t, _: settings_of(t, "Pipeline").update(Qualifier=NEWEST),
    "how often a night is tried": lambda t, _: settings_of(t, "Roi").update(Qualifier=NEWEST),
    "what redrive is told": lambda t, arn: starting(t, "AWS::Lambda::Function", "Redrive")["Properties"].update(
        Environment={"Variables": {"INGEST_FUNCTION_NAME": arn("Ingest")}}
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_way_past_the_snapshot_would_be_found(restored: Templates, fault: str) -> None:
    spoilt = restored.planted().service

    def arn(prefix: str) -> dict[str, list[str]]:
        (name,) = (each for each in with_snapshot(spoilt) if each.startswith(prefix))
        return {"Fn::GetAtt": [name, "Arn"]}

    FAULTS[fault](spoilt, arn)

    assert len(past_the_snapshot(spoilt)) == 1


def test_the_callers_are_the_same(restored: Templates) -> None:
    found = {(text(caller.principal), caller.source) for caller in callers(restored.service)}

    assert found == {
        ("apigateway.amazonaws.com", GATEWAY),
        ("events.amazonaws.com", "<Arrived.Arn>"),
        ("logs.amazonaws.com", "<CallLog.Arn>"),
    }
    assert len(callers(restored.service)) == len(RESTORED + OTHERS)


def test_a_batch_or_a_night_that_fails_is_handled_as_without(restored: Templates, aws: Templates) -> None:
    for prefix in ("Pipeline", "Roi"):
        one, other = (settings_of(each.service, prefix) for each in (restored, aws))

        assert {**one, "Qualifier": "", "FunctionName": ""} == {**other, "Qualifier": "", "FunctionName": ""}
    waits_for = starting(restored.service, "AWS::Lambda::EventInvokeConfig", "Pipeline")["DependsOn"]
    assert any(each.startswith("IngestPublished") for each in waits_for)


def test_nothing_else_changes(restored: Templates, aws: Templates) -> None:
    """Alarms and dashboard look at a function by its name, under which all its versions are counted."""
    without, with_it = (
        {name: r["Type"] for name, r in each.service["Resources"].items() if "ApiRestDeployment" not in name}
        for each in (aws, restored)
    )

    assert (restored.data, restored.monitoring) == (aws.data, aws.monitoring)
    gone = {type_ for name, type_ in without.items() if name not in with_it}
    assert gone <= {"AWS::Lambda::Permission", "AWS::Lambda::EventInvokeConfig"}


def test_another_layer_is_another_version(
    restored: Templates, deployment: Callable[..., Templates], tmp_path: Path
) -> None:
    for name in LAYERS:
        (tmp_path / name / "python").mkdir(parents=True)
        (tmp_path / name / "python" / "stand_in.py").write_text(f'"""{name}, and what has changed."""\n')

    other = deployment(monitoring="cloudwatch", snapstart="on", layers=str(tmp_path))

    before, now = ({version for *_, version in aliases(each.service)} for each in (restored, other))
    assert len(before) == len(now) == len(RESTORED)
    assert before & now == set()


def cost(templates: Templates, of: str, strategy: str = "cloudwatch") -> Decimal:
    stacks = {"D-Data": templates.data, "D-Service": templates.service, "D-Monitoring": templates.monitoring}
    found = bill(stacks, Traffic(), Strategy(strategy))
    return sum((item.usd for item in found.items if item.what == of), Decimal(0))


def test_a_snapshot_is_on_the_bill(restored: Templates, aws: Templates) -> None:
    """One of each door with 1 GB, and of ingest with half of that, at $3.95 a GB and month."""
    assert cost(restored, "process kept") == 4 * Decimal("3.95") + Decimal("1.98")
    assert cost(restored, "processes restored") > 0
    assert cost(aws, "process kept") == cost(aws, "processes restored") == 0
    assert cost(restored, "requests looked at") == cost(aws, "requests looked at") > 0
    assert cost(restored, "time for requests") == cost(aws, "time for requests") > 0
    assert cost(restored, "time for batches of records") == cost(aws, "time for batches of records") > 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_whose_it_is_is_told_by_what_is_waited_for(deployment: Callable[..., Templates], strategy: str) -> None:
    made = deployment(monitoring=strategy, snapstart="on")
    stacks = {"D-Data": made.data, "D-Service": made.service, "D-Monitoring": made.monitoring}
    items = [item for item in bill(stacks, Traffic(), Strategy(strategy)).items if item.what == "process kept"]

    assert {item.of.partition("Function")[0]: item.group for item in items} == {
        "Allocations": Group.APPLICATION,
        "Metrics": Group.APPLICATION,
        "Roi": Group.APPLICATION,
        "Exports": Group.APPLICATION,
        "Ingest": Group.MONITORING,
    }
