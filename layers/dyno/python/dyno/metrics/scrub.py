"""Error text that may be kept: without secrets, e-mail addresses and the values SQL was given."""

import re
from collections.abc import Callable

READ_LIMIT = 4_000
"""Characters that are looked at; an error message may be a whole document."""

_SENSITIVE = (
    r"(?:pass(?:word|wd|phrase)|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential"
    r"|session[_-]?id|signature)"
)
_VALUE = r"(?:\"(?:[^\"\\]|\\.)*+\"?|'(?:[^'\\]|\\.)*+'?|[^\s,;&]++)"
_WORD = r"[^\s@<>\"'(),:;=\[\]]"


def _literals(sql: re.Match[str]) -> str:
    return re.sub(r"'(?:[^']|'')*+'?", "'…'", sql[0])


# Possessive quantifiers (++) keep every rule linear in the text. Where only the server knows how a value ends, the
# rest of the text goes: a detail too few is a nuisance, a value too many is a leak.
_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), instead)
    for pattern, instead in (
        (r"\[parameters: .*", "[parameters: …]"),  # SQLAlchemy
        (r"(\bkey \([^)]{0,200}\)=).*", r"\1(…)"),  # PostgreSQL: unique, foreign key and exclusion violations
        (r"(\bFailing row contains ).*", r"\1(…)"),
        (r"(\binvalid input (?:syntax|value) for [^:]{1,60}: ).*", r"\1…"),
        (r"(\bparameter \$\d+ = ).*", r"\1…"),
        (r"\[SQL: .*", _literals),
        (r"-----BEGIN [^-]{0,40}KEY-----.*?(?:-----END [^-]*+-----|\Z)", "[secret]"),
        (r"\b((?:set-)?cookie|(?:proxy-)?authorization)([\"']?\s*+[:=])[^\n]++", r"\1\2 [secret]"),
        (r"\b(bearer|basic)\s++[\w.~+/=-]++", r"\1 [secret]"),
        (r"\beyJ[\w-]++\.[\w.-]++", "[secret]"),  # a JSON Web Token
        (r"\b(?:AKIA|ASIA)[0-9A-Z]{12,}+", "[secret]"),
        (rf"({_SENSITIVE}[\w.-]{{0,40}}+[\"']?\s*+[:=]\s*+){_VALUE}", r"\1[secret]"),
        (r"(://)[^\s/]+@", r"\1[secret]@"),
        (r"\"[^\"\n]*+\"@[\w.-]++", "[email]"),
        (rf"(?<!{_WORD}){_WORD}++@{_WORD}++", "[email]"),
        (r"(?<![\w.+-])[\w.+-]++%40[\w.-]++", "[email]"),
    )
)


def scrub(text: str, limit: int) -> str:
    """
    The text without what must not be kept, and storable: no NUL and no half of a surrogate pair.

    Args:
        limit: Characters at most; the cut is marked by an ellipsis.
    Source:
        Messages as SQLAlchemy 2.1, pg8000 and PostgreSQL 16 write them; RFC 6750; RFC 7519; AWS access key ids.
    """
    kept = storable(_readable(text))
    for rule, instead in _RULES:
        kept = rule.sub(instead, kept)
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def _readable(text: str) -> str:
    if len(text) <= READ_LIMIT:
        return text
    # The cut must not leave half a word, which no rule would know for what it is.
    whole, space, _ = text[:READ_LIMIT].rpartition(" ")
    return f"{whole} …" if space else "…"


def storable(text: str) -> str:
    """The text as PostgreSQL can hold it: no NUL, no half of a surrogate pair."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "�").encode("utf-8", "replace").decode()
