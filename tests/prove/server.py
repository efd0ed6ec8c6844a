"""A PostgreSQL of the checker's own, which it may crash; what was committed is there when it comes back."""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from typing import TypeVar

from sqlalchemy import create_engine

from cdk.local import postgres
from cdk.local.instance import LOOPBACK, Instance
from cdk.local.processes import Family
from dyno import migrations
from dyno.bootstrap import OWNER, by_connection

TEMPLATE = "prove_template"
ALARMING = ("deadlock detected", "could not serialize", "PANIC", "was terminated by signal", "invalid page")

GOES_ON = (" DETAIL:  ", " CONTEXT:  ", " STATEMENT:  ")


class Server:
    """
    A running server.

    Attributes:
        port: The same after each start.
        alarms: What no server should write into its log, each with what it says of it.
    """

    def __init__(self, family: Family, port: int) -> None:
        self._family = family
        self.port = port
        self.alarms: list[str] = []
        self._read = 0
        self._child = postgres.start(family, port, durable=False)

    def run(self, sql: str, **values: object) -> list[list[object]]:
        """The rows a statement of the superuser's gives."""
        connection = postgres.connect(self.port)
        try:
            return list(connection.run(sql, **values) or [])
        finally:
            connection.close()

    def migrate(self) -> None:
        """Make the database that labs are copies of."""
        self.run(f"create database {TEMPLATE}")
        by_connection({"DATABASE_HOST": LOOPBACK, "DATABASE_PORT": str(self.port), "DATABASE_NAME": TEMPLATE})
        owner = create_engine(f"postgresql+pg8000://{OWNER.name}@{LOOPBACK}:{self.port}/{TEMPLATE}")
        migrations.upgrade(owner)
        owner.dispose()

    def copy(self, database: str) -> None:
        """Make an empty lab's database."""
        self.run(f"create database {database} template {TEMPLATE}")
        # What is committed is the system's to write, and outlives the server, if not the machine.
        self.run(f"alter database {database} set synchronous_commit = on")
        self.run(f"alter database {database} set search_path = public, pg_catalog")

    def drop(self, database: str) -> None:
        """Forget a lab."""
        self.run(f"drop database {database} with (force)")

    def crash(self) -> None:
        """End it at once, in the midst of whatever it does, and start it again."""
        self._child.process.send_signal(signal.SIGQUIT)
        self._child.process.wait()
        self.look()
        self._family.children.remove(self._child)
        self._child = postgres.start(self._family, self.port, durable=False)
        self._read = 0

    def look(self) -> None:
        """Read on in its log."""
        lines = self._child.log.read_text(errors="replace").splitlines()
        telling = False
        for line in lines[self._read :]:
            if any(words in line for words in ALARMING):
                self.alarms.append(line)
                telling = True
            elif telling := telling and (line.startswith("\t") or any(words in line for words in GOES_ON)):
                self.alarms[-1] += f"\n    {line.strip()}"
        self._read = len(lines)


S = TypeVar("S", bound=Server)


@contextlib.contextmanager
def running(kind: type[S], name: str) -> Iterator[S]:
    """A server with the template, which leaves nothing behind."""
    instance = Instance.named(f"{name}-{os.getpid()}")
    shutil.rmtree(instance.folder, ignore_errors=True)
    family = Family(instance)
    try:
        server = kind(family, instance.ports().database)
        server.migrate()
        yield server
    finally:
        family.stop()
        shutil.rmtree(instance.folder, ignore_errors=True)
