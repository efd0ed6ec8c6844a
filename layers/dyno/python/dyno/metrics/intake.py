"""From log lines to what is stored: records, dead letters with their reason, and lines that are none of ours."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import ValidationError
from pydantic_core import from_json

from dyno.metrics.catalogue import RECORD
from dyno.metrics.model import DeadLetter, LogEvent, Reason, Record
from dyno.text import says_nul

AHEAD = timedelta(days=1)
"""How far ahead of the clock a record may be; a line further on is from a machine that is wrong about the time."""

MAX_LINE = 16_384
"""Characters of a line; no tracker writes more, and it bounds the numbers that PostgreSQL would have to hold."""


@dataclass(frozen=True)
class Batch:
    """Lines, sorted out; `records` are JSON."""

    records: list[str] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    foreign: int = 0


def sort_out(events: Sequence[LogEvent], *, now: datetime, retention_days: int) -> Batch:
    """
    Each line as a record, a dead letter or foreign: JSON of somebody else's that mentions the record's name.

    Args:
        retention_days: What is older than that would be aged at once.
    """
    records: list[str] = []
    letters: list[DeadLetter] = []
    oldest = now - timedelta(days=retention_days)
    for event in events:
        match _read(event.message, oldest, now + AHEAD):
            case Reason() as reason:
                line = event.message[:MAX_LINE]
                letters.append(DeadLetter(letter_id=event.id, reason=reason, line=line, received_at=now))
            case str() as record:
                records.append(record)
    return Batch(records, letters, len(events) - len(records) - len(letters))


def _read(line: str, oldest: datetime, newest: datetime) -> str | Reason | None:
    if len(line) > MAX_LINE:
        return Reason.TOO_LONG
    try:
        record = Record.model_validate_json(line)
    except ValidationError as error:
        return _why(line, error)
    if record.created_at < oldest:
        return Reason.TOO_OLD
    if record.created_at > newest:
        return Reason.FUTURE
    text = record.model_dump_json()
    return Reason.INVALID if says_nul(text) else text


def _why(line: str, error: ValidationError) -> Reason | None:
    if any(fault["type"] == "json_invalid" for fault in error.errors(include_url=False)):
        return Reason.NOT_JSON
    said = from_json(line)
    return Reason.INVALID if isinstance(said, dict) and said.get("record") == RECORD else None
