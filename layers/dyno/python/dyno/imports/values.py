"""Cells to values: read right, or refused with what would be right."""

import re
import unicodedata
from collections.abc import Mapping as ReadOnly
from datetime import date, datetime, timedelta
from typing import TypeGuard

from dyno import text as texts
from dyno.imports.model import DateOrder
from dyno.imports.reading import Cell, Unreckoned

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
"""What is neither is a slip: a serial number that is none, or a year with a digit too few."""
_SHOWN_CHARACTERS = 60
_MOST_CHARACTERS = 1_000

_NOTHING = re.compile(
    r"#+|#(n/a|ref!|value!|div/0!|name\?|null!|num!|spill!|calc!|getting_data|field!|blocked!|connect!|busy!|unknown!)|"
    r"err(or)?\b.*|no dyno\b.*|n/?a|none|tbd|tba|to be (determined|announced|defined)|unassigned|"
    r"not (assigned|available|scheduled)|unavailable|pending|[-–—?.]+",
    re.IGNORECASE,
)
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?", re.ASCII)
_NUMBERS = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})", re.ASCII)
_DAY_MONTH = re.compile(r"(\d{1,2})[ -]([a-z]{3,9})\.?,?[ -](\d{4})", re.ASCII | re.IGNORECASE)
_MONTH_DAY = re.compile(r"([a-z]{3,9})\.?[ -](\d{1,2}),?[ -](\d{4})", re.ASCII | re.IGNORECASE)
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_WHOLE = re.compile(r"(\d{1,3}(?:,\d{3})+|\d{1,12})(?:\.0)?(?: ?([a-z]+)\.?)?", re.ASCII | re.IGNORECASE)
_CLASS = re.compile(r"(<=|<|≤|>)10(k|,?000)(?:lbs?|pounds)?", re.IGNORECASE)
_EVERY = {"any", "all", "both", "every"}
_YES = {"true", "yes", "y", "1", "enabled", "active", "up", "in service"}
_NO = {"false", "no", "n", "0", "disabled", "inactive", "down", "out of service"}

DAYS = frozenset({"d", "day", "days"})
MILES = frozenset({"mi", "mile", "miles"})
POUNDS = frozenset({"lb", "lbs", "pound", "pounds"})


class Refused(Exception):
    """A cell that is not what its column says; `code` is stable, the text says what would be right."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def shown(cell: Cell) -> str:
    """A cell as it may stand in a report."""
    if isinstance(cell, Unreckoned):
        return cell.value
    said = texts.storable(str(cell))
    return repr(said if len(said) <= _SHOWN_CHARACTERS else said[:_SHOWN_CHARACTERS] + "…")


def one_spaced(said: str) -> str:
    """A text without spaces around it and with one between its words, whatever spaces they were."""
    return " ".join(said.split())


def same(name: str) -> str:
    """What two spellings of one name have in common: spaces and case make no difference."""
    return one_spaced(unicodedata.normalize("NFKC", name)).casefold()


def says_nothing(cell: Cell) -> TypeGuard[str]:
    """Whether a cell has an error, or a word for nothing yet: #N/A, ERROR: …, No dyno available, TBD."""
    return isinstance(cell, str) and len(cell) <= _MOST_CHARACTERS and bool(_NOTHING.fullmatch(one_spaced(cell)))


def text(cell: Cell) -> str:
    """A name or a remark; whole numbers are names, too."""
    _refuse_unreckoned(cell)
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:  # noqa: PLR2004  # exact up to there
        cell = int(cell)
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    if not isinstance(cell, str):
        what = f"{shown(cell)} is a {type(cell).__name__}"
        raise Refused("not_text", f"{what}; format the cell as text and write the name")
    said = one_spaced(cell)
    if len(said) > _MOST_CHARACTERS:
        raise Refused("too_long", f"{len(said):,} characters are too many")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in said):
        raise Refused("control_character", f"{shown(cell)} has a character that cannot be seen; write it anew")
    return said


def vin(cell: Cell) -> str:
    """A vin without spaces, in capitals; its form is for the registry's model to judge."""
    if isinstance(cell, int | float):
        raise Refused("vin_as_number", f"{cell} is a number, and may have lost digits; format the cell as text")
    return "".join(text(cell).split()).upper()


def names(cell: Cell) -> tuple[str, ...]:
    """Names with commas, semicolons or new lines between them, each once."""
    _refuse_unreckoned(cell)
    parts = re.split(r"[,;\n]", cell) if isinstance(cell, str) else [cell]
    found: dict[str, str] = {}
    for part in parts:
        if said := text(part):
            found.setdefault(same(said), said)
    return tuple(found.values())


def whole(cell: Cell, units: frozenset[str] = frozenset()) -> int:
    """A whole number, maybe with a comma between thousands and its unit behind it."""
    _refuse_unreckoned(cell)
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:  # noqa: PLR2004  # exact up to there
        return int(cell)
    if isinstance(cell, int) and not isinstance(cell, bool):
        return cell
    found = _WHOLE.fullmatch(one_spaced(cell)) if isinstance(cell, str) and len(cell) <= _SHOWN_CHARACTERS else None
    unit = (found[2] or "").casefold() if found else ""
    if found is None or (unit and unit not in units):
        wanted = f", in {max(sorted(units), key=len)}" if units else ""
        raise Refused("not_a_whole_number", f"{shown(cell)} is no whole number{wanted}; write as 1200")
    return int(found[1].replace(",", ""))


