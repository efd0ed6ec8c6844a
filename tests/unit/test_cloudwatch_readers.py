"""What tests know of queries, metric filters and metric math is what CloudWatch says of them."""

import json

import pytest

from tests.e2e import insights
from tests.e2e.watched import passes
from tests.metric_math import computed, statistic

LINE = insights.record(json.dumps({"outcome": "error", "lag_s": 1.5, "error_type": None, "metadata": {"rows": [7]}}))
FIELDS = {"outcome", "lag_s", "metadata.rows.0"}


def test_a_lines_fields_are_its_leaves_and_nothing_that_is_null() -> None:
    assert LINE.keys() - {"@message"} == FIELDS
    assert insights.record("START RequestId: 1").keys() == {"@message"}


@pytest.mark.parametrize(
    ("query", "missing"),
    [
        ("SOURCE 'a' | fields @timestamp, outcome, metadata.rows.0 | sort @timestamp desc | limit 20", set()),
        (
            "fields lag_s * 1000 as lag_ms, coalesce(outcome, 'none') as said | filter lag_ms > 5 and said = 'error'",
            set(),
        ),
        ("filter outcome = 'a | b' | stats pct(lag_s, 95) as p95, count(*) by outcome, bin(5m) | sort p95 desc", set()),
        (r"parse @message /(?<method>[^\/|]+)\/x/ | stats count(*) as calls by method", set()),
        ("parse @message '*, *' as one, other | display one, other", set()),
        ("fields metadata, error_type", {"metadata", "error_type"}),
        ("sort lag_ms desc | fields lag_s * 1000 as lag_ms", {"lag_ms"}),
        ("stats count(*) as calls by outcome | sort lag_s desc", {"lag_s"}),
    ],
)
def test_a_query_may_name_what_lines_have_and_what_it_makes_before(query: str, missing: set[str]) -> None:
    assert insights.unknown(query, FIELDS) == missing


def test_a_command_that_nothing_is_known_of_is_no_query_without_faults() -> None:
    with pytest.raises(ValueError, match="unnest"):
        insights.unknown("unnest metadata.rows into row", FIELDS)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("outcome = 'error' and lag_s > 1", True),
        ("outcome in ['error', 'rejected'] and not ispresent(error_type)", True),
        ("(outcome = 'success' or outcome like /^err/) and ispresent(lag_s)", True),
        ("outcome != 'error'", False),
        ("lag_ms > 0 or lag_ms <= 0", False),
        ("lag_s > 'text'", False),
        ("@message like /success/", False),
    ],
)
def test_a_filter_chooses_the_lines_it_is_true_of(condition: str, holds: bool) -> None:
    assert bool(insights.chosen(f"filter {condition} | stats count(*)", [LINE])) == holds


def test_a_filter_sees_what_was_parsed_before_it() -> None:
    query = r'parse @message /"outcome": "(?<first>\w)/ | filter first = '

    assert insights.chosen(f"{query} 'e'", [LINE])
    assert not insights.chosen(f"{query} 'f'", [LINE])


@pytest.mark.parametrize(
    ("pattern", "taken"),
    [
        ("{ $.lag_s = * }", True),
        ('{ $.lag_s >= 1.5 && $.outcome = "error" }', True),
        ('{ $.outcome != "error" }', False),
        ("{ $.lag_s > 2 }", False),
        ("{ $.error_type = * }", False),
    ],
)
def test_a_metric_filter_takes_the_lines_it_is_true_of(pattern: str, taken: bool) -> None:
    assert passes(pattern, LINE) == taken


def test_a_metric_filter_of_another_kind_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="not read here"):
        passes('"dyno-call/1"', LINE)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("IF(failed >= 5, 100 * share, 0)", 50),
        ("IF(failed >= 5 AND share < 0.1 || failed == 0, 1, 0)", 0),
        ("failed + none", None),
        ("failed + FILL(none, 3)", 8),
        ("SUM([failed, none, share]) - failed", 0.5),
        ("SUM([none])", None),
    ],
)
def test_metric_math_of_what_is_missing_is_missing(expression: str, value: float | None) -> None:
    assert computed(expression, {"failed": 5, "share": 0.5, "none": None}) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sum", 10_040),
        ("SampleCount", 5),
        ("p50", 20),
        ("p95", 8_000),
        ("TC(2000:)", 1),
        ("TC(1999.5:)", 2),
        ("TC(8000:)", 0),
    ],
)
def test_a_statistic_is_of_a_periods_samples_in_whatever_order(name: str, value: float) -> None:
    assert statistic(name, [8_000, 10, 20, 10, 2_000]) == value
    assert statistic(name, []) is None


def test_a_statistic_of_another_kind_is_not_passed_over() -> None:
    with pytest.raises(KeyError, match="TM"):
        statistic("TM(:2000)", [1])
