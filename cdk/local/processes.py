"""Child processes: started apart from the terminal, watched, and stopped with everything they started themselves."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from cdk.local.instance import Instance, LocalStackError

MARK = "DYNO_LOCAL_STACK"
"""Every process of a stack carries the stack's folder in this variable, and so do the processes it starts."""
POLL_S = 0.05


@dataclass(frozen=True)
class Child:
    """
    A running child.

    Attributes:
        log: Where its output goes.
        stop_signal: What asks it to end well.
        grace_s: How long it may take to.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 10

    async def ended(self) -> int:
        """Wait for it to end; its exit status."""
        while (status := self.process.poll()) is None:
            await asyncio.sleep(POLL_S)
        return status

    def stop(self) -> None:
        """Ask it to end, insist after the grace, and end whatever it left behind in its group."""
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(self.grace_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_words(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def start(
    instance: Instance,
    name: str,
    command: Sequence[str | Path],
    env: Mapping[str, str],
    user: str | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start a child in a session of its own, so that Ctrl-C reaches the supervisor alone, which stops it in order."""
    log = instance.path(f"{name}.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={**env, MARK: str(instance.folder)},
            start_new_session=True,
            user=user,
        )
    return Child(name, process, log, stop_signal)


async def run(instance: Instance, name: str, command: Sequence[str | Path], env: Mapping[str, str]) -> None:
    """
    Run a command to its end; stopping this task stops the command.

    Raises:
        LocalStackError: It failed; says how its output ended.
    """
    child = start(instance, name, command, env)
    try:
        status = await child.ended()
    finally:
        child.stop()
    if status:
        raise LocalStackError(
            f"{name} failed with status {status}; its last words, from {child.log}:\n{child.last_words()}"
        )


def plain_environment() -> dict[str, str]:
    """This process's environment without what could lead a child to the user's AWS account or through a proxy."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_") and name != MARK}
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


def end_leftovers(instance: Instance) -> int:
    """End what a killed supervisor of this stack left running; how many processes that were."""
    left = list(_marked(instance))
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=5)
    return len(left)


def _marked(instance: Instance) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == str(instance.folder):
                yield process


async def until(condition: str, deadline_s: float, holds: Callable[[], bool]) -> None:
    """
    Wait until `holds` answers true.

    Raises:
        LocalStackError: It did not within `deadline_s` seconds.
    """
    end = time.monotonic() + deadline_s
    while not await asyncio.to_thread(holds):
        if time.monotonic() > end:
            raise LocalStackError(f"{condition}: not within {deadline_s:.0f} s")
        await asyncio.sleep(POLL_S)
