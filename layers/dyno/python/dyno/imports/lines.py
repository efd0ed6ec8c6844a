"""A row's cells, by the kind of its sheet, to what it is; everything that is wrong with it at once."""

import re
from collections.abc import Callable, Sequence
from collections.abc import Mapping as ReadOnly
from datetime import date, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from dyno import text as texts
from dyno.allocation.model import BookingRequest, Name, Strict
from dyno.allocation.planning_model import MaintenanceRequest
from dyno.allocation.registry_model import DriveType, NewCapability, NewDyno, NewVehicle, NewVin, WeightLbs
from dyno.imports import values
from dyno.imports.columns import Understood
from dyno.imports.model import (
    Capability,
    DateOrder,
    Dyno,
    Kind,
    Maintenance,
    Person,
    Problem,
    Request,
    Rule,
    Value,
    Vehicle,
    WeightClass,
)
from dyno.imports.reading import Cell
from dyno.imports.values import Refused
from dyno.users.model import EnrolmentRow

T = TypeVar("T")
_M = TypeVar("_M", bound=BaseModel)

_OF_VEHICLES = ("program", "build_id", "cert_team", "engine", "build_type")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)", re.ASCII)
_LIGHT_LBS = 10_000
"""The database's: up to it and with it, a vehicle is <10K."""


class _Named(Strict):
    """Dynos as a sheet names them."""

    dyno_name: Name | None = None
    dynos: tuple[Name, ...] = ()


class _Wanted(_Named):
    """What a request says beside what a booking says."""

    vin: NewVin | None = None
    weight_lbs: WeightLbs | None = None
    drive_type: DriveType | None = None
    program: Name | None = None
    build_id: Name | None = None
    cert_team: Name | None = None
    engine: Name | None = None
    build_type: Name | None = None
    priority: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    requested_by: Annotated[str, StringConstraints(max_length=254)] | None = None
    status: Name | None = None


class Line:
    """The cells of a row by field, and what was found wrong or left out while they were read."""

    def __init__(self, cells: Sequence[Cell], under: Understood, date_order: DateOrder, day_zero: date | None) -> None:
        self.cells = {field: cells[place] for place, field in under.fields.items() if place < len(cells)}
        self.headers = {field: under.headers[place] for place, field in under.fields.items()}
        self.date_order, self.day_zero = date_order, day_zero
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []

    def need(self, field: str, read: Callable[[Cell], T]) -> T | None:
        """What a cell says; None, and a problem, if it says nothing or cannot be read."""
        cell = self.cells.get(field)
        if cell is None or values.says_nothing(cell):
            said = f"{values.shown(cell)} says nothing" if cell is not None else "nothing is there"
            self.refuse(field, "missing", f"{said}, and {field} is needed")
            return None
        return self._read(field, cell, read, self.problems)

    def maybe(self, field: str, read: Callable[[Cell], T]) -> T | None:
        """What a cell says; None, and a note, if that is an error or a word for nothing yet."""
        cell = self.cells.get(field)
        if cell is None:
            return None
        if values.says_nothing(cell):
            code = "no_dyno" if field == "dyno_name" else "left_out"
            self.note(field, code, f"{values.shown(cell)} is taken for no {field}")
            return None
        return self._read(field, cell, read, self.problems)

    def if_readable(self, field: str, read: Callable[[Cell], T]) -> T | None:
        """What a cell says; None, and a note, if it cannot be read: nothing depends on it."""
        cell = self.cells.get(field)
        return None if cell is None else self._read(field, cell, read, self.notes)

    def day(self, cell: Cell) -> date:
        """A cell as a date."""
        return values.day(cell, self.date_order, self.day_zero)

    def checked(self, model: type[_M], said: ReadOnly[str, Any]) -> _M | None:
        """As the model has it, where that takes it; what it says of fields that are not there is known by then."""
        try:
            return model.model_validate({field: value for field, value in said.items() if value is not None})
        except ValidationError as invalid:
            for error in invalid.errors(include_url=False, include_context=False):
                field = str(error["loc"][0]) if error["loc"] else None
                if error["type"] != "missing":
                    message = error["msg"].removeprefix("Value error, ")
                    cell = self.cells.get(field) if field else None
                    self.refuse(field, "invalid_value", message if cell is None else f"{values.shown(cell)}: {message}")
        return None

    def refuse(self, field: str | None, code: str, detail: str) -> None:
        """Note a problem, once of a column."""
        problem = Problem(self._header(field), code, detail)
        if problem.column is None or problem.column not in {other.column for other in self.problems}:
            self.problems.append(problem)

    def note(self, field: str, code: str, detail: str) -> None:
        """Note what was left out."""
        self.notes.append(Problem(self._header(field), code, detail))

    def _read(self, field: str, cell: Cell, read: Callable[[Cell], T], to: list[Problem]) -> T | None:
        try:
            return read(cell)
        except Refused as refused:
            to.append(Problem(self._header(field), refused.code, str(refused)))
            return None

    def _header(self, field: str | None) -> str | None:
        return texts.storable(self.headers[field]) if field in self.headers else None


