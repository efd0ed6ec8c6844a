import io
import json
import re
import sys
from typing import Any
from unittest import mock

import pytest
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider
from hypothesis import given
from hypothesis import strategies as st

from dyno.metrics import catalogue, emf
from dyno.metrics.line import Finished, Lines
from dyno.metrics.moment import iso
from dyno.text import storable

LONG = st.integers(0, 20_000).flatmap(lambda size: st.sampled_from('a\0"\\é𝐀\ud800').map(lambda char: char * size))
NAMES = st.text(min_size=1, max_size=200).map(lambda text: storable(text).strip()).filter(bool)
TEXTS = st.text(max_size=300)
FLOATS = st.floats(0, 1e9).map(lambda value: round(value, 3))
METADATA = st.dictionaries(
    TEXTS, st.none() | st.booleans() | st.integers() | TEXTS | st.lists(TEXTS, max_size=5), max_size=5
)
OUTCOMES = st.sampled_from(["success", "rejected", "error"])
METHODS = st.tuples(NAMES, NAMES) | st.just(catalogue.AUTO_ALLOCATE)


@st.composite
def finished(draw: Any, names: Any = METHODS, texts: Any = TEXTS) -> Finished:
    service, method = draw(names)
    outcome = draw(OUTCOMES)
    return Finished(
        event_id="0123456789abcdef-1",
        correlation_id=draw(texts),
        sub=draw(st.none() | texts),
        service=service,
        method=method,
        outcome=outcome,
        duration_ms=draw(FLOATS),
        at_ns=draw(st.integers(0, 4 * 10**18)),
        parent_event_id=draw(st.none() | st.just("0123456789abcdef-0")),
        error_type=draw(st.none() | texts),
        error_message=draw(st.none() | texts),
        stack_trace=draw(st.none() | texts),
        metadata=draw(st.none() | METADATA.map(emf._json)),
        placed=outcome == "success" and draw(st.booleans()),
    )


def as_powertools_prints_it(strategy: str, release: str, call: Finished) -> str:
    """The line as the real provider writes it: dimensions, the record as its metadata, metrics by the catalogue."""
    provider = AmazonCloudWatchEMFProvider(namespace="Some/Namespace")
    names = {"service": call.service, "method": call.method}
    if all(re.fullmatch("[ -~]+", name) for name in names.values()):
        for dimension, name in names.items():
            provider.add_dimension(dimension, name)
    else:
        provider.add_dimension("overflow", "true")
    fields = names | {
        "record": "dyno-call/1",
        "event_id": call.event_id,
        "correlation_id": call.correlation_id,
        "sub": call.sub,
        "outcome": call.outcome,
        "success": call.outcome == "success",
        "duration_ms": call.duration_ms,
        "created_at": json.loads(iso(call.at_ns)),
        "parent_event_id": call.parent_event_id,
        "error_type": call.error_type,
        "error_message": call.error_message,
        "metadata": json.loads(call.metadata or "null"),
    }
    if call.stack_trace is not None:
        fields["stack_trace"] = call.stack_trace
    if release:
        fields["release"] = release
    for name, field in fields.items():
        provider.add_metadata(name, field)
    values = {"duration_ms": call.duration_ms, call.outcome: 1, "placed": int(call.placed)}
    for metric in catalogue.emitted(strategy, call.service, call.method):
        provider.add_metric(metric.name, metric.unit, values.get(metric.source, 0))
    provider.timestamp = call.at_ns // 1_000_000
    out = io.StringIO()
    with mock.patch.object(sys, "stdout", out):
        provider.flush_metrics()
    return out.getvalue()


@given(finished(), st.sampled_from(["cloudwatch", "hybrid"]), st.sampled_from(["", "1.2.3", 'r"%s\n']))
def test_the_line_is_byte_for_byte_what_powertools_prints(call: Finished, strategy: str, release: str) -> None:
    if not catalogue.emitted(strategy, call.service, call.method) or call.at_ns < 1_000_000:
        return

    written = Lines(strategy, "Some/Namespace", release).line(call)

    assert written == as_powertools_prints_it(strategy, release, call)


@given(finished())
def test_a_template_once_made_serves_every_call_of_its_shape(call: Finished) -> None:
    lines = Lines("cloudwatch", "Some/Namespace", "")
    other = Finished(
        "x-1", "c", "s", call.service, call.method, call.outcome, 1.5, 10**18, stack_trace=call.stack_trace
    )

    first, again = lines.line(other), lines.line(call)

    assert again == Lines("cloudwatch", "Some/Namespace", "").line(call)
    assert first == lines.line(other)


