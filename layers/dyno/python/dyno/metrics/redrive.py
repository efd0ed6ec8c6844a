"""
Redriving: what did not reach the database is handed to ingest again.

Any of it may be done twice, by two at once, or be cut off anywhere: ingest takes each event once, and a failed batch is
deleted only after ingest has taken it.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dyno.errors import InvalidRequest, Unavailable
from dyno.metrics.leftovers import Leftovers
from dyno.metrics.model import LogBatch, Moment
from dyno.observability import logger

LOOK_BACK = timedelta(hours=26)
"""How far back the log is read: a day, and what one nightly run may be late."""

SLICE = timedelta(hours=1)
"""The log is read in pieces, so that a run that had to stop can say where the next goes on."""

MAX_LINES = 500
MAX_BYTES = 4_000_000
"""Of a batch's text: packed, it stays under the 6 MB of Lambda's request whatever the text is."""

MAX_FAILURES = 3
"""In a row; ingest is down then, and what is left stays for another time."""

RESERVE_S = 90
"""Nothing is begun with less than this before the function's deadline: ingest may take 60 s."""

_BROKEN = (ValueError, TypeError, KeyError, OSError, EOFError, RecursionError, zlib.error)
"""What unpacking raises of something that nobody packed."""


class Asked(BaseModel):
    """
    Which part of the log is to be read again.

    Attributes:
        since: The first moment of it; LOOK_BACK before the end if nothing is said.
        until: The first moment behind it; now if nothing is said.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: Annotated[Moment, Field(ge=datetime(2000, 1, 1, tzinfo=UTC))] | None = None
    until: Annotated[Moment, Field(ge=datetime(2000, 1, 1, tzinfo=UTC))] | None = None

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "Asked":
        """
        As an event says.

        Raises:
            InvalidRequest: It says something else, or something that is no instant.
        """
        try:
            return cls.model_validate(event)
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            raise InvalidRequest(
                f"redrive takes since and until, ISO instants with their offset from UTC, or neither: {faults}"
            ) from error

    def period(self, now: datetime) -> tuple[datetime, datetime]:
        """
        Since when, and until when.

        Raises:
            InvalidRequest: It would end before it begins.
        """
        until = self.until or now
        since = self.since or until - LOOK_BACK
        if since >= until:
            raise InvalidRequest(f"since, {since.isoformat()}, is not before until, {until.isoformat()}")
        return since, until


class FailedBatches(BaseModel):
    """Objects in the bucket; what is left is no batch, or ingest could not take it now."""

    found: int = 0
    replayed: int = 0
    left: int = 0


class DeadLetters(BaseModel):
    """Lines set aside; the recovered ones were taken in after all."""

    looked_at: int = 0
    recovered: int = 0


class LogLines(BaseModel):
    """
    What was read again of the call log.

    Attributes:
        failed: Batches that ingest did not take.
        go_on_since: The `since` of a run that does the rest; None if nothing is left to do.
    """

    since: datetime
    until: datetime
    lines: int = 0
    batches: int = 0
    failed: int = 0
    go_on_since: datetime | None = None


class Report(BaseModel):
    """
    What a run came to.

    Attributes:
        complete: Whether nothing was left that another run could do.
        reason: Why it was not.
        rows_added: Records, of calls and of business metrics, that had been missing.
        new_dead_letters: Lines set aside that had been missing even there.
        duplicates: Lines that had arrived before.
    """

    started_at: datetime
    finished_at: datetime
    complete: bool = False
    reason: str | None = None
    failed_batches: FailedBatches = Field(default_factory=FailedBatches)
    dead_letters: DeadLetters = Field(default_factory=DeadLetters)
    log: LogLines
    rows_added: int = 0
    new_dead_letters: int = 0
    duplicates: int = 0


class _Answer(BaseModel):
    """Ingest's; nothing at all to a control message."""

    rows: int = 0
    observations: int = 0
    dead_letters: int = 0
    duplicates: int = 0
    recovered: int = 0
    looked_at: int = 0
    next: int | None = None


def redrive(
    asked: Asked, leftovers: Leftovers, *, clock: Callable[[], datetime], time_left_s: Callable[[], float]
) -> Report:
    """
    Hand over the failed batches, have the dead letters tried again, and read the log again.

    Args:
        clock: Tells the time, in UTC.
        time_left_s: Until whoever runs this is stopped.
    Raises:
        InvalidRequest: Of a period that ends before it begins.
    """
    now = clock()
    since, until = asked.period(now)
    report = Report(started_at=now, finished_at=now, log=LogLines(since=since, until=until))
    reasons = _Run(leftovers, report, time_left_s).do()
    report.finished_at = clock()
    report.complete = not reasons
    report.reason = "; ".join(reasons) or None
    return report