def _vehicle(line: Line) -> Vehicle | None:
    weight = line.need("weight_lbs", values.weight)
    if isinstance(weight, str):
        right = "a vehicle is registered by its weight in pounds, from which its class follows: write that, as 9128"
        line.refuse("weight_lbs", "weight_class_alone", f"{weight} is a class of weights; {right}")
    said = {
        "vin": line.need("vin", values.vin),
        "weight_lbs": weight if isinstance(weight, int) else None,
        "drive_type": line.need("drive_type", values.text),
    } | _described(line)
    found = line.checked(NewVehicle, said)
    return Vehicle(**found.model_dump(exclude={"dry_run"})) if found else None


def _described(line: Line) -> dict[str, str | None]:
    return {field: line.maybe(field, values.text) for field in _OF_VEHICLES}


def _dyno(line: Line) -> Dyno | None:
    said = {
        "name": line.need("name", values.text),
        "facility": line.maybe("facility", values.text),
        "enabled": line.maybe("enabled", values.yes),
        "available_from": line.maybe("available_from", line.day),
        "available_to": line.maybe("available_to", line.day),
        "turnaround_days": line.maybe("turnaround_days", lambda cell: values.whole(cell, values.DAYS)),
    }
    rules = line.maybe("capabilities", _capabilities)
    found = line.checked(NewDyno, said | {"capabilities": rules or []})
    if found is None:
        return None
    shown = found.model_dump(include=found.model_fields_set - {"capabilities"})
    capabilities = tuple(Capability(**rule.model_dump()) for rule in found.capabilities)
    return Dyno(**shown, capabilities=None if rules is None else capabilities)


def _capabilities(cell: Cell) -> list[dict[str, str]]:
    rules = []
    for part in str(cell).replace("\n", ";").split(";"):
        words = [values.any_word(values.text(word)) for word in part.split(",")]
        if words == [""]:
            continue
        if len(words) != 3:  # noqa: PLR2004  # test, drive and weight
            right = "write test, drive type, weight class; and a semicolon before the next"
            raise Refused("not_a_capability", f"{values.shown(part)} is no capability; {right}")
        rules.append(dict(zip(("test_type", "drive_type", "weight_class"), words, strict=True)))
    return rules


def _rule(line: Line) -> Rule | None:
    said = {
        "test_type": line.need("test_type", lambda cell: values.any_word(values.text(cell))),
        "drive_type": line.need("drive_type", lambda cell: values.any_word(values.text(cell))),
        "weight_class": line.need("weight_class", values.weight_class_or_any),
    }
    named = line.checked(_Named, {"dynos": line.need("dynos", values.names)})
    found = line.checked(NewCapability, said)
    if named is None or found is None:
        return None
    if not named.dynos:
        line.refuse("dynos", "missing", "no dyno is named; write their names with commas between them")
    whole = line.cells["dynos"]
    return Rule(**found.model_dump(), dynos=named.dynos, named=values.one_spaced(str(whole)))


def _maintenance(line: Line) -> Maintenance | None:
    named = line.checked(_Named, {"dyno_name": line.need("dyno_name", values.text)})
    said = {
        "start_date": line.need("start_date", line.day),
        "end_date": line.need("end_date", line.day),
        "reason": line.maybe("reason", values.text),
    }
    found = line.checked(MaintenanceRequest, said | {"reason": said["reason"] or str(Kind.MAINTENANCE)})
    if named is None or named.dyno_name is None or found is None:
        return None
    return Maintenance(named.dyno_name, found.start_date, found.end_date, found.reason if said["reason"] else None)


def _request(line: Line) -> Request | None:
    weight_lbs, weight_class = _weight(line)
    days = line.maybe("days_to_complete", lambda cell: values.whole(cell, values.DAYS))
    start_date, placed_from, placed_to = _days(line, days)
    if days is None and placed_from and placed_to and not _has_miles(line):
        days = (placed_to - placed_from).days + 1
    said = {
        "vin": line.maybe("vin", values.vin),
        "weight_lbs": weight_lbs,
        "drive_type": line.maybe("drive_type", values.text),
        "priority": line.if_readable("priority", values.whole),
        "dyno_name": line.maybe("dyno_name", values.text),
        "requested_by": line.maybe("requested_by", values.text),
        "status": line.maybe("status", values.text),
    } | _described(line)
    due_date = line.maybe("due_date", line.day)
    wanted = line.checked(_Wanted, said)
    if said["vin"] is None and (said["drive_type"] is None or weight_class is None):
        line.refuse("vin", "no_vehicle", "it names no vehicle; give its vin, or its drive type and its weight or class")
    booking = line.checked(BookingRequest, _booking(line, start_date, days))
    if wanted is None or booking is None:
        return None
    return Request(
        test_type=booking.test_type,
        start_date=booking.start_date,
        weight_class=weight_class,
        due_date=due_date,
        days_to_complete=booking.days_to_complete,
        miles=booking.miles,
        miles_per_day=booking.miles_per_day,
        added_days=booking.added_days,
        placed_from=placed_from,
        placed_to=placed_to,
        **wanted.model_dump(exclude={"dynos"}),
    )


