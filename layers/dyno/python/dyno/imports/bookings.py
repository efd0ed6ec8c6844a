"""Maintenance and tests: days of dynos, taken by the rules that every booking goes by."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, timedelta
from functools import cache
from typing import Any, NamedTuple

from dyno.imports import registry, store
from dyno.imports.identity import days, identity, is_held, is_over, is_under_way, shift_days, work
from dyno.imports.model import Kind, Maintenance, Place, Request, Row, Vehicle
from dyno.imports.registry import Dynos
from dyno.imports.report import ImportedRow, Outcome, Plan, Planning, Remark, said
from dyno.imports.store import Known, Said
from dyno.imports.work import Work, became, contended, in_batches, readable, refused

AT_ONCE = 200
"""Tests that one statement books."""
LAST = 1_000_001
"""Where a test without a priority stands: behind all that have one."""
MOST_TOLD = 5
"""Things in the way that a row names."""
SHOWN = ("allocation_id", "dyno_name", "start_date", "end_date", "shift_days")


class Test(NamedTuple):
    """A row that asks for a test, with what it asks for."""

    row: Row
    request: Request
    identity: bytes

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"{self.request.vin or 'no vehicle'}, {self.request.test_type}"


def maintenance(work_: Work, rows: Iterable[Row], known: Mapping[str, Known]) -> Iterator[ImportedRow]:
    """Close dynos; a window that is there is not made again, and one that is over is passed over."""
    windows = store.known_windows(work_.connection)
    for row in readable(rows, Kind.MAINTENANCE):
        if isinstance(window := row.value, Maintenance):
            yield _window(work_, row, window, known.get(window.dyno_name), windows)


def tests(
    work_: Work, rows: Iterable[Row], known: Dynos, *, keep_placements: bool
) -> tuple[list[ImportedRow], Planning | None]:
    """
    Book every test that is not booked yet: by due date, then priority, then what fewest dynos can run.

    Args:
        keep_placements: Whether those that the sheet has a place for come first, to be booked there if they can be,
            as whose they are there; what is booked so already stays, and what is over is passed over.
    """
    wanted = [Test(row, row.value, identity(row.value)) for row in readable(rows, Kind.REQUESTS)
              if isinstance(row.value, Request)]  # fmt: skip
    if not wanted:
        return [], None
    before = store.known_requests(work_.connection, [test.identity for test in wanted])
    if keep_placements:
        before |= _as_placed(work_, wanted)
    made, open_ = _sorted_out(work_, wanted, before, keep_placements=keep_placements)
    made = [*work_.counted(made), *work_.counted(_book(work_, open_, before, known, keep_placements=keep_placements))]
    return made, _planning(work_, wanted, made)


def _window(
    work_: Work, row: Row, window: Maintenance, dyno: Known | None, windows: set[tuple[int, date, date]]
) -> ImportedRow:
    name = f"{window.dyno_name}, {window.start_date} to {window.end_date}"
    if dyno is None:
        return refused(row, name, "dyno_not_found", f"no dyno is called {window.dyno_name!r}")
    place = (dyno["id"], window.start_date, window.end_date)
    shown: dict[str, Any] = {
        "dyno_name": window.dyno_name,
        "start_date": window.start_date,
        "end_date": window.end_date,
    }
    if place in windows:
        return became(row, Outcome.UNCHANGED, name, **shown)
    if window.end_date < work_.terms.today:
        return became(row, Outcome.SKIPPED, name, [Remark(code="over", detail="the days are over")], **shown)
    wanted = {"start_date": window.start_date, "end_date": window.end_date, "reason": window.reason or "maintenance"}
    said = store.close_dyno(work_.connection, work_.actor, dyno["id"], wanted, work_.terms)
    match said["outcome"]:
        case "closed":
            windows.add(place)
            return became(row, Outcome.CREATED, name, **shown)
        case "maintenance_overlap":
            return refused(row, name, "maintenance_overlap", f"in the way: {_obstacles(said['in_the_way'])}")
        case "bad_window":
            return refused(row, name, "bad_window", f"it ends more than {work_.terms.horizon_days} days ahead")
    raise contended()


def _as_placed(work_: Work, wanted: Iterable[Test]) -> dict[bytes, Known]:
    """Tests that are booked where the sheet has them, whoever booked them."""
    there = store.known_places(work_.connection, {test.request.vin for test in wanted if test.request.vin})
    found = {test.identity: there.get(_booking(test.request)) for test in wanted}
    return {identity_: booking for identity_, booking in found.items() if booking}


def _booking(asked: Request) -> store.Placement:
    return asked.vin, asked.test_type, asked.dyno_name, asked.placed_from, asked.placed_to


def _sorted_out(
    work_: Work, wanted: Iterable[Test], before: Mapping[bytes, Known], *, keep_placements: bool
) -> tuple[list[ImportedRow], list[Test]]:
    """Rows of which it is known what becomes of them, and the tests that are to be booked."""
    made, open_ = [], []
    first: dict[bytes, Row] = {}
    for test in wanted:
        done = before.get(test.identity)
        if is_over(test.request):
            told = Remark(code="over", detail=f"its status is {test.request.status!r}")
            made.append(became(test.row, Outcome.SKIPPED, test.name, [told]))
        elif test.request.vin and first.setdefault(test.identity, test.row) is not test.row:
            told = Remark(code="repeated", detail=f"says what {said(first[test.identity].place)} says")
            made.append(became(test.row, Outcome.SKIPPED, test.name, [told]))
        elif done and done["allocation_id"] is not None:
            made.append(_unchanged(test, done))
        elif keep_placements and (past := _past(test.request, work_.terms.today)):
            made.append(became(test.row, Outcome.SKIPPED, test.name, [past]))
        elif why := _impossible(test.request):
            made.append(refused(test.row, test.name, *why))
        else:
            open_.append(test)
    return made, open_


def _past(request: Request, today: date) -> Remark | None:
    """Why a placement is nothing to be kept; None if it is."""
    if is_held(request):
        return Remark(code="held", detail="a hold is for minutes, and is not carried over")
    if request.placed_to and request.placed_to < today:
        return Remark(code="over", detail=f"its days are over; today in the lab is {today}")
    return None


def _unchanged(test: Test, done: Known) -> ImportedRow:
    shown = {name: done[name] for name in SHOWN}
    told = [] if done["status"] == "scheduled" else [Remark(code=done["status"], detail="it was booked before")]
    return became(test.row, Outcome.UNCHANGED, test.name, told, **shown)


def _impossible(request: Request) -> tuple[str, str] | None:
    if request.vin is None:
        return "no_vehicle", "it names no vehicle, and only a vehicle can be booked"
    if days(request) < 1:
        return "no_days", "it says neither how many days it takes, nor how many miles at how many a day"
    if shift_days(request) < 0:
        return "due_too_early", f"{days(request)} days from {request.start_date} end after {request.due_date}"
    return None


def _book(
    work_: Work, open_: Iterable[Test], before: Collection[bytes], known: Dynos, *, keep_placements: bool
) -> Iterator[ImportedRow]:
    vehicles = _vehicles(work_, open_)
    capable = _capable(vehicles, known)
    left = sorted(open_, key=lambda test: _urgency(test, capable))
    if keep_placements:
        kept: set[Place] = set()
        placed = [(test, place) for test in left if (place := _place(test.request, known, work_.terms.today))]
        for test, told in _placed(work_, placed):
            if told["outcome"] == "booked":
                kept.add(test.row.place)
                yield _booked(test, told)
        left = [test for test in left if test.row.place not in kept]
    tried = []
    for test in left:
        if days(test.request) > work_.terms.max_days:
            yield refused(test.row, test.name, "bad_window", f"a booking takes 1 to {work_.terms.max_days} days")
        else:
            tried.append((test, _anywhere(test.request) | {"known": test.identity in before}))
    for test, told in _placed(work_, tried):
        made = _booked(test, told) if told["outcome"] == "booked" else _refused(work_, test, told)
        yield _moved(test, made) if keep_placements and test.request.placed_from else made


def _vehicles(work_: Work, open_: Iterable[Test]) -> dict[str, Known]:
    """Those that are there by vin, and those that their rows say enough of."""
    there = store.known_vehicles(work_.connection, {test.request.vin for test in open_ if test.request.vin})
    new: dict[str, Vehicle] = {}
    for test in open_:
        if test.request.vin not in there and (vehicle := _vehicle(test.request)):
            new.setdefault(vehicle.vin, vehicle)
    return there | registry.missing_vehicles(work_, new.values())


def _placed(work_: Work, wanted: Iterable[tuple[Test, Mapping[str, Any]]]) -> Iterator[tuple[Test, Said]]:
    """What becomes of tests, each with where it is wanted."""
    for some in in_batches(wanted, AT_ONCE):
        asked = [{**_asked(test), **place} for test, place in some]
        told = store.place(work_.connection, work_.actor, asked, work_.terms)
        if any(each["outcome"] == "contended" for each in told):
            raise contended()
        yield from zip((test for test, _ in some), told, strict=True)


def _asked(test: Test) -> dict[str, Any]:
    asked = test.request
    return {"identity": test.identity, "vin": asked.vin, "test_type": asked.test_type, "work": work(asked)}


def _vehicle(request: Request) -> Vehicle | None:
    """What a sheet of requests says of a vehicle, if it is enough for one that nobody knows."""
    if request.vin is None or request.weight_lbs is None or request.drive_type is None:
        return None
    more = {name: getattr(request, name) for name in ("program", "build_id", "cert_team", "engine", "build_type")}
    return Vehicle(request.vin, request.weight_lbs, request.drive_type, **more)


def _capable(vehicles: Mapping[str, Known], known: Dynos) -> Callable[[Request], int]:
    """Gives how many dynos can run a test; those of a vehicle that nobody knows are none."""
    used = [dyno["lines"] for dyno in known.values() if dyno["enabled"]]

    @cache
    def count(test: str, drive: str, weight: str) -> int:
        return sum(
            any(t in (test, "any") and d in (drive, "any") and w in (weight, "any") for t, d, w in lines)
            for lines in used
        )

    def of(request: Request) -> int:
        vehicle = vehicles.get(request.vin or "")
        return count(request.test_type, vehicle["drive_type"], vehicle["weight_class"]) if vehicle else 0

    return of


def _urgency(test: Test, capable: Callable[[Request], int]) -> tuple[date, int, int, str, int]:
    """What is due first comes first, then by priority, then what fewest dynos can run; then as the file has it."""
    asked = test.request
    by = asked.due_date or asked.start_date
    priority = LAST if asked.priority is None else asked.priority
    return by, priority, capable(asked), test.row.place.sheet, test.row.place.row


def _anywhere(request: Request) -> dict[str, Any]:
    return {"start_date": request.start_date, "days": days(request), "max_shift": shift_days(request)}


def _place(request: Request, known: Dynos, today: date) -> dict[str, Any] | None:
    """Where the sheet had it, begun or not, as whose it is there; None if that is no dyno of the lab's, or no days."""
    if request.dyno_name not in known or request.placed_from is None or request.placed_to is None:
        return None
    length = (request.placed_to - request.placed_from).days + 1
    dyno_id = known[request.dyno_name]["id"]
    begun = is_under_way(request) and request.placed_from <= today
    status = "in_progress" if begun else "scheduled"
    place = {"dyno_id": dyno_id, "start_date": request.placed_from, "days": length, "status": status}
    return place | {"asked_by": request.requested_by}


