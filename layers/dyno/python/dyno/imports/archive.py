"""
What is in a workbook's archive, looked at before anything is unpacked, and what openpyxl does not tell.

openpyxl, reading row by row, knows neither merged cells nor whether a formula was ever reckoned, and holds whatever a
part says in memory. So every part is looked through once: without keeping any of it, and no further than the limits.
"""

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from xml.parsers import expat

from dyno.errors import UnreadableFile
from dyno.imports import limits

_ENCRYPTED = 0x1
_PACKINGS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_SHEETS = re.compile(r"xl/(worksheets|chartsheets|dialogsheets|macrosheets)/[^/]+\.xml", re.IGNORECASE)
_TEXTS = "xl/sharedstrings.xml"
_MACROS = re.compile(r"(^|/)vbaproject[^/]*\.bin$|(^|/)(macrosheets|activex)/", re.IGNORECASE)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main "
_STRICT = "http://purl.oclc.org/ooxml/"
_CELL = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
SAVE_AS_XLSX = "save it as an Excel workbook, .xlsx, or as CSV UTF-8"


@dataclass(frozen=True, slots=True)
class Merge:
    """Cells merged into one; rows and columns count from 1, both ends in."""

    first_column: int
    first_row: int
    last_column: int
    last_row: int


@dataclass(slots=True)
class Outline:
    """
    What there is of a sheet.

    Attributes:
        last_row: With something in it; 0 if there is nothing.
        last_column: So.
        rows: With something in them.
        cells: With something in them.
        listed: Cells, whatever is in them.
        unreckoned: Row and column of formulas that have no value.
    """

    last_row: int = 0
    last_column: int = 0
    rows: int = 0
    cells: int = 0
    listed: int = 0
    merges: list[Merge] = field(default_factory=list)
    unreckoned: set[tuple[int, int]] = field(default_factory=set)


def looked_through(content: bytes) -> dict[str, Outline]:
    """
    The sheets of a workbook that is safe to open, by the name of their part.

    Raises:
        UnreadableFile: It is none, or not safe; says what would be right.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            _look_at_entries(archive)
            return _look_at_parts(archive)
    except UnreadableFile:
        raise
    # What zipfile, zlib and expat answer when a file is cut off or no longer what it was.
    except Exception as error:
        raise UnreadableFile(f"the workbook is damaged ({type(error).__name__}); open and save it anew") from error


def column_number(letters: str) -> int:
    """Of A 1, of AA 27."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _look_at_entries(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    names = {entry.filename.casefold() for entry in entries}
    _refuse_other_kinds(archive, names)
    if len(entries) > limits.MAX_ENTRIES:
        raise UnreadableFile(f"the workbook has {len(entries):,} parts; at most {limits.MAX_ENTRIES:,} are read")
    if len(names) < len(entries):
        raise UnreadableFile("the workbook has two parts of one name; open and save it anew")
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        raise UnreadableFile("the workbook is encrypted; save it without a password")
    if any(entry.compress_type not in _PACKINGS for entry in entries):
        raise UnreadableFile("the workbook is packed in a way that workbooks are not; open and save it anew")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > limits.MAX_UNPACKED_BYTES:
        most = limits.MAX_UNPACKED_BYTES
        raise UnreadableFile(f"the workbook has {unpacked:,} bytes unpacked; at most {most:,} are read: split it")
    for entry in entries:
        _refuse_odd_sizes(entry)


def _refuse_other_kinds(archive: zipfile.ZipFile, names: set[str]) -> None:
    if "mimetype" in names and archive.getinfo("mimetype").file_size < limits.MAX_CELL_CHARACTERS:
        what = archive.read("mimetype").decode("ascii", "replace")[:80]
        raise UnreadableFile(f"an OpenDocument file ({what}) is not read; {SAVE_AS_XLSX}")
    if "xl/workbook.bin" in names:
        raise UnreadableFile(f"a binary workbook, .xlsb, is not read; {SAVE_AS_XLSX}")
    if any(map(_MACROS.search, names)):
        raise UnreadableFile("a workbook with macros, .xlsm, is not read; save it as .xlsx, which has none")
    if "[content_types].xml" not in names:
        raise UnreadableFile(f"the file is a zip archive, but no workbook; {SAVE_AS_XLSX}")


