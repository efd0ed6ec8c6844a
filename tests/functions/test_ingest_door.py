"""What ingest says of each batch, and what CloudWatch takes from that: a batch in, the printed line out."""

import base64
import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdk.constructs.log_metrics import pattern
from dyno.metrics.catalogue import DEAD_LETTERS, INGEST_LAG, LOG_METRICS, LogMetric
from dyno.metrics.packing import delivery
from dyno.metrics.snapshot import Snapshots
from dyno.observability import logger
from functions.metrics_ingest import handler as door
from tests.functions.conftest import Context
from tests.lab import Lab

POISON = '{"record": "dyno-call/1", "event_id"'

Printed = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def printed(enter: Callable[[str], None], lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Printed:
    """The one line that the door prints of an event."""
    enter("dyno_ingest")

    def line(event: dict[str, Any]) -> dict[str, Any]:
        log = io.StringIO()
        monkeypatch.setattr(logger.registered_handler, "stream", log)
        door.handler(event, Context())  # type: ignore[arg-type]  # as much of it as the door reads
        (said,) = (json.loads(text) for text in log.getvalue().splitlines())
        assert isinstance(said, dict)
        return said

    return line


def batch(*messages: str) -> dict[str, Any]:
    """As the log subscription delivers it."""
    events = [{"id": str(number), "timestamp": 0, "message": message} for number, message in enumerate(messages)]
    said = {"messageType": "DATA_MESSAGE", "subscriptionFilters": ["calls"], "logEvents": events}
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(said).encode())).decode()}}


def call(event_id: str, waited_s: float = 1) -> str:
    """The line of a call that ended so long ago; far in the future if that is less than nothing."""
    record = {
        "record": "dyno-call/1",
        "event_id": event_id,
        "correlation_id": "abc",
        "service": "AllocationService",
        "method": "auto_allocate",
        "outcome": "success",
        "success": True,
        "duration_ms": 1.5,
        "created_at": (datetime.now(UTC) - timedelta(seconds=waited_s)).isoformat(),
    }
    return json.dumps(record)


def observation(event_id: str) -> str:
    """The line of a business metric."""
    record = {
        "record": "dyno-metric/1",
        "event_id": event_id,
        "correlation_id": "abc",
        "name": "VehiclesScanned",
        "kind": "counter",
        "unit": "Count",
        "value": 1.0,
        "labels": {},
        "created_at": datetime.now(UTC).isoformat(),
    }
    return json.dumps(record)


def taken(line: dict[str, Any]) -> dict[str, float]:
    """What CloudWatch takes from a line, by the metric's name, as the filters' patterns have it."""
    return {metric.name: line[metric.field] for metric in LOG_METRICS if _matches(metric, line)}


def _matches(metric: LogMetric, line: dict[str, Any]) -> bool:
    if metric.field not in line:
        return False
    value = line[metric.field]
    assert isinstance(value, int | float), f"{metric.field} is no number: {value!r}"
    return metric.floor is None or value > metric.floor


def test_the_line_tells_what_was_set_aside_and_how_long_the_oldest_call_had_waited(printed: Printed) -> None:
    line = printed(batch(call("e-1", waited_s=30), call("e-2", waited_s=90), observation("o-1"), POISON))

    assert (line["message"], line["level"]) == ("batch ingested", "INFO")
    assert (line["rows"], line["observations"], line["dead_letters"]) == (2, 1, 1)
    assert taken(line) == {"DeadLetters": 1, "IngestLag": pytest.approx(90, abs=20)}
    assert isinstance(line["lag_s"], float)
    assert line["lag_s"] == round(line["lag_s"], 3)


def test_the_lag_of_the_line_is_the_exposition_s(printed: Printed) -> None:
    line = printed(batch(call("e-1", waited_s=90)))

    kept = Snapshots("snapshots").read()
    assert kept is not None
    assert kept.ingest_lag_s == line["lag_s"]


def test_a_call_of_a_clock_that_is_ahead_has_not_waited(printed: Printed) -> None:
    line = printed(batch(call("e-1", waited_s=-3600)))

    assert line["lag_s"] == 0


def test_a_batch_with_no_new_call_says_nothing_of_a_lag(printed: Printed) -> None:
    before = call("e-1", waited_s=90)
    printed(batch(before))

    lines = [printed(batch(before)), printed(batch(observation("o-1"))), printed(batch("a dyno-call/1 of others"))]

    assert [line["duplicates"] for line in lines] == [1, 0, 0]
    assert [taken(line) for line in lines] == [{}, {}, {"DeadLetters": 1}]
    assert not any("lag_s" in line for line in lines)


def test_lines_that_are_read_again_say_nothing_of_a_lag(printed: Printed) -> None:
    line = printed(delivery([{"timestamp": 0, "message": call("e-1", waited_s=90)}]))

    assert line["rows"] == 1
    assert taken(line) == {}


def test_a_line_that_comes_again_is_set_aside_once(printed: Printed) -> None:
    lines = [printed(each) for each in (batch(POISON), batch(POISON), delivery([{"timestamp": 0, "message": POISON}]))]

    assert [line["dead_letters"] for line in lines] == [1, 0, 0]
    assert [taken(line) for line in lines] == [{"DeadLetters": 1}, {}, {}]


def test_a_letter_that_stays_dead_is_no_new_one(printed: Printed) -> None:
    printed(batch(POISON, "x" * 20_000))

    line = printed({"dead_letters": {"after": 0}})

    assert (line["looked_at"], line["duplicates"], line["dead_letters"], line["recovered"]) == (2, 2, 0, 0)
    assert taken(line) == {}
    assert None not in line.values()


def test_a_letter_that_is_taken_in_has_not_waited_for_ingest(printed: Printed, lab: Lab) -> None:
    printed(batch(call("e-1", waited_s=-100_000)))
    lab.sql("update dead_letters set line = :line", line=call("e-1", waited_s=90))

    line = printed({"dead_letters": {"after": 0}})

    assert (line["rows"], line["recovered"], line["dead_letters"]) == (1, 1, 0)
    assert taken(line) == {}


def test_a_line_without_its_members_or_with_nothing_in_them_would_be_noticed() -> None:
    assert taken({"dead_letter": 1, "lag": 2.0}) == {}
    for nothing in (None, "1", {"looked_at": 1}):
        with pytest.raises(AssertionError, match="dead_letters is no number"):
            taken({"dead_letters": nothing})


def test_what_is_taken_here_is_what_the_filters_ask_for() -> None:
    assert [pattern(metric) for metric in (DEAD_LETTERS, INGEST_LAG)] == ["{ $.dead_letters > 0 }", "{ $.lag_s = * }"]
    assert {metric.field for metric in LOG_METRICS} == {"dead_letters", "lag_s"}
