"""Which field a column is, by its header, and what the rows of a sheet are, by its columns."""

import unicodedata
from collections.abc import Mapping as ReadOnly
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from dyno.errors import InvalidRequest
from dyno.imports.model import Kind, Mapping

EVERY_SHEET = "*"

_VIN = ("vin", "vinnumber", "vinno", "vehicleidentificationnumber", "fullvin")
_WEIGHT = ("weightlbs", "weightlb", "weight", "vehicleweight", "testweight", "weightinlbs", "weightinpounds")
_WEIGHT_CLASS = ("weightclass", "10k", "over10k", "class")
_DRIVE_TYPE = ("drivetype", "awd2wd", "2wdawd", "drive", "drivetrain", "driveline", "awd", "2wd4wd", "4wd2wd")
_TEST_TYPE = ("testtype", "test", "typeoftest", "testname", "tests")
_DYNO = ("dynoname", "dyno", "dynamometer", "assigneddyno", "testcell", "cell", "testfacility")
_VEHICLE = {
    "vin": _VIN,
    "weight_lbs": _WEIGHT,
    "drive_type": _DRIVE_TYPE,
    "program": ("program", "vehicleprogram", "programcode", "programname"),
    "build_id": ("buildid", "build", "buildnumber", "buildno"),
    "cert_team": ("certteam", "certificationteam", "team"),
    "engine": ("engine", "enginetype", "powertrain"),
    "build_type": ("buildtype", "buildphase", "phase"),
}

HEADERS: ReadOnly[Kind, ReadOnly[str, tuple[str, ...]]] = {
    Kind.VEHICLES: _VEHICLE | {"weight_lbs": (*_WEIGHT, *_WEIGHT_CLASS)},
    Kind.DYNOS: {
        "name": (*_DYNO[:-1], "name", "dynos"),
        "facility": ("facility", "testfacility", "building", "site", "location"),
        "enabled": ("enabled", "active", "inservice", "status"),
        "available_from": ("availablefrom", "from"),
        "available_to": ("availableto", "availableuntil", "to", "until"),
        "turnaround_days": ("turnarounddays", "turnaround"),
        "capabilities": ("capabilities", "rules"),
    },
    Kind.RULES: {
        "test_type": _TEST_TYPE,
        "drive_type": _DRIVE_TYPE,
        "weight_class": (*_WEIGHT_CLASS, *_WEIGHT),
        "dynos": ("dynos", *_DYNO, "alloweddynos", "testfacilities", "facilities"),
    },
    Kind.MAINTENANCE: {
        "dyno_name": (*_DYNO, "name"),
        "start_date": ("startdate", "start", "from", "downfrom"),
        "end_date": ("enddate", "end", "to", "until", "downuntil"),
        "reason": ("reason", "maintenance", "description", "comment", "comments", "notes"),
    },
    Kind.REQUESTS: _VEHICLE
    | {
        "weight_class": _WEIGHT_CLASS,
        "test_type": _TEST_TYPE,
        "start_date": (
            "estimatedstart", "estimatedstartdate", "eststart", "eststartdate", "wantedstart", "requestedstart",
            "requestedstartdate", "estimatedarrival",
        ),
        "due_date": ("duedate", "due", "dueby", "needby", "needbydate", "deadline"),
        "days_to_complete": ("daystocomplete", "days", "testdays", "durationdays", "duration", "numberofdays"),
        "miles": ("miles", "totalmiles", "testmiles"),
        "miles_per_day": ("milesperday", "milesday", "dailymiles"),
        "added_days": ("addeddays", "extradays", "additionaldays"),
        "priority": ("priority", "prio"),
        "dyno_name": _DYNO,
        "placed_from": ("startdate", "start", "dynostart", "bookedfrom"),
        "placed_to": ("enddate", "end", "dynoend", "bookedto"),
        "requested_by": ("requestedby", "requester", "requestor", "requesteremail", "engineer", "contact", "email"),
        "status": ("status", "state"),
    },
    Kind.USERS: {
        "sub": ("sub", "userid", "usersub", "userpoolid", "cognitosub", "cognitoid"),
        "role": ("role", "userrole", "group", "usergroup"),
        "enrolled_at": ("enrolledat", "enrolled", "enrolledon", "enrolledsince", "enrolmentdate", "enrollmentdate"),
    },
}  # fmt: skip
"""By kind, the fields and their headers without case, spaces and punctuation; earlier ones go before later ones."""

