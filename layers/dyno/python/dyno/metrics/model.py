"""What a log batch brings, and what reports, call trees and the deep check say."""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from dyno.metrics.scrub import storable

MAX_HOURS = 9_600
"""The longest period a report may cover: the 400 days that rollups are kept."""

Outcome = Literal["success", "rejected", "error"]
# The lengths keep every index entry under PostgreSQL's limit of 2,704 bytes.
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
EventId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,100}$")]


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # in the first or the last hours of the calendar
        raise ValueError("no moment of the calendar in UTC") from error


# PostgreSQL takes offsets up to 15:59 only, and one that it does not take would fail the whole batch.
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]


class LogEvent(BaseModel):
    """One line as CloudWatch Logs hands it over; the id is the same at every delivery."""

    id: str
    message: Annotated[str, BeforeValidator(storable)]


class LogBatch(BaseModel):
    """
    What a log subscription delivers.

    Source:
        CloudWatch Logs user guide, "Subscription filters with AWS Lambda".
    """

    messageType: str  # noqa: N815  # CloudWatch's own spelling
    logEvents: list[LogEvent] = []  # noqa: N815

    @classmethod
    def unpack(cls, event: Mapping[str, Any]) -> "LogBatch":
        """From the Lambda event: {"awslogs": {"data": base64 of gzip of JSON}}."""
        # Not pydantic's JSON: it refuses half a surrogate pair, and one such line would hold up its whole batch.
        return cls.model_validate(json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"]))))

    @property
    def events(self) -> Sequence[LogEvent]:
        """The lines; none in the control messages by which CloudWatch tests the subscription."""
        return self.logEvents if self.messageType == "DATA_MESSAGE" else ()


class Record(BaseModel):
    """A record line as it is stored; EMF, stack trace and release stay in the log."""

    model_config = ConfigDict(strict=True, frozen=True)

    record: Literal["dyno-call/1"] = Field(exclude=True)
    event_id: EventId
    correlation_id: Name
    sub: Name | None = None
    service: Name
    method: Name
    outcome: Outcome
    success: bool
    duration_ms: Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
    created_at: Moment
    parent_event_id: EventId | None = None
    error_type: Name | None = None
    error_message: str | None = None
    metadata: dict[str, JsonValue] | None = None

    @model_validator(mode="after")
    def _agree(self) -> "Record":
        if self.success != (self.outcome == "success"):
            raise ValueError("success and outcome disagree")
        return self


class Reason(StrEnum):
    """Why a line is a dead letter."""

    TOO_LONG = "too_long"
    NOT_JSON = "not_json"
    INVALID = "invalid"
    TOO_OLD = "too_old"
    FUTURE = "future"


class DeadLetter(BaseModel):
    """A line set aside, once per log event."""

    letter_id: str
    reason: Reason
    line: str
    received_at: datetime


class Ingested(BaseModel):
    """
    What became of a batch; the four add up to its lines.

    Attributes:
        duplicates: Records and letters that were there before.
        foreign: Lines that only mention the record's name.
    """

    rows: int
    dead_letters: int
    duplicates: int
    foreign: int


@dataclass(frozen=True)
class MethodRollup:
    """The rollups of one method, added up over a period; `buckets` by index, all outcomes together."""

    service: str
    method: str
    success_count: int
    rejected_count: int
    error_count: int
    duration_ms_sum: float
    duration_ms_max: float
    buckets: dict[int, int]


@dataclass(frozen=True)
class Finished:
    """A row as a call tree needs it."""

    event_id: str
    parent_event_id: str | None
    service: str
    method: str
    outcome: Outcome
    created_at: datetime
    duration_ms: float


class MethodStats(BaseModel):
    """Calls of one method over a period."""

    service: str
    method: str
    total_calls: int
    success_count: int
    rejected_count: int
    error_count: int
    success_rate: float
    avg_duration_ms: float
    p50_duration_ms: float
    p95_duration_ms: float
    p99_duration_ms: float
    max_duration_ms: float


class Performance(BaseModel):
    """
    The performance report.

    Attributes:
        since: The hour the period begins in; rollups know no finer.
    """

    period_hours: int
    since: datetime
    as_of: datetime
    stats: list[MethodStats]


class Call(BaseModel):
    """A finished call, and the calls made within it, in order of their start."""

    call_id: str
    service: str
    method: str
    outcome: Outcome
    started_at: datetime
    duration_ms: float
    calls: list["Call"] = []


class CallTree(BaseModel):
    """
    All calls under one correlation id.

    Attributes:
        truncated: Whether there are more than are shown; the earliest are.
    """

    correlation_id: str
    calls: list[Call]
    truncated: bool


class SeriesTotal(BaseModel):
    """Calls of one service, method and outcome since counting began; `buckets` by index."""

    service: str
    method: str
    outcome: Outcome
    duration_ms_sum: float
    buckets: dict[int, int]

    @property
    def calls(self) -> int:
        """How many."""
        return sum(self.buckets.values())


class Totals(BaseModel):
    """Everything counted since counting began."""

    series: list[SeriesTotal]
    dead_letters: dict[str, int]

    @property
    def version(self) -> int:
        """Grows with everything that is counted, so that of two snapshots the later is known."""
        return sum(series.calls for series in self.series) + sum(self.dead_letters.values())


class Snapshot(BaseModel):
    """The totals as /metrics/prometheus shows them, without asking the database."""

    version: int
    taken_at: datetime
    totals: Totals


class Check(BaseModel):
    """One dependency; `reason` says what is wrong, or what was seen."""

    name: str
    ok: bool
    reason: str


class Health(BaseModel):
    """The deep check."""

    ok: bool
    as_of: datetime
    checks: list[Check]