class _Enough(Exception):
    """The part under way ends here; says why."""


class _Run:
    """One run, which fills its report as it goes."""

    def __init__(self, leftovers: Leftovers, report: Report, time_left_s: Callable[[], float]) -> None:
        self._leftovers = leftovers
        self._report = report
        self._time_left_s = time_left_s
        self._failures = 0
        self._reasons: dict[str, None] = {}

    def do(self) -> Iterable[str]:
        """Every part, though one before it had to end early; gives the reasons for which not all was done."""
        for part in (self._replay_failed_batches, self._retry_dead_letters, self._reread_log):
            try:
                part()
            except (_Enough, Unavailable) as why:
                self._reasons[str(why)] = None
        if since := self._report.log.go_on_since:
            self._reasons[f'go on with {{"since": "{since.isoformat()}"}}'] = None
        return self._reasons

    def _replay_failed_batches(self) -> None:
        batches = self._report.failed_batches
        for key in self._leftovers.failed_batches():
            kept = self._leftovers.read(key)
            if kept is None:  # another run was quicker
                continue
            batches.found += 1
            batches.left += 1
            event = _failed_event(kept)
            if event is None:
                logger.warning("not a failed batch", extra={"key": key})
            elif self._hand_over_batch(event):
                self._leftovers.delete(key)
                batches.replayed += 1
                batches.left -= 1

    def _retry_dead_letters(self) -> None:
        letters = self._report.dead_letters
        after: int | None = 0
        while after is not None:
            said = self._hand_over({"dead_letters": {"after": after}})
            if said is None:
                return
            letters.looked_at += said.looked_at
            after = said.next

    def _reread_log(self) -> None:
        log = self._report.log
        for since, until in _slices(log.since, log.until):
            # Before, not after: however this ends, the next run goes on at the first slice that was not done.
            unfinished = log.go_on_since
            log.go_on_since = unfinished or since
            if self._reread(since, until):
                log.go_on_since = unfinished

    def _reread(self, since: datetime, until: datetime) -> bool:
        self._stop_in_time()
        log = self._report.log
        failed = log.failed
        for batch in _batches(self._leftovers.lines(since, until)):
            self._stop_in_time()
            log.lines += len(batch)
            log.batches += 1
            log.failed += 1
            log.failed -= self._hand_over_batch(_delivery(batch))
        return log.failed == failed

    def _hand_over_batch(self, event: Mapping[str, Any]) -> bool:
        said = self._hand_over(event)
        if said is None:
            return False
        self._report.new_dead_letters += said.dead_letters
        self._report.duplicates += said.duplicates
        return True

    def _hand_over(self, event: Mapping[str, Any]) -> _Answer | None:
        """
        Ingest's answer; None if it failed, which leaves the next its chance.

        Raises:
            _Enough: It has failed too often, or time is running out.
        """
        self._stop_in_time()
        try:
            said = _Answer.model_validate(self._leftovers.ingest(event))
        except Unavailable as why:
            self._failures += 1
            self._reasons[str(why)] = None
            if self._failures >= MAX_FAILURES:
                raise _Enough(f"stopped after {MAX_FAILURES} failures in a row") from why
            return None
        self._failures = 0
        self._report.rows_added += said.rows + said.observations
        self._report.dead_letters.recovered += said.recovered
        return said

    def _stop_in_time(self) -> None:
        if self._time_left_s() < RESERVE_S:
            raise _Enough("stopped before the function's deadline")


def _failed_event(kept: bytes) -> dict[str, Any] | None:
    """
    The log batch that an invocation failed on, from Lambda's record of it; None if it is no such record.

    Source:
        Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations".
    """
    try:
        event: dict[str, Any] = json.loads(kept)["requestPayload"]
        LogBatch.unpack(event)
    except _BROKEN:
        return None
    return event


def _slices(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    while since < until:
        behind = min(since + SLICE, until)
        yield since, behind
        since = behind


def _batches(lines: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    batch: list[Mapping[str, Any]] = []
    size = 0
    for line in lines:
        length = len(line["message"].encode(errors="replace"))
        if batch and (len(batch) == MAX_LINES or size + length > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += length
    if batch:
        yield batch


def _delivery(lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Lines as the log subscription delivers them."""
    events = [
        {"id": line.get("eventId", ""), "timestamp": line["timestamp"], "message": line["message"]} for line in lines
    ]
    batch = {"messageType": "DATA_MESSAGE", "subscriptionFilters": ["redrive"], "logEvents": events}
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(batch).encode())).decode()}}
