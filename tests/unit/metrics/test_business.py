import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from unittest import mock

import pytest
from aws_lambda_powertools.metrics import MetricUnit
from hypothesis import given
from hypothesis import strategies as st

from dyno.metrics import business, calls, catalogue, record_business_metric, track_performance
from dyno.metrics.business import WrongMetricError
from dyno.metrics.intake import sort_out
from dyno.metrics.line import Lines
from dyno.metrics.model import LogEvent, Observation
from dyno.observability import Request, logger, serving
from tests.unit.metrics.cloudwatch import points
from tests.unit.metrics.recording import recording


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    fresh = mock.patch.multiple(business, _known={}, _warned=set())
    with fresh, mock.patch.object(calls, "_lines", Lines("hybrid", "N", "1.0")):
        yield


def strategy(name: str) -> Any:
    return mock.patch.object(calls, "_lines", Lines(name, "N", ""))


def test_a_metric_is_one_line_at_once_with_its_labels_as_dimensions() -> None:
    with recording() as lines:
        record_business_metric("VehiclesScanned", 3, labels={"site": "north", "bay": "2"})

    record = lines.one
    assert {name: record[name] for name in ("record", "feed", "name", "kind", "unit", "value", "labels")} == {
        "record": "dyno-metric/1",
        "feed": "dyno-call/1",
        "name": "VehiclesScanned",
        "kind": "counter",
        "unit": "Count",
        "value": 3.0,
        "labels": {"bay": "2", "site": "north"},
    }
    assert points(lines.lines[0]) == [
        ("VehiclesScanned", "Count", frozenset({("site", "north"), ("bay", "2")}), 3.0),
    ]


def test_without_a_value_it_counts_one_and_needs_no_label() -> None:
    with recording() as lines:
        record_business_metric("VehiclesScanned")

    assert points(lines.lines[0]) == [("VehiclesScanned", "Count", frozenset(), 1.0)]
    assert lines.one["labels"] == {}


@pytest.mark.parametrize("name", ["cloudwatch", "hybrid", "prometheus"])
def test_the_line_has_the_catalogues_fields_and_those_of_the_strategy(name: str) -> None:
    with strategy(name), recording() as lines:
        record_business_metric("VehiclesScanned", labels={"site": "north"})

    emf = () if name == "prometheus" else ("_aws", "site", "VehiclesScanned")
    assert set(lines.one) == {*catalogue.METRIC_FIELDS, *emf}


@given(
    st.floats(-1e100, 1e100),
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True).filter(
            lambda name: name not in catalogue.RESERVED_LABELS
        ),
        st.text(st.characters(categories=("L", "N")), min_size=1, max_size=100),  # nothing that is scrubbed
        max_size=5,
    ),
    st.sampled_from(catalogue.UNITS),
)
def test_what_may_be_recorded_can_be_stored_and_shown(value: float, labels: dict[str, str], unit: str) -> None:
    with mock.patch.object(business, "_known", {}), recording() as lines:
        record_business_metric("Weight", value, unit=unit, kind="gauge", labels=labels)

    stored = Observation.model_validate_json(lines.lines[0])
    assert (stored.value, stored.labels, stored.unit) == (value, labels, unit)
    assert len(lines.lines[0]) <= 16_000


def test_ingest_takes_the_line_for_what_it_is() -> None:
    with recording() as lines:
        record_business_metric("Scans", labels={"site": "Köln"})

    assert f'"{catalogue.RECORD}"' in lines.lines[0]  # the subscription's term
    batch = sort_out([LogEvent(message=lines.lines[0])], now=datetime.now(UTC), retention_days=30)
    assert (len(batch.observations), batch.records, batch.letters) == (1, [], [])


def test_the_longest_line_is_within_its_bound() -> None:
    labels = {f"{letter * 50}": "𐀀" * 100 for letter in "abcde"}

    with recording() as lines, serving(Request("𐀀" * 300, "𐀀" * 300)):
        record_business_metric("M" * 100, 2.0**360, unit="Megabytes/Second", labels=labels)

    assert 8_000 < len(lines.lines[0]) <= 16_000
    Observation.model_validate_json(lines.lines[0])


