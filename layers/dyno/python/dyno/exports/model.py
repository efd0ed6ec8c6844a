"""What is exported, and the calendars that people subscribe to."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

MAX_ROWS = 20_000
"""Of a file, all sheets together. A workbook of as many takes some 9 s to write on a slow core, of the gateway's 29."""

MAX_EVENTS = 5_000
"""Of a calendar; of one that is subscribed to, those that begin first. As many take some 6 s to write."""

MAX_ANSWER_BYTES = 5_900_000
"""Of an answer as Lambda hands it over, which takes 6 MB: text as JSON writes it, and workbooks in base64."""

MAX_CALENDARS = 50
"""That one person subscribes to at a time."""

PAST_DAYS = 90
"""How far back a calendar that is subscribed to goes."""


def _day(given: object) -> object:
    """ISO 8601 calendar dates only: no times, no numbers of seconds."""
    if not isinstance(given, str):
        return given
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
        raise ValueError("a date is written YYYY-MM-DD")
    return date.fromisoformat(given)


Day = Annotated[date, BeforeValidator(_day)]
Cell = str | int | bool | date | None
Scope = Literal["everything", "dyno", "vehicle", "person"]
StatusName = Literal["held", "scheduled", "in_progress", "completed", "cancelled", "lapsed"]
Sub = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Id = Annotated[int, Field(ge=1, lt=2**31)]

_TOKEN = re.compile("cal_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of a workbook or a file, its headers as an import reads them."""

    name: str
    headers: tuple[str, ...]
    rows: Iterable[tuple[Cell, ...]]


@dataclass(frozen=True, slots=True)
class Booking:
    """
    An allocation with what is told of it outside.

    Attributes:
        status: Of a hold that ran out, lapsed, though nobody has said so yet.
        changed_at: When anybody last changed it.
    """

    allocation_id: int
    dyno_name: str
    vin: str
    program: str | None
    test_type: str
    start_date: date
    end_date: date
    status: str
    booked_by: str
    changed_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which allocations; a window is any that touches [from_date, to_date]."""

    dyno_id: int | None = None
    vehicle_id: int | None = None
    vin: str | None = None
    booked_by: str | None = None
    status: str | None = None
    from_date: date | None = None
    to_date: date | None = None


class NewCalendar(BaseModel):
    """
    Which bookings a calendar is to show.

    Attributes:
        dyno_id: Of scope dyno.
        vehicle_id: Of scope vehicle.
        booked_by: Of scope person: an id of the user pool; None for one's own.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    scope: Scope
    dyno_id: Id | None = None
    vehicle_id: Id | None = None
    booked_by: Sub | None = None

    @model_validator(mode="after")
    def _of_its_scope(self) -> "NewCalendar":
        of = {"dyno": "dyno_id", "vehicle": "vehicle_id", "person": "booked_by"}
        strays = [name for scope, name in of.items() if scope != self.scope and getattr(self, name) is not None]
        if strays:
            raise ValueError(f"{' and '.join(strays)} does not go with the scope {self.scope}")
        if self.scope in {"dyno", "vehicle"} and getattr(self, of[self.scope]) is None:
            raise ValueError(f"the scope {self.scope} takes {of[self.scope]}")
        return self


class CalendarShown(BaseModel):
    """
    A calendar that somebody subscribes to; its token is shown once, when it is made.

    Attributes:
        owner: The user pool's id of whose it is; it opens nothing once they have left, are disabled or were erased.
        last_used_at: When it was last fetched, to a day.
    """

    model_config = ConfigDict(frozen=True)

    calendar_id: int
    owner: str
    scope: Scope
    dyno_id: int | None
    vehicle_id: int | None
    booked_by: str | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class MadeCalendar(CalendarShown):
    """
    The answer to a subscription.

    Attributes:
        token: Whoever has it reads the calendar; it is nowhere kept.
        url: What a calendar program is given.
    """

    token: str
    url: str


class OpenCalendar(CalendarShown):
    """
    A calendar that was opened by its token.

    Attributes:
        unnoted: Whether it was not noted for a day that it is in use.
    """

    unnoted: bool


class Said(BaseModel):
    """What a function of the database said."""

    outcome: str
    calendar: CalendarShown | None = None


def is_token(text: str) -> bool:
    """Whether it could be one; anybody can write such a text, nobody can guess one that opens something."""
    return _TOKEN.fullmatch(text) is not None