_PLACES = {
    kind: {header: (field, rank) for field, usual in fields.items() for rank, header in enumerate(usual)}
    for kind, fields in HEADERS.items()
}
_KNOWN = frozenset(header for places in _PLACES.values() for header in places)

_WANTED: ReadOnly[Kind, tuple[tuple[str, ...], ...]] = {
    Kind.REQUESTS: (("test_type",), ("start_date", "placed_from"), ("vin", "drive_type")),
    Kind.RULES: (("test_type",), ("drive_type",), ("weight_class",), ("dynos",)),
    Kind.MAINTENANCE: (("dyno_name",), ("start_date",), ("end_date",)),
    Kind.VEHICLES: (("vin",), ("weight_lbs",), ("drive_type",)),
    Kind.DYNOS: (
        ("name",),
        ("facility", "enabled", "available_from", "available_to", "turnaround_days", "capabilities"),
    ),
    Kind.USERS: (("sub",),),
}
"""By kind, what a sheet must have, one of each; the first kind that fits is the sheet's."""
_FOREIGN = {
    Kind.RULES: {"vin", "start_date", "placed_from"},
    Kind.MAINTENANCE: {"vin", "test_type"},
    Kind.VEHICLES: {"test_type"},
    Kind.DYNOS: {"vin", "test_type"},
    Kind.USERS: {"vin", "test_type"},
}
"""By kind, what a sheet must not have, as a sheet of requests would."""


@dataclass(frozen=True, slots=True)
class Understood:
    """
    A row of headers.

    Attributes:
        fields: By the place of its column, from 0.
        headers: As the sheet has them, by place.
        ignored: Headers of columns that are no field, in order.
        twice: Two headers for one field, of which none goes before the other; then nothing else is of use.
    """

    kind: Kind
    fields: ReadOnly[int, str]
    headers: ReadOnly[int, str]
    ignored: tuple[str, ...]
    twice: tuple[str, str, str] | None = None


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """A header or a sheet's name without case, spaces and punctuation; nothing of a text that is no header."""
    if len(text) > 200:  # noqa: PLR2004  # longer ones are paragraphs
        return ""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


class Headers:
    """The usual headers, and those that somebody mapped by hand for one sheet."""

    def __init__(self, by_hand: ReadOnly[str, str], kind: Kind | None) -> None:
        """Of headers in plain letters, mapped to fields, and of a kind if that was given."""
        self.by_hand = by_hand
        self.kind = kind

    def knows(self, cell: object) -> bool:
        """Whether a cell may be a header."""
        return isinstance(cell, str) and (plain(cell) in self.by_hand or plain(cell) in _KNOWN)

    def understood(self, cells: Sequence[object]) -> Understood | None:
        """The row as headers; None if it is none, or of nothing that is read."""
        headers = {place: cell for place, cell in enumerate(cells) if isinstance(cell, str)}
        for kind in [self.kind] if self.kind else _WANTED:
            columns = self._columns(kind, headers)
            if not self._lacking(columns) and not self._foreign(kind, headers):
                return columns
        return None

    def lacking(self, cells: Sequence[object]) -> str:
        """What a row would need to be headers, for people: of the kind to which it comes nearest."""
        headers = {place: cell for place, cell in enumerate(cells) if isinstance(cell, str)}
        kinds = [self.kind] if self.kind else list(_WANTED)
        near = min(
            (self._columns(kind, headers) for kind in kinds),
            key=lambda columns: (len(self._lacking(columns)), -len(columns.fields)),
        )
        if lacking := self._lacking(near):
            return f"for {near.kind} it lacks {', '.join(' or '.join(fields) for fields in lacking)}"
        return f"it has columns of {near.kind} and of requests; say by kinds which it is"

    def _columns(self, kind: Kind, headers: ReadOnly[int, str]) -> Understood:
        best: dict[str, tuple[int, int]] = {}
        twice = None
        for place, header in headers.items():
            if (found := self._place(kind, header)) is None:
                continue
            field, rank = found
            if field in best and best[field][0] == rank:
                twice = (headers[best[field][1]], header, field)
            if field not in best or rank < best[field][0]:
                best[field] = (rank, place)
        fields = {place: field for field, (_, place) in best.items()}
        if kind is Kind.REQUESTS:
            fields = _start_alone(fields)
        ignored = tuple(header for place, header in headers.items() if place not in fields)
        return Understood(kind, dict(sorted(fields.items())), headers, ignored, twice)

    def _place(self, kind: Kind, header: str) -> tuple[str, int] | None:
        word = plain(header)
        if word in self.by_hand:
            field = self.by_hand[word]
            return (field, -1) if field in HEADERS[kind] else None
        return _PLACES[kind].get(word)

    def _lacking(self, columns: Understood) -> tuple[tuple[str, ...], ...]:
        has = set(columns.fields.values())
        return tuple(fields for fields in _WANTED[columns.kind] if not has.intersection(fields))

    def _foreign(self, kind: Kind, headers: ReadOnly[int, str]) -> bool:
        if self.kind is not None or kind is Kind.REQUESTS:
            return False
        as_requests = set(self._columns(Kind.REQUESTS, headers).fields.values())
        return bool(as_requests & _FOREIGN[kind])


