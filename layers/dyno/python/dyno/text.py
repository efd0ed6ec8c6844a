"""What JSON and Python can say and no text of PostgreSQL can hold."""

import re

# An even number of backslashes in front is text about a NUL.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def says_nul(json_text: str) -> bool:
    """Whether a string somewhere in a JSON text has the character NUL."""
    return "\\u0000" in json_text and _NUL.search(json_text) is not None


def storable(text: str) -> str:
    """The text as PostgreSQL can hold it: no NUL, no half of a surrogate pair."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "�").encode("utf-8", "replace").decode()
