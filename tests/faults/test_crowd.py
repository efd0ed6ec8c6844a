"""Five hundred environments at once, on a cluster of one capacity unit: who gets no session is told so, at once."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import Engine, text

from cdk.local import postgres
from dyno import bootstrap, database
from dyno.database import autocommit, engine
from dyno.settings import Settings
from tests.faults.answers import Told, amiss, by_the_room
from tests.faults.server import FAST, Stoppable

FOR_US = 189 - 3
"""
Sessions of Aurora at one capacity unit, without those that PostgreSQL keeps for superusers.

Source:
    Aurora's user guide, "Maximum connections for Aurora Serverless v2".
"""
ENVIRONMENTS = {"dyno_allocations": 260, "dyno_metrics": 120, "dyno_ingest": 120}
LIMITS = {role.name: role.connections for role in bootstrap.ROLES}
ROUNDS = 2
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
        connection.scalar(text("select 1 from pg_sleep(0.2)"))


def gather(server: Stoppable, environments: list[Engine]) -> Crowd:
    """Have all of them ask at once, and those who are served ask again."""
    crowd = Crowd([])
    begin = threading.Barrier(len(environments))

    def requests(over: Engine) -> list[Told]:
        begin.wait()
        return [by_the_room(lambda: work(over)) for _ in range(ROUNDS)]

    with counting(server, crowd.most), ThreadPoolExecutor(len(environments)) as threads:
        for told in threads.map(requests, environments):
            crowd.told.extend(told)
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


def test_a_crowd_is_served_as_far_as_there_are_sessions_and_the_rest_is_told_to_come_back(
    small: Stoppable, environments: list[Engine]
) -> None:
    crowd = gather(small, environments)

    statuses = Counter(told.status for told in crowd.told)
    assert statuses.keys() == {200, 503}
    assert [amiss(told) for told in crowd.told if told.status != 200 and amiss(told)] == []
    assert max(told.took_s for told in crowd.told) < database.ANSWER_TIMEOUT_S + 1
    assert {role: most for role, most in crowd.most.items() if most > LIMITS.get(role, FOR_US)} == {}
    assert crowd.most["all"] > 0.9 * FOR_US  # it was a crowd

    for each in environments:
        each.dispose()
    afterwards = environments[:: len(environments) // 50]
    assert {by_the_room(lambda each=each: work(each)).status for each in afterwards} == {200}  # type: ignore[misc]
