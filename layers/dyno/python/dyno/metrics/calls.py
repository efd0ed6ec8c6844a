"""Calls in progress: each opened once, closed once, and written by whoever closes it."""

import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from copy import copy
from itertools import count
from typing import NamedTuple

from dyno import tracing
from dyno.metrics.line import Finished, Lines
from dyno.metrics.summary import NOTHING, summary
from dyno.observability import Request, continuing, current_request
from dyno.scrub import scrub
from dyno.snapstart import after_restore
from dyno.stacktrace import stack_trace

MAX_MESSAGE = 500
MAX_UNWRITTEN = 500


class Block(NamedTuple):
    """
    Which `with` block, or which generator, a call is.

    Attributes:
        tracker: Whose block it is; None for a generator.
        frame_id: id() of the frame the block stands in, which lives as long as the block does.
        suspends: Whether it may be closed out of turn, or in another context: it stands in a generator, or is one.
    """

    tracker: object
    frame_id: int
    suspends: bool


GENERATOR = Block(None, 0, suspends=True)


class Call:
    """
    A call that has begun.

    Attributes:
        block: None for a function, which ends in the context it began in.
        parent: The call around it, as long as that may become the current one again.
        parent_event_id: The call it was made in, of this function or another.
    """

    __slots__ = (
        "block",
        "correlation_id",
        "event_id",
        "method",
        "parent",
        "parent_event_id",
        "service",
        "span",
        "started_s",
        "sub",
    )

    def __init__(self, service: str, method: str, block: Block | None, parent: "Call | None") -> None:
        request = current_request()
        self.event_id = next_event_id()
        self.service = service
        self.method = method
        self.block = block
        self.parent = parent
        self.parent_event_id = None if parent is None else parent.event_id
        if request is not None:
            self.correlation_id, self.sub = request.correlation_id, request.sub
            if parent is None:
                self.parent_event_id = request.parent_call_id
        elif parent is not None:
            self.correlation_id, self.sub = parent.correlation_id, parent.sub
        else:
            self.correlation_id, self.sub = self.event_id, None
        above = None if parent is None else parent.span
        self.span: tracing.Span | None = tracing.begin(service, method, above, self.correlation_id)
        self.started_s = time.perf_counter()


_current: ContextVar[Call | None] = ContextVar("dyno_call", default=None)
_open: dict[str, Call] = {}
_environment = os.urandom(8).hex()  # what `secrets` would give, without its imports: hashlib costs a cold start
_numbers = count(1)
_lines: Lines | None = None

Over = tuple[Call, float, int, BaseException | None, object, bool]
"""A call with its duration in seconds, its end in nanoseconds of Unix time, and what `finish` was told of it."""

_unwritten: deque[Over] = deque(maxlen=MAX_UNWRITTEN)
"""Calls so deep that there was no room left to write them: the next that finishes further up does it."""


def renew() -> None:
    """
    Begin as a new environment: for a process that is a copy of another, by fork or from a snapshot.

    Both would otherwise give the same ids to different calls, and all but the first of those would be dropped as
    duplicates.
    """
    global _environment, _lines  # noqa: PLW0603
    _environment = os.urandom(8).hex()
    _lines = None
    _open.clear()
    _unwritten.clear()


os.register_at_fork(after_in_child=renew)
after_restore(renew)


def next_event_id() -> str:
    """An id that no other call or observation has, of whichever environment."""
    return f"{_environment}-{next(_numbers)}"


def lines() -> Lines:
    """What makes this environment's lines."""
    global _lines  # noqa: PLW0603
    if _lines is None:
        _lines = Lines.from_env(os.environ)
    return _lines


def write(line: str) -> None:
    """Print a line."""
    # In one piece, so that no other writer gets in between, and at once, since the environment may be killed.
    out = sys.stdout
    out.write(line)
    out.flush()


def start(service: str, method: str, block: Block | None = None) -> Call | None:
    """Open a call and make it the current one; None if that failed, which is nobody else's business."""
    try:
        call = Call(service, method, block, _current.get())
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
            try:
                if _unwritten:
                    _make_up()
                _write_up(call, duration_s, time.time_ns(), error, result, keep)
            except RecursionError:
                _unwritten.append((call, duration_s, time.time_ns(), error, result if keep else None, keep))
    except Exception:  # noqa: BLE001, S110  # measuring never breaks what it measures; a lost line has nowhere to go
        pass
    if call.block is None and _current.get() is call:  # as a rule: a function, and the innermost
        _current.set(call.parent and _around(call.parent))
        call.parent = None
    else:
        _leave(call)


def _write_up(
    call: Call, duration_s: float, at_ns: int, error: BaseException | None, result: object, keep: bool
) -> None:
    finished = _finished(call, duration_s, at_ns)
    if error is not None:
        _explain(finished, error)
    if keep:
        finished.metadata, finished.placed = _told(result)
    try:
        write((_lines or lines()).line(finished))
    except RecursionError:  # it is tried again, and its span is ended then
        raise
    except Exception:  # noqa: BLE001, S110  # no stdout, for one: a lost line has nowhere to go
        pass
    if call.span is not None:
        tracing.end(call.span, finished.outcome, finished.error_type, finished.error_message)


