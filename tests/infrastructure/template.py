"""Reading synthesized templates: resources by type, references, and intrinsics as text."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Template = dict[str, Any]
Resource = dict[str, Any]

LONG = "x" * 64
"""Stands for a value that only AWS knows; as long as names get there."""


@dataclass(frozen=True)
class Templates:
    """A deployment's three templates."""

    folder: Path
    data: Template
    service: Template
    monitoring: Template

    @classmethod
    def read(cls, folder: Path, name: str = "DynoAgent") -> "Templates":
        return cls(
            folder,
            *(
                json.loads((folder / f"{name}-{part}.template.json").read_text())
                for part in ("Data", "Service", "Monitoring")
            ),
        )

    @property
    def all(self) -> tuple[Template, Template, Template]:
        return self.data, self.service, self.monitoring

    def planted(self) -> "Templates":
        """A copy to spoil."""
        return copy.deepcopy(self)


def resources(template: Template, type_: str) -> dict[str, Resource]:
    """Those of a type, by logical id."""
    return {name: r for name, r in template["Resources"].items() if r["Type"] == type_}


def only(template: Template, type_: str) -> Resource:
    """The one resource of a type."""
    (resource,) = resources(template, type_).values()
    return resource


def starting(template: Template, type_: str, prefix: str) -> Resource:
    """The one resource of a type whose logical id starts so."""
    (resource,) = (r for name, r in resources(template, type_).items() if name.startswith(prefix))
    return resource


def references(value: Any) -> Iterator[str]:
    """Logical ids that a value refers to, pseudo parameters included."""
    if isinstance(value, dict):
        if isinstance(value.get("Ref"), str):
            yield value["Ref"]
        if isinstance(value.get("Fn::GetAtt"), list):
            yield value["Fn::GetAtt"][0]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def text(value: Any, unknown: str | None = None) -> str:
    """
    A value as AWS would see it.

    Args:
        unknown: Stands for what only AWS knows; None for the name of it in angle brackets.
    """
    if isinstance(value, dict):
        return _intrinsic(value, unknown)
    return value if isinstance(value, str) else json.dumps(value)


def _intrinsic(value: dict[str, Any], unknown: str | None) -> str:
    ((function, argument),) = value.items()
    if function == "Fn::Join":
        separator, parts = argument
        if isinstance(parts, list):
            return str(separator).join(text(part, unknown) for part in parts)
        return text(parts, unknown)
    if function == "Fn::Split":
        return text(argument[1], unknown)
    if unknown is not None:
        return unknown
    return f"<{'.'.join(argument) if isinstance(argument, list) else argument}>"


def strings(value: Any) -> Iterator[str]:
    """Every string in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


def as_list(value: Any) -> list[Any]:
    """IAM writes one of something without brackets."""
    return value if isinstance(value, list) else [value]
