"""From bytes to sheets of cells: CSV and .xlsx, and a clear word for everything else."""

import codecs
import csv
import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Protocol, cast

from dyno.errors import InvalidRequest, UnreadableFile
from dyno.formulas import as_written
from dyno.imports import limits
from dyno.imports.archive import SAVE_AS_XLSX, Outline, looked_through

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook


class Unreckoned(Enum):
    """A formula that no spreadsheet program has reckoned."""

    FORMULA = "a formula without its value"


Cell = str | int | float | bool | date | datetime | time | timedelta | Unreckoned | None


@dataclass(frozen=True, slots=True)
class SheetRow:
    """
    A row with something in it.

    Attributes:
        number: From 1, as the spreadsheet shows it.
        own: How many of its cells are its own; the others are of cells that were merged with cells above.
    """

    number: int
    cells: Sequence[Cell]
    own: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """
    A sheet.

    Attributes:
        rows: Those with something in them; to be gone through once.
        day_zero: What the serial number 0 of a day stands for; None of a CSV file, which does not say.
        unread: Why there are no rows; None if there are.
    """

    name: str
    rows: Iterator[SheetRow]
    day_zero: date | None = None
    unread: tuple[str, str] | None = None


class _Worksheet(Protocol):
    """What of openpyxl's sheets is used; its type stubs have less of them than there is."""

    title: str | None
    sheet_state: str
    _worksheet_path: str

    def iter_rows(self, *, max_row: int, max_col: int, values_only: bool) -> Iterator[tuple[Cell, ...]]: ...


_OLE, _ZIP = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04"
_DELIMITERS = (",", ";", "\t")
_CHARSETS = {
    "utf-8": "utf-8-sig",
    "utf8": "utf-8-sig",
    "utf-16": "utf-16",
    "cp1252": "cp1252",
    "windows-1252": "cp1252",
}
_LOOKED_AT_ROWS = 50
"""For the delimiter: a header further down than that is not found."""


def sheets(content: bytes, filename: str | None, charset: str | None, known: Callable[[str], bool]) -> list[Sheet]:
    """
    The sheets of a file, in order. What a workbook's archive hides is found before they are gone through.

    Args:
        known: Whether a text is the header of a column; tells the delimiter of a CSV file.
    Raises:
        UnreadableFile: Here, or while rows are gone through.
    """
    if content.startswith(_OLE):
        raise UnreadableFile(f"an .xls workbook, or one with a password, is not read; {SAVE_AS_XLSX}")
    if content.startswith(_ZIP):
        return _of_workbook(content)
    if filename and PurePath(filename).suffix.casefold() in {".xlsx", ".xlsm", ".xls", ".xlsb", ".ods"}:
        raise UnreadableFile(f"the file is named like a workbook, and is none; {SAVE_AS_XLSX}")
    name = PurePath(filename).stem if filename else ""
    return [Sheet(name or "csv", _of_csv(_decoded(content, charset), known))]


def _of_workbook(content: bytes) -> list[Sheet]:
    outlines = looked_through(content)
    # It takes half a second to import, and only this needs it.
    import openpyxl  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it leaves out, which are no cells
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        return [_of_worksheet(book, sheet, outlines) for sheet in cast("list[_Worksheet]", book.worksheets)]
    except UnreadableFile:
        raise
    except Exception as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> UnreadableFile:
    """Of whatever openpyxl stumbled over: it says so by errors of any class."""
    return UnreadableFile(f"the workbook is damaged ({type(error).__name__}); open and save it anew")


def _of_worksheet(book: "Workbook", sheet: "_Worksheet", outlines: dict[str, Outline]) -> Sheet:
    part = sheet._worksheet_path  # noqa: SLF001  # openpyxl says nowhere else which part it is
    if part not in outlines:
        raise UnreadableFile(f"the workbook keeps a sheet as {part!r}, as no spreadsheet program does; save it anew")
    name, outline = sheet.title or "", outlines[part]
    if sheet.sheet_state != "visible":
        return Sheet(name, iter(()), unread=("hidden", "the sheet is hidden; show it in the workbook to have it read"))
    if not outline.cells:
        return Sheet(name, iter(()), unread=("no_cells", "the sheet is empty"))
    return Sheet(name, _filled(_cells(sheet, outline), outline), book.epoch.date())


def _cells(sheet: "_Worksheet", outline: Outline) -> Iterator[SheetRow]:
    # What the file says of its dimensions need not be so; these bounds are what there is.
    rows = sheet.iter_rows(max_row=outline.last_row, max_col=outline.last_column, values_only=True)
    unreckoned = {row for row, _ in outline.unreckoned}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for number, found in enumerate(rows, start=1):
                cells: list[Cell] = [None if cell == "" else cell for cell in found]
                if number in unreckoned:
                    _mark_unreckoned(cells, number, outline)
                if any(isinstance(cell, str) and len(cell) > limits.MAX_CELL_CHARACTERS for cell in cells):
                    raise _too_long(number)
                if own := len(cells) - cells.count(None):
                    yield SheetRow(number, cells, own)
    except UnreadableFile:
        raise
    except Exception as error:
        raise _damaged(error) from error


def _too_long(row: int) -> UnreadableFile:
    most = f"at most {limits.MAX_CELL_CHARACTERS:,} are read"
    return UnreadableFile(f"a cell of row {row:,} has too many characters, {most}; is a quote missing?")


def _mark_unreckoned(cells: list[Cell], number: int, outline: Outline) -> None:
    for column in range(len(cells)):
        if (number, column + 1) in outline.unreckoned:
            cells[column] = Unreckoned.FORMULA