def _refuse_odd_sizes(entry: zipfile.ZipInfo) -> None:
    if entry.file_size > limits.RATIO_FROM_BYTES and entry.file_size > limits.MAX_RATIO * entry.compress_size:
        ratio = f"{entry.filename!r} is more than {limits.MAX_RATIO} times as large unpacked"
        raise UnreadableFile(f"the workbook's {ratio}; no sheet of a lab is: save its values into a new workbook")


def _look_at_parts(archive: zipfile.ZipFile) -> dict[str, Outline]:
    outlines = {}
    for entry in archive.infolist():
        name = entry.filename
        if _SHEETS.fullmatch(name):
            outlines[name] = _Sheet(name).outline_of(archive)
            _refuse_too_much(list(outlines.values()))
        elif _is_xml(archive, name):
            if entry.file_size > limits.MAX_STYLES_BYTES and name.casefold() != _TEXTS:
                most = f"at most {limits.MAX_STYLES_BYTES:,} are read"
                raise UnreadableFile(f"the workbook's {name!r} has {entry.file_size:,} bytes; {most}")
            _Part(name).look_through(archive)
    return outlines


def _is_xml(archive: zipfile.ZipFile, name: str) -> bool:
    """Whatever a part is called, a workbook can call it a sheet; what does not begin like XML is refused as one."""
    if name.casefold().endswith((".xml", ".rels")):
        return True
    with archive.open(name) as source:
        return source.read(2).startswith(
            (b"<", b"\0<", b"\xef\xbb", b"\xff\xfe", b"\xfe\xff", b" ", b"\t", b"\r", b"\n")
        )


def _refuse_too_much(outlines: list[Outline]) -> None:
    for what, has, most in (
        ("sheets", len(outlines), limits.MAX_SHEETS),
        ("rows with something in them", sum(outline.rows for outline in outlines), limits.MAX_ROWS),
        ("cells with something in them", sum(outline.cells for outline in outlines), limits.MAX_CELLS),
        ("cells", sum(outline.listed for outline in outlines), limits.MAX_CELLS_LISTED),
    ):
        if has > most:
            raise UnreadableFile(f"the workbook has more than {most:,} {what}, which is as much as is read: split it")


