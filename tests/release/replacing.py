"""What CloudFormation would make anew where one deployment's templates follow another's, by each type's own schema."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

Stacks = Mapping[str, Mapping[str, Any]]
"""Templates by the name of their stack."""

REGION = "us-east-1"
ABSENT = "absent"

REFUSED = {
    "AWS::Cognito::UserPool": ("AliasAttributes", "UsernameAttributes", "UsernameConfiguration"),
}
"""
What no schema says: Cognito changes none of these, and the update fails, for which another pool is the only way out.

Source:
    Amazon Cognito Developer Guide, "Updating user pool and app client configuration": what can't be changed.
"""


class Place(NamedTuple):
    """A resource, by where it is."""

    stack: str
    logical_id: str


def replaced(before: Stacks, after: Stacks) -> dict[Place, str]:
    """
    Every resource of `before` that would be gone, or another, and why; what leans on such a one is one itself.

    A property that replaces the resource on some conditions counts as if it always did.
    """
    found = {
        place: why
        for place, resource in _resources(before)
        if (why := _why(resource, _at(after, place), exported=(_exports(before), _exports(after))))
    }
    while more := _leaning(after, found):
        found |= more
    return found


def _why(
    was: Mapping[str, Any], now: Mapping[str, Any] | None, exported: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> str | None:
    if now is None:
        return "is gone"
    if was["Type"] != now["Type"]:
        return f"is of type {now['Type']}"
    old, new = (
        _imported(each.get("Properties", {}), exports) for each, exports in zip((was, now), exported, strict=True)
    )
    changed = [".".join(path) for path in fixed(was["Type"]) if _values(old, path) != _values(new, path)]
    return f"{', '.join(changed)} changed" if changed else None


def _leaning(after: Stacks, found: Mapping[Place, str]) -> dict[Place, str]:
    """What is not found yet and names one of the found where it may not name another."""
    exports = _exports(after)
    leaning = {}
    for place, resource in _resources(after):
        if place in found:
            continue
        properties = _imported(resource.get("Properties", {}), exports)
        for path in fixed(resource["Type"]):
            named = {each for value in _values(properties, path) for each in _named(value, place.stack)}
            if others := sorted(named & found.keys()):
                leaning[place] = f"{'.'.join(path)} is of {others[0].logical_id}, which is another"
    return leaning


@cache
def fixed(type_: str) -> tuple[tuple[str, ...], ...]:
    """The properties of a type that cannot change in place, each as the names that lead to it; `*` is every item."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, type_).schema
    paths = [*schema.get("createOnlyProperties", ()), *schema.get("conditionalCreateOnlyProperties", ())]
    named = {tuple(path.removeprefix("/properties/").split("/")) for path in paths}
    return tuple(sorted(named | {(name,) for name in REFUSED.get(type_, ())}))


def _values(value: Any, path: tuple[str, ...]) -> list[Any]:
    """What stands under a path, as it is written."""
    if not path:
        return [value]
    first, *rest = path
    if first == "*":
        items = value if isinstance(value, list) else [value]
        return [found for item in items for found in _values(item, tuple(rest))]
    return _values(value[first], tuple(rest)) if isinstance(value, Mapping) and first in value else [ABSENT]


def _resources(stacks: Stacks) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    for stack, template in stacks.items():
        for logical_id, resource in template["Resources"].items():
            yield Place(stack, logical_id), resource


def _at(stacks: Stacks, place: Place) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = stacks.get(place.stack, {}).get("Resources", {}).get(place.logical_id)
    return found


def _exports(stacks: Stacks) -> dict[str, Any]:
    """What is exported, with the stack that it is of."""
    return {
        output["Export"]["Name"]: {"of": stack, "value": output["Value"]}
        for stack, template in stacks.items()
        for output in template.get("Outputs", {}).values()
        if "Export" in output
    }


def _imported(value: Any, exports: Mapping[str, Any]) -> Any:
    """A value with what it imports instead of the name it imports that by."""
    if isinstance(value, Mapping):
        if isinstance(name := value.get("Fn::ImportValue"), str):
            return exports.get(name, value)
        return {key: _imported(part, exports) for key, part in value.items()}
    return [_imported(part, exports) for part in value] if isinstance(value, list) else value


def _named(value: Any, stack: str) -> Iterator[Place]:
    """The resources that a value is of."""
    if isinstance(value, Mapping):
        match value:
            case {"of": str(other), "value": exported}:
                yield from _named(exported, other)
                return
            case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
                yield Place(stack, name)
        for part in value.values():
            yield from _named(part, stack)
    elif isinstance(value, list):
        for part in value:
            yield from _named(part, stack)
