"""How often a statement makes its caller wait for the server."""

import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, TextClause, text
from sqlalchemy.exc import DBAPIError

from dyno import driver
from dyno.database import autocommit, engine, transaction, trial
from dyno.errors import AccountDisabled
from dyno.observability import Request, serving
from dyno.settings import Settings
from tests.conftest import EngineAs
from tests.lab import TUESDAY, Lab

ADD = text("select cast(:one as integer) + cast(:other as integer)")
DIVIDE = text("select 1 / cast(:by as integer)")
NOBODY = text("select from vehicles where vin = :vin")


class Relay:
    """
    Stands between one client and the server, and counts what passes.

    Attributes:
        turns: How often the client spoke after it was spoken to.
        pieces: In how many pieces the server said what it said, at least.
        parsed: The statements that the client had parsed.
    """

    def __init__(self, server_port: int) -> None:
        self.turns = self.pieces = 0
        self.parsed: list[bytes] = []
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._pass_on, daemon=True).start()

    @property
    def port(self) -> int:
        number: int = self._listener.getsockname()[1]
        return number

    def close(self) -> None:
        self._listener.close()

    def _pass_on(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._server_port))
        with client, server, selectors.DefaultSelector() as ready:
            others = {client: server, server: client}
            for side in others:
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ready.register(side, selectors.EVENT_READ, side)
            speaker = server
            while True:
                for key, _ in ready.select():
                    said = key.data.recv(65_536)
                    if not said:
                        return
                    self.turns += key.data is client and speaker is server
                    self.pieces += key.data is server
                    if key.data is client:
                        self.parsed += statements(said)
                    speaker = key.data
                    others[speaker].sendall(said)


def statements(said: bytes) -> Iterator[bytes]:
    """
    Those that a client has parsed by what it says in a piece.

    Source:
        PostgreSQL's documentation, "Message Formats": a letter, the length behind it in four bytes; of Parse, P, the
        name and the statement, each up to a zero.
    """
    while len(said) > 4:
        letter, behind = said[:1], 1 + int.from_bytes(said[1:5], "big")
        if letter == b"P":
            yield said[5:behind].split(b"\0")[1]
        said = said[behind:]


@pytest.fixture
def counted(settings_as: Callable[[str], Settings]) -> Iterator[tuple[Engine, Relay]]:
    """The engine of the allocations door behind a relay, connected already."""
    settings = settings_as("dyno_allocations")
    relay = Relay(settings.database_port)
    over = engine(replace(settings, database_port=relay.port))
    try:
        with autocommit(over) as connection:
            connection.scalar(ADD, {"one": 1, "other": 1})
        yield over, relay
    finally:
        over.dispose()
        relay.close()


@contextmanager
def turns(relay: Relay, expected: int) -> Iterator[None]:
    before = relay.turns
    yield
    assert relay.turns - before == expected


def test_a_statement_is_one_round_trip(counted: tuple[Engine, Relay]) -> None:
    over, relay = counted

    with autocommit(over) as connection:
        with turns(relay, 1):
            assert connection.scalar(ADD, {"one": 1, "other": 2}) == 3
        with turns(relay, 1):
            assert connection.execute(NOBODY, {"vin": "user"}).rowcount == 0


def test_a_statement_is_read_once_however_often_it_is_sent(engine_as: EngineAs) -> None:
    read = driver.numbered.cache_info
    once = "select '%%s', cast(%s as integer) %% 2"  # what is quoted is left alone

    with autocommit(engine_as("dyno_allocations")) as connection:
        before = read().misses
        said = [tuple(connection.exec_driver_sql(once, (one,)).one()) for one in (1, 2, 3)]

    assert said == [("%%s", 1), ("%%s", 0), ("%%s", 1)]
    assert read().misses - before == 1


def test_a_booking_is_one_round_trip(counted: tuple[Engine, Relay], lab: Lab) -> None:
    over, relay = counted
    lab.dyno("D1")
    lab.vehicle()

    with turns(relay, 1):
        lab.auto_allocate(over=over, key="a key")


def test_what_the_server_says_to_a_statement_it_says_in_one_piece(counted: tuple[Engine, Relay], lab: Lab) -> None:
    over, relay = counted
    lab.dyno("D1")
    lab.vehicle()
    before = relay.pieces

    with serving(Request("trip", sub="ann")):
        for day in (0, 1, 2):
            lab.auto_allocate(over=over, start_date=TUESDAY + timedelta(days=day), key=f"key-{day}")

    assert relay.pieces - before == 3


def test_what_is_asked_all_the_time_is_parsed_once_a_connection(counted: tuple[Engine, Relay], lab: Lab) -> None:
    over, relay = counted
    lab.dyno("D1")
    lab.vehicle()
    before = len(relay.parsed)

    with serving(Request("trip", sub="ann")):
        booked = [
            lab.auto_allocate(over=over, start_date=TUESDAY + timedelta(days=day), key=f"key-{day}")
            for day in (0, 1, 2)
        ]

    assert len(booked) == 3
    assert sorted(statement.partition(b"(")[0] for statement in relay.parsed[before:]) == [
        b"select book",
        b"select where not admit",
    ]


