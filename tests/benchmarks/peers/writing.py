"""Writing records a batch at a time: from the least that can be done to the whole of what ingest does."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from dyno import tables
from dyno.metrics import store
from dyno.metrics.model import Record

INSERT = insert(tables.metrics).on_conflict_do_nothing()
COLUMNS = (
    "event_id",
    "correlation_id",
    "service_name",
    "method_name",
    "duration_ms",
    "success",
    "outcome",
    "error_type",
    "error_message",
    "metadata",
    "created_at",
    "parent_event_id",
)


def row(record: Record) -> dict[str, Any]:
    """A record by the columns of its table; without its user, whom only some look up."""
    said = record.model_dump() | {"service_name": record.service, "method_name": record.method}
    return {name: said[name] for name in COLUMNS}


def rows(batch: Sequence[Record]) -> list[dict[str, Any]]:
    """A batch by the columns of its table."""
    return [row(record) for record in batch]


def as_csv(batch: Sequence[Record]) -> bytes:
    """A batch as COPY takes it."""
    text = io.StringIO()
    lines = csv.DictWriter(text, COLUMNS)
    for values in rows(batch):
        lines.writerow(values | {"metadata": json.dumps(values["metadata"])})
    return text.getvalue().encode()


def as_json(batch: Sequence[Record]) -> list[str]:
    """A batch as ingest takes it."""
    return [record.model_dump_json() for record in batch]


def with_copy(connection: Connection, lines: bytes) -> None:
    """The rows alone, by the protocol made for it; one that is there already would fail them all."""
    driver: Any = connection.connection.driver_connection
    driver.cursor().execute(f"copy metrics ({', '.join(COLUMNS)}) from stdin (format csv)", stream=io.BytesIO(lines))


def with_ingest(connection: Connection, batch: Sequence[str]) -> None:
    """Rows, users, rollups and totals, each event once."""
    store.ingest(connection, batch, [])


def with_values(connection: Connection, values: Sequence[dict[str, Any]]) -> None:
    """The rows alone, in one statement."""
    connection.execute(INSERT.values(values))


def with_executemany(connection: Connection, values: Sequence[dict[str, Any]]) -> None:
    """The rows alone, in a statement each and one transaction."""
    connection.execute(INSERT, values)
    connection.commit()


def with_inserts(connection: Connection, values: Sequence[dict[str, Any]]) -> None:
    """The rows alone, in a statement and a transaction each."""
    for each in values:
        connection.execute(INSERT, each)
