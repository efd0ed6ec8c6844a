"""Random labs and what is asked of them, put into a database and asked of the service."""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from sqlalchemy import text

from dyno.allocation import availability, planning, service
from dyno.allocation.availability_model import Wanted
from dyno.allocation.model import AllocationRequest, AutoAllocationRequest, Terms
from dyno.allocation.planning_model import AllocationChange, MaintenanceRequest
from dyno.errors import DynoError
from tests.integration.allocation.oracle import (
    Answer,
    Ask,
    Book,
    Change,
    Close,
    Dyno,
    Look,
    Rules,
    See,
    Taken,
    Vehicle,
    Window,
)
from tests.lab import ADMIN, Lab

ZONES = ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago")
"""Somewhere it is another day than elsewhere."""

TESTS = ("brake", "evap")
ASKED = ("brake", "brake", "brake", "evap")
OCCUPYING = ("held", "scheduled", "in_progress", "completed")
LOAD = (
    "delete from history",
    "delete from refusals",
    "delete from occupancies",
    "delete from capabilities",
    "delete from vehicles",
    "delete from dynos",
    """insert into dynos (id, name, enabled, available_from, available_to, turnaround_days, retired_at)
       overriding system value
       select id, name, enabled, available_from, available_to, turnaround_days, retired_at
         from jsonb_populate_recordset(null::dynos, cast(:dynos as jsonb))""",
    "insert into capabilities select * from jsonb_populate_recordset(null::capabilities, cast(:rules as jsonb))",
    """insert into vehicles (id, vin, weight_lbs, drive_type, retired_at) overriding system value
       select id, vin, weight_lbs, drive_type, retired_at
         from jsonb_populate_recordset(null::vehicles, cast(:vehicles as jsonb))""",
    """insert into occupancies (id, kind, dyno_id, vehicle_id, test_type, booked_by, start_date, end_date,
                                turnaround_days, shift_days, status, expires_at, cancelled_at)
       overriding system value
       select id, kind, dyno_id, vehicle_id, test_type, booked_by, start_date, end_date,
              turnaround_days, shift_days, status, expires_at, cancelled_at
         from jsonb_populate_recordset(null::occupancies, cast(:taken as jsonb))""",
    "select setval('occupancies_id_seq', 1000), refresh_breadth()",
)
TAKEN = """
  select o.id, o.dyno_id, o.vehicle_id, o.start_date, o.end_date, o.turnaround_days, o.shift_days,
         case when o.expires_at <= clock_timestamp() then 'lapsed' else o.status end as status,
         case when o.status not in ('held', 'lapsed') or o.expires_at > clock_timestamp() then o.version end as version
    from occupancies o order by o.id
"""


@dataclass(frozen=True)
class Case:
    """A lab, where on earth it is, and what is asked of it in turn."""

    rules: Rules
    zone: str
    asks: Sequence[Ask]


