"""Workbooks for tests: the kind that labs keep, and archives that are none."""

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

VINS = ("9ZZ8LMF12VD000001", "9ZZHDVY6XVD000002", "9ZZSN7HX2VD000003", "9ZZ9TWWJ8VD000004", "9ZZUA4697VD000005")
CellValue = str | int | float | date | None
SHEET = "xl/worksheets/sheet1.xml"


def saved(book: openpyxl.Workbook) -> bytes:
    """The workbook's bytes."""
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def one_sheet(fill: Callable[[Worksheet], None], name: str = "plan") -> bytes:
    """A workbook of one sheet, filled."""
    book = openpyxl.Workbook()
    assert isinstance(book.active, Worksheet)
    book.active.title = name
    fill(book.active)
    return saved(book)


def of_rows(*rows: tuple[CellValue, ...], name: str = "plan") -> bytes:
    """A workbook of one sheet with those rows."""

    def fill(sheet: Worksheet) -> None:
        for row in rows:
            sheet.append(row)

    return one_sheet(fill, name)


def changed(content: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """The workbook with one part changed, or with a new one."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as after:
        for entry in before.namelist():
            after.writestr(entry, change(before.read(entry)) if entry == name else before.read(entry))
        if name not in before.namelist():
            after.writestr(name, change(b""))
    return target.getvalue()


def of_a_lab() -> bytes:
    """Several sheets as planners keep them: titles, merged cells, mixed dates, errors for dynos, totals, notes."""
    book = openpyxl.Workbook()
    assert isinstance(book.active, Worksheet)
    _plan(book.active)
    _vehicles(book.create_sheet("Vehicles"))
    rules = book.create_sheet("Dyno rules")
    for rule in (
        ("Test Type", "Drive", "><10K", "DYNO"),
        ("mileage", "4x4 ", "> 10,000 lbs", "Cell 1, Cell 2;  cell 1"),
        ("brake", "2wd", "any", "Cell 3"),
    ):
        rules.append(rule)
    down = book.create_sheet("Down time")
    for window in (
        ("Dyno", "Start Date", "End Date", "Reason"),
        ("Cell 4", date(2027, 2, 1), date(2027, 2, 5), "calibration"),
        ("Cell 4", date(2027, 2, 5), date(2027, 2, 1), "calibration"),
    ):
        down.append(window)
    dynos = book.create_sheet("Dynos")
    dynos.append(("Dyno", "Facility", "Enabled"))
    dynos.append((" Cell  1 ", "Main", "yes"))
    book.create_sheet("Contacts").append(("Name", "Telephone"))
    book.create_sheet("Lists").sheet_state = "hidden"
    book.create_sheet("Empty")
    return saved(book)


def _plan(sheet: Worksheet) -> None:
    sheet.title = "Plan 2027"
    sheet["A1"] = "Dyno plan, first half of 2027"
    sheet.merge_cells("A1:H1")
    sheet["A2"] = "as of 2026-12-01"
    sheet.append(())
    header = ("VIN #", "><10K", "AWD/2WD", "Test", "Estimated Start", "Days to complete", "DYNO", "Start Date",
              "End Date", "Remark")  # fmt: skip
    sheet.append(header)  # row 4, below an empty one
    sheet.append((VINS[0], "<10K", "AWD", "mileage", date(2027, 1, 4), 5, "Cell 1", date(2027, 1, 5), date(2027, 1, 9)))
    sheet.append((VINS[1].lower(), ">10K", " 4wd", "mileage", 46391, "3 days", "#N/A", "#N/A", "#N/A", "late"))
    sheet.append((f" {VINS[2]} ", 9128, "RWD / AWD", "evap", "2027-01-07", 2.0, "No dyno available", None, None))
    sheet.append(())
    sheet.append(header)
    sheet.append((VINS[3], "<10K", "2WD", "brake", "03/04/2027", 1, "ERROR: no rule", None, None))
    sheet.append((VINS[4], "<10K", "FWD", "brake", datetime(2027, 3, 4, 7, 30), 1, "tbd"))  # noqa: DTZ001  # as sheets have it
    sheet.append((None, None, None, "evap", date(2027, 3, 8), 2))
    sheet.merge_cells("A11:A12")
    sheet.merge_cells("B11:B12")
    sheet.merge_cells("C11:C12")
    sheet.append((VINS[0], "<10K", "AWD", "=D5", date(2027, 3, 8), 2))
    sheet.append(("Total", None, None, None, None, 13))
    sheet.append(("Prepared by the planning office",))
    sheet.append((None,) * 9 + ("see the other file",))


def _vehicles(sheet: Worksheet) -> None:
    sheet.append(("VIN", "Program", "Weight", "Drive", "Build ID", "Cert team"))
    sheet.append((VINS[0], "P768", 9128, "AWD", 42, "OBD"))
    sheet.append((VINS[1], "P833", "12,150 lbs", "4X4", None, "#REF!"))
    sheet.append((VINS[2], "C430", "<10K", "2WD", None, None))
    sheet.append(("123", "C430", 5000, "6WD", None, None))
