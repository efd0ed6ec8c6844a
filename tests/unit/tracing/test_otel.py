"""Each tracked call is an OpenTelemetry span below its caller's: the real SDK, and an exporter that keeps all."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, Tracer

from dyno import otel, tracing
from dyno.metrics import correlation_headers, deadline, track_performance
from dyno.observability import Request, serving
from tests.unit.metrics.recording import Recorded, recording
from tests.unit.tracing import worker
from tests.unit.tracing.daemon import Document, Seen, callers, calls_above, programs

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

overlapping = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Spans(InMemorySpanExporter):
    """What was exported."""

    theirs: Tracer

    def of(self, method: str) -> ReadableSpan:
        """The span of a call of the service Program, or of one of the user's own."""
        (span,) = (each for each in self.get_finished_spans() if each.name in (f"Program.{method}", method))
        return span

    def seen(self, records: Recorded) -> Seen:
        """As documents of X-Ray; outermost is what has no parent."""
        return Seen("", None, records, [document(each) for each in self.get_finished_spans()])


def document(span: ReadableSpan) -> Document:
    assert span.context is not None
    above = None if span.parent is None else f"{span.parent.span_id:016x}"
    return {"name": span.name, "id": f"{span.context.span_id:016x}", "parent_id": above}


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """Exported at once, the one after the other."""
    provider, exporter = TracerProvider(), Spans()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    exporter.theirs = provider.get_tracer("theirs")
    monkeypatch.setattr(otel, "_tracer", provider.get_tracer("dyno"))
    monkeypatch.setattr(tracing, "_begin", otel.begin)
    monkeypatch.setattr(worker, "users_own", exporter.theirs.start_as_current_span)
    before = context.get_current()
    yield exporter
    assert context.get_current() is before or trace.get_current_span() is trace.get_current_span(before)
    provider.shutdown()


def run(spans: Spans, program: Any, *arguments: Any) -> Seen:
    spans.clear()
    with recording() as records:
        program(*arguments)
    return spans.seen(records)


def test_a_call_within_a_call_is_a_span_within_a_span(spans: Spans) -> None:
    seen = run(spans, worker.nested)

    assert calls_above(seen) == {"outer": None, "first": "outer", "second": "outer", "third": "second"} == callers(seen)


def test_a_span_in_another_place_would_be_found(spans: Spans) -> None:
    seen = run(spans, worker.nested)

    seen.of("first")["parent_id"] = seen.of("second")["id"]

    assert calls_above(seen) != callers(seen)


@overlapping
@given(program=programs("coroutine", "block", "thread", "generator", "left", "users"))
def test_calls_that_overlap_in_any_way_each_hang_below_their_caller(spans: Spans, program: Document) -> None:
    seen = run(spans, lambda: asyncio.run(worker.follow(program)))

    assert calls_above(seen) == callers(seen)
    assert len(seen.documents) == len(seen.records) + json.dumps(program).count('"users"')


@overlapping
@given(turns=st.lists(st.integers(1, 4), min_size=1, max_size=20))
def test_generators_that_take_turns_each_hang_below_who_began_them(spans: Spans, turns: list[int]) -> None:
    seen = run(spans, worker.generators, turns)

    assert calls_above(seen) == callers(seen)
    assert len(seen.documents) == len(seen.records)


def test_a_thread_hangs_below_the_call_whose_context_it_was_given(spans: Spans) -> None:
    seen = run(spans, worker.threads)

    assert calls_above(seen) == callers(seen)
    assert calls_above(seen)["below given 7"] == "given 7"


def test_a_span_says_which_call_it_is_and_how_it_ended(spans: Spans) -> None:
    with serving(Request("trip-1")):
        run(spans, worker.outcomes)

    refused, broken = spans.of("refused"), spans.of("broken")
    assert refused.attributes == {
        "dyno.service": "Program",
        "dyno.method": "refused",
        "dyno.correlation_id": "trip-1",
        "dyno.outcome": "rejected",
    }
    assert refused.status.status_code is StatusCode.UNSET
    assert broken.status.status_code is StatusCode.ERROR
    assert broken.status.description == "cannot log in with password=[secret]"
    assert broken.attributes is not None
    assert broken.attributes["error.type"] == "ValueError"
    assert broken.events == ()


def test_the_next_invocation_does_not_hang_below_a_call_that_the_deadline_has_closed(spans: Spans) -> None:
    block = track_performance("Program", method="late")
    with recording() as records:
        with deadline(100):
            block.__enter__()
            time.sleep(0.1)
        # In the context in which the call was left, with and without an instrumentation of the function.
        with (
            spans.theirs.start_as_current_span("handler"),
            deadline(1_000),
            track_performance("Program", method="next"),
        ):
            pass
        with deadline(1_000):
            worker.nested()
        block.__exit__(None, None, None)

    attributes = spans.of("late").attributes
    assert attributes is not None
    assert attributes["error.type"] == records.of("late")["error_type"] == "Timeout"
    assert spans.of("outer").parent is None
    assert document(spans.of("next"))["parent_id"] == document(spans.of("handler"))["id"]


def test_what_instruments_the_function_hangs_above_the_call_and_what_instruments_libraries_below(spans: Spans) -> None:
    with recording(), spans.theirs.start_as_current_span("handler"):
        with track_performance("Program", method="call"):
            spans.theirs.start_span("query").end()
            with spans.theirs.start_as_current_span("between"), track_performance("Program", method="below"):
                pass
        spans.theirs.start_span("afterwards").end()

    parents = {span.name: document(span)["parent_id"] for span in spans.get_finished_spans()}
    ids = {span.name: document(span)["id"] for span in spans.get_finished_spans()}
    assert parents == {
        "query": ids["Program.call"],
        "between": ids["Program.call"],
        "Program.below": ids["between"],
        "Program.call": ids["handler"],
        "afterwards": ids["handler"],
        "handler": None,
    }


def test_the_callers_trace_goes_on(spans: Spans) -> None:
    with serving(Request("trip-1", traceparent=TRACEPARENT)):
        run(spans, worker.nested)

    outer, third = spans.of("outer"), spans.of("third")
    assert outer.parent is not None
    assert outer.parent.is_remote
    assert document(outer)["parent_id"] == "00f067aa0ba902b7"
    assert third.context is not None
    assert f"{third.context.trace_id:032x}" == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_an_instrumentation_of_the_function_knows_the_callers_trace_better(spans: Spans) -> None:
    with serving(Request("trip-1", traceparent=TRACEPARENT)), spans.theirs.start_as_current_span("handler"):
        run(spans, worker.nested)

    assert document(spans.of("outer"))["parent_id"] == document(spans.of("handler"))["id"]


def test_without_an_sdk_every_record_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_begin", otel.begin)

    with recording() as records:
        worker.nested()

    assert len(records) == 4


def test_what_is_sent_hangs_below_the_innermost_span_and_not_below_who_called(spans: Spans) -> None:
    sent: list[str] = []

    caller = serving(Request("trip-1", traceparent=TRACEPARENT))
    with recording(), caller, track_performance("Program", method="sends"):
        sent.append(correlation_headers()["traceparent"])
        with spans.theirs.start_as_current_span("client"):
            sent.append(correlation_headers()["traceparent"])

    places = [spans.of(name).context for name in ("sends", "client")]
    assert sent == [f"00-{at.trace_id:032x}-{at.span_id:016x}-01" for at in places if at is not None]
    assert TRACEPARENT.split("-")[1] in sent[0]
