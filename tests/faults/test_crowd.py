"""Five hundred environments on a cluster of one capacity unit: who gets no session is told so, at once."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from cdk.local import postgres
from dyno import bootstrap
from dyno.database import autocommit, engine
from dyno.settings import Settings
from tests.faults.answers import LIMIT_S, Told, amiss, by_the_room
from tests.faults.server import FAST, Stoppable

pytestmark = pytest.mark.xdist_group("own server")  # what is set up is set up once

FOR_US = 189 - 3
"""
Sessions of Aurora at one capacity unit, without those that PostgreSQL keeps for superusers.

Source:
    Aurora's user guide, "Maximum connections for Aurora Serverless v2".
"""
ENVIRONMENTS = {"dyno_allocations": 260, "dyno_metrics": 120, "dyno_ingest": 120}
LIMITS = {role.name: role.connections for role in bootstrap.ROLES}
ROUNDS = 2
AT_ONCE = 50
"""Environments that are not frozen: more would wait for this machine's processors, and not for the database."""

SAMPLE_S = 0.02

_HELD = """select usename, count(*) from pg_stat_activity
            where usename like 'dyno%' and backend_type = 'client backend' group by usename"""


@dataclass
class Crowd:
    """
    What came of it.

    Attributes:
        most: Sessions that each role, and all together, were ever seen to have.
    """

    told: list[Told]
    most: Counter[str] = field(default_factory=Counter)


@contextmanager
def counting(server: Stoppable, most: Counter[str]) -> Iterator[None]:
    """Note the most sessions there are as long as this lasts."""
    over = threading.Event()
    watcher = postgres.connect(server.port)

    def count() -> None:
        while not over.wait(SAMPLE_S):
            held = {str(role): int(str(number)) for role, number in watcher.run(_HELD)}
            for role, number in (held | {"all": sum(held.values())}).items():
                most[role] = max(most[role], number)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        watcher.close()


def work(over: Engine) -> None:
    """A request that takes its time in the database."""
    with autocommit(over) as connection:
        connection.scalar(text("select 1 from pg_sleep(0.05)"))


def gather(server: Stoppable, environments: list[Engine]) -> Crowd:
    """Have all of them ask; who is served keeps the session, as a frozen environment does, and all ask once more."""
    crowd = Crowd([])
    with counting(server, crowd.most), ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in range(ROUNDS):
            crowd.told.extend(threads.map(lambda over: by_the_room(lambda: work(over)), environments))
    return crowd


@pytest.fixture(scope="module")
def small(own_server: Stoppable) -> Iterator[Stoppable]:
    """The server with room for as few as there is on Aurora at its smallest."""
    most = int(str(own_server.run("show max_connections")[0][0]))
    own_server.set("superuser_reserved_connections", most - FOR_US)
    own_server.stop(FAST)
    own_server.start()
    yield own_server
    own_server.run("alter system reset all")
    own_server.stop(FAST)
    own_server.start()


@pytest.fixture
def environments(small: Stoppable, on_it: Callable[[str], Settings]) -> Iterator[list[Engine]]:
    """Each with a pool of its own, as each Lambda environment has."""
    made = [
        engine.__wrapped__(replace(on_it(role), release=f"{role} {number}"))
        for role, count in ENVIRONMENTS.items()
        for number in range(count)
    ]
    yield made
    for each in made:
        each.dispose()


def beyond(most: Counter[str]) -> dict[str, int]:
    """Roles that had more sessions than they may have, and all together if there were more than there are for us."""
    return {role: number for role, number in most.items() if number > LIMITS.get(role, FOR_US)}


def test_who_of_a_crowd_gets_no_session_is_told_to_come_back(small: Stoppable, environments: list[Engine]) -> None:
    crowd = gather(small, environments)

    assert Counter(told.status for told in crowd.told).keys() == {200, 503}
    assert [amiss(told) for told in crowd.told if told.status != 200 and amiss(told)] == []
    assert max(told.took_s for told in crowd.told) < LIMIT_S
    assert beyond(crowd.most) == {}
    assert crowd.most["all"] > 0.9 * FOR_US  # it was a crowd

    for each in environments:
        each.dispose()
    afterwards = environments[:: len(environments) // 50]
    assert {by_the_room(partial(work, each)).status for each in afterwards} == {200}


def test_a_role_that_takes_what_is_everybodys_would_be_found(small: Stoppable, environments: list[Engine]) -> None:
    limit = LIMITS["dyno_allocations"]
    small.run("alter role dyno_allocations connection limit -1")
    try:
        crowd = gather(small, environments[: limit + 10])
    finally:
        small.run(f"alter role dyno_allocations connection limit {limit}")

    assert beyond(crowd.most).keys() == {"dyno_allocations"}


def sessions_of_two_at_once(known: Settings) -> int:
    """How many sessions an environment takes whose function asks for two things at once."""
    over = engine.__wrapped__(known)

    def ask() -> Any:
        with autocommit(over) as connection:
            return connection.scalar(text("select pg_backend_pid() from pg_sleep(0.2)"))

    with ThreadPoolExecutor(2) as threads:
        sessions = {told.result() for told in [threads.submit(ask) for _ in range(2)]}
    over.dispose()
    return len(sessions)


def test_an_environment_has_one_session(stoppable: Stoppable, on_it: Callable[[str], Settings]) -> None:
    assert sessions_of_two_at_once(on_it("dyno_allocations")) == 1


def test_an_environment_of_several_would_be_found(
    stoppable: Stoppable, on_it: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"max_overflow": 1}
    monkeypatch.setattr("dyno.database.create_engine", lambda *how, **other: create_engine(*how, **other | more))

    assert sessions_of_two_at_once(on_it("dyno_allocations")) == 2
