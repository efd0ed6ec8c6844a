"""Looks for what nobody may find in what is deployed, logged, kept or answered."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# What stands for a value that was taken out, is looked up when it is needed, or is a word about it.
_NO_VALUE = r"(?!\[secret\]|…|\{|\$|None\b|null\b|true\b|false\b)"

PATTERNS = {
    "a token": re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}"),
    "an access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a password": re.compile(
        rf"(?i)\b[\w-]*(?:password|passwd|pwd|secret|api_?key)\\?[\"']?\s*[:=]\s*\\?[\"']?{_NO_VALUE}"
        r"[^\s\"',;&{}\\]{6,}"
    ),
    "a bearer's token": re.compile(r"(?i)\bbearer\s+(?!\[secret\])[\w.~+/=-]{16,}"),
    "an e-mail address": re.compile(r"(?<![\w/@])[\w.+-]+@(?:[\w-]+\.)+[a-z]{2,}\b", re.IGNORECASE),
    "what a statement was given": re.compile(
        r"\[parameters: (?!…)|\bKey \([^)]*\)=\((?!…)|Failing row contains \((?!…)"
    ),
}
"""What each looks like, whoever made it."""


class Finding(NamedTuple):
    """Something that should not be there, and around it enough to tell where it came from."""

    what: str
    where: str
    around: str


def found(texts: Iterable[tuple[str, str]], known: dict[str, str], harmless: Iterable[str] = ()) -> list[Finding]:
    """
    Whatever should not be in texts.

    Args:
        texts: Each with where it is from.
        known: Secrets that exist, by what they are: these are looked for as they are.
        harmless: What may be there though it looks like a secret.
    """
    return list(dict.fromkeys(_findings(texts, known, set(harmless))))


def _findings(texts: Iterable[tuple[str, str]], known: dict[str, str], harmless: set[str]) -> Iterator[Finding]:
    for where, text in texts:
        for what, secret in known.items():
            if (at := text.find(secret)) >= 0:
                yield Finding(what, where, text[max(0, at - 60) : at])
        for what, pattern in PATTERNS.items():
            for match in pattern.finditer(text):
                if match[0] not in harmless:
                    yield Finding(what, where, text[max(0, match.start() - 60) : match.end() + 20])
