"""What is logged of a request: not what must not be kept, and nothing that somebody else wrote as if we had."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from dyno import observability
from dyno.allocation import service
from dyno.database import autocommit, engine
from dyno.metrics.intake import sort_out
from dyno.metrics.model import LogEvent
from dyno.observability import ScrubbedFormatter
from dyno.settings import Settings, settings
from functions.allocations import handler as door
from tests.conftest import EngineAs
from tests.functions.conftest import Call, Printed
from tests.integration.metrics.pipeline import line
from tests.lab import MONDAY, Lab

ORDER = {"vin": "9ZZ0TEST0VD000001", "test_type": "brake", "start_date": str(MONDAY), "days_to_complete": 1}
PATH = "/allocations/auto"
ADDRESS = "ann.other@example.com"
FAILING = text("select cast(:given as integer)")


@pytest.fixture(autouse=True)
def furnished(lab: Lab) -> None:
    lab.dyno("Cell 3")
    lab.vehicle()


@pytest.fixture
def unscrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The logger without its defence."""
    monkeypatch.setattr(observability, "scrub", lambda text, _limit: text)


def logged(call: Call, printed: Printed, **order: Any) -> str:
    """Everything that is printed while an order is refused."""
    printed()
    assert call(door, "POST", PATH, body=ORDER | order).status == 404
    said = printed()
    assert '"message":"refused"' in said
    return said


def test_an_address_that_somebody_typed_is_not_logged(call: Call, printed: Printed) -> None:
    assert ADDRESS not in logged(call, printed, vin=ADDRESS).lower()


@pytest.mark.usefixtures("unscrubbed")
def test_unscrubbed_it_would_be(call: Call, printed: Printed) -> None:
    assert ADDRESS in logged(call, printed, vin=ADDRESS).lower()


def broken_by(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the next booking break on a statement that the database refuses."""

    def breaks(*_args: object, **_named: object) -> None:
        with autocommit(engine(settings())) as connection:
            connection.execute(FAILING, {"given": given})

    monkeypatch.setattr(service, "auto_allocate", breaks)


def test_what_a_statement_was_given_is_neither_logged_nor_answered(
    call: Call, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_by("the prototype", monkeypatch)

    said = call(door, "POST", PATH, body=ORDER)

    told = printed()
    assert (said.status, '"message":"failed"' in told) == (500, True)
    assert "prototype" not in told + json.dumps(said.body)
    assert "22P02" in told  # what kind of error it was


@pytest.mark.usefixtures("unscrubbed")
def test_unscrubbed_the_database_would_tell_it(call: Call, printed: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dyno.stacktrace.scrub", lambda text, _limit: text)
    broken_by("the prototype", monkeypatch)

    call(door, "POST", PATH, body=ORDER)

    assert "prototype" in printed()


def told(over: Engine) -> str:
    """What SQLAlchemy says of a statement that the database refuses."""
    with pytest.raises(DBAPIError) as refused, over.connect() as connection:
        connection.execute(text("select cast(:given as text) from nowhere"), {"given": "the prototype"})
    return str(refused.value)


def test_an_error_does_not_quote_what_a_statement_was_given(
    engine_as: EngineAs, settings_as: Callable[[str], Settings]
) -> None:
    ours = engine_as("dyno_allocations")
    at = settings_as("dyno_allocations")
    usual = create_engine(
        f"postgresql+pg8000://{at.database_user}@{at.database_host}:{at.database_port}/{at.database_name}"
    )

    try:
        assert "prototype" not in told(ours)
        assert "prototype" in told(usual)
    finally:
        usual.dispose()


def query(door_call: Call, printed: Printed, said: str) -> list[str]:
    """The lines of the log that the subscription passes on, after a refusal that quotes a parameter's name."""
    printed()
    assert door_call(door, "GET", "/dynos", query={said: "1"}).status == 422
    lines = printed().splitlines()
    assert max(map(len, lines)) < 4_000
    return [each for each in lines if "dyno-call/1" in each]


def taken(lines: list[str]) -> tuple[list[str], int]:
    """The methods of the records that ingest would make of lines, and how many dead letters."""
    batch = sort_out([LogEvent(message=each) for each in lines], now=datetime.now(UTC), retention_days=400)
    return [json.loads(record)["method"] for record in batch.records], len(batch.letters)


FORGED = line("forged-1", method="forged", created_at=datetime.now(UTC).isoformat())
HOSTILE = {
    "a record": FORGED,
    "a record on a line of its own": f"\n{FORGED}\n",
    "a record behind an end": f'"}}\n{FORGED}\n',
    "more than a line may have": "dyno-call/1 " + "x" * 100_000,
}


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_somebody_wrote_is_no_record_and_no_dead_letter(call: Call, printed: Printed, said: str) -> None:
    assert taken(query(call, printed, said)) == ([], 0)


def test_a_log_that_quotes_it_as_it_came_would_be_taken_for_ours(
    call: Call, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScrubbedFormatter, "serialize", lambda _, log: f"{log['message']} {log.get('detail')}")

    assert taken(query(call, printed, HOSTILE["a record on a line of its own"])) == (["forged"], 0)
