import threading
import time
from unittest import mock

import pytest

from dyno.metrics import calls, deadline, track_performance, watchdog
from tests.unit.metrics.recording import recording


@track_performance("S")
def outer(seconds: float) -> str:
    with track_performance("S", method="inner"):
        time.sleep(seconds)
    return "late but here"


@track_performance("S")
def quick() -> None: ...


def test_calls_still_open_before_the_deadline_are_closed_as_timeouts_once() -> None:
    with recording() as records, deadline(300):
        assert outer(0.5) == "late but here"

    assert [(record["method"], record["outcome"], record["error_type"]) for record in records] == [
        ("inner", "error", "Timeout"),
        ("outer", "error", "Timeout"),
    ]
    assert all(140 <= record["duration_ms"] < 500 for record in records)
    assert records[0]["parent_event_id"] == records[1]["event_id"]


def test_calls_that_end_in_time_are_what_they_are() -> None:
    with recording() as records, deadline(5_000):
        outer(0)

    assert [record["outcome"] for record in records] == ["success", "success"]


def test_a_deadline_that_is_over_closes_nothing() -> None:
    with recording() as records:
        with deadline(300):
            quick()
        outer(0.2)

    assert {record["outcome"] for record in records} == {"success"}


def test_a_later_deadline_takes_the_place_of_an_earlier_one() -> None:
    with recording() as records:
        for _ in range(20):
            with deadline(50_000):
                quick()
        with deadline(300):
            outer(0.5)

    assert [record["outcome"] for record in records] == ["success"] * 20 + ["error"] * 2


def test_what_began_before_the_invocation_is_not_its_business() -> None:
    with recording() as records, track_performance("S", method="older"), deadline(100):
        time.sleep(0.12)

    assert records.one["outcome"] == "success"


def test_a_watch_that_is_slow_to_close_never_closes_a_call_of_the_next_invocation() -> None:
    def slowly(since_s: float) -> None:
        time.sleep(0.1)
        calls.close_as_timeout(since_s)

    with mock.patch.object(watchdog, "close_as_timeout", slowly), recording() as records:
        with deadline(100):
            time.sleep(0.08)  # it has noticed and is about to close
        with deadline(5_000):
            outer(0.2)

    assert [record["outcome"] for record in records] == ["success", "success"]


def test_an_invocation_begins_under_no_call_of_an_earlier_one() -> None:
    left_open = track_performance("S", method="left open")
    with recording() as records:
        with deadline(5_000):
            left_open.__enter__()
        with deadline(5_000):
            quick()
        left_open.__exit__(None, None, None)

    assert records.of("quick")["parent_event_id"] is None
    assert records.of("quick")["correlation_id"] != records.of("left open")["correlation_id"]


def test_there_is_one_thread_however_many_invocations() -> None:
    for _ in range(5):
        with deadline(10_000):
            pass

    assert sum(thread.name == "dyno-deadline" for thread in threading.enumerate()) == 1


def test_an_exception_passes_and_disarms() -> None:
    with recording() as records:
        with pytest.raises(KeyError), deadline(300):
            raise KeyError
        outer(0.2)

    assert {record["outcome"] for record in records} == {"success"}


def test_an_invocation_within_another_leaves_the_outer_its_deadline() -> None:
    with recording() as records, deadline(500):
        with deadline(60_000):
            quick()
        outer(0.7)

    assert [record["error_type"] for record in records] == [None, "Timeout", "Timeout"]


def test_deadlines_may_end_in_another_order_than_they_began() -> None:
    first, second = deadline(60_000), deadline(500)
    with recording() as records:
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        outer(0.7)
        second.__exit__(None, None, None)
        outer(0)

    assert [record["error_type"] for record in records] == ["Timeout", "Timeout", None, None]


def test_a_deadline_that_was_reached_leaves_the_outer_its_own() -> None:
    with recording() as records, deadline(700):
        with deadline(200):
            outer(0.3)
        outer(0.6)

    assert [record["outcome"] for record in records] == ["error"] * 4
