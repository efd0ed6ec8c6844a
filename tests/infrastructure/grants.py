"""What every role of a template is granted, and by whom every function is called, as IAM reads it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.infrastructure.template import Template, as_list, resources, text


class Caller(NamedTuple):
    """Who may invoke a function, and from where."""

    function: str
    principal: str
    source: str
    action: str = "lambda:InvokeFunction"


class Grant(NamedTuple):
    """One action on one resource; a principal, where it is said who may have the role."""

    effect: str
    action: str
    resource: str
    condition: str = ""


def granted(template: Template) -> dict[str, set[Grant]]:
    """By role, with the hashes left out of names: all that its trust, its own and its managed policies say."""
    said = {name: set(_of_role(role["Properties"])) for name, role in resources(template, "AWS::IAM::Role").items()}
    for type_ in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"):
        for policy in resources(template, type_).values():
            given = policy["Properties"]
            for role in given.get("Roles") or [given["RoleName"]]:
                said[role["Ref"]] |= set(_of_document(given["PolicyDocument"]))
    return {unhashed(f"<{name}>")[1:-1]: grants for name, grants in said.items()}


def callers(template: Template) -> set[Caller]:
    """All whom the functions' own policies admit, and addresses by which anybody comes past them."""
    admitted = {
        Caller(
            _named(each["Properties"]["FunctionName"]),
            text(each["Properties"]["Principal"]),
            unhashed(text(each["Properties"].get("SourceArn", "anywhere"))),
            text(each["Properties"]["Action"]),
        )
        for each in resources(template, "AWS::Lambda::Permission").values()
    }
    return admitted | {
        Caller(_named(each["Properties"]["TargetFunctionArn"]), text(each["Properties"]["AuthType"]), "a function URL")
        for each in resources(template, "AWS::Lambda::Url").values()
    }


def _named(arn: Any) -> str:
    return unhashed(text(arn)).removesuffix(".Arn>").removeprefix("<")


def differing(found: Mapping[str, set[Grant]], wanted: Mapping[str, set[Grant]]) -> set[str]:
    """Each grant that is there and is not wanted, and each that is wanted and not there."""
    return {
        f"{sign} {role}: {' '.join(grant)}".rstrip()
        for role in found.keys() | wanted.keys()
        for sign, some in (
            ("+", found.get(role, set()) - wanted.get(role, set())),
            ("-", wanted.get(role, set()) - found.get(role, set())),
        )
        for grant in some
    } | {f"? {role}" for role in found.keys() ^ wanted.keys()}


def unhashed(value: str) -> str:
    """A value without what logical ids, exports and assets end with."""
    exported = r"<[\w-]+:ExportsOutput(?:FnGetAtt|Ref)(\w+?)[0-9A-F]{8}(\w*?)[0-9A-F]{8}>"
    value = re.sub(exported, lambda found: f"<{'.'.join(filter(None, found.groups()))}>", value)
    value = re.sub(r"(?<=[A-Za-z0-9])[0-9A-F]{8}(?=[.>])", "", value)
    return re.sub(r"[0-9a-f]{64}(?=\.sh$)", "HASH", value)


def _of_role(role: Mapping[str, Any]) -> Iterator[Grant]:
    for statement in role["AssumeRolePolicyDocument"]["Statement"]:
        for principal in _principals(statement):
            yield Grant(statement["Effect"], text(statement["Action"]), principal, _condition(statement))
    for arn in role.get("ManagedPolicyArns", ()):
        yield Grant("Allow", "whatever is said by", text(arn))
    for policy in role.get("Policies", ()):
        yield from _of_document(policy["PolicyDocument"])


def _principals(statement: Mapping[str, Any]) -> Iterator[str]:
    principals = statement["Principal"]
    if isinstance(principals, str):
        yield principals
        return
    for kind, names in principals.items():
        for name in as_list(names):
            yield text(name) if kind == "Service" else f"{kind} {text(name)}"


def _of_document(document: Mapping[str, Any]) -> Iterator[Grant]:
    for statement in document["Statement"]:
        for action in _but(statement, "Action"):
            for resource in _but(statement, "Resource"):
                yield Grant(statement["Effect"], action, unhashed(resource), _condition(statement))


def _but(statement: Mapping[str, Any], what: str) -> Iterator[str]:
    for each in as_list(statement.get(what, [])):
        yield text(each)
    for each in as_list(statement.get(f"Not{what}", [])):
        yield f"all but {text(each)}"


def _condition(statement: Mapping[str, Any]) -> str:
    return " and ".join(
        f"{operator} {key} {unhashed(text(value))}"
        for operator, each in statement.get("Condition", {}).items()
        for key, value in each.items()
    )
