"""What is asked of an import, and what is said of it: row by row, and beside what the sheet had itself."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict

from dyno.imports.model import DateOrder, Kind, Parsed, Place, Problem
from dyno.imports.model import Mapping as Columns
from dyno.settings import Settings

Sheets = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Wanted:
    """
    How a file is to be imported.

    Attributes:
        columns: Which field a column is, where its header does not say so; by sheet and header.
        kind: What the rows of a file of one sheet are; None: what its headers say.
        partial: Whether what can be done is done though something else cannot; else all or nothing.
        dry_run: Say what would come of it, and change nothing.
        keep_placements: Whether a test goes where the sheet had it, if it can.
    """

    filename: str | None = None
    columns: Columns = field(default_factory=dict)
    date_order: DateOrder = DateOrder.NONE
    kind: Kind | None = None
    partial: bool = False
    dry_run: bool = False
    keep_placements: bool = False


@dataclass(frozen=True)
class Terms:
    """
    The lab's own limits for a booking.

    Attributes:
        time_zone: IANA name; decides which day today is.
        today: There.
        horizon_days: How far ahead a booking may end.
        max_days: The longest booking.
        now: Aware.
    """

    time_zone: str
    today: date
    horizon_days: int
    max_days: int
    now: datetime

    @classmethod
    def of(cls, known: Settings, now: datetime) -> Self:
        """Of a lab, at a moment in its time zone."""
        return cls(known.lab_time_zone.key, now.date(), known.horizon_days, known.max_days, now)


class Outcome(StrEnum):
    """What became of a row, or would."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    BOOKED = "booked"
    REFUSED = "refused"
    SKIPPED = "skipped"


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True)


class Remark(_Shown):
    """
    Why a row was refused or skipped, or what was left out of it.

    Attributes:
        column: The header as the sheet has it; None if it is of the whole row.
        code: Stable, in snake_case.
    """

    column: str | None = None
    code: str
    detail: str


class ImportedRow(_Shown):
    """
    A row of a sheet, or several that were skipped together.

    Attributes:
        row: Counts from 1, as the spreadsheet shows it.
        last_row: The same, unless several were skipped together.
        kind: None of what was skipped because nobody knows what it is.
        name: The vin, the dyno's name, the user pool's id of a person, or what else it is about.
        allocation_id: Of a test that is booked; None in the answer to a dry run.
        dyno_name: Where it is booked; so the days.
        shift_days: How many days later than wanted it was booked.
    """

    sheet: str
    row: int
    last_row: int
    kind: Kind | None
    name: str | None = None
    outcome: Outcome
    remarks: list[Remark] = []
    allocation_id: int | None = None
    dyno_name: str | None = None
    start_date: date | None = None
    end_date: date | None = None
    shift_days: int | None = None


class Counts(_Shown):
    """Rows by what became of them."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    booked: int = 0
    refused: int = 0
    skipped: int = 0


class Plan(_Shown):
    """
    What a plan is worth.

    Attributes:
        double_bookings: Pairs of tests that take one dyno on the same day.
        tests_without_a_dyno: Tests that nobody knows where to run.
    """

    double_bookings: int
    tests_without_a_dyno: int


class Planning(_Shown):
    """The tests of the file, as the sheet had them and as they are booked now."""

    tests: int
    as_the_sheet_had_it: Plan
    as_booked: Plan


class SheetRead(_Shown):
    """
    How a sheet was understood.

    Attributes:
        kind: None if it was not.
        header_row: The row that its headers are in.
        columns: Header to field.
        ignored: Headers of columns that were not looked at.
    """

    name: str
    kind: Kind | None
    header_row: int | None
    columns: dict[str, str]
    ignored: list[str]


class ImportReport(_Shown):
    """
    What came of an import, or would.

    Attributes:
        written: Whether anything that is said to be done was done: not of a dry run, and not where all was undone.
        counts: All rows together.
        counts_by_kind: The same, each kind by itself.
        planning: None where the file has no tests.
        rows: In the order of the file.
    """

    dry_run: bool
    partial: bool
    written: bool
    counts: Counts
    counts_by_kind: dict[str, Counts]
    planning: Planning | None
    sheets: list[SheetRead]
    rows: list[ImportedRow]


def remarks(of: Iterable[Problem]) -> list[Remark]:
    """What the reader found, as it is shown."""
    return [Remark(column=each.column, code=each.code, detail=each.detail) for each in of]


def skipped(parsed: Parsed) -> list[ImportedRow]:
    """Rows that are no data."""
    kinds = {sheet.name: sheet.kind for sheet in parsed.sheets}
    return [
        ImportedRow(
            sheet=each.place.sheet,
            row=each.place.row,
            last_row=each.last_row,
            kind=kinds.get(each.place.sheet),
            outcome=Outcome.SKIPPED,
            remarks=[Remark(code=each.code, detail=each.reason)],
        )
        for each in parsed.skipped
    ]


def report(parsed: Parsed, rows: Iterable[ImportedRow], planning: Planning | None, wanted: Wanted) -> ImportReport:
    """All of it, in the order of the file."""
    order = {sheet.name: number for number, sheet in enumerate(parsed.sheets)}
    in_order = sorted(rows, key=lambda row: (order.get(row.sheet, len(order)), row.row))
    by_kind: dict[str, Counter[str]] = {}
    for row in in_order:
        by_kind.setdefault(str(row.kind) if row.kind else "unknown", Counter())[row.outcome.value] += 1
    total = sum(by_kind.values(), Counter())
    return ImportReport(
        dry_run=wanted.dry_run,
        partial=wanted.partial,
        written=not wanted.dry_run and (wanted.partial or not total[Outcome.REFUSED]),
        counts=_counts(total),
        counts_by_kind={kind: _counts(found) for kind, found in sorted(by_kind.items())},
        planning=planning,
        sheets=[
            SheetRead(
                name=sheet.name,
                kind=sheet.kind,
                header_row=sheet.header_row,
                columns=dict(sheet.columns),
                ignored=list(sheet.ignored),
            )
            for sheet in parsed.sheets
        ],
        rows=in_order,
    )


def said(place: Place) -> str:
    """A place as people say it."""
    return f"{place.sheet}, row {place.row}"


def _counts(found: Mapping[str, int]) -> Counts:
    return Counts(**found)
