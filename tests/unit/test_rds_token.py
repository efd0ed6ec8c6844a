"""Our hand-made token beside botocore's."""

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar
from unittest.mock import patch

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from dyno.rds_token import rds_token

NOW = datetime(2026, 11, 23, 12, 30, 15, tzinfo=UTC)
HOST, PORT, USER, REGION = "lab.cluster-abc.eu-west-1.rds.amazonaws.com", 5432, "dyno_allocations", "eu-west-1"


def botocores(session_token: str | None) -> str:
    credentials = Credentials("AKIDEXAMPLE", "wJalr/XUtn+FEMI", session_token)
    request = AWSRequest("GET", f"https://{HOST}:{PORT}/?Action=connect&DBUser={USER}")
    with patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        SigV4QueryAuth(credentials, "rds-db", REGION, expires=900).add_auth(request)
    return str(request.url).removeprefix("https://")


def parts(token: str) -> tuple[str, frozenset[str]]:
    address, _, query = token.partition("/?")
    return address, frozenset(query.split("&"))


@pytest.mark.parametrize("session_token", [None, "FwoGZXIvYXdzE/+=="])
def test_the_token_is_botocores(session_token: str | None) -> None:
    env = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalr/XUtn+FEMI"}
    if session_token:
        env["AWS_SESSION_TOKEN"] = session_token

    ours = rds_token(HOST, PORT, USER, REGION, env=env, now=NOW)

    assert parts(ours) == parts(botocores(session_token))


class Runtime(BaseHTTPRequestHandler):
    """Hands out credentials as Lambda does to a function with SnapStart."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.headers["Authorization"])
        given = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "wJalr/XUtn+FEMI", "Token": "FwoGZXIvYXdzE/+=="}
        body = json.dumps(given).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """It would be among what the test says."""


def test_of_a_restored_function_the_credentials_are_asked_for_at_every_connection() -> None:
    stale = {"AWS_ACCESS_KEY_ID": "AKIDSTALE", "AWS_SECRET_ACCESS_KEY": "of the snapshot"}
    with HTTPServer(("127.0.0.1", 0), Runtime) as runtime:
        threading.Thread(target=runtime.serve_forever, daemon=True).start()
        env = stale | {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{runtime.server_port}/",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "the-runtimes-own",
        }

        made = [rds_token(HOST, PORT, USER, REGION, env=env, now=NOW) for _ in range(2)]

        runtime.shutdown()
    assert {parts(each) for each in made} == {parts(botocores("FwoGZXIvYXdzE/+=="))}
    assert Runtime.asked == ["the-runtimes-own"] * 2
