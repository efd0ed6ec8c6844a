"""The seam: what a tracing library does wrong reaches nobody and costs no record."""

import sys
import time
from collections.abc import Iterator

import pytest

from dyno import tracing
from dyno.metrics import deadline, track_performance
from dyno.observability import logger
from tests.unit.metrics.recording import recording


@pytest.fixture
def looks_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The next call finds out how it is traced."""
    monkeypatch.setattr(tracing, "_begin", tracing._look)
    tracing._loaded.cache_clear()
    yield
    tracing._loaded.cache_clear()


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(logger, "warning", lambda text, *arguments: said.append(text % arguments))
    return said


@track_performance("Program")
def outer() -> int:
    return inner() + inner()


@track_performance("Program")
def inner() -> int:
    return 1


@pytest.mark.usefixtures("looks_anew")
def test_an_unknown_choice_is_off_and_said_once(monkeypatch: pytest.MonkeyPatch, warnings: list[str]) -> None:
    monkeypatch.setenv("TRACING", "zipkin")

    with recording() as records:
        assert outer() == 2

    assert len(records) == 3
    assert warnings == ["calls are not traced: TRACING=zipkin is none of xray, otel and off"]


@pytest.mark.usefixtures("looks_anew")
@pytest.mark.parametrize(
    ("choice", "library"), [("xray", "aws_xray_sdk"), ("xray", "aws_lambda_powertools"), ("otel", "opentelemetry")]
)
def test_a_missing_library_is_said_once_and_costs_no_record(
    monkeypatch: pytest.MonkeyPatch, warnings: list[str], choice: str, library: str
) -> None:
    monkeypatch.setenv("TRACING", choice)
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
    monkeypatch.setitem(sys.modules, library, None)
    for name in ("dyno.xray", "dyno.otel"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr("dyno.xray", raising=False)
    monkeypatch.delattr("dyno.otel", raising=False)

    with recording() as records:
        assert outer() == 2

    assert len(records) == 3
    (warning,) = warnings
    assert f"TRACING={choice} needs what is not there" in warning
    assert library in warning


class Broken:
    """A library that breaks wherever it is touched."""

    def __init__(self, *, begins: bool) -> None:
        self._begins = begins
        self.ended = 0

    def begin(self, *_call: object) -> "Broken":
        if not self._begins:
            raise RuntimeError("no context")
        return self

    def end(self, *_outcome: object) -> None:
        self.ended += 1
        raise RuntimeError("already ended")


@pytest.mark.parametrize("begins", [True, False])
def test_a_library_that_raises_reaches_nobody_and_costs_no_record(
    monkeypatch: pytest.MonkeyPatch, begins: bool
) -> None:
    broken = Broken(begins=begins)
    monkeypatch.setattr(tracing, "_begin", broken.begin)

    with recording() as records:
        assert outer() == 2

    assert [record["outcome"] for record in records] == ["success"] * 3
    assert broken.ended == (3 if begins else 0)


def test_a_library_that_raises_at_the_deadline_keeps_no_other_call_open(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken(begins=True)
    monkeypatch.setattr(tracing, "_begin", broken.begin)

    @track_performance
    def late() -> None:
        with track_performance("Program", method="inner"):
            time.sleep(0.1)

    with recording() as records, deadline(100):
        late()

    assert [record["error_type"] for record in records] == ["Timeout"] * 2
    assert broken.ended == 2
