"""The night's work, in process: an event in, what was done and what is left in the tables out."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dyno.allocation import service as allocation
from dyno.database import engine
from dyno.errors import DatabaseResuming, DynoError
from dyno.metrics import service as metrics
from dyno.settings import settings
from functions.lifecycle import handler as door
from tests.functions.conftest import EVENTS, Context
from tests.lab import MONDAY, Lab

NOW = datetime.now(UTC)


@pytest.fixture
def night(lab: Lab, enter: Callable[[str], None]) -> Iterator[Callable[[], dict[str, Any]]]:
    """Runs the door as the schedule does."""
    enter("dyno_lifecycle")
    event = json.loads((EVENTS / "lifecycle.json").read_text())
    yield lambda: door.handler(event, Context())  # type: ignore[arg-type]
    engine(settings(), answer_timeout_s=door.ANSWER_TIMEOUT_S).dispose()


def leave_something_to_do(lab: Lab) -> None:
    lab.occupy(lab.dyno("D1"), lab.vehicle(), MONDAY, status="held", expires_at=NOW - timedelta(seconds=1))
    lab.sql(
        "insert into dead_letters (letter_id, reason, line, received_at) values ('old', 'not_json', '{', :at)",
        at=NOW - timedelta(days=401),
    )


def left_to_do(lab: Lab) -> tuple[int, int]:
    return (
        lab.sql("select count(*) from occupancies where status = 'held'"),
        lab.sql("select count(*) from dead_letters"),
    )


def test_what_is_old_goes_and_what_ran_out_lapses(lab: Lab, night: Callable[[], dict[str, Any]]) -> None:
    leave_something_to_do(lab)

    done = night()

    assert (done["allocation"], done["metrics"]["dead_letters"]) == ({"lapsed": 1, "keys": 0, "refusals": 0}, 1)
    assert left_to_do(lab) == (0, 0)


def test_a_night_is_one_line_of_the_log_and_no_record(
    lab: Lab,
    night: Callable[[], dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = night()

    [line] = [line for line in caplog.records if line.message == "nightly work"]
    assert (line.__dict__["done"], line.__dict__["failed"]) == (done, {})
    assert '"dyno-call/1"' not in capsys.readouterr().out


@pytest.mark.parametrize(("room", "work"), [(metrics, "age"), (allocation, "sweep")], ids=["metrics", "allocation"])
def test_the_failure_of_one_room_does_not_keep_the_other_from_its_work(
    lab: Lab, night: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch, room: Any, work: str
) -> None:
    leave_something_to_do(lab)

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("planted, with password=hunter2")

    monkeypatch.setattr(room, work, fail)

    with pytest.raises(DynoError, match=r"RuntimeError: planted, with password=\[secret\]"):
        night()
    assert left_to_do(lab) == ((0, 1) if room is metrics else (1, 0))


def test_both_reasons_are_told_if_both_fail(
    lab: Lab, night: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(metrics, "age", fail)
    monkeypatch.setattr(allocation, "sweep", fail)

    with pytest.raises(DynoError, match="metrics: RuntimeError: planted; allocation: RuntimeError: planted"):
        night()


def test_a_paused_cluster_is_woken(
    lab: Lab, night: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = iter([True, True, False])
    connect = engine(settings(), answer_timeout_s=door.ANSWER_TIMEOUT_S).pool._creator

    def asleep(*arguments: Any) -> Any:
        if next(tries, False):
            raise DatabaseResuming("the database is waking up; try again")
        return connect(*arguments)

    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(engine(settings(), answer_timeout_s=door.ANSWER_TIMEOUT_S).pool, "_creator", asleep)

    assert night()["allocation"] == {"lapsed": 0, "keys": 0, "refusals": 0}
    assert next(tries, "asked until it answered") == "asked until it answered"
