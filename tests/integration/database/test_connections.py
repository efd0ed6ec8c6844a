"""What happens to a connection: idle, closed by the server, refused, lost."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Connection, Engine, text

from cdk.local.instance import Instance
from dyno import database
from dyno.bootstrap import ROLES
from dyno.database import autocommit, engine, transaction, trial, wait_until_awake
from dyno.errors import DatabaseResuming, DatabaseUnavailable
from dyno.observability import Request, serving
from dyno.settings import Settings
from tests.conftest import EngineAs
from tests.integration.prometheus.tower import eventually
from tests.lab import MONDAY, Lab

BACKEND = text("select pg_backend_pid()")


def test_a_connection_is_kept_between_requests(engine_as: EngineAs) -> None:
    over = engine_as("dyno_allocations")

    with autocommit(over) as first:
        one = first.scalar(BACKEND)
    with transaction(over) as second:
        assert second.scalar(BACKEND) == one


def test_a_connection_idle_for_too_long_by_the_wall_clock_is_made_anew(engine_as: EngineAs) -> None:
    over = engine_as("dyno_allocations")
    with autocommit(over) as first:
        one = first.scalar(BACKEND)

    later = time.time() + database.IDLE_LIMIT_S + 1
    with patch("dyno.database.time.time", return_value=later), autocommit(over) as second:
        assert second.scalar(BACKEND) != one


def keeps_what_its_first_statement_locks(connection: Connection) -> bool:
    connection.execute(text("select pg_advisory_xact_lock(7)"))  # no parameters
    held = text("select count(*) from pg_locks where locktype = 'advisory' and objid = 7 and pid = pg_backend_pid()")
    return bool(connection.scalar(held) == 1)


@pytest.mark.parametrize("sub", [None, "somebody"])
@pytest.mark.parametrize("way", [transaction, trial])
def test_the_first_statement_is_within_its_transaction_whoever_asks(
    engine_as: EngineAs, way: Callable[[Engine], AbstractContextManager[Connection]], sub: str | None
) -> None:
    with serving(Request("c", sub)), way(engine_as("dyno_allocations")) as connection:
        assert keeps_what_its_first_statement_locks(connection)


def test_outside_of_one_its_lock_would_be_let_go_at_once(engine_as: EngineAs) -> None:
    with serving(Request("c", "somebody")), autocommit(engine_as("dyno_allocations")) as connection:
        assert not keeps_what_its_first_statement_locks(connection)


@pytest.mark.parametrize("sub", [None, "somebody"])
def test_a_transaction_begins_as_it_is_told_and_the_next_does_not(engine_as: EngineAs, sub: str | None) -> None:
    over = engine_as("dyno_exports")
    asked = text("select current_setting('transaction_isolation'), current_setting('transaction_read_only')")

    with serving(Request("c", sub)):
        with transaction(over) as connection:
            connection.exec_driver_sql("set transaction isolation level repeatable read, read write")
            told = tuple(connection.execute(asked).one())
        with transaction(over) as connection:
            next_told = tuple(connection.execute(asked).one())

    assert (told, next_told) == (("repeatable read", "off"), ("read committed", "on"))


def end_and_ask(lab: Lab, connection: Connection) -> None:
    lab.sql("select pg_terminate_backend(:pid)", pid=connection.scalar(BACKEND))
    connection.scalar(BACKEND)


@pytest.mark.parametrize("way", [autocommit, transaction, trial])
def test_a_session_ended_by_the_server_is_replaced_while_idle_and_an_answer_while_in_use(
    engine_as: EngineAs, lab: Lab, way: Callable[[Engine], AbstractContextManager[Connection]]
) -> None:
    over = engine_as("dyno_allocations")
    with autocommit(over) as connection:
        lost = connection.scalar(BACKEND)
    lab.sql("select pg_terminate_backend(:pid, 5000)", pid=lost)
    time.sleep(0.2)  # the server's last word is on its way

    with way(over) as connection:
        replaced, lost = lost, connection.scalar(BACKEND)
        assert lost != replaced
    with pytest.raises(DatabaseUnavailable), way(over) as connection:
        end_and_ask(lab, connection)
    with autocommit(over) as connection:
        assert connection.scalar(BACKEND) != lost


def test_a_connection_that_was_reset_is_an_answer_once_and_then_forgotten(engine_as: EngineAs) -> None:
    over = engine_as("dyno_allocations")
    with autocommit(over) as connection:
        connection.scalar(BACKEND)
        raw: Any = connection.connection.dbapi_connection

    with (
        patch.object(raw._sock, "read", side_effect=ConnectionResetError),
        pytest.raises(DatabaseUnavailable),
        autocommit(over) as connection,
    ):
        connection.scalar(BACKEND)
    with autocommit(over) as connection:
        assert connection.connection.dbapi_connection is not raw
        connection.scalar(BACKEND)


def test_a_server_that_is_not_there_is_unavailable(settings_as: Callable[[str], Settings]) -> None:
    nowhere = replace(settings_as("dyno_allocations"), database_port=Instance.named("nowhere").ports().aws)

    with pytest.raises(DatabaseUnavailable), autocommit(engine(nowhere)):
        pass


def test_a_server_that_takes_the_connection_and_says_nothing_is_resuming(
    settings_as: Callable[[str], Settings],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, patch.object(database, "CONNECT_TIMEOUT_S", 0.2):
        sleeping = replace(settings_as("dyno_allocations"), database_port=silent.getsockname()[1])
        with pytest.raises(DatabaseResuming), autocommit(engine(sleeping)):
            pass


def test_an_answer_that_is_late_is_unavailable_and_its_connection_is_dropped(
    settings_as: Callable[[str], Settings],
) -> None:
    over = engine(settings_as("dyno_allocations"), answer_timeout_s=0.2)
    with autocommit(over) as connection:
        slow = connection.scalar(BACKEND)

    with pytest.raises(DatabaseUnavailable), autocommit(over) as connection:
        connection.execute(text("select pg_sleep(1)"))
    with autocommit(over) as connection:
        assert connection.scalar(BACKEND) != slow
    over.dispose()


@contextmanager
def somebody_is_booking(lab: Lab, over: Engine) -> Iterator[None]:
    """The only dyno's Monday, for as long as this lasts; nothing comes of it."""
    row = {"dyno_id": lab.dyno("Cell 1"), "vehicle_id": lab.vehicle(), "day": MONDAY}
    booking = text(
        "insert into occupancies (kind, dyno_id, vehicle_id, test_type, start_date, end_date, booked_by)"
        " values ('allocation', :dyno_id, :vehicle_id, 'brake', :day, :day, 'somebody')"
    )
    with trial(over) as somebody:
        somebody.execute(booking, row)
        yield


