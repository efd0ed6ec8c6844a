"""The last word of a call that runs into the function's deadline."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from dyno.metrics.calls import close_as_timeout, resume

MARGIN_MS = 200
"""How long before the deadline the open calls are closed: time to write them before the environment is stopped."""


@dataclass(frozen=True, slots=True)
class _Watch:
    began_s: float
    closes_s: float


class _Watchdog:
    """One thread for the life of the environment; it sleeps until a deadline is near."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self._changed = threading.Condition()
        self._watches: list[_Watch] = []
        self._thread: threading.Thread | None = None

    def arm(self, watch: _Watch) -> None:
        with self._changed, suppress(RuntimeError):  # no thread to be had: then a timeout leaves no line
            self._watches.append(watch)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="dyno-deadline", daemon=True)
                self._thread.start()
            # Woken even if it is asleep for an earlier deadline: after a freeze its timer may run late.
            self._changed.notify()

    def disarm(self, watch: _Watch) -> None:
        with self._changed, suppress(ValueError):  # it has fired
            self._watches.remove(watch)

    def _run(self) -> None:
        # The lock is let go only while it waits: an invocation ends before its calls are looked at or after they are
        # closed, so that none of the next one's is taken for them.
        with self._changed:
            while True:
                # Of invocations in one another, in whatever order they end, each keeps its own.
                watch = min(self._watches, key=lambda each: each.closes_s, default=None)
                left_s = None if watch is None else watch.closes_s - time.perf_counter()
                if watch is None or left_s is None or left_s > 0:
                    self._changed.wait(left_s)
                    continue
                self._watches.remove(watch)
                with suppress(Exception):  # the next invocation needs the thread
                    close_as_timeout(watch.began_s)


_watchdog = _Watchdog()
os.register_at_fork(after_in_child=_watchdog.renew)  # a fork copies the lock as it stands, but not the thread


@contextmanager
def deadline(remaining_ms: float) -> Iterator[None]:
    """
    An invocation: it begins under no call of an earlier one, and shortly before the deadline its open calls are closed
    as error Timeout.

    Args:
        remaining_ms: What the function has left, by the context's get_remaining_time_in_millis().
    """
    began_s = time.perf_counter()
    margin_ms = min(MARGIN_MS, remaining_ms / 2)
    watch = _Watch(began_s, began_s + (remaining_ms - margin_ms) / 1000)
    outside = resume(None)
    _watchdog.arm(watch)
    try:
        yield
    finally:
        _watchdog.disarm(watch)
        resume(outside)
