"""A database that may go away without the stack going with it."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import create_engine

from cdk.local import aws, postgres
from cdk.local.instance import LOOPBACK, ROOT, Instance
from cdk.local.processes import Child, Family
from dyno import migrations
from dyno.bootstrap import OWNER, by_connection
from dyno.metrics.snapshot import KEY
from tests.e2e.site import Site


@dataclass
class Database:
    """A PostgreSQL beside the stack's own, which may be stopped without the stack ending; its data outlives a stop."""

    instance: Instance
    port: int
    family: Family
    server: Child | None = None

    @classmethod
    def made(cls, name: str) -> "Database":
        instance = Instance.named(name)
        shutil.rmtree(instance.folder, ignore_errors=True)
        database = cls(instance, instance.ports().database, Family(instance))
        database.start()
        by_connection({"DATABASE_HOST": LOOPBACK, "DATABASE_PORT": str(database.port), "DATABASE_NAME": "dyno"})
        owner = create_engine(f"postgresql+pg8000://{OWNER.name}@{LOOPBACK}:{database.port}/dyno")
        migrations.upgrade(owner)
        owner.dispose()
        return database

    def start(self) -> None:
        self.server = postgres.start(self.family, self.port)

    def stop(self) -> None:
        assert self.server
        self.server.stop()

    def crash(self) -> None:
        """End it at once, in the midst of whatever it does, and start it again."""
        assert self.server
        self.server.process.send_signal(signal.SIGQUIT)
        self.server.process.wait()
        self.family.children.remove(self.server)
        self.start()

    def sql(self, statement: str, **values: Any) -> list[Any]:
        connection = postgres.connect(self.port, "dyno")
        try:
            rows: list[Any] = connection.run(statement, **values)
            return rows
        finally:
            connection.close()


@contextmanager
def elsewhere(site: Site, name: str) -> Iterator[Database]:
    """A database that the doors use instead of the stack's own."""
    database = Database.made(name)
    before = point(site, str(database.port))
    try:
        yield database
    finally:
        point(site, before)
        database.family.stop()
        forget_snapshot(site)
        redrive(site)  # the stack's own database gets what was written to the other
        shutil.rmtree(database.instance.folder)


def forget_snapshot(site: Site) -> None:
    """Delete the totals in S3, which are the other database's."""
    outputs = {name: value for stack in site.instance.read("outputs.json").values() for name, value in stack.items()}
    aws.client("s3", site.deployed.aws_port).delete_object(Bucket=outputs["SnapshotBucketName"], Key=KEY)


def redrive(site: Site) -> subprocess.CompletedProcess[str]:
    """As `make redrive` does."""
    command = [sys.executable, "-m", "cdk.local", "--stack", site.instance.folder.name, "redrive"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def point(site: Site, port: str) -> str:
    """Let every function that uses the database use the one at a port; gives the port of before."""
    functions = aws.client("lambda", site.deployed.aws_port)
    before = ""
    for name in ("allocations", "metrics", "metrics_ingest"):
        function = site.deployed.functions[name]
        variables = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        before = variables["DATABASE_PORT"]
        functions.update_function_configuration(
            FunctionName=function, Environment={"Variables": variables | {"DATABASE_PORT": port}}
        )
    return before
