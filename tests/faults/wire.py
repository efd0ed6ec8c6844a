"""A wire between the service and its server that can be bad: slow, deaf, cut, or in somebody else's hands."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

from cdk.local.instance import LOOPBACK

POLL_S = 0.02
Passage = Callable[[bytes], Iterator[bytes]]
"""What becomes of what one side says to the other, piece by piece."""


class Cut(Exception):
    """The wire breaks."""


def whole(said: bytes) -> Iterator[bytes]:
    """Nothing is the matter."""
    yield said


def lost(_said: bytes) -> Iterator[bytes]:
    """It is taken, and never arrives."""
    yield from ()


def half(said: bytes) -> Iterator[bytes]:
    """It breaks in the middle of what is said."""
    yield said[: len(said) // 2]
    raise Cut


def but_the_end(said: bytes) -> Iterator[bytes]:
    """
    It breaks when the server is done with a statement, and has committed it: its last word does not arrive.

    Source:
        PostgreSQL's documentation, "Message Flow": ReadyForQuery, outside of a transaction.
    """
    if said.endswith(b"Z\0\0\0\x05I"):
        raise Cut
    yield said


class Wire:
    """
    A proxy on loopback; whoever sets `to_server` or `to_client` changes it for what is said from then on.

    Attributes:
        open: Whether it lets anybody through at all; else it hangs up at once.
        silent: Whether nobody is at the other end.
    """

    def __init__(self, server_port: int) -> None:
        self.mend()
        self.over = threading.Event()
        self._calls: list[socket.socket] = []
        self._server = (LOOPBACK, server_port)
        self._listener = socket.create_server((LOOPBACK, 0), backlog=128)
        self._threads = [threading.Thread(target=self._listen, daemon=True)]

    def mend(self) -> None:
        """Nothing is the matter any more."""
        self.to_server: Passage = whole
        self.to_client: Passage = whole
        self.open = True
        self.silent = False

    @property
    def port(self) -> int:
        """Where clients call."""
        number: int = self._listener.getsockname()[1]
        return number

    def is_idle(self, within_s: float) -> bool:
        """Whether every client has heard that nobody is at the other end any more."""
        give_up_at = time.monotonic() + within_s
        while calls := [call for call in self._calls if call.fileno() >= 0]:
            if time.monotonic() > give_up_at:
                return not calls
            time.sleep(POLL_S)
        return True

    def late(self, by_s: float) -> Passage:
        """It arrives, but late."""
        return lambda said: self._slowly([said], by_s)

    def in_drops(self, every_s: float) -> Passage:
        """It arrives byte by byte."""
        return lambda said: self._slowly([said[at : at + 1] for at in range(len(said))], every_s)

    def _slowly(self, pieces: list[bytes], every_s: float) -> Iterator[bytes]:
        for piece in pieces:
            if self.over.wait(every_s):
                raise Cut
            yield piece

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _listen(self) -> None:
        while not self.over.is_set():
            if select.select([self._listener], [], [], POLL_S)[0]:
                client, _ = self._listener.accept()
                self._calls.append(client)
                thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            if self.silent:
                self.over.wait()
            elif self.open:
                with suppress(OSError), socket.create_connection(self._server) as server:
                    self._connect(client, server)

    def _connect(self, client: socket.socket, server: socket.socket) -> None:
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self._pass_on, args=(server, client, "to_client"))
        back.start()
        self._pass_on(client, server, "to_server")
        back.join()

    def _pass_on(self, speaker: socket.socket, hearer: socket.socket, direction: str) -> None:
        with suppress(OSError, Cut):
            while not self.over.is_set():
                if not select.select([speaker], [], [], POLL_S)[0]:
                    continue
                if not (said := speaker.recv(65_536)):
                    break
                passage: Passage = getattr(self, direction)  # as it is by now
                for piece in passage(said):
                    hearer.sendall(piece)
        for side in (speaker, hearer):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