def test_a_request_that_says_nothing_is_no_reason_not_to_store_it() -> None:
    with recording() as lines, serving(Request("", "")):
        record_business_metric("Scans")

    stored = Observation.model_validate_json(lines.lines[0])
    assert (stored.correlation_id, stored.sub) == (stored.event_id, None)


def test_it_is_part_of_the_request_and_the_call_it_is_recorded_in() -> None:
    @track_performance("S")
    def scan() -> None:
        record_business_metric("Scans")

    with recording() as lines:
        with serving(Request("trip-1", "ada")):
            scan()
        scan()
        record_business_metric("Scans")

    within, _, of_a_call, call, alone = lines
    assert (within["correlation_id"], within["sub"]) == ("trip-1", "ada")
    assert (of_a_call["correlation_id"], of_a_call["sub"]) == (call["correlation_id"], None)
    assert alone["correlation_id"] == alone["event_id"]
    assert len({line["event_id"] for line in lines}) == 5
    assert all(re.fullmatch(r"[0-9a-f]{16}-[0-9]+", line["event_id"]) for line in lines)


def test_the_order_of_the_labels_makes_no_other_series() -> None:
    with recording() as lines:
        record_business_metric("Scans", labels={"site": "north", "bay": "2"})
        record_business_metric("Scans", labels={"bay": "2", "site": "north"})

    first, second = ({**line, "event_id": "", "correlation_id": "", "created_at": "", "_aws": ""} for line in lines)
    assert json.dumps(first) == json.dumps(second)


def test_a_label_that_cloudwatch_would_not_take_counts_as_overflow_there_and_is_kept_elsewhere() -> None:
    with recording() as lines:
        record_business_metric("Scans", labels={"site": "Köln"})

    assert lines.one["labels"] == {"site": "Köln"}
    assert points(lines.lines[0]) == [("Scans", "Count", frozenset({("overflow", "true")}), 1.0)]
    assert "site" not in lines.one


class Site(StrEnum):
    NORTH = "north"


def test_enumerations_of_strings_are_strings() -> None:
    with recording() as lines:
        record_business_metric("Scans", kind=catalogue.Kind.GAUGE, labels={"site": Site.NORTH})

    assert (lines.one["kind"], lines.one["labels"]) == ("gauge", {"site": "north"})


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": "vehiclesScanned"}, "PascalCase"),
    ({"name": "Vehicles_Scanned"}, "PascalCase"),
    ({"name": "VehiclesScännt"}, "PascalCase"),
    ({"name": "V" * 101}, "100"),
    ({"name": "Scans\n"}, "PascalCase"),
    ({"name": ""}, "PascalCase"),
    ({"name": 7}, "PascalCase"),
    ({"name": "Duration"}, "measured by the service itself"),
    ({"name": "Allocations"}, "another name"),
    ({"name": "ColdStart"}, "another name"),
    ({"value": "3"}, "int or a float"),
    ({"value": True}, "int or a float"),
    ({"value": None}, "int or a float"),
    ({"unit": "count"}, "Count, Count/Second"),
    ({"unit": ["Count"]}, "one of"),
    ({"kind": "histogram"}, "counter, gauge"),
    ({"kind": None}, "counter, gauge"),
    ({"labels": [("site", "north")]}, "mapping"),
    ({"labels": {f"l{number}": "x" for number in range(6)}}, "at most 5"),
    ({"labels": {"Site": "north"}}, "lower-case"),
    ({"labels": {"_site": "north"}}, "lower-case"),
    ({"labels": {"s" * 51: "north"}}, "50"),
    ({"labels": {"site-id": "north"}}, "lower-case"),
    ({"labels": {3: "north"}}, "lower-case"),
    ({"labels": {"service": "north"}}, "one of the line's own"),
    ({"labels": {"overflow": "true"}}, "one of the line's own"),
    ({"labels": {"le": "1"}}, "Prometheus's"),
    ({"labels": {"value": "1"}}, "one of the line's own"),
    ({"labels": {"site": 3}}, "string"),
    ({"labels": {"site": None}}, "string"),
    ({"labels": {"site": True}}, "string"),
    ({"labels": {"site": b"north"}}, "string"),
]


@pytest.mark.parametrize(("wrong", "right"), WRONG)
def test_what_cannot_be_recorded_as_written_is_said_with_what_would_be_right(wrong: dict[str, Any], right: str) -> None:
    with recording() as lines, pytest.raises(ValueError, match=re.escape(right)) as raised:
        record_business_metric(**{"name": "Scans", **wrong})

    assert type(raised.value) is WrongMetricError
    assert len(str(raised.value)) < 700
    assert lines == []


