import asyncio
import contextvars
import functools
import gc
import inspect
import os
import subprocess
import sys
import threading
import time
import types
import weakref
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest
from pydantic import BaseModel

from dyno.errors import NoDynoAvailable
from dyno.metrics import calls, track_performance
from dyno.observability import Request, serving
from tests.unit.metrics.recording import recording


class Refused(Exception):
    outcome = "rejected"


class Planner:
    @track_performance
    def plan(self, day: int, *, hurry: bool = False) -> tuple[int, bool]:
        """Plans."""
        return day, hurry

    @track_performance()
    async def sort(self, day: int) -> int:
        await asyncio.sleep(0)
        return day

    @track_performance
    @staticmethod
    def below(day: int) -> int:
        return day

    @staticmethod
    @track_performance
    def above(day: int) -> int:
        return day

    @track_performance
    @classmethod
    def outside(cls, day: int) -> tuple[type, int]:
        return cls, day

    @classmethod
    @track_performance
    def inside(cls, day: int) -> tuple[type, int]:
        return cls, day


class WeekPlanner(Planner):
    pass


@track_performance
def plain(day: int) -> int:
    return day


@track_performance("Counting")
def count(to: int) -> Iterator[int]:
    for number in range(to):
        received = yield number
        if received:
            yield plain(received)


@track_performance("Counting")
async def acount(to: int) -> AsyncIterator[int]:
    for number in range(to):
        await asyncio.sleep(0)
        received = yield number
        if received:
            yield plain(received)


def test_a_method_leaves_one_record_named_after_the_class_of_self() -> None:
    with recording() as records:
        assert WeekPlanner().plan(3, hurry=True) == (3, True)

    record = records.one
    assert (record["record"], record["service"], record["method"]) == ("dyno-call/1", "WeekPlanner", "plan")
    assert (record["outcome"], record["success"], record["error_type"]) == ("success", True, None)
    assert record["duration_ms"] >= 0
    assert records.lines[0].count("\n") == 1


def test_a_plain_function_is_named_after_its_module() -> None:
    with recording() as records:
        plain(1)

    assert (records.one["service"], records.one["method"]) == ("test_track", "plain")


@pytest.mark.parametrize("method", ["below", "above"])
def test_static_methods_are_named_after_the_class_they_are_written_in(method: str) -> None:
    with recording() as records:
        assert getattr(WeekPlanner, method)(3) == 3
        assert getattr(WeekPlanner(), method)(3) == 3

    assert [(record["service"], record["method"]) for record in records] == [("Planner", method)] * 2


@pytest.mark.parametrize("method", ["outside", "inside"])
def test_class_methods_are_named_after_cls(method: str) -> None:
    with recording() as records:
        assert getattr(WeekPlanner, method)(3) == (WeekPlanner, 3)

    assert (records.one["service"], records.one["method"]) == ("WeekPlanner", method)


def test_a_name_given_wins() -> None:
    class Local:
        @track_performance("Given", method="also")
        def given(self) -> None: ...

    with recording() as records:
        Local().given()

    assert (records.one["service"], records.one["method"]) == ("Given", "also")


def test_coroutines_are_measured_to_their_end() -> None:
    with recording() as records:
        assert asyncio.run(Planner().sort(4)) == 4

    assert (records.one["service"], records.one["method"]) == ("Planner", "sort")


def test_what_is_wrapped_still_looks_like_itself() -> None:
    assert Planner.plan.__doc__ == "Plans."
    assert list(inspect.signature(Planner.plan).parameters) == ["self", "day", "hurry"]
    assert inspect.iscoroutinefunction(Planner.sort)
    assert inspect.isgeneratorfunction(count)
    assert inspect.isasyncgenfunction(acount)


def test_a_partial_and_a_callable_object_can_be_measured() -> None:
    class Doubler:
        def __call__(self, number: int) -> int:
            return 2 * number

    with recording() as records:
        assert track_performance("S")(functools.partial(pow, 2))(3) == 8
        assert track_performance("S")(Doubler())(3) == 6

    assert [record["method"] for record in records] == ["partial", "Doubler"]


def test_a_callable_object_is_measured_as_what_its_call_is() -> None:
    class Doubler:
        async def __call__(self, number: int) -> int:
            await asyncio.sleep(0.02)
            return 2 * number

    with recording() as records:
        assert asyncio.run(track_performance("S")(Doubler())(3)) == 6

    assert records.one["duration_ms"] >= 20


