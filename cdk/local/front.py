"""
The address users see: passes each request on to the API's path in the local AWS and its answer back.

AWS serves an API at a host of its own; ministack at a long path of one port. The front hides that path, keeps
connections open on both sides, and, for a scrape without a token, adds the scraper's.
"""

import asyncio
import contextlib
import json
import re
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import h11

MAX_HEADER_BYTES = 256 * 1024
CHUNK = 64 * 1024
SCRAPE_PATH = b"/metrics/prometheus"
RETRY_AFTER_S = 5
_CORRELATION_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_HOP_BY_HOP = frozenset(
    # RFC 9110, section 7.6.1; Expect is answered here, Host is the upstream's own.
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade", b"expect", b"host")
)

Token = Callable[[], Awaitable[str]]


class UpstreamAwayError(Exception):
    """The local AWS did not answer."""


@dataclass(frozen=True)
class Upstream:
    """Where requests go: an address and the path the API has there."""

    host: str
    port: int
    prefix: bytes


class Front:
    """A proxy of one API; `scrape_token` gives the access token of a scrape that brings none."""

    def __init__(self, upstream: Upstream, scrape_token: Token) -> None:
        self._upstream = upstream
        self._scrape_token = scrape_token
        self._clients: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def serving(self, bound: socket.socket) -> AsyncIterator[None]:
        """Serve on a bound socket while the block runs; its end cuts open connections."""
        server = await asyncio.start_server(self._serve, sock=bound, limit=MAX_HEADER_BYTES, backlog=512)
        try:
            yield
        finally:
            server.close()
            for client in self._clients:
                client.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a connection is served by a task
        self._clients.add(task)
        exchange = _Exchange(self._upstream, self._scrape_token, _Side(h11.SERVER, reader, writer))
        try:
            await exchange.run()
        except (OSError, h11.ProtocolError, asyncio.CancelledError):
            pass  # the client left or speaks no HTTP any more; there is nobody to tell
        finally:
            self._clients.discard(task)
            exchange.close()


