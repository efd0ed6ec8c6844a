"""A sheet as a CSV file that spreadsheets open and do not reckon with."""

import csv
from io import StringIO

from dyno.exports.model import Cell, Sheet
from dyno.formulas import harmless

BOM = "\ufeff"
"""By which spreadsheets know that it is UTF-8."""


def written(sheet: Sheet) -> str:
    """
    The sheet, its dates as YYYY-MM-DD and its texts harmless.

    Source:
        RFC 4180.
    """
    text = StringIO(newline="")
    text.write(BOM)
    writer = csv.writer(text)
    writer.writerow(sheet.headers)
    writer.writerows([_cell(cell) for cell in row] for row in sheet.rows)
    return text.getvalue()


def _cell(cell: Cell) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return harmless(cell) if isinstance(cell, str) else "" if cell is None else str(cell)
