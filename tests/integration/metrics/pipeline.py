"""The pipeline behind the tracker: lines in, as the log subscription brings them; rows, rollups and totals out."""

import itertools
import json
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Engine, text

from dyno.metrics import service
from dyno.metrics.model import Ingested, LogEvent, Snapshot
from dyno.metrics.snapshot import Snapshots

NOW = datetime.now(UTC).replace(microsecond=0)

_log_ids = itertools.count()


class Kept(Snapshots):
    """Snapshots in memory, by the same rule."""

    def __init__(self) -> None:
        super().__init__("")
        self.kept: Snapshot | None = None
        self._lock = threading.Lock()

    def read(self) -> Snapshot | None:
        return self.kept

    def write(self, snapshot: Snapshot) -> None:
        with self._lock:
            if self.kept is None or self.kept.version < snapshot.version:
                self.kept = snapshot


def logged(lines: Iterable[str]) -> list[LogEvent]:
    """Lines as CloudWatch keeps them: each with an id of its own."""
    return [LogEvent(id=f"{next(_log_ids):056}", message=line) for line in lines]


def line(event_id: str, /, **changes: Any) -> str:
    """A record line."""
    outcome = changes.get("outcome", "success")
    record = {
        "record": "dyno-call/1",
        "event_id": event_id,
        "correlation_id": "abc",
        "sub": None,
        "service": "S",
        "method": "m",
        "outcome": outcome,
        "success": outcome == "success",
        "duration_ms": 1.5,
        "created_at": (NOW - timedelta(minutes=1)).isoformat(),
        "parent_event_id": None,
        "error_type": None,
        "error_message": None,
        "metadata": None,
    }
    return json.dumps(record | changes)


class Connect(Protocol):
    """The service's own engine, as a role; each number is a connection of its own."""

    def __call__(self, role: str, number: int = 0) -> Engine: ...


class Pipeline:
    """
    A database with the doors' own logins.

    Attributes:
        owner: May do anything; for looking.
        reading: The engine of the metrics door.
    """

    def __init__(self, connect: Connect) -> None:
        self.connect = connect
        self.owner = connect("postgres")
        self.reading = connect("dyno_metrics")
        self.snapshots = Kept()

    def ingest(self, events: Sequence[LogEvent], *, number: int = 0, **instead: Any) -> Ingested:
        given: dict[str, Any] = {"now": NOW, "retention_days": 400} | instead
        return service.ingest(events, self.connect("dyno_ingest", number), self.snapshots, **given)

    def run(self, sql: str) -> None:
        with self.owner.begin() as connection:
            connection.exec_driver_sql(sql)

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.owner.begin() as connection:
            return [tuple(row) for row in connection.execute(text(sql), values)]

    def value(self, sql: str, **values: Any) -> Any:
        return self.rows(sql, **values)[0][0]

    def empty(self) -> None:
        with self.owner.begin() as connection:
            connection.execute(
                text(
                    "truncate metrics, metrics_hourly, metrics_totals, dead_letters, dead_letter_totals, users cascade"
                )
            )
        self.snapshots = Kept()

    def check_counts(self, finished: int, poison: int) -> None:
        """Rows and dead letters are the calls finished and the lines poisoned; rollups and totals equal the rows."""
        assert self.value("select count(*) from metrics") == finished
        assert self.value("select count(*) from dead_letters") == poison
        assert self.value("select coalesce(sum(letters), 0) from dead_letter_totals") == poison
        assert self.recounted("date_trunc('hour', created_at, 'UTC')") == self.rolled_up("metrics_hourly", "hour")
        assert self.recounted() == self.rolled_up("metrics_totals")
        kept = self.snapshots.read()
        assert (kept.version if kept else 0) == finished + poison

    def recounted(self, *hour: str) -> list[tuple[Any, ...]]:
        key = ", ".join([*hour, "service_name", "method_name", "outcome", "duration_bucket(duration_ms)"])
        return self.rows(
            f"select {key}, count(*), round(sum(duration_ms)::numeric, 3), max(duration_ms) from metrics"
            f" group by {key} order by {key}"
        )

    def rolled_up(self, table: str, *hour: str) -> list[tuple[Any, ...]]:
        key = ", ".join([*hour, "service_name", "method_name", "outcome", "bucket"])
        return self.rows(
            f"select {key}, calls, round(duration_ms_sum::numeric, 3), duration_ms_max from {table} order by {key}"
        )
