"""Where the time of a call goes: whose code it is in, looked at often and without slowing it down."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

EVERY_S = 0.0005

POSTGRESQL, REST = "PostgreSQL", "the rest"
"""The first is whatever is waited for on a socket, the way there and back included."""

OWNERS = {
    "/dyno/": "our code",
    "/functions/": "our code",
    "/aws_lambda_powertools/": "Powertools",
    "/pydantic/": "pydantic",
    "/sqlalchemy/": "SQLAlchemy",
    "/pg8000/": "pg8000",
}
"""By what is in a file's path; whatever they call of the standard library or in C is theirs."""

NAMES = (*dict.fromkeys(OWNERS.values()), POSTGRESQL, REST)

_WAITING = {"recv_into", "readinto"}


def shares(work: Callable[[], object]) -> Mapping[str, float]:
    """
    How much of the time of some work is whose, in percent; all of NAMES.

    Only the main thread may ask: a timer's signal looks at what it is doing, by the clock on the wall, so that waiting
    counts.
    """
    seen: Counter[str] = Counter()
    with _looking(lambda frame: seen.update([owner(frame)])):
        work()
    return {name: 100 * seen[name] / max(seen.total(), 1) for name in NAMES}


def owner(frame: FrameType | None) -> str:
    """Whose code is being run, from the innermost function outwards."""
    if frame is not None and frame.f_code.co_name in _WAITING:
        return POSTGRESQL
    while frame is not None:
        for part, whose in OWNERS.items():
            if part in frame.f_code.co_filename:
                return whose
        frame = frame.f_back
    return REST


@contextmanager
def _looking(note: Callable[[FrameType | None], object]) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, lambda _number, frame: note(frame))
    signal.setitimer(signal.ITIMER_REAL, EVERY_S, EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
