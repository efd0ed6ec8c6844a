"""Sheets as a workbook, in which texts are texts and dates are dates."""

from collections.abc import Iterable, Iterator
from datetime import date
from io import BytesIO
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from dyno.exports.model import Cell, Sheet
from dyno.formulas import is_harmless

WIDTH = 20
"""Characters of a column: a vin fits, and a date."""


def written(sheets: Iterable[Sheet]) -> bytes:
    """The sheets in their order, row by row."""
    book = Workbook(write_only=True)
    for sheet in sheets:
        page = book.create_sheet(sheet.name)
        page.freeze_panes = "A2"
        for number in range(len(sheet.headers)):
            page.column_dimensions["ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number]].width = WIDTH
        page.append(_cells(page, sheet.headers))
        for row in sheet.rows:
            page.append(_cells(page, row))
    content = BytesIO()
    book.save(content)
    return content.getvalue()


def _cells(page: Any, row: Iterable[Cell]) -> Iterator[Any]:  # noqa: ANN401  # the library leaves it untyped
    for value in row:
        if isinstance(value, str):
            yield _text(page, value)
        elif isinstance(value, date):
            cell: Any = WriteOnlyCell(page, value)  # type: ignore[arg-type]  # its types forget dates
            cell.number_format = "yyyy-mm-dd"
            yield cell
        else:
            yield value


def _text(page: Any, value: str) -> Any:  # noqa: ANN401
    readable = ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", value)
    if is_harmless(readable) and not readable.startswith("#"):
        return readable
    cell = WriteOnlyCell(page, readable)
    # The library takes =… for a formula and #N/A for an error; and who edits the cell is not to make it one, either.
    cell.data_type = "s"
    cell.quotePrefix = True
    return cell
