"""
The rules of the lab in plain Python: what it must answer, worked out day by day, without a database or the service.

Days are numbers, and today is 0. Answers are worded as the API words them. The service is right when it agrees.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any

DRIVE_TYPES = ("2WD", "AWD")
WEIGHT_CLASSES = ("<10K", ">10K")
STEPS = {("held", "scheduled"), ("scheduled", "in_progress"), ("in_progress", "completed")}
Answer = dict[str, Any]


@dataclass(frozen=True)
class Window:
    """Whole days, both ends in."""

    first: int
    last: int

    def days(self, turnaround_days: int = 0) -> set[int]:
        return set(range(self.first, self.last + turnaround_days + 1))

    def shown(self) -> Answer:
        return {"start_date": self.first, "end_date": self.last}


@dataclass(frozen=True)
class Kind:
    """A test of a vehicle, as far as it matters to a dyno."""

    test_type: str
    drive_type: str
    weight_class: str


@dataclass(frozen=True)
class Dyno:
    """A dyno and the lines of the rule sheet that it may run."""

    dyno_id: int
    name: str
    rules: frozenset[tuple[str, str, str]]
    enabled: bool = True
    available_from: int | None = None
    available_to: int | None = None
    turnaround_days: int = 0
    retired: bool = False

    def may_run(self, kind: Kind) -> bool:
        wanted = (kind.test_type, kind.drive_type, kind.weight_class)
        return any(all(word in (want, "any") for word, want in zip(line, wanted, strict=True)) for line in self.rules)

    def is_there(self, day: int) -> bool:
        return not (
            (self.available_from is not None and day < self.available_from)
            or (self.available_to is not None and day > self.available_to)
        )


@dataclass(frozen=True)
class Vehicle:
    """A vehicle; up to and including 10,000 lb it is of the light class."""

    vehicle_id: int
    vin: str
    weight_lbs: int
    drive_type: str
    retired: bool = False

    def kind(self, test_type: str) -> Kind:
        return Kind(test_type, self.drive_type, "<10K" if self.weight_lbs <= 10_000 else ">10K")


@dataclass
class Taken:
    """What takes a dyno for some days, or did: an allocation, or maintenance if there is no vehicle."""

    taken_id: int
    dyno_id: int
    window: Window
    turnaround_days: int
    status: str
    vehicle_id: int | None = None
    test_type: str | None = None
    ran_out: bool = False
    shift_days: int = 0
    version: int = 1

    @property
    def is_live(self) -> bool:
        return self.status in {"held", "scheduled", "in_progress", "completed"} and not self.ran_out

    @property
    def free_from(self) -> int:
        return self.window.last + self.turnaround_days + 1

    def reason(self, window: Window) -> str:
        """Why it keeps a window off its dyno."""
        if not self.window.days() & window.days():
            return "turnaround"
        return "maintenance" if self.vehicle_id is None else "held" if self.status == "held" else "booked"

    def named(self) -> Answer:
        """By its id; not yet, of what has none."""
        kind = "window_id" if self.vehicle_id is None else "allocation_id"
        return {kind: self.taken_id} if self.taken_id else {}


@dataclass(frozen=True)
class Book:
    """A booking wanted: of the dyno that is named, or of any."""

    vehicle_id: int
    test_type: str
    first: int
    days: int = 1
    miles: tuple[int, int, int] | None = None
    max_backup_days: int = 0
    dyno_id: int | None = None
    hold_minutes: int | None = None
    dry_run: bool = False

    def reckoned_days(self) -> int:
        """As given; or until all miles are driven at so many a day, and some more."""
        if self.miles is None:
            return self.days
        miles, miles_per_day, added_days = self.miles
        return next(days for days in count(1) if days * miles_per_day >= miles) + added_days


@dataclass(frozen=True)
class Change:
    """A change wanted of the allocation at that place among all, counted round and round; what is None stays."""

    place: int
    dyno_id: int | None = None
    first: int | None = None
    last: int | None = None
    days: int | None = None
    status: str | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Close:
    """Maintenance wanted."""

    dyno_id: int
    window: Window
    displace: bool = True
    max_backup_days: int = 7
    dry_run: bool = False


@dataclass(frozen=True)
class Look:
    """What is free for a vehicle, or for any such vehicle."""

    vehicle: Vehicle
    is_registered: bool
    test_type: str
    first: int
    days: int
    next_windows: int
    dry_run = True


@dataclass(frozen=True)
class See:
    """A dyno's calendar."""

    dyno_id: int
    window: Window
    dry_run = True


Ask = Book | Change | Close | Look | See


@dataclass(frozen=True)
class Search:
    """What a search came to: a dyno and a day; or the first day the vehicle is free, and why no dyno will do on it."""

    dyno: Dyno | None = None
    first: int | None = None
    rejected: Sequence[Answer] = ()


