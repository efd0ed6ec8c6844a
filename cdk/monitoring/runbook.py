"""Addresses in docs/runbook.md."""

import re


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
