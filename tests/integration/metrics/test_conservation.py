"""Calls finished = rows + dead letters, each once, after a redrive, whatever happened on the way."""

import asyncio
import itertools
import random
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dyno.errors import Unavailable
from dyno.metrics import calls, deadline, store, track_performance
from dyno.metrics.model import LogEvent
from dyno.metrics.track import Tracker
from tests.integration.metrics.pipeline import Pipeline, logged
from tests.unit.metrics.recording import Recorded, recording


class Refused(Exception):
    outcome = "rejected"


@dataclass(frozen=True)
class Program:
    """A call that makes others, waits for some of them together, and ends well, refused, broken or not in time."""

    form: str
    end: str
    children: tuple["Program", ...] = ()

    @property
    def size(self) -> int:
        return 1 + sum(child.size for child in self.children)


FORMS = st.sampled_from(["function", "coroutine", "generator", "async generator", "block", "thread", "pool"])
Body = Callable[[], Coroutine[Any, Any, dict[str, bool]]]
ENDS = st.sampled_from(["well", "well", "refused", "broken", "late"])
PROGRAMS = st.recursive(
    st.builds(Program, FORMS, ENDS),
    lambda inner: st.builds(Program, FORMS, ENDS, st.lists(inner, max_size=3).map(tuple)),
    max_leaves=8,
)


async def run(program: Program) -> None:
    tracked = track_performance("Service", method=program.form, include_metadata=True)

    async def body() -> dict[str, bool]:
        await asyncio.gather(*(run(child) for child in program.children), return_exceptions=True)
        return end(program)

    await RUNNERS[program.form](tracked, program, body)


def end(program: Program) -> dict[str, bool]:
    match program.end:
        case "late":
            calls.close_as_timeout(0)
        case "refused":
            raise Refused("no")
        case "broken":
            raise RuntimeError("bob@example.com\0 said no")
    return {"success": True}


async def as_function(tracked: Tracker, program: Program, body: Body) -> None:
    with suppress(Exception):  # what it cannot wait for runs before it
        await body()
    tracked(lambda: end(program))()


async def as_thread(tracked: Tracker, program: Program, body: Body) -> None:
    with suppress(Exception):
        await body()
    thread = threading.Thread(target=quietly, args=(tracked(lambda: end(program)),))
    thread.start()
    thread.join()


async def as_pool(tracked: Tracker, program: Program, body: Body) -> None:
    with suppress(Exception):
        await body()
    await asyncio.get_running_loop().run_in_executor(None, tracked(lambda: end(program)))


def quietly(work: Callable[[], object]) -> None:
    with suppress(Exception):
        work()


async def as_coroutine(tracked: Tracker, _program: Program, body: Body) -> None:
    await tracked(body)()


async def as_generator(tracked: Tracker, program: Program, body: Body) -> None:
    with suppress(Exception):
        await body()

    @tracked
    def generator() -> Iterator[Any]:
        yield 1
        yield end(program)

    list(generator())


async def as_async_generator(tracked: Tracker, _program: Program, body: Body) -> None:
    @tracked
    async def generator() -> AsyncIterator[Any]:
        yield 1
        yield await body()

    async for _ in generator():
        pass


async def as_block(tracked: Tracker, _program: Program, body: Body) -> None:
    async with tracked:
        await body()


RUNNERS = {
    "function": as_function,
    "coroutine": as_coroutine,
    "generator": as_generator,
    "async generator": as_async_generator,
    "block": as_block,
    "thread": as_thread,
    "pool": as_pool,
}


@dataclass(frozen=True)
class Overlap:
    """Blocks in suspended generators, opened in order and closed in any; some trackers, and some generators, shared."""

    closing: tuple[int, ...]
    shared: frozenset[int]
    tracked: frozenset[int]
    late: int | None

    @property
    def size(self) -> int:
        return len(self.closing) + len(self.tracked)


@st.composite
def overlaps(draw: st.DrawFn) -> Overlap:
    closing = tuple(draw(st.permutations(range(draw(st.integers(1, 6))))))
    some = st.frozensets(st.sampled_from(closing))
    return Overlap(closing, draw(some), draw(some), draw(st.none() | st.sampled_from(closing)))


def overlapping(program: Overlap) -> None:
    one_for_many = track_performance("Service", method="shared block")

    def block(number: int) -> Iterator[None]:
        with one_for_many if number in program.shared else track_performance("Service", method="overlapping block"):
            yield

    tracked = track_performance("Service", method="overlapping generator")(block)
    steps = [(tracked if number in program.tracked else block)(number) for number in range(len(program.closing))]
    for each in steps:
        next(each)
    for number in program.closing:
        if number == program.late:
            calls.close_as_timeout(0)
        list(steps[number])


def recorded(programs: list[Program], *overlaps: Overlap) -> Recorded:
    async def run_all() -> None:
        await asyncio.gather(*(run(program) for program in programs), return_exceptions=True)

    with recording() as records:
        asyncio.run(run_all())
        for each in overlaps:
            overlapping(each)
    return records


@given(overlaps())
def test_blocks_closed_in_any_order_leave_a_line_each_and_nothing_behind(program: Overlap) -> None:
    with recording() as records, deadline(60_000):
        overlapping(program)
        left = calls.current()

    assert len({record["event_id"] for record in records}) == len(records) == program.size
    assert left is None
    assert not calls._open


