"""What JSON can say and no text of PostgreSQL can hold."""

import re

# An even number of backslashes in front is text about a NUL.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def says_nul(json_text: str) -> bool:
    """Whether a string somewhere in a JSON text has the character NUL."""
    return "\\u0000" in json_text and _NUL.search(json_text) is not None
