"""Nothing is stored or sent in the clear; beside it, each way in which something could be."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.infrastructure.encryption import not_encrypted
from tests.infrastructure.template import Templates, only, resources, starting
from tests.infrastructure.test_watchtower import EVERYTHING

Spoil = Callable[[Templates], object]


def of_parameters(templates: Templates) -> dict[str, str]:
    found: dict[str, str] = only(templates.data, "AWS::RDS::DBClusterParameterGroup")["Properties"]["Parameters"]
    return found


def first(template: dict[str, Any], type_: str) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(resources(template, type_).values()))["Properties"]
    return found


def without_denials(policy: dict[str, Any], *conditions: str) -> None:
    said = policy["PolicyDocument"]["Statement"]
    said[:] = [each for each in said if not any(name in str(each.get("Condition")) for name in conditions)]


FAULTS: dict[str, tuple[Spoil, str]] = {
    "a cluster": (
        lambda t: only(t.data, "AWS::RDS::DBCluster")["Properties"].update(StorageEncrypted=False),
        "DatabaseCluster",
    ),
    "sessions": (lambda t: of_parameters(t).update({"rds.force_ssl": "0"}), "DatabaseParameters"),
    "old TLS": (lambda t: of_parameters(t).update(ssl_min_protocol_version="TLSv1"), "DatabaseParameters"),
    "any TLS": (lambda t: of_parameters(t).pop("ssl_min_protocol_version"), "DatabaseParameters"),
    "a file system": (
        lambda t: only(t.monitoring, "AWS::EFS::FileSystem")["Properties"].pop("Encrypted"),
        "WatchtowerHistoryFiles",
    ),
    "a mount": (
        lambda t: only(t.monitoring, "AWS::ECS::TaskDefinition")["Properties"]["Volumes"][-1][
            "EFSVolumeConfiguration"
        ].update(TransitEncryption="DISABLED"),
        "WatchtowerTaskDefinition",
    ),
    "a secret in the template": (
        lambda t: only(t.monitoring, "AWS::SecretsManager::Secret")["Properties"].update(SecretString="admin"),
        "WatchtowerPassword",
    ),
    "an empty secret": (lambda t: first(t.data, "AWS::SecretsManager::Secret").clear(), "DatabaseMaster"),
    "a topic": (lambda t: only(t.monitoring, "AWS::SNS::Topic")["Properties"].pop("KmsMasterKeyId"), "AlertsTopic"),
    "publishing": (
        lambda t: without_denials(only(t.monitoring, "AWS::SNS::TopicPolicy")["Properties"], "SecureTransport"),
        "AlertsTopic",
    ),
    "a bucket": (lambda t: first(t.data, "AWS::S3::Bucket").pop("BucketEncryption"), "SnapshotBucket"),
    "a bucket without a policy": (lambda t: t.data["Resources"].pop("SnapshotBucketPolicy31628E55"), "SnapshotBucket"),
    "fetching": (
        lambda t: without_denials(first(t.data, "AWS::S3::BucketPolicy"), "SecureTransport"),
        "SnapshotBucket",
    ),
    "fetching by old TLS": (
        lambda t: without_denials(starting(t.data, "AWS::S3::BucketPolicy", "Failed")["Properties"], "TlsVersion"),
        "FailedBatchesBucket",
    ),
}


def test_everything_at_rest_and_on_the_way_is_encrypted(each: Templates, deployment: Callable[..., Templates]) -> None:
    assert [not_encrypted(template) for template in (*each.all, *deployment(**EVERYTHING).all)] == [[]] * 6


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_in_the_clear_would_be_found(deployment: Callable[..., Templates], fault: str) -> None:
    spoilt = deployment(monitoring="hybrid").planted()
    spoil, where = FAULTS[fault]
    spoil(spoilt)

    (found,) = (name for template in spoilt.all for name in not_encrypted(template))

    assert found.startswith(where)
