"""Exceptions to the AwsSolutions checks: each on one resource, each needed, and no other way round the checks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aws_cdk import Acknowledgment, App, CfnResource, RemovalPolicy, Stack, Validations
from aws_cdk import aws_s3 as s3
from constructs import IConstruct

from cdk.app import build, check
from cdk.constructs import nag
from cdk.constructs.nag import accept
from tests.infrastructure.test_checkov import PLAIN
from tests.infrastructure.test_watchtower import EVERYTHING


class Exempt(NamedTuple):
    """A construct, by its path, and a rule."""

    path: str
    rule: str


class Noted:
    """In place of the library's Validations: what is accepted is noted and breaks the synth all the same."""

    accepted: list[tuple[IConstruct, str]]

    def __init__(self, construct: IConstruct) -> None:
        self._construct = construct

    @classmethod
    def of(cls, construct: IConstruct) -> "Noted":
        return cls(construct)

    def acknowledge(self, *rules: Acknowledgment) -> None:
        self.accepted += [(self._construct, rule.id) for rule in rules]


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> type[Noted]:
    monkeypatch.setattr(Noted, "accepted", [], raising=False)
    monkeypatch.setattr(nag, "Validations", Noted)
    return Noted


def broken(app: App, folder: Path) -> set[Exempt]:
    """Every rule that the app breaks, and where."""
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    report = json.loads((folder / "validation-report.json").read_text())
    return {
        Exempt(construct["constructPath"], violation["ruleName"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    }


def by_the_way(app: App) -> list[str]:
    """Constructs with an exception that the house's own `accept` has not made, which sees to it that it is one's."""
    return [construct.node.path for construct in app.node.find_all() if list(_acknowledged(construct))]


def _acknowledged(construct: IConstruct) -> Iterator[Any]:
    """To these checks: the library makes some to its own."""
    key = Validations.ACKNOWLEDGED_RULES_METADATA_KEY
    return (each for each in construct.node.metadata if each.type == key and "AwsSolutions" in str(each.data))


def a_bucket(folder: Path) -> tuple[App, Stack, s3.Bucket]:
    app = App(outdir=str(folder), analytics_reporting=False)
    check(app)
    stack = Stack(app, "Planted")
    return app, stack, s3.Bucket(stack, "Bucket", removal_policy=RemovalPolicy.RETAIN)


@pytest.mark.parametrize("chosen", [EVERYTHING, PLAIN], ids=["everything", "plain"])
def test_every_exception_is_of_one_resource_that_would_break_the_rule(
    layers: Path, tmp_path: Path, noted: type[Noted], chosen: dict[str, str]
) -> None:
    app = build({"layers": str(layers), **chosen}, str(tmp_path))

    found = broken(app, tmp_path)

    assert {Exempt(construct.node.path, rule) for construct, rule in noted.accepted} == found
    assert [each.node.path for each, _ in noted.accepted if not isinstance(each, CfnResource)] == []
    assert by_the_way(app) == []


def test_an_exception_that_nothing_needs_would_be_found(tmp_path: Path, noted: type[Noted]) -> None:
    app, _, bucket = a_bucket(tmp_path)
    accept(bucket, {"AwsSolutions-S1": "Planted.", "AwsSolutions-RDS11": "Planted: it is no database."})

    found = broken(app, tmp_path)

    needless = {Exempt(construct.node.path, rule) for construct, rule in noted.accepted} - found
    assert needless == {Exempt("Planted/Bucket/Resource", "AwsSolutions-RDS11")}


def test_an_exception_for_a_whole_stack_or_app_cannot_be_made(tmp_path: Path) -> None:
    app, stack, _ = a_bucket(tmp_path)

    for whole in (app, stack):
        with pytest.raises(TypeError, match="more than one resource"):
            accept(whole, {"AwsSolutions-S1": "Planted."})


def test_one_that_is_made_by_the_way_would_be_found(tmp_path: Path, noted: type[Noted]) -> None:
    app, stack, bucket = a_bucket(tmp_path)
    accept(bucket, {"AwsSolutions-S1": "Planted."})

    Validations.of(stack).acknowledge(Acknowledgment(id="AwsSolutions-S10", reason="Planted."))

    assert by_the_way(app) == ["Planted"]