def test_exceptions_pass_as_the_same_object() -> None:
    broken = ValueError("no such day")

    @track_performance("S")
    def fails() -> None:
        raise broken

    with recording() as records, pytest.raises(ValueError) as caught:  # noqa: PT011
        fails()

    assert caught.value is broken
    record = records.one
    assert (record["outcome"], record["success"]) == ("error", False)
    assert (record["error_type"], record["error_message"]) == ("ValueError", "no such day")
    assert "raise broken" in record["stack_trace"]


@pytest.mark.parametrize("refusal", [Refused("full"), NoDynoAvailable("full")])
def test_saying_no_is_rejected_not_an_error(refusal: Exception) -> None:
    @track_performance("S")
    def refuses() -> None:
        raise refusal

    with recording() as records, pytest.raises(type(refusal)):
        refuses()

    assert (records.one["outcome"], records.one["success"]) == ("rejected", False)
    assert "stack_trace" not in records.one


def test_a_cancelled_task_is_an_error() -> None:
    @track_performance("S")
    async def waits() -> None:
        await asyncio.sleep(10)

    async def cancel() -> None:
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with recording() as records:
        asyncio.run(cancel())

    assert (records.one["outcome"], records.one["error_type"]) == ("error", "CancelledError")


def test_an_exit_is_an_error_and_passes() -> None:
    @track_performance("S")
    def leaves() -> None:
        sys.exit(3)

    with recording() as records, pytest.raises(SystemExit):
        leaves()

    assert records.one["error_type"] == "SystemExit"


def test_a_generator_gives_receives_and_returns_as_before() -> None:
    @track_performance("S")
    def talks() -> Generator[Any, Any, str]:
        heard = yield "first"
        try:
            yield heard
        except KeyError as error:
            yield f"caught {error}"
        return "done"

    with recording() as records:
        talk = talks()
        said = [next(talk), talk.send("hello"), talk.throw(KeyError("k"))]
        with pytest.raises(StopIteration) as end:
            next(talk)

    assert said == ["first", "hello", "caught 'k'"]
    assert end.value.value == "done"
    assert records.one["outcome"] == "success"


def test_a_generator_closed_by_its_caller_is_a_success() -> None:
    with recording() as records:
        numbers = count(3)
        next(numbers)
        numbers.close()  # type: ignore[attr-defined]

    assert records.one["outcome"] == "success"


def test_a_generator_that_is_dropped_is_closed() -> None:
    with recording() as records:
        next(count(3))
        gc.collect()

    assert records.one["outcome"] == "success"


def test_a_generator_that_breaks_is_an_error() -> None:
    @track_performance("S")
    def breaks() -> Iterator[int]:
        yield 1
        raise RuntimeError("half way")

    with recording() as records, pytest.raises(RuntimeError):
        list(breaks())

    assert records.one["error_message"] == "half way"


def test_between_yields_the_caller_is_the_current_call() -> None:
    @track_performance("S")
    def outer() -> None:
        numbers = count(2)
        next(numbers)
        plain(1)
        numbers.send(7)  # type: ignore[attr-defined]
        numbers.close()  # type: ignore[attr-defined]
        plain(2)

    with recording() as records:
        outer()

    beside, within, counted, after, around = records
    assert beside["parent_event_id"] == after["parent_event_id"] == around["event_id"]
    assert within["parent_event_id"] == counted["event_id"]
    assert counted["parent_event_id"] == around["event_id"]


def test_an_async_generator_gives_receives_and_closes_as_before() -> None:
    async def listen() -> list[int]:
        numbers: Any = acount(3)
        heard = [await anext(numbers), await numbers.asend(9), await anext(numbers)]
        await numbers.aclose()
        return heard + [number async for number in acount(2)]

    with recording() as records:
        assert asyncio.run(listen()) == [0, 9, 1, 0, 1]

    within, closed, ended = records
    assert [closed["outcome"], ended["outcome"]] == ["success", "success"]
    assert within["parent_event_id"] == closed["event_id"]


def test_an_async_generator_handles_what_is_thrown_into_it() -> None:
    @track_performance("S")
    async def catches() -> AsyncIterator[str]:
        try:
            yield "first"
        except KeyError:
            yield "caught"

    @track_performance("S")
    async def lets_pass() -> AsyncIterator[str]:
        yield "first"

    async def throw(generator: Any) -> Any:
        await anext(generator)
        return await generator.athrow(KeyError("k"))

    with recording() as records:
        assert asyncio.run(throw(catches())) == "caught"
        with pytest.raises(KeyError):
            asyncio.run(throw(lets_pass()))

    assert sorted(record["outcome"] for record in records) == ["error", "success"]


