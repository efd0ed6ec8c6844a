"""Writing records as it is usually done: each with its counts and a commit of its own."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, DateTime, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from dyno import tables
from dyno.metrics.catalogue import bucket
from dyno.metrics.model import Record
from tests.benchmarks.peers.writing import INSERT, row

COUNTED = """
    select hour, service_name, method_name, outcome, bucket, calls
      from usual_hours order by hour, service_name, method_name, outcome, bucket
"""


class Entity(DeclarativeBase):
    """What rows are mapped to."""


class Call(Entity):
    __table__ = tables.metrics
    __mapper_args__ = {"exclude_properties": ("id",)}  # noqa: RUF012  # as the library declares it
    told = tables.metrics.c.metadata  # an entity's own `metadata` is something else


class User(Entity):
    __table__ = tables.users


class Rollup:
    """Kept with a row per bucket, so that every statement is a small one."""

    service_name: Mapped[str] = mapped_column(primary_key=True)
    method_name: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[int] = mapped_column(primary_key=True)
    calls: Mapped[int]
    duration_ms_sum: Mapped[float]
    duration_ms_max: Mapped[float]


class Total(Rollup, Entity):
    __tablename__ = "usual_totals"


class Hour(Rollup, Entity):
    __tablename__ = "usual_hours"

    hour: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)


R = TypeVar("R", Hour, Total)


def make_tables(connection: Connection) -> None:
    """Where the counts go; the rows go where all the others' go."""
    Entity.metadata.create_all(connection, [Hour.__table__, Total.__table__])  # type: ignore[list-item]


def with_orm(connection: Connection, batch: Sequence[Record]) -> None:
    """Is it there already; insert; look the counts up and raise them; commit."""
    with Session(connection) as session:
        for record in batch:
            if session.get(Call, (record.event_id, record.created_at)) is None:
                values = row(record)
                told = values.pop("metadata")
                session.add(Call(**values, told=told, user_id=_user_id(session, record.sub)))
                _raise(session, Hour, record, hour=_hour(record))
                _raise(session, Total, record)
            session.commit()


def with_core(connection: Connection, batch: Sequence[Record]) -> None:
    """The same in a statement a table."""
    for record in batch:
        if connection.execute(INSERT, row(record)).rowcount:
            _upsert(connection, Hour, record, hour=_hour(record))
            _upsert(connection, Total, record)
        connection.commit()


def _upsert(connection: Connection, kind: type[Hour | Total], record: Record, **more: Any) -> None:
    key = _key(record) | more
    new = insert(kind).values(key | _share(record))
    raised = {
        "calls": kind.calls + 1,
        "duration_ms_sum": kind.duration_ms_sum + new.excluded.duration_ms_sum,
        "duration_ms_max": func.greatest(kind.duration_ms_max, new.excluded.duration_ms_max),
    }
    connection.execute(new.on_conflict_do_update(index_elements=list(key), set_=raised))


def _user_id(session: Session, sub: str | None) -> int | None:
    if sub is None:
        return None
    user: Any = session.scalar(select(User).where(tables.users.c.sub == sub))
    if user is None:
        user = User(sub=sub, version=1)
        session.add(user)
        session.flush()
    user_id: int = user.id
    return user_id


def _raise(session: Session, kind: type[R], record: Record, **more: Any) -> None:
    key = _key(record) | more
    rollup = session.get(kind, key, with_for_update=True)
    if rollup is None:
        session.add(kind(**key, **_share(record)))
        return
    rollup.calls += 1
    rollup.duration_ms_sum += record.duration_ms
    rollup.duration_ms_max = max(rollup.duration_ms_max, record.duration_ms)


def _key(record: Record) -> dict[str, Any]:
    return {
        "service_name": record.service,
        "method_name": record.method,
        "outcome": record.outcome,
        "bucket": bucket(record.duration_ms),
    }


def _share(record: Record) -> dict[str, Any]:
    return {"calls": 1, "duration_ms_sum": record.duration_ms, "duration_ms_max": record.duration_ms}


def _hour(record: Record) -> datetime:
    return record.created_at.replace(minute=0, second=0, microsecond=0)