def _weight(line: Line) -> tuple[int | None, WeightClass | None]:
    """In pounds and as a class, wherever the sheet has which."""
    said = [line.maybe("weight_lbs", values.weight), line.maybe("weight_class", values.weight)]
    pounds = {weight for weight in said if isinstance(weight, int)}
    classes = {weight for weight in said if isinstance(weight, str)}
    classes |= {"<10K" if weight <= _LIGHT_LBS else ">10K" for weight in pounds}
    if len(pounds) > 1 or len(classes) > 1:
        line.refuse("weight_class", "weight_contradicts", "the two columns say two weights; make them one")
    heavy = ">10K" in classes
    return (next(iter(pounds), None), (">10K" if heavy else "<10K") if classes else None)


def _days(line: Line, days: int | None) -> tuple[date | None, date | None, date | None]:
    """The first day that is wanted, and the first and the last of the sheet's own booking; of that both or neither."""
    wanted = line.maybe("start_date", line.day)
    first, last = line.maybe("placed_from", line.day), line.maybe("placed_to", line.day)
    start = wanted or first
    if first and last is None and days and days > 0:
        last = _later(first, days - 1)
    if first and last and last < first:
        line.refuse("placed_to", "not_in_order", f"{last} lies before {first}, the day on which it starts")
    if start is None:
        field = "start_date" if "start_date" in line.headers else "placed_from"
        line.refuse(field, "missing", "no day is there on which it is to start")
    if first is None or last is None:
        if first or last:
            line.note("placed_from" if first else "placed_to", "left_out", "half of a booking is taken for none")
        return start, None, None
    return start, first, last


def _later(first: date, days: int) -> date | None:
    try:
        return first + timedelta(days=days)
    except OverflowError:
        return None


def _has_miles(line: Line) -> bool:
    return line.cells.get("miles") is not None and line.cells.get("miles_per_day") is not None


def _booking(line: Line, start_date: date | None, days: int | None) -> dict[str, Any]:
    """As a booking would be asked for; days that are given go before miles."""
    said: dict[str, Any] = {
        "vehicle_id": 1,  # which vehicle it is has been looked at, and a booking wants one
        "test_type": line.need("test_type", values.text),
        "start_date": start_date,
    }
    if days is not None:
        return said | {"days_to_complete": days}
    if _has_miles(line):
        return said | {
            "miles": line.need("miles", lambda cell: values.whole(cell, values.MILES)),
            "miles_per_day": line.need("miles_per_day", lambda cell: values.whole(cell, values.MILES)),
            "added_days": line.maybe("added_days", lambda cell: values.whole(cell, values.DAYS)) or 0,
        }
    line.refuse("days_to_complete", "no_length", "it does not say how long: give days, or miles and miles per day")
    return said | {"days_to_complete": 1}


def _person(line: Line) -> Person | None:
    when = line.maybe("enrolled_at", lambda cell: _moment(line, cell))
    said = {
        "sub": line.need("sub", values.text),
        "role": line.maybe("role", lambda cell: values.text(cell).casefold().replace(" ", "_").replace("-", "_")),
        "enrolled_at": when if isinstance(when, str) else None,
    }
    found = line.checked(EnrolmentRow, said)
    if found is None or found.sub is None:
        return None
    return Person(found.sub, found.role, when if isinstance(when, date) else found.enrolled_at)


def _moment(line: Line, cell: Cell) -> date | str:
    """A day, or a text that says a time of day and of which time zone."""
    if isinstance(cell, str) and (said := values.one_spaced(cell)) and _INSTANT.fullmatch(said):
        return said
    return line.day(cell)


READ: ReadOnly[Kind, Callable[[Line], Value | None]] = {
    Kind.VEHICLES: _vehicle,
    Kind.DYNOS: _dyno,
    Kind.RULES: _rule,
    Kind.MAINTENANCE: _maintenance,
    Kind.REQUESTS: _request,
    Kind.USERS: _person,
}
"""By kind, what makes a value of a line; None where the line has problems."""
