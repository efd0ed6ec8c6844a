"""The front on :8000: what goes in comes out at the API's path, and an API that is away is an answer."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from cdk.local.front import Front, Upstream
from cdk.local.instance import LOOPBACK, reserve

PREFIX = "/_aws/execute-api/api/prod"


class Api(BaseHTTPRequestHandler):
    """Says what it was asked."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        said = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": len(body)}
        text = json.dumps(said).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815  # the library's spelling

    def log_message(self, *_: Any) -> None:
        """Quietly."""


async def _token() -> str:
    return "scraper-token"


def serve(port: int) -> Iterator[str]:
    """A front before an upstream port, in a thread with a loop of its own."""
    bound, stop, loop = reserve(0), asyncio.Event(), asyncio.new_event_loop()
    front = Front(Upstream(LOOPBACK, port, PREFIX.encode()), _token)

    async def live() -> None:
        async with front.serving(bound):
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(live(),))
    thread.start()
    yield f"http://{LOOPBACK}:{bound.getsockname()[1]}"
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@pytest.fixture
def api() -> Iterator[int]:
    server = ThreadingHTTPServer((LOOPBACK, 0), Api)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(api: int) -> Iterator[httpx.Client]:
    for url in serve(api):
        with httpx.Client(base_url=url, trust_env=False) as client:
            yield client


@pytest.fixture
def lost() -> Iterator[httpx.Client]:
    """A client of a front whose API is away."""
    with reserve(0) as unused:
        port = unused.getsockname()[1]
    for url in serve(port):
        with httpx.Client(base_url=url, trust_env=False) as client:
            yield client


def test_a_request_arrives_whole_at_the_apis_path(client: httpx.Client) -> None:
    said = client.post("/allocations/auto?x=1", content=b"x" * 300_000, headers={"X-Correlation-Id": "c" * 9_000})

    assert said.status_code == 201
    seen = said.json()
    assert (seen["method"], seen["path"], seen["body"]) == ("POST", f"{PREFIX}/allocations/auto?x=1", 300_000)
    assert len(seen["headers"]["x-correlation-id"]) == 9_000


def test_one_connection_serves_many_requests(client: httpx.Client) -> None:
    assert [client.get(f"/dynos/{number}").json()["path"] for number in range(3)] == [
        f"{PREFIX}/dynos/{number}" for number in range(3)
    ]


def test_a_head_has_no_body(client: httpx.Client) -> None:
    assert client.head("/dynos").content == b""
    assert client.get("/dynos").status_code == 201


def test_only_a_scrape_without_a_token_is_given_one(client: httpx.Client) -> None:
    def bearer(path: str, **headers: str) -> str | None:
        seen: str | None = client.get(path, headers=headers).json()["headers"].get("authorization")
        return seen

    assert bearer("/metrics/prometheus") == "Bearer scraper-token"
    assert bearer("/metrics/prometheus?x=1") == "Bearer scraper-token"
    assert bearer("/metrics/prometheus", Authorization="Bearer mine") == "Bearer mine"
    assert bearer("/metrics/performance") is None


def test_an_api_that_is_away_is_a_503_with_retry_after(lost: httpx.Client) -> None:
    said = lost.get("/dynos", headers={"X-Correlation-Id": "trip-1"})

    assert (said.status_code, said.headers["Content-Type"]) == (503, "application/problem+json")
    assert said.headers["Retry-After"] == "5"
    assert (said.json()["code"], said.json()["correlation_id"]) == ("unavailable", "trip-1")
    assert lost.head("/dynos").status_code == 503
