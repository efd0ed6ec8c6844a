"""Every line that is written is taken by CloudWatch as it is meant, and carries what its strategy says."""

import json
import time
from collections.abc import Callable
from itertools import count
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyno.metrics import business, calls, catalogue, coldstart, record_business_metric, track_performance
from dyno.metrics.line import Finished, Lines
from tests.unit.metrics.cloudwatch import DAY_MS, SCHEMA, faults, points
from tests.unit.metrics.recording import recording

NOW_MS = int(time.time() * 1000)
TEXTS = st.text(max_size=40) | st.sampled_from(["a" * 300, "a" * 20_000, "𐀀" * 300, "\ud800\0", " ", "%s {}"])
METHODS = st.tuples(TEXTS, TEXTS) | st.sampled_from(
    [catalogue.AUTO_ALLOCATE, ("AllocationService", "unheard_of"), ("Orders", "place")]
)
LABELS = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,49}", fullmatch=True).filter(lambda name: name not in catalogue.RESERVED_LABELS),
    st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=100),
    max_size=5,
)
STRATEGIES = st.sampled_from(["cloudwatch", "hybrid", "prometheus"])

Step = Callable[[], None]


@st.composite
def finished(draw: Any) -> Finished:
    service, method = draw(METHODS)
    outcome = draw(st.sampled_from(["success", "rejected", "error"]))
    return Finished(
        event_id="0123456789abcdef-1",
        correlation_id=draw(TEXTS),
        sub=draw(st.none() | TEXTS),
        service=service,
        method=method,
        outcome=outcome,
        duration_ms=round(draw(st.floats(0, 1e9)), 3),
        at_ns=(NOW_MS + draw(st.integers(-13 * DAY_MS, 3_600_000))) * 1_000_000,
        parent_event_id=draw(st.none() | st.just("0123456789abcdef-0")),
        error_message=draw(st.none() | TEXTS),
        stack_trace=draw(st.none() | TEXTS),
        metadata=draw(st.none() | TEXTS.map(lambda text: json.dumps({"result_keys": [text]}))),
        placed=outcome == "success" and draw(st.booleans()),
    )


def calling(call: Finished) -> Step:
    return lambda: calls.write(calls.lines().line(call))


def recorded(name: str, value: float, unit: str, labels: dict[str, str]) -> Step:
    def record() -> None:
        with mock.patch.object(business, "_known", {}):
            record_business_metric(name, value, unit=unit, labels=labels)

    return record


def started(name: str) -> Step:
    def start() -> None:
        with mock.patch.object(coldstart, "_invocations", count()):
            coldstart.note_cold_start(mock.Mock(function_name=name))

    return start


STEPS = st.lists(
    st.builds(calling, finished())
    | st.builds(started, TEXTS | st.just("DynoAgent-Allocations"))
    | st.builds(
        recorded,
        st.from_regex(r"[A-Z][A-Za-z]{9,99}", fullmatch=True),
        st.floats(0, 2.0**360) | st.integers(0, 2**360),
        st.sampled_from(catalogue.UNITS),
        LABELS,
    ),
    max_size=12,
)


def written(strategy: str, budget: int, steps: list[Step]) -> list[str]:
    lines = Lines(strategy, "DynoAgent/Production", "1.2.3", budget)
    with mock.patch.object(calls, "_lines", lines), recording() as said:
        for step in steps:
            step()
    return said.lines


@given(STRATEGIES, st.integers(0, 40), STEPS)
def test_whatever_is_written_cloudwatch_takes_it(strategy: str, budget: int, steps: list[Step]) -> None:
    for line in written(strategy, budget, steps):
        assert faults(line, now_ms=NOW_MS) == []


@given(STEPS)
def test_prometheus_leaves_nothing_to_cloudwatch(steps: list[Step]) -> None:
    for line in written("prometheus", 1_000, steps):
        assert not {"_aws", *(metric.name for metric in catalogue.CALL_METRICS)} & json.loads(line).keys()


@given(STEPS)
def test_hybrid_carries_business_metrics_alone(steps: list[Step]) -> None:
    for line in written("hybrid", 1_000, steps):
        said = json.loads(line)
        assert said.keys() & {"record"}
        is_ours = said["record"] == catalogue.RECORD
        business_metrics = {metric.name for metric in catalogue.CALL_METRICS if metric.business}
        assert {point.name for point in points(line)} <= (business_metrics if is_ours else {said["name"]})


@given(st.integers(40, 60), STEPS)
def test_a_business_metric_with_room_is_carried_and_says_its_value(budget: int, steps: list[Step]) -> None:
    for line in written("hybrid", budget, steps):
        said = json.loads(line)
        if said["record"] == catalogue.METRIC_RECORD:
            assert [(point.name, point.unit, point.value) for point in points(line)] == [
                (said["name"], said["unit"], said["value"])
            ]


def test_a_tracked_call_of_now_is_taken() -> None:
    @track_performance("Orders")
    def place() -> None:
        raise KeyError

    lines = Lines("cloudwatch", "N", "")
    with mock.patch.object(calls, "_lines", lines), recording() as said, pytest.raises(KeyError):
        place()

    assert faults(said.lines[0], now_ms=int(time.time() * 1000)) == []
    assert {point.name: point.value for point in points(said.lines[0])} == {
        "Duration": said.one["duration_ms"],
        "Errors": 1.0,
        "Rejections": 0.0,
    }


def good() -> dict[str, Any]:
    call = Finished("e-1", "c", None, "Orders", "place", "success", 2.5, NOW_MS * 1_000_000)
    record: dict[str, Any] = json.loads(Lines("cloudwatch", "N", "").line(call))
    return record


