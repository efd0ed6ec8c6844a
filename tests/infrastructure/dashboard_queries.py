"""Whether CloudWatch Logs could read a query of a log widget: its log groups, commands, functions, quotes."""

import json
import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

WORDS = {
    kind: frozenset(words)
    for kind, words in json.loads((Path(__file__).parent / "dashboard_words.json").read_text()).items()
}
"""
Commands, aggregations and functions, in small letters; the language takes any.

Source:
    CloudWatch Logs User Guide, "CloudWatch Logs Insights language query syntax", "stats", "Time-series functions",
    "Boolean, comparison, numeric, datetime, and other functions", "Hashing functions".
"""

BARE = frozenset({"addtotals", "anomaly", "diff", "relevantfields"})
"""Commands that need nothing after them."""

MOST_GROUPS = 50
"""CloudWatch Logs API reference, StartQuery."""

LARGEST_BINS = {"ms": 1000, "s": 60, "m": 60, "h": 24}
"""By unit; CloudWatch Logs takes this where a query says more: bin(300s) is bin(60s). The functions' page says so."""

_OPERATORS = frozenset({"and", "as", "by", "in", "like", "not", "or"})
_LITERAL = re.compile(
    r"""(?P<before>\blike\s+|=~\s*|\bparse\s+(?:[@\w.]+\s+)?)/(?P<pattern>(?:\\.|[^/\\])*)/
    |"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|\#[^\n]*""",
    re.VERBOSE | re.IGNORECASE,
)
_GROUP = re.compile(r"(['\"`]?)([.\-_/#A-Za-z0-9]{1,512})\1")
_GROUPS = re.compile(r"(?:logGroups|dataSource)\(.*\)", re.IGNORECASE | re.DOTALL)
_CALL = re.compile(r"\b([A-Za-z_]\w*)\(")
_BIN = re.compile(r"\bbin\s*\(\s*(\d+)\s*(\w+)\s*\)", re.IGNORECASE)


def faults(query: str, view: str = "table") -> Iterator[str]:
    """
    What is wrong with a query in Logs Insights' own language.

    Args:
        view: How the widget shows it.
    Source:
        CloudWatch API reference, "Dashboard Body Structure and Syntax", log widgets; CloudWatch Logs User Guide,
        "CloudWatch Logs Insights language query syntax".
    """
    yield from _of_patterns(query)
    bare = _LITERAL.sub(_blank, query)
    if broken := list(_unbalanced(bare)):
        yield from broken
        return
    sources, commands = _stages(query, bare)
    yield from _of_sources(sources)
    yield from _of_commands(commands)
    yield from _of_view(view, commands)


def _blank(literal: re.Match[str]) -> str:
    before = literal["before"] or ""
    return before + (" " if literal[0].startswith("#") else "_") * (len(literal[0]) - len(before))


def _of_patterns(query: str) -> Iterator[str]:
    for literal in _LITERAL.finditer(query):
        try:
            re.compile(re.sub(r"\(\?<(?![=!])", "(?P<", literal["pattern"] or ""))
        except re.error as error:
            yield f"the regular expression /{literal['pattern']}/ cannot be read: {error}"


def _unbalanced(bare: str) -> Iterator[str]:
    yield from (f"a quote {mark} is not closed" for mark in "\"'`" if mark in bare)
    if re.search(r"(?:\blike|=~|\bparse(?:\s+[@\w.]+)?)\s*/", bare, re.IGNORECASE):
        yield "a regular expression is not closed"
    depth = 0
    for mark in re.findall(r"[()]", bare):
        depth += 1 if mark == "(" else -1
        if depth < 0:
            break
    if depth:
        yield "its parentheses do not balance"


def _stages(query: str, bare: str) -> tuple[list[str], list[str]]:
    """What stands between pipes: SOURCEs as written, the commands after them without their literals."""
    pipes = [at for at, mark in enumerate(bare) if mark == "|" and bare.count("(", 0, at) == bare.count(")", 0, at)]
    spans = [slice(begin, end) for begin, end in zip([0, *(at + 1 for at in pipes)], [*pipes, None], strict=True)]
    sources = list(takewhile(lambda span: re.match(r"\s*SOURCE\b", bare[span], re.IGNORECASE), spans))
    return [query[span].strip() for span in sources], [bare[span].strip() for span in spans[len(sources) :]]


def _of_sources(sources: list[str]) -> Iterator[str]:
    if not sources:
        yield "it does not begin with SOURCE and a log group"
    if len(sources) > MOST_GROUPS:
        yield f"{len(sources)} log groups, {MOST_GROUPS} at most"
    for source in sources:
        said = source[len("SOURCE") :].strip()
        if not _GROUP.fullmatch(said) and not _GROUPS.fullmatch(said):
            yield f"{source!r} names no log group"


def _of_commands(commands: list[str]) -> Iterator[str]:
    if not commands:
        yield "it asks nothing of its log groups"
    for command in commands:
        name, *rest = command.split(maxsplit=1) or [""]
        if name.lower() not in WORDS["commands"]:
            yield f"there is no command {name!r}"
        elif rest:
            yield from _of_command(name.lower(), *rest)
        elif name.lower() not in BARE:
            yield f"{name} has nothing after it"


def _of_command(name: str, rest: str) -> Iterator[str]:
    known = WORDS["aggregations"] | WORDS["functions"] | _OPERATORS
    yield from (f"{name}: there is no function {call!r}" for call in _CALL.findall(rest) if call.lower() not in known)
    if name == "stats" and WORDS["aggregations"].isdisjoint(call.lower() for call in _CALL.findall(_aggregated(rest))):
        yield f"stats aggregates nothing: {rest!r}"
    if name == "limit" and not re.fullmatch(r"(?:any\s+)?[1-9]\d*", rest, re.IGNORECASE):
        yield f"limit takes a number, not {rest!r}"
    for count, unit in _BIN.findall(rest):
        if int(count) > LARGEST_BINS.get(unit, int(count)):
            yield f"bin({count}{unit}) is cut down to {LARGEST_BINS[unit]}{unit}"


def _aggregated(rest: str) -> str:
    return re.split(r"\bby\b", rest, maxsplit=1, flags=re.IGNORECASE)[0]


def _of_view(view: str, commands: list[str]) -> Iterator[str]:
    grouped = [command for command in commands if re.match(r"stats\b", command, re.IGNORECASE)]
    if view != "table" and not grouped:
        yield f"a {view} needs stats"
    elif view == "timeSeries" and not re.search(r"\b(?:bin|datefloor|dateceil)\s*\(", grouped[-1], re.IGNORECASE):
        yield "a timeSeries needs stats by bin()"
