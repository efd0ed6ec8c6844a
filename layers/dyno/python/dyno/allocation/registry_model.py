"""The registry's vehicles and dynos: what is said of them, what may be said, and what the database answered."""

from collections import Counter
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, computed_field, model_validator

from dyno.allocation import vins
from dyno.allocation.model import Day, Name, Shown, Strict, Vin

MAX_WEIGHT_LBS = 200_000
MAX_TURNAROUND_DAYS = 30
MAX_CAPABILITIES = 500
ANY = "any"

DRIVE_TYPES = {"2WD": "2WD", "FWD": "2WD", "RWD": "2WD", "AWD": "AWD", "4WD": "AWD", "4X4": "AWD", "RWD/AWD": "AWD"}
"""What people write, and what it is to a dyno: whether one axle is driven or both."""


def _new_vin(given: str) -> str:
    if not vins.FORM.fullmatch(given):
        raise ValueError("a vin is 17 letters and digits, without I, O and Q")
    return given


def _drive_type(given: object) -> object:
    if not isinstance(given, str):
        return given
    word = "".join(given.split()).upper()
    if word not in DRIVE_TYPES:
        raise ValueError("a drive type is 2WD, FWD or RWD, or AWD, 4WD, 4X4 or RWD/AWD")
    return DRIVE_TYPES[word]


def _drive_type_or_any(given: object) -> object:
    return ANY if _is_any(given) else _drive_type(given)


def _any_in_one_spelling(given: object) -> object:
    return ANY if _is_any(given) else given


def _is_any(given: object) -> bool:
    return isinstance(given, str) and given.strip().lower() == ANY


NewVin = Annotated[Vin, AfterValidator(_new_vin)]
DriveType = Annotated[Literal["2WD", "AWD"], BeforeValidator(_drive_type)]
WeightLbs = Annotated[int, Field(ge=1, le=MAX_WEIGHT_LBS)]
TurnaroundDays = Annotated[int, Field(ge=0, le=MAX_TURNAROUND_DAYS)]


class NewCapability(Strict):
    """A line for the lab's rule sheet; each word may be `any`."""

    test_type: Annotated[Name, BeforeValidator(_any_in_one_spelling)]
    drive_type: Annotated[Literal["2WD", "AWD", "any"], BeforeValidator(_drive_type_or_any)]
    weight_class: Annotated[Literal["<10K", ">10K", "any"], BeforeValidator(_any_in_one_spelling)]


def _each_once(lines: list[NewCapability]) -> list[NewCapability]:
    """Stored as a set; whoever names a line twice may have meant another."""
    twice = [line for line, count in Counter(lines).items() if count > 1]
    if twice:
        first, second = [number for number, line in enumerate(lines) if line == twice[0]][:2]
        words = f"{twice[0].test_type}, {twice[0].drive_type}, {twice[0].weight_class}"
        raise ValueError(f"line {second} says what line {first} says, counted from 0: {words}")
    return lines


Capabilities = Annotated[list[NewCapability], Field(max_length=MAX_CAPABILITIES), AfterValidator(_each_once)]


class NewVehicle(Strict):
    """
    A vehicle that is to be known.

    Attributes:
        dry_run: Say what would come of it, and change nothing.
    """

    vin: NewVin
    weight_lbs: WeightLbs
    drive_type: DriveType
    program: Name | None = None
    build_id: Name | None = None
    cert_team: Name | None = None
    engine: Name | None = None
    build_type: Name | None = None
    dry_run: bool = False


class VehicleChange(Strict):
    """
    What is to be different about a vehicle; what is not named stays as it is.

    Attributes:
        program: Null empties it; so each of those that a vehicle may be without.
        retired: Whether it takes no bookings any more.
        dry_run: Say what would come of it, and change nothing.
    """

    weight_lbs: WeightLbs | None = None
    drive_type: DriveType | None = None
    program: Name | None = None
    build_id: Name | None = None
    cert_team: Name | None = None
    engine: Name | None = None
    build_type: Name | None = None
    retired: bool | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _keep_what_it_needs(self) -> "VehicleChange":
        _refuse_emptied(self, "weight_lbs", "drive_type", "retired")
        return self


