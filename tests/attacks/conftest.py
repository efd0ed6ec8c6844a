"""Attacks in process: at a real door, over a real PostgreSQL, with whatever claims a gateway might hand over."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.doors import name, routes
from tests.functions.conftest import (  # pytest looks for fixtures here
    Answer,
    Context,
    bucket,  # noqa: F401
    call,  # noqa: F401
    enter,  # noqa: F401
    gateway_event,
    printed,  # noqa: F401
)
from tests.lab import Lab
from tests.things import Asked, Things

Knock = Callable[[Asked, dict[str, Any] | None], Answer]


@pytest.fixture
def things(lab: Lab) -> Things:
    return Things(lab.sql)


@pytest.fixture
def knock(enter: Callable[[str], None]) -> Knock:  # noqa: F811
    """Asks a route's own door, with claims or with none."""
    door_of = {route: door for route, door, _ in routes()}

    def answer(asked: Asked, authorised: dict[str, Any] | None) -> Answer:
        door = door_of[asked.route]
        enter(f"dyno_{name(door)}")
        event = gateway_event(
            asked.method,
            asked.path,
            body=asked.body,
            query=asked.query,
            headers=asked.headers,
            authorised=authorised,
        )
        said = door.handler(event, Context())
        headers = {header: values[0] for header, values in said["multiValueHeaders"].items()}
        body = json.loads(said["body"]) if "json" in headers.get("Content-Type", "") else said["body"]
        return Answer(said["statusCode"], headers, body)

    return answer