@dataclass
class Rules:
    """A lab, and what it answers; what is not refused changes it."""

    dynos: Sequence[Dyno]
    vehicles: Sequence[Vehicle]
    taken: list[Taken] = field(default_factory=list)
    horizon_days: int = 30
    max_days: int = 10

    def answer(self, ask: Ask) -> Answer:
        match ask:
            case Book():
                return self._book(ask)
            case Change():
                return self._change(ask)
            case Close():
                return self._close(ask)
            case Look():
                return self._look(ask)
            case See():
                return self._see(ask)

    def allocations(self) -> list[Taken]:
        """The live ones first."""
        found = [each for each in self.taken if each.vehicle_id is not None]
        return sorted(found, key=lambda each: (not each.is_live, each.taken_id))

    def named(self, ask: Change) -> Taken:
        found = self.allocations()
        return found[ask.place % len(found)]

    def breadth(self, dyno: Dyno) -> int:
        tests = {test for each in self.dynos for test, _, _ in each.rules} - {"any"}
        kinds = [Kind(test, drive, weight) for test in tests for drive in DRIVE_TYPES for weight in WEIGHT_CLASSES]
        return sum(dyno.may_run(kind) for kind in kinds)

    def rejection(
        self, dyno: Dyno, kind: Kind, window: Window, turnaround_days: int, but: Taken | None = None
    ) -> Answer | None:
        """Why a dyno cannot; the last to begin of what is in the way, as only behind that it is free again."""
        about = {"dyno_id": dyno.dyno_id, "dyno_name": dyno.name}
        if not dyno.enabled:
            return about | {"reason": "disabled"}
        if not dyno.may_run(kind):
            return about | {"reason": "not_capable"}
        if not all(dyno.is_there(day) for day in window.days()):
            return about | {"reason": "outside_availability"}
        there = self._on_dyno(dyno.dyno_id, window.days(turnaround_days), but)
        if not there:
            return None
        last = there[-1]
        return about | {"reason": last.reason(window), "free_from": last.free_from} | last.named()

    def _on_dyno(self, dyno_id: int, days: set[int], but: Taken | None = None) -> list[Taken]:
        return [
            each
            for each in self._live(but)
            if each.dyno_id == dyno_id and each.window.days(each.turnaround_days) & days
        ]

    def _of_vehicle(self, vehicle_id: int, days: set[int], but: Taken | None = None) -> list[Taken]:
        return [each for each in self._live(but) if each.vehicle_id == vehicle_id and each.window.days() & days]

    def _live(self, but: Taken | None) -> list[Taken]:
        there = [each for each in self.taken if each.is_live and each is not but]
        return sorted(there, key=lambda each: (each.window.first, each.taken_id))

    def _search(self, vehicle: Vehicle, test_type: str, windows: Iterable[Window], dynos: Sequence[Dyno]) -> Search:
        """The earliest of these windows, then the dyno of least breadth, then the first by the bytes of its name."""
        rejected: Sequence[Answer] = []
        first = None
        in_order = sorted(dynos, key=lambda dyno: (self.breadth(dyno), dyno.name.encode()))
        for window in windows:
            if self._of_vehicle(vehicle.vehicle_id, window.days()):
                continue
            answers = [self.rejection(dyno, vehicle.kind(test_type), window, dyno.turnaround_days) for dyno in in_order]
            for dyno, answer in zip(in_order, answers, strict=True):
                if answer is None:
                    return Search(dyno, window.first)
            if first is None:
                first, rejected = window.first, by_name(answers)
        return Search(None, first, rejected)

    def _windows(self, first: int, days: int, last_first: int) -> Iterator[Window]:
        for day in range(first, last_first + 1):
            if day + days - 1 <= self.horizon_days:
                yield Window(day, day + days - 1)

    def _book(self, ask: Book) -> Answer:
        days = ask.reckoned_days()
        if not 1 <= days <= self.max_days or ask.first < 0 or ask.first + days - 1 > self.horizon_days:
            return {"code": "invalid_request"}
        vehicle = self._vehicle(ask.vehicle_id)
        if vehicle.retired:
            return {"code": "vehicle_retired"}
        wanted = [
            dyno for dyno in self.dynos if dyno.dyno_id == ask.dyno_id or (ask.dyno_id is None and not dyno.retired)
        ]
        windows = list(self._windows(ask.first, days, ask.first + ask.max_backup_days))
        found = self._search(vehicle, ask.test_type, windows, wanted)
        if found.first is None:
            tried = set().union(*(window.days() for window in windows))
            return {
                "code": "vehicle_already_allocated",
                "in_the_way": [self._obstacle(each) for each in self._of_vehicle(vehicle.vehicle_id, tried)],
            }
        window = Window(found.first, found.first + days - 1)
        if found.dyno is None:
            return {"code": "no_dyno_available", "rejected": found.rejected} | window.shown()
        booked = Taken(
            0,
            found.dyno.dyno_id,
            window,
            found.dyno.turnaround_days,
            "held" if ask.hold_minutes else "scheduled",
            vehicle.vehicle_id,
            ask.test_type,
            shift_days=found.first - ask.first,
        )
        self.taken.append(booked)
        return {"code": "done", "allocation": allocation(booked), "days_to_complete": days}

    def _change(self, ask: Change) -> Answer:
        if ask.days is not None and ask.days > self.max_days:
            return {"code": "invalid_request"}
        it = self.named(ask)
        status = ask.status or it.status
        first = it.window.first if ask.first is None else ask.first
        last = first + it.window.last - it.window.first if ask.last is None else ask.last
        window = Window(first, last if ask.days is None else first + ask.days - 1)
        dyno = self._dyno(ask.dyno_id or it.dyno_id)
        if code := self._misstep(it, dyno, window, status):
            return {"code": code}
        if status == "completed":
            window = Window(window.first, min(window.last, 0))
        elif window != it.window and not self._may_become(window, it.window):
            return {"code": "invalid_request"}
        return self._moved(it, dyno, window, status)

    def _misstep(self, it: Taken, dyno: Dyno, window: Window, status: str) -> str | None:
        if not it.is_live or it.status == "completed":
            return "allocation_closed"
        if status != it.status and (it.status, status) not in STEPS:
            return "step_not_allowed"
        if it.status == "in_progress" and (dyno.dyno_id, window.first) != (it.dyno_id, it.window.first):
            return "allocation_under_way"
        return "step_not_allowed" if status == "in_progress" and window.first > 0 else None

    def _may_become(self, window: Window, was: Window) -> bool:
        days = window.last - window.first + 1
        is_past = window.last < 0 or (window.first < 0 and window.first != was.first)
        return 1 <= days <= self.max_days and not is_past and window.last <= self.horizon_days

    def _moved(self, it: Taken, dyno: Dyno, window: Window, status: str) -> Answer:
        """The days that it has are its own; and on the same dyno, the turnaround that it was made with."""
        vehicle = self._vehicle(it.vehicle_id)
        stays = dyno.dyno_id == it.dyno_id
        turnaround_days = it.turnaround_days if stays else dyno.turnaround_days
        if not (stays and window.days() <= it.window.days()):
            if busy := self._of_vehicle(vehicle.vehicle_id, window.days(), it):
                return {"code": "vehicle_already_allocated", "in_the_way": [self._obstacle(each) for each in busy]}
            kind = vehicle.kind(it.test_type or "")
            if rejected := self.rejection(dyno, kind, window, turnaround_days, it):
                return {"code": "no_dyno_available", "rejected": [rejected]} | window.shown()
        if (dyno.dyno_id, window, status) != (it.dyno_id, it.window, it.status):
            it.version += 1
        it.dyno_id, it.window, it.status, it.turnaround_days = dyno.dyno_id, window, status, turnaround_days
        return {"code": "done", "allocation": allocation(it)}

    def _close(self, ask: Close) -> Answer:
        if ask.window.last < 0 or ask.window.last > self.horizon_days:
            return {"code": "invalid_request"}
        dyno = self._dyno(ask.dyno_id)
        there = self._on_dyno(dyno.dyno_id, ask.window.days(dyno.turnaround_days))
        stuck = [
            self._obstacle(each) | {"reason": "maintenance" if each.vehicle_id is None else each.status}
            for each in there
            if each.vehicle_id is None or each.status not in {"held", "scheduled"}
        ]
        if not ask.displace:
            stuck = [self._obstacle(each) | {"reason": each.reason(ask.window)} for each in there]
        if stuck:
            return {"code": "maintenance_overlap", "in_the_way": stuck}
        self.taken = [each for each in self.taken if each not in there]
        closed = Taken(0, dyno.dyno_id, ask.window, dyno.turnaround_days, "scheduled")
        self.taken.append(closed)
        displaced = [allocation(each) for each in there]
        stuck = [self._obstacle(it) | why for it in there if (why := self._displace(it, ask.max_backup_days))]
        if stuck:
            return {"code": "maintenance_overlap", "in_the_way": stuck}
        moves = zip(displaced, map(allocation, there), strict=True)
        return {"code": "done", "window": ask.window.shown(), "displaced": [list(pair) for pair in moves]}

    def _displace(self, it: Taken, max_backup_days: int) -> Answer | None:
        vehicle, days = self._vehicle(it.vehicle_id), it.window.last - it.window.first + 1
        first = max(it.window.first, 0)
        windows = self._windows(first, days, first + max_backup_days)
        found = self._search(vehicle, it.test_type or "", windows, [dyno for dyno in self.dynos if not dyno.retired])
        if found.dyno is None or found.first is None:
            busy = "vehicle_already_allocated" if found.first is None else "no_dyno_available"
            return {"reason": busy} | ({"rejected": found.rejected} if found.rejected else {})
        it.dyno_id, it.turnaround_days = found.dyno.dyno_id, found.dyno.turnaround_days
        it.window, it.version = Window(found.first, found.first + days - 1), it.version + 1
        self.taken.append(it)
        return None

    def _look(self, ask: Look) -> Answer:
        window = Window(ask.first, ask.first + ask.days - 1)
        if not 1 <= ask.days <= self.max_days or ask.first < 0 or window.last > self.horizon_days:
            return {"code": "invalid_request"}
        if ask.is_registered and ask.vehicle.retired:
            return {"code": "vehicle_retired"}
        kind = ask.vehicle.kind(ask.test_type)
        dynos = sorted(
            (dyno for dyno in self.dynos if not dyno.retired),
            key=lambda dyno: (self.breadth(dyno), dyno.name.encode()),
        )
        about = {dyno: self.rejection(dyno, kind, window, dyno.turnaround_days) for dyno in dynos}
        return {
            "code": "done",
            "in_the_way": [self._obstacle(each) for each in self._vehicle_takes(ask, window)],
            "available": [
                {"dyno_id": dyno.dyno_id, "dyno_name": dyno.name, "breadth": self.breadth(dyno)}
                for dyno in dynos
                if about[dyno] is None
            ],
            "rejected": by_name(about.values()),
            "next": self._next(ask, kind, dynos),
        } | window.shown()

    def _next(self, ask: Look, kind: Kind, dynos: Sequence[Dyno]) -> list[Answer]:
        """Of each time that a dyno and the vehicle could do it, the first day."""
        found: list[Answer] = []
        could: set[int] = set()
        for window in self._windows(ask.first, ask.days, self.horizon_days):
            can = {
                dyno.dyno_id
                for dyno in dynos
                if not self.rejection(dyno, kind, window, dyno.turnaround_days) and not self._vehicle_takes(ask, window)
            }
            found += [
                {"dyno_id": dyno.dyno_id, "dyno_name": dyno.name} | window.shown()
                for dyno in dynos
                if dyno.dyno_id in can - could
            ]
            could = can
        return found[: ask.next_windows]

    def _vehicle_takes(self, ask: Look, window: Window) -> list[Taken]:
        return self._of_vehicle(ask.vehicle.vehicle_id, window.days()) if ask.is_registered else []

    def _see(self, ask: See) -> Answer:
        dyno, days = self._dyno(ask.dyno_id), ask.window.days()
        there = self._on_dyno(dyno.dyno_id, days)
        taken = set().union(*(each.window.days(each.turnaround_days) for each in there))
        free = [day for day in sorted(days - taken) if dyno.enabled and dyno.is_there(day)]
        return {
            "code": "done",
            "items": [
                each.named() | each.window.shown() | {"free_from": each.free_from, "status": each.status}
                for each in there
            ],
            "free": [window.shown() for window in runs(free)],
        }

    def _obstacle(self, taken: Taken) -> Answer:
        vin = {} if taken.vehicle_id is None else {"vin": self._vehicle(taken.vehicle_id).vin}
        return taken.named() | taken.window.shown() | {"dyno_id": taken.dyno_id, "status": taken.status} | vin

    def _dyno(self, dyno_id: int) -> Dyno:
        return next(dyno for dyno in self.dynos if dyno.dyno_id == dyno_id)

    def _vehicle(self, vehicle_id: int | None) -> Vehicle:
        return next(vehicle for vehicle in self.vehicles if vehicle.vehicle_id == vehicle_id)


def by_name(rejections: Iterable[Answer | None]) -> list[Answer]:
    """In the order in which a refusal lists them."""
    return sorted(filter(None, rejections), key=lambda each: each["dyno_name"].encode())


def allocation(taken: Taken) -> Answer:
    """As much of an allocation as the rules decide."""
    shown = asdict(taken)
    names = ("dyno_id", "vehicle_id", "test_type", "status", "shift_days")
    return {name: shown[name] for name in names} | taken.window.shown()


def runs(days: Sequence[int]) -> list[Window]:
    """Days that follow one another, in one."""
    found: list[Window] = []
    for day in days:
        if found and found[-1].last == day - 1:
            found[-1] = Window(found[-1].first, day)
        else:
            found.append(Window(day, day))
    return found