class _Part:
    """Looks through the XML of one part; no declarations, no more elements and no deeper than there may be."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.elements = self.depth = 0
        self.most = limits.MAX_TEXT_ELEMENTS if name.casefold() == _TEXTS else limits.MAX_OTHER_ELEMENTS
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = self._refuse_declarations
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def look_through(self, archive: zipfile.ZipFile) -> None:
        with archive.open(self.name) as source:
            self.parser.ParseFile(source)

    def _refuse_declarations(self, *_: object) -> None:
        raise UnreadableFile(f"the workbook's {self.name!r} declares entities, as no spreadsheet program does")

    def _start(self, name: str, attributes: dict[str, str]) -> None:  # noqa: ARG002  # as expat calls it
        self.elements += 1
        self.depth += 1
        self._refuse_too_many()

    def _end(self, name: str) -> None:  # noqa: ARG002  # as expat calls it
        self.depth -= 1

    def _refuse_too_many(self) -> None:
        if self.elements > self.most:
            raise UnreadableFile(f"the workbook's {self.name!r} has more than {self.most:,} XML elements: split it")
        if self.depth > limits.MAX_DEPTH:
            raise UnreadableFile(f"the workbook's {self.name!r} has XML more than {limits.MAX_DEPTH} elements deep")


class _Sheet(_Part):
    """Looks through the XML of a sheet and notes what there is of it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.outline = Outline()
        self.row = self.column = self.in_row = 0
        self.within = self.row_has = self.has = self.formula = self.is_text = False
        handlers: dict[str, Callable[[dict[str, str]], None]] = {
            "row": self._row, "c": self._cell, "f": self._formula, "v": self._value, "is": self._inline,
            "mergeCell": self._merge,
        }  # fmt: skip
        self.handlers = handlers

    def outline_of(self, archive: zipfile.ZipFile) -> Outline:
        self.look_through(archive)
        return self.outline

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name.startswith(_STRICT):
            raise UnreadableFile("a Strict Open XML workbook is not read; save it as Excel workbook, .xlsx")
        plain = name.removeprefix(_MAIN)
        self.depth += 1
        if self.within:
            self.in_row += 1
        else:
            self.elements += plain != "row"
        self._refuse_too_many()
        if self.in_row > limits.MAX_ELEMENTS_IN_ROW:
            most = f"more than {limits.MAX_ELEMENTS_IN_ROW:,} XML elements"
            raise UnreadableFile(
                f"row {self.row:,} of the workbook's {self.name!r} has {most}, as no spreadsheet's has"
            )
        if handle := self.handlers.get(plain):
            handle(attributes)

    def _end(self, name: str) -> None:
        self.depth -= 1
        plain = name.removeprefix(_MAIN)
        if plain == "v":
            self.parser.CharacterDataHandler = None
        elif plain == "c":
            self._finish_cell()
        elif plain == "row":
            self.within = False

    def _row(self, attributes: dict[str, str]) -> None:
        number = int(attributes["r"]) if "r" in attributes else self.row + 1
        if number > limits.MAX_ROWS_LISTED:
            most = f"no spreadsheet has more than {limits.MAX_ROWS_LISTED:,}"
            raise UnreadableFile(f"the workbook's {self.name!r} has a row {number:,}; {most}")
        if number <= self.row or self.within:
            raise UnreadableFile(f"the workbook's {self.name!r} has rows out of order; open and save it anew")
        self.row, self.within = number, True
        self.column = self.in_row = 0
        self.row_has = False

    def _cell(self, attributes: dict[str, str]) -> None:
        self.column += 1
        if "r" in attributes:
            place = _CELL.fullmatch(attributes["r"])
            if place is None or int(place[2]) != self.row:
                raise UnreadableFile(f"the workbook's {self.name!r} has a cell in the wrong row; open and save it anew")
            self.column = column_number(place[1])
        self.has = self.formula = False
        self.is_text = attributes.get("t") == "str"
        self.outline.listed += 1
        if self.outline.listed > limits.MAX_CELLS_LISTED:
            raise UnreadableFile(f"the workbook has more than {limits.MAX_CELLS_LISTED:,} cells: split it")

    def _formula(self, attributes: dict[str, str]) -> None:  # noqa: ARG002  # as the others
        self.formula = True

    def _value(self, attributes: dict[str, str]) -> None:  # noqa: ARG002  # as the others
        # A formula's empty text is a value; of anything else an empty element says that it was never reckoned.
        self.has = self.has or self.is_text
        self.parser.CharacterDataHandler = self._has_something

    def _inline(self, attributes: dict[str, str]) -> None:  # noqa: ARG002  # as the others
        self.has = True

    def _has_something(self, text: str) -> None:  # noqa: ARG002  # as expat calls it
        self.has = True

    def _merge(self, attributes: dict[str, str]) -> None:
        first, _, last = attributes.get("ref", "").partition(":")
        start, end = _CELL.fullmatch(first), _CELL.fullmatch(last or first)
        if start and end:
            merge = Merge(column_number(start[1]), int(start[2]), column_number(end[1]), int(end[2]))
            self.outline.merges.append(merge)

    def _finish_cell(self) -> None:
        if self.formula and not self.has:
            self.outline.unreckoned.add((self.row, self.column))
        if not (self.has or self.formula):
            return
        outline = self.outline
        outline.cells += 1
        outline.rows += not self.row_has
        self.row_has = True
        outline.last_row = max(outline.last_row, self.row)
        outline.last_column = max(outline.last_column, self.column)
        if self.column > limits.MAX_COLUMNS:
            raise UnreadableFile(
                f"row {self.row:,} of the workbook's {self.name!r} has something in column {self.column:,}; "
                f"at most {limits.MAX_COLUMNS} columns are read"
            )
        if self.row > limits.MAX_ROW_NUMBER:
            most = f"rows are read up to {limits.MAX_ROW_NUMBER:,}"
            raise UnreadableFile(f"the workbook's {self.name!r} has something in row {self.row:,}; {most}")
        if outline.rows > limits.MAX_ROWS or outline.cells > limits.MAX_CELLS:
            _refuse_too_much([outline])
