"""What is done to a lab's connections and its server while clients are at it."""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator

from tests.prove.history import Fault
from tests.prove.server import Server

BETWEEN_KILLS_S = (0.1, 0.6)

_VICTIMS = """select pid, substr(application_name, 6) from pg_stat_activity
               where datname = :database and application_name like 'dyno/%'
               order by state = 'active' and :busy desc, random() limit 1"""


class Trouble:
    """
    Kills connections at random, and crashes the server when so much of the work is done.

    Args:
        done: How much that is, between 0 and 1.
        crashes: At which of these.
    Attributes:
        faults: What was done so far.
    """

    def __init__(
        self, server: Server, database: str, chance: random.Random, done: Callable[[], float], crashes: list[float]
    ) -> None:
        self.faults: list[Fault] = []
        self._server = server
        self._database = database
        self._chance = chance
        self._done = done
        self._crashes = sorted(crashes)
        self._over = threading.Event()

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Make trouble as long as this lasts."""
        thread = threading.Thread(target=self._make, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _make(self) -> None:
        while not self._over.wait(self._chance.uniform(*BETWEEN_KILLS_S)):
            began_at = time.time()
            if self._crashes and self._done() >= self._crashes[0]:
                self._crashes.pop(0)
                self._server.crash()
                self.faults.append(Fault("crash", began_at, time.time()))
            else:
                self._kill(began_at)

    def _kill(self, began_at: float) -> None:
        busy = self._chance.random() < 0.7
        for pid, connection in self._server.run(_VICTIMS, database=self._database, busy=busy) or []:
            self._server.run("select pg_terminate_backend(:pid)", pid=pid)
            self.faults.append(Fault("kill", began_at, time.time(), str(connection)))
