"""Which test a row asks for: its days, how late it may begin, and by what it is known when it comes again."""

import hashlib
import json
import math
from fractions import Fraction

from dyno.imports.model import Request

MAX_SHIFT_DAYS = 90
SHIFT_DAYS = 7
"""How many days later than wanted a test may begin, if nobody says by when it is to be done."""

OVER = frozenset(
    {"cancelled", "canceled", "closed", "complete", "completed", "done", "finished", "lapsed", "rejected", "withdrawn"}
)
"""What a sheet calls a test that nobody waits for."""


def days(request: Request) -> int:
    """How many whole days it takes; 0 if the sheet does not say."""
    if request.days_to_complete is not None:
        return request.days_to_complete
    if request.miles is None or not request.miles_per_day:
        return 0
    return math.ceil(Fraction(request.miles, request.miles_per_day)) + request.added_days


def work(request: Request) -> dict[str, int] | None:
    """What the days are reckoned from; None if they were given."""
    if request.days_to_complete is not None or request.miles is None or request.miles_per_day is None:
        return None
    return {
        "miles": request.miles,
        "miles_per_day": request.miles_per_day,
        "added_days": request.added_days,
        "days_to_complete": days(request),
    }


def shift_days(request: Request) -> int:
    """How many days later than wanted it may begin; negative if it cannot be done by the day it is due."""
    if request.due_date is None:
        return SHIFT_DAYS
    return min((request.due_date - request.start_date).days - days(request) + 1, MAX_SHIFT_DAYS)


def identity(request: Request) -> bytes:
    """By what a test is known when it comes again: the vehicle, the test, its days, and when it is wanted and due."""
    due = request.due_date.isoformat() if request.due_date else None
    known_by = [request.vin, request.test_type, request.start_date.isoformat(), due, days(request)]
    return hashlib.sha256(json.dumps(known_by).encode()).digest()


def is_over(request: Request) -> bool:
    """Whether the sheet says that nobody waits for it any more."""
    return _status(request) in OVER


def is_held(request: Request) -> bool:
    """Whether the sheet says that its days are only held."""
    return _status(request) == "held"


def is_under_way(request: Request) -> bool:
    """Whether the sheet says that it has begun."""
    return _status(request) == "in_progress"


def _status(request: Request) -> str:
    return "_".join((request.status or "").lower().split())
