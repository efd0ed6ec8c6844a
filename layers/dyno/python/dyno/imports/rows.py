"""From a file's bytes to typed rows."""

import re
from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass, field

from dyno import text as texts
from dyno.allocation import vins
from dyno.imports import columns, lines, reading, values
from dyno.imports.columns import Headers, Understood
from dyno.imports.lines import Line
from dyno.imports.model import DateOrder, Kind, Mapping, Parsed, Place, Row, SheetRead, Skipped
from dyno.imports.reading import Sheet, SheetRow

_TOTALS = re.compile(r"(sub|grand)?[ -]?totals?\b.*|sum:?|average:?|count:?", re.IGNORECASE)
_NAMES = {"vin", "name", "dyno_name", "dynos", "test_type", "sub"}
"""Fields by which a row is of something, so no total."""
_SHOWN_HEADERS = 40


def parse(
    content: bytes,
    *,
    filename: str | None,
    mapping: Mapping | None = None,
    date_order: DateOrder = DateOrder.NONE,
    kinds: ReadOnly[str, Kind] | None = None,
    charset: str | None = None,
) -> Parsed:
    """
    The rows of a CSV file or a workbook, whatever is wrong with single ones.

    Args:
        filename: Names the sheet of a CSV file, without its ending; None: the sheet is "csv".
        mapping: Columns that the usual names do not tell, by sheet or for "*".
        date_order: How dates that are text are written.
        kinds: What the rows of a sheet are, by its name or for "*"; else its columns tell.
        charset: Of a CSV file: utf-8, utf-16 or cp1252. None: as its byte order mark says, else UTF-8.
    Raises:
        UnreadableFile: No sheets that can be read, or more than is read; says what would be right.
        InvalidRequest: Mapping, kinds or charset name a sheet, a header, a field or a charset that is not there.
    """
    every = [columns.headers_of(name, mapping, kinds) for name in (columns.EVERY_SHEET, *(mapping or {}))]
    sheets = reading.sheets(content, filename, charset, lambda cell: any(headers.knows(cell) for headers in every))
    columns.check_names([sheet.name for sheet in sheets], mapping, kinds)
    found = _Found()
    for sheet in sheets:
        headers = columns.headers_of(sheet.name, mapping, kinds)
        _Reader(sheet, headers, mapping, date_order, found).read()
    return Parsed(tuple(found.rows), tuple(found.skipped), tuple(found.sheets))


@dataclass(slots=True)
class _Found:
    rows: list[Row] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    sheets: list[SheetRead] = field(default_factory=list)