@cache
def some(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


@st.composite
def a_dyno(draw: st.DrawFn, dyno_id: int, name: str) -> Dyno:
    rule = st.tuples(some(*ASKED, "any", "any"), some("2WD", "AWD", "any", "any"), some("<10K", ">10K", "any", "any"))
    retired = draw(some(*[False] * 9, True))
    first, last = draw(st.none() | st.integers(-5, 8)), draw(st.none() | st.integers(3, 20))
    if first is not None and last is not None:
        first, last = min(first, last), max(first, last)
    return Dyno(
        dyno_id,
        name,
        draw(st.frozensets(rule, min_size=1, max_size=3)),
        enabled=not retired and draw(some(*[True] * 7, False)),
        available_from=first,
        available_to=last,
        turnaround_days=draw(some(0, 0, 1, 3)),
        retired=retired,
    )


@st.composite
def a_vehicle(draw: st.DrawFn, vehicle_id: int) -> Vehicle:
    return Vehicle(
        vehicle_id,
        f"9ZZ0TEST0VD{vehicle_id:06d}",
        draw(some(9_999, 10_000, 10_001)),
        draw(some("2WD", "AWD")),
        retired=draw(some(*[False] * 15, True)),
    )


@st.composite
def a_taken(draw: st.DrawFn, taken_id: int, dynos: Sequence[Dyno], vehicles: Sequence[Vehicle]) -> Taken:
    first = draw(st.integers(-4, 18))
    window = Window(first - draw(some(*[0] * 11, 20)), first + draw(st.integers(0, 4)))  # some began long ago
    statuses = ["scheduled"] * 3 + ["cancelled"]
    vehicle_id = draw(st.none() | some(*(vehicle.vehicle_id for vehicle in vehicles)) | some(1))
    if vehicle_id is not None:
        statuses += ["held", "held", "lapsed"]
        statuses += ["in_progress"] if window.first <= 0 else []
        statuses += ["completed"] if window.last <= 0 else []
    status = draw(st.sampled_from(statuses))
    return Taken(
        taken_id,
        draw(some(*(dyno.dyno_id for dyno in dynos))),
        window,
        draw(some(0, 0, 1, 2)),
        status,
        vehicle_id,
        draw(some(*TESTS)) if vehicle_id is not None else None,
        ran_out=status == "held" and draw(st.booleans()),
        shift_days=draw(some(0, 0, 2)) if vehicle_id is not None else 0,
    )


def fits(one: Taken, there: Sequence[Taken]) -> bool:
    """Whether the database lets it be: what ran out and nobody has said so of takes its days still."""
    return one.status not in OCCUPYING or not any(
        each.status in OCCUPYING
        and (
            (
                each.dyno_id == one.dyno_id
                and each.window.days(each.turnaround_days) & one.window.days(one.turnaround_days)
            )
            or (
                one.vehicle_id is not None
                and each.vehicle_id == one.vehicle_id
                and each.window.days() & one.window.days()
            )
        )
        for each in there
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    names = draw(st.permutations(["b", "B", "Cell 10", "Cell 9", "ä"]))
    dynos = [draw(a_dyno(number, names[number - 1])) for number in range(1, draw(st.integers(1, 5)) + 1)]
    vehicles = [draw(a_vehicle(number)) for number in range(1, draw(st.integers(1, 3)) + 1)]
    rules = Rules(dynos, vehicles, [], horizon_days=draw(some(20, 40)), max_days=draw(some(6, 10)))
    for taken_id in range(1, draw(st.integers(2, 16)) + 1):
        one = draw(a_taken(taken_id, dynos, vehicles))
        if fits(one, rules.taken):
            rules.taken.append(one)
    kinds = (a_booking, a_booking, a_change, a_change, a_closing, a_closing, a_look, a_calendar)
    asks: st.SearchStrategy[Ask] = st.one_of(*(kind(rules) for kind in kinds))
    return Case(rules, draw(some(*ZONES)), draw(st.lists(asks, min_size=3, max_size=6)))


def dyno_ids(rules: Rules) -> st.SearchStrategy[int]:
    return some(*(dyno.dyno_id for dyno in rules.dynos))


@st.composite
def a_booking(draw: st.DrawFn, rules: Rules) -> Book:
    return Book(
        draw(some(*(vehicle.vehicle_id for vehicle in rules.vehicles))),
        draw(some(*ASKED)),
        draw(st.integers(-1, 16)),
        days=draw(st.integers(1, 6)),
        miles=draw(st.none() | st.tuples(st.integers(1, 900), some(100, 150), some(0, 0, 2))),
        max_backup_days=draw(some(0, 2, 7, 20)),
        dyno_id=draw(st.none() | dyno_ids(rules)),
        hold_minutes=draw(some(None, None, 60)),
        dry_run=draw(st.booleans()),
    )


@st.composite
def a_change(draw: st.DrawFn, rules: Rules) -> Change:
    status = draw(some(None, None, None, "scheduled", "in_progress", "completed"))
    place, dry_run = draw(some(0, 1, 2, 3, 4, 7)), draw(st.booleans())
    if status == "completed":
        return Change(place, status=status, dry_run=dry_run)
    dyno_id, first = draw(st.none() | dyno_ids(rules)), draw(st.none() | st.integers(-2, 16))
    last, days = draw(some((None, None), (True, None), (None, True)))
    last, days = last and draw(st.integers(-1, 18)), days and draw(st.integers(1, 6))
    if (dyno_id, first, last, days, status) == (None,) * 5:
        first = 1
    return Change(place, dyno_id, first, last, days, status, dry_run)


@st.composite
def a_closing(draw: st.DrawFn, rules: Rules) -> Close:
    first = draw(st.integers(-3, 14))
    return Close(
        draw(dyno_ids(rules)),
        Window(first, first + draw(st.integers(0, 8))),
        displace=draw(some(True, True, True, False)),
        max_backup_days=draw(some(0, 3, 10, 30)),
        dry_run=draw(st.booleans()),
    )


@st.composite
def a_look(draw: st.DrawFn, rules: Rules) -> Look:
    is_registered = draw(some(True, True, False))
    vehicle = draw(st.sampled_from(rules.vehicles) if is_registered else a_vehicle(0))
    first, days = draw(st.integers(-1, 16)), draw(st.integers(1, 5))
    return Look(vehicle, is_registered, draw(some(*ASKED)), first, days, draw(st.integers(0, 8)))


@st.composite
def a_calendar(draw: st.DrawFn, rules: Rules) -> See:
    first = draw(st.integers(-5, 16))
    return See(draw(dyno_ids(rules)), Window(first, first + draw(st.integers(0, 20))))


class Asked:
    """A case, put into a lab's database and asked of the service; days are numbers, today is 0."""

    def __init__(self, lab: Lab, case: Case) -> None:
        self.over = lab.over
        self.owner = lab.owner
        self.terms = Terms(case.zone, case.rules.horizon_days, case.rules.max_days)
        self.now = datetime.now(ZoneInfo(case.zone))
        self.today = self.now.date()
        self._put(case.rules)

    def day(self, number: int | None) -> date | None:
        return None if number is None else self.today + timedelta(days=number)

    def answer(self, ask: Ask, rules: Rules) -> Answer:
        """As the oracle words it."""
        try:
            said: Answer = self.numbered(self._said(ask, rules))
        except DynoError as refused:
            told = ("in_the_way", "rejected", "start_date", "end_date")
            return {"code": refused.code} | {
                name: self.numbered(refused.details[name]) for name in told if name in refused.details
            }
        return {"code": "done"} | said

    def taken(self) -> list[Answer]:
        """What takes the dynos, or did."""
        with self.owner.begin() as connection:
            return [self.numbered(row._asdict()) for row in connection.execute(text(TAKEN))]

    def numbered(self, shown: Any) -> Any:
        """The same, its days as numbers."""
        if isinstance(shown, dict):
            return {name: self.numbered(value) for name, value in shown.items()}
        if isinstance(shown, (list, tuple)):
            return [self.numbered(each) for each in shown]
        if isinstance(shown, str) and len(shown) == len("2027-01-04") and shown[4] == "-":
            shown = date.fromisoformat(shown)
        return (shown - self.today).days if isinstance(shown, date) and not isinstance(shown, datetime) else shown

    def _said(self, ask: Ask, rules: Rules) -> Answer:
        match ask:
            case Book():
                return self._book(ask)
            case Change():
                return self._change(ask, rules.named(ask))
            case Close():
                return self._close(ask)
            case Look():
                return self._look(ask)
            case See():
                return self._see(ask)

    def _book(self, ask: Book) -> Answer:
        length = {"days_to_complete": ask.days}
        if ask.miles is not None:
            length = dict(zip(("miles", "miles_per_day", "added_days"), ask.miles, strict=True))
        asked = length | {
            "vehicle_id": ask.vehicle_id,
            "test_type": ask.test_type,
            "start_date": self.day(ask.first),
            "backup": ask.max_backup_days > 0,
            "max_backup_days": ask.max_backup_days,
            "hold_minutes": ask.hold_minutes,
            "dry_run": ask.dry_run,
        }
        if ask.dyno_id is None:
            auto = AutoAllocationRequest.model_validate(asked)
            booked = service.auto_allocate(self.over, auto, actor=ADMIN, key=None, terms=self.terms)
        else:
            request = AllocationRequest.model_validate(asked | {"dyno_id": ask.dyno_id})
            booked = service.allocate(self.over, request, actor=ADMIN, key=None, terms=self.terms)
        work, days = booked.allocation.work, (booked.allocation.end_date - booked.allocation.start_date).days + 1
        return {
            "id": booked.allocation.allocation_id,
            "allocation": allocation(booked.allocation.model_dump()),
            "days_to_complete": work.days_to_complete if work else days,
        }

    def _change(self, ask: Change, it: Taken) -> Answer:
        named = {
            "dyno_id": ask.dyno_id,
            "start_date": self.day(ask.first),
            "end_date": self.day(ask.last),
            "days_to_complete": ask.days,
            "status": ask.status,
        }
        given = {name: value for name, value in named.items() if value is not None}
        change = AllocationChange.model_validate(given | {"dry_run": ask.dry_run})
        changed = planning.change_allocation(
            self.over, it.taken_id, change, version=it.version, actor=ADMIN, terms=self.terms
        )
        return {"allocation": allocation(changed.allocation.model_dump())}

    def _close(self, ask: Close) -> Answer:
        request = MaintenanceRequest.model_validate(
            {
                "start_date": self.day(ask.window.first),
                "end_date": self.day(ask.window.last),
                "reason": "calibration",
                "max_backup_days": ask.max_backup_days,
                "dry_run": ask.dry_run,
            }
        )
        closed = planning.close_dyno(
            self.over, ask.dyno_id, request, displace=ask.displace, actor=ADMIN, key=None, terms=self.terms
        )
        return {
            "id": closed.window.window_id,
            "window": {"start_date": closed.window.start_date, "end_date": closed.window.end_date},
            "displaced": [
                [allocation(each.before.model_dump()), allocation(each.after.model_dump())] for each in closed.displaced
            ],
        }

    def _look(self, ask: Look) -> Answer:
        who: Answer = {"vehicle_id": ask.vehicle.vehicle_id}
        if not ask.is_registered:
            who = {"drive_type": ask.vehicle.drive_type, "weight_lbs": ask.vehicle.weight_lbs}
        wanted = Wanted.model_validate(
            who
            | {
                "test_type": ask.test_type,
                "start_date": self.day(ask.first),
                "days_to_complete": ask.days,
                "next_windows": ask.next_windows,
            }
        )
        found = availability.list_available(self.over, wanted, terms=self.terms)
        return found.model_dump(exclude={"vehicle_id", "vin"})

    def _see(self, ask: See) -> Answer:
        first, last = self.day(ask.window.first), self.day(ask.window.last)
        seen = availability.get_schedule(self.over, ask.dyno_id, first, last, today=self.today)
        names = ("allocation_id", "window_id", "start_date", "end_date", "free_from", "status")
        shown = [each.model_dump() for each in seen.items]
        return {
            "items": [{name: each[name] for name in names if each[name] is not None} for each in shown],
            "free": [each.model_dump() for each in seen.free],
        }

    def _put(self, rules: Rules) -> None:
        tables = {
            "dynos": [
                asdict(dyno)
                | {
                    "id": dyno.dyno_id,
                    "rules": None,
                    "available_from": self.day(dyno.available_from),
                    "available_to": self.day(dyno.available_to),
                    "retired_at": self.now if dyno.retired else None,
                }
                for dyno in rules.dynos
            ],
            "rules": [
                {"dyno_id": dyno.dyno_id, "test_type": test, "drive_type": drive, "weight_class": weight}
                for dyno in rules.dynos
                for test, drive, weight in dyno.rules
            ],
            "vehicles": [
                asdict(vehicle) | {"id": vehicle.vehicle_id, "retired_at": self.now if vehicle.retired else None}
                for vehicle in rules.vehicles
            ],
            "taken": [self._row(each) for each in rules.taken],
        }
        values = {name: json.dumps(rows, default=str) for name, rows in tables.items()}
        with self.owner.begin() as connection:
            for statement in LOAD:
                needed = {name: value for name, value in values.items() if f":{name}" in statement}
                connection.execute(text(statement), needed)

    def _row(self, taken: Taken) -> Answer:
        is_allocation = taken.vehicle_id is not None
        expires_at = self.now + timedelta(hours=-1 if taken.ran_out else 24)
        return {
            "id": taken.taken_id,
            "kind": "allocation" if is_allocation else "maintenance",
            "dyno_id": taken.dyno_id,
            "vehicle_id": taken.vehicle_id,
            "test_type": taken.test_type,
            "booked_by": "ann" if is_allocation else None,
            "start_date": self.day(taken.window.first),
            "end_date": self.day(taken.window.last),
            "turnaround_days": taken.turnaround_days,
            "shift_days": taken.shift_days,
            "status": taken.status,
            "expires_at": expires_at if taken.status == "held" else None,
            "cancelled_at": self.now if taken.status == "cancelled" else None,
        }


def allocation(shown: Answer) -> Answer:
    """As much of it as the rules decide."""
    names = ("dyno_id", "vehicle_id", "test_type", "status", "shift_days", "start_date", "end_date")
    return {name: shown[name] for name in names}


def must_be_taken(rules: Rules) -> list[Answer]:
    """What the database must hold, as `Asked.taken` gives it."""
    return [
        {
            "id": each.taken_id,
            "dyno_id": each.dyno_id,
            "vehicle_id": each.vehicle_id,
            "turnaround_days": each.turnaround_days,
            "shift_days": each.shift_days,
            "status": "lapsed" if each.ran_out else each.status,
            "version": None if each.ran_out or each.status == "lapsed" else each.version,
        }
        | each.window.shown()
        for each in sorted(rules.taken, key=lambda each: each.taken_id)
    ]


def hold_to_the_rules(lab: Lab, case: Case) -> None:
    """Ask one thing after the other of service and oracle; they must agree on answers, and what these leave behind."""
    rules, asked = deepcopy(case.rules), Asked(lab, case)
    for ask in case.asks:
        if isinstance(ask, Change) and not rules.allocations():
            continue
        tried = deepcopy(rules)
        must = tried.answer(ask)
        said = asked.answer(ask, rules)
        made = said.pop("id", None)
        assert said == must, ask
        if must["code"] == "done" and not ask.dry_run:
            rules = tried
            for each in rules.taken:
                each.taken_id = each.taken_id or made
    assert asked.taken() == must_be_taken(rules)
