"""What a saving is reckoned from, and what the reports say of it."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    model_validator,
)

from dyno.errors import InvalidRequest

MODEL: Literal["roi-model/1"] = "roi-model/1"
"""The formulas' version; a result is reckoned anew by another one only under another name."""


def _exact(given: object) -> object:
    """A JSON number as it was written; no text, and neither true nor false."""
    if isinstance(given, bool) or not isinstance(given, int | float | Decimal):
        raise ValueError("a number is wanted, without quotes")  # noqa: TRY004  # pydantic turns it into a fault
    exact = Decimal(repr(given)) if isinstance(given, float) else Decimal(given)
    return exact or Decimal(0)  # there is a negative zero, too, and nobody wants to read it


def _day(given: object) -> object:
    """ISO 8601 calendar dates only: no times, no numbers of seconds."""
    if not isinstance(given, str):
        return given
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
        raise ValueError("a date is written YYYY-MM-DD")
    return date.fromisoformat(given)


def _on_one_line(given: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", given):
        raise ValueError("a text is one line, without control characters")
    return given


def _plain(exact: Decimal) -> int | float:
    return int(exact) if exact == exact.to_integral_value() else float(exact)


# Shown as JSON numbers: up to 15 digits, as money below ten trillion has, a double gives back what was written.
_AS_NUMBER = PlainSerializer(_plain, return_type=int | float, when_used="json")
Exact = Annotated[Decimal, BeforeValidator(_exact), _AS_NUMBER]
Usd = Annotated[Exact, Field(ge=0, le=10**12, decimal_places=2)]
UsdPerMonth = Annotated[Exact, Field(ge=0, le=10**10, decimal_places=2)]
Quantity = Annotated[Exact, Field(ge=0, le=10**9, decimal_places=6)]
Ratio = Annotated[Exact, Field(ge=0, le=1, decimal_places=6)]
Day = Annotated[date, BeforeValidator(_day)]
Text = Annotated[
    str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True), AfterValidator(_on_one_line)
]


