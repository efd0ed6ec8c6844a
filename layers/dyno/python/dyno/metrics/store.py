"""The metrics tables: the call that writes a batch, and what reports read."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import JSONB

from dyno.metrics.catalogue import BUCKET_COUNT
from dyno.metrics.model import (
    Aged,
    DeadLetter,
    Finished,
    LogEvent,
    MethodExact,
    MethodRollup,
    Period,
    SeriesTotal,
    Totals,
)
from dyno.tables import dead_letters, metrics

_LETTERS = TypeAdapter(list[DeadLetter])

_INGEST = text("""
    select ingest(cast(:records as jsonb), cast(:letters as jsonb), cast(:observations as jsonb)) as counts
""").columns(counts=JSONB)

_BUCKETS = range(BUCKET_COUNT)

_FILTERS = """
       and (cast(:service as text) is null or service_name = :service)
       and (cast(:method as text) is null or method_name = :method)
       and (cast(:outcome as text) is null or outcome = :outcome)"""

# A method's buckets in one list: fetching a column each costs more than adding them up.
_PERFORMANCE = text(f"""
    select service_name as service, method_name as method,
           coalesce(sum(calls) filter (where outcome = 'success'), 0) as success_count,
           coalesce(sum(calls) filter (where outcome = 'rejected'), 0) as rejected_count,
           coalesce(sum(calls) filter (where outcome = 'error'), 0) as error_count,
           sum(duration_ms_sum) as duration_ms_sum, max(duration_ms_max) as duration_ms_max,
           array[{", ".join(f"sum(bucket_{number})" for number in _BUCKETS)}] as buckets
      from metrics_rollups
     where hour >= :since and hour < :until {_FILTERS}
     group by service_name, method_name
     order by service_name collate "C", method_name collate "C"
""")  # noqa: S608  # numbers

_EXACT = text(f"""
    select service_name as service, method_name as method,
           count(*) filter (where outcome = 'success') as success_count,
           count(*) filter (where outcome = 'rejected') as rejected_count,
           count(*) filter (where outcome = 'error') as error_count,
           sum(duration_ms) as duration_ms_sum, max(duration_ms) as duration_ms_max,
           percentile_disc(0.50) within group (order by duration_ms) as p50_duration_ms,
           percentile_disc(0.95) within group (order by duration_ms) as p95_duration_ms,
           percentile_disc(0.99) within group (order by duration_ms) as p99_duration_ms
      from metrics
     where created_at >= :since and created_at < :until {_FILTERS}
     group by service_name, method_name
     order by service_name collate "C", method_name collate "C"
""")  # noqa: S608  # no value in it

_HOW_MUCH = """
    select (select coalesce(sum(calls), 0) from metrics_series)
           + (select coalesce(sum(observations), 0) from observation_totals)
           + (select coalesce(sum(letters + redriven), 0) from dead_letter_totals) as version"""

_VERSION = text(_HOW_MUCH)

_COUNTED = text(f"""
    {_HOW_MUCH},
           (select json_agg(series) from (
              select service_name as service, method_name as method, outcome, duration_ms_sum,
                     array[{", ".join(f"bucket_{number}" for number in _BUCKETS)}] as buckets
                from metrics_series
               order by service_name collate "C", method_name collate "C", outcome) series) as series,
           (select json_agg(observation) from (
              select name, kind, unit, labels, value from observation_totals
               order by name collate "C", kind, unit, labels) observation) as observations,
           (select json_object_agg(reason, letters order by reason) from dead_letter_totals) as dead_letters,
           (select json_object_agg(reason, letters - redriven - aged order by reason)
              from dead_letter_totals where letters > redriven + aged) as open_dead_letters,
           (select row_to_json(lab) from lab_month(:zone, :now) lab) as lab
