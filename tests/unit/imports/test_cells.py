"""Cells to values, each read right or refused."""

from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time, timedelta

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900
from openpyxl.utils.datetime import to_excel as untyped

from dyno.exports import csvs
from dyno.exports.model import Sheet as Table
from dyno.imports import values
from dyno.imports.model import DateOrder, Request, Vehicle
from dyno.imports.reading import Cell, Unreckoned
from dyno.imports.rows import parse
from dyno.imports.values import FIRST_DAY, LAST_DAY, Refused
from tests.unit.imports.books import VINS, saved

DAYS = st.dates(FIRST_DAY, LAST_DAY)
WRITTEN = {
    DateOrder.DMY: "{d}{sep}{m}{sep}{y}",
    DateOrder.MDY: "{m}{sep}{d}{sep}{y}",
    DateOrder.YMD: "{y}{sep}{m}{sep}{d}",
}
DAY_ZERO = date(1899, 12, 30)


def to_excel(day: date, epoch: datetime = CALENDAR_WINDOWS_1900) -> float:
    """What Excel keeps for a day, as openpyxl writes it."""
    return float(untyped(day, epoch))  # type: ignore[no-untyped-call]  # openpyxl's stubs leave it so


@given(DAYS, st.sampled_from(sorted(WRITTEN)), st.sampled_from("/.-"), st.booleans())
def test_a_date_written_in_an_order_is_read_in_it(day: date, order: DateOrder, sep: str, padded: bool) -> None:
    form = "{:02}" if padded else "{}"
    written = WRITTEN[order].format(d=form.format(day.day), m=form.format(day.month), y=day.year, sep=sep)

    assert values.day(written, order, None) == day


@given(DAYS, st.sampled_from(list(DateOrder)))
def test_an_iso_date_is_read_whatever_the_order(day: date, order: DateOrder) -> None:
    assert values.day(f" {day} ", order, None) == day
    assert values.day(f"{day}T07:30:00", order, None) == day


@given(DAYS, st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%d-%b-%Y", "%Y/%m/%d", "%d.%m.%y", "%Y%m%d"]))
def test_without_an_order_nothing_but_iso_is_read(day: date, form: str) -> None:
    with pytest.raises(Refused, match="2027-01-04"):
        values.day(day.strftime(form), DateOrder.NONE, DAY_ZERO)


@given(DAYS)
def test_an_order_that_the_date_does_not_keep_is_refused_and_not_turned_round(day: date) -> None:
    written = f"{day.month}/{day.day}/{day.year}"

    if day.day > 12:
        with pytest.raises(Refused, match="no day of the calendar"):
            values.day(written, DateOrder.DMY, None)
    else:
        assert values.day(written, DateOrder.DMY, None) == date(day.year, day.day, day.month)


@given(DAYS)
def test_a_month_by_name_is_read_where_dates_may_be_text(day: date) -> None:
    for form in ("%d-%b-%Y", "%d %B %Y", "%B %d, %Y", "%b %d %Y"):
        assert values.day(day.strftime(form), DateOrder.DMY, None) == day


@given(DAYS, st.floats(0, 0.999))
def test_serial_numbers_are_days_of_either_calendar(day: date, of_day: float) -> None:
    windows, mac = to_excel(day), to_excel(day, CALENDAR_MAC_1904)

    assert values.day(windows + of_day, DateOrder.NONE, DAY_ZERO) == day
    assert values.day(mac, DateOrder.NONE, date(1904, 1, 1)) == day
    assert windows - mac == 1462


@pytest.mark.parametrize("mac", [False, True])
def test_a_workbook_says_from_which_day_it_counts(mac: bool) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    if mac:
        book.epoch = CALENDAR_MAC_1904
    sheet.append(("VIN", "Test", "Start", "Due", "Days"))
    sheet.append((VINS[0], "brake", date(2027, 1, 4), to_excel(date(2027, 2, 4), book.epoch), 2))

    value = parse(saved(book), filename=None).rows[0].value

    assert isinstance(value, Request)
    assert (value.start_date, value.due_date) == (date(2027, 1, 4), date(2027, 2, 4))


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        (5, "date_out_of_range"),
        (60, "date_out_of_range"),
        (20270104, "not_a_date"),
        (-1, "not_a_date"),
        (float("nan"), "not_a_date"),
        (True, "not_a_date"),
        (time(7, 30), "not_a_date"),
        (timedelta(days=46391), "not_a_date"),
        ("46391", "not_a_date"),
        ("2027-02-29", "not_a_date"),
        ("soon", "not_a_date"),
        (datetime(1927, 1, 4), "date_out_of_range"),  # noqa: DTZ001  # as sheets have it
        (Unreckoned.FORMULA, "formula_without_value"),
        ("#REF!", "error_value"),
    ],
)
def test_what_is_no_day_is_refused(cell: Cell, code: str) -> None:
    with pytest.raises(Refused) as refused:
        values.day(cell, DateOrder.NONE, DAY_ZERO)

    assert refused.value.code == code