class _Reader:
    """Goes through one sheet: looks for its headers, then takes its rows by them, until there are others."""

    def __init__(
        self, sheet: Sheet, headers: Headers, mapping: Mapping | None, date_order: DateOrder, found: _Found
    ) -> None:
        self.sheet, self.headers, self.mapping, self.date_order, self.found = sheet, headers, mapping, date_order, found
        self.name = texts.storable(sheet.name)
        self.under: Understood | None = None
        self.first: SheetRow | None = None
        self.nearest: SheetRow | None = None
        self.most_known = 0
        self.last_row = 0

    def read(self) -> None:
        if self.sheet.unread:
            self._leave_out(1, *self.sheet.unread)
            return
        for row in self.sheet.rows:
            if row.number > self.last_row + 1 and self.under:
                self._skip("empty", "nothing in it, or merged with the row above", self.last_row + 1, row.number - 1)
            self._take(row)
            self.last_row = row.number
        if self.under is None:
            self._not_understood()
        elif self.under.twice:
            self._twice(self.under.twice)

    def _take(self, row: SheetRow) -> None:
        if self.under and self.under.twice:
            return
        if (under := self._headers_in(row)) is not None:
            self._begin(row, under)
        elif self.under is None:
            self.first = self.first or row
            known = sum(map(self.headers.knows, row.cells))
            if known > self.most_known:
                self.most_known, self.nearest = known, row
        elif no_data := _no_data(row, self.under):
            self._skip(*no_data, row.number, row.number)
        else:
            self.found.rows.append(self._row(row, self.under))

    def _headers_in(self, row: SheetRow) -> Understood | None:
        """The row as headers; below headers, only if all of it may be: a vehicle can be of a program called Test."""
        if self.under and not all(self.headers.knows(cell) for cell in row.cells if cell is not None):
            return None
        # One word of a row may be a header by chance.
        return self.headers.understood(row.cells) if sum(map(self.headers.knows, row.cells)) > 1 else None

    def _begin(self, row: SheetRow, under: Understood) -> None:
        if self.under and _says_again(row, self.under):
            self._skip("repeated_header", f"the headers of row {self.found.sheets[-1].header_row} again", row.number)
            return
        if self.first and self.under is None:
            said = values.shown(next(cell for cell in self.first.cells if cell is not None))
            self._skip("title", f"above the headers: {said}", self.first.number, row.number - 1)
        self.under = under
        if under.twice:
            return
        columns.check_headers(self.name, under, self.mapping)
        named = {texts.storable(under.headers[place]): field for place, field in under.fields.items()}
        self._note_sheet(under.kind, row.number, named, under.ignored)

    def _row(self, row: SheetRow, under: Understood) -> Row:
        line = Line(row.cells, under, self.date_order, self.sheet.day_zero)
        value = lines.READ[under.kind](line)
        problems = tuple(line.problems)
        return Row(Place(self.name, row.number), under.kind, None if problems else value, problems, tuple(line.notes))

    def _not_understood(self) -> None:
        row = self.nearest or self.first
        if row is None:
            self._leave_out(1, "no_cells", "nothing is in it")
            return
        lacking = self.headers.lacking(row.cells) if self.nearest else "no row of it is headers that are known"
        said = ", ".join(values.shown(cell) for cell in row.cells[:_SHOWN_HEADERS] if cell is not None)
        how = "name its columns by mapping, or leave the sheet as it is"
        self._leave_out(row.number, "not_understood", f"row {row.number}, {said}: {lacking}; {how}")

    def _twice(self, twice: tuple[str, str, str]) -> None:
        first, second, field = twice
        both = f"{values.shown(first)} and {values.shown(second)} are both {field}"
        self._leave_out(1, "twice_named", f"{both}; leave one out by mapping it to ''")

    def _leave_out(self, row: int, code: str, reason: str) -> None:
        self._skip(code, reason, row, max(self.last_row, row))
        self._note_sheet(None, None, {}, ())

    def _note_sheet(self, kind: Kind | None, row: int | None, named: dict[str, str], ignored: tuple[str, ...]) -> None:
        self.found.sheets.append(SheetRead(self.name, kind, row, named, tuple(map(texts.storable, ignored))))

    def _skip(self, code: str, reason: str, row: int, last_row: int | None = None) -> None:
        self.found.skipped.append(Skipped(Place(self.name, row), reason, code, last_row or row))


def _no_data(row: SheetRow, under: Understood) -> tuple[str, str] | None:
    """Why a row below headers is no data, as code and reason; None if it is."""
    there = {place: cell for place, cell in enumerate(row.cells) if cell is not None}
    if _says_again(row, under):
        return "repeated_header", "the headers again"
    if not under.fields.keys() & there.keys():
        return "unmapped", f"nothing in a column that is looked at, only {values.shown(next(iter(there.values())))}"
    place, first = next(iter(there.items()))
    if isinstance(first, str) and _TOTALS.fullmatch(first.strip()[:_SHOWN_HEADERS]):
        named = (cell for other, cell in there.items() if other != place and under.fields.get(other) in _NAMES)
        if not any(isinstance(cell, str) for cell in named):
            return "totals", f"a total: {values.shown(first)}"
    names_somebody = under.fields.get(place) == "sub"
    if len(there) == 1 and len(under.fields) > 1 and isinstance(first, str) and not (names_somebody or _is_vin(first)):
        return "lone_text", f"nothing but {values.shown(first)}; if it is data, fill in another column"
    return None


def _says_again(row: SheetRow, under: Understood) -> bool:
    said = [
        (cell, under.headers[place])
        for place, cell in enumerate(row.cells)
        if cell is not None and place in under.headers
    ]
    return len(said) > 1 and all(
        isinstance(cell, str) and columns.plain(cell) == columns.plain(header) for cell, header in said
    )


def _is_vin(said: str) -> bool:
    return bool(vins.FORM.fullmatch("".join(said.split()).upper()))
