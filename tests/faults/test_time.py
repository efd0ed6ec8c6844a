"""Nobody waits for longer than they are told they may: by the wall clock, however the time is lost."""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cdk.local.instance import LOOPBACK
from dyno import database, driver
from dyno.database import autocommit, engine, transaction
from dyno.settings import Settings
from tests.faults.answers import LIMIT_S, Told, amiss, by_the_room
from tests.faults.wire import Wire, lost
from tests.integration.database.test_tls import Authority
from tests.settings import SETTINGS

LATE_S = 15
ROLE = "dyno_allocations"


def one(over: Engine) -> None:
    """Ask for something."""
    with autocommit(over) as connection:
        connection.scalar(text("select 1"))


def three(over: Engine) -> None:
    """Ask for several things, one after the other."""
    with transaction(over) as connection:
        for _ in range(3):
            connection.scalar(text("select 1"))


class Waiting:
    """Questions to servers that take their time, asked all at once: what is waited for is real."""

    def __init__(self, known: Settings, folder: Path, ending: ExitStack) -> None:
        self._known = known
        self._folder = folder
        self._ending = ending
        self._threads = ending.enter_context(ThreadPoolExecutor(16))
        self.told: dict[str, Future[Told]] = {}

    def ask(
        self,
        name: str,
        break_it: Callable[[Wire], None],
        *,
        connected: bool = False,
        work: Callable[[Engine], None] = one,
        **how: Any,
    ) -> None:
        wire = self._ending.enter_context(Wire(self._known.database_port))
        over = engine(replace(self._known, database_port=wire.port, release=name), **how)
        if connected:
            one(over)
        break_it(wire)
        self.told[name] = self._threads.submit(self._ask, wire, over, work)

    def ask_in_tls(self, name: str) -> None:
        """Somebody who says yes to TLS, and nothing more."""
        listener = self._ending.enter_context(socket.create_server((LOOPBACK, 0)))

        def agree() -> None:
            heard, _ = listener.accept()
            self._ending.enter_context(heard)
            heard.recv(8)
            heard.sendall(b"S")

        threading.Thread(target=agree, daemon=True).start()
        ours = str(Authority(self._folder / "ca").file)
        over = engine(replace(self._known, database_port=listener.getsockname()[1], database_ca_file=ours))
        self.told[name] = self._threads.submit(by_the_room, lambda: one(over))

    def _ask(self, wire: Wire, over: Engine, work: Callable[[Engine], None]) -> Told:
        # A planted fault would wait for ever.
        mercy = threading.Timer(LIMIT_S + 0.5, wire.over.set)
        mercy.start()
        told = by_the_room(lambda: work(over))
        mercy.cancel()
        wire.mend()
        return told


def late(wire: Wire) -> None:
    wire.to_client = wire.late(LATE_S)


def late_there(wire: Wire) -> None:
    wire.to_server = wire.late(LATE_S)


def silent(wire: Wire) -> None:
    wire.silent = True


def deaf(wire: Wire) -> None:
    wire.to_server = lost


def mute(wire: Wire) -> None:
    wire.to_client = lost


def dripping(wire: Wire) -> None:
    wire.to_client = wire.in_drops(0.5)


def slow(wire: Wire) -> None:
    wire.to_client = wire.late(3)


CASES: dict[str, tuple[Callable[[Wire], None], dict[str, Any]]] = {
    "the server is 15 s late to greet": (late, {}),
    "nobody is at the other end": (silent, {}),
    "what we say is lost before it is greeted": (deaf, {}),
    "the server greets byte by byte": (dripping, {}),
    "the answer is 15 s late": (late, {"connected": True}),
    "the question is 15 s late": (late_there, {"connected": True}),
    "the question is lost": (deaf, {"connected": True}),
    "the answer is lost": (mute, {"connected": True}),
    "the answer comes byte by byte": (dripping, {"connected": True}),
    "each of several answers is slow": (slow, {"connected": True, "work": three}),
    "connecting is slow, and so is the answer": (slow, {"work": three}),
}
IN_TLS = "the server goes silent within TLS"


def test_nobody_waits_for_longer_than_ten_seconds(server_port: int, template: str, tmp_path: Path) -> None:
    known = replace(SETTINGS, database_port=server_port, database_name=template, database_user=ROLE)
    with ExitStack() as ending:
        waiting = Waiting(known, tmp_path, ending)
        for name, (break_it, how) in CASES.items():
            waiting.ask(name, break_it, **how)
        waiting.ask_in_tls(IN_TLS)
        told = {name: told.result() for name, told in waiting.told.items()}

    assert {name: found for name, each in told.items() if (found := amiss(each))} == {}
    assert told.keys() == {*CASES, IN_TLS}


SHORT_S = 0.5


@pytest.fixture
def short(settings_as: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine in a hurry."""
    monkeypatch.setattr(database, "CONNECT_TIMEOUT_S", SHORT_S)
    return engine(settings_as(ROLE), answer_timeout_s=SHORT_S)


@pytest.mark.parametrize("connected", [False, True])
def test_a_deadline_of_each_piece_instead_of_all_would_be_found(
    short: Engine, wire: Wire, connected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drip() -> Told:
        wire.mend()
        short.dispose()
        if connected:
            one(short)
        wire.to_client = wire.in_drops(SHORT_S / 4)
        return by_the_room(lambda: one(short))

    with_it = drip()
    monkeypatch.setattr(driver._Hurried, "hurry", lambda ours: ours.settimeout(SHORT_S))
    threading.Timer(5 * SHORT_S, wire.over.set).start()
    without = drip()

    assert amiss(with_it, 3 * SHORT_S) == []
    assert amiss(without, 3 * SHORT_S) == [f"took {without.took_s:.1f} s"]


def test_a_question_without_a_deadline_would_be_found(
    wire: Wire, settings_as: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    over = engine(settings_as(ROLE), answer_timeout_s=None)
    one(over)
    wire.to_client = lost
    threading.Timer(5 * SHORT_S, wire.over.set).start()
    told = by_the_room(lambda: one(over))

    assert amiss(told, 3 * SHORT_S) == [f"took {told.took_s:.1f} s"]


def test_a_connection_that_was_too_slow_is_not_used_again(short: Engine, wire: Wire) -> None:
    one(short)
    wire.to_client = lost
    told = by_the_room(lambda: one(short))
    wire.mend()

    assert amiss(told, 3 * SHORT_S) == []
    assert by_the_room(lambda: one(short)).status == 200