def test_a_context_manager_made_of_a_measured_generator_still_works() -> None:
    @contextmanager
    @track_performance("S")
    def opened() -> Iterator[int]:
        yield 5

    with recording() as records, opened() as value:
        assert value == 5

    assert records.one["outcome"] == "success"


def test_a_block_is_measured_under_the_names_given() -> None:
    with recording() as records, track_performance("Service", method="sorting"):
        pass

    assert (records.one["service"], records.one["method"]) == ("Service", "sorting")


def test_a_block_without_names_is_named_after_where_it_stands() -> None:
    async def standing() -> None:
        async with track_performance():
            await asyncio.sleep(0)

    with recording() as records:
        with track_performance():
            pass
        asyncio.run(standing())

    named = [(record["service"], record["method"]) for record in records]
    assert named == [
        ("test_track", "test_a_block_without_names_is_named_after_where_it_stands"),
        ("test_track", "standing"),
    ]


def test_a_block_that_fails_is_an_error_and_the_exception_passes() -> None:
    with recording() as records, pytest.raises(KeyError), track_performance("S"):
        raise KeyError("k")

    assert records.one["error_type"] == "KeyError"


def blocks(name: str) -> Iterator[None]:
    with track_performance("S", method=name):
        yield


def test_blocks_closed_out_of_order_leave_a_line_each_and_nothing_behind() -> None:
    first, second = blocks("first"), blocks("second")

    with recording() as records, track_performance("S", method="outside"):
        for each in (first, second):
            next(each)
        for each in (first, second):
            each.close()  # type: ignore[attr-defined]
        plain(1)

    assert [record["method"] for record in records] == ["first", "second", "plain", "outside"]
    assert records.of("second")["parent_event_id"] == records.of("first")["event_id"]
    assert records.of("plain")["parent_event_id"] == records.of("outside")["event_id"]
    assert calls.current() is None
    assert not calls._open


def test_a_function_that_ends_before_what_it_began_is_out_of_the_way() -> None:
    @track_performance("S")
    def begins() -> Iterator[None]:
        begun = blocks("inside")
        next(begun)
        return begun

    with recording() as records:
        inside = begins()
        inside.close()  # type: ignore[attr-defined]
        plain(1)

    assert records.of("inside")["parent_event_id"] == records.of("begins")["event_id"]
    assert records.of("plain")["parent_event_id"] is None


def test_a_block_closed_in_another_context_leaves_its_line_there() -> None:
    suspended = blocks("elsewhere")

    with recording() as records:
        contextvars.Context().run(next, suspended)
        suspended.close()  # type: ignore[attr-defined]
        plain(1)

    assert [record["method"] for record in records] == ["elsewhere", "plain"]
    assert records.of("plain")["parent_event_id"] is None


def test_a_call_closed_while_a_generator_runs_is_not_resumed_after_it() -> None:
    outside = blocks("outside")

    @track_performance("S")
    def closes() -> Iterator[None]:
        outside.close()  # type: ignore[attr-defined]
        yield

    with recording() as records:
        next(outside)
        list(closes())
        plain(1)

    assert records.of("plain")["parent_event_id"] is None


def test_a_block_that_a_stack_closes_while_a_generator_runs_is_not_resumed_after_it() -> None:
    stack = ExitStack()

    @track_performance("S")
    def closes() -> Iterator[None]:
        stack.close()
        yield

    with recording() as records:
        stack.enter_context(track_performance("S", method="outside"))
        list(closes())
        plain(1)

    assert records.of("plain")["parent_event_id"] is None


def test_a_block_in_a_suspended_generator_is_where_it_was_when_it_goes_on() -> None:
    @track_performance("S")
    def steps() -> Iterator[None]:
        with track_performance("S", method="block"):
            yield
            plain(1)

    @track_performance("S")
    async def asteps() -> AsyncIterator[None]:
        async with track_performance("S", method="ablock"):
            yield
            plain(1)

    async def go() -> None:
        async for _ in asteps():
            pass

    with recording() as records:
        list(steps())
        asyncio.run(go())

    plain_in, block, around, plain_in_async, ablock, async_around = records
    assert plain_in["parent_event_id"] == block["event_id"]
    assert block["parent_event_id"] == around["event_id"]
    assert plain_in_async["parent_event_id"] == ablock["event_id"]
    assert ablock["parent_event_id"] == async_around["event_id"]


