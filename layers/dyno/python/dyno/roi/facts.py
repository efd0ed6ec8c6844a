"""Periods, what happened in them, and what a run of the night did."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from pydantic import ValidationError, model_validator

from dyno.errors import InvalidRequest
from dyno.roi.assumed import AssumptionsRow
from dyno.roi.exact import Day, Exact, Shown, Strict


class PeriodKind(StrEnum):
    """What a report is about."""

    ALL = "all"
    MONTH = "month"
    DAY = "day"
    RANGE = "range"


class Asked(Strict):
    """
    The period a report is asked for.

    Attributes:
        start_date: First day; None for the first with anything.
        end_date: Last day; None for today.
        revision: The stored one; None for what is true now.
    """

    kind: PeriodKind
    start_date: date | None = None
    end_date: date | None = None
    revision: int | None = None


class Span(Shown):
    """
    Days of the lab, both ends in.

    Attributes:
        start_date: Of everything, the first day of the first month with a booking or a refusal, of demand the first day
            with a refusal; None with `end_date` if there is none.
        complete: Whether nothing can change any more but what is assumed: a day after its end has passed.
    """

    kind: PeriodKind
    start_date: date | None
    end_date: date | None
    complete: bool


class Counts(Shown):
    """
    What happened on some days of the lab.

    Attributes:
        kept: Bookings made then, committed and not cancelled within 24 hours.
        cancelled_early: Bookings cancelled within 24 hours.
        replaced: Bookings moved to a later day than asked for, though a dyno could have run them but for others.
        refused: Attempts refused because of the lab: no dyno, or the vehicle is taken.
        refused_conflicts: Those of them that somebody else's days were in the way of.
        placed_calls: Calls that made a booking, dry runs and replays not among them.
        placed_ms: What these took together.
    """

    kept: int = 0
    cancelled_early: int = 0
    replaced: int = 0
    refused: int = 0
    refused_conflicts: int = 0
    placed_calls: int = 0
    placed_ms: float = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in Counts.model_fields})


class MonthCounts(Counts):
    """The same of the days of a calendar month for which one row of assumptions is in force."""

    month: date
    assumptions_id: int


class People(Shown):
    """
    Who uses the service.

    Attributes:
        enrolled: At the end of the period.
        active_enrolled: Those of them with a kept booking in the 30 days before that.
        active: Anybody with one.
    """

    enrolled: int
    active_enrolled: int
    active: int


class DynoDays(Shown):
    """
    Days of dynos in a period, as far as it is over.

    Attributes:
        used: With a booking that takes the dyno.
        available: With one, or on which there could have been one.
    """

    used: int
    available: int


class Revision(Shown):
    """A report that is stored."""

    revision: int
    computed_at: datetime
    total_successful_allocations: int
    cost_savings_usd: Exact


class Facts(Shown):
    """
    All that reports of a period are made of, as of one moment.

    Attributes:
        months: Of the period, in order.
        month: Of the lab's month that monthly figures are of.
        first_day: The first in the period with anything.
        provisional: Kept bookings of the period that can still be cancelled as if they had not been.
        conflicts: Overlapping pairs of occupancies there are.
        dyno_days: Of the period; None of one without a first day, and where they were not wanted.
        assumptions: The rows in force, in order of their first day.
        revisions: What is stored of the period, in order.
        digest: Of the newest of them.
    """

    months: list[MonthCounts]
    month: list[MonthCounts]
    first_day: date | None
    provisional: int
    conflicts: int
    people: People
    dyno_days: DynoDays | None = None
    assumptions: list["AssumptionsRow"]
    revisions: list["Revision"]
    digest: str | None


class RunRequest(Strict):
    """What the run is told: the days whose months it shall reckon; of nothing, all."""

    since: Day | None = None
    until: Day | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "RunRequest":
        if self.since and self.until and self.until < self.since:
            raise ValueError("until lies before since")
        return self

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "RunRequest":
        """
        From the event of an invocation; one of EventBridge's own says nothing.

        Raises:
            InvalidRequest: It says what nobody knows, or a day otherwise.
        """
        try:
            if not isinstance(event, Mapping):  # dict([]) would be {}, and that asks for everything
                return cls.model_validate(event)
            return cls.model_validate({} if "detail-type" in event else dict(event))
        except ValidationError as error:
            faults = [f"{'.'.join(map(str, each['loc'])) or 'event'}: {each['msg']}" for each in error.errors()]
            raise InvalidRequest("; ".join(faults)) from error


class Ran(Shown):
    """
    What a run did.

    Attributes:
        closed_days: Days whose counts are final now.
        months: How many it reckoned; `stored_months` of them said something new, and so the next revision.
        days: Likewise.
    """

    closed_days: int
    months: int
    stored_months: int
    days: int
    stored_days: int
