"""Exceptions to the AwsSolutions checks, each with its reason, each on one resource."""

from collections.abc import Mapping

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def accept(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """
    Let a construct break rules.

    Args:
        construct: The resource, or the construct whose parts are meant.
        reasons: Why, by rule as the report names it, e.g. "AwsSolutions-IAM5[Resource::*]".
    """
    validations = Validations.of(construct)
    for rule, reason in reasons.items():
        validations.acknowledge(Acknowledgment(id=rule, reason=reason))