def test_overlapping_blocks_of_one_tracker_keep_their_own_times() -> None:
    tracker = track_performance("S", method="shared")

    def step() -> Iterator[None]:
        with tracker:
            yield

    longer, shorter = step(), step()
    with recording() as records:
        next(longer)
        time.sleep(0.05)
        next(shorter)
        for each in (longer, shorter):
            each.close()  # type: ignore[attr-defined]

    assert records[0]["duration_ms"] >= 50 > records[1]["duration_ms"]
    assert records[1]["parent_event_id"] == records[0]["event_id"]


def test_overlapping_async_blocks_of_one_tracker_keep_their_own_times() -> None:
    tracker = track_performance("S", method="shared")

    async def step() -> AsyncIterator[None]:
        async with tracker:
            yield

    async def overlap() -> None:
        longer, shorter = step(), step()
        await anext(longer)
        await asyncio.sleep(0.05)
        await anext(shorter)
        for each in (longer, shorter):
            await each.aclose()  # type: ignore[attr-defined]

    with recording() as records:
        asyncio.run(overlap())

    assert records[0]["duration_ms"] >= 50 > records[1]["duration_ms"]


def test_blocks_of_one_tracker_that_a_stack_closes_are_closed_once_each() -> None:
    tracker = track_performance("S", method="shared")

    async def stacked() -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(tracker)
            stack.enter_context(tracker)
            with tracker:
                plain(1)

    with recording() as records:
        asyncio.run(stacked())
        plain(2)

    called, *blocks_, after = records
    assert called["parent_event_id"] == blocks_[0]["event_id"]
    assert [block["parent_event_id"] for block in blocks_] == [*(block["event_id"] for block in blocks_[1:]), None]
    assert after["parent_event_id"] is None
    assert not calls._open


def test_calls_that_overlap_for_ever_do_not_pile_up() -> None:
    with recording():
        before = blocks("0")
        next(before)
        for number in range(1, 50):
            after = blocks(str(number))
            next(after)
            before.close()  # type: ignore[attr-defined]
            before = after

        last = calls.current()
        assert last is not None
        assert last.parent is None or last.parent.parent is None
        before.close()  # type: ignore[attr-defined]


def test_one_tracker_serves_many_blocks_at_once() -> None:
    tracker = track_performance("S", method="shared")

    async def use(depth: int) -> None:
        async with tracker:
            await asyncio.sleep(0)
            if depth:
                with tracker:
                    await asyncio.sleep(0)

    async def all_of_them() -> None:
        await asyncio.gather(*(use(number % 2) for number in range(10)))

    with recording() as records:
        asyncio.run(all_of_them())

    assert len({record["event_id"] for record in records}) == 15
    by_id = {record["event_id"]: record for record in records}
    inner = [record for record in records if record["parent_event_id"]]
    assert len(inner) == 5
    assert all(by_id[record["parent_event_id"]]["parent_event_id"] is None for record in inner)


def test_calls_of_a_request_share_its_correlation_id_and_caller() -> None:
    with recording() as records, serving(Request("abc", "sub-1")):
        Planner().plan(1)
        plain(2)

    assert {(record["correlation_id"], record["sub"]) for record in records} == {("abc", "sub-1")}


def test_outside_a_request_nested_calls_share_an_id_and_others_do_not() -> None:
    @track_performance("S")
    def outer() -> int:
        return plain(1)

    with recording() as records:
        outer()
        plain(2)

    inner, around, alone = records
    assert inner["correlation_id"] == around["correlation_id"] != alone["correlation_id"]
    assert inner["parent_event_id"] == around["event_id"]
    assert around["parent_event_id"] is alone["parent_event_id"] is None


def test_tasks_and_worker_threads_stay_under_their_call() -> None:
    @track_performance("S")
    async def outer() -> None:
        await asyncio.gather(Planner().sort(1), Planner().sort(2), asyncio.to_thread(plain, 3))

    with recording() as records:
        asyncio.run(outer())

    around = records.of("outer")
    others = [record for record in records if record is not around]
    assert {record["parent_event_id"] for record in others} == {around["event_id"]}
    assert len(others) == 3


