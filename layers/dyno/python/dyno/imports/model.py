"""What is read out of a lab's sheets: rows with their places, what is wrong with them, and what was passed over."""

from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Literal

DriveType = Literal["2WD", "AWD"]
DriveTypeOrAny = Literal["2WD", "AWD", "any"]
WeightClass = Literal["<10K", ">10K"]
WeightClassOrAny = Literal["<10K", ">10K", "any"]

Mapping = ReadOnly[str, ReadOnly[str, str]]
"""
By the sheet's name, or "*" for every sheet: which field the column of a header is; "" leaves the column out.

Names of sheets and headers are compared without case, spaces and punctuation. The fields are the attributes of what a
row of the sheet's kind is, so `weight_lbs` or `dyno_name`.
"""


class Kind(StrEnum):
    """What the rows of a sheet are."""

    VEHICLES = "vehicles"
    DYNOS = "dynos"
    RULES = "rules"
    MAINTENANCE = "maintenance"
    REQUESTS = "requests"
    USERS = "users"


class DateOrder(StrEnum):
    """
    How a date that is text is written.

    NONE takes YYYY-MM-DD only; so do the others, beside their own. Cells that the spreadsheet itself holds for dates,
    and the serial numbers behind them, need no order.
    """

    DMY = "dmy"
    MDY = "mdy"
    YMD = "ymd"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row is; rows count from 1, as the spreadsheet shows them."""

    sheet: str
    row: int


@dataclass(frozen=True, slots=True)
class Problem:
    """
    What is wrong, and what would be right.

    Attributes:
        column: The header as the sheet has it; None if it is of the whole row.
        code: Stable, in snake_case.
        detail: For people.
    """

    column: str | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle; all that the registry needs of a new one is there."""

    vin: str
    weight_lbs: int
    drive_type: DriveType
    program: str | None = None
    build_id: str | None = None
    cert_team: str | None = None
    engine: str | None = None
    build_type: str | None = None


@dataclass(frozen=True, slots=True)
class Capability:
    """A line of a dyno's rule sheet."""

    test_type: str
    drive_type: DriveTypeOrAny
    weight_class: WeightClassOrAny


@dataclass(frozen=True, slots=True)
class Dyno:
    """A dyno; None is what the sheet says nothing of. A dyno's capabilities are mostly in a sheet of rules."""

    name: str
    facility: str | None = None
    enabled: bool | None = None
    available_from: date | None = None
    available_to: date | None = None
    turnaround_days: int | None = None
    capabilities: tuple[Capability, ...] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """
    A line of the lab's rule sheet and the dynos that may run it.

    Attributes:
        dynos: As they are named there, each once.
        named: The names as they stand; where one dyno is called so, commas and all, it is that dyno.
    """

    test_type: str
    drive_type: DriveTypeOrAny
    weight_class: WeightClassOrAny
    dynos: tuple[str, ...]
    named: str


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Days on which a dyno is closed, both ends in and in order."""

    dyno_name: str
    start_date: date
    end_date: date
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """
    A test that somebody wants, and where the sheet had it already.

    Attributes:
        vin: None where the sheet names no vehicle; then there are drive_type and a weight or its class.
        weight_lbs: None where the sheet has none, or only its class.
        weight_class: What the sheet says of it, or what follows from weight_lbs; None where it says nothing.
        program: Of the vehicle, as build_id, cert_team, engine and build_type.
        start_date: Wanted or estimated; of a sheet that knows only its booking, that one's.
        due_date: The day by which it is to be done.
        days_to_complete: Of a sheet that knows only its booking, that one's; None if there are miles and miles_per_day.
        priority: As a number.
        dyno_name: As the sheet had it; None where it had none or an error, which a note says.
        placed_from: The first day of the sheet's own booking; placed_to is the last. Both are there, or neither.
        requested_by: An e-mail address or a name, as the sheet had it.
        status: As the sheet had it.
    """

    test_type: str
    start_date: date
    vin: str | None = None
    weight_lbs: int | None = None
    weight_class: WeightClass | None = None
    drive_type: DriveType | None = None
    program: str | None = None
    build_id: str | None = None
    cert_team: str | None = None
    engine: str | None = None
    build_type: str | None = None
    due_date: date | None = None
    days_to_complete: int | None = None
    miles: int | None = None
    miles_per_day: int | None = None
    added_days: int = 0
    priority: int | None = None
    dyno_name: str | None = None
    placed_from: date | None = None
    placed_to: date | None = None
    requested_by: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """
    Somebody who is to be enrolled.

    Attributes:
        sub: Their id in the user pool; all that is read of who they are.
        role: A note for the list.
        enrolled_at: Aware, or a day, which is its beginning in the lab; None for now.
    """

    sub: str
    role: Literal["user", "power_user", "admin"] = "user"
    enrolled_at: datetime | date | None = None


Value = Vehicle | Dyno | Rule | Maintenance | Request | Person


@dataclass(frozen=True, slots=True)
class Row:
    """
    A row of a sheet that is understood.

    Attributes:
        value: None if there are problems, and only then.
        problems: Why it cannot be taken.
        notes: What was left out of it, though it can be taken.
    """

    place: Place
    kind: Kind
    value: Value | None
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """
    Rows that are no data.

    Attributes:
        place: The first of them.
        reason: For people.
        code: title, empty, totals, repeated_header, lone_text or unmapped; of a whole sheet,
            not_understood, hidden, no_cells or twice_named.
        last_row: The last of them.
    """

    place: Place
    reason: str
    code: str
    last_row: int


@dataclass(frozen=True, slots=True)
class SheetRead:
    """
    How a sheet was understood.

    Attributes:
        kind: None if it was not, and why is among what was skipped.
        header_row: The row its headers are in; None if none was found.
        columns: Header, as the sheet has it, to field.
        ignored: Headers of columns that were not looked at.
    """

    name: str
    kind: Kind | None
    header_row: int | None
    columns: ReadOnly[str, str]
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parsed:
    """All that was read, in the order of the file."""

    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...]
    sheets: tuple[SheetRead, ...]
