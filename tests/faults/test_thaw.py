"""Environments that are frozen and thawed, and a database that is to be left in peace so that it can pause."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unittest.mock import patch

import pytest
from sqlalchemy import Engine, text

from dyno import database, driver
from dyno.database import autocommit, engine, transaction
from dyno.settings import Settings
from functions.allocations import handler as allocations
from tests.faults.answers import by_the_room
from tests.faults.conftest import Ask, Book
from tests.faults.server import Stoppable
from tests.lab import Lab

pytestmark = pytest.mark.xdist_group("own server")  # what is set up is set up once

IDLE_S = 1
SESSIONS = "select count(*) from pg_stat_activity where usename like 'dyno%'"


@pytest.fixture
def settings_as(on_it: Callable[[str], Settings]) -> Callable[[str], Settings]:
    return on_it


@pytest.fixture
def impatient(stoppable: Stoppable) -> Stoppable:
    """A server that ends idle sessions, as the cluster's parameter group has it, only sooner."""
    for name in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
        stoppable.set(name, f"{IDLE_S}s")
    return stoppable


def left_idle(server: Stoppable, within_s: float = IDLE_S + 1) -> int:
    """Sessions of the service that are still there after a while in which nobody asked for anything."""
    give_up_at = time.monotonic() + within_s
    while (left := int(str(server.run(SESSIONS)[0][0]))) and time.monotonic() < give_up_at:
        time.sleep(0.05)
    time.sleep(0.2)  # a session is not seen any more a moment before its socket is closed
    return left


def environments(count: int, known: Settings) -> list[Engine]:
    """As many environments of a function, each with a connection of its own at most."""
    return [engine(replace(known, release=f"environment {number}")) for number in range(count)]


def ask_one(over: Engine) -> None:
    with autocommit(over) as connection:
        connection.scalar(text("select 1"))


def break_off(over: Engine) -> None:
    """A statement fails in the middle of a transaction."""
    with transaction(over) as connection:
        connection.execute(text("create temporary table half (n integer)"))
        connection.execute(text("select 1 / 0"))


def freeze_in_a_transaction(over: Engine) -> None:
    """A function is stopped by its deadline: nothing is rolled back, and its connection stays open."""
    transaction(over).__enter__().scalar(text("select 1"))


def test_after_a_burst_no_session_is_left_and_the_next_request_is_served(
    impatient: Stoppable, on_it: Callable[[str], Settings]
) -> None:
    burst = environments(20, on_it("dyno_allocations"))
    with ThreadPoolExecutor(len(burst)) as threads:
        list(threads.map(ask_one, burst))

    assert left_idle(impatient) == 0
    assert {by_the_room(lambda each=each: ask_one(each)).status for each in burst} == {200}  # type: ignore[misc]
    assert left_idle(impatient) == 0


@pytest.mark.parametrize("end", [break_off, freeze_in_a_transaction])
def test_a_transaction_that_does_not_end_well_keeps_nobody_awake(
    impatient: Stoppable, on_it: Callable[[str], Settings], end: Callable[[Engine], None]
) -> None:
    [over] = environments(1, on_it("dyno_owner"))
    by_the_room(lambda: end(over))

    assert left_idle(impatient) == 0
    over.dispose()
    assert by_the_room(lambda: ask_one(over)).status == 200


def test_a_server_that_lets_sessions_be_would_be_found(stoppable: Stoppable, on_it: Callable[[str], Settings]) -> None:
    [over] = environments(1, on_it("dyno_allocations"))
    ask_one(over)

    assert left_idle(stoppable) == 1
    over.dispose()


def test_whoever_thaws_finds_the_session_ended_and_does_not_notice(
    impatient: Stoppable, furnished: Lab, ask: Ask, book: Book
) -> None:
    assert ask(allocations).status == 200
    stands_still = time.monotonic()
    with patch("dyno.driver.time.monotonic", return_value=stands_still):
        assert left_idle(impatient) == 0
        told = book()

    assert told.status == 201
    assert furnished.sql("select count(*) from occupancies") == 1


def test_a_connection_that_is_trusted_after_the_thaw_would_be_found(
    impatient: Stoppable, lab: Lab, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver.Connection, "was_left", False)
    assert ask(allocations).status == 200
    assert left_idle(impatient) == 0

    assert ask(allocations).status == 503


def test_what_was_idle_for_too_long_by_the_wall_clock_is_not_even_looked_at(
    stoppable: Stoppable, ask: Ask, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A server may be gone without a word: then a connection looks as good as new.
    monkeypatch.setattr(driver.Connection, "was_left", False)

    def session() -> int:
        assert ask(allocations).status == 200
        return int(str(stoppable.run("select pid from pg_stat_activity where usename = 'dyno_allocations'")[0][0]))

    first, second = session(), session()
    thawed_at = time.time() + database.IDLE_LIMIT_S + 1
    with patch("dyno.database.time.time", return_value=thawed_at):
        third = session()

    assert first == second != third
