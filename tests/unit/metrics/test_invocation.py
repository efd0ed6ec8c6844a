import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dyno.metrics import invocation, threads, track_performance, watchdog
from dyno.observability import Request, current_request, serving
from tests.unit.metrics.recording import recording


@dataclass
class Context:
    """As much of Lambda's context as an invocation reads."""

    aws_request_id: str = "lambda-id"
    remaining_ms: Any = 20_000

    def get_remaining_time_in_millis(self) -> Any:
        return self.remaining_ms


EVENT = {"headers": {"X-Correlation-Id": "trip-1", "X-Parent-Call-Id": "elsewhere-7"}}


@track_performance("S")
def inner() -> None: ...


@track_performance("S")
def outer(seconds: float = 0) -> None:
    inner()
    time.sleep(seconds)


@track_performance
def handler(event: Any, context: Any) -> Any:
    """Handles."""
    outer()
    return event, context, current_request()


@track_performance
def unused(_event: Any, _context: Any) -> Request | None:
    return current_request()


def test_calls_of_an_invocation_stand_under_the_call_they_come_from() -> None:
    with recording() as records, invocation(EVENT, Context()) as request:
        outer()

    assert request == Request("trip-1", parent_call_id="elsewhere-7")
    assert {record["correlation_id"] for record in records} == {"trip-1"}
    assert records.of("outer")["parent_event_id"] == "elsewhere-7"
    assert records.of("inner")["parent_event_id"] == records.of("outer")["event_id"]


def test_an_invocation_closes_its_calls_before_its_deadline() -> None:
    with recording() as records, invocation(EVENT, Context(remaining_ms=300)):
        outer(0.5)

    assert records.of("outer")["error_type"] == "Timeout"


def test_after_an_invocation_there_is_no_request_and_no_deadline() -> None:
    with recording() as records:
        with pytest.raises(KeyError), invocation(EVENT, Context(remaining_ms=300)):
            raise KeyError
        outer(0.2)

    assert current_request() is None
    assert records.of("outer")["outcome"] == "success"


@pytest.mark.parametrize(
    "remaining_ms", [None, "soon", float("nan"), float("inf"), -1, 10**400, [], RuntimeError, mock.MagicMock()]
)
def test_a_context_that_does_not_know_its_end_sets_none(remaining_ms: Any) -> None:
    with recording() as records, invocation(EVENT, Context(remaining_ms=remaining_ms)):
        outer()

    assert {record["outcome"] for record in records} == {"success"}


