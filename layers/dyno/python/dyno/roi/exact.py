"""The room's kinds of values: numbers that stay what was written, days, texts; and its two kinds of objects."""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints


def _exact(given: object) -> object:
    """A JSON number as it was written; no text, and neither true nor false."""
    if isinstance(given, bool) or not isinstance(given, int | float | Decimal):
        raise ValueError("a number is wanted, without quotes")  # noqa: TRY004  # pydantic turns it into a fault
    exact = Decimal(repr(given)) if isinstance(given, float) else Decimal(given)
    return exact or Decimal(0)  # there is a negative zero, too, and nobody wants to read it


def _day(given: object) -> object:
    """ISO 8601 calendar dates only: no times, no numbers of seconds."""
    if not isinstance(given, str):
        return given
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
        raise ValueError("a date is written YYYY-MM-DD")
    return date.fromisoformat(given)


def _on_one_line(given: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", given):
        raise ValueError("a text is one line, without control characters")
    return given


def _plain(exact: Decimal) -> int | float:
    return int(exact) if exact == exact.to_integral_value() else float(exact)


# Shown as JSON numbers: up to 15 digits, as money below ten trillion has, a double gives back what was written.
_AS_NUMBER = PlainSerializer(_plain, return_type=int | float, when_used="json")
Exact = Annotated[Decimal, BeforeValidator(_exact), _AS_NUMBER]
Usd = Annotated[Exact, Field(ge=0, le=10**12, decimal_places=2)]
UsdPerMonth = Annotated[Exact, Field(ge=0, le=10**10, decimal_places=2)]
Quantity = Annotated[Exact, Field(ge=0, le=10**9, decimal_places=6)]
Ratio = Annotated[Exact, Field(ge=0, le=1, decimal_places=6)]
Day = Annotated[date, BeforeValidator(_day)]
Text = Annotated[
    str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True), AfterValidator(_on_one_line)
]


class Strict(BaseModel):
    """What clients send: exact types, no field we do not know."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Shown(BaseModel):
    """What clients are shown."""

    model_config = ConfigDict(frozen=True)