@given(finished(names=st.tuples(LONG, LONG), texts=LONG), st.sampled_from(["cloudwatch", "prometheus"]))
def test_a_line_is_never_over_16_kb_and_always_json(call: Finished, strategy: str) -> None:
    written = Lines(strategy, "Some/Namespace", "r").line(call)

    assert len(written.encode()) <= 16_000
    assert written.count("\n") == 1
    record = json.loads(written)
    assert (record["record"], record["event_id"], record["outcome"]) == ("dyno-call/1", call.event_id, call.outcome)


def test_a_long_line_goes_without_its_stack_trace_first() -> None:
    call = Finished("e-1", "c", None, "S", "m", "error", 1.0, 10**18, error_message="kept", stack_trace="x" * 16_000)

    record = json.loads(Lines("cloudwatch", "N", "").line(call))

    assert "stack_trace" not in record
    assert record["error_message"] == "kept"


@pytest.mark.parametrize(
    ("strategy", "method", "metrics"),
    [
        ("cloudwatch", ("S", "m"), {"Duration": [2.5], "Errors": [0.0], "Rejections": [1.0]}),
        (
            "cloudwatch",
            catalogue.AUTO_ALLOCATE,
            {"Duration": [2.5], "Errors": [0.0], "Rejections": [1.0], "Allocations": [0.0]},
        ),
        ("hybrid", catalogue.AUTO_ALLOCATE, {"Allocations": [0.0]}),
        ("hybrid", ("S", "m"), {}),
        ("prometheus", catalogue.AUTO_ALLOCATE, {}),
    ],
)
def test_a_strategy_says_which_metrics_ride(
    strategy: str, method: tuple[str, str], metrics: dict[str, list[float]]
) -> None:
    call = Finished("e-1", "c", None, *method, "rejected", 2.5, 10**18)

    record = json.loads(Lines(strategy, "N", "").line(call))

    names = {metric.name for metric in catalogue.CALL_METRICS}
    assert {name: record[name] for name in names & record.keys()} == metrics
    assert ("_aws" in record) == bool(metrics)


def test_what_was_placed_and_what_was_not_have_templates_of_their_own() -> None:
    lines = Lines("hybrid", "N", "")

    counted = [
        json.loads(
            lines.line(Finished("e", "c", None, *catalogue.AUTO_ALLOCATE, "success", 1.0, 10**18, placed=placed))
        )
        for placed in (False, True, False)
    ]

    assert [record["Allocations"] for record in counted] == [[0.0], [1.0], [0.0]]


def test_values_that_look_like_marks_or_formats_are_only_text() -> None:
    call = Finished("e-1", '%s {} %(sub)s "sub"', "sub", "%d", "timestamp", "success", 2.5, 10**18)

    record = json.loads(Lines("cloudwatch", "N", "").line(call))

    assert (record["correlation_id"], record["service"]) == ('%s {} %(sub)s "sub"', "%d")


def test_templates_do_not_pile_up_under_names_without_end() -> None:
    lines = Lines("prometheus", "N", "")

    for number in range(2 * emf.MAX_TEMPLATES + 1):
        lines.line(Finished("e-1", "c", None, "S", f"m{number}", "success", 1.0, 10**18))

    assert len(lines._templates) <= emf.MAX_TEMPLATES


def test_a_planted_fault_in_the_template_is_seen() -> None:
    call = Finished("e-1", "c", None, "S", "m", "success", 1.0, 10**18)
    faulty = Lines("cloudwatch", "Some/Namespace", "")
    faulty.line(call)
    template = next(iter(faulty._templates.values()))
    template.pieces[-1] = template.pieces[-1].replace("0.0", "0")

    assert faulty.line(call) != as_powertools_prints_it("cloudwatch", "", call)


@given(finished(), st.sampled_from(["cloudwatch", "hybrid", "prometheus"]))
def test_a_line_has_the_catalogues_fields_and_those_of_its_metrics(call: Finished, strategy: str) -> None:
    record = json.loads(Lines(strategy, "N", "1.2.3").line(call))

    carried = {metric.name for metric in catalogue.emitted(strategy, call.service, call.method)}
    own = record.keys() - carried - {"_aws", "overflow"}
    assert own | {"stack_trace"} == set(catalogue.CALL_FIELDS)
    assert record.keys() >= carried
