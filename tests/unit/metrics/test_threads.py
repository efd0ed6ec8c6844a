import asyncio
import contextvars
import gc
import importlib
import pickle
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import wraps
from multiprocessing.pool import ThreadPool
from threading import Thread
from typing import Any
from unittest import mock

import pytest

from dyno.metrics import calls, threads, track_performance
from dyno.observability import Request, current_request, serving
from tests.unit.metrics.recording import recording

Run = Callable[[Callable[[], Any]], None]

foreign: contextvars.ContextVar[str] = contextvars.ContextVar("foreign", default="nothing")


@track_performance("S")
def plain() -> None: ...


def seen() -> tuple[Request | None, str | None, str]:
    """What is current where this runs."""
    call = calls.current()
    return current_request(), call.event_id if call else None, foreign.get()


class OwnRun(Thread):
    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self.work = work

    def run(self) -> None:
        self.work()


class OwnStart(Thread):
    def start(self) -> None:
        self.started_by_hand = True
        super().start()


class Inheriting(Thread):
    """A thread as Python 3.14 runs it: in a context it was given."""

    def __init__(self, context: contextvars.Context, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.context = context

    def _bootstrap(self) -> None:
        self.context.run(super()._bootstrap)  # type: ignore[misc]


def joined(thread: Thread) -> None:
    thread.start()
    thread.join()


def pooled(use: Callable[[ThreadPoolExecutor], Any]) -> None:
    with ThreadPoolExecutor(2) as pool:
        use(pool)


def in_loop(run: Callable[[asyncio.AbstractEventLoop, Callable[[], Any]], Any]) -> Run:
    async def go(work: Callable[[], Any]) -> None:
        await run(asyncio.get_running_loop(), work)

    return lambda work: asyncio.run(go(work))


WAYS: dict[str, Run] = {
    "a thread": lambda work: joined(Thread(target=work)),
    "a timer": lambda work: joined(threading.Timer(0.001, work)),
    "a thread with its own run": lambda work: joined(OwnRun(work)),
    "a thread with its own start": lambda work: joined(OwnStart(target=work)),
    "a thread that inherits its context": lambda work: joined(Inheriting(contextvars.copy_context(), target=work)),
    "a thread with an empty context": lambda work: joined(Inheriting(contextvars.Context(), target=work)),
    "a thread of a thread": lambda work: joined(Thread(target=lambda: joined(Thread(target=work)))),
    "a pool": lambda work: pooled(lambda pool: pool.submit(work).result()),
    "a mapping pool": lambda work: pooled(lambda pool: list(pool.map(lambda _: work(), [1]))),
    "a pool in a pool": lambda work: pooled(lambda pool: pool.submit(WAYS["a pool"], work).result()),
    "an old pool": lambda work: ThreadPool(1).apply(work),
    "the loop's executor": in_loop(lambda loop, work: loop.run_in_executor(None, work)),
    "asyncio.to_thread": in_loop(lambda _, work: asyncio.to_thread(work)),
    "a task": in_loop(lambda loop, work: loop.create_task(asyncio.to_thread(work))),
    "gather": in_loop(lambda _, work: asyncio.gather(asyncio.to_thread(work))),
}


PYTHON_TAKES_ALL_ALONG = {"a thread that inherits its context", "asyncio.to_thread", "a task", "gather"}


@pytest.mark.parametrize("way", WAYS)
def test_a_call_in_another_thread_stands_under_the_call_that_started_it(way: str) -> None:
    def twice() -> None:
        plain()
        plain()

    with recording() as records:
        track_performance("S", method="outer")(lambda: WAYS[way](twice))()

    first, second, around = records
    assert first["parent_event_id"] == second["parent_event_id"] == around["event_id"]
    assert {record["correlation_id"] for record in records} == {around["event_id"]}


@pytest.mark.parametrize("way", WAYS)
def test_a_call_in_another_thread_is_of_the_same_request(way: str) -> None:
    with recording() as records, serving(Request("abc", "ann", "elsewhere-7")):
        WAYS[way](plain)

    record = records.one
    assert (record["correlation_id"], record["sub"], record["parent_event_id"]) == ("abc", "ann", "elsewhere-7")


@pytest.mark.parametrize("way", [way for way in WAYS if way not in PYTHON_TAKES_ALL_ALONG])
def test_only_what_is_ours_travels(way: str) -> None:
    found: list[Any] = []

    with serving(Request("abc")):
        foreign.set("something")
        WAYS[way](lambda: found.append(seen()))

    assert found == [(Request("abc"), None, "nothing")]


@pytest.mark.parametrize("started_in", [track_performance("S", method="outer"), None])
def test_a_thread_that_outlives_its_call_stays_under_it(started_in: Any) -> None:
    go_on = threading.Event()

    def late() -> None:
        go_on.wait(5)
        plain()
        plain()

    def begin() -> Iterator[None]:
        with track_performance("S", method="outer"):
            thread.start()
            yield

    thread = Thread(target=late)
    with recording() as records:
        started_in(thread.start)() if started_in else list(begin())
        go_on.set()
        thread.join()

    around, first, second = records
    assert around["method"] == "outer"
    assert first["parent_event_id"] == second["parent_event_id"] == around["event_id"]
    assert first["correlation_id"] == second["correlation_id"] == around["correlation_id"]


def test_a_worker_goes_on_with_each_piece_of_work_where_that_was_submitted() -> None:
    found: list[Any] = []

    with ThreadPoolExecutor(1) as pool:
        with serving(Request("first", "ann")):
            pool.submit(lambda: found.append(seen())).result()
        pool.submit(lambda: found.append(seen())).result()
        with serving(Request("second", "bob")):
            pool.submit(lambda: found.append(seen())).result()
        pool.submit(lambda: found.append(seen())).result()

    assert [each[0] for each in found] == [Request("first", "ann"), None, Request("second", "bob"), None]


def test_requests_that_share_a_pool_do_not_mix() -> None:
    def serve(number: int) -> None:
        with serving(Request(f"r{number}")), track_performance("S", method=f"outer{number}"):
            for _ in range(20):
                pool.submit(plain).result()

    with recording() as records, ThreadPoolExecutor(3) as pool:
        requests = [Thread(target=serve, args=(number,)) for number in range(6)]
        for request in requests:
            request.start()
        for request in requests:
            request.join()

    outer = {record["event_id"]: record for record in records if record["method"] != "plain"}
    within = [record for record in records if record["method"] == "plain"]
    assert len(within) == 120
    assert all(record["correlation_id"] == outer[record["parent_event_id"]]["correlation_id"] for record in within)


def test_what_submitted_work_is_current_again_after_it() -> None:
    with recording(), ThreadPoolExecutor(1) as pool, track_performance("S"):
        before = seen()
        pool.submit(plain)

        assert seen() == before


def test_where_nothing_is_current_nothing_is_touched() -> None:
    ran: list[Any] = []
    work = lambda: ran.append("run" in vars(threading.current_thread()))  # noqa: E731

    with (
        mock.patch.object(threads, "_take_along", side_effect=AssertionError),
        mock.patch.object(threads, "_Work", None),
    ):
        joined(Thread(target=work))
        pooled(lambda pool: pool.submit(work).result())

    assert ran == [False, False]


def test_a_finished_thread_is_left_as_it_was_and_not_to_the_collector() -> None:
    class Slow(Thread):
        def run(self) -> None:
            ran.append(vars(self).get("run"))

    ran: list[Any] = []
    gc.disable()
    try:
        with serving(Request("abc")):
            thread = Slow()
            joined(thread)
        left = weakref.ref(thread)
        del thread
        time.sleep(0.01)

        assert (ran, left()) == ([None], None)
    finally:
        gc.enable()


def test_what_a_thread_raises_reaches_its_hook_and_a_future() -> None:
    def fails() -> None:
        raise KeyError("k")

    def hear(args: Any) -> None:
        heard.append(args.exc_value)

    heard: list[BaseException] = []
    with mock.patch.object(threading, "excepthook", hear), serving(Request("abc")):
        joined(Thread(target=fails))
        with pytest.raises(KeyError), ThreadPoolExecutor(1) as pool:
            pool.submit(fails).result()

    assert [type(each) for each in heard] == [KeyError]


def test_a_thread_can_still_be_started_only_once_and_a_closed_pool_takes_nothing() -> None:
    with serving(Request("abc")):
        thread, pool = Thread(target=plain), ThreadPoolExecutor(1)
        with recording():
            joined(thread)
        pool.shutdown()

        with pytest.raises(RuntimeError, match="only be started once"):
            thread.start()
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.submit(plain)


def test_what_fails_in_here_stops_no_thread() -> None:
    done: list[str] = []

    with serving(Request("abc")), mock.patch.object(threads, "origin", side_effect=RuntimeError):
        joined(Thread(target=done.append, args=("thread",)))
        pooled(lambda pool: pool.submit(done.append, "pool").result())
    with serving(Request("abc")), mock.patch.object(threads, "MethodType", side_effect=RuntimeError):
        joined(Thread(target=done.append, args=("again",)))

    assert done == ["thread", "pool", "again"]


def test_wrapping_twice_wraps_once() -> None:
    start, submit = Thread.start, ThreadPoolExecutor.submit

    threads.install()
    threads.install.__wrapped__()
    importlib.reload(threads).install()

    assert (Thread.start, ThreadPoolExecutor.submit) == (start, submit)
    assert (start.__name__, submit.__name__) == ("start", "submit")
    assert not hasattr(start.__wrapped__, "__wrapped__")  # type: ignore[attr-defined]


@contextmanager
def another_instrumentation(within: bool) -> Iterator[list[str]]:
    """Wraps Thread.start as Sentry's does: run() becomes an attribute of the thread, made of the function in it."""
    ran: list[str] = []
    start = threading.Thread.start.__wrapped__ if within else threading.Thread.start  # type: ignore[attr-defined]

    @wraps(start)
    def starting(self: Thread) -> None:
        function: Any = getattr(self.run, "__func__", self.run)

        @wraps(function)
        def run(*arguments: Any) -> Any:
            ran.append("theirs")
            return function(threading.current_thread(), *arguments[1:])

        self.run = run  # type: ignore[method-assign]
        start(self)

    with mock.patch.object(Thread, "start", threads._starting(starting) if within else starting):
        yield ran


@pytest.mark.parametrize("within", [True, False])
@pytest.mark.parametrize("kind", [OwnRun, lambda work: Thread(target=work), lambda work: threading.Timer(0, work)])
def test_it_gets_on_with_another_instrumentation(within: bool, kind: Callable[[Any], Thread]) -> None:
    found: list[Any] = []

    with another_instrumentation(within) as theirs, serving(Request("abc")):
        joined(kind(lambda: found.append(seen()[0])))

    assert (found, theirs) == ([Request("abc")], ["theirs"])


def test_a_thread_with_a_request_of_its_own_keeps_it() -> None:
    own = contextvars.Context()
    found: list[Any] = []

    def serve_and_copy() -> contextvars.Context:
        with serving(Request("own")):
            return contextvars.copy_context()

    with serving(Request("abc")):
        joined(Inheriting(own.run(serve_and_copy), target=lambda: found.append(seen()[0])))

    assert found == [Request("own")]


def test_work_that_is_pickled_is_the_function_and_nothing_else() -> None:
    with serving(Request("abc")):
        work = threads._Work(calls.Origin(Request("abc"), None), divmod)

    carried = pickle.dumps(work)

    assert pickle.loads(carried)(7, 2) == (3, 1)
    assert b"dyno" not in carried


def test_processes_are_started_as_ever() -> None:
    with recording() as records, track_performance("S"), ProcessPoolExecutor(1) as pool:
        future: Future[tuple[int, int]] = pool.submit(divmod, 7, 2)

        assert future.result() == (3, 1)

    assert len(records) == 1


def test_calls_of_many_workers_leave_a_line_each() -> None:
    with recording() as records, track_performance("S", method="outer"), ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: plain(), range(400)))

    assert len({record["event_id"] for record in records}) == 401
    assert {record["parent_event_id"] for record in records} == {None, records.of("outer")["event_id"]}


def test_a_thread_that_could_not_be_started_is_left_as_it_was() -> None:
    with recording(), serving(Request("abc")):
        thread = Thread(target=plain)
        joined(thread)
        with pytest.raises(RuntimeError, match="only be started once"):
            thread.start()

    assert "run" not in vars(thread)


def test_submitted_work_may_take_an_argument_of_any_name() -> None:
    with serving(Request("abc")), ThreadPoolExecutor(1) as pool:
        assert pool.submit(dict, fn=1, pool=2, function=3).result() == {"fn": 1, "pool": 2, "function": 3}


def test_submitting_names_its_function_as_the_library_does() -> None:
    submit = ThreadPoolExecutor.submit
    names = [*submit.__code__.co_varnames[: submit.__code__.co_argcount]]

    assert names[1] == [*submit.__wrapped__.__code__.co_varnames][1] == "fn"  # type: ignore[attr-defined]
