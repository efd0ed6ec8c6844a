"""Addresses in docs/runbook.md."""

import re
from urllib.parse import urlsplit


def anchor(heading: str) -> str:
    """What a heading is linked by, as GitHub and GitLab make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def link(runbook: str, section: str) -> str:
    """
    Where to read what to do, for an alarm's description.

    Args:
        runbook: The address of docs/runbook.md.
        section: One of its headings.
    """
    return f"What to do: {address(runbook, section)}"


def address(runbook: str, section: str) -> str:
    """The same without a word: where a section of `runbook` is read."""
    return f"{runbook}#{anchor(section)}"


def is_address(runbook: str) -> bool:
    """Whether a browser finds it, wherever the link stands; the path in the project is for people to read."""
    given = urlsplit(runbook)
    return given.scheme in {"http", "https"} and bool(given.netloc)
