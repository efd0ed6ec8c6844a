"""What it costs to measure a call, beside a line made by hand and beside what others measure with."""

import io
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stdout
from functools import lru_cache, partial
from itertools import count
from typing import TextIO
from unittest import mock

from dyno.metrics import calls, track_performance
from dyno.metrics.line import Finished, Lines
from dyno.observability import Request, serving
from tests.benchmarks.clock import per_await_us, per_call_us
from tests.benchmarks.peers import recorders
from tests.benchmarks.peers.recorders import Recorder, Said, ephemeral_metrics
from tests.benchmarks.row import Contender, Effort, Goal, Role, Row
from tests.benchmarks.stdout import stdout_to_nowhere, written

CALLS = 4_000
LINE = "the line"
CALL, AWAITED = "a call", "an awaited call"
HAND, SPAN = "by hand", "OpenTelemetry span"
BARE, BARE_ASYNC = "undecorated", "undecorated, async"

Call = Callable[[], object]
Span = Callable[[], AbstractContextManager[object]]


class Planner:
    """Something to measure that takes next to no time itself."""

    def bare(self) -> int:
        return 1

    async def bare_async(self) -> int:
        return 1

    @track_performance
    def plan(self) -> int:
        return 1

    @track_performance
    async def plan_async(self) -> int:
        return 1

    @track_performance(include_metadata=True)
    def plan_telling(self) -> dict[str, object]:
        return {"success": True, "backup_used": False, "shift_days": 0, "allocation_id": 7}


class Differs(AssertionError):
    """Two lines that should be the same are not."""


@contextmanager
def contenders(effort: Effort) -> Iterator[Sequence[Contender]]:
    """Lines that are made, and calls whose line is written too; each without what the undecorated call costs."""
    planner, number = Planner(), effort.pick(CALLS)
    with ExitStack() as stack:
        stack.enter_context(told_nothing())
        nowhere = stack.enter_context(stdout_to_nowhere())
        line = written(planner.plan, nowhere)
        check_powertools_writes_it_so(line)
        said = Said.by(line)
        recording, span = _recording(said, stack), stack.enter_context(recorders.opentelemetry_span(said))
        peers = {name: _recorded(planner.bare, record) for name, record in recording.items()}
        peers[SPAN] = _within(span, planner.bare)
        yield [
            Contender(BARE, Role.NOTHING, partial(per_call_us, planner.bare, number)),
            Contender(BARE_ASYNC, Role.NOTHING, partial(per_await_us, planner.bare_async, number)),
            *_lines(number),
            *_tracked(planner, nowhere, number),
            *(_of_a_call(name, Role.PEER, call, nowhere, number) for name, call in peers.items()),
            *_awaited(planner, {HAND: _hand(nowhere), **recording}, span, number),
        ]


@contextmanager
def told_nothing() -> Iterator[None]:
    """The tracker as it is by default, whatever this process was told before."""
    with mock.patch.dict(os.environ):
        for name in ("METRICS_STRATEGY", "METRICS_NAMESPACE", "METRICS_SERIES_BUDGET", "RELEASE"):
            os.environ.pop(name, None)
        calls.renew()
        try:
            yield
        finally:
            calls.renew()


def check_powertools_writes_it_so(line: str) -> None:
    """
    Have Powertools write what a line says.

    Raises:
        Differs: Not byte for byte the same.
    """
    said = Said.by(line)
    out = io.StringIO()
    with redirect_stdout(out):
        metrics = ephemeral_metrics(said, said.duration_ms)
        metrics.set_timestamp(said.timestamp_ms)
        metrics.flush_metrics()
    _check_same(line, out.getvalue())


def by_hand(
    event_id: str,
    correlation_id: str,
    sub: str | None,
    duration_ms: float,
    at_ns: int,
    parent_event_id: str | None,
    error_type: str | None,
    error_message: str | None,
    metadata: str | None,
) -> str:
    """The record line as one would write it for this one method, trusting that no text needs escaping."""
    at_s, rest_ns = divmod(at_ns, 1_000_000_000)
    return (
        f'{{"_aws":{{"Timestamp":{at_ns // 1_000_000},"CloudWatchMetrics":[{{"Namespace":"DynoAgent/Production",'
        '"Dimensions":[["service","method"]],"Metrics":[{"Name":"Duration","Unit":"Milliseconds"},'
        '{"Name":"Errors","Unit":"Count"},{"Name":"Rejections","Unit":"Count"}]}]},'
        f'"service":"Planner","method":"plan","record":"dyno-call/1","event_id":"{event_id}",'
        f'"correlation_id":"{correlation_id}","sub":{"null" if sub is None else _text(sub)},"outcome":"success",'
        f'"success":true,"duration_ms":{duration_ms},"created_at":"{_second(at_s)}.{rest_ns // 1000:06d}Z",'
        f'"parent_event_id":{"null" if parent_event_id is None else _text(parent_event_id)},'
        f'"error_type":{"null" if error_type is None else _text(error_type)},'
        f'"error_message":{"null" if error_message is None else _text(error_message)},"metadata":{metadata or "null"},'
        f'"Duration":[{duration_ms}],"Errors":[0.0],"Rejections":[0.0]}}\n'
    )


def _text(said: str) -> str:
    return f'"{said}"'


@lru_cache(maxsize=1)  # a date costs as much as the rest of the line, so it is made once a second
def _second(at_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s))


def _check_same(one: str, other: str) -> None:
    if one != other:
        raise Differs(f"\n{one}\n{other}")


