"""Vehicles, dynos, windows and bookings, as they are stored and as the API shows them."""

import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

MAX_BACKUP_DAYS = 90
DEFAULT_BACKUP_DAYS = 7
MAX_ADDED_DAYS = 180
MAX_HOLD_MINUTES = 7 * 24 * 60
"""The database's longest_hold()."""


@dataclass(frozen=True)
class Terms:
    """
    The lab's own limits for a booking.

    Attributes:
        time_zone: IANA name; decides which day today is.
        horizon_days: How far ahead a booking may end.
        max_days: The longest booking.
    """

    time_zone: str
    horizon_days: int
    max_days: int


def _day(given: object) -> object:
    """ISO 8601 calendar dates only: no times, no numbers of seconds."""
    if not isinstance(given, str):
        return given
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
        raise ValueError("a date is written YYYY-MM-DD")
    return date.fromisoformat(given)


def _one_test(given: str) -> str:
    if given == "any":
        raise ValueError("'any' is a word of capabilities; name one test")
    return given


def _as_stored(given: str) -> str:
    return given.strip().upper()


Day = Annotated[date, BeforeValidator(_day)]
Vin = Annotated[str, AfterValidator(_as_stored)]
"""A vin to look a vehicle up by; however it is written, it is one vehicle's."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True, pattern=r"^[^\x00-\x1f]*$")]
TestType = Annotated[Name, AfterValidator(_one_test)]


class Strict(BaseModel):
    """What clients send: exact types, no field we do not know."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Shown(BaseModel):
    """What clients are shown."""

    model_config = ConfigDict(frozen=True)


class Status(StrEnum):
    """The life of an allocation: held → scheduled → in_progress → completed, or cancelled, or lapsed."""

    HELD = "held"
    SCHEDULED = "scheduled"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"


class Work(Shown):
    """
    What a booking's days are reckoned from.

    Attributes:
        miles: To be driven, at so many a day.
        added_days: For what is to be done beside driving.
        days_to_complete: Of driving, the last one counted whole, and those.
    """

    miles: int
    miles_per_day: int
    added_days: int
    days_to_complete: int


class BookingRequest(Strict):
    """
    A vehicle to be tested, from which day and for how many.

    Attributes:
        days_to_complete: Or the work: miles and miles_per_day, and maybe added_days.
        hold_minutes: Held for so long, then let go unless confirmed; None: booked.
    """

    vin: Vin | None = None
    vehicle_id: int | None = None
    test_type: TestType
    start_date: Day
    days_to_complete: Annotated[int, Field(ge=1)] | None = None
    backup: bool = True
    max_backup_days: Annotated[int, Field(ge=0, le=MAX_BACKUP_DAYS)] = DEFAULT_BACKUP_DAYS
    dry_run: bool = False
    miles: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    miles_per_day: Annotated[int, Field(ge=1, le=10_000)] | None = None
    added_days: Annotated[int, Field(ge=0, le=MAX_ADDED_DAYS)] = 0
    hold_minutes: Annotated[int, Field(ge=1, le=MAX_HOLD_MINUTES)] | None = None

    @model_validator(mode="after")
    def _one_vehicle(self) -> "BookingRequest":
        if (self.vin is None) == (self.vehicle_id is None):
            raise ValueError("give either vin or vehicle_id")
        return self

    @model_validator(mode="after")
    def _one_length(self) -> "BookingRequest":
        by_work = {self.miles is not None, self.miles_per_day is not None}
        if len(by_work) == 2 or by_work == {self.days_to_complete is not None}:  # noqa: PLR2004
            raise ValueError("give either days_to_complete, or miles and miles_per_day")
        if self.added_days and self.miles is None:
            raise ValueError("added_days goes with miles and miles_per_day")
        return self

    @property
    def shift_limit_days(self) -> int:
        """How many days later than asked the window may start."""
        return self.max_backup_days if self.backup else 0

    @property
    def work(self) -> Work | None:
        """What the days are reckoned from; None if they were given."""
        if self.miles is None or self.miles_per_day is None:
            return None
        days = math.ceil(Fraction(self.miles, self.miles_per_day)) + self.added_days
        return Work(
            miles=self.miles, miles_per_day=self.miles_per_day, added_days=self.added_days, days_to_complete=days
        )

    @property
    def days(self) -> int:
        """How many whole days it takes."""
        return self.days_to_complete or (self.work.days_to_complete if self.work else 0)


