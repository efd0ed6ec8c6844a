"""Child processes: started apart from the terminal, watched, and stopped with everything they started themselves."""

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from cdk.local.instance import Instance, LocalStackError

MARK = "DYNO_LOCAL_STACK"
"""Every process of a stack carries the stack's folder in this variable, and so do the processes it starts."""
POLL_S = 0.05
LOG_END_BYTES = 64 * 1024
GRACE_S = 15
"""How long a child may take to end well; ministack writes its state in that time."""


@dataclass(frozen=True)
class Child:
    """
    A running child.

    Attributes:
        log: Where its output goes.
        stop_signal: What asks it to end well.
        lasting: Whether it lives as long as the stack does.
        needed: Whether the others need it while they end.
        farewell: What its log says when all it keeps is written; it need not be waited for any longer then.
        grace_s: How long it may take to end well.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals
    lasting: bool
    needed: bool
    farewell: str | None
    grace_s: float

    @property
    def has_ended(self) -> bool:
        """Whether it is gone, for whatever reason."""
        return self.process.poll() is not None

    async def ended(self) -> int:
        """Wait for it to end; its exit status."""
        while (status := self.process.poll()) is None:
            await asyncio.sleep(POLL_S)
        return status

    def stop(self) -> bool:
        """Ask it to end, insist after the grace, end what it left behind in its group; whether it ended well."""
        well = self._asked_to_end()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return well

    def _asked_to_end(self) -> bool:
        if self.has_ended:
            return False
        said_before = self.log.stat().st_size
        self.process.send_signal(self.stop_signal)
        deadline = time.monotonic() + self.grace_s
        while time.monotonic() < deadline:
            if self.has_ended or (self.farewell and self.farewell in self._log_from(said_before)):
                return True
            time.sleep(POLL_S)
        return False

    def failure(self, what: str) -> LocalStackError:
        """What to tell the user about its end: the status and the last lines of its log."""
        words = "\n".join(self._log_end().splitlines()[-15:])
        return LocalStackError(f"{self.name} {what} (status {self.process.poll()}); {self.log} ends with:\n{words}")

    def _log_end(self) -> str:
        return self._log_from(max(0, self.log.stat().st_size - LOG_END_BYTES))

    def _log_from(self, start: int) -> str:
        with self.log.open("rb") as log:
            log.seek(start)
            return log.read().decode(errors="replace")


@dataclass
class Family:
    """The children of one stack; once stopped it has no more."""

    instance: Instance
    children: list[Child] = field(default_factory=list)
    _stopped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        env: Mapping[str, str],
        *,
        cwd: str | Path = "/",
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        lasting: bool = True,
        needed: bool = False,
        farewell: str | None = None,
        grace_s: float = GRACE_S,
    ) -> Child:
        """Start a child in a session of its own: Ctrl-C reaches the supervisor alone, which stops all in order."""
        log = self.instance.path(f"{name}.log")
        # Held while the child is made, so that a stop meanwhile does not miss it.
        with self._lock, log.open("wb") as output:
            if self._stopped:
                raise LocalStackError(f"{name} is not started any more: the stack is stopping")
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**env, MARK: str(self.instance.folder)},
                start_new_session=True,
                user=user,
            )
            child = Child(name, process, log, stop_signal, lasting, needed, farewell, grace_s)
            self.children.append(child)
        return child

    async def run(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str], cwd: str | Path = "/"
    ) -> None:
        """
        Run a command to its end; cancelling this ends the command.

        Raises:
            LocalStackError: It failed; says how its output ended.
        """
        child = self.start(name, command, env, cwd=cwd, lasting=False)
        try:
            status = await child.ended()
        finally:
            child.stop()
            self.children.remove(child)
        if status:
            raise child.failure("failed")

    async def watch(self) -> None:
        """
        Run for ever.

        Raises:
            LocalStackError: A lasting child has ended.
        """
        while True:
            for child in self.children:
                if child.lasting and child.has_ended:
                    raise child.failure("ended by itself")
            await asyncio.sleep(4 * POLL_S)

    def stop(self) -> dict[str, bool]:
        """End every child, those last that others need; who ended well."""
        with self._lock:
            self._stopped = True
        return {child.name: child.stop() for child in sorted(self.children, key=lambda child: child.needed)}


def plain_environment() -> dict[str, str]:
    """
    This process's environment without what could lead a child to the user's AWS account or through a proxy.

    Children may keep compiled modules: without them a cold Lambda worker takes twice as long.
    """
    unwanted = ("AWS_", "CDK_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


def end_leftovers(instance: Instance) -> int:
    """End what a killed supervisor of this stack left running; how many processes that were."""
    left = list(_marked(instance))
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(left, timeout=GRACE_S)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return len(left)


def _marked(instance: Instance) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == str(instance.folder):
                yield process


async def until(condition: str, deadline_s: float, holds: Callable[[], bool]) -> None:
    """
    Wait until `holds` answers true; it may block, and raise to give up.

    Raises:
        LocalStackError: It did not within `deadline_s` seconds.
    """
    end = time.monotonic() + deadline_s
    while not await asyncio.to_thread(holds):
        if time.monotonic() > end:
            raise LocalStackError(f"{condition}: not within {deadline_s:.0f} s")
        await asyncio.sleep(POLL_S)