def test_a_task_that_outlives_its_call_stays_under_it() -> None:
    @track_performance("S")
    async def outer() -> asyncio.Task[None]:
        return asyncio.create_task(later())

    async def later() -> None:
        for number in range(3):
            await asyncio.sleep(0)
            plain(number)

    async def go() -> None:
        await (await outer())
        plain(9)

    with recording() as records:
        asyncio.run(go())

    around, *within, beside = records
    assert [record["parent_event_id"] for record in within] == [around["event_id"]] * 3
    assert {record["correlation_id"] for record in within} == {around["correlation_id"]}
    assert beside["parent_event_id"] is None


def test_a_task_that_outlives_a_generators_block_stays_under_what_is_around_that() -> None:
    async def later() -> None:
        for number in range(2):
            await asyncio.sleep(0)
            plain(number)

    @track_performance("S")
    async def outer() -> None:
        with contextmanager(blocks)("block"):
            task = asyncio.create_task(later())
        await task

    with recording() as records:
        asyncio.run(outer())

    block, first, second, around = records
    assert first["parent_event_id"] in (block["event_id"], around["event_id"])
    assert second["parent_event_id"] == around["event_id"]


@pytest.mark.parametrize("in_block", [False, True])
def test_tasks_that_start_each_other_for_ever_keep_no_past_alive(in_block: bool) -> None:
    async def again(times: int) -> None:
        async with track_performance("S"):
            await function(times)

    async def function(times: int) -> None:
        if times:
            tasks.append(asyncio.create_task(step(times - 1)))

    async def go() -> None:
        await step(20)
        while tasks:
            await tasks.pop()

    step = again if in_block else track_performance("S")(function)
    tasks: list[asyncio.Task[None]] = []
    with recording() as records, mock.patch.object(calls, "_finished", wraps=calls._finished) as finished:
        asyncio.run(go())
        alive = [call.args[0].parent for call in finished.call_args_list]

    assert len(records) == 21
    assert alive == [None] * 21


def test_calls_in_many_threads_leave_a_record_each() -> None:
    def work() -> None:
        for number in range(200):
            plain(number)

    with recording() as records:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len({record["event_id"] for record in records}) == len(records) == 1600


@dataclass
class Answer:
    success: bool
    shift_days: int


class Model(BaseModel):
    backup_used: bool
    allocation: dict[str, int]


@pytest.mark.parametrize(
    ("result", "metadata"),
    [
        (
            {
                "success": True,
                "message": "m",
                "backup_used": False,
                "shift_days": 2,
                "allocation": {"allocation_id": 7},
            },
            {
                "result_keys": ["success", "message", "backup_used", "shift_days", "allocation"],
                "success_flag": True,
                "backup_used": False,
                "shift_days": 2,
                "allocation_id": 7,
            },
        ),
        (
            Answer(success=False, shift_days=0),
            {"result_keys": ["success", "shift_days"], "success_flag": False, "shift_days": 0},
        ),
        (
            Model(backup_used=True, allocation={"allocation_id": 9}),
            {"result_keys": ["backup_used", "allocation"], "backup_used": True, "allocation_id": 9},
        ),
        (
            {"success": "yes", "shift_days": "two", "allocation_id": 10**40},
            {"result_keys": ["success", "shift_days", "allocation_id"]},
        ),
        ([1, 2], {}),
        (None, {}),
    ],
)
def test_metadata_tells_of_the_result_what_may_be_told(result: Any, metadata: dict[str, Any]) -> None:
    @track_performance("S", include_metadata=True)
    def gives() -> Any:
        return result

    with recording() as records:
        assert gives() is result

    assert records.one["metadata"] == metadata


@dataclass
class Booking:
    success: bool
    allocation_id: int | None
    dry_run: bool = False
    replayed: bool = False


@pytest.mark.parametrize(
    ("result", "counted"),
    [
        (Booking(success=True, allocation_id=7), 1),
        ({"success": True, "allocation": {"allocation_id": 7}}, 1),
        (Booking(success=True, allocation_id=7, replayed=True), 0),
        (Booking(success=True, allocation_id=None, dry_run=True), 0),
        (Booking(success=True, allocation_id=None, dry_run=True, replayed=True), 0),
        (Booking(success=False, allocation_id=7), 0),
        (None, 0),
        (Refused("full"), 0),
        (KeyError("k"), 0),
    ],
)
def test_a_booking_that_was_made_is_an_allocation_and_nothing_else_is(result: Any, counted: int) -> None:
    @track_performance("AllocationService", include_metadata=True)
    def auto_allocate() -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    with recording() as records, suppress(Exception):
        auto_allocate()

    assert records.one["Allocations"] == [counted]


