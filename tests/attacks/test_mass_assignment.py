"""What is the service's own to say no caller can say: ids, owners, versions, times, in any body of any route."""

import copy
import inspect
import json
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from dyno.http import Door
from dyno.settings import settings
from dyno.tables import metadata
from tests.attacks.conftest import Knock
from tests.doors import routes
from tests.functions.conftest import Caller, claims
from tests.openapi.document import PAGE
from tests.things import BODIES, KEPT, Asked, Body, Things, about, request

ADMIN = claims(Caller.ADMIN)


def model_of(function: Callable[..., Any]) -> tuple[str, type[BaseModel]] | None:
    """The parameter that takes a route's body, and its type."""
    for parameter in inspect.signature(function).parameters.values():
        if isinstance(parameter.annotation, type) and issubclass(parameter.annotation, BaseModel):
            return parameter.name, parameter.annotation
    return None


MODELS = {route: found for route, _, function in routes() if (found := model_of(function))}


def known() -> set[str]:
    """Every name of the service's own: of all columns that requests lead to, and of all that answers show."""
    columns = {column.name for table in (*KEPT, "users") for column in metadata.tables[table].columns}
    schemas = json.loads(PAGE.read_text())["components"]["schemas"].values()
    return columns | {each for schema in schemas for each in schema.get("properties", {})}


NAMES = known()
VALUES: dict[str, Any] = {
    "allocation_id": 1,
    "booked_by": "eve",
    "sub": "eve",
    "role": "admin",
    "status": "completed",
    "version": 99,
    "created_at": "2026-01-01T00:00:00Z",
    "enrolled_at": "2026-01-01T00:00:00Z",
    "shift_days": 0,
    "permissions": ["manage:dynos"],
    "allocation": {"booked_by": "eve"},
}
"""As somebody would try it; another name is tried with a number."""


def tried(body: Body, model: type[BaseModel]) -> Iterator[tuple[str, Body]]:
    """Each body that says something that is not the caller's to say: at its top, and wherever it nests."""
    for name in sorted(NAMES - model.model_fields.keys()):
        yield name, body | {name: VALUES.get(name, 1)}
    for path in _nested(body):
        spoilt = copy.deepcopy(body)
        place: Any = spoilt
        for step in path:
            place = place[step]
        place["booked_by"] = "eve"
        yield ".".join(map(str, [*path, "booked_by"])), spoilt


def _nested(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in inside:
        if isinstance(part, dict):
            yield (*path, step)
        yield from _nested(part, (*path, step))


def taken(knock: Knock, things: Things, route: str) -> list[str]:
    """Names that a route took from a caller, or did not name when it refused them."""
    of = about(things, route, "ann")
    good = request(things, route, of)
    before = things.fingerprint()
    found = []
    assert isinstance(good.body, dict)
    for name, body in tried(good.body, MODELS[route][1]):
        said = knock(Asked(route, good.path, good.query, good.headers, body), ADMIN)
        named = [fault["field"] for fault in said.body.get("errors", [])]
        if said.status != 422 or f"body.{name}" not in named:
            found.append(name)
    if things.fingerprint() != before:
        found.append("stored")
    return found


@pytest.mark.parametrize("route", MODELS)
def test_no_body_says_what_is_the_services_own_to_say(knock: Knock, things: Things, route: str) -> None:
    assert taken(knock, things, route) == []


@pytest.mark.parametrize("route", MODELS)
def test_without_it_the_body_is_good(knock: Knock, things: Things, route: str) -> None:
    assert knock(request(things, route, about(things, route, "ann")), ADMIN).status in {200, 201}


def test_every_body_is_tried_with_every_name() -> None:
    assert MODELS.keys() == BODIES.keys()
    assert VALUES.keys() <= NAMES
    assert {"allocation_id", "booked_by", "version", "created_at", "enrolled_at", "shift_days", "id"} <= NAMES


def planted(route: str, extra: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a route take a body of the same type that forbids nothing; its door is made anew for that."""
    [(module, function)] = [(module, function) for each, module, function in routes() if each == route]
    parameter, model = MODELS[route]
    lenient = type(model.__name__, (model,), {"model_config": ConfigDict(extra=extra), "__module__": __name__})
    monkeypatch.setitem(function.__annotations__, parameter, lenient)
    monkeypatch.setattr(module, "door", _again(module))


def _again(module: ModuleType) -> Door:
    door = Door(settings)
    for method, path, function in module.door.routes():
        door.route(path, method)(function)
    return door


@pytest.mark.parametrize("extra", ["ignore", "allow"])
@pytest.mark.parametrize("route", ["POST /allocations/auto", "POST /users", "PATCH /vehicles/{vehicle_id}"])
def test_a_body_that_takes_more_than_it_knows_is_found(
    knock: Knock, things: Things, monkeypatch: pytest.MonkeyPatch, route: str, extra: str
) -> None:
    planted(route, extra, monkeypatch)

    found = taken(knock, things, route)

    assert {"allocation_id", "created_at", "stored"} <= set(found)