@pytest.mark.parametrize(
    "said",
    ["#N/A", "#REF!", "##", "No dyno available", "no dyno", "ERROR: no rule", "Error", "TBD", " tbd ", "n/a", "NA",
     "none", "-", "–", "?", "Not Available", "unassigned",
     "pending"],
)  # fmt: skip
def test_errors_and_words_for_nothing_say_nothing(said: str) -> None:
    assert values.says_nothing(said)


@pytest.mark.parametrize("said", ["Cell 1", "#3", "#12 North", "Terror cell", "Nadir", "Noda", "1", "Errol"])
def test_names_say_something(said: str) -> None:
    assert not values.says_nothing(said)


@pytest.mark.parametrize(
    ("cell", "weight"),
    [(9128, 9128), (9128.0, 9128), ("9,128", 9128), ("9128 lbs", 9128), ("9128.0", 9128), ("<10K", "<10K"),
     ("≤ 10k", "<10K"), ("> 10,000 lbs", ">10K"), (">10000", ">10K")],
)  # fmt: skip
def test_a_weight_is_pounds_or_a_class(cell: Cell, weight: int | str) -> None:
    assert values.weight(cell) == weight


@pytest.mark.parametrize(
    "cell", ["4140 kg", "9.128", "9,12", "1e4", ">=10K", "10K", ">8K", 9128.5, True, "heavy", time(1)]
)
def test_a_weight_in_other_words_is_refused_with_those_that_would_do(cell: Cell) -> None:
    with pytest.raises(Refused, match="9128"):
        values.weight(cell)


READERS = (
    values.text, values.vin, values.names, values.whole, values.weight, values.weight_class_or_any, values.yes,
)  # fmt: skip


@given(st.text(), st.sampled_from(READERS))
def test_no_text_breaks_what_reads_cells(said: str, read: Callable[[Cell], object]) -> None:
    with suppress(Refused):
        assert read(said) is not None


def test_a_vin_that_became_a_number_is_refused() -> None:
    with pytest.raises(Refused, match="lost digits"):
        values.vin(1.2345678901234567e16)


def test_names_are_the_same_whatever_their_spaces_and_case() -> None:
    assert values.same("  cell\u00a0 3 ") == values.same("CELL 3") != values.same("Cell 31")
    assert values.names("Cell 1, cell  1;\nCell 2") == ("Cell 1", "Cell 2")


@pytest.mark.parametrize("said", ["Cell\x071", "Cell\ud8001", "\x00"])
def test_a_character_that_cannot_be_seen_or_stored_is_refused(said: str) -> None:
    with pytest.raises(Refused) as refused:
        values.text(said)

    assert refused.value.code == "control_character"
    assert str(refused.value).encode()


def programs(content: str) -> list[tuple[str | None, list[str]]]:
    """Of each vehicle in a CSV file its program, if it can be read, and what is wrong with it."""
    rows = parse(content.encode(), filename=None).rows
    return [
        (row.value.program if isinstance(row.value, Vehicle) else None, [each.code for each in row.problems])
        for row in rows
    ]


@pytest.mark.parametrize("said", ["=1+1", "-5", "+x", "@a", "'=1", "=;=b", "a;=b", "＝1", "'plain", "it's"])
def test_a_text_that_an_export_kept_from_being_reckoned_is_itself_again(said: str) -> None:
    headers = ("VIN", "Weight lbs", "Drive", "Program")

    content = csvs.written(Table("vehicles", headers, [(VINS[0], 5000, "AWD", said)]))

    assert programs(content) == [(said, [])]


def test_a_cell_that_begins_like_a_formula_is_still_refused() -> None:
    content = f"VIN,Weight lbs,Drive,Program\n{VINS[0]},5000,AWD,=1+1\n{VINS[1]},5000,AWD, =1+1\n"

    assert programs(content) == [(None, ["formula_without_value"])] * 2
