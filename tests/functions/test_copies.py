"""Copies of one process, as SnapStart makes them, share nothing that is one process's own."""

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

from cdk.stage import ROOT
from dyno.settings import Settings

OWN = ("nonce", "server_pid", "s3_key", "token_key", "drawn")
"""What each process has to itself."""

SHARED_WITHOUT = {
    "dyno.metrics.calls.renew": {"nonce"},
    "dyno.database.disconnect": {"server_pid"},
    "dyno.metrics.snapshot.forget_clients": {"s3_key"},
    "dyno.snapstart.forget_credentials": {"s3_key"},
    "dyno.snapstart.reseed": {"drawn"},
}
"""Every hook, and what the copies have in common without it."""

TOKEN = "the-runtimes-own"


class Machine(BaseHTTPRequestHandler):
    """Lambda's credentials, others each time they are asked for, and an S3 in which there is nothing."""

    numbers = itertools.count(1)

    def do_GET(self) -> None:
        if self.path != "/credentials":
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        elif self.headers["Authorization"] != TOKEN:
            self._answer(403, b"")
        else:
            expires = datetime.now(UTC) + timedelta(hours=1)
            given = {
                "AccessKeyId": f"AKID{next(self.numbers)}",
                "SecretAccessKey": "secret",
                "Token": "session",
                "Expiration": expires.isoformat(),
            }
            self._answer(200, json.dumps(given).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """It would be among what the test says."""


@pytest.fixture(scope="module")
def machine() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Machine) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Seen(NamedTuple):
    """What a process had, and what its two copies have."""

    hooks: list[str]
    original: dict[str, Any]
    copies: list[dict[str, Any]]

    @property
    def shared(self) -> set[str]:
        """What is not each process's own."""
        processes = [self.original, *self.copies]
        return {name for name in OWN if len({each[name] for each in processes}) < len(processes)}


Copy = Callable[..., Seen]


@pytest.fixture
def copy(machine: str, settings_as: Callable[[str], Settings]) -> Copy:
    """Copies a process as the runtime does, but for the one hook that is left out."""

    def run(left_out: str = "") -> Seen:
        known = settings_as("dyno_metrics")
        told = {field.name.upper(): getattr(known, field.name) for field in fields(known)}
        environment = {name: getattr(value, "key", str(value)) for name, value in told.items()} | {
            "PATH": os.environ["PATH"],
            "AWS_DEFAULT_REGION": known.aws_region,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{machine}/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN,
            "AWS_ENDPOINT_URL_S3": machine,
        }
        command = [sys.executable, "-m", "tests.functions.copied", left_out]
        ran = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return Seen(**json.loads(ran.stdout.splitlines()[-1]))

    return run


def test_copies_share_no_id_no_connection_no_credentials_and_no_chance(copy: Copy) -> None:
    before = datetime.now(UTC)

    seen = copy()

    assert seen.shared == set()
    assert set(seen.hooks) == set(SHARED_WITHOUT)
    for each in seen.copies:
        assert each["records"] == seen.original["records"]
        assert each["cold_starts"] == 0
        assert before <= datetime.fromisoformat(each["created_at"]) <= datetime.now(UTC)


@pytest.mark.parametrize("hook", SHARED_WITHOUT)
def test_without_a_hook_they_would(copy: Copy, hook: str) -> None:
    assert copy(left_out=hook).shared == SHARED_WITHOUT[hook]
