"""CloudFormation's events: again, of a Delete, of what it does not have, from nobody, with nobody there to be told."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any
from urllib.error import URLError

import pytest

from cdk.local.instance import LOOPBACK
from dyno import cloudformation, migrations
from dyno.errors import InvalidRequest
from functions.bootstrap import handler as bootstrap
from functions.migrate import handler as migrate
from tests.functions.conftest import EVENTS, Context
from tests.lab import Lab

DOORS = {migrate: "schema_resource", bootstrap: "roles_resource"}
Send = Callable[..., dict[str, Any]]


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    """What CloudFormation was told; the address is of the server behind it."""
    heard: list[dict[str, Any]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:  # as the library has it
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer((LOOPBACK, 0), Listener) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        heard.append({"address": f"http://{LOOPBACK}:{server.server_address[1]}/"})
        yield heard
        server.shutdown()


@pytest.fixture(params=DOORS, ids=lambda door: door.__name__.split(".")[1])
def door(request: pytest.FixtureRequest) -> ModuleType:
    found: ModuleType = request.param
    return found


@pytest.fixture
def send(enter: Callable[[str], None], lab: Lab, door: ModuleType, told: list[dict[str, Any]]) -> Send:
    """Has CloudFormation ask for something."""
    enter("dyno_owner")
    example = json.loads((EVENTS / f"{DOORS[door]}.json").read_text())

    def hand_over(without: str = "", **changes: Any) -> dict[str, Any]:
        event = example | {"ResponseURL": told[0]["address"]} | changes
        event.pop(without, None)
        said: dict[str, Any] = door.handler(event, Context())
        return said

    return hand_over


def statuses(told: list[dict[str, Any]]) -> list[str]:
    return [each["Status"] for each in told[1:]]


def test_an_event_that_comes_again_is_done_again_and_changes_nothing(
    send: Send, told: list[dict[str, Any]], lab: Lab
) -> None:
    first, second, updated = send(), send(), send(RequestType="Update")

    assert first["Data"] == second["Data"] == updated["Data"]
    assert statuses(told) == ["SUCCESS"] * 3
    assert len({each["PhysicalResourceId"] for each in told[1:]}) == 1
    assert lab.sql("select version_num from alembic_version") == migrations.head()


def test_a_delete_is_answered_and_deletes_nothing(send: Send, told: list[dict[str, Any]], lab: Lab) -> None:
    assert send(RequestType="Delete")["Data"] == {}
    assert statuses(told) == ["SUCCESS"]
    assert lab.sql("select version_num from alembic_version") == migrations.head()


@pytest.mark.parametrize("kind", ["Destroy", None, ["Create"]])
def test_what_cloudformation_does_not_have_is_told_and_not_done(
    send: Send, told: list[dict[str, Any]], door: ModuleType, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    monkeypatch.setattr(door, door.__name__.split(".")[1], lambda *asked: done.append(asked))

    with pytest.raises(InvalidRequest, match="RequestType"):
        send(RequestType=kind)
    assert (statuses(told), done) == (["FAILED"], [])


def test_one_who_does_whatever_is_asked_would_be_found(
    send: Send, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloudformation, "_is_for_work", lambda _kind: True)

    assert send(RequestType="Delete")["Data"] != {}
    assert send(RequestType="Destroy")["Status"] == "SUCCESS"
    assert statuses(told) == ["SUCCESS"] * 2


def test_whoever_asks_by_hand_is_answered_and_nobody_is_told(send: Send, told: list[dict[str, Any]]) -> None:
    assert send(without="ResponseURL")["Status"] == "SUCCESS"
    assert statuses(told) == []


def test_nobody_to_be_told_is_an_error_of_the_function_and_the_work_is_done(
    send: Send, told: list[dict[str, Any]]
) -> None:
    with pytest.raises(URLError):
        send(ResponseURL=f"http://{LOOPBACK}:1/")
    assert send()["Status"] == "SUCCESS"


def test_one_who_tells_nobody_and_says_so_to_nobody_would_be_found(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudformation, "_put", lambda *_: None)

    assert send(ResponseURL=f"http://{LOOPBACK}:1/")["Status"] == "SUCCESS"


def test_a_failure_is_told_and_raised(
    send: Send, told: list[dict[str, Any]], door: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(door, door.__name__.split(".")[1], fail)

    with pytest.raises(RuntimeError, match="planted"):
        send()
    assert statuses(told) == ["FAILED"]
    assert told[1]["Reason"] == "RuntimeError: planted"
