"""No text of an exported file is a formula, and each comes back as it was."""

import csv
import re
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyno.exports import csvs
from dyno.exports.model import Sheet
from dyno.formulas import as_written, harmless, is_harmless

HOSTILE = (
    "=1+1",
    "+1",
    "-2",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    " =1",
    "\u00a0=1",
    "＝1",
    "'=1",
    "a;=1",
    "a; =1",
    "a\n=1",
    "=cmd|' /C calc'!A0",
)
TEXTS = st.text(st.sampled_from("=+-@＝'\"\t\r\n ;,aé0"), max_size=12)
BEGINS = re.compile(r"[\t\r]|\s*[=+\-@＝＋－＠]")


def cells(text: str, delimiter: str = ",") -> list[str]:
    written = csvs.written(Sheet("s", ("head",), [("before", text, "behind")])).removeprefix(csvs.BOM)
    return [cell for row in csv.reader(StringIO(written, newline=""), delimiter=delimiter) for cell in row]


def begin_as_formulas(text: str) -> list[str]:
    """Cells that a spreadsheet would reckon, whichever separator it goes by."""
    found = [*cells(text), *cells(text, ";"), *cells(text, "\t")]
    return [cell for cell in found if BEGINS.match(cell)]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_of_a_file_begins_as_a_formula_does(text: str) -> None:
    assert begin_as_formulas(text) == []
    assert not is_harmless(text)


@given(TEXTS)
def test_no_cell_of_any_text_does(text: str) -> None:
    assert not BEGINS.match(cells(text)[2])


@pytest.mark.parametrize("text", HOSTILE[:-1])
def test_without_the_apostrophe_it_would_begin_as_one(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvs, "harmless", str)

    assert begin_as_formulas(text) != [] or text.startswith("'")


@given(TEXTS | st.text())
def test_every_text_comes_back_as_it_was(text: str) -> None:
    assert as_written(harmless(text)) == text


@pytest.mark.parametrize("text", ["Cell 1", "it's", "'quoted'", "3.5L V6", "a-b", "a, b", "two\nlines", ""])
def test_a_text_that_harms_nobody_stays_as_it_is(text: str) -> None:
    assert harmless(text) == as_written(text) == text
    assert is_harmless(text)


def test_words_and_numbers_are_written_as_such() -> None:
    row = (True, None, -1, "é")

    written = csvs.written(Sheet("s", ("a", "b", "c", "d"), [row]))

    assert written == "\ufeffa,b,c,d\r\ntrue,,-1,é\r\n"
