"""A workbook has texts and dates, and no formulas."""

from datetime import date, datetime
from io import BytesIO
from typing import Any

import pytest
from openpyxl import load_workbook

from dyno.exports import workbooks
from dyno.exports.model import Cell, Sheet

HOSTILE = ("=1+1", "+1", "-2", "@SUM(1)", "\t=1", '=HYPERLINK("http://x")', "#N/A", "'=1")


def cell(value: Cell) -> Any:
    content = workbooks.written([Sheet("Sheet", ("head",), [(value,)])])
    return load_workbook(BytesIO(content))["Sheet"]["A2"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_no_formula_and_comes_back_as_it_was(text: str) -> None:
    found = cell(text)

    assert (found.data_type, found.value, found.quotePrefix) == ("s", text, True)


def test_left_to_the_library_it_would_be_a_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "_text", lambda _page, value: value)

    assert cell("=1+1").data_type == "f"


def test_a_date_is_a_date() -> None:
    found = cell(date(2027, 6, 7))

    assert (found.is_date, found.value, found.number_format) == (True, datetime(2027, 6, 7), "yyyy-mm-dd")  # noqa: DTZ001  # cells know no zone


def test_what_no_workbook_holds_is_replaced() -> None:
    assert cell("a\x00b").value == "a\ufffdb"


def test_an_empty_sheet_has_its_headers() -> None:
    content = workbooks.written([Sheet("One", ("a", "b"), []), Sheet("Two", ("c",), [])])

    book = load_workbook(BytesIO(content))

    assert [[each.value for each in sheet[1]] for sheet in book] == [["a", "b"], ["c"]]
