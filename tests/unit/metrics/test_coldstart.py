from dataclasses import dataclass
from itertools import count
from typing import Any
from unittest import mock

import pytest

from dyno.metrics import calls, catalogue, coldstart, invocation
from dyno.metrics.coldstart import note_cold_start
from dyno.metrics.line import Lines
from tests.unit.metrics.recording import recording


@dataclass
class Context:
    """As much of Lambda's context as is read."""

    function_name: Any = "DynoAgent-Allocations"
    aws_request_id: str = "lambda-id"

    def get_remaining_time_in_millis(self) -> int:
        return 20_000


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coldstart, "_invocations", count())
    monkeypatch.setattr(calls, "_lines", Lines("cloudwatch", "Some/Namespace", ""))
    monkeypatch.delenv("AWS_LAMBDA_INITIALIZATION_TYPE", raising=False)


def test_the_first_invocation_is_a_cold_start_and_no_other() -> None:
    with recording() as lines:
        for _ in range(3):
            with invocation({}, Context()):
                pass

    assert lines.one | {"_aws": None} == {"_aws": None, "function": "DynoAgent-Allocations", "ColdStart": [1.0]}
    assert lines.one["_aws"]["CloudWatchMetrics"] == [
        {
            "Namespace": "Some/Namespace",
            "Dimensions": [["function"]],
            "Metrics": [{"Name": "ColdStart", "Unit": "Count"}],
        }
    ]


def test_a_cold_start_is_no_record_line() -> None:
    with recording() as lines:
        note_cold_start(Context())

    assert catalogue.RECORD not in lines.lines[0]
    assert "record" not in lines.one


@pytest.mark.parametrize("strategy", ["prometheus", "hybrid"])
def test_only_cloudwatch_is_told(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_lines", Lines(strategy, "N", ""))

    with recording() as lines:
        note_cold_start(Context())

    assert lines == []


@pytest.mark.parametrize(
    ("started", "is_cold"), [("on-demand", True), ("provisioned-concurrency", False), ("snap-start", False)]
)
def test_an_environment_that_kept_nobody_waiting_had_no_cold_start(
    started: str, is_cold: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", started)

    with recording() as lines:
        note_cold_start(Context())

    assert bool(lines) == is_cold


@pytest.mark.parametrize("name", [None, "", " ", 7, "a\nb", "fünf", "x" * 1_025, mock.Mock()])
def test_a_context_that_does_not_say_its_name_leaves_no_line(name: Any) -> None:
    with recording() as lines:
        note_cold_start(Context(name))
        note_cold_start(object())

    assert lines == []


def test_whatever_fails_in_it_the_invocation_goes_on() -> None:
    with mock.patch.object(Lines, "cold_start", side_effect=RuntimeError), invocation({}, Context()) as request:
        assert request.correlation_id == "lambda-id"


def test_it_does_not_take_a_dimension_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "dyno")

    with recording() as lines:
        note_cold_start(Context())

    assert lines.one["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["function"]]
    assert "service" not in lines.one
