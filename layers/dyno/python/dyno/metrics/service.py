"""What the metrics doors do: take batches in, and answer reports, call trees, scrapes and the deep check."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from dyno.database import autocommit
from dyno.errors import Unavailable
from dyno.metrics import exposition, store
from dyno.metrics.calltree import tree
from dyno.metrics.catalogue import BUCKET_BOUNDS_MS
from dyno.metrics.form import TEXT, Form
from dyno.metrics.histogram import MAX_ERROR_PERCENTAGE, quantile
from dyno.metrics.intake import Batch, sort_out
from dyno.metrics.model import (
    Aged,
    CallTree,
    Ingested,
    LogEvent,
    MethodCounts,
    MethodRollup,
    MethodStats,
    PercentileError,
    Performance,
    Period,
    ReportSource,
    Retried,
    Snapshot,
)
from dyno.metrics.snapshot import Snapshots
from dyno.metrics.track import track_performance

SERVICE = "MetricsService"
MAX_CALLS = 1_000
MAX_LETTERS = 500

HOUR = timedelta(hours=1)

MONTHS = range(-1, 4)
"""Months from this one that have a partition: the one before for what comes late, three ahead for nights that fail."""

INTERPOLATED = PercentileError(percentage=MAX_ERROR_PERCENTAGE, ms=BUCKET_BOUNDS_MS[0])
EXACT = PercentileError(percentage=0, ms=0)


def ingest(
    events: Sequence[LogEvent],
    over: Engine,
    snapshots: Snapshots,
    *,
    now: datetime,
    retention_days: int,
    lab_time_zone: ZoneInfo,
    redriven: bool = False,
) -> Ingested:
    """
    Store a batch of record lines, each once however often it comes, and bring the snapshot up to date.

    Args:
        lab_time_zone: Decides when the lab's month began.
        redriven: Whether the lines are read again: what they waited for is no lag of the pipeline.
    Raises:
        Unavailable: The database or the snapshot could not be written. The batch may be sent again either way.
    """
    batch = sort_out(events, now=now, retention_days=retention_days)
    with autocommit(over) as connection:
        stored = _store(connection, batch, len(events))
        lag_s = None if redriven else _lag_s(stored.oldest, now)
        # After the commit: whoever commits last then sees what everybody wrote, so no count stays unseen.
        snapshot = _snapshot(connection, now, lab_time_zone, lag_s)
    # A failure here fails the batch although its rows are safe: Lambda sends it again, it adds nothing, and the
    # snapshot gets another chance. Swallowed, the last batch before a quiet night would stay out of the exposition.
    snapshots.write(snapshot)
    return stored.told.model_copy(update={"lag_s": lag_s})


def retry_dead_letters(
    after: int, over: Engine, snapshots: Snapshots, *, now: datetime, retention_days: int, lab_time_zone: ZoneInfo
) -> Retried:
    """
    Try the next open dead letters again, at most MAX_LETTERS, as if their lines had just come.

    What was in the future may be past, and a later release may read what an earlier one could not.

    Args:
        after: Their ids are greater; 0 to begin with, then `next` of the answer.
    Raises:
        Unavailable: As `ingest` does.
    """
    with autocommit(over) as connection:
        letters = store.open_dead_letters(connection, after, MAX_LETTERS)
        events = [event for _, event in letters]
        batch = sort_out(events, now=now, retention_days=retention_days)
        stored = _store(connection, batch, len(events))
        snapshot = _snapshot(connection, now, lab_time_zone, None)
    snapshots.write(snapshot)
    following = letters[-1][0] if len(letters) == MAX_LETTERS else None
    return Retried(**stored.told.model_dump(), looked_at=len(letters), next=following)


def age(over: Engine, *, retention_days: int, now: datetime) -> Aged:
    """
    Make the partitions of the months ahead, and drop what is older than its retention; totals stay.

    Raises:
        Unavailable: The database did not answer.
    """
    month = now.astimezone(UTC).date().replace(day=1)
    with autocommit(over) as connection:
        made = store.make_partitions(connection, [_months_later(month, ahead) for ahead in MONTHS])
        return store.age(connection, now - timedelta(days=retention_days)).model_copy(update={"partitions_made": made})


def report(over: Engine, wanted: Period, source: ReportSource, *, now: datetime) -> Performance:
    """Calls, outcomes and percentiles of a period, from hourly rollups or from the rows themselves."""
    return (exact_performance if source == "raw" else performance)(over, wanted, now=now)


@track_performance(SERVICE)
def performance(over: Engine, wanted: Period, *, now: datetime) -> Performance:
    """Calls, outcomes and percentiles of a period by service and method, in name order, from hourly rollups."""
    hours = replace(wanted, since=_hour(wanted.since), until=_hour(wanted.until + HOUR - timedelta.resolution))
    with autocommit(over) as connection:
        rollups = store.performance(connection, hours)
    return _report(wanted, hours, now, "rollup", [_stats(each, *_percentiles(each)) for each in rollups])


@track_performance(SERVICE)
def exact_performance(over: Engine, wanted: Period, *, now: datetime) -> Performance:
    """The same for a period of at most MAX_RAW_HOURS, from the rows themselves: to the moment, percentiles exact."""
    with autocommit(over) as connection:
        exact = store.exact_performance(connection, wanted)
    stats = [_stats(each, each.p50_duration_ms, each.p95_duration_ms, each.p99_duration_ms) for each in exact]
    return _report(wanted, wanted, now, "raw", stats)


@track_performance(SERVICE)
def calls(over: Engine, correlation_id: str) -> CallTree:
    """All finished calls of a request, as a tree; empty if nothing is known of it, or not yet."""
    with autocommit(over) as connection:
        finished = store.finished(connection, correlation_id, MAX_CALLS + 1)
    return CallTree(
        correlation_id=correlation_id, calls=tree(finished[:MAX_CALLS]), truncated=len(finished) > MAX_CALLS
    )


def prometheus(snapshots: Snapshots, *, release: str, strategy: str, form: Form = TEXT) -> str:
    """
    The exposition for Prometheus; the database is not asked.

    While the snapshot cannot be read it says so, and has no counts. It does not fail even then: that would be a failed
    request, and at night scrapes are all the requests there are.
    """
    try:
        snapshot, readable = snapshots.read(), True
    except Unavailable:  # for reasons that are in the log
        snapshot, readable = None, False
    return exposition.exposition(snapshot, release=release, strategy=strategy, form=form, readable=readable)


@dataclass(frozen=True)
class _Stored:
    told: Ingested
    oldest: datetime | None


def _store(connection: Connection, batch: Batch, lines: int) -> _Stored:
    added = store.ingest(connection, batch.records, batch.letters, batch.observations)
    # A line may have been a dead letter when it came first: from the future, or read by an earlier release. Apart from
    # the batch: if this is lost, the letter is tried again, found to be a duplicate, and closed then.
    recovered = 0
    if added.has_open_letters and batch.taken:
        recovered = store.close_dead_letters(connection, [event.letter_id for event in batch.taken])
    new = added.rows + added.observations + added.dead_letters
    ours = len(batch.taken) + len(batch.letters)
    told = Ingested(
        rows=added.rows,
        observations=added.observations,
        dead_letters=added.dead_letters,
        duplicates=ours - new,
        foreign=lines - ours,
        recovered=recovered,
    )
    return _Stored(told, added.oldest)


def _lag_s(oldest: datetime | None, now: datetime) -> float | None:
    return None if oldest is None else round(max(0.0, (now - oldest).total_seconds()), 3)


def _snapshot(connection: Connection, now: datetime, lab_time_zone: ZoneInfo, lag_s: float | None) -> Snapshot:
    version, totals = store.counted(connection, lab_time_zone.key, now)
    return Snapshot(version=version, taken_at=now, totals=totals, ingest_lag_s=lag_s)


def _months_later(month: date, months: int) -> date:
    years, index = divmod(month.month - 1 + months, 12)
    return date(month.year + years, index + 1, 1)


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _report(
    wanted: Period, covered: Period, now: datetime, source: ReportSource, stats: list[MethodStats]
) -> Performance:
    hours = (wanted.until - wanted.since) / HOUR
    return Performance(
        period_hours=int(hours) if hours.is_integer() else round(hours, 6),
        since=covered.since,
        until=covered.until,
        as_of=now,
        source=source,
        percentile_error=EXACT if source == "raw" else INTERPOLATED,
        stats=stats,
    )


def _percentiles(rollup: MethodRollup) -> tuple[float, float, float]:
    p50, p95, p99 = (round(quantile(rank, rollup.buckets, rollup.duration_ms_max), 3) for rank in (0.5, 0.95, 0.99))
    return p50, p95, p99


def _stats(counts: MethodCounts, p50: float, p95: float, p99: float) -> MethodStats:
    total_calls = counts.success_count + counts.rejected_count + counts.error_count
    return MethodStats(
        service=counts.service,
        method=counts.method,
        total_calls=total_calls,
        success_count=counts.success_count,
        rejected_count=counts.rejected_count,
        error_count=counts.error_count,
        success_rate=round(100 * counts.success_count / total_calls, 4),
        avg_duration_ms=round(counts.duration_ms_sum / total_calls, 3),
        p50_duration_ms=p50,
        p95_duration_ms=p95,
        p99_duration_ms=p99,
        max_duration_ms=counts.duration_ms_max,
    )
