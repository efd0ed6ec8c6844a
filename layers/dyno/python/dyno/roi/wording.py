"""Numbers, days and codes as people read them."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal

UNDEFINED = "–"

_Figure = Decimal | float | None
_WIDE = Context(prec=60)  # the largest figures that can be assumed have 31 digits, three more than the usual one takes


def money(amount_usd: Decimal | None) -> str:
    """$1,456.67, -$0.50."""
    if amount_usd is None:
        return UNDEFINED
    sign = "-" if amount_usd < 0 else ""
    return f"{sign}${number(abs(amount_usd), 2)}"


def hours(exact: Decimal) -> str:
    """1,234.5 h."""
    return with_unit(exact, "h")


def percent(exact: _Figure) -> str:
    """12.3 %, of 12.345."""
    return with_unit(exact, "%")


def rate(exact: float | None, part: int, total: int) -> str:
    """66.7 % (2 of 3)."""
    return f"{percent(exact)} ({whole(part)} of {whole(total)})"


def whole(of: int) -> str:
    """12,345."""
    return f"{of:,}"


def number(exact: Decimal | float, digits: int) -> str:
    """1,234.5, half a digit away from 0, as the model rounds, and not to even, as Python does."""
    rounded = Decimal(str(exact)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _WIDE)
    return f"{rounded or abs(rounded):,}"


def plain(exact: Decimal) -> str:
    """Digit for digit as it was given: 4, 4.5."""
    return f"{exact.normalize():,f}"


def instant(at: datetime) -> str:
    """2026-11-24 09:30 UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def words(name: str) -> str:
    """A code as it is spoken: no_dyno_available, no dyno available."""
    return name.replace("_", " ")


def with_unit(exact: _Figure, unit: str) -> str:
    """7.3 ms, kept on one line."""
    return UNDEFINED if exact is None else f"{number(exact, 1)}\N{NO-BREAK SPACE}{unit}"
