"""Error text that may be kept: without secrets, e-mail addresses and the values SQL was given."""

import re
from collections.abc import Callable

from dyno.text import storable

READ_LIMIT = 4_000
"""Characters that are looked at; an error message may be a whole document."""

_SENSITIVE = (
    r"(?:pass(?:word|wd|phrase)|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential"
    r"|session[_-]?id|signature)"
)
_QUOTED = r"(?:[bru]{0,2}\"(?:[^\"\\]|\\.)*+\"?|[bru]{0,2}'(?:[^'\\]|\\.)*+'?)"
# JSON within a string of JSON: it ends at a quote behind as many backslashes as the first.
_ESCAPED = r"(?P<depth>\\++)\"(?:[^\"\\]|\\++(?!\")|(?!(?P=depth)\")\\++\")*+(?:(?P=depth)\")?"
_VALUE = rf"(?:{_ESCAPED}|{_QUOTED}|[^,;&\n]++)"
_IS = r"\s*+[:=]++>?\s*+"
_QUOTE = r"\\*+[\"']"
_IN_A_PAIR = rf"{_QUOTE}\s*+(?:,?+\s*+(?:{_QUOTE})?+value(?:{_QUOTE})?+{_IS}|,\s*+(?=[\\bru]{{0,9}}[\"']))"
_WORD = r"[^\s@<>\"'(),:;=\[\]]"


def _literals(sql: re.Match[str]) -> str:
    return re.sub(r"'(?:[^']|'')*+'?", "'…'", sql[0])


# Possessive quantifiers (++) keep every rule linear in the text. Where only the server knows how a value ends, the
# rest of the text goes: a detail too few is a nuisance, a value too many is a leak.
_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), instead)
    for pattern, instead in (
        (r"\[parameters: .*", "[parameters: …]"),  # SQLAlchemy
        (r"(\binput_value=|[\"']input[\"']: )[^\n]++", r"\1…"),  # pydantic
        (r"(\bkey \(.{0,500}?\)=)\(.*", r"\1(…)"),  # PostgreSQL: unique, foreign key and exclusion violations
        (r"(\bFailing row contains ).*", r"\1(…)"),
        (r"(\binvalid input (?:syntax|value) for [^:]{1,60}: ).*", r"\1…"),
        (r"(\bparameters?+:? \$\d+ = ).*", r"\1…"),
        (r"(\bvalue )\"[^\"]*+\"(?= is out of range)", r"\1…"),
        (r"(\bvalue out of range: ).*", r"\1…"),
        (r"\[SQL: .*", _literals),
        (r"-----BEGIN [^-]{0,40}KEY-----.*?(?:-----END [^-]*+-----|\Z)", "[secret]"),
        (
            rf"(?<![a-z])((?:set-)?cookie|(?:proxy-)?authorization)({_QUOTE}\s*+,|(?:{_QUOTE})?+{_IS})[^\n]++",
            r"\1\2 [secret]",
        ),
        (r"\b(bearer|basic)\s++[\w.~+/=-]++", r"\1 [secret]"),
        (r"\beyJ[\w-]++\.[\w.-]++", "[secret]"),  # a JSON Web Token
        (r"\b(?:AKIA|ASIA)[0-9A-Z]{12,}+", "[secret]"),
        (r"(?<![a-z0-9])(?:gh[a-z]_|github_pat_|glpat-|xox[a-z]-|sk_live_)[\w-]++", "[secret]"),
        (r"(?<![a-z0-9])cal_[\w-]{16,}+", "[secret]"),  # of a calendar of ours
        (r"(?<![a-z0-9])(sig=)[^\s&]++", r"\1[secret]"),  # a shared access signature
        (
            rf"(<[\w:.-]{{0,40}}?{_SENSITIVE}[\w:.-]{{0,40}}+(?:\s[^<>]{{0,200}}+)?+>)(?:<!\[CDATA\[)?+[^<]*+",
            r"\1[secret]",
        ),
        (rf"({_SENSITIVE}[\w.-]{{0,40}}+(?:{_IN_A_PAIR}|(?:{_QUOTE})?+{_IS})){_VALUE}", r"\1[secret]"),
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
        Messages as SQLAlchemy 2.1, pg8000, PostgreSQL 16 and pydantic 2 write them; RFC 6750; RFC 7519; the access keys
        and tokens of AWS, GitHub, GitLab, Slack and Stripe.
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
