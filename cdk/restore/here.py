"""A drill with this machine's PostgreSQL: a real dump, restored into a second database beside the first."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pg8000.native

from cdk.local import postgres
from cdk.local.instance import LOOPBACK
from cdk.restore.comparison import Ask, RestoreError, judge, measure
from cdk.restore.report import Drill

SNAPSHOT = "select pg_export_snapshot()"


def drill(port: int, database: str = postgres.DATABASE) -> Drill:
    """
    Dump a database, restore the dump into another, compare, and drop that one.

    The dump and what it is compared with are of one snapshot, so that bookings may go on meanwhile.

    Raises:
        RestoreError: It cannot be dumped or restored.
    """
    copy = f"{database}_drill_{datetime.now(UTC):%Y%m%d%H%M%S}"
    with TemporaryDirectory() as folder, _connected(port, database) as source:
        source.run("start transaction isolation level repeatable read, read only")
        ((snapshot,),) = source.run(SNAPSHOT)
        wanted, moment = measure(_ask(source)), datetime.now(UTC)
        with _database(port, copy):
            began = time.monotonic()
            dump = Path(folder) / "dump"
            _run("pg_dump", port, database, "--format=custom", f"--snapshot={snapshot}", f"--file={dump}")
            dumped = time.monotonic()
            _run("pg_restore", port, copy, "--exit-on-error", str(dump))
            restored = time.monotonic()
            with _connected(port, copy) as connection:
                found = measure(_ask(connection))
            took_s = {
                "dump": dumped - began,
                "restore": restored - dumped,
                "comparison": time.monotonic() - restored,
            }
    return Drill(copy, moment, None, took_s, found, judge(wanted, wanted, found))


def _run(program: str, port: int, database: str, *options: str) -> None:
    where = ["--host", LOOPBACK, "--port", str(port), "--username", postgres.SUPERUSER, "--dbname", database]
    done = subprocess.run(
        [postgres.BIN / program, "--no-password", *where, *options], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RestoreError(f"{program} failed: {done.stderr.strip()}")


@contextmanager
def _database(port: int, name: str) -> Iterator[None]:
    with _connected(port, "postgres") as admin:
        admin.run(f"create database {name} template template0")
        try:
            yield
        finally:
            admin.run(f"drop database {name} with (force)")


@contextmanager
def _connected(port: int, database: str) -> Iterator[pg8000.native.Connection]:
    # With time for a table's checksum, which a connection of the service's does not have.
    connection = pg8000.native.Connection(postgres.SUPERUSER, host=LOOPBACK, port=port, database=database, timeout=600)
    try:
        yield connection
    finally:
        connection.close()


def _ask(connection: pg8000.native.Connection) -> Ask:
    def ask(statement: str) -> list[list[str | None]]:
        return list(connection.run(statement))

    return ask