def _moved(test: Test, made: ImportedRow) -> ImportedRow:
    """With a word on where it was, if it is booked elsewhere."""
    if made.outcome is not Outcome.BOOKED:
        return made
    had = f"{test.request.dyno_name or 'no dyno'} from {test.request.placed_from}"
    told = Remark(code="not_kept", detail=f"the sheet had it on {had}, which could not be")
    return made.model_copy(update={"remarks": [*made.remarks, told]})


def _booked(test: Test, said: Said) -> ImportedRow:
    return became(test.row, Outcome.BOOKED, test.name, **{name: said["allocation"][name] for name in SHOWN})


def _refused(work_: Work, test: Test, said: Said) -> ImportedRow:
    return refused(test.row, test.name, said["outcome"], _why(said, test.request, work_))


def _why(said: Said, asked: Request, work_: Work) -> str:  # noqa: PLR0911  # one for each outcome
    until = asked.start_date + timedelta(days=max(shift_days(asked), 0))
    match said["outcome"]:
        case "no_dyno_available":
            reasons = sorted(said["reasons"].items(), key=lambda told: (-told[1], told[0]))
            told = ", ".join(f"{dynos} {reason}" for reason, dynos in reasons) or "the lab has none"
            return f"no dyno can take it from {asked.start_date} to begin by {until}: {told}"
        case "vehicle_already_allocated":
            return f"the vehicle is booked whenever it could begin, by {until}: {_obstacles(said['in_the_way'])}"
        case "vehicle_not_found":
            return f"nobody has registered {asked.vin}, and the row has not both its weight and its drive type"
        case "vehicle_retired":
            return f"{asked.vin} is retired"
        case "bad_window" if asked.start_date < work_.terms.today:
            return f"{asked.start_date} is in the past; today in the lab is {work_.terms.today}"
        case "bad_window":
            return f"a booking ends at most {work_.terms.horizon_days} days ahead"
    return f"the database said {said['outcome']}"