@settings(max_examples=50, deadline=None)
@given(
    event=st.recursive(
        st.none() | st.text() | st.floats(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_whatever_the_event_is_it_is_served(event: Any) -> None:
    with invocation(event, Context()) as request:
        assert current_request() is request

    assert request.correlation_id == "lambda-id"


def test_without_a_thread_to_watch_it_an_invocation_goes_on() -> None:
    watching = watchdog._Watchdog()

    with (
        mock.patch.object(watchdog, "_watchdog", watching),
        mock.patch.object(threading.Thread, "start", side_effect=RuntimeError("can't start new thread")),
        invocation(EVENT, Context()) as request,
    ):
        assert request.correlation_id == "trip-1"


def test_an_invocation_within_itself_is_the_same() -> None:
    @track_performance("S")
    def handles() -> None:
        with invocation(EVENT, Context()):
            inner()
        assert current_request() is not None

    with recording() as records, invocation(EVENT, Context()):
        handles()

    assert records.of("inner")["parent_event_id"] == records.of("handles")["event_id"]


def test_a_tracked_handler_is_an_invocation_as_well() -> None:
    context = Context()

    with recording() as records:
        assert handler(EVENT, context) == (EVENT, context, Request("trip-1", parent_call_id="elsewhere-7"))
        assert unused({}, context) == Request("lambda-id")

    assert {record["correlation_id"] for record in records[:3]} == {"trip-1"}
    assert records.of("handler")["parent_event_id"] == "elsewhere-7"
    assert records.of("outer")["parent_event_id"] == records.of("handler")["event_id"]
    assert current_request() is None


def test_a_tracked_handler_has_a_deadline() -> None:
    @track_performance("S")
    def slow(event: Any, context: Any) -> None:
        time.sleep(0.5)

    with recording() as records:
        slow({}, Context(remaining_ms=300))

    assert records.one["error_type"] == "Timeout"


def test_a_handler_decorated_by_others_is_known_as_one() -> None:
    def other(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return decorated

    @track_performance("S")
    @other
    def decorated(event: Any, context: Any) -> Request | None:
        return current_request()

    assert decorated(EVENT, context=Context()) == Request("trip-1", parent_call_id="elsewhere-7")


def test_a_handler_called_within_a_request_is_a_call_of_it() -> None:
    with recording() as records, serving(Request("abc", "ann")):
        assert handler(EVENT, Context())[2] == Request("abc", "ann")

    assert {(record["correlation_id"], record["sub"]) for record in records} == {("abc", "ann")}


@pytest.mark.parametrize("context", [None, {}, "context"])
def test_a_handler_that_lambda_does_not_call_is_a_call_and_no_more(context: Any) -> None:
    with recording() as records:
        assert handler(EVENT, context) == (EVENT, context, None)

    assert records.of("handler")["correlation_id"] == records.of("handler")["event_id"]


def test_a_handler_may_call_its_parameters_what_it_likes_and_be_a_method() -> None:
    class Door:
        @track_performance
        def open(self, e: Any, _: Any) -> tuple[Any, Any, Request | None]:
            return e, _, current_request()

        @track_performance
        @classmethod
        def knock(cls, _event: Any, ctx: Any, /) -> tuple[Any, Any, Request | None]:
            return _event, ctx, current_request()

    context, request = Context(), Request("trip-1", parent_call_id="elsewhere-7")

    assert Door().open(EVENT, context) == Door.knock(EVENT, context) == (EVENT, context, request)
    assert Door().open(_=context, e=EVENT) == Door().open(EVENT, _=context) == (EVENT, context, request)


def test_other_functions_are_no_handlers() -> None:
    @track_performance("S")
    def reversed_(context: Any, event: Any) -> Request | None:
        return current_request()

    @track_performance("S")
    def more(event: Any, context: Any, more: Any = None) -> Request | None:
        return current_request()

    @track_performance("S")
    def optional(event: Any, context: Any = None) -> Request | None:
        return current_request()

    @track_performance("S")
    def named(event: Any, *, context: Any) -> Request | None:
        return current_request()

    half = mock.Mock(spec=["get_remaining_time_in_millis"])
    assert reversed_(Context(), EVENT) is more(EVENT, Context()) is optional(EVENT, Context()) is None
    assert named(EVENT, context=Context()) is reversed_(EVENT, half) is None


def test_an_argument_that_refuses_to_be_looked_at_is_passed_on() -> None:
    class Shy:
        def __getattr__(self, name: str) -> Any:
            raise SystemExit

    shy = Shy()

    with recording() as records:
        assert handler(EVENT, shy)[1] is shy
        with pytest.raises(TypeError):
            handler()  # type: ignore[call-arg]

    assert [record["outcome"] for record in records if record["method"] == "handler"] == ["success", "error"]


def test_a_tracked_handler_still_looks_like_itself() -> None:
    assert (handler.__name__, handler.__doc__, handler.__module__) == ("handler", "Handles.", __name__)


def test_the_watching_thread_belongs_to_no_request() -> None:
    with (
        mock.patch.object(watchdog._Watchdog, "_run", return_value=None),
        mock.patch.object(watchdog, "_watchdog", watchdog._Watchdog()),
        mock.patch.object(threads, "_take_along") as taken,
        invocation(EVENT, Context()),
    ):
        assert watchdog._watchdog._thread is not None

    taken.assert_not_called()


def test_a_mock_of_a_context_sets_no_deadline() -> None:
    with (
        mock.patch("dyno.metrics.invocation.deadline", side_effect=AssertionError),
        invocation(EVENT, mock.MagicMock()) as request,
    ):
        assert request.correlation_id == "trip-1"


def test_each_record_of_an_invocation_leaves_it_its_deadline() -> None:
    with recording() as records, invocation({}, Context("batch", remaining_ms=500)):
        for number in range(3):
            with invocation(EVENT, Context(f"record {number}")):
                inner()
        outer(0.7)

    assert records.of("outer")["error_type"] == "Timeout"
