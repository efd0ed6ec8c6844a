"""
Redriving: what did not reach the database is handed to ingest again.

Any of it may be done twice, by two at once, or be cut off anywhere: ingest takes each event once, a failed batch is
deleted only after ingest has taken it, and where a run did not get is remembered before it begins.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel

from dyno.errors import Unavailable
from dyno.metrics.leftovers import UNFINISHED_KEY, IngestBroke, Leftovers
from dyno.metrics.packing import Line, batches, delivery, failed_event, slices
from dyno.metrics.redriven import Asked, LogLines, Report
from dyno.metrics.unfinished import Unfinished
from dyno.observability import logger

T = TypeVar("T")

MAX_FAILURES = 3
"""With nothing taken between; ingest is down then, and what is left stays for another time."""

MAX_REASONS = 10
"""Of different failures that a report tells of; the log has them all."""

RESERVE_S = 100
"""Nothing is begun with less than this before the function's deadline: no call of AWS takes longer, see leftovers."""


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
    reasons = _Run(leftovers, report, time_left_s).do(asked)
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
        self._unfinished = Unfinished(leftovers)
        self._report = report
        self._time_left_s = time_left_s
        self._failures = 0
        self._reasons: dict[str, None] = {}

    def do(self, asked: Asked) -> Iterable[str]:
        """Every part, though one before it had to end early; gives the reasons for which not all was done."""
        remembers = self._try(lambda: self._begin(asked))
        for part in (self._replay_failed_batches, self._retry_dead_letters, self._reread_log):
            self._try(part)
        if remembers:  # else there may be more to remember than is known here
            self._try(lambda: self._unfinished.end(self._report.log, self._report.started_at))
        if since := self._report.log.go_on_since:
            self._reasons[f'go on with {{"since": "{since.isoformat()}"}}'] = None
        return self._reasons

    def _try(self, part: Callable[[], None]) -> bool:
        try:
            part()
        except (_Enough, Unavailable) as why:
            self._reasons[str(why)] = None
            return False
        return True

    def _begin(self, asked: Asked) -> None:
        log = self._report.log
        log.since, log.until = asked.period(self._report.started_at, self._unfinished.since())
        self._unfinished.begin(log)

    def _replay_failed_batches(self) -> None:
        for key in self._in_time(self._leftovers.failed_batches()):
            if key != UNFINISHED_KEY:
                self._replay(key)

    def _replay(self, key: str) -> None:
        batches = self._report.failed_batches
        self._stop_in_time()
        kept = self._leftovers.read(key)
        if kept is None:  # another run was quicker
            return
        batches.found += 1
        batches.left += 1
        event = failed_event(kept)
        if event is None:
            logger.warning("not a failed batch", extra={"key": key})
        elif self._is_taken(key, event):
            self._stop_in_time()
            self._leftovers.delete(key)
            batches.replayed += 1
            batches.left -= 1

    def _is_taken(self, key: str, event: Mapping[str, Any]) -> bool:
        try:
            return self._hand_over_batch(event)
        except IngestBroke as why:
            self._fail(why)
            logger.warning("ingest breaks on a failed batch", extra={"key": key})
            return False

    def _retry_dead_letters(self) -> None:
        letters = self._report.dead_letters
        after: int | None = 0
        while after is not None:
            try:
                said = self._hand_over({"dead_letters": {"after": after}})
            except IngestBroke as why:
                self._fail(why)
                return
            if said is None:
                return
            letters.looked_at += said.looked_at
            after = said.next

    def _reread_log(self) -> None:
        log = self._report.log
        for since, until in slices(log.since, log.until):
            # Before, not after: however this ends, the next run goes on at the first slice that was not done.
            unfinished = log.go_on_since
            log.go_on_since = unfinished or since
            if self._reread(since, until):
                log.go_on_since = unfinished

    def _reread(self, since: datetime, until: datetime) -> bool:
        log = self._report.log
        failed = log.failed
        for batch in batches(self._lines(since, until)):
            log.lines += len(batch)
            log.batches += 1
            log.failed += 1
            log.failed -= self._hand_over_lines(batch)
        return log.failed == failed

    def _lines(self, since: datetime, until: datetime) -> Iterator[Line]:
        for page in self._in_time(self._leftovers.pages(since, until)):
            yield from page

    def _hand_over_lines(self, lines: Sequence[Line]) -> bool:
        """Whether ingest took all of them: those that it breaks on are searched out, and the others handed over."""
        try:
            return self._hand_over_batch(delivery(lines))
        except IngestBroke as why:
            if len(lines) == 1:
                self._refuse(lines[0], why)
                return False
        half = len(lines) // 2
        return all([self._hand_over_lines(lines[:half]), self._hand_over_lines(lines[half:])])

    def _refuse(self, line: Line, why: IngestBroke) -> None:
        self._fail(why)
        self._report.log.refused += 1
        # Not its text, which may be anything.
        named = {"log_event_id": line.get("eventId"), "logged_at_ms": line["timestamp"]}
        logger.warning("ingest breaks on a line", extra=named)

    def _hand_over_batch(self, event: Mapping[str, Any]) -> bool:
        said = self._hand_over(event)
        if said is None:
            return False
        self._report.new_dead_letters += said.dead_letters
        self._report.duplicates += said.duplicates
        return True

    def _hand_over(self, event: Mapping[str, Any]) -> _Answer | None:
        """
        Ingest's answer; None if it was down, which leaves the next its chance.

        Raises:
            IngestBroke: On this very event; it says nothing of the next.
            _Enough: It has been down too often, or time is running out.
        """
        try:
            said = self._ask(event)
        except Unavailable as why:
            self._failures += 1
            self._fail(why)
            if self._failures >= MAX_FAILURES:
                raise _Enough(f"stopped after {MAX_FAILURES} failures in a row") from why
            return None
        self._failures = 0
        self._report.rows_added += said.rows + said.observations
        self._report.dead_letters.recovered += said.recovered
        return said

    def _ask(self, event: Mapping[str, Any]) -> _Answer:
        """Ingest's answer; asked once more where it was down, as it is for one batch if just its session was ended."""
        self._stop_in_time()
        try:
            return _Answer.model_validate(self._leftovers.ingest(event))
        except Unavailable:
            self._stop_in_time()
            return _Answer.model_validate(self._leftovers.ingest(event))

    def _fail(self, why: Exception) -> None:
        if len(self._reasons) < MAX_REASONS:
            self._reasons[str(why)] = None

    def _in_time(self, fetched: Iterator[T]) -> Iterator[T]:
        """What is fetched bit by bit, with a look at the time before each: there may be many, and nothing in them."""
        self._stop_in_time()
        for each in fetched:
            yield each
            self._stop_in_time()

    def _stop_in_time(self) -> None:
        if self._time_left_s() < RESERVE_S:
            raise _Enough("stopped before the function's deadline")