def directive(record: dict[str, Any]) -> Any:
    return record["_aws"]["CloudWatchMetrics"][0]


def metrics(record: dict[str, Any], number: int) -> None:
    directive(record)["Metrics"] = [{"Name": f"M{each}"} for each in range(number)]
    record.update({f"M{each}": 1 for each in range(number)})


PLANTED: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("a timestamp that is text", lambda r: r["_aws"].update(Timestamp="now"), "schema: _aws.Timestamp type"),
    ("no timestamp", lambda r: r["_aws"].pop("Timestamp"), "schema: _aws required"),
    ("no directives", lambda r: r["_aws"].pop("CloudWatchMetrics"), "schema: _aws required"),
    ("no namespace", lambda r: directive(r).pop("Namespace"), "CloudWatchMetrics.0 required"),
    ("an empty namespace", lambda r: directive(r).update(Namespace=""), "Namespace minLength"),
    ("a long namespace", lambda r: directive(r).update(Namespace="n" * 1025), "Namespace maxLength"),
    ("no dimensions", lambda r: directive(r).pop("Dimensions"), "CloudWatchMetrics.0 required"),
    ("no dimension set", lambda r: directive(r).update(Dimensions=[]), "Dimensions minItems"),
    ("31 dimensions", lambda r: directive(r).update(Dimensions=[["service"] * 31]), "Dimensions.0 maxItems"),
    ("a dimension without a name", lambda r: directive(r).update(Dimensions=[[""]]), "Dimensions.0.0 minLength"),
    ("a long dimension", lambda r: directive(r).update(Dimensions=[["d" * 251]]), "Dimensions.0.0 maxLength"),
    ("a set that is text", lambda r: directive(r).update(Dimensions=["service"]), "Dimensions.0 type"),
    ("no metrics", lambda r: directive(r).pop("Metrics"), "CloudWatchMetrics.0 required"),
    ("a metric without a name", lambda r: directive(r)["Metrics"][0].pop("Name"), "Metrics.0 required"),
    ("an empty name", lambda r: directive(r)["Metrics"][0].update(Name=""), "Name minLength"),
    ("a long name", lambda r: directive(r)["Metrics"][0].update(Name="M" * 1025), "Name maxLength"),
    ("a unit of one's own", lambda r: directive(r)["Metrics"][0].update(Unit="Furlongs"), "Unit pattern"),
    ("a resolution as text", lambda r: directive(r)["Metrics"][0].update(StorageResolution="1"), "Resolution type"),
    ("an old moment", lambda r: r["_aws"].update(Timestamp=NOW_MS - 15 * DAY_MS), "not of this time"),
    ("a moment to come", lambda r: r["_aws"].update(Timestamp=NOW_MS + DAY_MS), "not of this time"),
    ("a moment in seconds", lambda r: r["_aws"].update(Timestamp=NOW_MS // 1000), "not of this time"),
    ("a member too many", lambda r: r["_aws"].update(Version=1), "_aws has members"),
    ("a directive's", lambda r: directive(r).update(Region="eu"), "directive has members"),
    ("a metric's", lambda r: directive(r)["Metrics"][0].update(Value=1), "metric has members"),
    ("101 metrics", lambda r: metrics(r, 101), "not 1 to 100 metrics"),
    ("none", lambda r: metrics(r, 0), "not 1 to 100 metrics"),
    ("a dimension that is not there", lambda r: r.pop("service"), "no dimension service"),
    ("a dimension that is a number", lambda r: r.update(service=7), "no dimension service"),
    ("an empty dimension", lambda r: r.update(service=""), "no dimension service"),
    ("a dimension too long", lambda r: r.update(service="s" * 1025), "no dimension service"),
    ("a dimension not in ASCII", lambda r: r.update(service="größe"), "no dimension service"),
    ("a value that is not there", lambda r: r.pop("Errors"), "no value of Errors"),
    ("a value that is text", lambda r: r.update(Errors="1"), "no value of Errors"),
    ("a value that is true", lambda r: r.update(Errors=True), "no value of Errors"),
    ("no values", lambda r: r.update(Errors=[]), "no value of Errors"),
    ("101 values", lambda r: r.update(Errors=[1.0] * 101), "no value of Errors"),
    ("a value without end", lambda r: r.update(Errors=[float("inf")]), "no value of Errors"),
    ("no number", lambda r: r.update(Errors=[float("nan")]), "no value of Errors"),
    ("a value beyond CloudWatch's", lambda r: r.update(Errors=[1e109]), "no value of Errors"),
    ("a nested value", lambda r: r.update(Errors=[[1.0]]), "no value of Errors"),
    ("a line too long", lambda r: r.update(note="x" * 17_000), "too long"),
]


@pytest.mark.parametrize(("plant", "found"), [each[1:] for each in PLANTED], ids=[each[0] for each in PLANTED])
def test_a_fault_in_a_line_is_found_and_no_other(plant: Callable[[dict[str, Any]], Any], found: str) -> None:
    record = good()
    assert faults(json.dumps(record) + "\n", now_ms=NOW_MS) == []

    plant(record)

    (fault,) = faults(json.dumps(record) + "\n", now_ms=NOW_MS)
    assert found in fault


def test_two_lines_in_one_are_found() -> None:
    assert faults(json.dumps(good(), indent=1) + "\n", now_ms=NOW_MS) == ["not one line"]


def test_the_schema_is_one() -> None:
    SCHEMA.check_schema(SCHEMA.schema)
