"""Exceptions to the AwsSolutions checks and to checkov's, each with its reason, each on one resource."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Acknowledgment, CfnResource, Validations
from constructs import IConstruct

CHECKOV = "CKV"
"""What checkov's rules begin with."""


def accept(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """
    Let a resource break rules; what stands beside or below it may not.

    Args:
        construct: The resource, or the construct whose main resource is meant.
        reasons: Why, by rule as the report names it, e.g. "AwsSolutions-IAM5[Resource::*]" or "CKV_AWS_115".
    Raises:
        TypeError: It has no main resource, as a stack has none.
    Source:
        checkov, "Suppressing and skipping policies": of CloudFormation by a resource's metadata.
    """
    resource = _main(construct)
    for rule, reason in reasons.items():
        if rule.startswith(CHECKOV):
            skipped: dict[str, Any] = resource.get_metadata("checkov") or {"skip": []}
            resource.add_metadata("checkov", {"skip": [*skipped["skip"], {"id": rule, "comment": reason}]})
        else:
            Validations.of(resource).acknowledge(Acknowledgment(id=rule, reason=reason))


def _main(construct: IConstruct) -> CfnResource:
    resource = construct.node.default_child or construct
    if not isinstance(resource, CfnResource):
        raise TypeError(f"{construct.node.path} is more than one resource: say which of them may break a rule")
    return resource
