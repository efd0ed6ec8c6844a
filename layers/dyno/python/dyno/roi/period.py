"""From what is asked of a report to its days, by calendar month and by what is assumed on them."""

import calendar
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dyno.errors import InvalidRequest
from dyno.roi.assumed import AssumptionsRow
from dyno.roi.facts import Asked, PeriodKind, Span

FINAL_AFTER = timedelta(hours=24)
"""A booking cancelled within that time of its creation never counted; behind it, nothing can change."""

FIRST_YEAR, LAST_YEAR = 1970, 9998
_SHARE = Decimal("0.000001")


class Segment(NamedTuple):
    """Days of one calendar month on which one row of assumptions is in force; `months` is their share of the month."""

    start_date: date
    end_date: date
    months: Decimal
    row: AssumptionsRow


def asked(
    *,
    month: str | None = None,
    day: date | None = None,
    start: date | None = None,
    end: date | None = None,
    revision: int | None = None,
) -> Asked:
    """
    A month, a day, the days from one to another, or everything.

    Args:
        month: YYYY-MM.
        start: First day; `end`, the last, is today unless said.
    Raises:
        InvalidRequest: Two periods at once, a last day alone, an end before the beginning, a revision of what has none.
    """
    if (month is not None) + (day is not None) + bool(start or end) > 1:
        raise _refused(
            "month" if month is not None else "day", "is a period by itself: say month, or day, or from and to"
        )
    if end and not start:
        raise _refused("to", "needs a from")
    if start and end and end < start:
        raise _refused("to", "lies before from; both days are in the period")
    if revision and month is None and day is None:
        raise _refused("revision", "is of a month or a day: say which, too")
    for name, given in (("day", day), ("from", start), ("to", end)):
        if given and not FIRST_YEAR <= given.year <= LAST_YEAR:
            raise _refused(name, f"lies beyond the years {FIRST_YEAR} to {LAST_YEAR}")
    if month is not None:
        return month_of(_first_of(month)).model_copy(update={"revision": revision})
    if day:
        return day_of(day).model_copy(update={"revision": revision})
    return Asked(kind=PeriodKind.RANGE if start else PeriodKind.ALL, start_date=start, end_date=end)


def month_of(day: date) -> Asked:
    """The calendar month a day lies in."""
    first = day.replace(day=1)
    return Asked(kind=PeriodKind.MONTH, start_date=first, end_date=last_of(first))


def day_of(day: date) -> Asked:
    """A day by itself."""
    return Asked(kind=PeriodKind.DAY, start_date=day, end_date=day)


def last_of(day: date) -> date:
    """The last day of its month."""
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def months(first: date, last: date) -> Iterator[date]:
    """The first days of the calendar months from one day's to another's."""
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = last_of(month) + timedelta(days=1)


def span(wanted: Asked, first_day: date | None, zone: ZoneInfo, now: datetime) -> Span:
    """
    The days a report is about.

    Args:
        first_day: Where everything begins; None if there is nothing yet.
    """
    start = wanted.start_date or first_day
    end = wanted.end_date or (max(start, now.astimezone(zone).date()) if start else None)
    complete = end is not None and now >= end_of(end, zone) + FINAL_AFTER
    return Span(kind=wanted.kind, start_date=start, end_date=end, complete=complete)


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """The first moment behind a day of the lab."""
    return datetime.combine(day + timedelta(days=1), time(), zone)


def segments(of: Span, rows: Sequence[AssumptionsRow], today: date) -> Iterator[Segment]:
    """
    The days of a period that have come, by month and by what is assumed, in order.

    Args:
        rows: In order of their first day; the first is for all days before the second's.
    """
    if of.start_date is None or of.end_date is None:
        return
    last = min(of.end_date, today)
    for month in months(of.start_date, last):
        first_day, last_day = max(of.start_date, month), min(last, last_of(month))
        for row, following in zip(rows, [*rows[1:], None], strict=True):
            begin = max(first_day, row.valid_from)
            end = min(last_day, following.valid_from - timedelta(days=1)) if following else last_day
            if begin <= end:
                yield Segment(begin, end, _share(month, end.day) - _share(month, begin.day - 1), row)


def _share(month: date, days: int) -> Decimal:
    """The first days' share of a month; differences of these add up to 1, however the month is divided."""
    return (Decimal(days) / last_of(month).day).quantize(_SHARE, ROUND_HALF_UP)


def _first_of(month: str) -> date:
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise _refused("month", "is written YYYY-MM, as 2026-11") from error
    if not FIRST_YEAR <= first.year <= LAST_YEAR:
        raise _refused("month", f"lies beyond the years {FIRST_YEAR} to {LAST_YEAR}")
    return first


def _refused(parameter: str, message: str) -> InvalidRequest:
    return InvalidRequest.of(f"query.{parameter}", message)
