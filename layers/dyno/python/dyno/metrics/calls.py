"""Calls in progress: each opened once, closed once, and written by whoever closes it."""

import os
import secrets
import sys
import time
import traceback
from contextvars import ContextVar
from itertools import count

from dyno.metrics.line import Finished, Lines
from dyno.metrics.scrub import scrub
from dyno.metrics.summary import Summary, summary
from dyno.observability import current_request

MAX_MESSAGE = 500
MAX_STACK = 8_000
MAX_FRAMES = 30


class Call:
    """A call that has begun; `owner` is the tracker whose `with` block it is, if it is one."""

    __slots__ = ("correlation_id", "event_id", "method", "owner", "parent", "service", "started_s", "sub")

    def __init__(self, service: str, method: str, owner: object, parent: "Call | None") -> None:
        request = current_request()
        self.event_id = f"{_environment}-{next(_numbers)}"
        self.service = service
        self.method = method
        self.owner = owner
        self.parent = parent
        if request is not None:
            self.correlation_id, self.sub = request.correlation_id, request.sub
        elif parent is not None:
            self.correlation_id, self.sub = parent.correlation_id, parent.sub
        else:
            self.correlation_id, self.sub = self.event_id, None
        self.started_s = time.perf_counter()


_current: ContextVar[Call | None] = ContextVar("dyno_call", default=None)
_open: dict[str, Call] = {}
_environment = secrets.token_hex(8)
_numbers = count(1)
_lines: Lines | None = None


def renew() -> None:
    """
    Begin as a new environment: for a process that is a copy of another, by fork or from a snapshot.

    Both would otherwise give the same ids to different calls, and all but the first of those would be dropped as
    duplicates.
    """
    global _environment, _lines  # noqa: PLW0603
    _environment = secrets.token_hex(8)
    _lines = None
    _open.clear()


os.register_at_fork(after_in_child=renew)


def start(service: str, method: str, owner: object = None) -> Call | None:
    """Open a call and make it the current one; None if that failed, which is nobody else's business."""
    try:
        call = Call(service, method, owner, _current.get())
        _open[call.event_id] = call
        _current.set(call)
    except Exception:  # noqa: BLE001  # measuring never breaks what it measures
        return None
    return call


def finish(call: Call | None, error: BaseException | None = None, result: object = None, *, keep: bool = False) -> None:
    """
    Close a call and write its line, unless somebody has closed it before.

    Args:
        keep: Whether the record tells of the result.
    """
    if call is None:
        return
    try:
        duration_s = time.perf_counter() - call.started_s
        # Whoever takes it out writes it: the call itself, or the watchdog just before the deadline.
        if _open.pop(call.event_id, None) is not None:
            finished = _finished(call, duration_s)
            if error is not None:
                _explain(finished, error)
            if keep:
                finished.metadata, finished.placed = _told(result)
            _write(finished)
    except Exception:  # noqa: BLE001, S110  # measuring never breaks what it measures; a lost line has nowhere to go
        pass
    # Calls that overlap end in any order: what is over must neither stay the current one nor keep its own past alive.
    call.parent = _still_open(call.parent)
    resume(_current.get())


def innermost(owner: object) -> Call | None:
    """The innermost open call of an owner: of this context, else the last it opened in any; None if all are closed."""
    call = current()
    while call is not None and call.owner is not owner:
        call = _still_open(call.parent)
    return call or next((each for each in reversed(list(_open.values())) if each.owner is owner), None)


def current() -> Call | None:
    """The innermost open call of this context."""
    return _still_open(_current.get())


def resume(call: Call | None) -> Call | None:
    """Make a call, or the nearest still open around it, the current one; gives the one that was, to `resume` later."""
    before = _current.get()
    _current.set(_still_open(call))
    return before


def _still_open(call: Call | None) -> Call | None:
    while call is not None and call.event_id not in _open:
        call = call.parent
    return call


def suspend(call: Call | None) -> Call | None:
    """Hand the context back to the call outside, until `resume`; gives the call."""
    if call is not None:
        _current.set(call.parent)
    return call


def close_as_timeout(since_s: float) -> None:
    """Close the calls that began at or after a moment of perf_counter, as error Timeout, the innermost first."""
    now_s = time.perf_counter()
    for event_id, call in reversed(list(_open.items())):
        if call.started_s >= since_s and _open.pop(event_id, None) is not None:
            finished = _finished(call, now_s - call.started_s)
            finished.outcome = "error"
            finished.error_type = "Timeout"
            finished.error_message = "still running when the function was about to be stopped"
            _write(finished)


def _finished(call: Call, duration_s: float) -> Finished:
    parent = call.parent
    return Finished(
        call.event_id,
        call.correlation_id,
        call.sub,
        call.service,
        call.method,
        "success",
        round(duration_s * 1000, 3),
        time.time_ns(),
        None if parent is None else parent.event_id,
    )


def _explain(finished: Finished, error: BaseException) -> None:
    finished.error_type = type(error).__name__
    try:
        finished.outcome = "rejected" if getattr(error, "outcome", None) == "rejected" else "error"
        finished.error_message = scrub(str(error), MAX_MESSAGE)
        if finished.outcome == "error":
            finished.stack_trace = _stack(error)
    except Exception:  # noqa: BLE001  # an exception may fail to describe itself
        finished.outcome = "error"


def _stack(error: BaseException) -> str:
    # Piece by piece: what is cut off behind a value of one exception must not take the next with it.
    pieces = [scrub(piece, MAX_STACK) for piece in traceback.format_exception(error, limit=-MAX_FRAMES)]
    return "".join(pieces)[-MAX_STACK:]


def _told(result: object) -> Summary:
    try:
        return summary(result)
    except Exception:  # noqa: BLE001  # a result may fail to tell
        return Summary()


def _write(finished: Finished) -> None:
    global _lines  # noqa: PLW0603
    if _lines is None:
        _lines = Lines.from_env(os.environ)
    line = _lines.line(finished)
    # In one piece, so that no other writer gets in between, and at once, since the environment may be killed.
    sys.stdout.write(line)
    sys.stdout.flush()
