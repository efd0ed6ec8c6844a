"""What doors need around them: a PostgreSQL that may crash, a local AWS, a lab, and a folder for what they print."""

import asyncio
import os
import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from cdk.local import aws
from cdk.local.instance import Instance
from cdk.local.processes import Family
from dyno.database import engine
from tests.load.asks import Function
from tests.load.fleet import ROLES
from tests.prove import regimes, server
from tests.prove.regimes import TERMS, Regime
from tests.prove.server import Server
from tests.settings import SETTINGS

DATABASE = "load"
FAILED, CALLS, STREAM = "failed-batches", "calls", "all"
HORIZON_DAYS = 1825


@dataclass(frozen=True)
class Site:
    """
    All of it, running.

    Attributes:
        folder: Is gone in the end.
        s3, logs: Clients of the local AWS.
    """

    server: Server
    folder: Path
    aws_port: int
    s3: Any
    logs: Any

    def owner(self, database: str = DATABASE) -> Engine:
        """An engine that may do anything."""
        known = replace(
            SETTINGS, database_port=self.server.port, database_name=database, database_user="postgres", release="owner"
        )
        return engine.__wrapped__(known, None)

    def equip(self, regime: Regime, chance: random.Random, today: date) -> None:
        """Make the lab, new and empty."""
        self.server.copy(DATABASE)
        owner = self.owner()
        with owner.connect() as connection:
            regimes.equip(connection, regime, chance, today)
        owner.dispose()

    def variables(self) -> dict[Function, Mapping[str, str]]:
        """The environment of each function."""
        known = replace(
            SETTINGS,
            database_port=self.server.port,
            database_name=DATABASE,
            horizon_days=HORIZON_DAYS,
            max_days=TERMS.max_days,
        )
        settings = {field.name.upper(): getattr(known, field.name) for field in fields(known)}
        given = {name: getattr(value, "key", str(value)) for name, value in settings.items()}
        given |= aws.credentials(self.aws_port) | {
            "FAILED_BATCHES_BUCKET": FAILED,
            "CALL_LOG_GROUP_NAME": CALLS,
            "INGEST_FUNCTION_NAME": Function.INGEST,
        }
        return {function: given | {"DATABASE_USER": ROLES[function]} for function in Function}


@contextmanager
def running() -> Iterator[Site]:
    """A site, which leaves nothing behind."""
    instance = Instance.named(f"load-{os.getpid()}")
    shutil.rmtree(instance.folder, ignore_errors=True)
    family = Family(instance)
    try:
        with server.running(Server, "load-database") as there:
            port = instance.ports().aws
            local = asyncio.run(aws.start(family, port))
            s3, logs = aws.client("s3", port), aws.client("logs", port)
            for bucket in (FAILED, SETTINGS.snapshot_bucket):
                s3.create_bucket(Bucket=bucket)
            logs.create_log_group(logGroupName=CALLS)
            logs.create_log_stream(logGroupName=CALLS, logStreamName=STREAM)
            folder = instance.path("printed")
            folder.mkdir()
            try:
                yield Site(there, folder, port, s3, logs)
            finally:
                local.process.kill()  # nobody wants what it would write down at its end
    finally:
        family.stop()
        shutil.rmtree(instance.folder, ignore_errors=True)
