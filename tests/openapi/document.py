"""
The OpenAPI document of the whole API, put together from the doors' own types, their permissions and the examples.

The library knows parameters, bodies and answers by the routes' types. What it cannot know comes from here: kinds of
tokens, statuses other than 200 and 422, headers, problem documents, and what the gateway refuses by itself.

Source:
    OpenAPI Specification 3.1.1.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from cdk.stage import ROOT
from dyno.auth import Permission
from dyno.http import PROBLEM_JSON
from tests.doors import doors
from tests.openapi import exports, imports, lab, people, planning, registry, reports, service
from tests.openapi.described import JSON, Answer, Described
from tests.openapi.mending import mended
from tests.openapi.problems import problem_answer, problems
from tests.openapi.words import HEADERS, INFO, PARAMETER, PARAMETERS, PERSON, PROBLEM, SCHEMES, SECURITY, STATUSES, TAGS

PAGE = ROOT / "docs" / "openapi.json"
DOORS = doors()
DESCRIBED: tuple[Described, ...] = (
    *lab.ROUTES,
    *planning.ROUTES,
    *registry.ROUTES,
    *people.ROUTES,
    *imports.ROUTES,
    *exports.ROUTES,
    *reports.ROUTES,
    *service.ROUTES,
)


class IncompleteError(ValueError):
    """Something is not described; says what, and where to add it."""


def document(doors: Iterable[ModuleType] = DOORS, described: Iterable[Described] = DESCRIBED) -> dict[str, Any]:
    """
    The whole document.

    Raises:
        IncompleteError: A route without examples, examples without a route, or two types of one name.
    """
    known = {each.route: each for each in described}
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {"Problem": PROBLEM}
    for door in doors:
        generated = _generated(door)
        for name, schema in generated["components"]["schemas"].items():
            if schemas.setdefault(name, schema) != schema:
                raise IncompleteError(f"two types are called {name}: the API needs another name for one of them")
        for method, path, function in door.door.routes():
            place = path.replace("<", "{").replace(">", "}")
            about = known.pop(f"{method} {place}", None)
            if about is None:
                raise IncompleteError(_missing(method, place))
            found = generated["paths"][place][method.lower()]
            paths.setdefault(place, {})[method.lower()] = _operation(method, place, function, found, about)
    if known:
        raise IncompleteError(f"tests/openapi describes what no door answers: {', '.join(known)}")
    responses = _share(paths)
    used = {name: schemas[name] for name in sorted(_used([paths, responses], schemas))}
    return {
        "openapi": "3.1.1",
        "info": INFO,
        # Relative to where the document is: http://localhost:8000 and https://….amazonaws.com/prod alike.
        "servers": [{"url": ".", "description": "Where this document was found"}],
        "tags": [{"name": name, "description": says} for name, says in TAGS.items()],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": used,
            "responses": responses,
            "parameters": {"CorrelationId": PARAMETER},
            "headers": {
                name: {"description": says, "schema": schema, "example": example}
                for name, (says, schema, example) in HEADERS.items()
            },
            "securitySchemes": SCHEMES,
        },
    }


def rendered() -> str:
    """As it is committed."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _missing(method: str, path: str) -> str:
    return (
        f"{method} {path} is not described: add Described({f'{method} {path}'!r}, …), with an example of a request, of "
        "its answer and of each error of its own, to ROUTES of a module in tests/openapi (lab, planning, registry, "
        "people, imports, reports, service), and run `make docs`"
    )


def _generated(door: ModuleType) -> dict[str, Any]:
    known = door.door.get_openapi_schema(title="", version="")
    text = known.model_dump_json(by_alias=True, exclude_none=True)
    schemas: dict[str, Any] = mended(json.loads(text))
    return schemas


def _operation(
    method: str, path: str, function: Callable[..., Any], generated: Mapping[str, Any], about: Described
) -> dict[str, Any]:
    permission: Permission = function.__dict__["permission"]
    parameters = [
        _parameter(each, about) for each in generated.get("parameters", []) if each["name"].lower() != "accept"
    ]
    body = generated.get("requestBody")
    named = {parameter["name"] for parameter in parameters}
    operation: dict[str, Any] = {
        "operationId": operation_id(method, path),
        "tags": [about.tag],
        "summary": (function.__doc__ or "").strip().splitlines()[0].rstrip("."),
        "description": about.says,
        "x-permission": str(permission),
        "security": SECURITY.get(permission, PERSON),
        "parameters": [*parameters, {"$ref": "#/components/parameters/CorrelationId"}],
    }
    if body:
        operation["requestBody"] = {"required": True, "content": {JSON: _body(body, about)}}
    elif about.files:
        operation["requestBody"] = {"required": True, "content": _files(about)}
    responses = _answers(generated["responses"]["200"], about)
    refused = problems(about, permission, named, in_path="{" in path, has_body=bool(body or about.files))
    for status, by_code in refused.items():
        answer = responses.setdefault(status, _response(status))
        answer["content"] = answer.get("content", {}) | {PROBLEM_JSON: problem_answer(by_code)}
        if status in (429, 503):
            answer["headers"] |= _headers("Retry-After")
    return operation | {"responses": {str(status): responses[status] for status in sorted(responses)}}


