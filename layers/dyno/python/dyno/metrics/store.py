"""The metrics tables: the call that writes a batch, and what reports read."""

from collections.abc import Sequence
from datetime import date, datetime

from pydantic import TypeAdapter
from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import JSONB

from dyno.metrics.model import DeadLetter, Finished, MethodRollup, Totals
from dyno.tables import metrics

_LETTERS = TypeAdapter(list[DeadLetter])

_INGEST = text("select ingest(cast(:records as jsonb), cast(:letters as jsonb)) as counts").columns(counts=JSONB)

# One row per method, its buckets in two lists: fetching a row per bucket costs more than finding it.
_PERFORMANCE = text("""
    select service_name, method_name,
           sum(success)::bigint, sum(rejected)::bigint, sum(error)::bigint,
           sum(total_ms), max(max_ms), json_object_agg(bucket, success + rejected + error)
      from (select service_name, method_name, bucket,
                   coalesce(sum(calls) filter (where outcome = 'success'), 0) as success,
                   coalesce(sum(calls) filter (where outcome = 'rejected'), 0) as rejected,
                   coalesce(sum(calls) filter (where outcome = 'error'), 0) as error,
                   sum(duration_ms_sum) as total_ms, max(duration_ms_max) as max_ms
              from metrics_hourly
             where hour >= :since
             group by service_name, method_name, bucket) buckets
     group by service_name, method_name
     order by service_name collate "C", method_name collate "C"
""")

_TOTALS = text("""
    select (select json_agg(series) from (
              select service_name as service, method_name as method, outcome,
                     sum(duration_ms_sum) as duration_ms_sum, json_object_agg(bucket, calls) as buckets
                from metrics_totals
               group by service_name, method_name, outcome
               order by service_name collate "C", method_name collate "C", outcome) series),
           (select json_object_agg(reason, letters order by reason) from dead_letter_totals)
""")


def ingest(connection: Connection, records: Sequence[str], letters: Sequence[DeadLetter]) -> tuple[int, int]:
    """
    Write a batch: rows and their share of rollups and totals, and dead letters; whole or not at all, in one statement.

    Args:
        records: Record objects as JSON.
    Returns:
        Rows and dead letters that were not there before.
    """
    values = {"records": f"[{','.join(records)}]", "letters": _LETTERS.dump_json(list(letters)).decode()}
    counts = connection.execute(_INGEST, values).scalar_one()
    return counts["rows"], counts["dead_letters"]


def totals(connection: Connection) -> Totals:
    """Everything counted so far, as of one moment."""
    series, dead_letters = connection.execute(_TOTALS).one()
    return Totals.model_validate({"series": series or [], "dead_letters": dead_letters or {}})


def performance(connection: Connection, since: datetime) -> list[MethodRollup]:
    """The rollups of the hours since a moment, by service and method, in name order."""
    return [_rollup(*row) for row in connection.execute(_PERFORMANCE, {"since": since})]


def finished(connection: Connection, correlation_id: str, limit: int) -> list[Finished]:
    """The first calls finished under a correlation id, at most `limit`, in order of their end."""
    row = metrics.c
    query = (
        select(
            row.event_id,
            row.parent_event_id,
            row.service_name,
            row.method_name,
            row.outcome,
            row.created_at,
            row.duration_ms,
        )
        .where(row.correlation_id == correlation_id)
        .order_by(row.created_at, row.event_id)
        .limit(limit)
    )
    return [Finished(*each) for each in connection.execute(query)]


def revision(connection: Connection) -> str | None:
    """The schema's revision; None if there is no schema."""
    return connection.execute(text("select max(version_num) from alembic_version")).scalar()


def has_partition(connection: Connection, month: date) -> bool:
    """Whether rows of a month have somewhere to go."""
    return connection.execute(select(func.to_regclass(f"public.metrics_{month:%Y_%m}"))).scalar() is not None


def _rollup(
    service: str,
    method: str,
    success: int,
    rejected: int,
    error: int,
    duration_ms_sum: float,
    duration_ms_max: float,
    buckets: dict[str, int],
) -> MethodRollup:
    counts = {int(bucket): calls for bucket, calls in buckets.items()}
    return MethodRollup(service, method, success, rejected, error, duration_ms_sum, duration_ms_max, counts)
