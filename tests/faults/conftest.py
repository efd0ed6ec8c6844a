"""Faults: each is caused for real, at a door over a real PostgreSQL, and is to be answered as faults.py says."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from types import ModuleType
from typing import Any, TypeAlias

import pg8000.native
import pytest

from cdk.local import postgres
from dyno.settings import Settings
from functions.allocations import handler as allocations
from functions.exports import handler as exports
from functions.imports import handler as imports
from functions.metrics import handler as metrics
from functions.roi import handler as roi
from tests.faults.answers import Told, by_the_door
from tests.faults.server import Stoppable, running
from tests.faults.wire import Wire
from tests.functions.conftest import (  # pytest looks for fixtures here
    Call,
    Caller,
    Feed,
    bucket,  # noqa: F401
    call,  # noqa: F401
    enter,  # noqa: F401
    feed,  # noqa: F401
    printed,  # noqa: F401
)
from tests.integration.metrics.pipeline import line
from tests.lab import MONDAY, Lab
from tests.settings import SETTINGS

LAB = "faulty_lab"
VIN = "9ZZ0TEST0VD000001"
BODY = {"vin": VIN, "test_type": "brake", "start_date": MONDAY.isoformat(), "days_to_complete": 1, "backup": False}

Visitor: TypeAlias = pg8000.native.Connection
Book = Callable[..., Told]
Ask = Callable[[ModuleType], Told]
Bring = Callable[[], Told]

DOORS = {
    allocations: "/vehicles",
    exports: "/exports/allocations.csv",
    metrics: "/metrics/performance",
    roi: "/metrics/business",
}
"""Those that answer somebody who waits, with a question for each."""


@pytest.fixture
def wire(server_port: int) -> Iterator[Wire]:
    """What lies between the service and its server."""
    with Wire(server_port) as made:
        yield made


@pytest.fixture
def settings_as(settings_as: Callable[[str], Settings], wire: Wire) -> Callable[[str], Settings]:
    """Settings as elsewhere; but the service's roles come by the wire."""

    def known(role: str) -> Settings:
        direct = settings_as(role)
        return replace(direct, database_port=wire.port) if role.startswith("dyno_") else direct

    return known


@pytest.fixture
def furnished(lab: Lab) -> Lab:
    """A lab with a dyno and a vehicle."""
    lab.dyno("D1")
    lab.vehicle(VIN)
    return lab


@pytest.fixture
def visitor(settings_as: Callable[[str], Settings], lab: Lab) -> Iterator[Visitor]:
    """Somebody else in the database, who may stand in the way of others."""
    known = settings_as("postgres")
    connection = postgres.connect(known.database_port, known.database_name)
    yield connection
    connection.close()


@pytest.fixture
def book(call: Call) -> Book:  # noqa: F811
    """Books over the door."""

    def post(key: str | None = None, **changes: Any) -> Told:
        headers = {"Idempotency-Key": key} if key else {}
        return by_the_door(lambda: call(allocations, "POST", "/allocations/auto", body=BODY | changes, headers=headers))

    return post


@pytest.fixture
def ask(call: Call) -> Ask:  # noqa: F811
    """Asks a door something that takes the database."""
    return lambda door: by_the_door(lambda: call(door, "GET", DOORS[door], caller=Caller.ADMIN))


@pytest.fixture
def bring(call: Call) -> Bring:  # noqa: F811
    """Hands in a sheet of one vehicle."""
    sheet = b"VIN,Weight lbs,Drive\n9ZZ0TEST0VD000009,5000,AWD\n"
    headers = {"Content-Type": "text/csv"}
    return lambda: by_the_door(
        lambda: call(imports, "POST", "/imports", body=sheet, headers=headers, caller=Caller.ADMIN)
    )


def logged(*event_ids: str) -> list[dict[str, Any]]:
    """Log events of so many calls."""
    return [{"id": name, "timestamp": at, "message": line(name)} for at, name in enumerate(event_ids)]


def delivered(feed: Feed, events: list[dict[str, Any]], tries: int = 3) -> int:  # noqa: F811
    """Hand over a batch as Lambda does, again where it failed; the tries that it took, 0 if none did."""
    for number in range(1, tries + 1):
        with suppress(Exception):
            feed(events)
            return number
    return 0


@pytest.fixture(scope="session")
def own_server() -> Iterator[Stoppable]:
    """A server that nobody else uses."""
    with running() as server:
        yield server


@pytest.fixture
def stoppable(own_server: Stoppable) -> Iterator[Stoppable]:
    """The same with an empty lab; it runs when the test is over, with nothing set that was not before."""
    own_server.copy(LAB)
    yield own_server
    own_server.run("alter system reset all")
    own_server.run("select pg_reload_conf()")
    own_server.drop(LAB)


@pytest.fixture
def on_it(stoppable: Stoppable) -> Callable[[str], Settings]:
    """Settings that log in there as a role."""
    return lambda role: replace(
        SETTINGS, database_port=stoppable.port, database_name=LAB, database_user=role, release="faults"
    )