def test_a_replay_says_so_in_its_metadata() -> None:
    with recording() as records:
        track_performance("S", include_metadata=True)(lambda: Booking(True, 7, replayed=True))()

    assert records.one["metadata"] == {
        "result_keys": ["success", "allocation_id", "dry_run", "replayed"],
        "success_flag": True,
        "replayed": True,
        "allocation_id": 7,
    }


def test_metadata_is_told_only_when_asked() -> None:
    with recording() as records:
        track_performance("S")(lambda: {"success": True})()

    assert records.one["metadata"] is None


class Nasty(dict[str, Any]):
    def get(self, *_: Any) -> Any:
        raise RuntimeError("not telling")

    __iter__ = get


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not telling")


def test_a_result_that_cannot_be_told_of_passes_and_is_recorded() -> None:
    nasty = Nasty()

    with recording() as records:
        assert track_performance("S", include_metadata=True)(lambda: nasty)() is nasty

    assert (records.one["outcome"], records.one["metadata"]) == ("success", {})


def test_an_exception_that_cannot_describe_itself_passes_and_is_recorded() -> None:
    @track_performance("S")
    def fails() -> None:
        raise Mute

    with recording() as records, pytest.raises(Mute):
        fails()

    assert (records.one["outcome"], records.one["error_type"]) == ("error", "Mute")


def test_a_broken_stdout_is_nobody_elses_business() -> None:
    with mock.patch.object(sys, "stdout", None):
        assert plain(3) == 3

    assert not calls._open


def test_a_broken_request_is_nobody_elses_business() -> None:
    with mock.patch.object(calls, "current_request", side_effect=RuntimeError), recording() as records:
        assert plain(3) == 3
        assert list(count(2)) == [0, 1]
        with track_performance("S"):
            pass

    assert records == []


def test_a_broken_emf_provider_costs_the_emf_and_not_the_line() -> None:
    provider = "dyno.metrics.emf.AmazonCloudWatchEMFProvider"

    with (
        mock.patch.object(calls, "_lines", None),
        mock.patch(provider, side_effect=RuntimeError),
        recording() as records,
    ):
        plain(3)

    assert "_aws" not in records.one


def test_after_a_fork_ids_are_new_and_the_parents_calls_are_left_to_it() -> None:
    read, write = os.pipe()

    @track_performance("S")
    def forks() -> None:
        child = os.fork()
        if child == 0:
            os.write(write, f"{calls._environment} {len(calls._open)}".encode())
            os._exit(0)
        os.waitpid(child, 0)

    with recording() as records:
        forks()

    environment, inherited = os.read(read, 100).decode().split()
    assert environment != records.one["event_id"].rpartition("-")[0]
    assert inherited == "0"


def test_a_restored_snapshot_begins_anew() -> None:
    before = calls._environment

    calls.renew()

    assert calls._environment != before


def test_a_service_without_any_settings_has_the_default_strategy() -> None:
    with mock.patch.object(calls, "_lines", None), mock.patch.dict(os.environ, clear=True), recording() as records:
        plain(1)

    assert "_aws" in records.one


def test_where_nothing_is_emitted_the_line_is_the_same_without_emf() -> None:
    with (
        mock.patch.object(calls, "_lines", None),
        mock.patch.dict(os.environ, {"METRICS_STRATEGY": "prometheus", "RELEASE": "r7"}),
        recording() as records,
    ):
        plain(1)

    assert list(records.one)[:3] == ["service", "method", "record"]
    assert records.one["release"] == "r7"
    assert "_aws" not in records.one


DEEP = 400


def near_the_limit(function: Any, *args: Any) -> None:
    """Calls it as deep as Python lets it, and a thread gives it the room, whatever is around the test."""
    before = sys.getrecursionlimit()
    with ThreadPoolExecutor(1) as pool:
        try:
            sys.setrecursionlimit(DEEP)
            pool.submit(function, *args).result()
        finally:
            sys.setrecursionlimit(before)


def test_calls_that_end_in_a_recursion_error_leave_a_line_each() -> None:
    begun: list[str] = []

    @track_performance("S")
    def deeper() -> None:
        call = calls._current.get()
        if call is not None and call.event_id not in begun:
            begun.append(call.event_id)
        deeper()

    def outermost() -> None:
        with pytest.raises(RecursionError):
            deeper()
        plain(1)

    plain(1)
    with recording() as records:
        near_the_limit(outermost)

    written = [record["event_id"] for record in records if record["method"] == "deeper"]
    assert len(begun) > 50
    assert sorted(written) == sorted(begun)
    assert not calls._unwritten
    assert not calls._open


