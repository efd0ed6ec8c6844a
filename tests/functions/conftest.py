"""Doors in process: an event in, the answer, the line and the row out."""

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

from dyno.database import engine
from dyno.observability import logger
from dyno.settings import Settings, settings
from functions.metrics_ingest import handler as ingest
from tests.settings import SETTINGS

EVENTS = Path(__file__).parents[2] / "events"


@dataclass
class Context:
    """As much of Lambda's context as the doors read."""

    aws_request_id: str = "lambda-request-id"

    def get_remaining_time_in_millis(self) -> int:
        return 20_000


@dataclass
class Answer:
    """What the gateway would send."""

    status: int
    headers: dict[str, str]
    body: Any


class Caller(StrEnum):
    """Everybody who may come to a door."""

    USER = "user"
    POWER_USER = "power_user"
    ADMIN = "admin"
    NO_GROUP = "no group"
    SCRAPER = "scraper"
    NOBODY = "nobody"


def claims(caller: Caller, sub: str | None = None) -> dict[str, str] | None:
    """The authorizer's claims as AWS hands them over."""
    expires = {"exp": "Tue Nov 23 18:39:39 UTC 2999", "iss": SETTINGS.user_pool_issuer}
    match caller:
        case Caller.NOBODY:
            return None
        case Caller.SCRAPER:
            return expires | {"token_use": "access", "client_id": "scraper", "sub": "scraper", "scope": "metrics/read"}
        case Caller.NO_GROUP:
            return expires | {"token_use": "id", "aud": "web", "sub": sub or "someone"}
    return expires | {"token_use": "id", "aud": "web", "sub": sub or str(caller), "cognito:groups": str(caller)}


def gateway_event(
    method: str,
    path: str,
    *,
    body: Any = None,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    authorised: dict[str, str] | None = None,
) -> dict[str, Any]:
    """
    An event of the REST gateway, made from the real one in events/.

    Args:
        body: Bytes are of a media type that the gateway takes for binary.
    """
    event: dict[str, Any] = json.loads((EVENTS / "auto_allocation.json").read_text())
    given = {"Content-Type": "application/json"} | (headers or {})
    event |= {
        "httpMethod": method,
        "path": path,
        "headers": given,
        "multiValueHeaders": {name: [value] for name, value in given.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} if query else None,
        "body": _sent(body),
        "isBase64Encoded": isinstance(body, bytes),
    }
    event["requestContext"] |= {"httpMethod": method, "resourcePath": path}
    event["requestContext"]["authorizer"] = {"claims": authorised} if authorised else None
    return event


def _sent(body: Any) -> str | None:
    match body:
        case None | str():
            return body
        case bytes():
            return base64.b64encode(body).decode()
    return json.dumps(body)


Call = Callable[..., Answer]
Feed = Callable[[list[dict[str, Any]]], dict[str, float]]


@pytest.fixture(autouse=True)
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """S3 with the buckets of the snapshot and of uploads, and nothing of the real one within reach."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("UPLOADS_BUCKET", "uploads")
    monkeypatch.setenv("UPLOADS_DOMAIN", "uploads.s3.us-east-1.amazonaws.com")
    with mock_aws():
        for name in ("snapshots", "uploads"):
            boto3.client("s3", "us-east-1").create_bucket(Bucket=name)
        yield


Printed = Callable[[], str]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Iterator[Printed]:
    """Gives all that was printed and logged since it was asked last; the logger keeps the stdout of its first day."""
    log = StringIO()
    handler: Any = logger.registered_handler
    before = handler.setStream(log)

    def since() -> str:
        said = capsys.readouterr().out + log.getvalue()
        log.seek(0)
        log.truncate()
        return said

    yield since
    handler.setStream(before)


@pytest.fixture
def enter(
    settings_as: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[[str], None]:
    """Gives the process the environment of a door that logs in as a role."""

    def give(role: str) -> None:
        known = settings_as(role)
        for field in fields(known):
            value = getattr(known, field.name)
            monkeypatch.setenv(field.name.upper(), getattr(value, "key", str(value)))
        settings.cache_clear()
        request.addfinalizer(engine(settings()).dispose)
        request.addfinalizer(settings.cache_clear)

    return give


@pytest.fixture
def call(enter: Callable[[str], None]) -> Call:
    """Calls a door as somebody."""

    def answer(
        door: ModuleType, method: str, path: str, *, caller: Caller = Caller.USER, sub: str | None = None, **parts: Any
    ) -> Answer:
        enter(f"dyno_{door.__name__.split('.')[1]}")
        event = gateway_event(method, path, authorised=claims(caller, sub), **parts)
        said = door.handler(event, Context())
        headers = {name: values[0] for name, values in said["multiValueHeaders"].items()}
        body = json.loads(said["body"]) if "json" in headers.get("Content-Type", "") else said["body"]
        return Answer(said["statusCode"], headers, body)

    return answer


@pytest.fixture
def feed(enter: Callable[[str], None]) -> Feed:
    """Hands log events to the ingest door as CloudWatch Logs does."""

    def hand_over(log_events: list[dict[str, Any]]) -> dict[str, float]:
        enter("dyno_ingest")
        batch = json.loads((EVENTS / "log_batch.json").read_text())
        delivery = json.loads(gzip.decompress(base64.b64decode(batch["awslogs"]["data"])))
        delivery["logEvents"] = log_events
        data = base64.b64encode(gzip.compress(json.dumps(delivery).encode())).decode()
        return ingest.handler({"awslogs": {"data": data}}, Context())  # type: ignore[arg-type]

    return hand_over
