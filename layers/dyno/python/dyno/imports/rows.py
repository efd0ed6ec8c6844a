"""From a file's bytes to typed rows."""

from collections.abc import Mapping as ReadOnly

from dyno.errors import UnreadableFile
from dyno.imports.model import DateOrder, Kind, Mapping, Parsed


def parse(
    content: bytes,
    *,
    filename: str | None,
    mapping: Mapping | None = None,
    date_order: DateOrder = DateOrder.NONE,
    kinds: ReadOnly[str, Kind] | None = None,
    charset: str | None = None,
) -> Parsed:
    """
    The rows of a CSV file or a workbook, whatever is wrong with single ones.

    Args:
        filename: Names the sheet of a CSV file, without its ending; None: the sheet is "csv".
        mapping: Columns that the usual names do not tell, by sheet or for "*".
        date_order: How dates that are text are written.
        kinds: What the rows of a sheet are, by its name or for "*"; else its columns tell.
        charset: Of a CSV file: utf-8, utf-16 or cp1252. None: as its byte order mark says, else UTF-8.
    Raises:
        UnreadableFile: No sheets that can be read, or more than is read; says what would be right.
        InvalidRequest: Mapping or kinds name a sheet, a header or a field that is not there.
    """
    raise UnreadableFile(f"{filename}, {len(content)} bytes: no file of this kind is read yet")
