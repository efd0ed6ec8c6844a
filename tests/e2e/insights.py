"""Reads questions to the log, in the language of CloudWatch Logs Insights, as far as ours go."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

Record = dict[str, Any]
"""A line as Logs Insights knows it: its fields, those of nested objects under dotted names."""

_TEXT = r"'[^']*'|\"[^\"]*\""
_PATTERN = r"/(?=\S)(?:\\.|[^/\\\n])+/"
"""What follows a slash without a space; ours divide with a space on both sides."""

_COMMAND = re.compile(rf"(?:{_TEXT}|{_PATTERN}|[^|])+")
_TOKEN = re.compile(
    rf"(?P<text>{_TEXT})|(?P<pattern>{_PATTERN})|(?P<name>@?[A-Za-z_][\w.]*)|(?P<number>\d[\w.]*)"
    r"|(?P<sign>[<>!=]=|=~|[-+*/%<>=(),\[\]])|(?P<space>\s+)"
)
_WORDS = frozenset({"and", "or", "not", "like", "in", "as", "by", "asc", "desc"})
_VERBS = frozenset({"SOURCE", "fields", "display", "filter", "stats", "sort", "limit", "parse", "dedup"})
_MISSING = math.nan  # neither equal to anything nor more or less than it


class Command(NamedTuple):
    """One step of a query."""

    verb: str
    rest: str


class Query(NamedTuple):
    """A question to some log groups."""

    title: str
    groups: tuple[str, ...]
    text: str


class _Pattern(str):
    """Equals what it is found in."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.search(self, other) is not None


def record(line: str) -> Record:
    """A line's fields; what is null is no field."""
    said = json.loads(line) if line.startswith("{") else {}
    return {"@message": line, **dict(_flat(said, ""))}


def _flat(said: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(said, dict | list):
        for name, part in said.items() if isinstance(said, dict) else enumerate(said):
            yield from _flat(part, f"{prefix}.{name}" if prefix else str(name))
    elif said is not None:
        yield prefix, said


def commands(text: str) -> list[Command]:
    """
    The steps of a query, in order.

    Raises:
        ValueError: There is one that nothing is known of here.
    """
    found = [Command(*each.strip().split(maxsplit=1)) for each in _COMMAND.findall(text)]
    if unheard_of := {each.verb for each in found} - _VERBS:
        raise ValueError(f"not read here: {unheard_of}")
    return found


def unknown(text: str, fields: Iterable[str]) -> set[str]:
    """What a query names that neither the lines have, as their `fields`, nor the query itself makes."""
    known, missing = set(fields), set()
    for verb, rest in commands(text):
        named, made = _names(verb, rest)
        missing |= {name for name in named if name not in known and not name.startswith("@")}
        # What is counted is no longer there to be shown.
        known = made | _names(verb, rest.partition(" by ")[2])[0] if verb == "stats" else known | made
    return missing


def _names(verb: str, rest: str) -> tuple[set[str], set[str]]:
    """What a step names, and what it makes."""
    if verb in {"SOURCE", "limit"}:
        return set(), set()
    if verb == "parse":
        field, pattern = rest.split(maxsplit=1)
        return {field}, {*re.findall(r"\(\?<(\w+)>", pattern), *re.findall(r"\w+", pattern.partition(" as ")[2])}
    tokens = _tokens(rest)
    names = [
        (tokens[at - 1][1], token)
        for at, (kind, token) in enumerate(tokens)
        if kind == "name" and token not in _WORDS and tokens[at + 1 : at + 2] != [("sign", "(")]
    ]
    return {name for before, name in names if before != "as"}, {name for before, name in names if before == "as"}


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"not read here: {text[at:]}")
        if token.lastgroup != "space":
            found.append((str(token.lastgroup), token[0]))
        at = token.end()
    return found


def chosen(text: str, records: Iterable[Record]) -> list[Record]:
    """The lines that pass all filters of a query, with what is parsed from them, up to where they are counted."""
    left = [dict(each) for each in records]
    for verb, rest in commands(text):
        if verb == "filter":
            left = [each for each in left if _holds(rest, each)]
        elif verb == "parse":
            for each in left:
                each.update(_parsed(rest, each))
        elif verb == "stats":
            break
    return left


def filters(text: str) -> list[str]:
    """The conditions of a query."""
    return [rest for verb, rest in commands(text) if verb == "filter"]


def looks_at(condition: str) -> set[str]:
    """The fields of a condition."""
    return _names("filter", condition)[0]


def _parsed(rest: str, of: Record) -> Record:
    field, pattern = rest.split(maxsplit=1)
    if not pattern.startswith("/"):
        raise ValueError(f"not read here: parse {rest}")
    found = re.search(re.sub(r"\(\?<(?=\w)", "(?P<", pattern.strip()[1:-1]), str(of.get(field, "")))
    return found.groupdict() if found else {}


def _holds(condition: str, of: Record) -> bool:
    """Whether a condition is true of a line: it is nearly Python, so Python says."""
    known = {
        "field": lambda name: of.get(name, _MISSING),
        "ispresent": lambda value: value is not _MISSING,
        "Pattern": _Pattern,
    }
    try:
        return bool(eval(_as_python(_tokens(condition)), {"__builtins__": {}}, known))
    except TypeError:  # a number was compared with a text
        return False


def _as_python(tokens: Sequence[tuple[str, str]]) -> str:
    written = []
    for at, (kind, token) in enumerate(tokens):
        is_function = tokens[at + 1 : at + 2] == [("sign", "(")]
        if kind == "pattern":
            written.append(f"Pattern({token[1:-1]!r})")
        elif token in {"=", "=~", "like"}:
            written.append("==")
        elif kind == "name" and token not in _WORDS and not is_function:
            written.append(f"field({token!r})")
        else:
            written.append(token)
    return " ".join(written)
