"""Changes of what is booked, its history, and the days on which a dyno is closed."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from dyno.allocation.model import (
    DEFAULT_BACKUP_DAYS,
    MAX_BACKUP_DAYS,
    Allocation,
    Day,
    Shown,
    Status,
    Strict,
)

Reason = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=r"^[^\x00-\x1f]*$")
]


class AllocationChange(Strict):
    """
    What is to be different of an allocation; whatever is left out stays.

    Attributes:
        start_date: Moves it, its length kept unless that is given, too.
        end_date: Or days_to_complete.
        status: scheduled confirms a hold; completed ends it today, if it was to go on.
        dry_run: Say what would come of it, and change nothing.
    """

    dyno_id: int | None = None
    start_date: Day | None = None
    end_date: Day | None = None
    days_to_complete: Annotated[int, Field(ge=1)] | None = None
    status: Literal["scheduled", "in_progress", "completed"] | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _something(self) -> "AllocationChange":
        given = self.model_fields_set - {"dry_run"}
        if empty := sorted(name for name in given if getattr(self, name) is None):
            raise ValueError(f"{', '.join(empty)}: null is no value of an allocation; leave out what is to stay")
        if not given:
            raise ValueError("name something to change: dyno_id, start_date, end_date or days_to_complete, status")
        if {"end_date", "days_to_complete"} <= given:
            raise ValueError("give either end_date or days_to_complete")
        if self.status == "completed" and given != {"status"}:
            raise ValueError("completed ends it today or when it was to end; give nothing else with it")
        return self

    def named(self) -> dict[str, Any]:
        """What is to be different, as JSON has it."""
        return self.model_dump(mode="json", exclude_unset=True, exclude={"dry_run"})


class Changed(Shown):
    """The answer to a change; `message` is for people."""

    success: Literal[True] = True
    message: str
    dry_run: bool = False
    allocation: Allocation

    @property
    def allocation_id(self) -> int | None:
        """The booking's id, as the call's record carries it."""
        return self.allocation.allocation_id


class HistoryEntry(Shown):
    """
    One change of an allocation.

    Attributes:
        action: book, hold, confirm, move, step, displace, cancel, lapse.
        actor: The user pool's id of who did it, or system.
        before: The allocation as it was; None where there was none, or it was not noted.
    """

    history_id: int
    at: datetime
    action: str
    actor: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class MaintenanceRequest(Strict):
    """
    Days on which a dyno is to be closed, both ends in.

    Attributes:
        max_backup_days: How many days later than now a booking that makes way may start.
        dry_run: Say what would come of it, and change nothing.
    """

    start_date: Day
    end_date: Day
    reason: Reason
    max_backup_days: Annotated[int, Field(ge=0, le=MAX_BACKUP_DAYS)] = DEFAULT_BACKUP_DAYS
    dry_run: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> "MaintenanceRequest":
        if self.end_date < self.start_date:
            raise ValueError("end_date is before start_date")
        return self


class MaintenanceWindow(Shown):
    """
    Days on which a dyno is closed, both ends in; its turnaround stays free behind them.

    Attributes:
        window_id: None in the answer to a dry run.
    """

    window_id: int | None
    dyno_id: int
    dyno_name: str
    start_date: date
    end_date: date
    reason: str | None
    status: Status
    created_at: datetime | None
    cancelled_at: datetime | None
    version: int


class Displaced(Shown):
    """A booking that made way: as it was and as it is."""

    before: Allocation
    after: Allocation


class Maintenance(Shown):
    """The answer to closing a dyno; `message` is for people."""

    success: Literal[True] = True
    message: str
    dry_run: bool = False
    window: MaintenanceWindow
    displaced: list[Displaced]
    replayed: Annotated[bool, Field(exclude=True)] = False


class Reopened(Shown):
    """The answer to opening a dyno again."""

    success: Literal[True] = True
    message: str
    dry_run: bool = False
    window: MaintenanceWindow


class Closing(Shown):
    """
    What the function of the database that closes or opens a dyno said.

    Attributes:
        outcome: closed, would_close, reopened, or why not.
        replayed: True if the same key had closed it before.
    """

    outcome: str
    window: MaintenanceWindow | None = None
    displaced: list[Displaced] = Field(default_factory=list)
    in_the_way: list[dict[str, Any]] = Field(default_factory=list)
    replayed: bool = False
    today: date | None = None
