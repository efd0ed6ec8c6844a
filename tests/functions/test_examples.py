"""The examples of docs/openapi.json come true: asked of the real doors over a real PostgreSQL, they answer alike."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.functions.conftest import Call, Caller, Feed
from tests.lab import Lab
from tests.openapi.described import Answer
from tests.openapi.document import DESCRIBED, DOORS
from tests.openapi.world import arrange, moved, shape

DOOR_OF = {
    f"{method} {path.replace('<', '{').replace('>', '}')}": door
    for door in DOORS
    for method, path, _ in door.door.routes()
}
EXAMPLES = {
    f"{about.route}: {answer.says}": (about.route, answer)
    for about in DESCRIBED
    for answer in about.answers
    if answer.replayed
}


@pytest.fixture
def arranged(lab: Lab, feed: Feed, capsys: pytest.CaptureFixture[str]) -> Lab:
    """The example lab, its calls ingested."""
    arrange(lab)
    lines = [line for line in capsys.readouterr().out.splitlines() if '"dyno-call/1"' in line]
    feed([{"id": f"{number:056d}", "timestamp": 0, "message": f"{line}\n"} for number, line in enumerate(lines)])
    return lab


def differences(call: Call, route: str, example: Answer) -> list[str]:
    """What is otherwise than the example says, if one asks what it asks."""
    method, path = route.split()
    asked = example.asked
    said = call(
        DOOR_OF[route],
        method,
        path.format(**asked.path),
        caller=Caller.SCRAPER if path == "/metrics/prometheus" else Caller.ADMIN,
        query=moved(asked.query) or None,
        headers=dict(asked.headers),
        body=moved(asked.body) if asked.body is not None else None,
    )
    pairs = {
        "status": (example.status, said.status),
        "content type": (example.content_type, said.headers.get("Content-Type", "").split(";")[0]),
        "answer": (shape(example.value), shape(said.body)),
        **{name: (True, name in said.headers) for name in example.headers if name != "Idempotency-Replayed"},
    }
    return [
        f"{what}: {told} in the example, {is_so} in truth" for what, (told, is_so) in pairs.items() if told != is_so
    ]


@pytest.mark.parametrize(("route", "example"), EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_comes_true(call: Call, arranged: Lab, route: str, example: Answer) -> None:
    assert differences(call, route, example) == []


def test_nearly_every_route_is_shown_by_an_example_that_comes_true() -> None:
    proven = {route for route, _ in EXAMPLES.values()}

    assert {about.route for about in DESCRIBED} - proven == {"GET /openapi.json"}


@pytest.mark.parametrize(
    ("route", "planted", "what"),
    [
        ("GET /allocations/{allocation_id}", {"status": 404}, "status"),
        ("GET /metrics/roi.html", {"content_type": "text/plain"}, "content type"),
        ("GET /allocations/{allocation_id}", {"value": {"allocation_id": 1}}, "answer"),
        ("GET /allocations/{allocation_id}", {"headers": ("Last-Modified",)}, "Last-Modified"),
    ],
)
def test_an_example_that_is_not_true_is_found(
    call: Call, arranged: Lab, route: str, planted: dict[str, Any], what: str
) -> None:
    [told] = [example for name, example in EXAMPLES.values() if name == route]

    found = differences(call, route, replace(told, **planted))

    assert [each.split(":")[0] for each in found] == [what]


def test_a_member_that_came_to_be_null_is_found() -> None:
    assert shape({"left_at": None}) != shape({"left_at": "2027-05-20T17:00:00Z"})
    assert shape([{"a": 1}]) != shape([{"a": 1, "b": 2}])
    assert json.dumps(shape([])) != json.dumps(shape([1]))
