"""The API's description is complete, true to its own schemas, and what is committed."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from cdk.constructs.api import PROBLEMS
from cdk.routes import ROUTES
from dyno.errors import DynoError, InvalidSettings
from dyno.reference import HERE
from tests.openapi.described import Described
from tests.openapi.document import DESCRIBED, DOORS, PAGE, IncompleteError, document, operation_id, rendered

PROBLEM = "application/problem+json"
BEFORE_ANY_ROUTE = {InvalidSettings.code}
"""What no route answers: the function has not started."""

REPORTS = ("503", "GET /metrics/health")
"""The one status above 400 that is a report."""

Document = dict[str, Any]


@pytest.fixture(scope="module")
def published() -> Document:
    """What is committed."""
    described: Document = json.loads(PAGE.read_text())
    return described


def operations(described: Document) -> Iterator[tuple[str, Document]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def answers(described: Document, operation: Document) -> dict[str, Document]:
    shared = described["components"]["responses"]
    return {
        status: shared[each["$ref"].rsplit("/", 1)[1]] if "$ref" in each else each
        for status, each in operation["responses"].items()
    }


def contents(described: Document) -> Iterator[tuple[str, Document]]:
    """Whatever has a schema and an example of it: bodies, parameters, answers."""
    for route, operation in operations(described):
        for parameter in operation["parameters"]:
            if "example" in parameter:
                yield f"{route}, {parameter['name']}", parameter | {"examples": {"": {"value": _read(parameter)}}}
        for content in operation.get("requestBody", {}).get("content", {}).values():
            yield f"{route}, body", content
        for status, response in answers(described, operation).items():
            for kind, content in response.get("content", {}).items():
                yield f"{route}, {status} {kind}", content


def _read(parameter: Document) -> Any:
    """The example as the service reads it: a query has texts only."""
    example = parameter["example"]
    return int(example) if parameter["schema"].get("type") == "integer" else example


def incomplete(described: Document) -> list[str]:
    """What a route should say and does not."""
    found = []
    for route, operation in operations(described):
        found += [f"{route}: no {part}" for part in ("summary", "description", "x-permission") if not operation[part]]
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body and not body["examples"]:
            found.append(f"{route}: no example of a body")
        for parameter in operation["parameters"]:
            if parameter.get("required") and "example" not in parameter:
                found.append(f"{route}: no example of {parameter['name']}")
        told = answers(described, operation)
        if not any(int(status) < 300 for status in told):
            found.append(f"{route}: no answer")
        for status, response in told.items():
            if int(status) != 304 and not all(each.get("examples") for each in response["content"].values()):
                found.append(f"{route}: no example of {status}")
            if int(status) >= 400 and (status, route) != REPORTS and not response.get("content", {}).get(PROBLEM):
                found.append(f"{route}: {status} is no problem")
    return found


def untrue(described: Document) -> list[str]:
    """Examples that their own schema refuses, and problems that stand under another status or code."""
    found = []
    for place, content in contents(described):
        schema = {**content["schema"], "components": described["components"]}
        validator = Draft202012Validator(schema, format_checker=FormatChecker())
        for name, example in content["examples"].items():
            found += [f"{place}, {name}: {fault.message}" for fault in validator.iter_errors(example["value"])]
            if PROBLEM in place:
                status = place.split()[-2]
                shown = (str(example["value"]["status"]), example["value"]["code"])
                if shown != (status, name):
                    found.append(f"{place}: {name} says {shown}")
    return found


def codes(described: Document) -> set[str]:
    return {
        code
        for _, operation in operations(described)
        for response in answers(described, operation).values()
        for code in response.get("content", {}).get(PROBLEM, {}).get("examples", {})
    }


def narrowest(of: type[DynoError]) -> set[str]:
    """The codes of errors that have no narrower ones, and of those that are raised themselves all the same."""
    below = of.__subclasses__()
    return set().union(*map(narrowest, below)) if below else {of.code}


def dead_links(described: Document) -> list[str]:
    known = {operation["operationId"]: operation for _, operation in operations(described)}
    return [
        f"{route}: {name}"
        for route, operation in operations(described)
        for response in answers(described, operation).values()
        for name, link in response.get("links", {}).items()
        if link["operationId"] not in known
        or link["parameters"].keys()
        - {each["name"] for each in known[link["operationId"]]["parameters"] if each.get("in") == "path"}
    ]


def test_what_is_committed_is_what_the_doors_say() -> None:
    assert PAGE.read_text() == rendered(), "docs/openapi.json is out of date: run `make docs` and commit it"


def test_what_is_served_is_what_is_committed() -> None:
    assert (HERE / "openapi.json").resolve() == PAGE.resolve()


def test_it_describes_every_route_and_no_other(published: Document) -> None:
    assert {route for route, _ in operations(published)} == {f"{route.method} {route.path}" for route in ROUTES}


def test_every_route_is_described_in_full(published: Document) -> None:
    assert incomplete(published) == []


def test_every_example_is_what_its_schema_says(published: Document) -> None:
    assert untrue(published) == []


def test_every_code_is_shown_where_it_is_answered(published: Document) -> None:
    gateway = {problem.code for problem in PROBLEMS.values()}

    missing = (narrowest(DynoError) | gateway) - codes(published) - BEFORE_ANY_ROUTE

    assert missing == set(), "show each in `refused` of a route of tests/openapi that answers it, and run `make docs`"


def test_every_link_leads_somewhere(published: Document) -> None:
    assert dead_links(published) == []


def test_ids_of_routes_are_their_own(published: Document) -> None:
    ids = [operation["operationId"] for _, operation in operations(published)]

    assert len(ids) == len(set(ids))
    assert operation_id("PATCH", "/users/{user_id}") in ids


def test_a_route_without_examples_is_told_what_it_takes() -> None:
    others = [about for about in DESCRIBED if about.route != "GET /me"]

    with pytest.raises(IncompleteError, match=r"GET /me is not described: add Described\('GET /me', …\)"):
        document(DOORS, others)


def test_examples_of_no_route_are_found() -> None:
    stray = Described("GET /you", "people", "Nobody answers.", ())

    with pytest.raises(IncompleteError, match="GET /you"):
        document(DOORS, [*DESCRIBED, stray])


BOOKING = "/allocations/auto"
Fault = Callable[[Document], object]
FAULTS: dict[str, Fault] = {
    "no description": lambda auto: auto.update(description=""),
    "no permission": lambda auto: auto.update({"x-permission": ""}),
    "no body": lambda auto: auto["requestBody"]["content"]["application/json"].update(examples={}),
    "no success": lambda auto: [auto["responses"].pop(status) for status in ("200", "201")],
    "no example of 409": lambda auto: auto["responses"]["409"]["content"][PROBLEM].update(examples={}),
    "an error in plain JSON": lambda auto: auto["responses"]["409"].update(
        content={"application/json": {"examples": 1}}
    ),
}
LIES: dict[str, Fault] = {
    "a body of another type": lambda auto: _first(auto["requestBody"]["content"]["application/json"]).update(vin=7),
    "a date that is none": lambda auto: _first(auto["requestBody"]["content"]["application/json"]).update(
        start_date="2027-02-30"
    ),
    "an unknown field": lambda auto: _first(auto["requestBody"]["content"]["application/json"]).update(colour="red"),
    "an answer without its id": lambda auto: _first(auto["responses"]["201"]["content"]["application/json"])[
        "allocation"
    ].pop("allocation_id"),
    "another status": lambda auto: _first(auto["responses"]["409"]["content"][PROBLEM]).update(status=404),
    "another code": lambda auto: _first(auto["responses"]["409"]["content"][PROBLEM]).update(code="not_found"),
    "a key that cannot be": lambda auto: auto["parameters"][0].update(example="a b"),
}


def _first(content: Document) -> Document:
    example: Document = next(iter(content["examples"].values()))["value"]
    return example


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_route_that_is_not_described_in_full_is_found(published: Document, fault: Fault) -> None:
    spoilt = copy.deepcopy(published)
    fault(spoilt["paths"][BOOKING]["post"])

    assert incomplete(spoilt) != []


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_an_example_that_its_schema_refuses_is_found(published: Document, lie: Fault) -> None:
    spoilt = copy.deepcopy(published)
    lie(spoilt["paths"][BOOKING]["post"])

    assert untrue(spoilt) != []


def test_an_error_that_no_route_shows_would_be_found(published: Document) -> None:
    spoilt = copy.deepcopy(published)
    del spoilt["paths"]["/users"]["post"]["responses"]["409"]

    assert narrowest(DynoError) - codes(spoilt) - BEFORE_ANY_ROUTE == {"user_already_enrolled"}


def test_a_link_to_nowhere_is_found(published: Document) -> None:
    spoilt = copy.deepcopy(published)
    del spoilt["paths"]["/allocations/{allocation_id}"]["delete"]

    assert dead_links(spoilt) == [f"POST {BOOKING}: delete_allocations_allocation_id"]