def _obstacles(in_the_way: Iterable[Mapping[str, Any]]) -> str:
    told = [f"{_thing(each)} from {each['start_date']} to {each['end_date']}" for each in in_the_way]
    return "; ".join(told[:MOST_TOLD]) + (f"; and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else "")


def _thing(obstacle: Mapping[str, Any]) -> str:
    if "allocation_id" in obstacle:
        return f"allocation {obstacle['allocation_id']}"
    return f"window {obstacle['window_id']}"


def _planning(work_: Work, wanted: Iterable[Test], made: Iterable[ImportedRow]) -> Planning:
    left_out = {(row.sheet, row.row) for row in made if row.outcome is Outcome.SKIPPED}
    counted = [test for test in wanted if (test.row.place.sheet, test.row.place.row) not in left_out]
    booked = {row.allocation_id for row in made if row.allocation_id is not None}
    return Planning(
        tests=len(counted),
        as_the_sheet_had_it=Plan(
            double_bookings=_double([test.request for test in counted]),
            tests_without_a_dyno=sum(test.request.dyno_name is None for test in counted),
        ),
        as_booked=Plan(
            double_bookings=store.overlaps(work_.connection, booked), tests_without_a_dyno=len(counted) - len(booked)
        ),
    )


def _double(requests: Iterable[Request]) -> int:
    """Pairs of tests that a sheet has on one dyno on the same day."""
    taken: dict[str, list[tuple[date, date]]] = {}
    for asked in requests:
        if asked.dyno_name and asked.placed_from and asked.placed_to:
            taken.setdefault(asked.dyno_name, []).append((asked.placed_from, asked.placed_to))
    pairs = 0
    for days_taken in taken.values():
        open_until: list[date] = []
        for first, last in sorted(days_taken):
            open_until = [day for day in open_until if day >= first]
            pairs += len(open_until)
            open_until.append(last)
    return pairs
