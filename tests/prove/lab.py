"""A lab from its equipment to its verdict."""

import math
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized

from sqlalchemy import Connection, Engine

from dyno.database import engine
from tests.prove import clients, regimes
from tests.prove.faults import Trouble
from tests.prove.history import Call, Fault, Kept, kept
from tests.prove.judge import judged
from tests.prove.regimes import REGIMES, Regime
from tests.prove.replay import Finding
from tests.prove.server import Server
from tests.settings import SETTINGS

PROCESSES, CLIENTS = 2, 6
MOST_IN_ONE = 5_000
Sabotage = Callable[[Connection], None]


@dataclass(frozen=True)
class Went:
    """
    What a lab went through, and what is found.

    Attributes:
        took_s: The clients' time, not the judge's.
    """

    regime: Regime
    calls: list[Call]
    faults: list[Fault]
    kept: Kept
    findings: list[Finding]
    took_s: float


@dataclass
class Arena:
    """A server and processes for any number of labs, one after the other."""

    server: Server
    pool: ProcessPoolExecutor
    done: "Synchronized[int]"
    _count: int = field(default=0)

    def fight(
        self,
        regime: Regime,
        seed: int,
        operations: int,
        *,
        crashes: int = 1,
        sabotage: Sabotage | None = None,
        watch: Callable[[int], None] = lambda _: None,
    ) -> Went:
        """
        Let clients fight over a lab, and judge what came of it.

        Args:
            crashes: Of the server.
            sabotage: Breaks the lab before they begin.
            watch: Told now and then how many operations are done.
        """
        self._count += 1
        database = f"lab_{self._count}"
        self.server.copy(database)
        owner = engine(
            replace(SETTINGS, database_port=self.server.port, database_name=database, database_user="postgres"), None
        )
        try:
            return self._fought(owner, database, regime, seed, operations, crashes, sabotage, watch)
        finally:
            owner.dispose()
            self.server.drop(database)

    def _fought(
        self,
        owner: Engine,
        database: str,
        regime: Regime,
        seed: int,
        operations: int,
        crashes: int,
        sabotage: Sabotage | None,
        watch: Callable[[int], None],
    ) -> Went:
        chance = random.Random(seed)
        today = datetime.now(UTC).date()
        with owner.connect() as connection:
            regimes.equip(connection, regime, chance, today)
            if sabotage:
                sabotage(connection)
        owner.dispose()  # the server will crash
        self.done.value = 0
        trouble = Trouble(
            self.server,
            database,
            chance,
            lambda: self.done.value / operations,
            [chance.uniform(0.2, 0.6) for _ in range(crashes)],
        )
        began_at = time.monotonic()
        with trouble.going_on():
            shares = [
                clients.Share(
                    f"p{number}c",
                    self.server.port,
                    database,
                    regime,
                    seed,
                    CLIENTS,
                    math.ceil(operations / PROCESSES),
                    today,
                )
                for number in range(PROCESSES)
            ]
            running = [self.pool.submit(clients.run, share) for share in shares]
            while wait(running, timeout=0.5).not_done:
                watch(self.done.value)
        took_s = time.monotonic() - began_at
        watch(self.done.value)
        calls = sorted((call for each in running for call in each.result()), key=lambda call: call.started_at)
        self.server.look()
        there = kept(owner)
        alarms, self.server.alarms = self.server.alarms, []
        return Went(regime, calls, trouble.faults, there, judged(calls, trouble.faults, there, alarms, today), took_s)


@contextmanager
def arena(server: Server) -> Iterator[Arena]:
    """Processes for labs on a server."""
    context = get_context("spawn")
    done = context.Value("i", 0)
    with ProcessPoolExecutor(PROCESSES, mp_context=context, initializer=clients.begin, initargs=(done,)) as pool:
        try:
            yield Arena(server, pool, done)
        except BaseException:
            # Whoever interrupts does not wait for the programs to end.
            for process in list(pool._processes.values()):
                process.terminate()
            raise


def labs(operations: int, seed: int) -> Iterator[tuple[Regime, int, int]]:
    """The regimes of so many operations, each with its seed and its share; every one of them, if there are enough."""
    chance = random.Random(seed)
    count = max(2, -(-operations // MOST_IN_ONE))
    order: list[Regime] = []
    for number in range(count):
        order = order or chance.sample(REGIMES, len(REGIMES))
        regime = order.pop()
        if number % 2:
            regime = replace(regime, name=f"{regime.name}, slowly", dawdles=True)
        yield regime, chance.randrange(2**31), operations * (number + 1) // count - operations * number // count