class Fate(StrEnum):
    """What happens to a batch on its way."""

    TAKEN = "taken in"
    TWICE = "delivered twice"
    LOST = "never delivered"
    KILLED_BEFORE = "ingest killed before it writes"
    KILLED_WITHIN = "ingest killed while it writes"
    KILLED_AFTER = "ingest killed after it wrote"


class Killed(Exception):
    """The environment is gone."""


@pytest.fixture(scope="module")
def mortal(shared: Pipeline) -> Pipeline:
    """A pipeline whose connection PostgreSQL cuts in the middle of a batch when it is told to."""
    shared.run("create table doom (strikes boolean)")
    shared.run("""
        create function strike() returns trigger language plpgsql security definer as $$
        begin
          if exists (select from doom) then perform pg_terminate_backend(pg_backend_pid()); end if;
          return null;
        end $$""")
    shared.run("create trigger strikes after insert on metrics_series for each statement execute function strike()")
    return shared


def deliver(pipeline: Pipeline, events: list[LogEvent], fate: Fate) -> None:
    match fate:
        case Fate.LOST:
            return
        case Fate.KILLED_BEFORE:
            with mock.patch.object(store, "ingest", side_effect=Killed), suppress(Killed):
                pipeline.ingest(events)
        case Fate.KILLED_WITHIN:
            pipeline.run("insert into doom values (true)")
            try:
                with suppress(Unavailable):
                    pipeline.ingest(events)
            finally:
                pipeline.run("delete from doom")
        case Fate.KILLED_AFTER:
            with mock.patch.object(store, "counted", side_effect=Killed), suppress(Killed):
                pipeline.ingest(events)
        case Fate.TAKEN | Fate.TWICE:
            for _ in range(1 + (fate is Fate.TWICE)):
                pipeline.ingest(events)


def calls_by_series(pipeline: Pipeline) -> dict[tuple[str, str, str], int]:
    kept = pipeline.snapshots.read()
    return {(each.service, each.method, each.outcome): each.calls for each in kept.totals.series} if kept else {}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    programs=st.lists(PROGRAMS, min_size=1, max_size=3),
    overlap=overlaps(),
    poison=st.lists(
        st.sampled_from(["{dyno-call/1", '{"record":"dyno-call/1"}', '"half a line', '"dyno-call/1"']), max_size=3
    ),
    size=st.integers(1, 12),
    fates=st.lists(st.sampled_from(Fate), min_size=8, max_size=8),
    seed=st.randoms(use_true_random=False),
)
def test_calls_finished_are_rows_and_dead_letters_each_once(
    mortal: Pipeline,
    programs: list[Program],
    overlap: Overlap,
    poison: list[str],
    size: int,
    fates: list[Fate],
    seed: random.Random,
) -> None:
    mortal.empty()
    records = recorded(programs, overlap)
    log = logged([*records.lines, *poison])
    arrivals = log + seed.sample(log, len(log) // 2)
    seed.shuffle(arrivals)

    seen = calls_by_series(mortal)
    for start, fate in zip(range(0, len(arrivals), size), itertools.cycle(fates), strict=False):
        deliver(mortal, arrivals[start : start + size], fate)
        seen, before = calls_by_series(mortal), seen
        assert all(seen[series] >= calls for series, calls in before.items())
    redrive(mortal, log, seed)

    poisoned = sum(line != '"dyno-call/1"' for line in poison)
    assert len(records) == sum(program.size for program in programs) + overlap.size
    mortal.check_counts(finished=len(records), poison=poisoned)


def redrive(pipeline: Pipeline, log: list[LogEvent], seed: random.Random) -> None:
    """Dead letters tried again and the log read again, by two who know nothing of each other."""
    for _ in range(seed.choice([1, 2])):
        pipeline.retry()
        for start in range(0, len(log), 5):
            pipeline.ingest(log[start : start + 5])


def test_a_batch_killed_in_the_middle_leaves_nothing(mortal: Pipeline) -> None:
    mortal.empty()
    log = logged(recorded([Program("coroutine", "well")]).lines)

    deliver(mortal, log, Fate.KILLED_WITHIN)

    assert mortal.snapshots.read() is None
    assert mortal.value("select count(*) from metrics") == mortal.value("select count(*) from metrics_series") == 0


FAULTS = {
    "a duplicate counted again": (
        "on conflict (event_id, created_at) do nothing",
        "on conflict (event_id, created_at) do update set success = excluded.success",
    ),
    "a double increment": ("calls = known.calls + excluded.calls", "calls = known.calls + 2 * excluded.calls"),
    "a rollup that forgets": (
        "duration_ms_sum = known.duration_ms_sum + excluded.duration_ms_sum",
        "duration_ms_sum = excluded.duration_ms_sum",
    ),
    "a skipped event": (
        "order by r.event_id, r.created_at",
        "where r.method <> 'coroutine' order by r.event_id, r.created_at",
    ),
    "a letter kept twice": (
        "on conflict (letter_id) do nothing",
        "on conflict (letter_id) do update set reason = excluded.reason",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(pipeline: Pipeline, fault: str) -> None:
    right, wrong = FAULTS[fault]
    source = pipeline.value("select pg_get_functiondef('ingest'::regproc)")
    assert right in source
    records = recorded([Program("coroutine", "well", (Program("block", "broken"), Program("coroutine", "well")))] * 3)
    events = logged([*records.lines, "{dyno-call/1"])

    pipeline.run(source.replace(right, wrong))
    try:
        for batch in (events[:5], events[5:], events):
            pipeline.ingest(batch)
    finally:
        pipeline.run(source)

    with pytest.raises(AssertionError):
        pipeline.check_counts(finished=len(records), poison=1)