class _Side:
    """One connection of an exchange: an HTTP state machine and the stream it speaks on."""

    def __init__(
        self, role: type[h11.CLIENT] | type[h11.SERVER], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.http = h11.Connection(role, max_incomplete_event_size=MAX_HEADER_BYTES)
        self._reader = reader
        self._writer = writer

    async def send(self, event: h11.Event) -> None:
        data = self.http.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def receive(self) -> object:
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self._reader.read(CHUNK))
        return event

    async def answer_100(self) -> None:
        if self.http.they_are_waiting_for_100_continue:
            await self.send(h11.InformationalResponse(status_code=100, headers=[]))

    @property
    def is_over(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    def close(self) -> None:
        self._writer.close()


class _Exchange:
    """The requests of one client connection, in turn, each over the same upstream connection while that lasts."""

    def __init__(self, upstream: Upstream, scrape_token: Token, client: _Side) -> None:
        self._upstream = upstream
        self._scrape_token = scrape_token
        self._client = client
        self._server: _Side | None = None

    def close(self) -> None:
        self._client.close()
        self._drop_server()

    async def run(self) -> None:
        while True:
            try:
                request = await self._client.receive()
            except h11.RemoteProtocolError as error:
                await self._refuse(error.error_status_hint, "bad_request", str(error))
                return
            if not isinstance(request, h11.Request):
                return
            await self._pass(request)
            if self._client.http.our_state is not h11.DONE or self._client.http.their_state is not h11.DONE:
                return
            self._client.http.start_next_cycle()

    async def _pass(self, request: h11.Request) -> None:
        try:
            await self._send_request(request)
            await self._send_body()
            await self._return_answer()
        except UpstreamAwayError as error:
            self._drop_server()
            if self._client.http.our_state is not h11.SEND_RESPONSE:
                raise OSError("the answer was cut short") from error
            await self._refuse(503, "unavailable", f"The local AWS is away: {error}", request)

    async def _send_request(self, request: h11.Request) -> None:
        rewritten = h11.Request(
            method=request.method, target=self._target(request.target), headers=await self._headers(request)
        )
        server = await self._connect()
        with _upstream_away():
            await server.send(rewritten)

    async def _send_body(self) -> None:
        await self._client.answer_100()
        event = await self._client.receive()
        while isinstance(event, h11.Data):
            await self._forward(event)
            event = await self._client.receive()
        await self._forward(h11.EndOfMessage())

    async def _forward(self, event: h11.Event) -> None:
        assert self._server is not None  # noqa: S101  # the request's head went there
        with contextlib.suppress(OSError):  # it may have answered before it read everything; that is seen next
            await self._server.send(event)

    async def _return_answer(self) -> None:
        assert self._server is not None  # noqa: S101  # the request went there
        started = False
        while True:
            with _upstream_away():
                event = await self._server.receive()
            if isinstance(event, h11.InformationalResponse):
                continue
            if isinstance(event, h11.Response):
                started = True
                await self._client.send(_answer(event))
            elif isinstance(event, h11.Data):
                await self._client.send(event)
            elif isinstance(event, h11.EndOfMessage):
                await self._client.send(h11.EndOfMessage())
                break
            else:
                raise UpstreamAwayError("it closed the connection" + (" midway" if started else ""))
        self._keep_server()

    def _keep_server(self) -> None:
        assert self._server is not None  # noqa: S101  # it has just answered
        if self._server.http.our_state is h11.DONE and self._server.http.their_state is h11.DONE:
            self._server.http.start_next_cycle()
        else:
            self._drop_server()

    def _drop_server(self) -> None:
        if self._server:
            self._server.close()
            self._server = None

    async def _connect(self) -> _Side:
        if self._server and self._server.is_over:
            self._drop_server()
        if self._server is None:
            with _upstream_away():
                streams = await asyncio.open_connection(self._upstream.host, self._upstream.port)
            self._server = _Side(h11.CLIENT, *streams)
        return self._server

    def _target(self, target: bytes) -> bytes:
        path = re.sub(rb"^[a-z]+://[^/?]*", b"", target)  # a proxy's absolute form
        return self._upstream.prefix + (path if path.startswith(b"/") else b"/" + path)

    async def _headers(self, request: h11.Request) -> list[tuple[bytes, bytes]]:
        headers = [(name, value) for name, value in request.headers if name not in _HOP_BY_HOP]
        # Where it is found itself, for answers that say so; on AWS the gateway tells the function.
        headers = [each for each in headers if each[0] != b"x-forwarded-host"]
        headers += [(b"x-forwarded-host", value) for name, value in request.headers if name == b"host"]
        headers.append((b"host", f"{self._upstream.host}:{self._upstream.port}".encode()))
        is_scrape = request.target.split(b"?")[0] == SCRAPE_PATH
        if is_scrape and not any(name == b"authorization" for name, _ in headers):
            headers.append((b"authorization", b"Bearer " + (await self._scrape_token()).encode()))
        return headers

    async def _refuse(self, status: int, code: str, detail: str, request: h11.Request | None = None) -> None:
        """Answer in the gateway's stead, in the gateway's form; the connection ends with it."""
        given = dict(request.headers).get(b"x-correlation-id", b"") if request else b""
        correlation_id = given.decode() if _CORRELATION_ID.fullmatch(given) else str(uuid.uuid4())
        body = json.dumps(
            {
                "type": f"urn:dyno-agent:problem:{code}",
                "title": "The service cannot answer right now" if status == 503 else "The request is not HTTP",  # noqa: PLR2004
                "status": status,
                "detail": detail,
                "code": code,
                "correlation_id": correlation_id,
                "errors": [],
            }
        ).encode()
        headers = [
            ("content-type", "application/problem+json"),
            ("content-length", str(len(body))),
            ("x-correlation-id", correlation_id),
            ("retry-after", str(RETRY_AFTER_S)),
            ("connection", "close"),
        ]
        await self._client.send(h11.Response(status_code=status, headers=headers))
        if request is None or request.method != b"HEAD":
            await self._client.send(h11.Data(data=body))
        await self._client.send(h11.EndOfMessage())


def _answer(response: h11.Response) -> h11.Response:
    headers = [(name, value) for name, value in response.headers if name not in _HOP_BY_HOP]
    return h11.Response(status_code=response.status_code, reason=response.reason, headers=headers)


@contextlib.contextmanager
def _upstream_away() -> Iterator[None]:
    try:
        yield
    except (OSError, h11.RemoteProtocolError) as error:
        raise UpstreamAwayError(str(error)) from error
