"""How fast batches of records get into the database, rollups included, beside other ways to write them."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, get_args

from sqlalchemy import Connection

from dyno.metrics.catalogue import BUCKET_COUNT
from dyno.metrics.model import Outcome, Record
from tests.benchmarks import dataset
from tests.benchmarks.database import SUPERUSER, Server, passing
from tests.benchmarks.peers import row_by_row, writing
from tests.benchmarks.row import Contender, Effort, Goal, Role, Row

BATCHES = {10: 80, 100: 30, 1_000: 6}
"""How many batches a sample writes, by their size; the first is not counted."""

BY_ROWS = 100, 6
"""The same for those who commit each row, to whom the size makes no difference."""

MONTH = "month"
ROWS_BEFORE = 100_000
NOW = datetime(2027, 1, 4, 10, tzinfo=UTC)

WRITTEN = """
    select to_jsonb(written) - 'id' - 'user_id' from metrics written where event_id like 'new-%' order by event_id
"""
COUNTED = f"""
    select hour, service_name, method_name, outcome, number - 1 as bucket, counted
      from metrics_rollups,
           unnest(array[{", ".join(f"bucket_{number}" for number in range(BUCKET_COUNT))}])
             with ordinality as buckets (counted, number)
     where counted > 0 and method_name like 'new_%'
     order by hour, service_name, method_name, outcome, bucket
"""


@dataclass(frozen=True)
class Way:
    """
    One way to write.

    Attributes:
        prepare: Brings a batch into the form that `write` takes; nobody is timed for that.
        write: Writes it for good.
        counted: A query for what COUNTED asks ours; empty if it writes rows only.
        login: The database's role.
        isolation: SQLAlchemy's isolation level of the connection.
    """

    name: str
    role: Role
    prepare: Callable[[Sequence[Record]], Any]
    write: Callable[[Connection, Any], None]
    counted: str = ""
    login: str = SUPERUSER
    isolation: str = "AUTOCOMMIT"


BATCHWISE = (
    Way("COPY", Role.FLOOR, writing.as_csv, writing.with_copy),
    Way("store.ingest", Role.OURS, writing.as_json, writing.with_ingest, COUNTED, login="dyno_ingest"),
    Way("one INSERT", Role.PEER, writing.rows, writing.with_values),
    Way("executemany", Role.PEER, writing.rows, writing.with_executemany, isolation="READ COMMITTED"),
)
ROW_BY_ROW = (
    Way("ORM, row by row", Role.PEER, list, row_by_row.with_orm, row_by_row.COUNTED, isolation="READ COMMITTED"),
    Way("Core, row by row", Role.PEER, list, row_by_row.with_core, row_by_row.COUNTED, isolation="READ COMMITTED"),
    Way("INSERT, row by row", Role.PEER, writing.rows, writing.with_inserts),
)


class Differs(AssertionError):
    """Two ways to write do not leave the same behind."""


@contextmanager
def contenders(effort: Effort) -> Iterator[Sequence[Contender]]:
    """Every sample is written into a copy of the same database, which has a month of calls in it."""
    with passing() as server:
        server.keep(MONTH, "", partial(fill_month, rows=effort.pick(ROWS_BEFORE, 1_000)))
        check_same(server, (*BATCHWISE, *ROW_BY_ROW))
        yield [
            *(_contender(server, way, *each, effort) for each in BATCHES.items() for way in BATCHWISE),
            *(_contender(server, way, *BY_ROWS, effort) for way in ROW_BY_ROW),
        ]


def check_same(server: Server, ways: Sequence[Way]) -> None:
    """
    Have each way write the same batches.

    Raises:
        Differs: Not the same rows, or counts, as the first that wrote any.
    """
    first: dict[str, Sequence[object]] = {}
    for way in ways:
        with server.copied(MONTH) as database:
            with server.connected(way.login, database, way.isolation) as connection:
                for batch in records(3, 30):
                    way.write(connection, way.prepare(batch))
            with server.connected(SUPERUSER, database) as connection:
                left = {"rows": connection.exec_driver_sql(WRITTEN).all()}
                if way.counted:
                    left["counts"] = connection.exec_driver_sql(way.counted).all()
        for what, found in left.items():
            if not found or first.setdefault(what, found) != found:
                raise Differs(f"{way.name} leaves other {what}")


def records(batches: int, size: int) -> list[list[Record]]:
    """Batches as the log brings them: a few methods, all within an hour or two."""
    return [[_record(number * size + each) for each in range(size)] for number in range(batches)]


def fill_month(connection: Connection, rows: int) -> None:
    """Give everybody the tables they need, with calls in those that all write to."""
    dataset.fill(connection, rows, NOW)
    row_by_row.make_tables(connection)


def _record(number: int) -> Record:
    random = Random(number)
    outcome: Outcome = random.choices(get_args(Outcome), (90, 8, 2))[0]
    return Record(
        record="dyno-call/1",
        event_id=f"new-{number:06}",
        correlation_id=f"5f2b6c0a-9d3e-4781-{number // 3}",
        sub=f"sub-{random.randrange(20)}",
        service="AllocationService",
        method=f"new_method_{random.randrange(9)}",
        outcome=outcome,
        success=outcome == "success",
        duration_ms=round(random.lognormvariate(3, 1), 3),
        created_at=NOW - timedelta(seconds=random.randrange(3_600)),
        error_type=None if outcome == "success" else "NoDynoAvailable",
        error_message=None if outcome == "success" else "no dyno is free from 2027-01-04 to 2027-01-11",
        metadata={"result_keys": ["success", "allocation"], "success_flag": True, "shift_days": 1},
    )


def _contender(server: Server, way: Way, size: int, number: int, effort: Effort) -> Contender:
    batches = records(effort.pick(number, 2), effort.pick(size, 10))
    prepared = [way.prepare(batch) for batch in batches]
    sample = partial(_rows_per_s, server, way, prepared, sum(map(len, batches[1:])))
    note = "" if way.counted else "rows only"
    return Contender(way.name, way.role, sample, f"batches of {size:,}", note=note)


def _rows_per_s(server: Server, way: Way, batches: Sequence[Any], rows: int) -> float:
    with server.copied(MONTH) as database, server.connected(way.login, database, way.isolation) as connection:
        way.write(connection, batches[0])
        began_s = time.perf_counter()
        for batch in batches[1:]:
            way.write(connection, batch)
        return rows / (time.perf_counter() - began_s)


ROW = Row(
    name="ingest",
    asks="How fast do batches of records get into the database?",
    unit="rows/s",
    contenders=contenders,
    goals=[
        Goal("store.ingest, batches of 100", over="ORM, row by row, batches of 100", at_least=37),
        Goal("store.ingest, batches of 100", over="Core, row by row, batches of 100", at_least=37),
        Goal("store.ingest, batches of 1,000", over="COPY, batches of 1,000", at_least=0.57),
    ],
)
