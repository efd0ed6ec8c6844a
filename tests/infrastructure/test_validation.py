"""The templates before other people's rules: cdk-nag's AwsSolutions and cfn-lint."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Annotations, App, RemovalPolicy, Stack
from aws_cdk import aws_s3 as s3
from cfnlint import ManualArgs, lint

from cdk.app import build, check
from cdk.constructs.nag import accept
from tests.infrastructure.template import Templates
from tests.infrastructure.test_watchtower import EVERYTHING

# The CDK's own habit: a function depends on its role's policies, and on the role it already refers to.
HABITS = ["W3005"]


def linted(template: dict[str, Any]) -> list[str]:
    found = lint(json.dumps(template), config=ManualArgs(ignore_checks=HABITS, regions=["us-east-1", "eu-central-1"]))
    return [f"{match.rule.id} {match.message}" for match in found]


def a_bucket_on(app: App, **reasons: str) -> None:
    bucket = s3.Bucket(Stack(app, "Planted"), "Bucket", removal_policy=RemovalPolicy.RETAIN)
    accept(bucket, reasons)


def test_cloudformation_lint_has_nothing_to_say(aws: Templates) -> None:
    assert [finding for template in aws.all for finding in linted(template)] == []


@pytest.mark.parametrize(
    "chosen",
    [{"monitoring": "prometheus"}, {"monitoring": "prometheus", "monitoring_cidr": "203.0.113.0/24"}, EVERYTHING],
    ids=["no way in", "http", "everything"],
)
def test_nor_about_prometheus_and_grafana(deployment: Callable[..., Templates], chosen: dict[str, str]) -> None:
    assert linted(deployment(**chosen).monitoring) == []


def test_a_misspelt_property_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().monitoring
    next(iter(spoilt["Resources"].values()))["Properties"]["EnableKeyRotatoin"] = True

    assert linted(spoilt) != []


def test_the_deployment_is_under_the_checks_that_it_passes(layers: Path, tmp_path: Path) -> None:
    app = build({"layers": str(layers)}, str(tmp_path))
    s3.Bucket(Stack.of(app.node.find_child("DynoAgent-Data")), "Planted", removal_policy=RemovalPolicy.RETAIN)

    with pytest.raises(RuntimeError) as failure:
        app.synth()

    assert set(re.findall(r"AwsSolutions-\w+", str(failure.value))) == {"AwsSolutions-S1", "AwsSolutions-S10"}


def test_a_bucket_in_the_clear_would_stop_the_synth(tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path), analytics_reporting=False)
    check(app)
    a_bucket_on(app)

    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()

    assert "AwsSolutions-S10" in (tmp_path / "validation-report.json").read_text()


def test_an_exception_is_for_one_rule_only(tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path), analytics_reporting=False)
    check(app)
    a_bucket_on(app, **{"AwsSolutions-S1": "Planted."})

    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()

    assert "AwsSolutions-S10" in (tmp_path / "validation-report.json").read_text()


def warnings(folder: Path) -> list[str]:
    """What the CDK warned of during a synth."""
    said = [json.loads(file.read_text()) for file in folder.glob("*.metadata.json")]
    return [
        entry["data"]
        for of_stack in said
        for entries in of_stack.values()
        for entry in entries
        if "warn" in entry["type"]
    ]


def test_a_synth_warns_of_nothing(each: Templates, local: Templates) -> None:
    assert warnings(each.folder) == []
    assert warnings(local.folder) == []


def test_a_warning_would_be_found(tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path), analytics_reporting=False)
    stack = Stack(app, "Planted")
    s3.Bucket(stack, "Bucket", removal_policy=RemovalPolicy.RETAIN)
    Annotations.of(stack).add_warning_v2("planted", "Planted.")

    app.synth()

    assert any("Planted." in said for said in warnings(tmp_path))