class AutoAllocationRequest(BookingRequest):
    """A booking for which the service chooses the dyno."""


class AllocationRequest(BookingRequest):
    """A booking onto one dyno."""

    dyno_id: int


class Allocation(Shown):
    """
    A vehicle on a dyno for some whole days, both ends in.

    Attributes:
        allocation_id: None in the answer to a dry run.
        shift_days: Days the window was moved later than asked when it was booked.
        booked_by: The user pool's id of who booked it.
        expires_at: When a hold lapses; None of anything else.
        work: What its days were reckoned from when it was booked; None if they were given.
        version: Its ETag.
    """

    allocation_id: int | None
    dyno_id: int
    dyno_name: str
    vehicle_id: int
    vin: str
    test_type: str
    start_date: date
    end_date: date
    status: Status
    shift_days: int
    booked_by: str
    created_at: datetime | None
    expires_at: datetime | None = None
    cancelled_at: datetime | None
    work: Work | None = None
    version: int | None


class AutoAllocation(Shown):
    """The answer to a booking; `message` is for people."""

    success: Literal[True] = True
    message: str
    dry_run: bool = False
    backup_used: bool
    shift_days: int
    allocation: Allocation
    replayed: Annotated[bool, Field(exclude=True)] = False

    @property
    def allocation_id(self) -> int | None:
        """The booking's id, as the call's record carries it."""
        return self.allocation.allocation_id


class Cancellation(Shown):
    """The answer to a cancellation."""

    success: Literal[True] = True
    message: str
    dry_run: bool = False
    allocation: Allocation


class Overlap(Shown):
    """Two bookings that take the same dyno or the same vehicle on the same days."""

    dyno_id: int | None
    vehicle_id: int | None
    first_id: int
    second_id: int
    start_date: date
    end_date: date


class Refusal(Shown):
    """
    A booking that the lab had no days for.

    Attributes:
        asked_by: The user pool's id of who wanted it.
        start_date: The first day asked for.
        drive_type: The vehicle's then; so its weight class.
        reason: vehicle_already_allocated, what kept most of the capable dynos from it, or not_capable if there is none.
        conflicting: Whether somebody else's days were in the way.
    """

    refusal_id: int
    refused_at: datetime
    asked_by: str
    vehicle_id: int
    vin: str
    test_type: str
    drive_type: str
    weight_class: str
    start_date: date
    days_to_complete: int
    reason: str
    conflicting: bool


class AllocationFilter(Strict):
    """Which allocations a list shows; a window is any that touches [from_date, to_date]."""

    dyno_id: int | None = None
    vehicle_id: int | None = None
    vin: Vin | None = None
    status: Status | None = None
    from_date: date | None = None
    to_date: date | None = None


class Placement(Shown):
    """
    What a function of the database that books or changes said.

    Attributes:
        outcome: booked, changed and the like, or why not.
        replayed: True if the same key had booked it before.
    """

    outcome: str
    allocation: Allocation | None = None
    replayed: bool = False
    rejected: list[dict[str, Any]] = Field(default_factory=list)
    in_the_way: list[dict[str, Any]] = Field(default_factory=list)
    start_date: date | None = None
    end_date: date | None = None
    vin: str | None = None
    today: date | None = None
    status: Status | None = None


class Swept(Shown):
    """How many holds lapsed, and how many idempotency keys and refusals were forgotten."""

    lapsed: int
    keys: int
    refusals: int
