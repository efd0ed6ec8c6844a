"""What the types of a route do not say: why one calls it, and examples of what is asked, answered and refused."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dyno.errors import DynoError

JSON = "application/json"
NO_VALUE: Mapping[str, Any] = {}
ANSWERS = Path(__file__).parent / "answers"


@dataclass(frozen=True)
class Asked:
    """An example of a request; whatever the route requires is in it."""

    path: Mapping[str, int] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | str | None = None


@dataclass(frozen=True)
class Link:
    """What may be called next: a route, and where in the answer its path's parameters stand."""

    route: str
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """
    An example of an answer, to an example of a request.

    Attributes:
        value: As it comes from the example lab, but for its dates and times.
        asked: A test asks it of a real door, and is answered alike.
        headers: Those beside X-Correlation-Id, of `document.HEADERS`.
        schema: Where the route's own type does not say it.
        replayed: False if the example lab cannot bring it about.
    """

    says: str
    status: int
    value: Any
    asked: Asked = field(default_factory=Asked)
    content_type: str = JSON
    headers: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    links: tuple[Link, ...] = ()
    replayed: bool = True


@dataclass(frozen=True)
class Described:
    """
    One route.

    Attributes:
        route: As `POST /allocations/auto`.
        tag: One of `document.TAGS`.
        says: What a caller should know beside the first line of the function's docstring.
        answers: At least one with a status below 300.
        refused: What it refuses beside what every route of its kind does: errors as they are raised.
        asks_database: Whether an answer takes one, which may be asleep.
        files: Media types of the files it takes; examples of bodies are of the first.
    """

    route: str
    tag: str
    says: str
    answers: tuple[Answer, ...]
    refused: tuple[DynoError, ...] = ()
    asks_database: bool = True
    files: tuple[str, ...] = ()


def sample(name: str) -> Any:
    """A long answer, of a file of its own."""
    return json.loads((ANSWERS / f"{name}.json").read_text())
