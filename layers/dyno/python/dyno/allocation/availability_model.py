"""What is free: of all dynos for a test, and of one on its calendar."""

from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from dyno.allocation.model import Shown, Strict, Vin

MAX_NEXT = 50
DEFAULT_SCHEDULE_DAYS, MAX_SCHEDULE_DAYS = timedelta(days=31), timedelta(days=400)


class Wanted(Strict):
    """
    A test that might be booked.

    Attributes:
        vin: Or vehicle_id; or drive_type and weight_lbs, of a vehicle that need not be registered.
        next_windows: How many of the next windows that would do to list.
    """

    vin: Vin | None = None
    vehicle_id: int | None = None
    drive_type: Literal["2WD", "AWD"] | None = None
    weight_lbs: int | None = None
    test_type: str
    start_date: date
    days_to_complete: int
    next_windows: int


class FreeDyno(Shown):
    """A dyno that could be booked; least capable first."""

    dyno_id: int
    dyno_name: str
    breadth: int


class FreeWindow(Shown):
    """A window that could be booked."""

    dyno_id: int
    dyno_name: str
    start_date: date
    end_date: date


class Availability(Shown):
    """
    What is free for a test.

    Attributes:
        in_the_way: The vehicle's own bookings within the window; if there are any, no dyno helps.
        available: In order of choice: who books gets the first.
        rejected: Every other dyno with its reason, as a refused booking lists them.
        next: The next windows that would do, from the first day asked for on; of each dyno and gap the first.
    """

    start_date: date
    end_date: date
    vehicle_id: int | None
    vin: str | None
    in_the_way: list[dict[str, Any]]
    available: list[FreeDyno]
    rejected: list[dict[str, Any]]
    next: list[FreeWindow]


class Looked(Shown):
    """What the function of the database that looks said."""

    outcome: str
    today: date | None = None
    vin: str | None = None


class Scheduled(Shown):
    """
    Something that takes a dyno.

    Attributes:
        kind: allocation, with allocation_id, vehicle and test_type, or maintenance, with window_id and reason.
        free_from: The first day on which the dyno can be had again, behind its turnaround.
    """

    kind: Literal["allocation", "maintenance"]
    allocation_id: int | None
    window_id: int | None
    start_date: date
    end_date: date
    free_from: date
    status: str
    vehicle_id: int | None
    vin: str | None
    test_type: str | None
    reason: str | None


class FreeDays(Shown):
    """Whole days, both ends in."""

    start_date: date
    end_date: date


class Schedule(Shown):
    """
    A dyno's calendar between two days, both in.

    Attributes:
        free: The days on which it is there and nothing takes it; a booking wants its turnaround free behind it, too.
    """

    dyno_id: int
    dyno_name: str
    from_date: Annotated[date, Field(alias="from", serialization_alias="from")]
    to_date: Annotated[date, Field(alias="to", serialization_alias="to")]
    items: list[Scheduled]
    free: list[FreeDays]
