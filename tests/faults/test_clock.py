"""The function's clock is an hour ahead or behind: what goes by it, and what does not."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from cdk.local.instance import LOOPBACK
from dyno import database, signing
from dyno.settings import DatabaseAuth, Settings
from functions.allocations import handler as allocations
from tests.faults.answers import Told, amiss, by_the_room
from tests.faults.conftest import Book
from tests.functions.conftest import Caller, Context, Feed, claims, gateway_event
from tests.integration.metrics.pipeline import line
from tests.lab import Lab
from tests.settings import SETTINGS

HOUR = timedelta(hours=1)
TOLERATED = timedelta(minutes=15)
"""Source: AWS's general reference, "Signing AWS requests": how far a signature's time may be from the server's."""


def shifted(by: timedelta) -> type[datetime]:
    """A clock that is wrong."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + by

    return Clock


class Doorkeeper:
    """As much of RDS as asks for a token and looks at when it was signed."""

    def __init__(self) -> None:
        self._listener = socket.create_server((LOOPBACK, 0))
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def port(self) -> int:
        number: int = self._listener.getsockname()[1]
        return number

    def close(self) -> None:
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                guest, _ = self._listener.accept()
            except OSError:
                return
            with guest:
                guest.recv(4096)
                guest.sendall(b"R" + struct.pack("!ii", 8, 3))  # AuthenticationCleartextPassword
                guest.sendall(self._judge(guest.recv(4096)[5:-1].decode()))
                guest.recv(4096)

    def _judge(self, token: str) -> bytes:
        [stamp] = parse_qs(token.partition("?")[2])["X-Amz-Date"]
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(datetime.now(UTC) - signed_at) <= TOLERATED:
            return b"R" + struct.pack("!ii", 8, 0) + b"Z" + struct.pack("!i", 5) + b"I"
        said = b"SFATAL\0VFATAL\0C28000\0MPAM authentication failed for user\0\0"
        return b"E" + struct.pack("!i", len(said) + 4) + said


@pytest.fixture
def doorkeeper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings that lead to somebody who wants a token."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    keeper = Doorkeeper()
    yield replace(SETTINGS, database_port=keeper.port, database_auth=DatabaseAuth.IAM)
    keeper.close()


def log_in(known: Settings) -> Told:
    return by_the_room(lambda: database._connect(known).close())


@pytest.mark.parametrize("by", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_a_token_that_was_signed_at_the_wrong_time_is_a_database_to_come_back_to(
    doorkeeper: Settings, by: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "datetime", shifted(by))
    told = log_in(doorkeeper)
    monkeypatch.setattr(signing, "datetime", datetime)

    assert amiss(told) == []
    assert "does not believe" in told.body["detail"]
    assert log_in(doorkeeper).status == 200


def test_a_refused_token_that_is_taken_for_a_bug_would_be_found(
    doorkeeper: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "datetime", shifted(HOUR))
    monkeypatch.setattr(database, "_NOT_BELIEVED", "none")

    assert "is 500" in amiss(log_in(doorkeeper))[0]


@pytest.mark.parametrize(("expires_in", "by", "status"), [(HOUR / 2, HOUR, 401), (HOUR / 2, -HOUR, 200)])
def test_a_claim_goes_by_the_functions_clock(
    enter: Callable[[str], None],
    lab: Lab,
    expires_in: timedelta,
    by: timedelta,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enter("dyno_allocations")
    known = claims(Caller.USER) or {}
    known["exp"] = f"{datetime.now(UTC) + expires_in:%a %b %d %H:%M:%S UTC %Y}"
    monkeypatch.setattr("dyno.auth.datetime", shifted(by))

    said = allocations.handler(gateway_event("GET", "/vehicles", authorised=known), Context())  # type: ignore[arg-type]

    assert said["statusCode"] == status


@pytest.mark.parametrize("by", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_a_hold_lasts_by_the_databases_clock(
    book: Book, furnished: Lab, by: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    for clock in ("functions.allocations.handler.datetime", "dyno.auth.datetime"):
        monkeypatch.setattr(clock, shifted(by))
    told = book(hold_minutes=30)

    assert told.status == 201
    left = furnished.sql("select expires_at - now() from occupancies")
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    assert book(hold_minutes=30).status == 409


def test_a_hold_by_the_functions_clock_would_be_found(book: Book, furnished: Lab) -> None:
    assert book(hold_minutes=30).status == 201
    furnished.sql("update occupancies set expires_at = :at", at=datetime.now(UTC) + timedelta(minutes=30) - HOUR)

    assert book(hold_minutes=30).status == 201  # somebody else's, as if the first had lapsed


@pytest.mark.parametrize(
    ("by", "rows", "letters"), [(HOUR, 1, 0), (-HOUR, 1, 0), (timedelta(days=2), 0, 1)], ids=["ahead", "behind", "mad"]
)
def test_a_call_is_kept_at_the_time_its_line_says_unless_nobody_can_believe_it(
    feed: Feed, lab: Lab, by: timedelta, rows: int, letters: int
) -> None:
    said_at = (datetime.now(UTC) + by).replace(microsecond=0)
    feed([{"id": "1", "timestamp": 0, "message": line("a-1", created_at=said_at.isoformat())}])

    assert lab.sql("select count(*) from metrics where created_at = :at", at=said_at) == rows
    assert lab.rows("select reason from dead_letters") == [("future",)] * letters