class Strict(BaseModel):
    """What clients send: exact types, no field we do not know."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Shown(BaseModel):
    """What clients are shown."""

    model_config = ConfigDict(frozen=True)


class Scenario(StrEnum):
    """Which end of what is assumed: the least, what is expected, the most."""

    LOW = "low"
    MID = "mid"
    HIGH = "high"


class Range(Strict):
    """A quantity that nobody knows to the digit: not less, most likely, not more."""

    low: Quantity
    mid: Quantity
    high: Quantity

    @model_validator(mode="after")
    def _in_order(self) -> "Range":
        if not self.low <= self.mid <= self.high:
            raise ValueError("low, mid and high are in that order")
        return self

    @classmethod
    def exactly(cls, value: Decimal | int) -> "Range":
        """Of what is known, or given without a spread."""
        return cls(low=Decimal(value), mid=Decimal(value), high=Decimal(value))

    def at(self, scenario: Scenario) -> Decimal:
        """Its value in a scenario."""
        return {Scenario.LOW: self.low, Scenario.MID: self.mid, Scenario.HIGH: self.high}[scenario]


class Basis(StrEnum):
    """What saved time is counted by: bookings that were made, or a time study of who made them by hand."""

    PER_ALLOCATION = "per_allocation"
    PER_ENGINEER_WEEK = "per_engineer_week"


class Inputs(Strict):
    """
    All that a figure is reckoned from.

    Attributes:
        allocations: Of a per_allocation basis; so its minutes.
        engineers: Of a per_engineer_week basis; so its hours and weeks.
        adoption_ratio: Share of the saved time in which people really use the service.
        attribution_ratio: Share of the saved time that is the service's doing.
        other_savings_usd: In the whole period, beside the time.
        development_cost_usd: Once.
        months: The period's length; None if it is not known, and nothing can be said by the month.
    """

    basis: Annotated[Basis, Field(strict=False)]
    allocations: Annotated[int, Field(ge=0, le=10**9)] = 0
    minutes_saved_per_allocation: Range = Range.exactly(0)
    engineers: Quantity = Decimal(0)
    hours_per_engineer_week: Quantity = Decimal(0)
    weeks: Quantity = Decimal(0)
    hourly_rate_usd: Range
    adoption_ratio: Ratio = Decimal(1)
    attribution_ratio: Ratio = Decimal(1)
    other_savings_usd: Usd = Decimal(0)
    development_cost_usd: Usd = Decimal(0)
    running_cost_usd_per_month: Usd = Decimal(0)
    months: Quantity | None = None


class Interval(Shown):
    """A figure in each scenario; where less is better, low is the larger number."""

    low: Exact
    mid: Exact
    high: Exact

    def at(self, scenario: Scenario) -> Decimal:
        """Its value in a scenario."""
        return {Scenario.LOW: self.low, Scenario.MID: self.mid, Scenario.HIGH: self.high}[scenario]


class Line(Shown):
    """
    A part of a period, reckoned by one row of assumptions and rounded to the cent; a total is the sum of its lines.

    Attributes:
        start_date: First day; None with `end_date`, its last, where it is of no days in particular.
        assumptions_id: The row it is reckoned by; None where inputs were given.
        months: Its length, a share of the calendar month it lies in; None if it is not known.
        time_saved_hours: Low, mid and high; the only ones that are not rounded.
    """

    start_date: date | None = None
    end_date: date | None = None
    assumptions_id: int | None = None
    months: Exact | None
    allocations: int
    time_saved_hours: Interval
    cost_savings_usd: Interval
    other_savings_usd: Exact
    running_cost_usd: Exact


class Figures(Shown):
    """
    What comes out, in one scenario; null where it is undefined. Money to the cent, the rest to 4 digits.

    Attributes:
        benefit_usd: Cost savings and other savings.
        cost_usd: Development and running cost.
        benefit_cost_ratio: Benefit by cost; above 1 it pays.
        roi_percentage: Benefit by development cost.
        net_roi_percentage: Benefit less cost, by cost.
        payback_months: Until the benefit, less what it costs to run, has brought in the development cost; null if it
            never will.
    """

    time_saved_hours: Exact
    cost_savings_usd: Exact
    other_savings_usd: Exact
    benefit_usd: Exact
    running_cost_usd: Exact
    cost_usd: Exact
    net_benefit_usd: Exact
    benefit_cost_ratio: Exact | None
    roi_percentage: Exact | None
    net_roi_percentage: Exact | None
    payback_months: Exact | None
    payback_weeks: Exact | None
    weekly_benefit_usd: Exact | None
    monthly_benefit_usd: Exact | None
    annualised_benefit_usd: Exact | None


class Ends(Shown):
    """The figures at both ends of what is assumed."""

    low: Figures
    high: Figures


class Result(Figures):
    """
    The figures by what is expected, and at both ends.

    Attributes:
        months: The length of what they are about; None if it is not known.
        inputs: What they were reckoned from; None of what was reckoned line by line.
        formulas: How each was reckoned, in words.
    """

    model: Literal["roi-model/1"] = MODEL
    months: Exact | None
    interval: Ends
    inputs: Inputs | None = None
    formulas: dict[str, str]


class Assumptions(Strict):
    """
    What is assumed from some day on; what PUT takes and GET shows.

    Attributes:
        minutes_saved_per_allocation: What a planner spent on one by hand.
        hourly_rate_usd: What an engineer's hour costs.
        attribution_ratio: Share of the saved time that is the service's doing.
        development_cost_usd: Once; a period's is that of its last day.
        engineers: Who planned by hand, for the projection; so what follows.
        hours_per_engineer_week: What each spent on it.
        adoption_ratio: Share of them that use the service.
    """

    minutes_saved_per_allocation: Range
    hourly_rate_usd: Range
    attribution_ratio: Ratio
    other_savings_usd_per_month: UsdPerMonth
    development_cost_usd: Usd
    running_cost_usd_per_month: UsdPerMonth
    engineers: Quantity
    hours_per_engineer_week: Quantity
    weeks_per_year: Annotated[Exact, Field(gt=0, le=53, decimal_places=2)]
    adoption_ratio: Ratio


class AssumptionsChange(Strict):
    """A new row of assumptions: all of them, from which day on, and why."""

    valid_from: Day
    reason: Text
    assumptions: Assumptions


class AssumptionsRow(Shown):
    """
    What was assumed, since when, by whom and why; kept for ever.

    Attributes:
        valid_from: First day of the lab it is for; the last is the day before the next row's.
        recorded_by: The user pool's id of who put it there; `system` for what came with the service.
        superseded: Whether a later row is for the same day on, so that no report uses this one any more.
    """

    assumptions_id: int
    valid_from: date
    recorded_at: datetime
    recorded_by: str
    reason: str
    superseded: bool
    assumptions: Assumptions


class AssumptionsHistory(Shown):
    """All rows, the newest first, and the one for today."""

    as_of: datetime
    current: AssumptionsRow
    items: list[AssumptionsRow]


class PeriodKind(StrEnum):
    """What a report is about."""

    ALL = "all"
    MONTH = "month"
    DAY = "day"
    RANGE = "range"


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


class Facts(Shown):
    """
    All that reports of a period are made of, as of one moment.

    Attributes:
        months: Of the period, in order.
        month: Of the lab's month that monthly figures are of.
        first_day: The first in the period with anything.
        provisional: Kept bookings of the period that can still be cancelled as if they had not been.
        conflicts: Overlapping pairs of occupancies there are.
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
    assumptions: list["AssumptionsRow"]
    revisions: list["Revision"]
    digest: str | None


