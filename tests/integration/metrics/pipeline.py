"""The pipeline behind the tracker: lines in, as the log subscription brings them; rows, rollups and totals out."""

import itertools
import json
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, text

from dyno.metrics import service
from dyno.metrics.catalogue import BUCKET_COUNT
from dyno.metrics.model import Ingested, LogEvent, Retried, Snapshot
from dyno.metrics.snapshot import Snapshots

NOW = datetime.now(UTC).replace(microsecond=0)
HOW: dict[str, Any] = {"now": NOW, "retention_days": 400, "lab_time_zone": ZoneInfo("UTC")}

_moments = itertools.count(1_800_000_000_000)


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
            self.kept = snapshot.behind(self.kept)

    def note_failure(self, at: datetime) -> None:
        with self._lock:
            self.kept = (self.kept or Snapshot.empty(at)).failing(at)


def logged(lines: Iterable[str]) -> list[LogEvent]:
    """Lines as CloudWatch keeps them, each at a moment of its own."""
    return [LogEvent(timestamp=next(_moments), message=line) for line in lines]


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


def observation(event_id: str, /, **changes: Any) -> str:
    """A business metric's line."""
    record = {
        "record": "dyno-metric/1",
        "feed": "dyno-call/1",
        "event_id": event_id,
        "correlation_id": "abc",
        "sub": None,
        "name": "VehiclesScanned",
        "kind": "counter",
        "unit": "Count",
        "value": 1.0,
        "labels": {"site": "north"},
        "created_at": (NOW - timedelta(minutes=1)).isoformat(),
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
        return service.ingest(events, self.connect("dyno_ingest", number), self.snapshots, **(HOW | instead))

    def retry(self, after: int = 0, **instead: Any) -> Retried:
        return service.retry_dead_letters(after, self.connect("dyno_ingest"), self.snapshots, **(HOW | instead))

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
                    "truncate metrics, metrics_rollups, metrics_series, observations, observation_totals, dead_letters,"
                    " dead_letter_totals, users cascade"
                )
            )
        self.snapshots = Kept()

    def check_counts(self, finished: int, poison: int, observed: int = 0, recovered: int = 0) -> None:
        """
        Rows and open dead letters are the calls finished and the lines poisoned; rollups and totals equal the rows.

        Args:
            observed: Business metrics recorded.
            recovered: Of the calls finished, those that had been dead letters.
        """
        assert self.value("select count(*) from metrics") == finished
        assert self.value("select count(*) from observations") == observed
        assert self.value("select count(*) from dead_letters where redriven_at is null") == poison
        letters = self.rows("select coalesce(sum(letters), 0), coalesce(sum(redriven), 0) from dead_letter_totals")
        assert letters == [(poison + recovered, recovered)]
        assert self.recounted("date_trunc('hour', created_at, 'UTC')") == self.rolled_up("metrics_rollups", "hour")
        assert self.recounted() == self.rolled_up("metrics_series")
        kept = self.snapshots.read()
        assert (kept.version if kept else 0) == finished + observed + poison + 2 * recovered

    def recounted(self, *hour: str) -> list[tuple[Any, ...]]:
        key = ", ".join([*hour, "service_name", "method_name", "outcome"])
        buckets = ", ".join(f"count(*) filter (where duration_bucket(duration_ms) = {n})" for n in range(BUCKET_COUNT))
        return self.rows(
            f"select {key}, count(*), round(sum(duration_ms)::numeric, 3), max(duration_ms), {buckets} from metrics"
            f" group by {key} order by {key}"
        )

    def rolled_up(self, table: str, *hour: str) -> list[tuple[Any, ...]]:
        key = ", ".join([*hour, "service_name", "method_name", "outcome"])
        buckets = ", ".join(f"bucket_{n}" for n in range(BUCKET_COUNT))
        return self.rows(
            f"select {key}, calls, round(duration_ms_sum::numeric, 3), duration_ms_max, {buckets} from {table}"
            f" order by {key}"
        )
