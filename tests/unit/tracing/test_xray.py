"""Each tracked call is a subsegment below its caller's: the real SDK, as in Lambda, and a daemon that listens."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from aws_xray_sdk.core.models.segment import Segment
from aws_xray_sdk.core.models.subsegment import Subsegment
from hypothesis import given, settings
from hypothesis import strategies as st

from dyno.xray import CallSubsegment
from tests.unit.tracing.daemon import Document, Worker, calls_above, fresh, programs, told_wrong


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    started = Worker()
    yield started
    assert started.stop() == ""


def test_a_call_within_a_call_is_a_span_within_a_span(worker: Worker) -> None:
    seen = worker.invoke("nested")

    assert calls_above(seen) == {"outer": None, "first": "outer", "second": "outer", "third": "second"}
    assert told_wrong(seen) == []
    assert all(seen.of("outer")["start_time"] <= each["start_time"] <= each["end_time"] for each in seen.documents)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda seen: seen.of("first").update(parent_id=seen.of("second")["id"]),
        lambda seen: seen.of("third").update(parent_id=seen.parent_id),
        lambda seen: seen.of("third")["annotations"].update(outcome="error"),
        lambda seen: seen.of("outer").update(trace_id="1-00000000-000000000000000000000000"),
        lambda seen: seen.of("outer").update(in_progress=True),
        lambda seen: seen.documents.remove(seen.of("first")),
        lambda seen: seen.documents.append(seen.of("first")),
    ],
)
def test_a_span_that_is_told_wrong_would_be_found(worker: Worker, spoil: Any) -> None:
    seen = worker.invoke("nested")

    spoil(seen)

    assert told_wrong(seen) != []


@settings(max_examples=300, deadline=None)
@given(program=programs("coroutine", "block", "thread", "generator", "left"))
def test_calls_that_overlap_in_any_way_each_hang_below_their_caller(worker: Worker, program: Document) -> None:
    seen = worker.invoke("follow", program)

    assert told_wrong(seen) == []
    assert len(seen.documents) == len(seen.records)


@settings(max_examples=200, deadline=None)
@given(program=programs("coroutine", "block", "left", "users"))
def test_subsegments_of_the_users_own_come_in_between_and_are_all_sent(worker: Worker, program: Document) -> None:
    seen = worker.invoke("follow", program)

    assert told_wrong(seen) == []
    assert len(seen.documents) == len(seen.records) + json.dumps(program).count('"users"')


@settings(max_examples=100, deadline=None)
@given(turns=st.lists(st.integers(1, 4), min_size=1, max_size=20))
def test_generators_that_take_turns_each_hang_below_who_began_them(worker: Worker, turns: list[int]) -> None:
    seen = worker.invoke("generators", turns)

    assert told_wrong(seen) == []
    assert len(seen.documents) == len(seen.records)


def test_a_thread_hangs_below_the_call_whose_context_it_was_given(worker: Worker) -> None:
    seen = worker.invoke("threads")

    assert told_wrong(seen) == []
    assert calls_above(seen)["given 7"] == "outer"
    assert calls_above(seen)["below given 7"] == "given 7"


def test_an_error_is_a_fault_with_its_scrubbed_message_only_and_a_refusal_is_none(worker: Worker) -> None:
    seen = worker.invoke("outcomes")

    assert told_wrong(seen) == []
    assert not {"fault", "error", "cause"} & set(seen.of("refused"))
    (cause,) = seen.of("broken")["cause"]["exceptions"]
    assert seen.of("broken")["fault"]
    assert (cause["type"], cause["message"]) == ("ValueError", "cannot log in with password=[secret]")
    assert "stack" not in cause
    assert "hunter2" not in json.dumps(seen.documents)


def test_a_call_closed_by_the_deadline_is_sent_whatever_is_still_open_in_it(worker: Worker) -> None:
    seen = worker.invoke("late")

    assert told_wrong(seen) == []
    assert calls_above(seen) == {"outer": None, "inner": "outer"}
    assert seen.of("inner")["cause"]["exceptions"][0]["type"] == "Timeout"
    assert seen.of("inner")["end_time"] < seen.of("hanging")["end_time"]
    assert seen.of("inner")["parent_id"] == seen.of("hanging")["id"]
    assert seen.of("afterwards")["annotations"] == {"still": "fine"}


def test_the_users_own_tracer_works_above_and_below_calls(worker: Worker) -> None:
    seen = worker.invoke("users_tracer")

    ids = {document["id"]: document["name"] for document in seen.documents}
    above = {document["name"]: ids.get(document["parent_id"]) for document in seen.documents}
    query = "## __main__.users_tracer.locals.query"
    assert above == {
        "## handler": None,
        "Program.service": "## handler",
        query: "Program.service",
        "Program.statement": query,
    }
    assert seen.of("service")["annotations"]["inside"] == "on the call"
    assert seen.of("## handler")["annotations"]["after"] == "on the handler"


def test_a_subsegment_of_the_users_ends_when_they_say_so_even_if_a_call_is_on_top(worker: Worker) -> None:
    seen = worker.invoke("out_of_turn")

    assert told_wrong(seen) == []
    assert seen.of("call")["parent_id"] == seen.of("theirs")["id"]
    assert seen.of("theirs")["end_time"] < seen.of("call")["end_time"] < seen.of("handler")["end_time"]


def test_what_a_user_hangs_below_a_call_that_is_over_still_hangs_there(worker: Worker) -> None:
    seen = worker.invoke("below_a_call_that_is_over")

    assert told_wrong(seen) == []
    assert seen.of("slow")["parent_id"] == seen.of("call")["id"]
    assert seen.of("slow")["annotations"] == {"still": "fine"}


def test_what_the_user_leaves_out_of_the_trace_leaves_no_gap(worker: Worker) -> None:
    seen = worker.invoke("not_sampled")

    assert told_wrong(seen) == []
    assert seen.of("inner")["parent_id"] == seen.of("outer")["id"]


def test_a_recorder_that_forgets_where_it_is_is_not_asked(worker: Worker) -> None:
    seen = worker.invoke("forgotten")

    assert told_wrong(seen) == []
    assert calls_above(seen) == {"outer": None, "inner": "outer"}


def test_another_invocation_of_the_same_trace_hangs_below_its_own_segment(worker: Worker) -> None:
    first = worker.invoke("nested")

    second = worker.invoke("nested", trace_id=first.trace_id)

    assert second.of("outer")["parent_id"] == second.parent_id != first.parent_id


def test_what_goes_on_in_a_later_invocation_belongs_to_the_trace_it_began_in(worker: Worker) -> None:
    first = worker.invoke("leave")

    second = worker.invoke("go_on", sampled=0)

    assert second.of("below")["trace_id"] == first.trace_id
    assert second.of("below")["parent_id"] == first.of("outer")["id"]


def test_an_invocation_that_is_not_sampled_is_not_traced_and_the_next_one_is(worker: Worker) -> None:
    unsampled, sampled = worker.invoke("nested", sampled=0), worker.invoke("nested")

    assert (len(unsampled.records), len(unsampled.documents)) == (4, 0)
    assert len(sampled.documents) == 4


def test_the_service_is_named_as_powertools_has_it() -> None:
    seen = fresh("nested", POWERTOOLS_SERVICE_NAME="invoices")

    assert {document["annotations"]["Service"] for document in seen.documents} == {"invoices"}


def test_names_are_cut_to_what_xray_takes(worker: Worker) -> None:
    seen = worker.invoke("names")

    assert [each["name"] for each in seen.documents] == [
        "Program.lambda", "Program.größe", ("Program." + "x" * 300)[:200], "Program.abc",
    ]  # fmt: skip


def test_the_users_own_tracer_is_configured_by_the_user_alone() -> None:
    assert fresh("users_configuration").result == ["theirs", True, False]


@pytest.mark.parametrize(
    ("tracing", "disabled", "sampled"),
    [("off", "", 1), ("", "", 1), ("xray", "", 0), ("xray", "true", 1)],
)
def test_nothing_is_imported_that_is_not_used(tracing: str, disabled: str, sampled: int) -> None:
    seen = fresh("modules", sampled=sampled, TRACING=tracing, POWERTOOLS_TRACE_DISABLED=disabled)

    assert (seen.result, seen.documents, len(seen.records)) == ([], [], 4)


def test_what_is_used_is_imported() -> None:
    seen = fresh("modules")

    assert seen.result == ["aws_xray_sdk", "dyno.xray", "wrapt"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:1"),  # nobody is there
        ("AWS_XRAY_SDK_ENABLED", "false"),
        ("LAMBDA_TASK_ROOT", ""),  # it is not Lambda: the Tracer switches itself off
        ("AWS_SAM_LOCAL", "true"),
    ],
)
def test_without_anybody_to_send_to_every_record_is_there(variable: str, value: str) -> None:
    seen = fresh("nested", sampled=1, **{variable: value})

    assert (len(seen.records), len(seen.documents), seen.log) == (4, 0, [])


def test_without_lambdas_context_every_record_is_there() -> None:
    seen = fresh("without_context")

    assert (len(seen.records), len(seen.documents)) == (4, 0)


def test_a_library_that_cannot_even_be_imported_is_said_once() -> None:
    seen = fresh("nested", sampled=1, AWS_XRAY_DAEMON_ADDRESS="nonsense")

    assert (len(seen.records), len(seen.documents)) == (4, 0)
    (warning,) = seen.log
    assert warning.startswith("calls are not traced: TRACING=xray")


def test_what_is_sent_hangs_below_the_call_or_the_users_innermost_subsegment() -> None:
    root, segment = "1-5759e988-bd862e3fe1be46a994272793", Segment("function")
    call = CallSubsegment("Program.sends", "local", segment)
    call.trace_id, call.stack = root, [call]
    own = call.headers()
    theirs = Subsegment("client", "local", segment)
    theirs.parent_id = call.id
    call.stack.append(theirs)

    assert own == {"X-Amzn-Trace-Id": f"Root={root};Parent={call.id};Sampled=1"}
    assert call.headers() == {"X-Amzn-Trace-Id": f"Root={root};Parent={theirs.id};Sampled=1"}
