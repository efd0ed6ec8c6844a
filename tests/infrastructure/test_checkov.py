"""The templates before checkov's rules: each that is broken is accepted on its resource, and none that is not."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.infrastructure.checkov.tool import Finding, Report, look
from tests.infrastructure.conftest import STRATEGIES
from tests.infrastructure.template import Template, Templates
from tests.infrastructure.test_watchtower import EVERYTHING, HTTP

pytestmark = pytest.mark.needs("checkov")

PLAIN = HTTP | {
    "monitoring": "prometheus",
    "waf": "off",
    "access_logs": "off",
    "tracing": "off",
    "reserved_concurrency": "5",
}
"""Whatever may be switched off, is."""

CHOSEN = {"everything": EVERYTHING, "plain": PLAIN}
PARTS = ("data", "service", "monitoring")

IN_THE_CLEAR: Template = {
    "Resources": {
        "Bucket": {"Type": "AWS::S3::Bucket"},
        "Cluster": {"Type": "AWS::RDS::DBCluster", "Properties": {"StorageEncrypted": False}},
        "Topic": {
            "Type": "AWS::SNS::Topic",
            "Properties": {"KmsMasterKeyId": "alias/aws/sns"},
            "Metadata": {"checkov": {"skip": [{"id": "CKV_AWS_26", "comment": "Planted: it is encrypted."}]}},
        },
    }
}


def bare(template: Template) -> Template:
    """The same with nothing accepted."""
    copied = copy.deepcopy(template)
    for resource in copied["Resources"].values():
        resource.get("Metadata", {}).pop("checkov", None)
    return copied


def accepted(name: str, template: Template) -> set[Finding]:
    return {
        Finding(name, logical_id, skipped["id"])
        for logical_id, resource in template["Resources"].items()
        for skipped in resource.get("Metadata", {}).get("checkov", {}).get("skip", ())
    }


@pytest.fixture(scope="session")
def chosen(deployment: Callable[..., Templates]) -> dict[str, Template]:
    """Templates of which every exception must be needed, by file name."""
    return {
        f"{name}-{part}.json": getattr(deployment(**context), part)
        for name, context in CHOSEN.items()
        for part in PARTS
    } | {"planted.json": IN_THE_CLEAR}


@pytest.fixture(scope="session")
def report(
    deployment: Callable[..., Templates], chosen: dict[str, Template], tmp_path_factory: pytest.TempPathFactory
) -> Report:
    """Of all in one run: every strategy as it is deployed, and what was chosen without its exceptions."""
    folder = tmp_path_factory.mktemp("checkov")

    def write(name: str, template: dict[str, Any]) -> None:
        (folder / name).write_text(json.dumps(template))

    for strategy in STRATEGIES:
        for part in PARTS:
            write(f"{strategy}-{part}.json", getattr(deployment(monitoring=strategy), part))
    for name, template in chosen.items():
        write(name, bare(template))
    return look(folder)


def of(report: Report, names: tuple[str, ...]) -> set[Finding]:
    return {each for each in report.failed if each.template.startswith(names)}


def test_no_strategy_breaks_a_rule_that_is_not_accepted_where_it_is_broken(report: Report) -> None:
    assert of(report, STRATEGIES) == set()
    assert {each.template.partition("-")[0] for each in report.accepted} == set(STRATEGIES)


def test_every_exception_is_of_a_rule_that_would_be_broken(report: Report, chosen: dict[str, Template]) -> None:
    said = {each for name, template in chosen.items() for each in accepted(name, template)}

    assert {each for each in said if each.template != "planted.json"} == of(report, tuple(CHOSEN))


def test_each_has_its_reason(chosen: dict[str, Template]) -> None:
    reasons = [
        skipped["comment"]
        for template in chosen.values()
        for resource in template["Resources"].values()
        for skipped in resource.get("Metadata", {}).get("checkov", {}).get("skip", ())
    ]

    assert [each for each in reasons if len(each.split()) < 4] == []


def test_storage_in_the_clear_would_be_found(report: Report) -> None:
    assert {
        Finding("planted.json", "Bucket", "CKV_AWS_53"),
        Finding("planted.json", "Cluster", "CKV_AWS_96"),
    } <= report.failed


def test_an_exception_that_nothing_needs_would_be_found(report: Report) -> None:
    assert accepted("planted.json", IN_THE_CLEAR) - report.failed == {Finding("planted.json", "Topic", "CKV_AWS_26")}