""")  # noqa: S608  # numbers


class Counts(NamedTuple):
    """
    What a batch added.

    Attributes:
        oldest: When the earliest call among the new rows finished; None without any.
        has_open_letters: Whether some line is still set aside.
    """

    rows: int
    observations: int
    dead_letters: int
    oldest: datetime | None
    has_open_letters: bool


def ingest(
    connection: Connection, records: Sequence[str], letters: Sequence[DeadLetter], observations: Sequence[str] = ()
) -> Counts:
    """
    Write a batch: rows, their share of rollups and totals, observations, dead letters; whole or not at all, in one
    statement.

    Args:
        records: Record objects as JSON.
        observations: Observation objects as JSON.
    """
    values = {
        "records": f"[{','.join(records)}]",
        "letters": _LETTERS.dump_json(list(letters)).decode(),
        "observations": f"[{','.join(observations)}]",
    }
    said = connection.execute(_INGEST, values).scalar_one()
    oldest = said["oldest"] and datetime.fromisoformat(said["oldest"])
    return Counts(said["rows"], said["observations"], said["dead_letters"], oldest, said["has_open_letters"])


def close_dead_letters(connection: Connection, letter_ids: Sequence[str]) -> int:
    """Of letters whose lines were taken in after all, close those that are open; how many that were."""
    closed: int = connection.execute(select(func.close_dead_letters(list(letter_ids)))).scalar_one()
    return closed


def open_dead_letters(connection: Connection, after: int, limit: int) -> list[tuple[int, LogEvent]]:
    """Letters neither redriven nor aged, behind an id, in order; each as the event it came from."""
    letter = dead_letters.c
    query = (
        select(letter.id, letter.letter_id, letter.line)
        .where(letter.redriven_at.is_(None), letter.id > after)
        .order_by(letter.id)
        .limit(limit)
    )
    return [(row, LogEvent(message=line, known_as=letter_id)) for row, letter_id, line in connection.execute(query)]


def counted(connection: Connection, zone: str, now: datetime) -> tuple[int, Totals]:
    """
    Everything counted so far, as of one moment, and its version: the higher, the later.

    Args:
        zone: The lab's time zone; decides when its month began.
    """
    said = connection.execute(_COUNTED, {"zone": zone, "now": now}).one()
    totals = Totals(
        series=[SeriesTotal(**series | {"buckets": _by_index(series["buckets"])}) for series in said.series or ()],
        dead_letters=said.dead_letters or {},
        open_dead_letters=said.open_dead_letters or {},
        observations=said.observations or [],
        lab=said.lab,
    )
    return int(said.version), totals


def version(connection: Connection) -> int:
    """How much was counted so far; see `counted`."""
    return int(connection.execute(_VERSION).scalar_one())


def performance(connection: Connection, wanted: Period) -> list[MethodRollup]:
    """The rollups of a period's hours, by service and method, in name order."""
    found = connection.execute(_PERFORMANCE, asdict(wanted))
    return [MethodRollup(**row._asdict() | {"buckets": _by_index(row.buckets)}) for row in found]


def exact_performance(connection: Connection, wanted: Period) -> list[MethodExact]:
    """The same from the rows themselves, with the percentiles as they are."""
    return [MethodExact(**row._asdict()) for row in connection.execute(_EXACT, asdict(wanted))]


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


def make_partitions(connection: Connection, months: Sequence[date]) -> int:
    """Make the partitions of months that have none, each in a transaction of its own; how many that were."""
    return sum(connection.execute(select(func.create_metrics_partition(month))).scalar_one() for month in months)


def age(connection: Connection, before: datetime) -> Aged:
    """Drop what is older than a moment: rollups, observations and letters, then whole partitions; counts stay."""
    aged = connection.execute(select(func.age_metrics(before, type_=JSONB))).scalar_one()
    dropped = connection.execute(select(func.drop_metrics_partitions(before, type_=JSONB))).scalar_one()
    return Aged(partitions_made=0, **aged, **dropped)


def _by_index(buckets: Sequence[int]) -> dict[int, int]:
    return {index: int(calls) for index, calls in enumerate(buckets) if calls}
