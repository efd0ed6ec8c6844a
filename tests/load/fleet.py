"""The environments of all functions: asked through their function, and replaced when they are gone."""

import contextlib
import itertools
import multiprocessing
import os
import queue
import random
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from tests.load.asks import Function
from tests.load.worker import Birth, Said, serve

PATIENCE_S = 29
"""The gateway's."""

LONG_S = 240
"""For what no gateway waits for."""

ROLES = {function: f"dyno_{function}" for function in Function} | {
    Function.INGEST: "dyno_ingest",
    Function.REDRIVE: "dyno_ingest",
}
PREPARED = [f"functions.{function}.handler" for function in Function] + ["tests.load.worker"]
MORTAL = (Function.ALLOCATIONS, Function.METRICS, Function.ROI, Function.INGEST)
"""Whose environments are killed and frozen; of the others there is one, at work now and then."""


def shares(workers: int) -> dict[Function, int]:
    """How many environments each function has; eight are the fewest."""
    few = {
        Function.METRICS: max(1, workers // 16),
        Function.ROI: max(1, workers // 16),
        Function.INGEST: max(1, workers // 10),
        Function.LIFECYCLE: 1,
        Function.REDRIVE: 1,
    }
    return few | {Function.ALLOCATIONS: workers - sum(few.values())}


@dataclass
class Environment:
    """
    A process that is a function's.

    Attributes:
        pipe: Events go in, what the function said comes out.
        served: How many events it has answered.
    """

    name: str
    function: Function
    process: BaseProcess
    pipe: Connection
    output: Path
    served: int = 0


class Reply(NamedTuple):
    """What came back, if anything did: None where the environment ended before it answered."""

    environment: str
    started_at: float
    ended_at: float
    said: Said | None


class Fleet:
    """
    Environments, each of which has one event at a time.

    Args:
        variables: Of each function.
        folder: Where each of them prints into a file of its own.
    Attributes:
        outputs: Those files, with whose they are; also of environments that are gone.
    """

    def __init__(self, variables: Mapping[Function, Mapping[str, str]], folder: Path) -> None:
        self.outputs: list[tuple[Function, Path]] = []
        self._variables = variables
        self._folder = folder
        # No plain fork: whatever another thread of this process holds at that moment would be held for ever.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PREPARED)
        self._free: dict[Function, queue.Queue[Environment]] = {function: queue.Queue() for function in Function}
        self._alive: dict[str, Environment] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._ended = False
        self._killed: set[str] = set()
        self._cannot_live = ""

    def start(self, counts: Mapping[Function, int]) -> None:
        """Start so many of each function."""
        for function, count in counts.items():
            for _ in range(count):
                self._free[function].put(self._born(function))

    def invoke(self, function: Function, event: Any, patience_s: float = PATIENCE_S) -> Reply:
        """Have an environment of a function answer an event, once one is free."""
        while True:
            environment = self._taken(function)
            started_at = time.time()
            try:
                environment.pipe.send(event)
            except OSError:  # it ended while it had nothing to do, so it was not asked
                self._replace(environment)
                continue
            said = self._answer(environment, patience_s)
            if said is None:
                self._replace(environment)
            else:
                environment.served += 1
                self._free[function].put(environment)
            return Reply(environment.name, started_at, time.time(), said)

    def _taken(self, function: Function) -> Environment:
        while True:
            if self._cannot_live:
                raise RuntimeError(f"environments end by themselves:\n{self._cannot_live}")
            with contextlib.suppress(queue.Empty):
                return self._free[function].get(timeout=1)

    def living(self) -> list[Environment]:
        """Those there are now."""
        with self._lock:
            return list(self._alive.values())

    def kill(self, chance: random.Random) -> str:
        """End one at once, wherever it is; gives its name."""
        environment = self._one(chance)
        self._signal(environment, signal.SIGKILL)
        return environment.name

    @contextmanager
    def frozen(self, chance: random.Random) -> Iterator[str]:
        """One that stands still meanwhile; gives its name."""
        environment = self._one(chance)
        self._signal(environment, signal.SIGSTOP)
        try:
            yield environment.name
        finally:
            self._signal(environment, signal.SIGCONT)

    def stop(self) -> None:
        """End all of them."""
        with self._lock:
            self._ended = True
            left = list(self._alive.values())
        for environment in left:
            environment.pipe.close()
        for environment in left:
            environment.process.join(5)
            if environment.process.is_alive():
                environment.process.kill()
                environment.process.join()

    def _answer(self, environment: Environment, patience_s: float) -> Said | None:
        try:
            if environment.pipe.poll(patience_s):
                said: Said = environment.pipe.recv()
                return said
        except (EOFError, OSError):
            return None
        self._signal(environment, signal.SIGKILL)  # as Lambda ends what takes too long
        return None

    def _one(self, chance: random.Random) -> Environment:
        living = [environment for environment in self.living() if environment.function in MORTAL]
        return chance.choice(sorted(living, key=lambda environment: environment.name))

    def _signal(self, environment: Environment, number: signal.Signals) -> None:
        pid = environment.process.pid
        if number == signal.SIGKILL:
            self._killed.add(environment.name)
        if pid and environment.process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _replace(self, gone: Environment) -> None:
        gone.pipe.close()
        gone.process.join()
        with self._lock:
            self._alive.pop(gone.name, None)
        if gone.name not in self._killed and not gone.served:
            self._cannot_live = gone.output.read_text(errors="replace")[-3_000:]
            return
        self._free[gone.function].put(self._born(gone.function))

    def _born(self, function: Function) -> Environment:
        with self._lock:
            if self._ended:
                raise RuntimeError("no environment is started any more")
            name = f"{function}{next(self._numbers)}"
            output = self._folder / f"{name}.log"
            birth = Birth(name, function, {**self._variables[function], "RELEASE": name}, output)
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=serve, args=(theirs, birth), name=name, daemon=True)
            process.start()
            theirs.close()
            self._alive[name] = Environment(name, function, process, ours, output)
            self.outputs.append((function, output))
            return self._alive[name]