def test_calls_that_succeed_near_the_limit_leave_a_line_each() -> None:
    begun: list[str] = []

    @track_performance("S", include_metadata=True)
    def leaf() -> dict[str, int]:
        call = calls._current.get()
        if call is not None and call.event_id not in begun:
            begun.append(call.event_id)
        return {"shift_days": 2}

    def down() -> None:
        with suppress(RecursionError):
            leaf()
        down()

    def outermost() -> None:
        with pytest.raises(RecursionError):
            down()
        plain(1)

    with recording() as records:
        near_the_limit(outermost)

    written = {record["event_id"]: record for record in records if record["method"] == "leaf"}
    assert begun[:-5] == [each for each in begun[:-5] if written[each]["metadata"]["shift_days"] == 2]
    assert not calls._unwritten


def test_what_could_not_be_written_is_bounded() -> None:
    with mock.patch.object(calls, "_write_up", side_effect=RecursionError):
        for _ in range(calls.MAX_UNWRITTEN + 5):
            plain(1)

    assert len(calls._unwritten) == calls.MAX_UNWRITTEN
    with recording() as records:
        plain(2)
    assert len(records) == calls.MAX_UNWRITTEN + 1


def test_a_restored_snapshot_gives_other_ids() -> None:
    script = """
from snapshot_restore_py import get_after_restore
from dyno.metrics import calls, track_performance
before = calls.next_event_id()
[hook() for hook, _, _ in get_after_restore()]
after = calls.next_event_id()
assert before.split("-")[0] != after.split("-")[0]
"""

    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("asked", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_a_result_or_an_error_raises_when_it_is_asked_is_nobody_elses_business(asked: type[BaseException]) -> None:
    class Result(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            raise asked

    class Failed(Exception):
        def __str__(self) -> str:
            raise asked

    class Shy(Exception):
        @property
        def outcome(self) -> str:
            raise asked

    def fails(error: Exception) -> None:
        raise error

    with recording() as records:
        track_performance("S", include_metadata=True)(lambda: Result())()  # noqa: PLW0108
        for error in (Failed(), Shy()):
            with pytest.raises(type(error)):
                track_performance("S")(fails)(error)

    assert [record["outcome"] for record in records] == ["success", "error", "error"]


def test_a_group_of_refusals_is_a_refusal() -> None:
    def fails(error: BaseException) -> None:
        raise error

    all_refuse = ExceptionGroup("all", [Refused("full"), ExceptionGroup("more", [NoDynoAvailable("full")])])
    one_breaks = ExceptionGroup("one", [Refused("full"), ExceptionGroup("more", [KeyError("k")])])

    with recording() as records:
        for error in (all_refuse, one_breaks):
            with pytest.raises(ExceptionGroup):
                track_performance("S")(fails)(error)

    assert [record["outcome"] for record in records] == ["rejected", "error"]


def test_an_iterator_that_is_through_is_a_success() -> None:
    class Numbers:
        @track_performance
        def __next__(self) -> int:
            raise StopIteration

        @track_performance
        async def __anext__(self) -> int:
            raise StopAsyncIteration

        @track_performance
        def search(self) -> int:
            raise StopIteration

    async def ask() -> None:
        with pytest.raises(StopAsyncIteration):
            await Numbers().__anext__()

    with recording() as records:
        for step in (Numbers().__next__, Numbers().search):
            with pytest.raises(StopIteration):
                step()
        asyncio.run(ask())

    assert [record["outcome"] for record in records] == ["success", "error", "success"]


def test_a_generator_that_goes_on_when_it_is_told_to_exit_may() -> None:
    @track_performance("S")
    def stays() -> Generator[str, None, str]:
        try:
            yield "first"
        except GeneratorExit:
            yield "last words"
        return "done"

    with recording() as records:
        talk = stays()
        said = [next(talk), talk.throw(GeneratorExit())]
        with pytest.raises(StopIteration) as end:
            next(talk)
        ignoring = stays()
        next(ignoring)
        with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
            ignoring.close()
        del ignoring

    assert (said, end.value.value) == (["first", "last words"], "done")
    assert records[0]["outcome"] == "success"


def test_what_a_generator_returns_when_it_is_closed_reaches_who_closes_it() -> None:
    def returns() -> Generator[str, None, str]:
        try:
            yield "first"
        except GeneratorExit:
            return "done"
        return "never"

    with recording() as records:
        plainly, measured = returns(), track_performance("S")(returns)()
        next(plainly), next(measured)

        assert measured.close() == plainly.close()  # type: ignore[func-returns-value]  # from Python 3.13 on it is "done"

    assert records.one["outcome"] == "success"


def test_an_async_generator_that_goes_on_when_it_is_told_to_exit_may() -> None:
    @track_performance("S")
    async def stays() -> AsyncIterator[str]:
        try:
            yield "first"
        except GeneratorExit:
            yield "last words"

    async def listen() -> list[str]:
        talk: Any = stays()
        return [await anext(talk), await talk.athrow(GeneratorExit()), *[said async for said in talk]]

    with recording() as records:
        assert asyncio.run(listen()) == ["first", "last words"]

    assert records.one["outcome"] == "success"


def test_what_is_thrown_into_a_generator_is_no_context_of_what_it_raises_later() -> None:
    def talks() -> Generator[str, None, None]:
        with suppress(KeyError):
            yield "first"
        raise ValueError("later")

    @track_performance("S")
    async def atalks() -> AsyncIterator[str]:
        for _ in talks():
            with suppress(KeyError):
                yield "first"
        raise AssertionError

    async def listen() -> BaseException:
        talk: Any = atalks()
        await anext(talk)
        with pytest.raises(ValueError, match="later") as caught:
            await talk.athrow(KeyError("k"))
        return caught.value

    with recording():
        talk = track_performance("S")(talks)()
        next(talk)
        with pytest.raises(ValueError, match="later") as caught:
            talk.throw(KeyError("k"))

        assert caught.value.__context__ is None
        assert asyncio.run(listen()).__context__ is None


def test_an_error_thrown_into_a_generator_leaves_nothing_to_the_collector() -> None:
    class Thrown(Exception): ...

    gc.collect()
    gc.disable()
    try:
        with recording():
            numbers: Any = count(3)
            next(numbers)
            error = Thrown()
            with suppress(Thrown):
                numbers.throw(error)
        left = weakref.ref(error)
        del error, numbers

        assert left() is None
    finally:
        gc.enable()


def test_the_loop_closes_a_measured_async_generator_once_and_in_order() -> None:
    heard: list[Any] = []

    @track_performance("S")
    async def waits() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0.01)

    async def leave_it() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: heard.append(told))
        numbers = waits()
        kept.append(numbers)
        await anext(numbers)

    kept: list[Any] = []
    with recording() as records:
        asyncio.run(leave_it())

    assert heard == []
    assert records.one["outcome"] == "success"


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (property(lambda _: 1), "below @property"),
        (functools.cached_property(lambda _: 1), "below @property"),
        (Planner, "decorate its methods"),
        (functools.partialmethod(print), "whatever else can be called"),
        (5, "whatever else can be called"),
    ],
)
def test_what_cannot_be_measured_is_refused_where_it_is_written(thing: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        track_performance("S")(thing)
    with pytest.raises(TypeError, match=said):
        track_performance(thing)


def test_a_cached_or_generic_function_keeps_what_can_be_called_of_it() -> None:
    @track_performance("S")
    @functools.lru_cache
    def cached(day: int) -> int:
        return day

    @track_performance("S")
    @functools.singledispatch
    def generic(_: Any) -> str:
        return "any"

    generic.register(int, lambda _: "int")

    with recording() as records:
        assert [cached(1), cached(1), generic(1), generic("")] == [1, 1, "int", "any"]

    assert cached.cache_info().hits == 1
    cached.cache_clear()
    assert cached.cache_info().currsize == 0
    assert len(records) == 4


def test_a_generator_that_can_be_awaited_still_can() -> None:
    @track_performance("S")
    @types.coroutine
    def old() -> Generator[Any, Any, int]:
        yield from asyncio.sleep(0.01).__await__()
        return 5

    async def wait() -> int:
        return await old()

    with recording() as records:
        assert asyncio.run(wait()) == 5

    assert records.one["duration_ms"] >= 10


def test_a_partial_of_a_generator_is_measured_as_one() -> None:
    def numbers(to: int) -> Iterator[int]:
        yield from range(to)

    with recording() as records:
        assert list(track_performance("S")(functools.partial(numbers, 2))()) == [0, 1]

    assert records.one["outcome"] == "success"