def _make_up() -> None:
    """
    Write the calls there was no room for.

    Raises:
        RecursionError: There still is none; they are kept.
    """
    with suppress(IndexError):  # another thread was quicker
        while _unwritten:
            over = _unwritten.popleft()
            try:
                _write_up(*over)
            except RecursionError:
                _unwritten.appendleft(over)
                raise


def _leave(call: Call) -> None:
    """Take a call that is over out of the calls of this context, in whatever order they end."""
    inner = current = _current.get()
    while inner is not None and inner is not call and inner.parent is not call:
        inner = inner.parent
    if inner is not None and inner is not call:
        inner.parent = _around(call.parent)
    _current.set(_around(call.parent) if current is call else _around(current))
    # Nobody looks further up from a function: what is over must not keep its own past alive.
    call.parent = _around(call.parent) if _suspends(call) else None


def opened(block: Block) -> Call | None:
    """
    The call of a block that is being closed: the one of its frame, in which blocks can only be nested.

    Closed from another frame, by an ExitStack or by hand, it is the innermost that its tracker has open in this
    context, else the last it opened in any; None if all are closed.
    """
    for call in _known():
        if call.block == block:
            return call
    for call in _known():
        if call.block is not None and call.block.tracker is block.tracker and call.event_id in _open:
            call.block = call.block._replace(suspends=True)
            return call
    return None


def _known() -> Iterator[Call]:
    """The calls of this context, the innermost first, then all that are open, the last first."""
    call = _current.get()
    while call is not None:
        yield call
        call = call.parent
    yield from reversed(list(_open.values()))


def current() -> Call | None:
    """The innermost open call of this context, or the one this context was begun in, which may be over by now."""
    return _around(_current.get())


def resume(call: Call | None) -> Call | None:
    """Make a call, or the nearest around it that is not over, the current one; gives the one that was, to `resume`."""
    before = _current.get()
    _current.set(_around(call))
    return before


def _around(call: Call | None) -> Call | None:
    # A function that is over but still current is what a task or a thread was begun in, and stays that: where it ran
    # itself, it is out of the way.
    while call is not None and _suspends(call) and call.event_id not in _open:
        call = call.parent
    return call


def _suspends(call: Call) -> bool:
    return call.block is not None and call.block.suspends


def suspend(call: Call | None) -> Call | None:
    """Hand the context back to the call outside, until `resume`: the call is a generator's; gives the call."""
    if call is not None:
        call.block = GENERATOR
        _current.set(call.parent)
    return call


class Origin(NamedTuple):
    """What the code of one thread is part of, for another thread to go on with."""

    request: Request | None
    call: Call | None


NOWHERE = Origin(None, None)


def origin() -> Origin | None:
    """What this code is part of; None if of nothing."""
    request, call = current_request(), current()
    if request is None and call is None:
        return None
    if call is not None and _suspends(call):
        call = copy(call)  # as it is now: the thread may go on with it after its end
        call.block = call.parent = None
    return Origin(request, call)


@contextmanager
def resumed(origin: Origin) -> Iterator[None]:
    """Go on with what another thread began."""
    before = _current.get()
    _current.set(origin.call)
    try:
        with continuing(origin.request):
            yield
    finally:
        _current.set(before)


def close_as_timeout(since_s: float) -> None:
    """Close the calls that began at or after a moment of perf_counter, as error Timeout, the innermost first."""
    now_s = time.perf_counter()
    closed: list[tuple[Call, Finished]] = []
    for event_id, call in reversed(list(_open.items())):
        if call.started_s >= since_s and _open.pop(event_id, None) is not None:
            finished = _finished(call, now_s - call.started_s, time.time_ns())
            finished.outcome = "error"
            finished.error_type = "Timeout"
            finished.error_message = "still running when the function was about to be stopped"
            write(lines().line(finished))
            closed.append((call, finished))
    for call, finished in closed:  # every line first: an exporter may take its time
        tracing.end(call.span, finished.outcome, finished.error_type, finished.error_message)


def _finished(call: Call, duration_s: float, at_ns: int) -> Finished:
    return Finished(
        call.event_id,
        call.correlation_id,
        call.sub,
        call.service,
        call.method,
        "success",
        int(duration_s * 1_000_000 + 0.5) / 1000,  # what round() to 3 places gives, in half the time
        at_ns,
        call.parent_event_id,
    )


def _explain(finished: Finished, error: BaseException) -> None:
    finished.error_type = type(error).__name__
    finished.outcome = "error"
    # What an exception or a result raises when it is asked is its own, be it SystemExit, and not the caller's result.
    try:
        if _says_no(error):
            finished.outcome = "rejected"
        finished.error_message = scrub(str(error), MAX_MESSAGE)
        if finished.outcome == "error":
            finished.stack_trace = stack_trace(error)
    except BaseException:  # noqa: BLE001, S110  # an exception may fail to describe itself
        pass


def _says_no(error: BaseException) -> bool:
    """Whether an error is a refusal, or a group of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_says_no, error.exceptions))
    return getattr(error, "outcome", None) == "rejected"


def _told(result: object) -> tuple[str, bool]:
    try:
        return summary(result)
    except BaseException:  # noqa: BLE001  # a result may fail to tell
        return NOTHING
