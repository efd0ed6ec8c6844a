"""A real PostgreSQL for the session, a migrated database of its own for each test, and a lab to fill it with."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, create_engine

from cdk.local import postgres
from cdk.local.instance import LOOPBACK, Instance
from dyno import migrations
from dyno.bootstrap import OWNER, by_connection
from dyno.database import engine
from dyno.settings import Settings
from tests.lab import Lab
from tests.settings import SETTINGS

TEMPLATE = "dyno_template"
SHARED = "dyno_shared"
EMPTY = """
do $$
declare name text;
begin
  set local session_replication_role = replica;  -- no foreign key asks about the order
  for name in select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace
                 and not relispartition and relname not in ('alembic_version', 'roi_assumptions') loop
    execute format('delete from %I', name);
  end loop;
  delete from roi_assumptions where id > 0;  -- not those that came with the service
  for name in select relname from pg_class where relkind = 'S' and relnamespace = 'public'::regnamespace loop
    perform setval(name::regclass, 1, false);
  end loop;
end $$
"""
EngineAs = Callable[[str], Engine]
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what SKIP names; pytest prints it with its reason."""
    skipped = set(os.environ.get("SKIP", "").split(","))
    for item in items:
        for needed in item.iter_markers("needs"):
            if needed.args[0] in skipped:
                item.add_marker(pytest.mark.skip(reason=f"left out by SKIP={needed.args[0]}"))


@pytest.fixture(scope="session")
def server_port() -> Iterator[int]:
    """The port of a PostgreSQL that lives as long as the session."""
    with postgres.running(Instance.named(f"tests-{os.getpid()}")) as port:
        yield port


@pytest.fixture(scope="session")
def template(server_port: int) -> str:
    """A database at the newest revision, to be copied."""
    _admin(server_port, f"create database {TEMPLATE}")
    by_connection({"DATABASE_HOST": LOOPBACK, "DATABASE_PORT": str(server_port), "DATABASE_NAME": TEMPLATE})
    owner = create_engine(f"postgresql+pg8000://{OWNER.name}@{LOOPBACK}:{server_port}/{TEMPLATE}")
    migrations.upgrade(owner)
    owner.dispose()
    return TEMPLATE


@pytest.fixture(scope="session")
def shared_database(server_port: int, template: str) -> str:
    """A database for all tests that leave its schema alone; copying one for each would take half their time."""
    _admin(server_port, f"create database {SHARED} template {template}")
    return SHARED


@pytest.fixture
def database(server_port: int, template: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty migrated database; one of the test's own where it is marked `own_database`."""
    if request.node.get_closest_marker("own_database"):
        name = f"test_{next(_numbers)}"
        _admin(server_port, f"create database {name} template {template}")
        yield name
        _admin(server_port, f"drop database {name} with (force)")
    else:
        name = request.getfixturevalue("shared_database")
        _admin(server_port, EMPTY, name)
        yield name


@pytest.fixture
def settings_as(server_port: int, database: str) -> Callable[[str], Settings]:
    """Settings that log in as a role of the test's database."""
    return lambda role: replace(SETTINGS, database_port=server_port, database_name=database, database_user=role)


@pytest.fixture
def engine_as(settings_as: Callable[[str], Settings]) -> Iterator[EngineAs]:
    """The service's own engine, logged in as a role, or as `postgres`."""
    made: list[Engine] = []

    def connect(role: str) -> Engine:
        made.append(engine(settings_as(role)))
        return made[-1]

    yield connect
    for each in made:
        each.dispose()


@pytest.fixture
def lab(engine_as: EngineAs) -> Lab:
    """An empty lab."""
    return Lab(engine_as("postgres"), engine_as("dyno_allocations"))


def _admin(port: int, sql: str, database: str = "postgres") -> None:
    connection = postgres.connect(port, database)
    try:
        connection.run(sql)
    finally:
        connection.close()