class Revision(Shown):
    """A report that is stored."""

    revision: int
    computed_at: datetime
    total_successful_allocations: int
    cost_savings_usd: Exact


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


class RoiReport(Result):
    """
    What a period saved, what it will have cost, and by which assumptions.

    Attributes:
        revision: Under which it is stored, or will be by the next nightly run; None of ranges, which never are.
        stored: Whether it is, as it stands.
        preset: The example it is, instead of a period.
        allocations: Kept bookings.
        service_time_hours: What callers waited for the service to make them; net_time_saved_hours is without it.
        lines: Its months, each share with assumptions of its own; they add up to it.
        projected: What the time study promises for a year.
        sources: Where each number is from, in words.
    """

    as_of: datetime
    period: Span | None = None
    revision: int | None = None
    stored: bool = False
    preset: str | None = None
    lab_time_zone: str | None = None
    allocations: int
    service_time_hours: Exact | None = None
    net_time_saved_hours: Exact | None = None
    lines: list[Line]
    assumptions: list[AssumptionsRow] = []
    projected: Result | None = None
    revisions: list[Revision] = []
    sources: dict[str, str] = {}


class BusinessReport(Shown):
    """
    What the lab got out of the service: counts, rates with what they are made of, and money by what is expected.

    Rates are 0 to 100, null where nothing was counted.

    Attributes:
        total_successful_allocations: Kept bookings of the period; `provisional_allocations` of them are younger than
            24 hours.
        avg_allocation_time_ms: Of calls that made a booking.
        month: The lab's month that monthly_ figures are of: the one asked for, else the current one.
        conflicts_refused: Attempts refused because somebody else's days were in the way.
        conflicts_replaced: Bookings moved to a later day, though a dyno could have run them but for others.
        conflicts_existing: Overlapping pairs of bookings there are now, by the query a sceptic would write.
        conflict_elimination_rate: conflicts_eliminated by conflicts_total.
        user_adoption_rate: active_enrolled_users by enrolled_users.
        active_users: With a kept booking in the 30 days up to the period's end, enrolled or not.
    """

    model: Literal["roi-model/1"] = MODEL
    as_of: datetime
    period: Span
    revision: int | None
    stored: bool
    lab_time_zone: str
    total_successful_allocations: int
    provisional_allocations: int
    cancelled_within_24h: int
    avg_allocation_time_ms: float | None
    allocation_calls: int
    allocation_time_ms_sum: float
    estimated_time_saved_hours: Exact
    service_time_hours: Exact
    net_time_saved_hours: Exact
    cost_savings_usd: Exact
    month: str
    monthly_successful_allocations: int
    monthly_cost_savings: Exact
    refused_attempts: int
    conflicts_refused: int
    conflicts_replaced: int
    conflicts_eliminated: int
    conflicts_existing: int
    conflicts_total: int
    conflict_elimination_rate: float | None
    active_enrolled_users: int
    enrolled_users: int
    active_users: int
    user_adoption_rate: float | None
    assumptions: list[AssumptionsRow]


class Bin(StrEnum):
    """By what demand is laid out over time; weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class DemandCount(Shown):
    """
    What was refused.

    Attributes:
        refused_attempts: Every refusal, a retry too.
        refused_requests: Different ones: a vehicle, a test and a first day.
        booked_later: Those of them whose vehicle has a booking for that test, made since.
        unmet_requests: The others.
        unmet_dyno_days: The days these would have taken a dyno for; none of a vehicle that was itself booked.
    """

    refused_attempts: int
    refused_requests: int
    booked_later: int
    unmet_requests: int
    unmet_dyno_days: int


class DemandBin(DemandCount):
    """The same from a day on, up to the next bin."""

    start_date: date
    by_reason: dict[str, int]


class DemandGroup(DemandCount):
    """
    The same of tests that the same dynos can run.

    Attributes:
        dynos: Who could run them; none if the lab has no such dyno.
        missing_dynos: How many more would have done: unmet_dyno_days by the days of the period that have come.
        by_reason: Refused attempts by why: vehicle_already_allocated, not_capable (no dyno of the lab is), or what kept
            most of the capable dynos from it: disabled, outside_availability, maintenance, turnaround, held, booked.
    """

    test_type: str
    drive_type: str
    weight_class: str
    dynos: list[str]
    missing_dynos: float
    by_reason: dict[str, int]
    over_time: list[DemandBin]


class DemandReport(DemandCount):
    """What the lab had to refuse, the group that misses most dyno days first."""

    as_of: datetime
    period: Span
    by: Bin
    lab_time_zone: str
    by_reason: dict[str, int]
    groups: list[DemandGroup]
    over_time: list[DemandBin]


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
