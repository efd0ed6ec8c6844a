"""How long the report of a day takes out of the rollups, and how far off it is, beside the same from the rows."""

import inspect
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median

from sqlalchemy import Connection, TextClause, text

from cdk.local.instance import Instance
from dyno.metrics import store
from dyno.metrics.histogram import quantile
from dyno.metrics.model import Period
from tests.benchmarks import dataset
from tests.benchmarks.database import SUPERUSER, Server, lasting, on_server_ms, passing
from tests.benchmarks.row import Contender, Effort, Goal, Role, Row

SIZES = {"1 M rows": 1_000_000, "10 M rows": 10_000_000}
RANKS = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
UNTIL = datetime(2027, 1, 4, 10, tzinfo=UTC)
DAY = Period(UNTIL - timedelta(hours=24), UNTIL)

FLOOR = text("""
    select service_name, method_name, sum(calls) from metrics_rollups
     where hour >= :since and hour < :until group by service_name, method_name
""")
RAW = text("""
    select service_name, method_name,
           count(*) filter (where outcome = 'success'), count(*) filter (where outcome = 'rejected'),
           count(*) filter (where outcome = 'error'), sum(duration_ms), max(duration_ms),
           percentile_cont(array[0.5, 0.95, 0.99]) within group (order by duration_ms)
      from metrics
     where created_at >= :since and created_at < :until
     group by service_name, method_name
     order by service_name collate "C", method_name collate "C"
""")


@contextmanager
def contenders(effort: Effort) -> Iterator[Sequence[Contender]]:
    """The same calls a day, ten times as many, each with its rows and its rollups."""
    with ExitStack() as stack:
        server = stack.enter_context(passing() if effort.short else lasting(Instance.named("bench")))
        yield [
            contender
            for case, rows in SIZES.items()
            for contender in _of_size(
                case, stack.enter_context(_filled(server, effort.pick(rows, rows // 1_000))), effort
            )
        ]


def errors(connection: Connection, rank: float) -> list[float]:
    """How far off the rollups' percentile of each method is, in percent of the exact one."""
    position = list(RANKS.values()).index(rank)
    exact = {(row[0], row[1]): row[-1][position] for row in connection.execute(RAW, asdict(DAY))}
    return [
        100 * abs(quantile(rank, rollup.buckets, rollup.duration_ms_max) / exact[rollup.service, rollup.method] - 1)
        for rollup in store.performance(connection, DAY)
    ]


@contextmanager
def _filled(server: Server, rows: int) -> Iterator[Connection]:
    database = f"calls_{rows}"
    server.keep(database, inspect.getsource(dataset), partial(dataset.fill, rows=rows, until=UNTIL))
    with server.connected(SUPERUSER, database) as connection:
        yield connection


def _of_size(case: str, connection: Connection, effort: Effort) -> Iterator[Contender]:
    for name, role, statement, runs in (
        ("calls of each method", Role.FLOOR, FLOOR, 200),
        ("out of rollups", Role.OURS, store._PERFORMANCE, 200),
        ("out of rows, percentile_cont", Role.PEER, RAW, 5),
    ):
        yield Contender(name, role, partial(_on_server_ms, connection, statement, effort.pick(runs, 2)), case)
    with_driver = partial(_with_driver_ms, connection, effort.pick(200, 2))
    yield Contender("store.performance", Role.OURS, with_driver, case, note="with the driver")
    for name, rank in RANKS.items():
        off = errors(connection, rank)
        for of, error in (("the worst method", max(off)), ("half of the methods", median(off))):
            yield Contender(f"{name}, {of}", Role.OURS, partial(float, error), case, unit="%", note="off by at most")


def _on_server_ms(connection: Connection, statement: TextClause, runs: int) -> float:
    written = statement.bindparams(**{name: asdict(DAY)[name] for name in statement.compile().params})
    return on_server_ms(
        connection, str(written.compile(connection.engine, compile_kwargs={"literal_binds": True})), runs
    )


def _with_driver_ms(connection: Connection, runs: int) -> float:
    took_s = []
    for _ in range(runs):
        began_s = time.perf_counter()
        store.performance(connection, DAY)
        took_s.append(time.perf_counter() - began_s)
    return median(took_s) * 1000


ROW = Row(
    name="reports",
    asks="How long does the report of a day take, and how far off is it?",
    unit="ms",
    contenders=contenders,
    goals=[
        Goal("out of rollups, 10 M rows", at_most=2),
        Goal("out of rollups, 10 M rows", over="out of rollups, 1 M rows", at_most=1.2),
        *(
            Goal(f"{name}, half of the methods, 10 M rows", at_most=limit)
            for name, limit in zip(RANKS, (1, 3, 5), strict=True)
        ),
    ],
)
