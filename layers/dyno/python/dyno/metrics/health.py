"""The deep check: each thing the pipeline stands on, with what is wrong with it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from dyno.database import autocommit
from dyno.errors import DynoError, Forbidden
from dyno.metrics import store
from dyno.metrics.model import Check, Health, Snapshot
from dyno.metrics.snapshot import KEY, Snapshots
from dyno.scrub import scrub

MAX_BEHIND_S = 60
"""How old a snapshot may be while the database has counted more than it has."""

_UNKNOWN = "not known without the database"


@dataclass(frozen=True)
class _Seen:
    revision: str | None
    has_partition: bool
    version: int


def health(over: Engine, snapshots: Snapshots, *, now: datetime) -> Health:
    """Ask the database, its schema, this month's partition, the snapshot and ingest how they are."""
    # Before the database: a batch that comes in between must not make the snapshot look ahead of it.
    snapshot = _read(snapshots)
    seen = _look(over, now)
    checks = [*_database(seen, now), _snapshot(snapshot, seen, now), _ingest(snapshot)]
    return Health(ok=all(check.ok for check in checks), as_of=now, checks=checks)


def _look(over: Engine, now: datetime) -> _Seen | str:
    try:
        # One connection for all: three attempts at a sleeping database would outlast the function.
        with autocommit(over) as connection:
            month = now.astimezone(UTC).date()
            return _Seen(store.revision(connection), store.has_partition(connection, month), store.version(connection))
    except Forbidden:  # it is the caller who is not well
        raise
    except (DynoError, SQLAlchemyError) as error:
        return f"{type(error).__name__}: {scrub(str(error), 200)}"


def _database(seen: _Seen | str, now: datetime) -> list[Check]:
    if isinstance(seen, str):
        return [
            Check(name="database", ok=False, reason=seen),
            Check(name="schema", ok=False, reason=_UNKNOWN),
            Check(name="partition", ok=False, reason=_UNKNOWN),
        ]
    return [
        Check(name="database", ok=True, reason="answers"),
        _schema(seen.revision),
        Check(
            name="partition",
            ok=seen.has_partition,
            reason=f"{'has' if seen.has_partition else 'lacks'} {now.astimezone(UTC):%Y-%m}",
        ),
    ]


def _schema(revision: str | None) -> Check:
    # Imported here: Alembic is for the migration, and this is the only other place that wants to know.
    from dyno import migrations  # noqa: PLC0415

    head = migrations.head()
    reason = f"at {revision}" if revision == head else f"at {revision}, this release wants {head}"
    return Check(name="schema", ok=revision == head, reason=reason)


def _read(snapshots: Snapshots) -> Snapshot | str | None:
    try:
        return snapshots.read()
    except DynoError as error:
        return str(error)


def _snapshot(snapshot: Snapshot | str | None, seen: _Seen | str, now: datetime) -> Check:
    ok, reason = _state(snapshot, None if isinstance(seen, str) else seen.version, now)
    return Check(name="snapshot", ok=ok, reason=reason)


def _ingest(snapshot: Snapshot | str | None) -> Check:
    """What the last batches left in the snapshot: whether they could be counted, and how many lines are set aside."""
    if isinstance(snapshot, str):
        return Check(name="ingest", ok=False, reason="not known without the snapshot")
    failing_since = snapshot.failing_since if snapshot else None
    state = f"failing since {failing_since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if failing_since else "works"
    letters = sum(snapshot.totals.open_dead_letters.values()) if snapshot else 0
    return Check(name="ingest", ok=failing_since is None, reason=f"{state}, {letters} dead letters open")


def _state(snapshot: Snapshot | str | None, counted: int | None, now: datetime) -> tuple[bool, str]:
    if isinstance(snapshot, str):
        return False, snapshot
    if snapshot is None:
        return counted == 0, "there is none yet" if counted == 0 else "there is none"
    age_s = (now - snapshot.taken_at).total_seconds()
    behind = 0 if counted is None else counted - snapshot.version
    if behind < 0:
        return False, (
            f"counts {-behind} more than the database, as after a restore; delete {KEY} and the next batch writes it"
            " anew"
        )
    return not behind or age_s <= MAX_BEHIND_S, f"taken {age_s:.0f} s ago, {behind} records behind"
