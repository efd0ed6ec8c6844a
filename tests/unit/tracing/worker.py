"""A Lambda worker, to be run in a process of its own: the X-Ray SDK looks where it is when it is imported."""

import asyncio
import contextvars
import json
import os
import random
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, suppress
from typing import Any

from dyno.errors import VehicleNotFound
from dyno.metrics import deadline, track_performance
from tests.unit.metrics.recording import recording

tracked = track_performance("Program")
Step = dict[str, Any]
"""name, form, inside (steps), together (whether these run at once), pauses (how often it lets others run)."""


def recorder() -> Any:
    """The X-Ray SDK, as the user has it."""
    from aws_xray_sdk.core import xray_recorder  # noqa: PLC0415  only where a test wants it imported

    return xray_recorder


def users_own(name: str) -> AbstractContextManager[Any]:
    """A span of the user's own; by X-Ray, unless a test puts another in its place."""
    subsegment: AbstractContextManager[Any] = recorder().in_subsegment(name)
    return subsegment


async def follow(step: Step) -> None:
    """Run a program of coroutines, threads, asynchronous generators and blocks, however they overlap."""
    left: list[asyncio.Task[None]] = []
    await one(step, left)
    while left:
        await left.pop()


async def one(step: Step, left: list[asyncio.Task[None]]) -> None:
    await FORMS[step["form"]](step, left)


async def body(step: Step, left: list[asyncio.Task[None]]) -> None:
    await pause(step)
    if step["together"]:
        await asyncio.gather(*(one(each, left) for each in step["inside"]))
    else:
        for each in step["inside"]:
            await one(each, left)
    await pause(step)


async def pause(step: Step) -> None:
    for _ in range(step["pauses"]):
        await asyncio.sleep(0)


async def as_coroutine(step: Step, left: list[asyncio.Task[None]]) -> None:
    await track_performance("Program", method=step["name"])(body)(step, left)


async def as_block(step: Step, left: list[asyncio.Task[None]]) -> None:
    async with track_performance("Program", method=step["name"]):
        await body(step, left)


async def as_thread(step: Step, _left: list[asyncio.Task[None]]) -> None:
    @track_performance("Program", method=step["name"])
    def within() -> None:
        asyncio.run(follow({**step, "form": "untracked"}))

    await asyncio.to_thread(within)


async def as_generator(step: Step, left: list[asyncio.Task[None]]) -> None:
    @track_performance("Program", method=step["name"])
    async def steps() -> AsyncGenerator[int, None]:
        yield 1
        await body(step, left)
        yield 2

    async for _ in steps():
        await pause(step)


async def as_left(step: Step, left: list[asyncio.Task[None]]) -> None:
    """It goes on when the call that started it is over."""
    left.append(asyncio.create_task(as_coroutine(step, left)))


async def as_users(step: Step, left: list[asyncio.Task[None]]) -> None:
    with users_own(step["name"]):
        await body(step, left)


FORMS = {
    "untracked": body,
    "coroutine": as_coroutine,
    "block": as_block,
    "thread": as_thread,
    "generator": as_generator,
    "left": as_left,
    "users": as_users,
}


def nested() -> None:
    with track_performance("Program", method="outer"):
        with track_performance("Program", method="first"):
            pass
        with track_performance("Program", method="second"), track_performance("Program", method="third"):
            pass


def generators(turns: list[int]) -> None:
    """Some generators, advanced in any order, each with a call of its own at each step; what is left over is closed."""

    def steps(number: int) -> Generator[None, None, None]:
        for turn in range(turns.count(number)):
            with track_performance("Program", method=f"step {turn} of {number}"):
                yield

    made = {number: track_performance("Program", method=f"generator {number}")(steps)(number) for number in set(turns)}
    with track_performance("Program", method="consumer"):
        for number in turns:
            next(made[number])
            with track_performance("Program", method=f"between {random.random()}"):
                pass
        for each in made.values():
            each.close()


def threads() -> None:
    """Threads that are given the context, and one that is left to itself."""

    @track_performance("Program", method="outer")
    def outer() -> None:
        contexts = [contextvars.copy_context() for _ in range(8)]
        begun = [threading.Thread(target=each.run, args=(inner, f"given {i}")) for i, each in enumerate(contexts)]
        begun.append(threading.Thread(target=inner, args=("on its own",)))
        for thread in begun:
            thread.start()
        for thread in begun:
            thread.join()

    def inner(name: str) -> None:
        with track_performance("Program", method=name):
            time.sleep(0.001)
            with track_performance("Program", method=f"below {name}"):
                time.sleep(0.001)

    outer()


def outcomes() -> None:
    @tracked
    def refused() -> None:
        raise VehicleNotFound("no vehicle has id 7")

    @tracked
    def broken() -> None:
        raise ValueError("cannot log in with password=hunter2 as eve@example.com")

    for each in (refused, broken):
        with suppress(VehicleNotFound, ValueError):
            each()


