import random
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dyno.database import sqlstate
from dyno.metrics.model import LogEvent
from tests.integration.metrics.pipeline import NOW, Pipeline, line, logged

THREADS = 8


def at_once(work: Callable[[int], object], threads: int = THREADS) -> list[BaseException]:
    """Do it in threads that start together; gives what they raised."""
    raised: list[BaseException] = []
    start = threading.Barrier(threads)

    def one(number: int) -> None:
        start.wait()
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    running = [threading.Thread(target=one, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return raised


def lines(count: int, prefix: str = "e") -> list[LogEvent]:
    hours = [NOW - timedelta(hours=number % 5) for number in range(count)]
    return logged(
        line(
            f"{prefix}-{number:05}",
            sub=f"sub-{number % 7}",
            method=f"m{number % 9}",
            duration_ms=number % 50,
            created_at=hours[number].isoformat(),
        )
        for number in range(count)
    )


def test_overlapping_batches_at_once_count_each_call_once_and_never_deadlock(pipeline: Pipeline) -> None:
    events = [*lines(600), *logged(["{dyno-call/1"] * 20)]

    def work(number: int) -> None:
        shuffled = random.Random(number)
        for _ in range(4):
            pipeline.ingest(shuffled.sample(events, 300), number=number)
        pipeline.ingest(shuffled.sample(events, len(events)), number=number)

    assert at_once(work) == []
    pipeline.check_counts(finished=600, poison=20)


def test_a_missing_month_is_made_once_by_whoever_comes_first(pipeline: Pipeline) -> None:
    long_ago = NOW - timedelta(days=300)

    def work(number: int) -> None:
        pipeline.ingest(logged([line(f"e-{number}", created_at=long_ago.isoformat())]), number=number)

    assert at_once(work) == []
    pipeline.check_counts(finished=THREADS, poison=0)


def waits_for_its_maker(pipeline: Pipeline) -> bool:
    """
    Whether a month that is there is used only once whoever made it let go of its lock.

    A commit is seen by others a moment before they are told to look anew at what a table consists of; a maker in that
    moment is played by a session that holds its lock.
    """
    lock = "(hashtextextended('dyno metrics partitions', 0))"
    maker, another = (pipeline.connect("postgres", number).connect() for number in (98, 99))
    with maker, another:
        another.execute(text("set lock_timeout = '100ms'"))
        maker.execute(text(f"select pg_advisory_lock{lock}"))
        try:
            another.execute(text("select create_metrics_partition(:month)"), {"month": NOW.date()})
        except DBAPIError as error:
            return sqlstate(error) == "55P03"
        finally:
            maker.execute(text(f"select pg_advisory_unlock{lock}"))
    return False


def test_a_month_is_used_once_every_session_has_heard_of_it(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([line("e")]))

    assert waits_for_its_maker(pipeline)


def test_a_month_that_is_used_as_soon_as_it_is_seen_would_be_noticed(pipeline: Pipeline) -> None:
    source = pipeline.value("select pg_get_functiondef('create_metrics_partition'::regproc)")
    pipeline.ingest(logged([line("e")]))

    pipeline.run(
        source.replace("perform pg_advisory_lock_shared(maker);", "").replace(
            "perform pg_advisory_unlock_shared(maker);", ""
        )
    )
    try:
        assert not waits_for_its_maker(pipeline)
    finally:
        pipeline.run(source)


def test_the_planted_fault_an_unsorted_batch_deadlocks(pipeline: Pipeline) -> None:
    source = pipeline.value("select pg_get_functiondef('ingest'::regproc)")
    assert "order by r.event_id, r.created_at" in source
    seen: list[str | None] = []

    pipeline.run(source.replace("order by r.event_id, r.created_at", ""))
    try:
        for attempt in range(20):
            events = lines(400, prefix=f"try{attempt}")
            orders = [events, list(reversed(events))]
            seen += [
                sqlstate(error.__cause__) if isinstance(error.__cause__, DBAPIError) else repr(error)
                for error in at_once(lambda number, orders=orders: pipeline.ingest(orders[number], number=number), 2)  # type: ignore[misc]
            ]
            if seen:
                break
    finally:
        pipeline.run(source)

    assert seen == ["40P01"]


@pytest.mark.parametrize("rounds", [10])
def test_sorted_as_they_are_the_same_batches_do_not(pipeline: Pipeline, rounds: int) -> None:
    for attempt in range(rounds):
        events = lines(400, prefix=f"try{attempt}")
        orders = [events, list(reversed(events))]

        assert at_once(lambda number, orders=orders: pipeline.ingest(orders[number], number=number), 2) == []  # type: ignore[misc]

    pipeline.check_counts(finished=400 * rounds, poison=0)
