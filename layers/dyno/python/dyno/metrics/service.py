"""What the metrics doors do: take batches in, and answer reports, call trees, scrapes and the deep check."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from dyno.database import autocommit
from dyno.metrics import exposition, store
from dyno.metrics.calltree import tree
from dyno.metrics.histogram import quantile
from dyno.metrics.intake import sort_out
from dyno.metrics.model import CallTree, Ingested, LogEvent, MethodRollup, MethodStats, Performance, Snapshot
from dyno.metrics.snapshot import Snapshots
from dyno.metrics.track import track_performance

SERVICE = "MetricsService"
MAX_CALLS = 1_000


def ingest(
    events: Sequence[LogEvent], over: Engine, snapshots: Snapshots, *, now: datetime, retention_days: int
) -> Ingested:
    """
    Store a batch of record lines, each once however often it comes, and bring the snapshot up to date.

    Raises:
        Unavailable: The database or the snapshot could not be written. The batch may be sent again either way.
    """
    batch = sort_out(events, now=now, retention_days=retention_days)
    with autocommit(over) as connection:
        rows, dead_letters = store.ingest(connection, batch.records, batch.letters)
        # After the commit: whoever commits last then sees what everybody wrote, so no count stays unseen.
        totals = store.totals(connection)
    # A failure here fails the batch although its rows are safe: Lambda sends it again, it adds nothing, and the
    # snapshot gets another chance. Swallowed, the last batch before a quiet night would stay out of the exposition.
    snapshots.write(Snapshot(version=totals.version, taken_at=now, totals=totals))
    return Ingested(
        rows=rows,
        dead_letters=dead_letters,
        duplicates=len(batch.records) + len(batch.letters) - rows - dead_letters,
        foreign=batch.foreign,
    )


@track_performance(SERVICE)
def performance(over: Engine, hours: int, *, now: datetime) -> Performance:
    """
    Calls, outcomes and percentiles by service and method, in name order.

    Args:
        hours: 1 to MAX_HOURS, counted back from now and then down to the full hour.
    """
    since = (now.astimezone(UTC) - timedelta(hours=hours)).replace(minute=0, second=0, microsecond=0)
    with autocommit(over) as connection:
        rollups = store.performance(connection, since)
    return Performance(period_hours=hours, since=since, as_of=now, stats=[_stats(rollup) for rollup in rollups])


@track_performance(SERVICE)
def calls(over: Engine, correlation_id: str) -> CallTree:
    """All finished calls of a request, as a tree; empty if nothing is known of it, or not yet."""
    with autocommit(over) as connection:
        finished = store.finished(connection, correlation_id, MAX_CALLS + 1)
    return CallTree(
        correlation_id=correlation_id, calls=tree(finished[:MAX_CALLS]), truncated=len(finished) > MAX_CALLS
    )


def prometheus(snapshots: Snapshots, *, release: str, strategy: str) -> str:
    """
    The exposition for Prometheus, of exposition.CONTENT_TYPE; the database is not asked.

    Raises:
        Unavailable: The snapshot could not be read.
    """
    return exposition.exposition(snapshots.read(), release=release, strategy=strategy)


def _stats(rollup: MethodRollup) -> MethodStats:
    total_calls = rollup.success_count + rollup.rejected_count + rollup.error_count
    p50, p95, p99 = (round(quantile(rank, rollup.buckets, rollup.duration_ms_max), 3) for rank in (0.5, 0.95, 0.99))
    return MethodStats(
        service=rollup.service,
        method=rollup.method,
        total_calls=total_calls,
        success_count=rollup.success_count,
        rejected_count=rollup.rejected_count,
        error_count=rollup.error_count,
        success_rate=round(100 * rollup.success_count / total_calls, 4),
        avg_duration_ms=round(rollup.duration_ms_sum / total_calls, 3),
        p50_duration_ms=p50,
        p95_duration_ms=p95,
        p99_duration_ms=p99,
        max_duration_ms=rollup.duration_ms_max,
    )