def _lines(number: int) -> Iterator[Contender]:
    """The text alone, not written anywhere."""
    event_id = "5f2b6c0a9d3e4781-1"
    finished = Finished(event_id, event_id, None, "Planner", "plan", "success", 0.123, time.time_ns())
    lines = Lines.from_env({})

    def hand() -> str:
        return by_hand(
            finished.event_id,
            finished.correlation_id,
            finished.sub,
            finished.duration_ms,
            finished.at_ns,
            finished.parent_event_id,
            finished.error_type,
            finished.error_message,
            finished.metadata,
        )

    def ours() -> str:
        return lines.line(finished)

    _check_same(hand(), ours())
    yield Contender("by hand", Role.FLOOR, partial(per_call_us, hand, number), LINE, BARE)
    yield Contender("Lines.line", Role.OURS, partial(per_call_us, ours, number), LINE, BARE)


def _tracked(planner: Planner, nowhere: TextIO, number: int) -> Iterator[Contender]:
    yield _of_a_call("by hand", Role.FLOOR, _recorded(planner.bare, _hand(nowhere)), nowhere, number)
    yield _of_a_call("Lines.line", Role.OURS, _recorded(planner.bare, _line(nowhere)), nowhere, number)
    yield _of_a_call("track_performance", Role.OURS, planner.plan, nowhere, number)
    yield _of_a_call("track_performance, with metadata", Role.OURS, planner.plan_telling, nowhere, number)

    def in_a_request() -> float:
        with serving(Request("5f2b6c0a-9d3e-4781-a7c4-0f6f3f0a1b2c", "somebody")):
            return per_call_us(planner.plan, number)

    yield Contender("track_performance, in a request", Role.OURS, in_a_request, CALL, BARE)


def _hand(nowhere: TextIO) -> Recorder:
    ids = _event_ids()

    def record(duration_ms: float) -> None:
        event_id = next(ids)
        nowhere.write(by_hand(event_id, event_id, None, duration_ms, time.time_ns(), None, None, None, None))
        nowhere.flush()

    return record


def _line(nowhere: TextIO) -> Recorder:
    """What is left of `track_performance` if somebody else does the tracking."""
    ids, lines = _event_ids(), Lines.from_env({})

    def record(duration_ms: float) -> None:
        event_id = next(ids)
        finished = Finished(event_id, event_id, None, "Planner", "plan", "success", duration_ms, time.time_ns())
        nowhere.write(lines.line(finished))
        nowhere.flush()

    return record


def _event_ids() -> Iterator[str]:
    environment = secrets.token_hex(8)
    return (f"{environment}-{number}" for number in count(1))


def _recording(said: Said, stack: ExitStack) -> dict[str, Recorder]:
    return {
        "EphemeralMetrics": lambda duration_ms: ephemeral_metrics(said, duration_ms).flush_metrics(),
        "single_metric": recorders.single_metrics(said),
        "aws-embedded-metrics": stack.enter_context(recorders.embedded_metrics(said)),
        "Logger.info": stack.enter_context(recorders.powertools_logger(said)),
        "prometheus-client": recorders.prometheus(said),
        "OpenTelemetry metrics": stack.enter_context(recorders.opentelemetry_metrics(said)),
    }


def _awaited(planner: Planner, recording: Mapping[str, Recorder], span: Span, number: int) -> Iterator[Contender]:
    """The same of a coroutine function; nobody waits for anything while they record."""
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "track_performance": planner.plan_async,
        **{name: _recorded_async(planner.bare_async, record) for name, record in recording.items()},
        SPAN: _within_async(span, planner.bare_async),
    }
    roles = {HAND: Role.FLOOR, "track_performance": Role.OURS}
    for name, call in ways.items():
        role = roles.get(name, Role.PEER)
        yield Contender(name, role, partial(per_await_us, call, number), AWAITED, BARE_ASYNC)


def _recorded_async(work: Callable[[], Awaitable[object]], record: Recorder) -> Callable[[], Awaitable[object]]:
    async def call() -> object:
        began_s = time.perf_counter()
        result = await work()
        record(round((time.perf_counter() - began_s) * 1000, 3))
        return result

    return call


def _within(span: Span, work: Call) -> Call:
    def call() -> object:
        with span():
            return work()

    return call


def _within_async(span: Span, work: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    async def call() -> object:
        with span():
            return await work()

    return call


def _recorded(work: Call, record: Recorder) -> Call:
    """The work, timed and recorded by somebody."""

    def call() -> object:
        began_s = time.perf_counter()
        result = work()
        record(round((time.perf_counter() - began_s) * 1000, 3))
        return result

    return call


def _of_a_call(name: str, role: Role, call: Call, nowhere: TextIO, number: int) -> Contender:
    lines = written(call, nowhere)
    note = f"{len(lines.encode())} bytes" if lines else "writes no line"
    return Contender(name, role, partial(per_call_us, call, number), CALL, BARE, note=note)


ROW = Row(
    name="instrumentation",
    asks="What does it cost to measure a call?",
    unit="µs",
    rounds=25,
    contenders=contenders,
    goals=(
        Goal(f"track_performance, {CALL}", at_most=5),
        Goal(f"track_performance, {AWAITED}", at_most=5),
        Goal(f"track_performance, with metadata, {CALL}", at_most=5),
        Goal(f"track_performance, in a request, {CALL}", at_most=5),
        Goal(f"Lines.line, {LINE}", over=f"by hand, {LINE}", at_most=1.3),
        Goal(f"EphemeralMetrics, {CALL}", over=f"Lines.line, {CALL}", at_least=10),
    ),
)
