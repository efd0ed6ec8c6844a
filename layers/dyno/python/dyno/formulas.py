"""Text that a spreadsheet would take for a formula, written in a CSV file so that it does not; and read again."""

import re

_OPENS = "=+\\-@＝＋－＠"
_SPACE = r"[^\S\t\r\n]*"
# Behind a separator, too: where lists are separated by semicolons, a file with commas is cut at the wrong places.
_STARTS = rf"\A(?='*[\t\r\n])|(?:\A|(?<=[;\t\r\n]))(?='*{_SPACE}[{_OPENS}])"
_WRITTEN = rf"\A'(?='*[\t\r\n])|(?:\A|(?<=[;\t\r\n]))'(?='*{_SPACE}[{_OPENS}])"
_UNSAFE, _SAFE = re.compile(_STARTS), re.compile(_WRITTEN)


def harmless(text: str) -> str:
    """
    The text with an apostrophe wherever a spreadsheet might begin to reckon; `as_written` takes it out again.

    Source:
        OWASP, "CSV Injection": cells that begin with =, +, -, @, tab or carriage return, and the full-width forms.
    """
    return _UNSAFE.sub("'", text)


def as_written(cell: str) -> str:
    """What was meant by a cell of a CSV file that `harmless` has written; any other text as it is."""
    return _SAFE.sub("", cell)


def is_harmless(text: str) -> bool:
    """Whether it may stand in a cell as it is."""
    return _UNSAFE.search(text) is None
