"""Imports of uploaded files in the database: announced, begun, and over."""

from datetime import timedelta

from sqlalchemy import Connection, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from dyno.imports.jobs_model import Begun, Job, NewUpload, Result


def announce(
    connection: Connection, owner: str, role: str, wanted: NewUpload, correlation_id: str | None, until: timedelta
) -> Job:
    """Make an import that waits for its file for so long."""
    asked = literal(wanted.model_dump(mode="json"), JSONB)
    made = func.announce_import(owner, role, asked, correlation_id, until, type_=JSONB)
    return Job.model_validate(connection.execute(select(made)).scalar_one())


def find(connection: Connection, import_id: int) -> Job | None:
    """An import; None if there is none."""
    found = connection.execute(select(func.import_job(import_id, type_=JSONB))).scalar_one()
    return Job.model_validate(found) if found else None


def begin(connection: Connection, import_id: int, run: str, most: timedelta) -> Begun:
    """
    Claim an import for a run.

    Args:
        most: How long it takes at most; behind that, it is anybody's.
    """
    said = connection.execute(select(func.begin_import(import_id, run, most, type_=JSONB))).scalar_one()
    return Begun.model_validate(said)


def note(connection: Connection, import_id: int, run: str, done: int, total: int) -> None:
    """How far a run has come."""
    connection.execute(select(func.note_import(import_id, run, done, total)))


def end(
    connection: Connection, import_id: int, run: str, status: str, result: Result, done: int, total: int | None
) -> bool:
    """What came of a run; False if it is somebody else's by now."""
    told = literal(result.model_dump(mode="json"), JSONB)
    ended: bool = connection.execute(select(func.end_import(import_id, run, status, told, done, total))).scalar_one()
    return ended
