"""The local people are enrolled by the API, once."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cdk.local import stack, users
from cdk.local.instance import LOOPBACK, Instance, LocalStackError
from cdk.local.stack import Stack


class Api(ThreadingHTTPServer):
    """
    Notes what it is asked.

    Attributes:
        status: What it answers.
        asked: Path, token and body of each request.
    """

    status = 201

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), Answer)
        self.asked: list[tuple[str, str | None, Any]] = []


class Answer(BaseHTTPRequestHandler):
    """Answers as its server says."""

    server: Api

    def do_POST(self) -> None:
        """Note it."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quietly."""


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def id_token(sub: str) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"sub": sub}).encode()).decode().rstrip("=")
    return f"header.{payload}.signature"


TOKENS = {role: id_token(f"sub-of-{role}") for role in users.ROLES}


@pytest.fixture
def here(tmp_path: Path) -> Instance:
    instance = Instance(tmp_path)
    instance.write("users.json", {"pool_id": "pool", "passwords": {}})
    return instance


def deployed(api: Api) -> Stack:
    return Stack("", 0, api.server_port, "pool", "", "", {})


def test_each_person_is_enrolled_by_the_admin_once(here: Instance, api: Api) -> None:
    for _ in range(2):
        users.enrol(here, deployed(api), TOKENS)

    assert api.asked == [
        (f"{stack.API_PREFIX}/users", f"Bearer {TOKENS['admin']}", {"sub": f"sub-of-{role}", "role": role})
        for role in users.ROLES
    ]
    assert here.read("users.json") == {"pool_id": "pool", "passwords": {}, "enrolled": True}


def test_people_whom_an_earlier_start_enrolled_are_left_as_they_are(here: Instance, api: Api) -> None:
    api.status = 409

    users.enrol(here, deployed(api), TOKENS)

    assert here.read("users.json")["enrolled"] is True


def test_an_api_that_would_not_is_told_and_asked_again_by_the_next_start(here: Instance, api: Api) -> None:
    api.status = 503
    with pytest.raises(LocalStackError, match="cannot be enrolled: 503"):
        users.enrol(here, deployed(api), TOKENS)

    api.status = 201
    users.enrol(here, deployed(api), TOKENS)

    assert len(api.asked) == 1 + len(users.ROLES)
