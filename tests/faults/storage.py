"""An S3 that is away in one way or another, on loopback."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from cdk.local.instance import LOOPBACK

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
NO_SUCH_KEY = b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
TARRIES_S = 0.6
Manner = Callable[[socket.socket, threading.Event], None]
"""What it does with somebody who asks."""


def hangs(_asking: socket.socket, over: threading.Event) -> None:
    """It takes what is asked, and never answers."""
    over.wait()


def is_busy(asking: socket.socket, _over: threading.Event) -> None:
    """It answers, that it does not."""
    asking.recv(65_536)
    head = f"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: {len(SLOW_DOWN)}\r\n"
    asking.sendall(head.encode() + b"Connection: close\r\n\r\n" + SLOW_DOWN)


def breaks_off(asking: socket.socket, _over: threading.Event) -> None:
    """It hangs up in the middle of its answer."""
    asking.recv(65_536)
    asking.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: "1"\r\nConnection: close\r\n\r\n{"version": ')


def falters(asking: socket.socket, over: threading.Event) -> None:
    """It begins its answer, and leaves it at that."""
    asking.recv(65_536)
    asking.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: "1"\r\n\r\n{"version": ')
    over.wait()


def tarries(asking: socket.socket, over: threading.Event) -> None:
    """It does what it is asked, but late; there is nothing yet."""
    wants_to_read = asking.recv(65_536).startswith(b"GET")
    over.wait(TARRIES_S)
    status, body = ("404 Not Found", NO_SUCH_KEY) if wants_to_read else ("200 OK", b"")
    head = f'HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\nETag: "1"\r\n'
    asking.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)


class Storage:
    """
    S3 as it must not be.

    Args:
        manner: None refuses every connection.
    """

    def __init__(self, manner: Manner | None) -> None:
        self._manner = manner
        self._over = threading.Event()
        self._listener = socket.create_server((LOOPBACK, 0))
        self.address = f"http://{LOOPBACK}:{self._listener.getsockname()[1]}"
        if manner is None:
            self._listener.close()

    def __enter__(self) -> Self:
        if self._manner is not None:
            threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                asking, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(asking,), daemon=True).start()

    def _answer(self, asking: socket.socket) -> None:
        with asking, suppress(OSError):
            if self._manner is not None:
                self._manner(asking, self._over)
