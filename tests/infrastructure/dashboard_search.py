"""Whether CloudWatch could read a search for metrics: a schema in braces, terms after it, or either alone."""

import re
from collections.abc import Iterator

LONGEST = 1024
"""Characters."""

_NAME = r'(?:"[^"]+"|[\w/.#-]+)'
_SCHEMA = re.compile(rf"\s*\{{\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\}}\s*,?")
_EXACT = r'"(?:\\.|[^"\\])+"'
_TERM = re.compile(rf'\s*([()]|(?:{_EXACT}|[^\s"(){{}},=]+)(?:\s*=\s*(?:{_EXACT}|[^\s"(){{}},=]+))?)')


def faults(search: str) -> Iterator[str]:
    """
    What is wrong with a search.

    Source:
        CloudWatch User Guide, "CloudWatch search expression syntax".
    """
    if len(search) > LONGEST:
        yield f"the search has {len(search)} characters, {LONGEST} at most"
    schema = _SCHEMA.match(search)
    if schema is None and search.lstrip().startswith("{"):
        yield "the search's schema is no list of names in braces"
        return
    text = search[schema.end() if schema else 0 :].rstrip()
    terms = _terms(text)
    if terms is None:
        yield f"the search's terms cannot be read: {text.strip()!r}"
    elif terms:
        yield from _of_terms(terms)
    elif schema is None:
        yield "the search looks for nothing"


def _terms(text: str) -> list[str] | None:
    """Terms, operators and parentheses; None if there is anything else, as a quote that is not closed."""
    found, at = [], 0
    while at < len(text):
        term = _TERM.match(text, at)
        if term is None:
            return None
        found.append(term[1])
        at = term.end()
    return found


def _of_terms(terms: list[str]) -> Iterator[str]:
    depth, wanting = 0, True
    for term in terms:
        if term in {"AND", "OR", ")"} and wanting:
            yield f"the search has nothing for {term!r} to go with"
        if term in {"and", "or", "not"}:
            yield f"the search has {term!r} for a term; the operator is {term.upper()!r}"
        depth += (term == "(") - (term == ")")
        if depth < 0:
            break
        wanting = term in {"AND", "OR", "NOT", "("}
    if depth:
        yield "the search's parentheses do not balance"
    elif wanting:
        yield f"the search ends in {terms[-1]!r}"
