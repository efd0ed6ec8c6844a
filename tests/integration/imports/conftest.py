"""A lab and its sheets, as bytes, imported as the door does it."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import openpyxl
import pytest

from dyno.imports import service
from dyno.imports.model import DateOrder
from dyno.imports.report import ImportReport, Terms, Wanted
from tests.conftest import EngineAs
from tests.lab import ADMIN, TODAY

Table = Iterable[Iterable[Any]]
Import = Callable[..., ImportReport]

TERMS = Terms("UTC", TODAY, 1825, 180, datetime.now(UTC))


def sheet(*rows: Iterable[Any]) -> bytes:
    """A CSV file."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def workbook(sheets: Mapping[str, Table]) -> bytes:
    """An .xlsx file, by the names of its sheets."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        made = book.create_sheet(name)
        for row in rows:
            made.append([datetime(*day.timetuple()[:3]) if isinstance(day, date) else day for day in row])  # noqa: DTZ001
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@pytest.fixture
def import_(engine_as: EngineAs) -> Import:
    """Imports a file as the door's own login."""
    over = engine_as("dyno_imports")

    def take(content: bytes, **how: Any) -> ImportReport:
        wanted = Wanted(**{"date_order": DateOrder.YMD} | how)
        return service.import_file(
            over, content, wanted, charset=None, actor=ADMIN, terms=TERMS, course=service.Course()
        )

    return take