def test_what_may_not_be_called_a_label_is_on_the_lines_or_belongs_to_prometheus() -> None:
    on_the_lines = {*catalogue.CALL_FIELDS, *catalogue.METRIC_FIELDS}
    others = {"function", "overflow", "le", "quantile", "job", "instance"}

    assert on_the_lines | others == catalogue.RESERVED_LABELS


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"kind": "gauge"}, "a gauge in Count with the labels site, but it is a counter in Count with the labels site"),
        ({"unit": "Bytes"}, "a counter in Bytes"),
        ({"labels": {"bay": "1"}}, "with the labels bay"),
        ({"labels": None}, "with no labels"),
    ],
)
def test_one_name_is_one_metric(other: dict[str, Any], says: str) -> None:
    with recording() as lines:
        record_business_metric("Scans", labels={"site": "north"})
        record_business_metric("Scans", labels={"site": "south"})
        with pytest.raises(WrongMetricError, match=says):
            record_business_metric("Scans", **{"labels": {"site": "north"}, **other})

    assert len(lines) == 2


def test_a_value_of_a_wrong_type_does_not_settle_what_a_name_is() -> None:
    wrong: Any = "1"
    with pytest.raises(WrongMetricError):
        record_business_metric("Scans", wrong)

    with recording() as lines:
        record_business_metric("Scans", -1, kind="gauge")

    assert lines.one["value"] == -1.0


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("counter", -1),
        ("counter", -0.5),
        ("counter", float("nan")),
        ("counter", float("inf")),
        ("counter", 1e109),
        ("counter", 10**400),
        pytest.param("counter", 10**5_000, id="longer than Python prints"),
        ("gauge", float("nan")),
        ("gauge", float("-inf")),
        ("gauge", -1e109),
    ],
)
def test_a_value_that_cannot_be_told_is_left_out_with_one_warning(
    kind: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(logger, "warning", lambda text, *arguments: warnings.append(text % arguments))

    with recording() as lines:
        for each in (value, 1, value):
            record_business_metric("Scans", each, kind=kind)
        record_business_metric("Moves", value, kind=kind)

    assert [line["value"] for line in lines] == [1.0]
    assert [warning.split(" is left")[0] for warning in warnings] == ["a value of Scans", "a value of Moves"]
    assert all("2^360" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        ("", "unknown"),
        (" \t\n", "unknown"),
        ("a\nb", "a�b"),
        ("\ud800", "?"),
        ("a\0", "a�"),
        ("x" * 101, "x" * 100),
        ("x" * 5_000, "…"),
        (" " * 200 + "north ", "north"),
        ("ann@example.com", "[email]"),
        ("password=zqabc", "password=[secret]"),
    ],
)
def test_a_label_is_data_and_made_to_fit(given_value: str, kept: str) -> None:
    with recording() as lines:
        record_business_metric("Scans", labels={"site": given_value})

    assert lines.one["labels"] == {"site": kept}


@given(st.text(max_size=300), st.floats(), st.sampled_from(["counter", "gauge"]))
def test_no_data_raises_and_whatever_is_written_can_be_stored(label: str, value: float, kind: str) -> None:
    with mock.patch.object(business, "_known", {}), recording() as lines:
        record_business_metric("Scans", value, kind=kind, labels={"site": label})

    for line in lines.lines:
        Observation.model_validate_json(line)


def test_names_without_end_do_not_pile_up() -> None:
    with recording():
        for number in range(2 * business.MAX_KNOWN_METRICS + 5):
            record_business_metric(f"Metric{number}")

    assert len(business._known) <= business.MAX_KNOWN_METRICS


def test_nothing_that_fails_behind_the_checks_reaches_the_caller() -> None:
    with mock.patch.object(sys, "stdout", None):
        record_business_metric("Scans")

    with mock.patch.object(calls, "_lines", mock.Mock(**{"observations.line.side_effect": RuntimeError})):
        record_business_metric("Scans")


def test_the_units_are_powertools() -> None:
    assert sorted(catalogue.UNITS) == sorted(unit.value for unit in MetricUnit)