def operation_id(method: str, path: str) -> str:
    """What links and clients call a route."""
    return "_".join([method.lower(), *re.findall(r"\w+", path)])


def _parameter(generated: Mapping[str, Any], about: Described) -> dict[str, Any]:
    name, place = generated["name"], generated["in"]
    schema = dict(generated["schema"])
    if "anyOf" in schema:  # what may be left away cannot be null: a query has no word for it
        given = [each for each in schema.pop("anyOf") if each != {"type": "null"}]
        schema |= given[0] if len(given) == 1 else {"anyOf": given}
    if place == "header":
        name = "-".join(part.capitalize() for part in name.split("-"))
    asked = [each.asked for each in about.answers]
    known = [
        each for one in asked for each in ({**one.path, **one.query, **one.headers}.get(name),) if each is not None
    ]
    parameter = {"name": name, "in": place, "required": generated["required"] or name == "If-Match", "schema": schema}
    said = PARAMETERS.get(name)
    return parameter | ({"description": said} if said else {}) | ({"example": known[0]} if known else {})


def _body(generated: Mapping[str, Any], about: Described) -> dict[str, Any]:
    asked = {each.says: {"value": each.asked.body} for each in about.answers if each.asked.body is not None}
    return {"schema": generated["content"][JSON]["schema"], "examples": asked}


def _files(about: Described) -> dict[str, Any]:
    asked = {each.says: {"value": each.asked.body} for each in about.answers if each.asked.body is not None}
    first, *others = about.files
    binary = {kind: {"schema": {"contentMediaType": kind}, "examples": {}} for kind in others}
    return {first: {"schema": {"type": "string", "minLength": 1}, "examples": asked}} | binary


def _answers(generated: Mapping[str, Any], about: Described) -> dict[int, dict[str, Any]]:
    """By status; of several content types and examples, where it has them."""
    found: dict[int, dict[str, Any]] = {}
    for answer in about.answers:
        response = found.setdefault(answer.status, _response(answer.status))
        response["headers"] |= _headers(*answer.headers)
        if answer.value is not None:
            content = response.setdefault("content", {})
            shown = content.setdefault(answer.content_type, {"schema": _schema(answer, generated), "examples": {}})
            shown["examples"][answer.says] = {"value": answer.value}
        for link in answer.links:
            response.setdefault("links", {})[operation_id(*link.route.split())] = {
                "operationId": operation_id(*link.route.split()),
                "parameters": dict(link.parameters),
            }
    return found


def _schema(answer: Answer, generated: Mapping[str, Any]) -> Mapping[str, Any]:
    if answer.schema is not None:
        return answer.schema
    if answer.content_type != JSON:
        return {"type": "string"}
    schema: Mapping[str, Any] = generated["content"][JSON]["schema"]
    return schema


def _response(status: int) -> dict[str, Any]:
    return {"description": STATUSES[status], "headers": _headers("X-Correlation-Id")}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _share(paths: Mapping[str, Mapping[str, dict[str, Any]]]) -> dict[str, Any]:
    """Take out, by status, the refusal that most routes share; they refer to it."""
    everywhere = [operation["responses"] for methods in paths.values() for operation in methods.values()]
    shared: dict[str, Any] = {}
    for status in sorted({status for each in everywhere for status in each if int(status) >= 400}):
        told = Counter(json.dumps(each[status]) for each in everywhere if status in each)
        common, times = told.most_common(1)[0]
        if times > 1:
            shared[f"Refused{status}"] = json.loads(common)
            for each in everywhere:
                if json.dumps(each.get(status)) == common:
                    each[status] = {"$ref": f"#/components/responses/Refused{status}"}
    return shared


def _used(node: Any, schemas: Mapping[str, Any]) -> set[str]:
    """Names of all types that are reached from somewhere."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(waiting.pop())):
            if name not in found:
                found.add(name)
                waiting.append(schemas[name])
    return found
