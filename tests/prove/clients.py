"""Clients that fight over a lab: threads of a few processes, each with a program and connections of its own."""

import logging
import math
import os
import random
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from multiprocessing.sharedctypes import Synchronized
from typing import NamedTuple

from sqlalchemy import Engine

from dyno.database import engine
from tests.prove.calls import CHANGES_OF_DYNOS, ask
from tests.prove.history import Call, Json, Outcome, Request
from tests.prove.programs import Known, Program
from tests.prove.regimes import Regime
from tests.settings import SETTINGS

TWINS, AGAIN, ANOTHER = 0.06, 0.05, 0.02
MOST_TRIES = 40
PATIENCE_S = 0.1
ANSWER_TIMEOUT_S = 120
"""A machine may be slow, and the checker is not about that."""
ROLES = {"door": "dyno_allocations", "twin": "dyno_allocations", "owner": "postgres"}
"""The owner's changes dynos and sweeps: the role that does by night may connect twice only."""
BY_OWNER = CHANGES_OF_DYNOS | {"sweep"}

_done: list["Synchronized[int]"] = []


@dataclass(frozen=True)
class Share:
    """
    What one process does of a lab's operations.

    Attributes:
        name: Begins the name of each of its clients.
    """

    name: str
    port: int
    database: str
    regime: Regime
    seed: int
    clients: int
    operations: int
    today: date


class Line(NamedTuple):
    """One of a client's connections, and the name by which the server knows it."""

    name: str
    over: Engine


def begin(done: "Synchronized[int]") -> None:
    """Make ready a process: it counts what it has done, and nobody reads its records of calls."""
    _done.append(done)
    logging.disable()  # the pool tells of each connection that is killed
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def run(share: Share) -> list[Call]:
    """All that its clients asked and were told."""
    known = Known()
    clients = [Client(share, f"{share.name}{number}", known) for number in range(share.clients)]
    with ThreadPoolExecutor(share.clients) as pool:
        return [call for calls in pool.map(Client.run, clients) for call in calls]


class Client:
    """One client: it asks one thing after the other, and at times the same thing twice at once."""

    def __init__(self, share: Share, name: str, known: Known) -> None:
        self._chance = random.Random(f"{share.seed} {name}")
        self._program = Program(name, share.regime, self._chance, known, share.today)
        self._known = known
        self._operations = math.ceil(share.operations / share.clients)
        self._lines = _lines(share, name)
        self._calls: list[Call] = []
        self._keyed: list[Request] = []

    def run(self) -> list[Call]:
        """Everything it asked, as often as it asked."""
        with ThreadPoolExecutor(1) as pool:
            while len(self._calls) < self._operations:
                self._want(self._request(), pool)
        for line in self._lines.values():
            line.over.dispose()
        return self._calls

    def _request(self) -> Request:
        request = self._program.next()
        if self._keyed and self._chance.random() < AGAIN:
            return self._chance.choice(self._keyed)
        if self._keyed and self._chance.random() < ANOTHER:
            return self._program.another(self._chance.choice(self._keyed))
        if request.key:
            self._keyed.append(request)
        return request

    def _want(self, request: Request, pool: ThreadPoolExecutor) -> None:
        twin = None
        if request.key and self._chance.random() < TWINS:
            twin = pool.submit(ask, self._lines["twin"].over, self._lines["twin"].name, request)
        call = self._ask(request)
        if twin:
            self._note(*twin.result())
        for _ in range(MOST_TRIES):
            if call.outcome is not Outcome.UNKNOWN:
                break
            time.sleep(PATIENCE_S)
            if not request.key:
                break
            call = self._ask(request)

    def _ask(self, request: Request) -> Call:
        line = self._lines["owner" if request.kind in BY_OWNER else "door"]
        return self._note(*ask(line.over, line.name, request))

    def _note(self, call: Call, seen: list[Json]) -> Call:
        self._calls.append(call)
        for each in [*seen, *(after for _, after in call.displaced), *([call.answer] if call.answer else [])]:
            if not call.request.dry_run and call.request.kind not in CHANGES_OF_DYNOS:
                self._known.see(each)
        if call.code in {"stale", "allocation_closed"}:
            self._known.forget(call.request.asked["allocation_id"])
        with _done[0].get_lock():
            _done[0].value += 1
        return call


def _lines(share: Share, name: str) -> Mapping[str, Line]:
    """Connections of a client, for what the doors of the API do, the registry and the nightly sweep."""
    made = {}
    for what, role in ROLES.items():
        settings = replace(
            SETTINGS,
            database_port=share.port,
            database_name=share.database,
            database_user=role,
            release=f"{name}-{what}",
        )
        made[what] = Line(settings.release, engine.__wrapped__(settings, ANSWER_TIMEOUT_S))
    return made
