"""From what is asked of a report to its period."""

import re
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from dyno.errors import InvalidRequest
from dyno.metrics.model import MAX_HOURS, MAX_RAW_HOURS, Moment, Outcome, Period, ReportSource

DEFAULT_HOURS = 24
MAX_YEAR = 9998
"""Rollups are of whole hours, and the calendar's last has no end within it."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def _written_out(given: object) -> object:
    # Pydantic takes seconds since 1970, too.
    if isinstance(given, str) and not _INSTANT.fullmatch(given):
        raise ValueError(
            "an instant is written 2026-05-04T10:30:00Z, or with +02:00 for the Z; a URL has %2B for the +"
        )
    return given


def _before_the_end(moment: datetime) -> datetime:
    if moment.year > MAX_YEAR:
        raise ValueError(f"no report goes beyond the year {MAX_YEAR}")
    return moment


Instant = Annotated[Moment, BeforeValidator(_written_out), AfterValidator(_before_the_end)]
"""A moment of a query, in ISO 8601 with an offset."""


def period(
    *,
    now: datetime,
    hours: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    source: ReportSource = "rollup",
    service: str | None = None,
    method: str | None = None,
    outcome: Outcome | None = None,
) -> Period:
    """
    The last hours, 24 unless said, or what lies from one moment to another, or to now.

    Args:
        hours: 1 to MAX_HOURS.
    Raises:
        InvalidRequest: Hours and moments, a last moment alone, an end before the beginning, or too long for its source.
    """
    if hours is not None and (since or until):
        raise _refused("hours", "counts back from now: say either hours, or from and to")
    if since is None and until is not None:
        raise _refused("to", "needs a from")
    end = until or now
    begin = since or end - timedelta(hours=hours or DEFAULT_HOURS)
    if begin >= end:
        raise _refused("from", "lies before to, which is now unless said")
    _check_length(end - begin, source)
    return Period(begin, end, service, method, outcome)


def _check_length(length: timedelta, source: ReportSource) -> None:
    if length > timedelta(hours=MAX_HOURS):
        raise _refused("from", f"lies at most {MAX_HOURS} hours before to")
    if source == "raw" and length > timedelta(hours=MAX_RAW_HOURS):
        raise _refused("source", f"raw is for at most {MAX_RAW_HOURS} hours; rollup is for up to {MAX_HOURS}")


def _refused(parameter: str, message: str) -> InvalidRequest:
    return InvalidRequest.of(f"query.{parameter}", message)