def weight(cell: Cell) -> int | str:
    """A weight in pounds, or the class `<10K` or `>10K` where the sheet knows no more."""
    if isinstance(cell, str) and (found := _class(cell)):
        return found
    try:
        return whole(cell, POUNDS)
    except Refused as refused:
        if refused.code != "not_a_whole_number":
            raise
        right = "write pounds as 9128, or the class as <10K (up to and including 10,000) or >10K"
        raise Refused("not_a_weight", f"{shown(cell)} is no weight; {right}") from refused


def weight_class_or_any(cell: Cell) -> str:
    """`<10K`, `>10K` or `any`; anything else as it is, for the model to refuse."""
    said = text(cell)
    return _class(said) or any_word(said)


def any_word(said: str) -> str:
    """`any` for the words that people write for it."""
    return "any" if said.casefold() in _EVERY else said


def _class(said: str) -> str | None:
    found = _CLASS.fullmatch("".join(said[:_SHOWN_CHARACTERS].split()))
    return None if found is None else ">10K" if found[1] == ">" else "<10K"


def yes(cell: Cell) -> bool:
    """True or false, in the words people write."""
    if isinstance(cell, bool):
        return cell
    said = text(cell).casefold()
    if said not in _YES | _NO:
        raise Refused("not_yes_or_no", f"{shown(cell)} is neither yes nor no; write yes or no")
    return said in _YES


def day(cell: Cell, order: DateOrder, day_zero: date | None) -> date:
    """
    A date, whatever the time of day behind it.

    Args:
        order: How it is written where it is text.
        day_zero: Of a workbook, what the number 0 stands for where a date is a number.
    """
    _refuse_unreckoned(cell)
    if isinstance(cell, datetime):
        found = cell.date()
    elif isinstance(cell, date):
        found = cell
    elif isinstance(cell, int | float) and not isinstance(cell, bool):
        found = _of_serial(cell, day_zero)
    elif isinstance(cell, str):
        found = _of_text(one_spaced(cell[:_MOST_CHARACTERS]), order)
    else:
        raise Refused("not_a_date", f"{shown(cell)} is no date; write it as 2027-01-04")
    if not FIRST_DAY <= found <= LAST_DAY:
        raise Refused("date_out_of_range", f"{found} is not between {FIRST_DAY} and {LAST_DAY}; from {shown(cell)}")
    return found


def _of_serial(number: float, day_zero: date | None) -> date:
    # Day 60 of 1900 never was, though the count has it; what is read at all lies far behind it.
    latest = (LAST_DAY - day_zero).days + 1 if day_zero else 0
    if day_zero is None or not 0 < number < latest:
        raise Refused("not_a_date", f"{number} is no date; write it as 2027-01-04")
    return day_zero + timedelta(days=int(number))


def _of_text(said: str, order: DateOrder) -> date:
    if found := _ISO.fullmatch(said):
        return _date(said, *map(int, found.groups()[:3]))
    if order is not DateOrder.NONE:
        if found := _DAY_MONTH.fullmatch(said):
            return _date(said, int(found[3]), _month(said, found[2]), int(found[1]))
        if found := _MONTH_DAY.fullmatch(said):
            return _date(said, int(found[3]), _month(said, found[1]), int(found[2]))
    found = _NUMBERS.fullmatch(said)
    if found is None:
        right = "" if order is DateOrder.NONE else f", or in the order {order}"
        raise Refused("not_a_date", f"{shown(said)} is no date; write it as 2027-01-04{right}")
    if order is DateOrder.NONE:
        right = "write it as 2027-01-04, make it a date in the workbook, or say date_order"
        raise Refused("ambiguous_date", f"{shown(said)} could be one day or another; {right}")
    return _in_order(said, (found[1], found[3], found[4]), order)


def _in_order(said: str, numbers: tuple[str, str, str], order: DateOrder) -> date:
    parts: ReadOnly[str, str] = dict(zip(order, numbers, strict=True))
    if len(parts["y"]) not in {2, 4} or any(len(parts[part]) > 2 for part in "md"):  # noqa: PLR2004
        raise Refused("not_a_date", f"{shown(said)} is no date in the order {order}; or write it as 2027-01-04")
    year = int(parts["y"]) + (2000 if len(parts["y"]) == 2 else 0)  # noqa: PLR2004
    return _date(said, year, int(parts["m"]), int(parts["d"]))


def _month(said: str, word: str) -> int:
    starts = [number for number, name in enumerate(_MONTHS, start=1) if name.startswith(word.casefold())]
    if word.casefold() == "sept":
        return 9
    if len(starts) != 1 or (len(word) > 3 and word.casefold() not in _MONTHS):  # noqa: PLR2004
        raise Refused("not_a_date", f"{shown(said)} names no month; write it as 2027-01-04")
    return starts[0]


def _date(said: str, year: int, month: int, of_month: int) -> date:
    try:
        return date(year, month, of_month)
    except ValueError as error:
        raise Refused(
            "not_a_date", f"{shown(said)} is no day of the calendar, read as {year}-{month}-{of_month}"
        ) from error


def _refuse_unreckoned(cell: Cell) -> None:
    if isinstance(cell, Unreckoned):
        right = "open and save the workbook in a spreadsheet program, or write the value"
        raise Refused("formula_without_value", f"a formula that was never reckoned; {right}")
    if isinstance(cell, str) and cell.startswith("#") and says_nothing(cell):
        raise Refused(
            "error_value", f"{shown(cell)} is an error of the spreadsheet; mend the formula or write the value"
        )
