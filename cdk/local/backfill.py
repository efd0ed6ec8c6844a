"""The reports of past months reckoned anew by the deployed function, a month at a time."""

import calendar
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cdk.local import invoke, roi, stack
from cdk.local.instance import Instance, LocalStackError


def run(instance: Instance, since: str | None, until: str | None, console: Console) -> Counter[str]:
    """
    Reckon and store each month that says something new, with a progress bar; what was done, by the run's own words.

    Args:
        since: A day of the first month, YYYY-MM-DD; None for the first with a booking or a refusal.
        until: One of the last; None for today.
    Raises:
        LocalStackError: Nothing runs, a day is written otherwise, or the function failed; earlier months stay stored.
    """
    running = stack.running(instance)
    first = _day(since) if since else _first_day(instance)
    last = _day(until) if until else datetime.now(UTC).date()
    if last < first:
        raise LocalStackError(f"there is nothing to reckon from {first} to {last}")
    done: Counter[str] = Counter()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        spans = list(months(first, last))
        task = progress.add_task("reckoning", total=len(spans))
        for begin, end in spans:
            progress.update(task, description=f"{begin:%Y-%m}")
            done.update(invoke.call(running, "roi", {"since": begin.isoformat(), "until": end.isoformat()}))
            progress.advance(task)
    console.print(verdict(done), highlight=False)
    return done


def months(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The days from one to another, a calendar month at a time."""
    while first <= last:
        end = min(last, first.replace(day=calendar.monthrange(first.year, first.month)[1]))
        yield first, end
        first = end + timedelta(days=1)


def verdict(done: Counter[str]) -> str:
    """What it came to, in a sentence."""
    if not done["stored_months"]:
        return f"{_counted(done['months'], 'month')} reckoned; nothing says anything else than before."
    return (
        f"{_counted(done['months'], 'month')} reckoned; {_counted(done['stored_months'], 'month')} and "
        f"{_counted(done['stored_days'], 'day')} said something new and have a new revision."
    )


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise LocalStackError(f"{text!r} is no day: write it YYYY-MM-DD") from error


def _first_day(instance: Instance) -> date:
    with roi.client_of(instance) as client:
        start = roi.first_day(client)
    if start is None:
        raise LocalStackError("nothing was booked or refused so far; fill the lab with: make demo")
    return date.fromisoformat(start)
