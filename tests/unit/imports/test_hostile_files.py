"""Files that are none, that are too much or that mean harm: a clear word for each, in little memory and time."""

import io
import random
import re
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.utils import get_column_letter

from dyno.errors import InvalidRequest, UnreadableFile
from dyno.imports import limits
from dyno.imports.model import DateOrder, Parsed, Vehicle
from dyno.imports.rows import parse
from tests.unit.imports.books import SHEET, VINS, changed, of_a_lab, of_rows, saved

MEMORY_BYTES = 48 * 2**20
TIME_S = 60
"""Of the processor, traced; a tenth without."""

PLAIN = of_rows(("VIN", "Weight", "Drive"), (VINS[0], 5000, "AWD"), (VINS[1], 6000, "2WD"))
LAB = of_a_lab()
NAMESPACE = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%b">' % (97 + n, b"&%c;" % (96 + n) * 50) for n in range(1, 9))
    + b"]><x>&i;</x>"
)
ELSEWHERE = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'


def refusal(content: bytes, filename: str | None = None) -> str:
    """What the refusal says, within bounds of memory and time."""
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(UnreadableFile) as refused:
            parse(content, filename=filename)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEMORY_BYTES
    assert time.process_time() - began < TIME_S
    return str(refused.value)


def sheet_of(rows: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    """The plain workbook with other XML for its sheet."""
    xml = b"<worksheet %b>%b<sheetData>%b</sheetData>%b</worksheet>" % (NAMESPACE, before, rows, after)
    return changed(PLAIN, SHEET, lambda _: xml)


def cells(row: int, count: int) -> bytes:
    letters = [get_column_letter(column) for column in range(1, count + 1)]
    return b"".join(b'<c r="%b%d"><v>1</v></c>' % (letter.encode(), row) for letter in letters)


def rows(count: int) -> bytes:
    return b"".join(b'<row r="%d"><c r="A%d"><v>%d</v></c></row>' % (row, row, row) for row in range(1, count + 1))


def sharing(first: int) -> bytes:
    """A workbook whose texts are in a part of their own, with three sheets."""
    texts = ("VIN", "Weight", "Drive", VINS[0], "AWD")
    shared = b"".join(b"<si><t>%b</t></si>" % text.encode() for text in texts)
    book = openpyxl.load_workbook(io.BytesIO(PLAIN))
    for _ in range(2):
        book.create_sheet()
    book.worksheets[1].append((None, None, None, "x"))
    content = changed(saved(book), "xl/sharedStrings.xml", lambda _: b"<sst %b>%b</sst>" % (NAMESPACE, shared))
    part = b'<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    part += b'spreadsheetml.sharedStrings+xml"/></Types>'
    content = changed(content, "[Content_Types].xml", lambda xml: xml.replace(b"</Types>", part))
    rows = (
        b'<row r="1"><c r="A1" t="s"><v>%d</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c></row>'
        b'<row r="3"><c r="A3" t="s"><v>3</v></c><c r="B3"><v>5000</v></c><c r="C3" t="s"><v>4</v></c></row>'
    )
    xml = b"<worksheet %b><sheetData>%b</sheetData></worksheet>" % (NAMESPACE, rows % first)
    return changed(content, SHEET, lambda _: xml)


def packed_otherwise() -> bytes:
    target = io.BytesIO(PLAIN)
    with zipfile.ZipFile(target, "a", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("xl/media/image1.png", b"x")
    return target.getvalue()


def named_twice() -> bytes:
    target = io.BytesIO(PLAIN)
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr(SHEET.upper(), b"<worksheet/>")
    return target.getvalue()


def foreign_rows() -> bytes:
    return sheet_of(b"".join(b"<row xmlns='y%d'/>" % (number * 7919 % 999_983) for number in range(100_001)))


SHARED = sharing(0)


def encrypted(content: bytes) -> bytes:
    entry = content.index(b"PK\x01\x02") + 8
    return content[:entry] + struct.pack("<H", 1) + content[entry + 2 :]


def lying(content: bytes) -> bytes:
    """With a sheet that is larger than its archive says."""
    content = changed(content, SHEET, lambda xml: xml + b" " * 100_000)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = struct.pack("<L", archive.getinfo(SHEET).file_size)
    return content.replace(size, struct.pack("<L", 500))


def kept_as_bin(content: bytes) -> bytes:
    """With its sheet in a part that is not called like one."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheet = archive.read(SHEET)
    content = changed(content, "xl/media/image1.png", lambda _: sheet)
    return changed(
        content, "xl/_rels/workbook.xml.rels", lambda xml: xml.replace(b"worksheets/sheet1.xml", b"media/image1.png")
    )


def many_parts() -> bytes:
    target = io.BytesIO(PLAIN)
    with zipfile.ZipFile(target, "a") as archive:
        for number in range(limits.MAX_ENTRIES):
            archive.writestr(f"xl/media/{number}.png", b"")
    return target.getvalue()


MAIN, STRICT = NAMESPACE[7:-1], b"http://purl.oclc.org/ooxml/spreadsheetml/main"
LONG = b'<row r="1"><c r="A1" t="str"><v>%b</v></c></row>' % (b"xyz" * 20_000)
FAR_BELOW = b'<row r="1048576"><c r="A1048576"><v>1</v></c></row>'
ENTITIES = "declares entities"


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "an old workbook": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500, r"\.xls .*\.xlsx"),
    "an OpenDocument sheet": (
        lambda: changed(PLAIN, "mimetype", lambda _: b"application/vnd.oasis.opendocument.spreadsheet"),
        r"OpenDocument.*\.xlsx",
    ),
    "a binary workbook": (lambda: changed(PLAIN, "xl/workbook.bin", lambda _: b"x"), r"\.xlsb.*\.xlsx"),
    "macros": (lambda: changed(PLAIN, "xl/vbaProject.bin", lambda _: b"x"), r"macros.*\.xlsx"),
    "a zip archive": (lambda: PLAIN.replace(b"[Content_Types]", b"[Content_types_"), "no workbook"),
    "a password": (lambda: encrypted(PLAIN), "without a password"),
    "a zip bomb": (lambda: changed(PLAIN, SHEET, lambda _: b" " * 2**26), "67,108,864"),
    "a smaller zip bomb": (lambda: changed(PLAIN, SHEET, lambda xml: xml + b" " * 8_000_000), "200 times"),
    "a zip bomb that hides its size": (lambda: lying(PLAIN), "damaged"),
    "another packing": (packed_otherwise, "packed in a way"),
    "two parts of one name": (named_twice, "two parts of one name"),
    "many parts": (many_parts, "1,000"),
    "a billion laughs in a sheet": (lambda: changed(PLAIN, SHEET, lambda _: LAUGHS), ENTITIES),
    "a billion laughs in the workbook": (lambda: changed(PLAIN, "xl/workbook.xml", lambda _: LAUGHS), ENTITIES),
    "a billion laughs in a picture": (lambda: changed(PLAIN, "xl/a.png", lambda _: LAUGHS), ENTITIES),
    "an entity from elsewhere": (lambda: changed(PLAIN, "xl/sharedStrings.xml", lambda _: ELSEWHERE), ENTITIES),
    "1,000 columns": (lambda: sheet_of(b'<row r="1">' + cells(1, 1_000) + b"</row>"), "200 columns"),
    "a row of 100,000 cells": (lambda: sheet_of(b"<row>" + b"<c/>" * 100_000 + b"</row>"), "65,536"),
    "too many rows": (lambda: sheet_of(rows(limits.MAX_ROWS + 1)), "50,000 rows"),
    "a row far below": (lambda: sheet_of(FAR_BELOW), "200,000"),
    "a row below every sheet's": (lambda: sheet_of(b'<row r="99999999"/>'), "1,048,576"),
    "one row again and again": (lambda: sheet_of(b'<row r="1"/>' * 9), "out of order"),
    "rows that are none": (foreign_rows, "100,000 XML elements"),
    "cells in another row": (lambda: sheet_of(b'<row r="1"><c r="A2"/></row>'), "wrong row"),
    "deep XML": (lambda: sheet_of(b"", after=b"<a>" * 100_000), "64 elements deep"),
    "a sheet that is none": (lambda: changed(PLAIN, SHEET, lambda _: b"\x89PNG"), "damaged"),
    "a sheet kept as a picture": (lambda: kept_as_bin(PLAIN), "as no spreadsheet program does"),
    "a Strict workbook": (lambda: changed(PLAIN, SHEET, lambda xml: xml.replace(MAIN, STRICT)), "Strict"),
    "large styles": (
        lambda: changed(PLAIN, "xl/styles.xml", lambda xml: xml + random.Random(7).randbytes(2_100_000).hex().encode()),
        "4,194,304",
    ),
    "a long cell": (lambda: sheet_of(LONG), "32,767"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_means_harm_is_refused_with_the_reason(name: str) -> None:
    content, said = HOSTILE[name]

    assert re.search(said, refusal(content()))


@pytest.mark.parametrize(
    ("limit", "least"),
    [
        ("MAX_UNPACKED_BYTES", 100), ("MAX_STYLES_BYTES", 100), ("MAX_ENTRIES", 3), ("MAX_SHEETS", 2), ("MAX_ROWS", 1),
        ("MAX_ROW_NUMBER", 2), ("MAX_ROWS_LISTED", 2), ("MAX_COLUMNS", 2), ("MAX_CELLS", 3), ("MAX_CELLS_LISTED", 3),
        ("MAX_ELEMENTS_IN_ROW", 3), ("MAX_CELL_CHARACTERS", 3), ("MAX_TEXT_ELEMENTS", 3), ("MAX_OTHER_ELEMENTS", 3),
        ("MAX_DEPTH", 2),
    ],
)  # fmt: skip
def test_every_limit_of_a_workbook_is_kept_and_named(limit: str, least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse(SHARED, filename=None).rows
    monkeypatch.setattr(limits, limit, least)

    assert f"{least:,}" in refusal(SHARED)


def test_texts_that_cells_share_are_read_as_excel_writes_them() -> None:
    assert [row.value for row in parse(SHARED, filename=None).rows] == [Vehicle(VINS[0], 5000, "AWD")]
    assert refusal(sharing(99)).startswith("the workbook is damaged")


@pytest.mark.parametrize(
    "limit", ["MAX_UNPACKED_BYTES", "MAX_ROWS", "MAX_ROW_NUMBER", "MAX_COLUMNS", "MAX_CELLS", "MAX_CELL_CHARACTERS"]
)
def test_every_limit_of_a_csv_file_is_kept_and_named(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = f"VIN,Weight,Drive\n{VINS[0]},5000,AWD\n{VINS[1]},5000,AWD\n".encode()
    assert len(parse(content, filename=None).rows) == 2
    monkeypatch.setattr(limits, limit, 2)

    assert "2" in refusal(content)


def test_a_million_empty_rows_below_the_data_are_passed_over() -> None:
    texts = ((b"A", b"VIN"), (b"B", b"Weight"), (b"C", b"Drive"))
    header = b"".join(b'<c r="%b1" t="str"><v>%b</v></c>' % text for text in texts)
    data = (
        b'<c r="A2" t="str"><v>%b</v></c><c r="B2"><v>5000</v></c><c r="C2" t="str"><v>AWD</v></c>' % VINS[0].encode()
    )
    empty = b"".join(b'<row r="%d" ht="%d"/>' % (row, row * 7919 % 999_983) for row in range(3, 1_000_000))
    content = sheet_of(
        b'<row r="1">%b</row><row r="2">%b</row>%b' % (header, data, empty), before=b'<dimension ref="A1:C999999"/>'
    )

    tracemalloc.start()
    parsed = parse(content, filename=None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(parsed.rows) == 1
    assert peak < MEMORY_BYTES


@pytest.mark.parametrize("ref", [b"A1:XFD1048576", b"A1", b"ZZZ9999999:A1"])
def test_what_a_sheet_says_of_its_size_is_not_believed(ref: bytes) -> None:
    content = changed(PLAIN, SHEET, lambda xml: xml.replace(b'ref="A1:C3"', b'ref="%b"' % ref))
    assert ref in zipfile.ZipFile(io.BytesIO(content)).read(SHEET)

    assert len(parse(content, filename=None).rows) == 2


def test_openpyxl_reads_xml_by_what_knows_bombs() -> None:
    assert openpyxl.DEFUSEDXML


def answered(content: bytes, filename: str | None) -> Parsed | None:
    with suppress(UnreadableFile):
        return parse(content, filename=filename, date_order=DateOrder.DMY)
    return None


PIECES = (b"", b"<", b'"', b"99999999999999999999", b"-1", b"&#0;", b"<c/>", b"A1", b"\xff")
quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@quick
@given(st.integers(0, len(LAB) - 1))
def test_a_workbook_that_was_cut_off_is_refused(at: int) -> None:
    assert answered(LAB[:at], "plan.xlsx") is None


@quick
@given(st.lists(st.tuples(st.integers(0, len(LAB) - 1), st.integers(0, 255)), min_size=1, max_size=20))
def test_a_workbook_with_bytes_changed_is_read_or_refused(changes: list[tuple[int, int]]) -> None:
    content = bytearray(LAB)
    for at, byte in changes:
        content[at] = byte

    answered(bytes(content), None)


@quick
@given(st.sampled_from(zipfile.ZipFile(io.BytesIO(LAB)).namelist()), st.data())
def test_a_workbook_with_its_xml_changed_is_read_or_refused(part: str, data: st.DataObject) -> None:
    def mangled(xml: bytes) -> bytes:
        at = data.draw(st.integers(0, max(len(xml) - 1, 0)))
        piece = data.draw(st.sampled_from(PIECES))
        return xml[:at] + piece + xml[at + data.draw(st.integers(0, 30)) :]

    answered(changed(LAB, part, mangled), None)


@quick
@given(st.binary(max_size=2_000), st.sampled_from([None, "a.csv", "a.xlsx"]))
def test_bytes_of_any_kind_are_read_or_refused(content: bytes, filename: str | None) -> None:
    for start in (b"", b"PK\x03\x04", b"VIN,Weight,Drive\n"):
        answered(start + content, filename)


@quick
@given(st.text(max_size=2_000))
def test_texts_of_any_kind_are_read_or_refused(said: str) -> None:
    answered(("VIN;Test;Start;Days\n" + said).encode("utf-8", "replace"), None)


CSV = f"VIN,Weight,Drive\n{VINS[0]},5000,AWD\n"


@pytest.mark.parametrize(
    "content",
    [
        CSV.encode(), CSV.encode("utf-8-sig"), CSV.encode("utf-16"), CSV.replace("\n", "\r\n").encode(),
        CSV.replace(",", ";").encode(), CSV.replace(",", "\t").encode(), CSV.replace("Weight", '"Weight"').encode(),
        b"sep=;\n" + CSV.replace(",", ";").encode(), ("Plan, first half\n\n" + CSV.replace(",", ";")).encode(),
    ],
)  # fmt: skip
def test_csv_is_read_in_the_ways_it_is_saved(content: bytes) -> None:
    parsed = parse(content, filename="C vehicles.csv")

    assert [row.problems for row in parsed.rows] == [()]
    assert parsed.sheets[0].name == "C vehicles"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("VIN,Weight,Drive,Program\n,,,Škoda\n".encode("cp1250"), "no utf-8"),
        (CSV.encode("utf-16-le"), "NUL"),
        (CSV.encode("utf-32"), "NUL"),
        (CSV.replace("5000", "50\x0000").encode(), "NUL"),
        (b"\xff\xfe" + CSV.encode("utf-16-le")[:-1], "no utf-16"),
        (b"<html><table><tr><td>VIN</td></tr></table></html>", "HTML"),
        (CSV.replace("AWD", '"AWD').encode(), "quotes"),
        (CSV.replace("AWD", '"A"WD').encode(), "quotes"),
        (CSV.replace("AWD", "x" * 40_000).encode(), "32,767"),
        (CSV.replace("AWD", "x" * 200_000).encode(), "too long"),
        (b"VIN,Weight;Drive\n", "commas, semicolons or tabs"),
        (b"sep=|\nVIN|Weight\n", "delimiter"),
        (",".join(map(str, range(1_000))).encode(), "200 columns"),
        (CSV.encode() + b"x\n" * limits.MAX_ROWS, "50,000"),
    ],
)
def test_csv_that_could_be_misread_is_refused_with_what_would_be_right(content: bytes, said: str) -> None:
    assert said in refusal(content)


def test_another_charset_is_read_where_it_is_said_and_never_guessed() -> None:
    content = f"VIN,Weight,Drive,Program\n{VINS[0]},5000,AWD,Zoë\n".encode("cp1252")

    (row,) = parse(content, filename=None, charset="windows-1252").rows

    assert "Zoë" in str(row.value)
    with pytest.raises(InvalidRequest, match="cp1252"):
        parse(content, filename=None, charset="rot13")


def test_a_serial_number_in_csv_is_refused_for_nothing_says_from_which_day_it_counts() -> None:
    (row,) = parse(f"VIN,Test,Start,Days\n{VINS[0]},brake,46391,2\n".encode(), filename=None).rows

    assert [problem.code for problem in row.problems] == ["not_a_date"]


def test_a_file_that_is_named_like_a_workbook_and_is_none_is_refused() -> None:
    assert "named like a workbook" in refusal(CSV.encode(), "plan.xlsx")
