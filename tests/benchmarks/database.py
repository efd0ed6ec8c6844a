"""PostgreSQL for the rows that need one: servers, migrated databases, and the service's own connections to them."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, create_engine, text

from cdk.local import postgres
from cdk.local.instance import LOOPBACK, Instance
from cdk.local.processes import Family
from dyno import migrations
from dyno.bootstrap import OWNER, by_connection
from dyno.database import engine
from tests.settings import SETTINGS

SUPERUSER = "postgres"
COPY = "copied"

_TIMER = """
create or replace function pg_temp.median_ms(p_sql text, p_runs integer) returns double precision language plpgsql as $$
declare
  began timestamptz;
  took_ms double precision[] := '{}';
begin
  for run in 1 .. p_runs loop
    began := clock_timestamp();
    execute p_sql;
    took_ms := took_ms || 1000 * extract(epoch from clock_timestamp() - began)::double precision;
  end loop;
  return (select percentile_cont(0.5) within group (order by each) from unnest(took_ms) each);
end $$
"""


@dataclass(frozen=True)
class Server:
    """A running server; its data are safe from nothing, for all alike."""

    port: int

    def migrate(self, database: str) -> None:
        """Make a database at the newest revision."""
        self.run(f"create database {database}")
        by_connection({"DATABASE_HOST": LOOPBACK, "DATABASE_PORT": str(self.port), "DATABASE_NAME": database})
        owner = create_engine(f"postgresql+pg8000://{OWNER.name}@{LOOPBACK}:{self.port}/{database}")
        migrations.upgrade(owner)
        owner.dispose()

    def keep(self, database: str, made_by: str, fill: Callable[[Connection], None]) -> None:
        """
        Make and fill a database, unless it is there already, of this schema and by the same code.

        Args:
            made_by: The source of what fills it.
        """
        schema = b"".join(path.read_bytes() for path in sorted((migrations.HERE / "versions").glob("*.*")))
        mark = hashlib.sha256(schema + made_by.encode()).hexdigest()
        marked = "select from pg_database where datname = :name and shobj_description(oid, 'pg_database') = :mark"
        if self.run(marked, name=database, mark=mark):
            return
        self.run(f"drop database if exists {database}")
        self.migrate(database)
        with self.connected(SUPERUSER, database) as connection:
            fill(connection)
        self.run(f"comment on database {database} is '{mark}'")

    def run(self, sql: str, **values: Any) -> Any:
        """The rows a statement of the superuser's gives."""
        connection = postgres.connect(self.port)
        try:
            return connection.run(sql, **values)
        finally:
            connection.close()

    @contextmanager
    def copied(self, template: str) -> Iterator[str]:
        """A copy of a database to which nobody is connected."""
        self.run(f"drop database if exists {COPY}")  # of a run that was killed
        self.run(f"create database {COPY} template {template} strategy file_copy")  # a third of the time of WAL
        try:
            yield COPY
        finally:
            self.run(f"drop database {COPY} with (force)")

    @contextmanager
    def connected(self, role: str, database: str, isolation: str = "AUTOCOMMIT") -> Iterator[Connection]:
        """A connection as the service's own are, for everybody: with Nagle's algorithm on, all would wait for it."""
        over = engine(replace(SETTINGS, database_port=self.port, database_name=database, database_user=role), None)
        try:
            with over.execution_options(isolation_level=isolation).connect() as connection:
                yield connection
        finally:
            over.dispose()


@contextmanager
def passing() -> Iterator[Server]:
    """A server that leaves nothing behind."""
    with postgres.running(Instance.named(f"bench-{os.getpid()}")) as port:
        yield Server(port)


@contextmanager
def lasting(instance: Instance) -> Iterator[Server]:
    """
    A server whose databases are there the next time, too.

    Raises:
        LocalStackError: Another process uses it.
    """
    with instance.claimed():
        family = Family(instance)
        try:
            port = instance.ports().database
            postgres.start(family, port, durable=False)
            yield Server(port)
        finally:
            family.stop()


def on_server_ms(connection: Connection, sql: str, runs: int) -> float:
    """
    The median time of a statement.

    It is taken on the server, parsing and planning included: what the driver and its language add is not the question.
    """
    connection.exec_driver_sql(_TIMER)
    took_ms: float = connection.scalar(text("select pg_temp.median_ms(:sql, :runs)"), {"sql": sql, "runs": runs})
    return took_ms