class NewDyno(Strict):
    """
    A dyno that is to be known.

    Attributes:
        dry_run: Say what would come of it, and change nothing.
    """

    name: Name
    facility: Name | None = None
    enabled: bool = True
    available_from: Day | None = None
    available_to: Day | None = None
    turnaround_days: TurnaroundDays = 0
    capabilities: Capabilities
    dry_run: bool = False

    @model_validator(mode="after")
    def _available_in_order(self) -> "NewDyno":
        if self.available_from and self.available_to and self.available_to < self.available_from:
            raise ValueError(f"available_to {self.available_to} lies before available_from {self.available_from}")
        return self


class DynoChange(Strict):
    """
    What is to be different about a dyno; what is not named stays as it is.

    Attributes:
        facility: Null empties it; so the days it is available from and to.
        capabilities: All there are to be.
        retired: Whether it is there for its past only. What is retired is disabled, and stays so when it comes back.
        dry_run: Say what would come of it, and change nothing.
    """

    name: Name | None = None
    facility: Name | None = None
    enabled: bool | None = None
    available_from: Day | None = None
    available_to: Day | None = None
    turnaround_days: TurnaroundDays | None = None
    capabilities: Capabilities | None = None
    retired: bool | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _keep_what_it_needs(self) -> "DynoChange":
        _refuse_emptied(self, "name", "enabled", "turnaround_days", "capabilities", "retired")
        if self.retired and self.enabled:
            raise ValueError("what is retired is disabled; leave enabled away")
        return self


def _refuse_emptied(change: BaseModel, *needed: str) -> None:
    emptied = [name for name in needed if name in change.model_fields_set and getattr(change, name) is None]
    if emptied:
        raise ValueError(f"{' and '.join(emptied)} can be changed, not emptied")


class Capability(Shown):
    """A line of the lab's rule sheet; each word may be `any`."""

    test_type: str
    drive_type: str
    weight_class: str


class Dyno(Shown):
    """
    A chassis dynamometer.

    Attributes:
        breadth: How many concrete (test, drive, weight) combinations it can run.
        retired_at: None of what is in use.
        version: Its ETag.
    """

    dyno_id: int
    name: str
    facility: str | None
    enabled: bool
    available_from: date | None
    available_to: date | None
    turnaround_days: int
    breadth: int
    capabilities: list[Capability]
    retired_at: datetime | None
    version: int


class Vehicle(Shown):
    """
    A vehicle; its weight class is derived from its weight in pounds.

    Attributes:
        retired_at: None of what takes bookings.
        version: Its ETag.
    """

    vehicle_id: int
    vin: str
    weight_lbs: int
    weight_class: str
    drive_type: str
    program: str | None
    build_id: str | None
    cert_team: str | None
    engine: str | None
    build_type: str | None
    retired_at: datetime | None
    version: int

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def vin_check(self) -> bool:
        """Whether the vin's check digit is right; it may be a good vin though it is not."""
        return vins.checks(self.vin)


class CreatedVehicle(Vehicle):
    """The answer to making a vehicle."""

    replayed: Annotated[bool, Field(exclude=True)] = False


class CreatedDyno(Dyno):
    """The answer to making a dyno."""

    replayed: Annotated[bool, Field(exclude=True)] = False


class TriedVehicle(CreatedVehicle):
    """What would be made; it has no id."""

    vehicle_id: None = None  # type: ignore[assignment]  # whoever makes one has an id


class TriedDyno(CreatedDyno):
    """What would be made; it has no id."""

    dyno_id: None = None  # type: ignore[assignment]


class VehicleFilter(Strict):
    """Which vehicles a list shows."""

    vin: Vin | None = None
    retired: bool = False


class Said(Shown):
    """
    What a function of the registry said.

    Attributes:
        outcome: created, changed or unchanged, or why not.
        vehicle: As it is now; of exists, the one there is.
        dyno: So; of not_in_order, as it would be.
        replayed: True if the same key had made it before.
        stranded: Bookings that would be left behind.
    """

    outcome: str
    vehicle: Vehicle | None = None
    dyno: Dyno | None = None
    replayed: bool = False
    stranded: list[dict[str, Any]] = Field(default_factory=list)
