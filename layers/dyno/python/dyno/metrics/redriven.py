"""What a redrive is asked to do, and what it came to."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dyno.errors import InvalidRequest
from dyno.metrics.model import Moment

LOOK_BACK = timedelta(hours=26)
"""How far back the log is read: a day, and what one nightly run may be late."""


class Asked(BaseModel):
    """
    Which part of the log is to be read again, and how much depends on it.

    Attributes:
        since: The first moment of it; if nothing is said, LOOK_BACK before the end, or where an earlier run did not
            get, if that is before.
        until: The first moment behind it; now, which is the latest there is, if nothing is said.
        must_complete: Whether a run that leaves something to do has failed, and is to be run again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: Annotated[Moment, Field(ge=datetime(2000, 1, 1, tzinfo=UTC))] | None = None
    until: Annotated[Moment, Field(ge=datetime(2000, 1, 1, tzinfo=UTC))] | None = None
    must_complete: bool = False

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
                f"redrive takes since and until, ISO instants with their offset from UTC, and must_complete: {faults}"
            ) from error

    def period(self, now: datetime, unfinished_since: datetime | None = None) -> tuple[datetime, datetime]:
        """
        Since when, and until when, to the millisecond, which is as fine as the log's own times.

        Args:
            unfinished_since: Where an earlier run did not get; it matters where no `since` is said.
        Raises:
            InvalidRequest: It would end before it begins.
        """
        until = to_the_millisecond(min(self.until or now, now))
        since = to_the_millisecond(self.since or min(until - LOOK_BACK, unfinished_since or until))
        if since >= until:
            raise InvalidRequest(f"since, {since.isoformat()}, is not before until, {until.isoformat()}")
        return since, until


def to_the_millisecond(at: datetime) -> datetime:
    """A moment, cut down."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


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
        failed: Batches that ingest did not take, or not all of.
        refused: Lines that ingest breaks on, each by itself; the function's log names them.
        go_on_since: The `since` of a run that does the rest; None if nothing is left to do.
    """

    since: datetime
    until: datetime
    lines: int = 0
    batches: int = 0
    failed: int = 0
    refused: int = 0
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
