"""Threads go on with the call and the request they were started in."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import cache, partial, wraps
from threading import Thread
from types import MethodType
from typing import Any, TypeVar

from dyno.metrics.calls import NOWHERE, Origin, origin, resumed

R = TypeVar("R")

_MARK = "continues_dyno_calls"


@cache
def install() -> None:
    """
    Have every thread and every pool of threads take the current call and request along; the second time does nothing.

    Python hands context variables on to tasks, but not to threads (3.14 does where it is told to), and no hook tells of
    a thread's start: so Thread.start and ThreadPoolExecutor.submit are wrapped, the narrowest place that subclasses,
    timers and event loops all come through, as OpenTelemetry and Sentry do. Only this package's two variables travel.
    Where nothing is current, both do what they did before.
    """
    _wrap(Thread, "start", _starting)
    _wrap(ThreadPoolExecutor, "submit", _submitting)


def _wrap(owner: type, name: str, wrapping: Callable[[Any], Callable[..., Any]]) -> None:
    original = getattr(owner, name)
    # Whoever wraps it after us copies the mark along with the name.
    if not hasattr(original, _MARK):
        continuing = wraps(original)(wrapping(original))
        setattr(continuing, _MARK, True)
        setattr(owner, name, continuing)


def _starting(start: Callable[[Thread], None]) -> Callable[[Thread], None]:
    def starting(thread: Thread) -> None:
        begun_in = _origin()
        with ExitStack() as if_it_fails:
            if begun_in is not None:
                with suppress(Exception):
                    if_it_fails.callback(_take_along(thread, begun_in))
            start(thread)
            if_it_fails.pop_all()

    return starting


def _take_along(thread: Thread, begun_in: Origin) -> Callable[[], None]:
    """Have a thread go on with what it is begun in; gives what takes that back."""
    own = vars(thread)
    before = own.get("run")

    def put_back() -> None:
        own.pop("run", None) if before is None else own.update(run=before)

    def run(thread: Thread) -> None:
        # Put back first: a thread that holds what holds the thread would be garbage for the collector alone.
        put_back()
        # A thread that has a request or a call by now was given it: by Python 3.14, or by a context of its own.
        with resumed(_origin() or begun_in):
            thread.run()

    # On the thread, as its class may have a run() of its own; a method, as others that do the same take it for one.
    own["run"] = MethodType(run, thread)
    return put_back


def _submitting(submit: Callable[..., Future[R]]) -> Callable[..., Future[R]]:
    def submitting(pool: ThreadPoolExecutor, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:  # noqa: ANN401  # the function's own
        begun_in = _origin()
        if begun_in is None:
            return submit(pool, fn, *args, **kwargs)
        # A worker started for this will do others' work too, and must not go on with what is current here.
        with resumed(NOWHERE):
            return submit(pool, _Work(begun_in, fn), *args, **kwargs)

    return submitting


class _Work:
    """A function that goes on, in whichever worker, with what it was submitted in."""

    def __init__(self, begun_in: Origin, function: Callable[..., Any]) -> None:
        self._begun_in = begun_in
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        with resumed(self._begun_in):
            return self._function(*args, **kwargs)

    def __reduce__(self) -> tuple[type, tuple[Callable[..., Any]]]:
        # A pool of interpreters pickles its work: there it is the function and nothing else.
        return partial, (self._function,)


def _origin() -> Origin | None:
    try:
        return origin()
    except Exception:  # noqa: BLE001  # measuring never breaks what it measures
        return None
