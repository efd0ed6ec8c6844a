"""Long lists, a page at a time: ordered by id, continued by an opaque cursor."""

import base64
import binascii
from collections.abc import Sequence
from typing import Generic, TypeVar

from pydantic import BaseModel

from dyno.errors import InvalidRequest

DEFAULT_LIMIT = 50
MAX_LIMIT = 500

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """Some items, and the cursor of the next page; null on the last one."""

    items: list[T]
    next_cursor: str | None


def page(rows: Sequence[tuple[int, T]], limit: int) -> Page[T]:
    """
    A page of at most `limit` items.

    Args:
        rows: (id, item) in order of id; one more than `limit` tells that there is a next page.
    """
    more = len(rows) > limit
    return Page(items=[item for _, item in rows[:limit]], next_cursor=cursor(rows[limit - 1][0]) if more else None)


def cursor(last_id: int) -> str:
    """The URL-safe cursor that continues behind an id."""
    return base64.urlsafe_b64encode(f"id:{last_id}".encode()).decode().rstrip("=")


def after(cursor: str | None) -> int:
    """
    The id a cursor continues behind; 0 without one.

    Raises:
        InvalidRequest: Not a cursor of ours.
    """
    if cursor is None:
        return 0
    try:
        kind, _, number = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii").partition(":")
        if kind == "id" and number.isdecimal() and int(number) < 2**63:
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise InvalidRequest("cursor is not one this service gave out; leave it away to start anew")
