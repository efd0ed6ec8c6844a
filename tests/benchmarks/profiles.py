"""Why something takes as long as it does: where a process, or the database, spends its time."""

import cProfile
import pstats
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from threading import Event, Thread
from typing import Any
from unittest.mock import patch

import pg8000.native
from sqlalchemy import Engine

from cdk.local import postgres
from dyno import driver

MOST = 10
"""Lines that a profile has."""

EVERY_S = 0.01

TELL_EVERYTHING = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_analyze": "on",
    "client_min_messages": "log",
}
"""Has a database tell its clients how long each statement took, those within functions too."""

_TOLD = re.compile(r"duration: ([0-9.]+) ms  plan:\nQuery Text: (.*?)\n[A-Z][^\n]*\(cost", re.DOTALL)

_WAITS = """
    select coalesce(wait_event_type || ' ' || wait_event, 'at work') from pg_stat_activity
     where datname = :name and state = 'active' and pid <> pg_backend_pid()
"""


def of_process(work: Callable[[], object]) -> str:
    """The functions of this process that take most of the time of some work, by their own share of it."""
    profile, out = cProfile.Profile(), StringIO()
    profile.runcall(work)
    stats = pstats.Stats(profile, stream=out).strip_dirs().sort_stats("tottime")
    stats.print_stats(MOST)
    return out.getvalue().partition("\n\n")[2].strip()


def of_statements(over: Engine, calls: Iterable[Callable[[], object]]) -> str:
    """The statements that take most of the time of some calls; a statement's time has that of those within it."""
    took_ms: defaultdict[str, list[float]] = defaultdict(list)
    for call in calls:
        # The service looks through what it was told, and forgets it.
        with patch.object(driver.Connection, "was_told", return_value=False):
            call()
        with over.connect() as connection:
            notices: Any = connection.connection.driver_connection.notices  # type: ignore[union-attr]
            for statement, one_took_ms in _told(notices):
                took_ms[statement].append(one_took_ms)
            notices.clear()
    longest = sorted(took_ms.items(), key=lambda item: -sum(item[1]))[:MOST]
    return "\n".join(f"{sum(each):9.3f} ms in {len(each):5} of  {statement}" for statement, each in longest)


@contextmanager
def of_waits(port: int, database: str, seen: Counter[str]) -> Iterator[None]:
    """Note what the sessions of a database wait for, again and again until the end of the block."""
    stop = Event()

    def look() -> None:
        connection = postgres.connect(port)
        try:
            while not stop.wait(EVERY_S):
                seen.update(_waits(connection, database))
        finally:
            connection.close()

    thread = Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def told(seen: Mapping[str, int]) -> str:
    """What was seen, as shares."""
    every = max(sum(seen.values()), 1)
    longest = sorted(seen.items(), key=lambda item: -item[1])[:MOST]
    return "\n".join(f"{100 * number / every:5.1f} %  {waiting}" for waiting, number in longest)


def _waits(connection: pg8000.native.Connection, database: str) -> list[str]:
    return [str(waiting) for (waiting,) in connection.run(_WAITS, name=database)]


def _told(notices: Iterable[Mapping[bytes, bytes]]) -> Iterator[tuple[str, float]]:
    for notice in list(notices):
        if found := _TOLD.search(notice.get(b"M", b"").decode()):
            yield " ".join(found[2].split())[:110], float(found[1])
