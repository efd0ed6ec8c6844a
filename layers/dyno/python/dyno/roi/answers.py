"""What the reports say."""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from dyno.roi.assumed import AssumptionsRow
from dyno.roi.exact import Exact, Shown
from dyno.roi.facts import Revision, Span
from dyno.roi.model import MODEL, Line, Result


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
    assumptions: list[AssumptionsRow] = Field(default_factory=list)
    projected: Result | None = None
    revisions: list[Revision] = Field(default_factory=list)
    sources: dict[str, str] = Field(default_factory=dict)


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
        dyno_days_used: Days on which a booking takes a dyno, dyno by dyno, up to yesterday; null in all, and in what
            earlier releases stored.
        dyno_days_available: Those on which a dyno has one or could have: enabled and available, by what is said of it
            now, and not in maintenance.
        dyno_utilization_rate: dyno_days_used by dyno_days_available.
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
    dyno_days_used: int | None = None
    dyno_days_available: int | None = None
    dyno_utilization_rate: float | None = None
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
        missing_dynos: How many more would have done: unmet_dyno_days by the days from the first wanted to the last.
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
