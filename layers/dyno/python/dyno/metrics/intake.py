"""From log lines to what is stored: calls, observations, dead letters with their reason; and lines none of ours."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json

from dyno.metrics.catalogue import METRIC_RECORD, RECORD
from dyno.metrics.model import DeadLetter, LogEvent, Observation, Reason, Record
from dyno.text import says_nul

AHEAD = timedelta(days=1)
"""How far ahead of the clock a record may be; a line further on is from a machine that is wrong about the time."""

MAX_LINE = 16_384
"""Characters of a line; no tracker writes more, and it bounds the numbers that PostgreSQL would have to hold."""


@dataclass(frozen=True)
class Batch:
    """
    Lines, sorted out.

    Attributes:
        records: Calls, as JSON.
        observations: Of business metrics, as JSON.
        taken: The lines these two are from.
    """

    records: list[str] = field(default_factory=list)
    observations: list[str] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    taken: list[LogEvent] = field(default_factory=list)


def sort_out(events: Sequence[LogEvent], *, now: datetime, retention_days: int) -> Batch:
    """
    Each line as a call, an observation, a dead letter or foreign: JSON of another's that mentions the record's name.

    Args:
        retention_days: What is older than that would be aged at once.
    """
    batch = Batch()
    oldest = now - timedelta(days=retention_days)
    for event in events:
        said = _read(event.message, oldest, now + AHEAD)
        if said is None:
            continue
        if isinstance(said, Reason):
            line = event.message[:MAX_LINE]
            batch.letters.append(DeadLetter(letter_id=event.letter_id, reason=said, line=line, received_at=now))
            continue
        (batch.records if said.is_call else batch.observations).append(said.text)
        batch.taken.append(event)
    return batch


class _Taken(NamedTuple):
    is_call: bool
    text: str


def _read(line: str, oldest: datetime, newest: datetime) -> _Taken | Reason | None:
    if len(line) > MAX_LINE:
        return _why_long(line)
    try:
        said = _parse(line)
    except ValidationError as error:
        return _why(line, error)
    if said.created_at < oldest:
        return Reason.TOO_OLD
    if said.created_at > newest:
        return Reason.FUTURE
    text = said.model_dump_json()
    return Reason.INVALID if says_nul(text) else _Taken(isinstance(said, Record), text)


def _parse(line: str) -> Record | Observation:
    try:
        return Record.model_validate_json(line)
    except ValidationError:
        # Looked for second: nearly every line is a call.
        if METRIC_RECORD not in line:
            raise
    return Observation.model_validate_json(line)


def _why_long(line: str) -> Reason | None:
    try:
        return Reason.TOO_LONG if _is_ours(line) else None
    except ValueError:  # half of a line, as CloudWatch cuts what is very long: there may have been a record in it
        return Reason.TOO_LONG


def _why(line: str, error: ValidationError) -> Reason | None:
    if any(fault["type"] == "json_invalid" for fault in error.errors(include_url=False)):
        return Reason.NOT_JSON
    return Reason.INVALID if _is_ours(line) else None


def _is_ours(line: str) -> bool:
    said = from_json(line)
    return isinstance(said, dict) and said.get("record") in (RECORD, METRIC_RECORD)
