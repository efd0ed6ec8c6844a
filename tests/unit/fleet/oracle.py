"""
The booking rules in plain Python: what the lab must answer, worked out without a database and without the service.

It reads the sample lab's sheets and decides request by request, slowly and obviously. The service is right when it
agrees; nothing of the service is imported here.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path

FLEET = Path(__file__).parents[3] / "cdk" / "local" / "fleet"
DRIVE_TYPES = ("2WD", "AWD")
WEIGHT_CLASSES = ("<10K", ">10K")
MAX_DAYS = 180
HORIZON_DAYS = 1_825
BACKUP_DAYS = 7


class Outcome(StrEnum):
    """What becomes of a request; the refusals are spelt like the codes of the API."""

    BOOKED = "booked"
    NO_DYNO = "no_dyno_available"
    VEHICLE_BUSY = "vehicle_already_allocated"
    INVALID = "invalid_request"


@dataclass(frozen=True)
class Ask:
    """A row of requests.csv."""

    vin: str
    test_type: str
    start_date: date
    days_to_complete: int


@dataclass(frozen=True)
class Decision:
    """What the lab must answer; dyno, first day and shift only if it was booked."""

    outcome: Outcome
    dyno: str | None = None
    start_date: date | None = None
    shift_days: int = 0


@dataclass(frozen=True)
class Span:
    """Days taken, both ends in."""

    first: date
    last: date

    def overlaps(self, other: "Span") -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass
class Dyno:
    """A dyno, the rule lines it may run, and the days it is taken."""

    name: str
    enabled: bool = True
    turnaround_days: int = 0
    rules: set[tuple[str, str, str]] = field(default_factory=set)
    taken: list[Span] = field(default_factory=list)
    breadth: int = 0

    def may_run(self, test_type: str, drive_type: str, weight_class: str) -> bool:
        wanted = (test_type, drive_type, weight_class)
        return any(all(rule in (want, "any") for rule, want in zip(line, wanted, strict=True)) for line in self.rules)

    def is_free(self, window: Span) -> bool:
        return not any(self._with_turnaround(window).overlaps(taken) for taken in self.taken)

    def take(self, window: Span) -> None:
        self.taken.append(self._with_turnaround(window))

    def _with_turnaround(self, window: Span) -> Span:
        return Span(window.first, window.last + timedelta(days=self.turnaround_days))


@dataclass
class Vehicle:
    """A vehicle and the days it is in a cell."""

    drive_type: str
    weight_class: str
    taken: list[Span] = field(default_factory=list)

    def is_free(self, window: Span) -> bool:
        return not any(window.overlaps(taken) for taken in self.taken)


class Lab:
    """The sample lab on `today`, its sheets' dates moved by `shift`."""

    def __init__(self, dynos: dict[str, Dyno], vehicles: dict[str, Vehicle], today: date) -> None:
        self.dynos = dynos
        self.vehicles = vehicles
        self.today = today
        concrete_tests = {test for dyno in dynos.values() for test, _, _ in dyno.rules} - {"any"}
        for dyno in dynos.values():
            dyno.breadth = sum(
                dyno.may_run(test, drive, weight)
                for test in concrete_tests
                for drive in DRIVE_TYPES
                for weight in WEIGHT_CLASSES
            )

    def decide(self, ask: Ask, max_backup_days: int = BACKUP_DAYS) -> Decision:
        """Answer a request, and book it if it can be."""
        if not self._is_valid(ask):
            return Decision(Outcome.INVALID)
        vehicle = self.vehicles[ask.vin]
        vehicle_was_free = False
        for shift_days in range(max_backup_days + 1):
            window = self._window(ask, shift_days)
            if window.last > self._horizon:
                break
            if not vehicle.is_free(window):
                continue
            vehicle_was_free = True
            if dyno := self._choose(ask, vehicle, window):
                dyno.take(window)
                vehicle.taken.append(window)
                return Decision(Outcome.BOOKED, dyno.name, window.first, shift_days)
        return Decision(Outcome.NO_DYNO if vehicle_was_free else Outcome.VEHICLE_BUSY)

    @property
    def _horizon(self) -> date:
        return self.today + timedelta(days=HORIZON_DAYS)

    def _is_valid(self, ask: Ask) -> bool:
        return (
            1 <= ask.days_to_complete <= MAX_DAYS
            and ask.start_date >= self.today
            and self._window(ask, 0).last <= self._horizon
        )

    def _window(self, ask: Ask, shift_days: int) -> Span:
        first = ask.start_date + timedelta(days=shift_days)
        return Span(first, first + timedelta(days=ask.days_to_complete - 1))

    def _choose(self, ask: Ask, vehicle: Vehicle, window: Span) -> Dyno | None:
        fitting = [
            dyno
            for dyno in self.dynos.values()
            if dyno.enabled
            and dyno.may_run(ask.test_type, vehicle.drive_type, vehicle.weight_class)
            and dyno.is_free(window)
        ]
        return min(fitting, key=lambda dyno: (dyno.breadth, dyno.name.encode()), default=None)


def sample_lab(today: date, shift: timedelta) -> Lab:
    """The lab of cdk/local/fleet, empty but for its maintenance."""
    dynos = {row["name"]: Dyno(row["name"], enabled=row["enabled"] == "true") for row in _rows("dynos.csv")}
    for row in _rows("capabilities.csv"):
        dynos[row["dyno"]].rules.add((row["test_type"], row["drive_type"], row["weight_class"]))
    for row in _rows("maintenance.csv"):
        first, last = (date.fromisoformat(row[end]) + shift for end in ("start_date", "end_date"))
        dynos[row["dyno"]].take(Span(first, last))
    vehicles = {
        row["vin"]: Vehicle(row["drive_type"], "<10K" if int(row["weight_lbs"]) <= 10_000 else ">10K")
        for row in _rows("vehicles.csv")
    }
    return Lab(dynos, vehicles, today)


def sample_requests(shift: timedelta) -> list[Ask]:
    """The rows of requests.csv in file order, their dates moved by `shift`."""
    return [
        Ask(row["vin"], row["test_type"], date.fromisoformat(row["start_date"]) + shift, int(row["days_to_complete"]))
        for row in _rows("requests.csv")
    ]


def shift_for(today: date) -> timedelta:
    """The whole weeks that bring the sample's first request to 7 to 13 days after `today`."""
    first = min(ask.start_date for ask in sample_requests(timedelta()))
    return next(
        timedelta(weeks=weeks) for weeks in range(-5_000, 5_000) if (first - today).days + 7 * weeks in range(7, 14)
    )


def replay(today: date, shift: timedelta) -> list[Decision]:
    """Every sample request answered in file order, backup on."""
    lab = sample_lab(today, shift)
    return [lab.decide(ask) for ask in sample_requests(shift)]


def summary(decisions: Iterable[Decision]) -> dict[str, int]:
    """How many of each outcome, and how many of the booked were moved later (`shifted`)."""
    decisions = list(decisions)
    counts = Counter(decision.outcome.value for decision in decisions)
    return dict(counts) | {"shifted": sum(decision.shift_days > 0 for decision in decisions)}


def _rows(sheet: str) -> Iterator[dict[str, str]]:
    with (FLEET / sheet).open(newline="") as file:
        yield from csv.DictReader(file)
