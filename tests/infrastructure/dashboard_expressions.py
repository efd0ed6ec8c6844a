"""Whether CloudWatch could read an expression of a graph: metric math, searches, Metrics Insights queries."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.infrastructure import dashboard_search
from tests.infrastructure.dashboard_terms import is_period, is_statistic

FUNCTIONS = {
    "ABS": (1, 1),
    "ANOMALY_DETECTION_BAND": (1, 2),
    "AVG": (1, 1),
    "CEIL": (1, 1),
    "DATAPOINT_COUNT": (1, 1),
    "DATE": (1, 1),
    "DAY": (1, 1),
    "DB_PERF_INSIGHTS": (3, 3),
    "DIFF": (1, 1),
    "DIFF_TIME": (1, 1),
    "EPOCH": (1, 1),
    "FILL": (2, 2),
    "FIRST": (1, 1),
    "FLOOR": (1, 1),
    "HOUR": (1, 1),
    "IF": (2, 3),
    "INSIGHT_RULE_METRIC": (2, 2),
    "LAMBDA": (1, 21),
    "LAST": (1, 1),
    "LOG": (1, 1),
    "LOG10": (1, 1),
    "MAX": (1, 1),
    "METRICS": (0, 1),
    "METRIC_COUNT": (1, 1),
    "MIN": (1, 1),
    "MINUTE": (1, 1),
    "MONTH": (1, 1),
    "PERIOD": (1, 1),
    "RATE": (1, 1),
    "REMOVE_EMPTY": (1, 1),
    "RUNNING_SUM": (1, 1),
    "SEARCH": (2, 3),
    "SERVICE_QUOTA": (1, 1),
    "SLICE": (2, 3),
    "SORT": (3, 4),
    "STDDEV": (1, 1),
    "SUM": (1, 1),
    "TIME_SERIES": (1, 1),
    "YEAR": (1, 1),
}
"""
The least and the most arguments of each function.

Source:
    CloudWatch User Guide, "Using metric math", functions supported for metric math; LAMBDA in "Use your custom data
    source"; DB_PERF_INSIGHTS in the Aurora User Guide, "Amazon CloudWatch metrics for Performance Insights".
"""

WORDS = frozenset({"REPEAT", "LINEAR", "AVG", "MIN", "MAX", "SUM", "ASC", "DESC", "true", "false"})
"""What functions take beside series and numbers."""

_QUOTES = frozenset({"'", '"'})
_OPERATORS = frozenset({"+", "-", "*", "/", "^", "==", "!=", "<=", ">=", "<", ">", "&&", "||", "AND", "OR"})
_TOKEN = re.compile(r"""\s*("[^"]*"|'[^']*'|\d+(?:\.\d+)?|[A-Za-z_]\w*|==|!=|<=|>=|&&|\|\||[-+*/^<>()\[\],])""")
_INSIGHTS = re.compile(
    r"""
    SELECT \s+ (?:AVG|COUNT|MAX|MIN|SUM) \( {name} \)
    \s+ FROM \s+ (?: {name} | SCHEMA \( \s* {name} (?:\s*,\s* {name})* \s* \) )
    (?: \s+ WHERE \s+ {name} \s* (?:!?=) \s* {value} (?: \s+ AND \s+ {name} \s* (?:!?=) \s* {value} )* )?
    (?: \s+ GROUP \s+ BY \s+ {name} (?: \s*,\s* {name} )* )?
    (?: \s+ ORDER \s+ BY \s+ (?:AVG|COUNT|MAX|MIN|SUM) \( \) (?: \s+ (?:ASC|DESC) )? )?
    (?: \s+ LIMIT \s+ \d+ )? \s*
    """.format(name=r'(?:"[^"]+"|[A-Za-z_][\w.]*)', value=r"(?:'[^']*'|\d+)"),
    re.VERBOSE | re.IGNORECASE,
)


class UnreadableError(ValueError):
    """An expression that does not parse; the text says where it stops making sense."""


