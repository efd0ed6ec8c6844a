"""What is done to environments while clients are at them; what is done to sessions and the server, tests.prove does."""

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from itertools import cycle

import pg8000.dbapi

from tests.load.fleet import Fleet
from tests.prove.history import Fault
from tests.prove.server import Server

OFTEN_S, SELDOM_S = (0.8, 3.0), (20.0, 60.0)
"""Between two of them; where it is watched how environments grow, each is to live for a while."""

FROZEN_S = (0.3, 1.5)

_SESSIONS = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = :name"


class Wear:
    """
    Kills environments, and freezes others until their connection is dead.

    Attributes:
        faults: What was done so far: `killed`, or `thawed`, of the environment whose connection it was.
    """

    def __init__(self, fleet: Fleet, server: Server, chance: random.Random, between_s: tuple[float, float]) -> None:
        self.faults: list[Fault] = []
        self._fleet = fleet
        self._server = server
        self._chance = chance
        self._between_s = between_s

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Make trouble as long as this lasts."""
        over = threading.Event()
        thread = threading.Thread(target=self._make, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _make(self, over: threading.Event) -> None:
        for what in cycle(("killed", "thawed")):
            if over.wait(self._chance.uniform(*self._between_s)):
                return
            began_at = time.time()
            name = self._fleet.kill(self._chance) if what == "killed" else self._freeze(over)
            self.faults.append(Fault(what, began_at, time.time(), name))

    def _freeze(self, over: threading.Event) -> str:
        with self._fleet.frozen(self._chance) as name:
            # The server may be on its way down itself: then the connection is dead all the same.
            with contextlib.suppress(pg8000.dbapi.Error, OSError):
                self._server.run(_SESSIONS, name=f"dyno/{name}")
            over.wait(self._chance.uniform(*FROZEN_S))
        return name
