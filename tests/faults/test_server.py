"""The server stops, ends sessions, has no room for another, or does not believe who asks."""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from dyno import database, driver
from dyno.settings import Settings
from functions.allocations import handler as allocations
from functions.metrics import handler as metrics
from tests.faults.answers import amiss
from tests.faults.conftest import DOORS, Ask, Book, Bring, Visitor, delivered, logged
from tests.faults.server import FAST, IMMEDIATE, Stoppable
from tests.faults.wire import Wire
from tests.functions.conftest import Feed
from tests.lab import Lab

PATIENCE_S = 7
T = TypeVar("T")


@pytest.mark.xdist_group("own server")
class TestStopped:
    """Whatever a door was about to ask, there is nobody to ask."""

    @pytest.fixture
    def settings_as(self, on_it: Callable[[str], Settings]) -> Callable[[str], Settings]:
        return on_it

    @pytest.mark.parametrize("how", [FAST, IMMEDIATE], ids=["fast", "immediate"])
    def test_everybody_is_told_to_come_back_and_served_when_it_is_there_again(
        self, stoppable: Stoppable, furnished: Lab, ask: Ask, book: Book, bring: Bring, feed: Feed, how: signal.Signals
    ) -> None:
        assert book(key="before").status == 201
        stoppable.stop(how)

        told = [*(ask(door) for door in DOORS), book(key="meanwhile", backup=True), bring()]
        tries = delivered(feed, logged("a-1"), tries=1)
        furnished.owner.dispose()
        stoppable.start()

        assert [amiss(each) for each in told] == [[]] * 6
        assert [ask(door).status for door in DOORS] == [200] * 4
        assert bring().status == 200
        assert book(key="before").answer.headers["Idempotency-Replayed"] == "true"
        assert book(key="meanwhile", backup=True).status == 201
        assert (tries, delivered(feed, logged("a-1"))) == (0, 1)
        assert furnished.sql("select count(*) from metrics") == 1


def goodbye(lab: Lab, wire: Wire) -> None:
    """End every session of the service, and wait until its client could know."""
    lab.sql(
        "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity"
        " where usename like 'dyno%' and datname = current_database()"
    )
    assert wire.is_idle(PATIENCE_S)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__.split(".")[1])
def test_a_session_that_was_ended_while_idle_is_replaced_and_nobody_notices(
    ask: Ask, furnished: Lab, wire: Wire, door: Any
) -> None:
    assert ask(door).status == 200
    goodbye(furnished, wire)

    assert ask(door).status == 200


def test_a_connection_that_nobody_looks_at_before_would_be_found(
    ask: Ask, furnished: Lab, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver.Connection, "was_left", False)
    assert ask(allocations).status == 200
    goodbye(furnished, wire)

    assert ask(allocations).status == 503


@contextmanager
def standing_in_the_way(visitor: Visitor, statement: str) -> Iterator[None]:
    """Hold a lock as long as this lasts."""
    visitor.run("begin")
    visitor.run(statement)
    try:
        yield
    finally:
        visitor.run("rollback")


def seen(visitor: Visitor, sql: str) -> Any:
    """Within a transaction the view of other sessions stays as it was, unless it is told not to."""
    visitor.run("select pg_stat_clear_snapshot()")
    return visitor.run(sql)


def meanwhile(visitor: Visitor, work: Callable[[], T], then: str) -> T:
    """What comes of something that waits for a lock, and to whose session something is done as soon as it does."""
    with ThreadPoolExecutor() as threads:
        told = threads.submit(work)
        give_up_at = time.monotonic() + PATIENCE_S
        while not (waiting := seen(visitor, WAITING)) and time.monotonic() < give_up_at:
            time.sleep(0.01)
        visitor.run(f"select {then}(:pid)", pid=waiting[0][0])
        return told.result(2 * PATIENCE_S)


WAITING = "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
THE_DYNO = "select from dynos for update"
ENDED, CANCELLED = "pg_terminate_backend", "pg_cancel_backend"


@pytest.mark.parametrize("then", [ENDED, CANCELLED])
def test_a_booking_that_is_ended_in_the_middle_books_nothing_and_its_retry_does(
    book: Book, furnished: Lab, visitor: Visitor, then: str
) -> None:
    with standing_in_the_way(visitor, THE_DYNO):
        told = meanwhile(visitor, lambda: book(key="a-key"), then)

    assert amiss(told) == []
    assert furnished.sql("select count(*) from occupancies") == 0
    assert book(key="a-key").status == 201


def test_a_cancellation_that_is_taken_for_a_bug_would_be_found(
    book: Book, furnished: Lab, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_TRY_AGAIN", {"40"})
    with standing_in_the_way(visitor, THE_DYNO):
        told = meanwhile(visitor, book, CANCELLED)

    assert "is 500" in amiss(told)[0]


@pytest.mark.parametrize("then", [ENDED, CANCELLED])
def test_a_batch_that_is_ended_in_the_middle_is_sent_again_and_counted_once(
    feed: Feed, lab: Lab, visitor: Visitor, then: str
) -> None:
    events = logged("a-1", "a-2")

    with standing_in_the_way(visitor, "lock table metrics in exclusive mode"):
        first = meanwhile(visitor, lambda: delivered(feed, events, tries=1), then)

    assert (first, delivered(feed, events), delivered(feed, events)) == (0, 1, 1)
    assert lab.sql("select count(*) from metrics") == lab.sql("select sum(calls) from metrics_series") == 2


def test_whoever_finds_every_session_of_their_role_taken_is_told_to_come_back(ask: Ask, lab: Lab) -> None:
    lab.sql("alter role dyno_metrics connection limit 0")
    try:
        told = ask(metrics)
    finally:
        lab.sql("alter role dyno_metrics connection limit 50")

    assert amiss(told) == []
    assert ask(metrics).status == 200
    assert ask(allocations).status == 200


def test_a_full_role_that_is_taken_for_a_bug_would_be_found(
    ask: Ask, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_TRY_AGAIN", {"40"})
    lab.sql("alter role dyno_metrics connection limit 0")
    try:
        assert "is 500" in amiss(ask(metrics))[0]
    finally:
        lab.sql("alter role dyno_metrics connection limit 50")
