import base64
import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dyno.errors import InvalidRequest, Unavailable
from dyno.metrics.leftovers import UNFINISHED_KEY, IngestBroke, Leftovers
from dyno.metrics.model import LogBatch
from dyno.metrics.packing import MAX_BYTES, MAX_LINES
from dyno.metrics.redrive import MAX_REASONS, redrive
from dyno.metrics.redriven import Asked, Report

NOW = datetime(2027, 1, 4, 2, 15, tzinfo=UTC)
BEGIN = NOW - timedelta(hours=26)
NONE = {"rows": 0, "observations": 0, "dead_letters": 0, "duplicates": 0, "foreign": 0, "recovered": 0}


class Fake(Leftovers):
    """
    AWS's edge in memory.

    Attributes:
        down: Whether ingest has no database, by the event.
        breaks: Whether ingest breaks on it.
        handed: Every event ingest was handed, failing or not.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.log: list[dict[str, Any]] = []
        self.handed: list[dict[str, Any]] = []
        self.down: Callable[[dict[str, Any]], bool] = lambda _: False
        self.breaks: Callable[[dict[str, Any]], bool] = lambda _: False
        self.letter_pages = 1

    def failed_batches(self) -> Iterator[str]:
        yield from sorted(self.objects)

    def read(self, key: str) -> bytes | None:
        return self.objects.get(key)

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    def keep(self, key: str, body: bytes) -> None:
        self.objects[key] = body

    def pages(self, since: datetime, until: datetime) -> Iterator[list[dict[str, Any]]]:
        first_ms, behind_ms = (at.timestamp() * 1000 for at in (since, until))
        yield [line for line in self.log if first_ms <= line["timestamp"] < behind_ms]

    def ingest(self, event: Any) -> Any:
        self.handed.append(event)
        if self.down(event):
            raise Unavailable("ingest failed: DatabaseUnavailable: gone")
        if self.breaks(event):
            raise IngestBroke("ingest failed: KeyError: 'x'")
        if "dead_letters" in event:
            after = event["dead_letters"]["after"]
            return NONE | {"looked_at": 500, "next": after + 500 if after < 500 * (self.letter_pages - 1) else None}
        return NONE | {"rows": len(LogBatch.unpack(event).events)}

    def log_lines(self, *, hours: float, count: int = 1, text: str = '{"record":"dyno-call/1"}') -> None:
        at_ms = int((BEGIN + timedelta(hours=hours)).timestamp() * 1000)
        self.log += [{"eventId": f"{number}", "timestamp": at_ms, "message": text} for number in range(count)]

    def keep_batch(self, key: str) -> None:
        data = gzip.compress(json.dumps({"messageType": "DATA_MESSAGE", "logEvents": []}).encode())
        event = {"awslogs": {"data": base64.b64encode(data).decode()}}
        self.objects[key] = json.dumps({"requestPayload": event}).encode()

    def batches(self) -> list[LogBatch]:
        return [LogBatch.unpack(event) for event in self.handed if "awslogs" in event]


def run(fake: Fake, time_left_s: Callable[[], float] = lambda: 900.0, *, now: datetime = NOW, **asked: str) -> Report:
    return redrive(Asked.of(asked), fake, clock=lambda: now, time_left_s=time_left_s)


def remembered(fake: Fake) -> datetime | None:
    kept = fake.objects.get(UNFINISHED_KEY)
    return Asked.of(json.loads(kept)).since if kept else None


def has(text: str) -> Callable[[dict[str, Any]], bool]:
    """Whether an event has a line of that text."""
    return lambda event: "awslogs" in event and any(line.message == text for line in LogBatch.unpack(event).events)


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
        fake.keep_batch(f"{number}")
        fake.log_lines(hours=number)
    fake.down = lambda _: True

    report = run(fake)

    assert len(fake.handed) == 10, "three batches; then each further part is tried once; each of them is asked twice"
    assert len(fake.objects) == 11, "and where to go on"
    assert (report.failed_batches.found, report.failed_batches.left) == (3, 3)
    assert report.log.go_on_since == BEGIN
    assert report.reason is not None
    assert "stopped after 3 failures in a row" in report.reason


def test_batches_that_never_succeed_do_not_keep_the_log_from_being_read() -> None:
    fake = Fake()
    for key in "abcd":
        fake.keep_batch(key)
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
    fake.keep_batch("b")

    report = run(fake)

    assert (report.failed_batches.found, report.failed_batches.replayed, report.failed_batches.left) == (2, 1, 1)
    assert fake.objects == {"a note": kept}
    assert report.complete, "there is nothing another run could do"


def test_an_object_that_another_run_was_quicker_with_is_not_missed() -> None:
    class Contested(Fake):
        def read(self, key: str) -> bytes | None:
            if key != UNFINISHED_KEY:
                del self.objects[key]
            return super().read(key)

    fake = Contested()
    fake.keep_batch("a")

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


def test_the_night_after_one_that_failed_makes_up_for_it() -> None:
    fake = Fake()
    for hours in (1, 3, 25):
        fake.log_lines(hours=hours, text=f"{hours}")
    fake.down = has("3")

    first = run(fake)
    fake.down = lambda _: False
    fake.handed.clear()
    second = run(fake, now=NOW + timedelta(days=3))
    third = run(fake, now=NOW + timedelta(days=4))

    assert second.log.since == first.log.go_on_since == BEGIN + timedelta(hours=3)
    assert [event.message for batch in fake.batches() for event in batch.events] == ["3", "25"]
    assert (second.complete, second.failed_batches.found) == (True, 0), "what is remembered is no failed batch"
    assert third.log.since == BEGIN + timedelta(days=4)
    assert remembered(fake) is None


def test_a_rest_of_less_than_a_night_does_not_shorten_the_next() -> None:
    fake = Fake()
    fake.keep(UNFINISHED_KEY, b'{"since": "2027-01-04T00:00:00Z"}')

    report = run(fake)

    assert (report.log.since, report.complete, remembered(fake)) == (BEGIN, True, None)


def test_a_run_that_is_killed_is_made_up_for() -> None:
    class Killed(Fake):
        def ingest(self, _event: Any) -> Any:
            raise KeyboardInterrupt  # nothing of ours catches it, as nothing survives a kill

    fake = Killed()
    fake.log_lines(hours=1)

    with pytest.raises(KeyboardInterrupt):
        run(fake)

    assert remembered(fake) == BEGIN


def test_a_night_without_an_end_is_gone_on_with_where_it_stopped() -> None:
    fake = Fake()
    fake.log_lines(hours=5)

    run(fake, time_left_s=lambda: 900 if len(fake.handed) < 2 else 60)

    assert remembered(fake) == BEGIN + timedelta(hours=6)


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({"since": "2027-01-01T00:00:00Z"}, None),
        ({"since": "2027-01-02T00:00:00Z"}, None),
        ({"since": "2027-01-02T00:00:00.001Z"}, "2027-01-02T00:00:00Z"),
        ({"since": "2027-01-01T00:00:00Z", "until": "2027-01-02T00:00:00Z"}, "2027-01-02T00:00:00Z"),
        ({"since": "2027-01-01T00:00:00Z", "until": "2027-01-02T12:00:00Z"}, "2027-01-02T12:00:00Z"),
        ({"until": "2027-01-03T00:00:00Z"}, "2027-01-03T00:00:00Z"),
        ({}, None),
    ],
    ids=str,
)
def test_a_run_forgets_what_it_covered_and_nothing_else(asked: dict[str, Any], left: str | None) -> None:
    fake = Fake()
    fake.keep(UNFINISHED_KEY, b'{"since": "2027-01-02T00:00:00Z"}')

    report = run(fake, now=NOW + timedelta(microseconds=7), **asked)

    assert report.complete
    assert remembered(fake) == (datetime.fromisoformat(left) if left else None)


def test_a_period_that_was_said_is_kept_to_whatever_is_remembered() -> None:
    fake = Fake()
    fake.keep(UNFINISHED_KEY, b'{"since": "2027-01-01T00:00:00Z"}')

    report = run(fake, since="2027-01-03T00:00:00Z")

    assert report.log.since == datetime(2027, 1, 3, tzinfo=UTC)


def test_an_earlier_rest_is_not_lost_to_a_later_one() -> None:
    fake = Fake()
    fake.keep(UNFINISHED_KEY, b'{"since": "2027-01-01T00:00:00Z"}')
    fake.log_lines(hours=25)
    fake.down = has('{"record":"dyno-call/1"}')

    run(fake, since="2027-01-03T00:00:00Z")

    assert remembered(fake) == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("kept", [b"", b"{half", b"\xff", b"3", b'{"since": "yesterday"}'], ids=repr)
def test_a_memory_that_nobody_can_read_stops_no_night(kept: bytes) -> None:
    fake = Fake()
    fake.keep(UNFINISHED_KEY, kept)

    report = run(fake)

    assert (report.complete, report.log.since, remembered(fake)) == (True, BEGIN, None)


def test_what_cannot_be_remembered_is_a_reason_and_stops_nothing() -> None:
    class Forbidden(Fake):
        def keep(self, _key: str, _body: bytes) -> None:
            raise Unavailable("what is left unfinished cannot be kept: AccessDenied")

    fake = Forbidden()
    fake.log_lines(hours=1)

    report = run(fake)

    assert (report.rows_added, report.complete) == (1, False)
    assert report.reason == "what is left unfinished cannot be kept: AccessDenied"


def test_three_batches_that_can_never_be_taken_do_not_block_those_behind_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = Fake()
    for key in "abcdefgh":
        fake.keep_batch(key)
    fake.breaks = lambda _: len(fake.handed) <= 3

    report = run(fake)

    assert sorted(fake.objects) == ["a", "b", "c"]
    assert (report.failed_batches.replayed, report.failed_batches.left, report.complete) == (5, 3, False)
    assert report.reason == "ingest failed: KeyError: 'x'"
    assert [line.__dict__["key"] for line in caplog.records if line.message.endswith("a failed batch")] == list("abc")


def test_one_bad_line_holds_back_none_of_its_neighbours(caplog: pytest.LogCaptureFixture) -> None:
    fake = Fake()
    fake.log_lines(hours=1, count=400)
    fake.log[277] |= {"message": "bad", "eventId": "e-277"}
    fake.breaks = has("bad")

    report = run(fake)

    assert (report.rows_added, report.log.lines, report.log.failed, report.log.refused) == (399, 400, 1, 1)
    assert len(fake.handed) <= 1 + 1 + 2 * 9, "the dead letters, all lines, and two halves as often as 400 can be cut"
    assert (report.complete, remembered(fake)) == (False, BEGIN + timedelta(hours=1))
    [named] = [line.__dict__ for line in caplog.records if line.message == "ingest breaks on a line"]
    assert (named["log_event_id"], named["logged_at_ms"]) == ("e-277", fake.log[277]["timestamp"])
    assert "bad" not in caplog.text


def test_many_bad_lines_are_not_as_many_reasons() -> None:
    class Talkative(Fake):
        def ingest(self, event: Any) -> Any:
            if "awslogs" in event:
                raise IngestBroke(f"ingest failed: {LogBatch.unpack(event).events[0].message}")
            return super().ingest(event)

    fake = Talkative()
    for number in range(100):
        fake.log_lines(hours=1, text=f"{number}")

    report = run(fake)

    assert (report.log.refused, len(str(report.reason).split("; "))) == (100, MAX_REASONS + 1)


def test_pages_without_end_do_not_outlast_the_deadline() -> None:
    class Endless(Fake):
        asked_for = 0

        def pages(self, _since: datetime, _until: datetime) -> Iterator[list[dict[str, Any]]]:
            while True:
                self.asked_for += 1
                assert self.asked_for < 1000
                yield []

    fake = Endless()

    report = run(fake, time_left_s=lambda: 900 - 10 * fake.asked_for)

    assert fake.asked_for == 81
    assert report.log.go_on_since == remembered(fake) == BEGIN
    assert "before the function's deadline" in str(report.reason)


def test_a_period_is_cut_to_the_millisecond_and_ends_by_now() -> None:
    report = run(
        Fake(), now=NOW + timedelta(microseconds=1999), since="2027-01-04T01:00:00.0019Z", until="2027-02-01T00:00:00Z"
    )

    assert report.log.since == datetime(2027, 1, 4, 1, 0, 0, 1000, tzinfo=UTC)
    assert report.log.until == NOW + timedelta(milliseconds=1)


def test_no_slice_is_empty_and_together_they_are_the_period() -> None:
    class Asking(Fake):
        def pages(self, since: datetime, until: datetime) -> Iterator[list[dict[str, Any]]]:
            periods.append((since, until))
            return super().pages(since, until)

    periods: list[tuple[datetime, datetime]] = []

    run(Asking(), since="2027-01-04T00:15:00.0001Z", now=NOW + timedelta(microseconds=300))

    assert periods == [(NOW - timedelta(hours=2), NOW - timedelta(hours=1)), (NOW - timedelta(hours=1), NOW)]


def test_a_period_within_a_millisecond_is_none() -> None:
    with pytest.raises(InvalidRequest, match="is not before until"):
        run(Fake(), since="2027-01-04T00:15:00.0001Z", until="2027-01-04T00:15:00.0009Z")