def _start_alone(fields: dict[int, str]) -> dict[int, str]:
    """A start date with no end and no other start is the one that is wanted."""
    if "placed_from" in fields.values() and not {"placed_to", "start_date"} & set(fields.values()):
        return {place: "start_date" if field == "placed_from" else field for place, field in fields.items()}
    return fields


def headers_of(sheet: str, mapping: Mapping | None, kinds: ReadOnly[str, Kind] | None) -> Headers:
    """What is known of one sheet's headers, what was said of it before what was said of all."""
    by_hand: dict[str, str] = {}
    for wanted in (EVERY_SHEET, plain(sheet)):
        for name, columns in (mapping or {}).items():
            if (name if name == EVERY_SHEET else plain(name)) == wanted:
                by_hand |= {plain(header): field for header, field in columns.items()}
    said = {name if name == EVERY_SHEET else plain(name): kind for name, kind in (kinds or {}).items()}
    return Headers(by_hand, said.get(plain(sheet), said.get(EVERY_SHEET)))


def check_names(sheets: Sequence[str], mapping: Mapping | None, kinds: ReadOnly[str, Kind] | None) -> None:
    """
    Refuse what names a sheet or a field that there is not.

    Raises:
        InvalidRequest: With those there are.
    """
    there = {plain(sheet) for sheet in sheets}
    for what, names in (("mapping", mapping or {}), ("kinds", kinds or {})):
        for name in names:
            if name != EVERY_SHEET and plain(name) not in there:
                raise InvalidRequest.of(what, f"there is no sheet {name!r}; there are {', '.join(map(repr, sheets))}")
    fields = {field for of_kind in HEADERS.values() for field in of_kind}
    for columns in (mapping or {}).values():
        for header, field in columns.items():
            if field and field not in fields:
                said = f"{header!r} cannot be {field!r}; a column is one of {', '.join(sorted(fields))}, or ''"
                raise InvalidRequest.of("mapping", said)


def check_headers(sheet: str, columns: Understood, mapping: Mapping | None) -> None:
    """
    Refuse a mapping that names, for this very sheet, a header it has not or a field its rows have not.

    Raises:
        InvalidRequest: With those there are.
    """
    there = {plain(header) for header in columns.headers.values()}
    for name, by_hand in (mapping or {}).items():
        if name == EVERY_SHEET or plain(name) != plain(sheet):
            continue
        for header, field in by_hand.items():
            if plain(header) not in there:
                has = ", ".join(map(repr, columns.headers.values()))
                raise InvalidRequest.of("mapping", f"the sheet {sheet!r} has no column {header!r}; it has {has}")
            if field and field not in HEADERS[columns.kind]:
                has = ", ".join(HEADERS[columns.kind])
                raise InvalidRequest.of("mapping", f"{columns.kind} have no {field!r}; they have {has}")
