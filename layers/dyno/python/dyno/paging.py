"""Long lists, a page at a time: ordered by ids, continued by an opaque cursor."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Generic, TypeVar

from pydantic import BaseModel

from dyno.errors import InvalidRequest

DEFAULT_LIMIT = 50
MAX_LIMIT = 500

T = TypeVar("T")
Position = tuple[int, ...]
"""Where an item stands in its list: what the list is ordered by."""


class Page(BaseModel, Generic[T]):
    """Some items, and the cursor of the next page; null on the last one."""

    items: list[T]
    next_cursor: str | None


def page(rows: Sequence[tuple[Position, T]], limit: int) -> Page[T]:
    """
    A page of at most `limit` items.

    Args:
        rows: (position, item) in order of position; one more than `limit` tells that there is a next page.
    """
    more = len(rows) > limit
    return Page(items=[item for _, item in rows[:limit]], next_cursor=cursor(rows[limit - 1][0]) if more else None)


def cursor(position: Position) -> str:
    """The URL-safe cursor that continues behind a position."""
    return base64.urlsafe_b64encode(b"at:" + ".".join(map(str, position)).encode()).decode().rstrip("=")


def after(cursor: str | None, length: int = 1) -> Position:
    """
    The position a cursor continues behind; zeros without one.

    Raises:
        InvalidRequest: Not a cursor this list gave out.
    """
    if cursor is None:
        return (0,) * length
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    numbers = text.removeprefix("at:").split(".")
    if text.startswith("at:") and len(numbers) == length and all(map(_is_id, numbers)):
        return tuple(map(int, numbers))
    raise InvalidRequest("cursor is not one this list gave out; leave it away to start anew")


def _is_id(text: str) -> bool:
    return re.fullmatch("[0-9]{1,19}", text) is not None and int(text) < 2**63
