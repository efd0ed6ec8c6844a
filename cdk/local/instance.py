"""One local stack: the folder it remembers things in, the ports it noted there, and the lock that keeps it single."""

import fcntl
import json
import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
PORT_RANGE = range(20_000, 30_000)
"""Below the ports Linux hands to outgoing connections, so that a noted port is seldom taken the next time."""


class LocalStackError(Exception):
    """Something about the local stack that the user is told in one plain line."""


@dataclass(frozen=True)
class Ports:
    """Loopback ports of the parts behind the front."""

    database: int
    aws: int


@dataclass(frozen=True)
class Instance:
    """
    A local stack, known by its folder; `make run` and the tests each have their own.

    Attributes:
        folder: Absolute; everything the stack writes is below it.
    """

    folder: Path

    @classmethod
    def named(cls, name: str) -> "Instance":
        """The stack kept in .run/<name>."""
        return cls(ROOT / ".run" / name)

    def path(self, name: str) -> Path:
        """A file or folder of this stack; its parent exists."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / name

    def read(self, name: str) -> dict[str, Any]:
        """A noted JSON object; empty if it was never noted or its writing was cut short."""
        try:
            noted: dict[str, Any] = json.loads((self.folder / name).read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return noted

    def write(self, name: str, noted: dict[str, Any]) -> None:
        """Note a JSON object, readable by its owner only, whole or not at all."""
        draft = self.path(f"{name}.new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(noted, indent=1))
        draft.replace(self.folder / name)

    def ports(self) -> Ports:
        """The noted ports if both are free, else new ones, noted."""
        noted = self.read("ports.json")
        if noted and all(_is_free(port) for port in noted.values()):
            return Ports(**noted)
        free = (port for port in random.sample(PORT_RANGE, len(PORT_RANGE)) if _is_free(port))
        ports = Ports(database=next(free), aws=next(free))
        self.write("ports.json", {"database": ports.database, "aws": ports.aws})
        return ports

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """
        Hold the stack for this process; the system lets go of it however the process ends.

        Raises:
            LocalStackError: Another process holds it.
        """
        with self.path("lock").open("a+") as file:
            if not _lock(file.fileno()):
                raise LocalStackError(f"this stack is already running, as process {self.holder()}")
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def holder(self) -> int | None:
        """The process that runs this stack now; None if it is not running."""
        try:
            with (self.folder / "lock").open("r+") as file:
                return None if _lock(file.fileno()) else int(file.read())
        except (FileNotFoundError, ValueError):
            return None


def reserve(port: int, instead: str = "PORT=8100") -> socket.socket:
    """
    A socket bound to a port, not yet listening: callers of the front are refused until the stack is ready.

    Args:
        instead: What whoever wants another port is to type.
    Raises:
        LocalStackError: Somebody else listens there.
    """
    # The protocol is named because asyncio turns Nagle off only where it is.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
    except OSError as error:
        bound.close()
        raise LocalStackError(f"port {port} cannot be had ({error.strerror}); try {instead}") from error
    return bound


def _is_free(port: int) -> bool:
    try:
        reserve(port).close()
    except LocalStackError:
        return False
    return True


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
