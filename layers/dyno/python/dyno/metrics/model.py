"""What a log batch brings, and what reports, call trees and the deep check say."""

import base64
import gzip
import hashlib
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

from dyno.text import storable

MAX_HOURS = 9_600
"""The longest period a report may cover: 400 days, for which rollups are kept unless it is said otherwise."""

MAX_RAW_HOURS = 24
"""The same of a report from the rows themselves, which takes as long as there are rows."""

REDRIVE = "redrive"
"""What stands for the subscription where lines are read from the log again."""

Outcome = Literal["success", "rejected", "error"]
ObservationKind = Literal["counter", "gauge"]
ReportSource = Literal["rollup", "raw"]
# The lengths keep every index entry under PostgreSQL's limit of 2,704 bytes.
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
# As record_business_metric takes them; all of a series together then stay under that limit, too.
MetricName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]{0,99}$")]
LabelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
LabelValue = Annotated[str, StringConstraints(min_length=1, max_length=100)]
EventId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,100}$")]


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # in the first or the last hours of the calendar
        raise ValueError("no moment of the calendar in UTC") from error


# PostgreSQL takes offsets up to 15:59 only, and one that it does not take would fail the whole batch.
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]


class LogEvent(BaseModel):
    """
    One line as CloudWatch Logs keeps it.

    Attributes:
        timestamp: When it was written, in milliseconds of Unix time.
        known_as: The id of the dead letter it became; None if it did not, or is just coming.
    """

    timestamp: int = 0
    message: Annotated[str, BeforeValidator(storable)]
    known_as: str | None = None

    @property
    def letter_id(self) -> str:
        """What it is known by as a dead letter: the same however it comes, by subscription or read from the log."""
        return self.known_as or hashlib.sha256(f"{self.timestamp} {self.message}".encode()).hexdigest()