@pytest.mark.parametrize("refused", ["select 1 / cast(%s as integer)", "select %s from nowhere"])
def test_what_failed_is_parsed_anew_and_what_was_parsed_before_is_not(
    counted: tuple[Engine, Relay], refused: str
) -> None:
    over, relay = counted
    fine, wrong = driver.Prepared("select cast(%s as integer)"), driver.Prepared(refused)

    with autocommit(over) as connection:
        for by in (1, 2):
            assert connection.exec_driver_sql(fine, (by,)).scalar() == by
            with pytest.raises(DBAPIError):
                connection.exec_driver_sql(wrong, (0,))
        assert connection.exec_driver_sql(fine, (3,)).scalar() == 3
        names = connection.exec_driver_sql("select count(*) from pg_prepared_statements").scalar()

    assert relay.parsed.count(b"select cast($1 as integer)") == 1
    assert relay.parsed.count(driver.numbered(refused).encode()) == 2
    assert names == 2 - ("nowhere" in refused)


def test_what_the_server_has_forgotten_is_parsed_anew_behind_the_failure(counted: tuple[Engine, Relay]) -> None:
    over, relay = counted
    asked = driver.Prepared("select cast(%s as integer)")

    with autocommit(over) as connection:
        assert connection.exec_driver_sql(asked, (1,)).scalar() == 1
        connection.exec_driver_sql("deallocate all")
        with pytest.raises(DBAPIError, match="26000"):
            connection.exec_driver_sql(asked, (2,))
        assert connection.exec_driver_sql(asked, (3,)).scalar() == 3

    assert relay.parsed.count(b"select cast($1 as integer)") == 2


@pytest.mark.own_database
def test_what_is_prepared_is_found_again_after_its_function_was_made_anew(
    counted: tuple[Engine, Relay], lab: Lab
) -> None:
    over, relay = counted
    asked = driver.Prepared("select %s::text || made_anew()")
    said = []

    with autocommit(over) as connection:
        for answer in ("one", "other"):
            lab.sql("drop function if exists made_anew")
            lab.sql(f"create function made_anew() returns text language sql return '{answer}'")
            said.append(connection.exec_driver_sql(asked, ("the ",)).scalar())

    assert said == ["the one", "the other"]
    assert relay.parsed.count(b"select $1::text || made_anew()") == 1


def test_whether_the_caller_is_admitted_is_asked_on_the_way(counted: tuple[Engine, Relay], lab: Lab) -> None:
    over, relay = counted
    lab.dyno("D1")
    lab.vehicle()

    with serving(Request("trip", sub="ann")):
        with turns(relay, 1):
            booked = lab.auto_allocate(over=over, key="a key")
        with turns(relay, 1), autocommit(over) as connection:
            assert connection.exec_driver_sql("select 3").scalar() == 3
        with turns(relay, 3), trial(over) as connection:
            assert connection.execute(ADD, {"one": 1, "other": 2}).rowcount == 1

        lab.sql("insert into users (sub, disabled_at) values ('ann', now())")
        with turns(relay, 1), pytest.raises(AccountDisabled):
            lab.auto_allocate(over=over, start_date=TUESDAY)
    with turns(relay, 1), autocommit(over) as connection:
        assert connection.scalar(ADD, {"one": 1, "other": 2}) == 3

    assert lab.rows("select id from occupancies") == [(booked.allocation_id,)]


def test_what_is_asked_on_the_way_is_asked_within_the_transaction_and_behind_what_it_is_to_be(
    counted: tuple[Engine, Relay],
) -> None:
    over, _ = counted

    with serving(Request("trip", sub="ann")):
        with trial(over) as connection:
            connection.exec_driver_sql("select pg_advisory_xact_lock(1)")
            held = connection.exec_driver_sql("select count(*) from pg_locks where locktype = 'advisory'").scalar()
        with trial(over) as connection:
            connection.exec_driver_sql("set transaction isolation level repeatable read")
            level = connection.exec_driver_sql("show transaction_isolation").scalar()

    assert (held, level) == (1, "repeatable read")


def test_a_transaction_adds_its_begin_and_its_end(counted: tuple[Engine, Relay]) -> None:
    over, relay = counted

    with turns(relay, 4), transaction(over) as connection:
        connection.scalar(ADD, {"one": 1, "other": 2})
        connection.scalar(ADD, {"one": 1, "other": 2})


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (ADD, {"one": 1, "other": "two"}),  # refused where parameters are read
        (DIVIDE, {"by": 0}),  # and where it is run
        (text("select :any from nowhere"), {"any": 1}),  # and where it is named
    ],
)
def test_what_follows_a_refused_statement_is_not_taken_for_its_answer(
    engine_as: EngineAs, statement: TextClause, values: dict[str, object]
) -> None:
    with autocommit(engine_as("dyno_allocations")) as connection:
        with pytest.raises(DBAPIError):
            connection.execute(statement, values)
        assert connection.scalar(ADD, {"one": 1, "other": 2}) == 3


@pytest.mark.parametrize("statement", [NOBODY, text("select :vin from nowhere")])
def test_what_follows_a_parameter_that_cannot_be_sent_is_not_taken_for_its_answer(
    engine_as: EngineAs, statement: TextClause
) -> None:
    with autocommit(engine_as("dyno_allocations")) as connection:
        with pytest.raises(UnicodeEncodeError):
            connection.execute(statement, {"vin": "\ud800"})
        assert connection.exec_driver_sql("select 3").scalar() == 3
        assert connection.scalar(ADD, {"one": 1, "other": 2}) == 3
