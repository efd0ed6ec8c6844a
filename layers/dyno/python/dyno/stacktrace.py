"""The stack trace of an error, without what must not be kept."""

from collections.abc import Iterator
from itertools import islice
from traceback import TracebackException

from dyno.scrub import scrub

MAX_STACK = 8_000
"""Characters that are kept, the last."""

MAX_FRAMES = 30
MAX_EXCEPTIONS = 30
"""Those nearest to the error: what it came of, and what it is a group of."""

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
_PART = "\nThe above exception is one of the following group:\n\n"


def stack_trace(error: BaseException) -> str:
    """The error with what it came of, the first to be raised first; of a group, its exceptions before itself."""
    told = TracebackException.from_exception(error, limit=-MAX_FRAMES, compact=True)
    nearest = list(islice(_with_what_it_came_of(told, ""), MAX_EXCEPTIONS))
    return "".join(piece for each, then in reversed(nearest) for piece in (*_scrubbed(each), then))[-MAX_STACK:]


def _with_what_it_came_of(told: TracebackException, then: str) -> Iterator[tuple[TracebackException, str]]:
    """An exception and those before it, the last first; each with what is said between it and the next."""
    waiting = [(told, then)]
    while waiting:
        each, then = waiting.pop()
        yield each, then
        if each.__cause__ is not None:
            waiting.append((each.__cause__, _CAUSE))
        elif each.__context__ is not None and not each.__suppress_context__:
            waiting.append((each.__context__, _CONTEXT))
        waiting += [(part, _PART) for part in each.exceptions or ()]


def _scrubbed(told: TracebackException) -> Iterator[str]:
    """
    An exception by itself, in the pieces that a value cannot reach beyond.

    Its message and its notes are one: notes come line by line, and a key has many.
    """
    if told.stack:
        yield "Traceback (most recent call last):\n"
    for frame in told.stack.format():
        yield scrub(frame, MAX_STACK)
    yield scrub("".join(told.format_exception_only()), MAX_STACK).rstrip("\n") + "\n"