class LogBatch(BaseModel):
    """
    What a log subscription delivers.

    Source:
        CloudWatch Logs user guide, "Subscription filters with AWS Lambda".
    """

    messageType: str  # noqa: N815  # CloudWatch's own spelling
    subscriptionFilters: list[str] = []  # noqa: N815
    logEvents: list[LogEvent] = []  # noqa: N815

    @classmethod
    def unpack(cls, event: Mapping[str, Any]) -> "LogBatch":
        """From the Lambda event: {"awslogs": {"data": base64 of gzip of JSON}}."""
        # Not pydantic's JSON: it refuses half a surrogate pair, and one such line would hold up its whole batch.
        return cls.model_validate(json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"]))))

    @property
    def is_redriven(self) -> bool:
        """Whether the lines were read from the log again, and not delivered as they came."""
        return REDRIVE in self.subscriptionFilters

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


class Observation(BaseModel):
    """A business metric's line as it is stored; EMF stays in the log."""

    model_config = ConfigDict(strict=True, frozen=True)

    record: Literal["dyno-metric/1"] = Field(exclude=True)
    event_id: EventId
    correlation_id: Name
    sub: Name | None = None
    name: MetricName
    kind: ObservationKind
    unit: Annotated[str, StringConstraints(pattern=r"^[A-Za-z/]{1,50}$")]
    value: Annotated[float, Field(ge=-(2.0**360), le=2.0**360, allow_inf_nan=False)]
    labels: Annotated[dict[LabelName, LabelValue], Field(max_length=5)]
    created_at: Moment

    @model_validator(mode="after")
    def _rise(self) -> "Observation":
        if self.kind == "counter" and self.value < 0:
            raise ValueError("a counter does not fall")
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
    What became of a batch; its counts but `recovered` add up to its lines.

    Attributes:
        rows: Calls that were not there before.
        observations: Of business metrics, likewise.
        dead_letters: Set aside, likewise.
        duplicates: What was there before.
        foreign: Lines that only mention the record's name.
        recovered: Dead letters of before whose line was taken in now.
        lag_s: How long the oldest of the calls that were not there before had waited to be counted; None without one,
            and of lines that are read again.
    """

    rows: int
    observations: int
    dead_letters: int
    duplicates: int
    foreign: int
    recovered: int
    lag_s: float | None = None


class Retried(Ingested):
    """
    What became of dead letters that were tried again; those still dead count as duplicates.

    Attributes:
        looked_at: How many were.
        next: Where the next try goes on, as its `after`; None at the end.
    """

    looked_at: int
    next: int | None


class Aged(BaseModel):
    """
    What the nightly work did: partitions made and dropped, and rows that were older than their retention.

    Attributes:
        partitions_busy: Too old, too, but in use for longer than others may wait; the next night tries again.
    """

    partitions_made: int
    partitions_dropped: list[str]
    partitions_busy: list[str]
    rollup_rows: int
    observations: int
    dead_letters: int


@dataclass(frozen=True)
class Period:
    """
    What a report is about.

    Attributes:
        since: The first moment in it.
        until: The first moment behind it.
        service: Only this one's calls; of any if None. So with the method and the outcome.
    """

    since: datetime
    until: datetime
    service: str | None = None
    method: str | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True)
class MethodCounts:
    """The calls of one method over a period; at least one."""

    service: str
    method: str
    success_count: int
    rejected_count: int
    error_count: int
    duration_ms_sum: float
    duration_ms_max: float


@dataclass(frozen=True)
class MethodRollup(MethodCounts):
    """The same with how many calls fell into each bucket, by index, all outcomes together."""

    buckets: dict[int, int]


@dataclass(frozen=True)
class MethodExact(MethodCounts):
    """The same with the durations that half, 95 % and 99 % of the calls did not exceed."""

    p50_duration_ms: float
    p95_duration_ms: float
    p99_duration_ms: float


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


class PercentileError(BaseModel):
    """
    By how much a percentile may be off: never by more than the larger of the two, up to 1,000 s.

    There the buckets end: of slower calls it is only known that none took longer than the longest.

    Attributes:
        percentage: Of the exact value, which is the percentile_disc of PostgreSQL; 0 if percentiles are exact.
        ms: For calls quicker than the first bucket's bound.
    """

    percentage: float
    ms: float


class Performance(BaseModel):
    """
    The performance report.

    Attributes:
        period_hours: As asked for.
        since: The first moment of the period; of rollups, which know no finer, the hour it begins in.
        until: The first moment behind it; likewise the end of the hour.
        source: Whether from hourly rollups or from the rows themselves.
    """

    period_hours: int | float
    since: datetime
    until: datetime
    as_of: datetime
    source: ReportSource
    percentile_error: PercentileError
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


class ObservationTotal(BaseModel):
    """A business metric with its labels: a counter's sum or a gauge's newest value."""

    name: str
    kind: ObservationKind
    unit: str
    labels: dict[str, str]
    value: float


class LabActivity(BaseModel):
    """
    How the lab is doing.

    Attributes:
        active_users: Who made a booking that is kept, in the last 30 days.
        kept_allocations: Bookings of the lab's month, committed and not cancelled within 24 hours.
        hours_saved: What these saved of planners' time, by what is assumed; None if an earlier release counted.
        cost_savings_usd: What that time would have cost, to the cent.
    """

    active_users: int
    kept_allocations: int
    hours_saved: float | None = None
    cost_savings_usd: float | None = None


class Totals(BaseModel):
    """
    Everything counted since counting began.

    Attributes:
        dead_letters: By reason, all that ever were.
        open_dead_letters: By reason, those neither redriven nor aged.
    """

    series: list[SeriesTotal]
    dead_letters: dict[str, int]
    open_dead_letters: dict[str, int] = {}
    observations: list[ObservationTotal] = []
    lab: LabActivity | None = None


class Snapshot(BaseModel):
    """
    The totals as /metrics/prometheus shows them, without asking the database.

    Attributes:
        version: Grows with everything that is counted, so that of two snapshots the later is known.
        ingest_lag_s: How long the oldest call of the last batch with anything new had waited to be counted.
        failing_since: When ingest began to fail, if its last batch did.
    """

    version: int
    taken_at: datetime
    totals: Totals
    ingest_lag_s: float | None = None
    failing_since: datetime | None = None

    @classmethod
    def empty(cls, at: datetime) -> "Snapshot":
        """Of nothing."""
        return cls(version=0, taken_at=at, totals=Totals(series=[], dead_letters={}))

    def failing(self, at: datetime) -> "Snapshot":
        """The same, telling of a failure; not of one that follows another, or of before the batch that this is of."""
        known = self.failing_since or self.taken_at > at
        return self if known else self.model_copy(update={"failing_since": at})

    def behind(self, kept: "Snapshot | None") -> "Snapshot":
        """
        What is to be kept when this one comes behind another: the newer, with the other's lag if it has none itself.

        What had been failing when this one's batch began is not any more; what failed since then is.
        """
        if kept is None:
            return self
        still = kept.failing_since if kept.failing_since and kept.failing_since > self.taken_at else None
        if kept.version >= self.version:
            return kept.model_copy(update={"failing_since": still})
        return self.model_copy(
            update={
                "taken_at": max(self.taken_at, kept.taken_at),
                "ingest_lag_s": kept.ingest_lag_s if self.ingest_lag_s is None else self.ingest_lag_s,
                "failing_since": still,
            }
        )


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