def _filled(rows: Iterator[SheetRow], outline: Outline) -> Iterator[SheetRow]:
    """The rows, with what is in a cell that is merged with those below it in each of their rows."""
    downwards = [merge for merge in outline.merges if merge.last_row > merge.first_row]
    waiting = sorted(downwards, key=lambda merge: merge.first_row, reverse=True)
    open_ones: dict[int, tuple[int, Cell]] = {}
    for row in rows:
        cells = list(row.cells)
        for column, (last_row, cell) in list(open_ones.items()):
            if last_row < row.number:
                del open_ones[column]
            elif cells[column] is None:
                cells[column] = cell
        while waiting and waiting[-1].first_row <= row.number:
            merge = waiting.pop()
            column = merge.first_column - 1
            # Of a merge that began in an empty row there is nothing to fill in.
            if merge.first_row == row.number and column < len(cells) and cells[column] is not None:
                open_ones[column] = (merge.last_row, cells[column])
        yield SheetRow(row.number, cells, row.own)


def _decoded(content: bytes, charset: str | None) -> str:
    if charset is not None and charset.casefold() not in _CHARSETS:
        raise InvalidRequest(f"the charset {charset[:40]!r} is not read; utf-8, utf-16 or cp1252 are")
    if len(content) > limits.MAX_UNPACKED_BYTES:
        raise UnreadableFile(f"the file has {len(content):,} bytes; at most {limits.MAX_UNPACKED_BYTES:,} are read")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif content.startswith(codecs.BOM_UTF8) or charset is None:
        encoding = "utf-8-sig"
    else:
        encoding = _CHARSETS[charset.casefold()]
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        said = "utf-8" if encoding == "utf-8-sig" else encoding
        where = f"byte {error.start + 1:,} is no {said}"
        raise UnreadableFile(f"{where}; save it as CSV UTF-8, or say in which charset it is") from error
    if "\0" in text:
        raise UnreadableFile(
            f"the file is no text: it has a NUL at character {text.index(chr(0)) + 1:,}; {SAVE_AS_XLSX}"
        )
    if text.lstrip().startswith("<") and re.match(r"\s*<(\?xml|!doctype|html|table|workbook)", text, re.IGNORECASE):
        raise UnreadableFile(f"the file is HTML or XML, whatever its name; {SAVE_AS_XLSX}")
    return text


def _of_csv(text: str, known: Callable[[str], bool]) -> Iterator[SheetRow]:
    said = re.match(r"sep=(.)\r?\n", text, re.IGNORECASE)
    if said and said[1] not in _DELIMITERS:
        raise UnreadableFile(f"the delimiter {said[1]!r} is not read; a comma, a semicolon or a tab is")
    delimiter = said[1] if said else _delimiter(text, known)
    cells_so_far = 0
    with_something = 0
    for number, found in enumerate(_records(text, delimiter), start=1):
        cells: list[Cell] = [_of_text(cell) for cell in found]
        while cells and cells[-1] is None:
            cells.pop()
        if not cells or (said and number == 1):
            continue
        own = len(cells) - cells.count(None)
        with_something, cells_so_far = with_something + 1, cells_so_far + own
        _refuse_too_much(number, with_something, cells_so_far, len(cells))
        yield SheetRow(number, cells, own)


def _of_text(cell: str) -> Cell:
    """A text, without the apostrophe by which an export keeps spreadsheets from reckoning; without it, a formula."""
    if cell.strip().startswith("="):
        return Unreckoned.FORMULA
    return as_written(cell).strip() or None


def _refuse_too_much(number: int, rows: int, cells: int, columns: int) -> None:
    for what, has, most in (
        ("rows with something in them", rows, limits.MAX_ROWS),
        ("rows", number, limits.MAX_ROW_NUMBER),
        ("cells with something in them", cells, limits.MAX_CELLS),
        ("columns", columns, limits.MAX_COLUMNS),
    ):
        if has > most:
            raise UnreadableFile(f"row {number:,} is beyond the {most:,} {what} that are read: split the file")


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, record in enumerate(reader, start=1):
            if any(len(cell) > limits.MAX_CELL_CHARACTERS for cell in record):
                raise _too_long(number)
            yield record
    except csv.Error as error:
        why = f"row {number + 1:,} has quotes that do not match or a cell that is too long ({error})"
        raise UnreadableFile(f"{why}; a quote within a quoted cell is doubled") from error


def _delimiter(text: str, known: Callable[[str], bool]) -> str:
    """The one by which a row falls into the most headers; where two do as well, and differently, neither."""
    most = {delimiter: _headers_by(text, delimiter, known) for delimiter in _DELIMITERS}
    best = max(most.values())
    ways = {delimiter for delimiter in _DELIMITERS if most[delimiter] == best and delimiter in text}
    if len(ways) > 1 and best:
        raise UnreadableFile(
            "the header does not tell whether commas, semicolons or tabs part the cells; use one of them"
        )
    return min(ways, default=",", key=_DELIMITERS.index) if best else ","


def _headers_by(text: str, delimiter: str, known: Callable[[str], bool]) -> int:
    most = 0
    try:
        for _, record in zip(range(_LOOKED_AT_ROWS), _records(text, delimiter), strict=False):
            most = max(most, sum(map(known, record[: limits.MAX_COLUMNS])))
    except UnreadableFile:
        return most  # by another it may be read; by this one it is refused when its rows are
    return most