def test_what_takes_longer_than_its_caller_waits_is_not_done_later(engine_as: EngineAs, lab: Lab) -> None:
    over = engine_as("dyno_allocations")
    with autocommit(over) as connection:
        assert connection.scalar(text("show statement_timeout")) == "7500ms"
        connection.execute(text("set statement_timeout = '300ms'"))

    with somebody_is_booking(lab, engine_as("dyno_owner")), pytest.raises(DatabaseUnavailable):
        lab.auto_allocate(over=over)

    assert lab.sql("select count(*) from occupancies") == 0


def test_the_server_gives_up_before_those_who_wait_at_the_gateway() -> None:
    limits = {role.name.removeprefix("dyno_"): role.answers_within_ms for role in ROLES}

    at_the_gateway = [limits[door] for door in ("allocations", "metrics", "exports")]

    assert all(0 < each < database.ANSWER_TIMEOUT_S * 1000 for each in at_the_gateway)


AT_IT = "select count(*) from pg_stat_activity where usename = 'dyno_allocations' and state = 'active'"


def gives_up_on_a_booking(lab: Lab, over: Engine) -> None:
    with pytest.raises(DatabaseUnavailable):
        lab.auto_allocate(over=over)


def test_what_nobody_waits_for_any_more_is_given_up(
    settings_as: Callable[[str], Settings], engine_as: EngineAs, lab: Lab
) -> None:
    over = engine(settings_as("dyno_allocations"), answer_timeout_s=0.3)

    with somebody_is_booking(lab, engine_as("dyno_owner")):
        gives_up_on_a_booking(lab, over)
        eventually(lambda: lab.sql(AT_IT), lambda left: left == 0, deadline_s=5)

    assert lab.sql("select count(*) from occupancies") == 0
    over.dispose()


def test_a_server_that_does_not_look_would_book_it_later(
    settings_as: Callable[[str], Settings], engine_as: EngineAs, lab: Lab
) -> None:
    over = engine(settings_as("dyno_allocations"), answer_timeout_s=0.3)
    with autocommit(over) as connection:
        connection.execute(text("set client_connection_check_interval = 0"))

    with somebody_is_booking(lab, engine_as("dyno_owner")):
        gives_up_on_a_booking(lab, over)
        time.sleep(1)
        assert lab.sql(AT_IT) == 1

    eventually(lambda: lab.sql("select count(*) from occupancies"), lambda made: made == 1, deadline_s=5)
    over.dispose()


def test_a_patient_engine_waits_for_its_answer(settings_as: Callable[[str], Settings]) -> None:
    with patch.object(database, "CONNECT_TIMEOUT_S", 0.2):
        over = engine(settings_as("dyno_owner"), answer_timeout_s=None)
        with transaction(over) as connection:
            connection.execute(text("select pg_sleep(0.5)"))
        over.dispose()


def test_a_sleeping_database_is_waited_for_but_not_for_ever(settings_as: Callable[[str], Settings]) -> None:
    nowhere = engine(replace(settings_as("dyno_owner"), database_port=Instance.named("nowhere").ports().aws))
    there = engine(settings_as("dyno_owner"))

    with patch("dyno.database.time.sleep") as slept, pytest.raises(DatabaseUnavailable):
        wait_until_awake(nowhere, patience_s=0.2)
    assert slept.call_count > 0
    wait_until_awake(there, patience_s=0)
    there.dispose()


@pytest.mark.parametrize("state", ["40P01", "40001", "57P01"])
def test_what_may_succeed_the_next_time_is_unavailable(engine_as: EngineAs, state: str) -> None:
    raises = f"do $$ begin raise exception sqlstate '{state}'; end $$"

    with pytest.raises(DatabaseUnavailable), autocommit(engine_as("dyno_allocations")) as connection:
        connection.execute(text(raises))


def test_too_many_connections_are_unavailable(engine_as: EngineAs, lab: Lab) -> None:
    lab.sql("alter role dyno_metrics connection limit 0")
    try:
        with pytest.raises(DatabaseUnavailable), autocommit(engine_as("dyno_metrics")):
            pass
    finally:
        lab.sql("alter role dyno_metrics connection limit 50")