@dataclass
class Math:
    """
    What an expression of metric math calls and names; made by `parsed`.

    Attributes:
        calls: Functions with the first token of each argument.
        names: Ids and words.
    """

    tokens: list[str]
    calls: list[tuple[str, list[str]]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def expression(self) -> None:
        """
        Reads operands with operators between.

        Raises:
            UnreadableError: One of them is missing.
        """
        self.operand()
        while self.tokens and self.tokens[0] in _OPERATORS:
            self.tokens.pop(0)
            self.operand()

    def operand(self) -> None:
        """
        Reads one operand.

        Raises:
            UnreadableError: There is none.
        """
        token = self._next("an operand")
        if token == "-":
            self.operand()
        elif token == "(":
            self.expression()
            self._close(")")
        elif token == "[":
            self.arguments("]")
        elif re.match(r"[A-Za-z_]", token) and token not in _OPERATORS:
            self.name(token)
        elif not re.match(r"[\d\"']", token):
            raise UnreadableError(f"{token!r} stands where an operand should")

    def name(self, token: str) -> None:
        """Reads a call, or an id."""
        if self.tokens[:1] != ["("]:
            self.names.append(token)
            return
        self.tokens.pop(0)
        if self.tokens[:1] == [")"]:
            self.tokens.pop(0)
            self.calls.append((token, []))
        else:
            self.calls.append((token, self.arguments(")")))

    def arguments(self, close: str) -> list[str]:
        """
        Reads expressions with commas between, up to a bracket; gives the first token of each.

        Raises:
            UnreadableError: The bracket is not closed.
        """
        found: list[str] = []
        while True:
            found += self.tokens[:1]
            self.expression()
            if self.tokens[:1] != [","]:
                self._close(close)
                return found
            self.tokens.pop(0)

    def _close(self, bracket: str) -> None:
        if (token := self._next(repr(bracket))) != bracket:
            raise UnreadableError(f"{token!r} stands where {bracket!r} should")

    def _next(self, wanted: str) -> str:
        if not self.tokens:
            raise UnreadableError(f"it ends where {wanted} should stand")
        return self.tokens.pop(0)


def parsed(expression: str) -> Math:
    """
    An expression of metric math, read.

    Raises:
        UnreadableError: It cannot be.
    """
    math = Math(_tokens(expression))
    math.expression()
    if math.tokens:
        raise UnreadableError(f"{math.tokens[0]!r} stands where an operator should")
    return math


def _tokens(expression: str) -> list[str]:
    found, at = [], 0
    text = expression.rstrip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise UnreadableError(f"no token begins at {text[at:].lstrip()[:20]!r}; is a quote not closed?")
        found.append(token[1])
        at = token.end()
    return found


@dataclass(frozen=True)
class Expression:
    """
    What is to be said of an expression of a graph.

    Attributes:
        ids: What it names of its graph; none if it cannot be read.
        searches: How many it makes.
        is_insights: Whether it is a Metrics Insights query.
    """

    faults: tuple[str, ...] = ()
    ids: frozenset[str] = frozenset()
    searches: int = 0
    is_insights: bool = False


def read(text: str) -> Expression:
    """
    An expression with what is wrong with it by itself; ids are not looked up.

    Source:
        CloudWatch User Guide, "Using metric math" and "Query components and syntax in CloudWatch Metrics Insights".
    """
    if text.lstrip()[:6].upper() == "SELECT":
        known = _INSIGHTS.fullmatch(text.lstrip()) is not None
        return Expression(() if known else ("it is no Metrics Insights query",), is_insights=True)
    try:
        math = parsed(text)
    except UnreadableError as error:
        return Expression((f"it cannot be read: {error}",))
    found = tuple(fault for name, given in math.calls for fault in _of_call(name, given))
    return Expression(found, frozenset(math.names) - WORDS, [name for name, _ in math.calls].count("SEARCH"))


def _of_call(name: str, given: list[str]) -> Iterator[str]:
    if name not in FUNCTIONS:
        yield f"there is no function {name!r}"
        return
    least, most = FUNCTIONS[name]
    if not least <= len(given) <= most:
        yield f"{name} takes {least} to {most} arguments, {len(given)} are given"
    elif name == "SEARCH":
        yield from _of_search(*given)


def _of_search(search: str, statistic: str, period: str = "300") -> Iterator[str]:
    if search[0] in _QUOTES:
        yield from dashboard_search.faults(search[1:-1])
    else:
        yield "SEARCH has no text to look for"
    if statistic[0] not in _QUOTES or not is_statistic(statistic[1:-1]):
        yield f"{statistic} is no statistic"
    if not period.isdecimal() or not is_period(int(period)):
        yield f"{period} is no period"
