import base64
import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dyno.errors import InvalidRequest, Unavailable
from dyno.metrics.leftovers import Leftovers
from dyno.metrics.model import LogBatch
from dyno.metrics.redrive import MAX_BYTES, MAX_LINES, Asked, Report, redrive

NOW = datetime(2027, 1, 4, 2, 15, tzinfo=UTC)
BEGIN = NOW - timedelta(hours=26)
NONE = {"rows": 0, "observations": 0, "dead_letters": 0, "duplicates": 0, "foreign": 0, "recovered": 0}


class Fake(Leftovers):
    """
    AWS's edge in memory.

    Attributes:
        down: Whether ingest fails, by the event.
        handed: Every event ingest was handed, failing or not.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.log: list[dict[str, Any]] = []
        self.handed: list[dict[str, Any]] = []
        self.down: Callable[[dict[str, Any]], bool] = lambda _: False
        self.letter_pages = 1

    def failed_batches(self) -> Iterator[str]:
        yield from sorted(self.objects)

    def read(self, key: str) -> bytes | None:
        return self.objects.get(key)

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    def lines(self, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
        first_ms, behind_ms = (at.timestamp() * 1000 for at in (since, until))
        yield from (line for line in self.log if first_ms <= line["timestamp"] < behind_ms)

    def ingest(self, event: Any) -> Any:
        self.handed.append(event)
        if self.down(event):
            raise Unavailable("ingest failed: DatabaseUnavailable: gone")
        if "dead_letters" in event:
            after = event["dead_letters"]["after"]
            return NONE | {"looked_at": 500, "next": after + 500 if after < 500 * (self.letter_pages - 1) else None}
        return NONE | {"rows": len(LogBatch.unpack(event).events)}

    def log_lines(self, *, hours: float, count: int = 1, text: str = '{"record":"dyno-call/1"}') -> None:
        at_ms = int((BEGIN + timedelta(hours=hours)).timestamp() * 1000)
        self.log += [{"eventId": f"{number}", "timestamp": at_ms, "message": text} for number in range(count)]

    def keep(self, key: str) -> None:
        data = gzip.compress(json.dumps({"messageType": "DATA_MESSAGE", "logEvents": []}).encode())
        event = {"awslogs": {"data": base64.b64encode(data).decode()}}
        self.objects[key] = json.dumps({"requestPayload": event}).encode()

    def batches(self) -> list[LogBatch]:
        return [LogBatch.unpack(event) for event in self.handed if "awslogs" in event]


def run(fake: Fake, time_left_s: Callable[[], float] = lambda: 900.0, **asked: str) -> Report:
    return redrive(Asked.of(asked), fake, clock=lambda: NOW, time_left_s=time_left_s)


def test_with_nothing_left_over_a_run_is_complete() -> None:
    report = run(Fake())

    assert (report.complete, report.reason) == (True, None)
    assert (report.log.since, report.log.until, report.log.go_on_since) == (BEGIN, NOW, None)
    assert (report.started_at, report.finished_at) == (NOW, NOW)


def test_each_line_of_the_period_is_handed_over_once() -> None:
    fake = Fake()
    for hours in (-0.001, 0, 0.5, 1, 25.999, 26):
        fake.log_lines(hours=hours, text=f"{hours}")

    report = run(fake)

    assert [event.message for batch in fake.batches() for event in batch.events] == ["0", "0.5", "1", "25.999"]
    assert (report.log.lines, report.log.batches, report.rows_added) == (4, 3, 4)


def test_a_batch_is_bounded_in_lines_and_in_text() -> None:
    fake = Fake()
    fake.log_lines(hours=1, count=MAX_LINES + 1)
    fake.log_lines(hours=2, count=9, text="é" * (MAX_BYTES // 8))

    run(fake)

    assert [len(batch.events) for batch in fake.batches()] == [MAX_LINES, 1, 4, 4, 1]
    assert all(len(json.dumps(event)) < 6_000_000 for event in fake.handed)


def test_a_line_keeps_its_time_and_half_a_surrogate_pair_stops_nothing() -> None:
    fake = Fake()
    fake.log_lines(hours=1, text="\ud800")

    report = run(fake)

    [[event]] = [batch.events for batch in fake.batches()]
    assert (event.timestamp, event.message) == (fake.log[0]["timestamp"], "?")
    assert report.complete


def test_dead_letters_are_tried_again_to_the_last() -> None:
    fake = Fake()
    fake.letter_pages = 3

    report = run(fake)

    assert fake.handed == [{"dead_letters": {"after": after}} for after in (0, 500, 1000)]
    assert report.dead_letters.looked_at == 1500


def test_one_failure_does_not_keep_the_next_batch_from_its_chance() -> None:
    fake = Fake()
    for hours in (1, 3, 5):
        fake.log_lines(hours=hours, text=f"{hours}")
    fake.down = lambda event: "awslogs" in event and LogBatch.unpack(event).events[0].message == "3"

    report = run(fake)

    assert (report.complete, report.rows_added, report.log.batches, report.log.failed) == (False, 2, 3, 1)
    assert report.log.go_on_since == BEGIN + timedelta(hours=3)
    assert report.reason == (
        'ingest failed: DatabaseUnavailable: gone; go on with {"since": "2027-01-03T03:15:00+00:00"}'
    )


def test_failures_that_are_not_in_a_row_end_nothing() -> None:
    fake = Fake()
    for hours in range(1, 10):
        fake.log_lines(hours=hours, text=f"{hours}")
    fake.down = lambda event: "awslogs" in event and int(LogBatch.unpack(event).events[0].message) % 2 == 1

    report = run(fake)

    assert (report.log.batches, report.log.failed, report.rows_added) == (9, 5, 4)
    assert report.log.go_on_since == BEGIN + timedelta(hours=1), "the first that was not taken, not the last"


def test_three_failures_in_a_row_end_it() -> None:
    fake = Fake()
    for number in range(10):
        fake.keep(f"{number}")
        fake.log_lines(hours=number)
    fake.down = lambda _: True

    report = run(fake)

    assert len(fake.handed) == 5, "three batches; then each further part is tried once"
    assert len(fake.objects) == 10
    assert (report.failed_batches.found, report.failed_batches.left) == (3, 3)
    assert report.log.go_on_since == BEGIN
    assert report.reason is not None
    assert "stopped after 3 failures in a row" in report.reason


def test_batches_that_never_succeed_do_not_keep_the_log_from_being_read() -> None:
    fake = Fake()
    for key in "abcd":
        fake.keep(key)
    fake.log_lines(hours=1, count=7)
    fake.down = lambda event: "awslogs" in event and not LogBatch.unpack(event).events

    report = run(fake)

    assert (report.complete, report.rows_added, report.log.go_on_since) == (False, 7, None)
    assert sorted(fake.objects) == ["a", "b", "c", "d"]


def test_it_stops_before_the_deadline_and_says_where_to_go_on() -> None:
    fake = Fake()
    for hours in (1, 2, 3, 4):
        fake.log_lines(hours=hours, text=f"{hours}")

    report = run(fake, time_left_s=lambda: 900 if len(fake.handed) < 3 else 60)
    rest = run(fake, since=str(report.log.go_on_since))

    assert report.reason == 'stopped before the function\'s deadline; go on with {"since": "2027-01-03T03:15:00+00:00"}'
    assert report.rows_added == 2
    assert rest.complete
    assert {event.message for batch in fake.batches() for event in batch.events} == {"1", "2", "3", "4"}


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"{half",
        b"\xff",
        b"[]",
        b"3",
        b"{}",
        b'{"requestPayload": null}',
        b'{"requestPayload": {"awslogs": {"data": "bm90IGd6aXA="}}}',
        b'{"requestPayload": {"awslogs": {"data": 3}}}',
        b'{"requestPayload": {"dead_letters": {"after": 0}}}',
        b"[" * 100_000,
    ],
    ids=lambda kept: kept[:40],
)
def test_what_is_no_failed_batch_is_left_and_counted(kept: bytes) -> None:
    fake = Fake()
    fake.objects["a note"] = kept
    fake.keep("b")

    report = run(fake)

    assert (report.failed_batches.found, report.failed_batches.replayed, report.failed_batches.left) == (2, 1, 1)
    assert fake.objects == {"a note": kept}
    assert report.complete, "there is nothing another run could do"


def test_an_object_that_another_run_was_quicker_with_is_not_missed() -> None:
    class Contested(Fake):
        def read(self, key: str) -> bytes | None:
            del self.objects[key]
            return super().read(key)

    fake = Contested()
    fake.keep("a")

    report = run(fake)

    assert (report.failed_batches.found, report.complete) == (0, True)


def test_a_bucket_that_cannot_be_read_does_not_keep_the_log_from_it() -> None:
    class Forbidden(Fake):
        def failed_batches(self) -> Iterator[str]:
            raise Unavailable("the failed batches cannot be listed: AccessDenied")

    fake = Forbidden()
    fake.log_lines(hours=1)

    report = run(fake)

    assert (report.rows_added, report.reason) == (1, "the failed batches cannot be listed: AccessDenied")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"since": "yesterday"}, "since: "),
        ({"since": "2027-01-03T00:00:00"}, "timezone"),
        ({"since": 3}, "since: "),
        ({"since": "1970-01-01T00:00:00Z"}, "greater than or equal"),
        ({"until": "0001-01-01T00:00:00Z"}, "until: "),
        ({"from": "2027-01-03T00:00:00Z"}, "from: Extra"),
        ({"since": "2027-01-04T02:15:00Z"}, "is not before until"),
        ({"since": "2027-01-03T00:00:00Z", "until": "2027-01-02T00:00:00Z"}, "is not before until"),
    ],
    ids=str,
)
def test_a_period_that_is_none_is_refused_with_the_reason(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        run(Fake(), **asked)


def test_a_period_may_be_said() -> None:
    report = run(Fake(), since="2027-01-03T10:00:00+02:00", until="2027-01-03T11:30:00Z")

    assert report.log.since == datetime(2027, 1, 3, 8, tzinfo=UTC)
    assert report.log.until == datetime(2027, 1, 3, 11, 30, tzinfo=UTC)
