"""That nothing is stored or sent in the clear."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.infrastructure.template import Template, references, resources


def not_encrypted(template: Template) -> list[str]:
    """Storage, topics, secrets and buckets in the clear, or reachable so; and TLS that is older than 1.2."""
    return [
        name
        for name, r in template["Resources"].items()
        if r["Type"] in IN_THE_CLEAR and IN_THE_CLEAR[r["Type"]](template, name, r.get("Properties", {}))
    ]


def _tls_since_1_2(parameters: Mapping[str, str]) -> bool:
    oldest = parameters.get("ssl_min_protocol_version")
    return parameters.get("rds.force_ssl") == "1" and oldest in {"TLSv1.2", "TLSv1.3"}


def _mounted_in_the_clear(task: Mapping[str, Any]) -> bool:
    mounted = [each["EFSVolumeConfiguration"] for each in task["Volumes"] if "EFSVolumeConfiguration" in each]
    return any(each.get("TransitEncryption") != "ENABLED" for each in mounted)


def _tls_only_topics(template: Template) -> set[str]:
    return {
        name
        for policy in resources(template, "AWS::SNS::TopicPolicy").values()
        if any(_denies_the_clear(s) for s in policy["Properties"]["PolicyDocument"]["Statement"])
        for name in references(policy["Properties"]["Topics"])
    }


def _denies_the_clear(statement: Mapping[str, Any]) -> bool:
    return statement["Effect"] == "Deny" and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}


def _denies_old_tls(statement: Mapping[str, Any]) -> bool:
    return statement["Effect"] == "Deny" and statement.get("Condition") == {"NumericLessThan": {"s3:TlsVersion": 1.2}}


def _tls_only(template: Template) -> set[str]:
    return {
        name
        for policy in resources(template, "AWS::S3::BucketPolicy").values()
        if all(
            any(denied(s) for s in policy["Properties"]["PolicyDocument"]["Statement"])
            for denied in (_denies_the_clear, _denies_old_tls)
        )
        for name in references(policy["Properties"]["Bucket"])
    }


IN_THE_CLEAR: Mapping[str, Callable[[Template, str, Mapping[str, Any]], bool]] = {
    "AWS::ECS::TaskDefinition": lambda _, __, given: _mounted_in_the_clear(given),
    "AWS::EFS::FileSystem": lambda _, __, given: given.get("Encrypted") is not True,
    "AWS::RDS::DBCluster": lambda _, __, given: given.get("StorageEncrypted") is not True,
    "AWS::RDS::DBClusterParameterGroup": lambda _, __, given: not _tls_since_1_2(given["Parameters"]),
    "AWS::S3::Bucket": lambda t, name, given: "BucketEncryption" not in given or name not in _tls_only(t),
    "AWS::SNS::Topic": lambda t, name, given: "KmsMasterKeyId" not in given or name not in _tls_only_topics(t),
    "AWS::SecretsManager::Secret": lambda _, __, given: "SecretString" in given or "GenerateSecretString" not in given,
}
"""By type, whether something is in the clear or reachable so."""
