"""A local stack of the tests' own, run by the command that `make run` calls, and ways to look into it."""

import base64
import gzip
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import httpx

from cdk.local import aws, postgres, stack, users
from cdk.local.instance import ROOT, Instance, reserve
from cdk.local.processes import MARK
from cdk.local.stack import Stack
from dyno.metrics.leftovers import TERM

T = TypeVar("T")
START_S = 120
SHOWS_S = 3
"""A call shows in the reports within this time."""
_numbers = itertools.count(1)


def today() -> date:
    return datetime.now(UTC).date()


def in_days(days: int) -> str:
    return (today() + timedelta(days=days)).isoformat()


def eventually(look: Callable[[], T], is_right: Callable[[T], bool], deadline_s: float = 20) -> T:
    """What `look` sees once it is right, or at the deadline."""
    end = time.monotonic() + deadline_s
    while not is_right(seen := look()) and time.monotonic() < end:
        time.sleep(0.1)
    return seen


def free_port() -> int:
    with reserve(0) as bound:
        port: int = bound.getsockname()[1]
    return port


@dataclass
class Site:
    """
    The stack in .run/test.

    Attributes:
        started_at: When it was started last, in Unix time; what it logged from then on is this deployment's.
    """

    instance: Instance
    port: int
    process: subprocess.Popen[str] | None = None
    started_at: float = 0
    said: list[str] = field(default_factory=list)

    def start(self, *command: str) -> float:
        """Start it, by `command` if given, and wait until it says it is ready; seconds that took."""
        begun = time.monotonic()
        self.started_at = time.time()
        run = ["--stack", self.instance.folder.name, "run", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command or [sys.executable, "-m", "cdk.local", *run],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout
        self.said = []
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("curl") and line.rstrip().endswith("/health/ready"):
                return time.monotonic() - begun
        raise AssertionError("it did not start:\n" + "".join(self.said))

    def stop(self, signal_number: signal.Signals = signal.SIGTERM) -> float:
        """Tell it to stop and wait until it has; seconds that took."""
        assert self.process
        begun = time.monotonic()
        self.process.send_signal(signal_number)
        try:
            self.said.append(self.process.communicate(timeout=30)[0])
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return time.monotonic() - begun

    @property
    def deployed(self) -> Stack:
        found = stack.noted(self.instance)
        assert found
        return found

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, role: str = "user") -> str:
        return users.token(self.instance, self.deployed, role)

    def client(self, role: str | None = "user") -> httpx.Client:
        """A client signed in as a role, or as nobody."""
        headers = {"Authorization": f"Bearer {self.token(role)}"} if role else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=35, trust_env=False)

    def sql(self, statement: str, **parameters: Any) -> list[Any]:
        connection = postgres.connect(self.deployed.database_port, postgres.DATABASE)
        try:
            rows: list[Any] = connection.run(statement, **parameters)
            return rows
        finally:
            connection.close()

    def count(self, table: str) -> int:
        counted: int = self.sql(f"select count(*) from {table}")[0][0]
        return counted

    def written(self) -> tuple[int, ...]:
        """How much is in every table a request could write to."""
        return tuple(self.count(table) for table in ("occupancies", "history", "idempotency_keys", "vehicles", "dynos"))

    def add_dyno(self, test_type: str) -> int:
        """A dyno that runs one test type, which no other does."""
        name = f"E2E {next(_numbers)}"
        [[dyno_id]] = self.sql("insert into dynos (name, breadth) values (:name, 4) returning id", name=name)
        self.sql(
            "insert into capabilities (dyno_id, test_type, drive_type, weight_class) values (:id, :test, 'any', 'any')",
            id=dyno_id,
            test=test_type,
        )
        return int(dyno_id)

    def add_vehicle(self) -> str:
        vin = f"E2E{next(_numbers):014d}"
        self.sql("insert into vehicles (vin, weight_lbs, drive_type) values (:vin, 5000, 'AWD')", vin=vin)
        return vin

    def rows_of(self, correlation_id: str) -> int:
        """How many rows of metrics a request left."""
        rows: int = self.sql("select count(*) from metrics where correlation_id = :id", id=correlation_id)[0][0]
        return rows

    @property
    def call_log(self) -> str:
        """The log group of the doors."""
        outputs = self.instance.read("outputs.json").values()
        [group] = {each["CallLogGroupName"] for each in outputs if "CallLogGroupName" in each}
        return str(group)

    def record_lines(self) -> list[str]:
        """Every line of a finished call the doors have logged."""
        logs = aws.client("logs", self.deployed.aws_port)
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=self.call_log, filterPattern=TERM)
        messages = (event["message"] for page in pages for event in page["events"])
        return [message for message in messages if '"record":"dyno-call/1"' in message]

    def ingest(self, lines: Iterable[str]) -> None:
        """Hand lines to the ingest function as the log subscription does."""
        now_ms = int(time.time() * 1000)
        events = [{"id": str(number), "timestamp": now_ms, "message": line} for number, line in enumerate(lines)]
        batch = {
            "messageType": "DATA_MESSAGE",
            "owner": aws.ACCOUNT,
            "logGroup": "calls",
            "logStream": "stream",
            "subscriptionFilters": ["records"],
            "logEvents": events,
        }
        data = base64.b64encode(gzip.compress(json.dumps(batch).encode())).decode()
        answer = aws.client("lambda", self.deployed.aws_port).invoke(
            FunctionName=self.deployed.functions["metrics_ingest"], Payload=json.dumps({"awslogs": {"data": data}})
        )
        assert "FunctionError" not in answer, answer["Payload"].read()

    def processes(self) -> list[int]:
        """Every living process of the stack."""
        import psutil  # noqa: PLC0415

        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == str(self.instance.folder) and process.pid != os.getpid():
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found
