import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyno.metrics.intake import Batch, sort_out
from dyno.metrics.model import LogBatch, LogEvent, Reason

NOW = datetime(2027, 1, 4, 10, tzinfo=UTC)
GOOD = {
    "record": "dyno-call/1",
    "event_id": "0123456789abcdef-1",
    "correlation_id": "abc",
    "sub": None,
    "service": "S",
    "method": "m",
    "outcome": "success",
    "success": True,
    "duration_ms": 1.5,
    "created_at": "2027-01-04T09:59:59.123456Z",
    "parent_event_id": None,
    "error_type": None,
    "error_message": None,
    "metadata": {"result_keys": ["a"]},
}


def sorted_out(*lines: str) -> Batch:
    events = [LogEvent(timestamp=number, message=line) for number, line in enumerate(lines)]
    return sort_out(events, now=NOW, retention_days=400)


def line(**changes: Any) -> str:
    return json.dumps(GOOD | changes)


def test_a_record_is_kept_without_what_only_the_log_needs() -> None:
    batch = sorted_out(line(stack_trace="long", _aws={"Timestamp": 1}, Duration=[1.5], release="r") + "\n")

    (record,) = map(json.loads, batch.records)
    assert {**record, "record": "dyno-call/1"} == GOOD
    assert batch.letters == []


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{not json dyno-call/1", Reason.NOT_JSON),
        (line()[:200], Reason.NOT_JSON),
        (line(event_id=None), Reason.INVALID),
        (line(event_id="x" * 101), Reason.INVALID),
        (line(event_id="bad id"), Reason.INVALID),
        (line(outcome="fine"), Reason.INVALID),
        (line(outcome="error"), Reason.INVALID),
        (line(duration_ms="1.5"), Reason.INVALID),
        (line(duration_ms=-1), Reason.INVALID),
        (line(duration_ms=float("nan")), Reason.INVALID),
        (line(duration_ms=float("inf")), Reason.INVALID),
        (line(service="s" * 201), Reason.INVALID),
        (line(service=""), Reason.INVALID),
        (line(created_at="2027-01-04T09:59:59"), Reason.INVALID),
        (line(created_at="yesterday"), Reason.INVALID),
        (line(error_message="a\0b"), Reason.INVALID),
        (line(metadata={"k": ["\0"]}), Reason.INVALID),
        (line(metadata={"\\\0": 1}), Reason.INVALID),
        (line(metadata=[1]), Reason.INVALID),
        (line(error_message="x" * 16_384), Reason.TOO_LONG),
        (line(error_message="x" * 16_384)[:-1], Reason.TOO_LONG),
        (line(created_at="2025-11-30T09:59:59Z"), Reason.TOO_OLD),
        (line(created_at="0001-01-01T14:00:00+14:00"), Reason.TOO_OLD),
        (line(created_at="0001-01-01T00:00:00+14:00"), Reason.INVALID),
        (line(created_at="2027-01-05T10:00:01Z"), Reason.FUTURE),
        (line(created_at="9999-12-31T09:59:59-14:00"), Reason.FUTURE),
        (line(created_at="9999-12-31T23:59:59-14:00"), Reason.INVALID),
    ],
)
def test_a_line_that_cannot_be_stored_is_a_dead_letter_with_its_reason(bad: str, reason: Reason) -> None:
    batch = sorted_out(line(), bad)

    assert len(batch.records) == 1
    assert [letter.reason for letter in batch.letters] == [reason]


def test_time_is_told_in_utc_whatever_the_lines_offset() -> None:
    (record,) = map(json.loads, sorted_out(line(created_at="2027-01-05T09:00:00+23:59")).records)

    assert record["created_at"] == "2027-01-04T09:01:00Z"


@pytest.mark.parametrize("text", ["\\u0000", "back\\\\u0000slash", "é𝐀", "a\tb"])
def test_text_that_only_looks_like_a_nul_is_kept(text: str) -> None:
    assert json.loads(sorted_out(line(error_message=text)).records[0])["error_message"] == text


@pytest.mark.parametrize(
    "other",
    [
        json.dumps({"message": "dyno-call/1 " + "x" * 20_000}),
        '{"record": "dyno-call/2"}',
        '{"message": "about dyno-call/1"}',
        '["dyno-call/1"]',
        '"x"',
    ],
)
def test_somebody_elses_json_that_mentions_the_record_is_foreign(other: str) -> None:
    batch = sorted_out(other)

    assert batch == Batch()


@given(st.lists(st.text() | st.builds(line, metadata=st.dictionaries(st.text(), st.floats() | st.text()))))
def test_every_line_is_something(lines: list[str]) -> None:
    batch = sorted_out(*lines)

    assert len(batch.records) == len(batch.taken)
    assert len(batch.records) + len(batch.letters) <= len(lines)
    for record in batch.records:
        json.loads(record)
        assert "\\u0000" not in record.replace("\\\\", "")


def test_the_example_event_is_three_records() -> None:
    event = json.loads((Path(__file__).parents[3] / "events" / "log_batch.json").read_text())

    events = LogBatch.unpack(event).events

    records = sort_out(events, now=datetime(2026, 11, 24, tzinfo=UTC), retention_days=400).records
    assert [json.loads(record)["outcome"] for record in records] == ["success", "rejected", "success"]


def test_half_a_surrogate_pair_does_not_hold_up_its_batch() -> None:
    batch = {
        "messageType": "DATA_MESSAGE",
        "logEvents": [{"id": "1", "message": "\ud800"}, {"id": "2", "message": "b"}],
    }
    data = base64.b64encode(gzip.compress(json.dumps(batch).encode())).decode()

    events = LogBatch.unpack({"awslogs": {"data": data}}).events

    assert [event.message for event in events] == ["?", "b"]


def test_a_control_message_brings_nothing() -> None:
    batch = LogBatch.model_validate({"messageType": "CONTROL_MESSAGE", "logEvents": [{"id": "", "message": "hello"}]})

    assert list(batch.events) == []


def test_a_line_is_known_by_what_it_says_and_when_however_it_comes() -> None:
    subscribed = LogEvent.model_validate({"id": "of the delivery", "timestamp": 7, "message": "{dyno-call/1"})
    read_from_the_log = LogEvent.model_validate({"eventId": "of the log", "timestamp": 7, "message": "{dyno-call/1"})

    assert subscribed.letter_id == read_from_the_log.letter_id
    assert len({subscribed.letter_id, LogEvent(timestamp=8, message="{dyno-call/1").letter_id}) == 2
    assert LogEvent(message="cut short", known_as=subscribed.letter_id).letter_id == subscribed.letter_id


def test_a_letter_is_cut_and_made_storable() -> None:
    (letter,) = sorted_out("\0\ud800" + "x" * 20_000).letters

    assert len(letter.line) == 16_384
    assert letter.line.startswith("�?x")
    assert letter.received_at - NOW == timedelta(0)
