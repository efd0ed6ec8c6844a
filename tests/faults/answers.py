"""What somebody is answered while something is broken, and what is not as it is to be of that."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dyno.http import problem
from tests.functions.conftest import Answer

LIMIT_S = 10
"""Of wall clock: whoever is to come back is told so by then."""

CRASH = 502
"""What the gateway says where a function broke."""


@dataclass(frozen=True)
class Told:
    """An answer, and how long it took."""

    answer: Answer
    took_s: float

    @property
    def status(self) -> int:
        """The answer's."""
        return self.answer.status

    @property
    def body(self) -> Any:  # JSON
        """The answer's."""
        return self.answer.body


def by_the_door(knock: Callable[[], Answer]) -> Told:
    """What the gateway would pass on of a door."""
    begun = time.monotonic()
    try:
        answer = knock()
    except Exception as error:  # noqa: BLE001  # as Lambda does
        answer = Answer(CRASH, {}, repr(error))
    return Told(answer, time.monotonic() - begun)


def by_the_room(work: Callable[[], object]) -> Told:
    """What a door would make of a room's work; unlike doors, rooms may be asked by many at once."""
    begun = time.monotonic()
    try:
        work()
    except Exception as error:  # noqa: BLE001  # as the door does
        took_s = time.monotonic() - begun
        said = problem(error)
        headers = {name: str(value) for name, value in said.headers.items()}
        return Told(Answer(said.status_code, headers, json.loads(str(said.body))), took_s)
    return Told(Answer(200, {}, None), time.monotonic() - begun)


def amiss(told: Told, limit_s: float = LIMIT_S) -> list[str]:
    """What is wrong with an answer that is to send somebody away for a while."""
    retry_after = told.answer.headers.get("Retry-After", "")
    return [
        *([] if told.status == 503 else [f"is {told.status}: {told.body}"]),
        *([] if retry_after.isdecimal() else ["does not say when to come back"]),
        *([] if told.took_s <= limit_s else [f"took {told.took_s:.1f} s"]),
    ]
