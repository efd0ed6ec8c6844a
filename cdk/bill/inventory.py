"""What templates hold: resources with their stack, and who refers to whom."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

Templates = Mapping[str, Mapping[str, Any]]
"""CloudFormation templates by stack name."""

APPLICATION_STACKS = ("-Data", "-Service")


class UnpricedError(ValueError):
    """A template holds what no price is known of; says what, and where."""


class Group(StrEnum):
    """Which side of the bill something is on."""

    APPLICATION = "application"
    MONITORING = "monitoring"


@dataclass(frozen=True)
class Resource:
    """A resource of a template."""

    stack: str
    logical_id: str
    type: str
    properties: Mapping[str, Any]

    @property
    def group(self) -> Group:
        """By its stack, where its type does not say."""
        return Group.APPLICATION if self.stack.endswith(APPLICATION_STACKS) else Group.MONITORING

    @property
    def is_restored(self) -> bool:
        """Whether it is a function whose environments come from a snapshot."""
        return bool(self.properties.get("SnapStart", {}).get("ApplyOn") == "PublishedVersions")

    def number(self, name: str, default: int) -> Decimal:
        """
        A property as a number.

        Raises:
            UnpricedError: Only the deployment would know it.
        """
        value = self.properties.get(name, default)
        if not isinstance(value, int | float | str):
            raise UnpricedError(f"{self.type} {self.logical_id} of {self.stack}: how much is {name}?")
        return Decimal(str(value))

    def unpriced(self, what: str) -> UnpricedError:
        """An error that names this resource."""
        return UnpricedError(f"no price is known of {what}: {self.type} {self.logical_id} of {self.stack}")


class Inventory:
    """All resources of a deployment."""

    def __init__(self, templates: Templates) -> None:
        self.resources = [
            Resource(stack, logical_id, resource["Type"], resource.get("Properties", {}))
            for stack, template in templates.items()
            for logical_id, resource in template.get("Resources", {}).items()
        ]

    def of(self, type_: str) -> list[Resource]:
        """Those of a type."""
        return [resource for resource in self.resources if resource.type == type_]

    def referred(self, resource: Resource, others: str, name: str) -> bool:
        """Whether a resource of the type `others` refers to this one in the property `name`, within its stack."""
        return any(
            resource.logical_id in references(other.properties.get(name))
            for other in self.of(others)
            if other.stack == resource.stack
        )

    def invoked_by(self, function: Resource, service: str) -> bool:
        """Whether an AWS service, as logs.amazonaws.com, may invoke a function, be it by an alias."""
        names = {function.logical_id} | {
            alias.logical_id
            for alias in self.of("AWS::Lambda::Alias")
            if alias.stack == function.stack and function.logical_id in references(alias.properties.get("FunctionName"))
        }
        return any(
            permission.properties.get("Principal") == service
            and names & set(references(permission.properties.get("FunctionName")))
            for permission in self.of("AWS::Lambda::Permission")
            if permission.stack == function.stack
        )

    def takes_records(self, function: Resource) -> bool:
        """Whether the log hands a function its records; whoever carries notices is rung for by it, and no more."""
        return self.invoked_by(function, "logs.amazonaws.com") and not carries_notices(function)

    @property
    def doors(self) -> list[Resource]:
        """Functions of the API."""
        return [each for each in self.of("AWS::Lambda::Function") if self.invoked_by(each, "apigateway.amazonaws.com")]


def carries_notices(function: Resource) -> bool:
    """Whether a function sends events."""
    return "EVENT_SOURCE" in function.properties.get("Environment", {}).get("Variables", {})


def references(value: object) -> Iterator[str]:
    """Logical ids that a value refers to."""
    if isinstance(value, dict):
        match value:
            case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
                yield name
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)