def late() -> None:
    """Runs into the deadline, in one call within another, within one of the user's."""
    with deadline(200), recorder().in_subsegment("handler"), track_performance("Program", method="outer"):
        with recorder().in_subsegment("hanging"), track_performance("Program", method="inner"):
            time.sleep(0.15)
        with recorder().in_subsegment("afterwards"):
            recorder().put_annotation("still", "fine")


def users_tracer() -> None:
    """Powertools' decorator below a tracked call, and a tracked call below it, in an order anybody would write."""
    from aws_lambda_powertools import Tracer  # noqa: PLC0415

    tracer = Tracer(auto_patch=False)

    @tracer.capture_lambda_handler
    def handler(_event: object, _context: object) -> None:
        service()
        tracer.put_annotation("after", "on the handler")

    @track_performance("Program", method="service")
    def service() -> None:
        tracer.put_annotation("inside", "on the call")
        query()

    @tracer.capture_method
    def query() -> None:
        with track_performance("Program", method="statement"):
            pass

    handler({}, None)


def out_of_turn() -> None:
    """Two of the user's subsegments that overlap with calls begun on top of them."""

    async def users(name: str, pauses: int) -> None:
        with recorder().in_subsegment(name):
            for _ in range(pauses):
                await asyncio.sleep(0)

    @track_performance("Program", method="call")
    async def call() -> None:
        for _ in range(4):
            await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(users("theirs", 2), call())

    with recorder().in_subsegment("handler"):
        asyncio.run(both())


def below_a_call_that_is_over() -> None:
    """A thread of the user's own that was given a call to hang below, and is slow."""
    given, done = threading.Event(), threading.Event()

    def theirs(entity: Any) -> None:
        recorder().set_trace_entity(entity)
        given.set()
        done.wait()
        with recorder().in_subsegment("slow"):
            recorder().put_annotation("still", "fine")

    with track_performance("Program", method="call"):
        call = recorder().current_subsegment()
        thread = threading.Thread(target=theirs, args=(call,))
        thread.start()
        given.wait()
    call.put_annotation("too", "late")
    done.set()
    thread.join()


def not_sampled() -> None:
    """The user leaves something of their own out of the trace."""
    with track_performance("Program", method="outer"):
        recorder().begin_subsegment_without_sampling("left out")
        with track_performance("Program", method="inner"):
            pass
        recorder().end_subsegment()


def forgotten() -> None:
    """The user has the recorder forget where it is."""
    with track_performance("Program", method="outer"):
        recorder().clear_trace_entities()
        with track_performance("Program", method="inner"):
            pass


def without_context() -> None:
    """The user gives the recorder a context that knows nothing of Lambda."""
    from aws_xray_sdk.core.context import Context  # noqa: PLC0415

    recorder().configure(context=Context(context_missing="RUNTIME_ERROR"))
    nested()


left_over: dict[str, threading.Event | threading.Thread] = {}


def leave() -> None:
    """Ends with a thread of its own still running, as Lambda lets it: frozen until the next invocation."""
    go_on = threading.Event()

    def slow() -> None:
        go_on.wait()
        with track_performance("Program", method="below"):
            pass

    with track_performance("Program", method="outer"):
        thread = threading.Thread(target=contextvars.copy_context().run, args=(slow,))
        thread.start()
    left_over.update(go_on=go_on, thread=thread)


def go_on() -> None:
    """Lets it run in an invocation that is not its own."""
    go_on, thread = left_over["go_on"], left_over["thread"]
    assert isinstance(go_on, threading.Event)
    assert isinstance(thread, threading.Thread)
    go_on.set()
    thread.join()


def names() -> None:
    for name in ("<lambda>", "größe", "x" * 300, 'a"b{c}'):
        with track_performance("Program", method=name):
            pass


def users_configuration() -> list[object]:
    """What Powertools' Tracer is for the user after calls have been traced."""
    from aws_lambda_powertools import Tracer  # noqa: PLC0415

    nested()
    theirs = Tracer(service="theirs")
    again = Tracer()
    return [again.service, theirs.auto_patch, again.disabled]


def modules() -> list[str]:
    nested()
    return sorted({"aws_xray_sdk", "dyno.otel", "dyno.xray", "opentelemetry", "wrapt"} & set(sys.modules))


PROGRAMS: dict[str, Callable[..., Any]] = {
    "follow": lambda step: asyncio.run(follow(step)),
    **{
        each.__name__: each
        for each in (
            nested, generators, threads, outcomes, late, users_tracer, out_of_turn, below_a_call_that_is_over,
            not_sampled, forgotten, without_context, leave, go_on, names,
            users_configuration, modules,
        )
    },
}  # fmt: skip


def main() -> None:
    """For each line on stdin, run a program in an invocation of its own, and tell what was recorded."""
    for line in sys.stdin:
        invocation = json.loads(line)
        os.environ["_X_AMZN_TRACE_ID"] = invocation["trace"]
        raised = None
        with recording() as records:
            try:
                result = PROGRAMS[invocation["program"]](*invocation["arguments"])
            except Exception as error:  # noqa: BLE001  a test looks at it
                result, raised = None, repr(error)
        sys.stdout.write(json.dumps({"records": records, "result": result, "raised": raised}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
