import json
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyno.metrics import catalogue
from dyno.metrics.line import Finished, Lines
from dyno.metrics.observation import Observation
from dyno.metrics.series import Series
from dyno.observability import logger
from tests.unit.metrics.cloudwatch import points

OVERFLOW = frozenset({("overflow", "true")})
OUTCOMES = st.sampled_from(["success", "rejected", "error"])


def call(method: str, service: str = "Orders", outcome: str = "success", *, placed: bool = False) -> Finished:
    return Finished("e-1", "c", None, service, method, outcome, 2.5, 10**18, placed=placed)


def observed(name: str, **labels: str) -> Observation:
    return Observation("e-1", "c", None, name, "counter", "Count", 1.0, labels, 10**18)


@pytest.fixture(autouse=True)
def warned() -> Iterator[mock.Mock]:
    with mock.patch.object(logger, "warning") as warning:
        yield warning


def test_a_thousand_methods_use_the_budget_and_no_more() -> None:
    lines = Lines("cloudwatch", "N", "", 20)

    used = {point.series for number in range(1_000) for point in points(lines.line(call(f"m{number}")))}

    methods = {dict(dimensions).get("method") for _, dimensions in used}
    assert methods == {"m0", "m1", "m2", "m3", "m4", None}
    assert len(used) == 18  # a sixth method would take three more


def named(strategy: str) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """The series of the catalogue's methods."""
    return {
        (metric.name, frozenset({("service", service), ("method", method)}))
        for service, methods in catalogue.METHODS.items()
        for method in methods
        for metric in catalogue.emitted(strategy, service, method)
    }


@given(
    st.integers(0, 40),
    st.lists(
        st.tuples(st.sampled_from(["Orders", "AllocationService"]), st.sampled_from(["auto_allocate", *"abcdef"]))
        | st.sampled_from(["Scans", "Moves"]).flatmap(lambda name: st.tuples(st.just(name), st.sampled_from("xyz")))
        | st.just(("cold", "start")),
        max_size=60,
    ),
    st.sampled_from(["cloudwatch", "hybrid"]),
)
def test_whatever_comes_there_are_no_more_series_than_the_budget(
    budget: int, what: list[tuple[str, str]], strategy: str
) -> None:
    lines = Lines(strategy, "N", "", budget)

    written = [
        lines.observations.line(observed(first, site=second))
        if first in ("Scans", "Moves")
        else lines.cold_start(second) or "{}"
        if first == "cold"
        else lines.line(call(second, first))
        for first, second in what
    ]

    paid_for = {point.series for line in written for point in points(line)} - named(strategy)
    assert len(paid_for) <= budget


@given(st.integers(3, 30), st.lists(st.tuples(st.sampled_from("abcdefghijkl"), OUTCOMES), max_size=60))
def test_own_series_and_overflow_add_up_to_all_calls(budget: int, finished: list[tuple[str, str]]) -> None:
    lines = Lines("cloudwatch", "N", "", budget)

    sums: dict[str, float] = defaultdict(float)
    for method, outcome in finished:
        for point in points(lines.line(call(method, outcome=outcome))):
            sums[point.name] += point.value

    outcomes = [outcome for _, outcome in finished]
    assert sums["Errors"] == outcomes.count("error")
    assert sums["Rejections"] == outcomes.count("rejected")
    assert sums["Duration"] == 2.5 * len(finished)


@given(st.integers(2, 13), st.lists(st.sampled_from("abcdefghij"), max_size=40))
def test_a_business_metric_adds_up_whatever_its_labels(budget: int, sites: list[str]) -> None:
    lines = Lines("hybrid", "N", "", budget)

    taken = [point for site in sites for point in points(lines.observations.line(observed("Scans", site=site)))]

    assert sum(point.value for point in taken) == len(sites)


def test_who_had_a_series_keeps_it_when_the_budget_is_used_up_and_when_templates_start_over() -> None:
    lines = Lines("cloudwatch", "N", "", 7)
    (first, *_) = points(lines.line(call("first")))

    for number in range(1_100):
        lines.line(call(f"m{number}"))
    (again, *_) = points(lines.line(call("first", outcome="error")))

    assert again.dimensions == first.dimensions == frozenset({("service", "Orders"), ("method", "first")})


def test_what_overflows_still_says_on_its_line_what_it_was() -> None:
    record = json.loads(Lines("cloudwatch", "N", "", 3).line(call("late")))

    assert (record["overflow"], record["service"], record["method"]) == ("true", "Orders", "late")
    assert record["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["overflow"]]


def test_the_log_says_once_who_was_the_first_without_a_series(warned: mock.Mock) -> None:
    lines = Lines("cloudwatch", "N", "", 7)

    for method in ("own", "first", "second", "first"):
        lines.line(call(method))

    warned.assert_called_once()
    assert warned.call_args.kwargs["extra"] == {
        "metrics": ["Duration", "Errors", "Rejections"],
        "dimensions": {"service": "Orders", "method": "first"},
        "METRICS_SERIES_BUDGET": 7,
    }


def test_a_method_of_ours_that_the_catalogue_does_not_name_shares_and_nobody_is_told(warned: mock.Mock) -> None:
    lines = Lines("cloudwatch", "N", "")

    shared = points(lines.line(call("look_at_the_weather", "AllocationService")))
    own = points(lines.line(call("list_vehicles", "AllocationService")))

    assert {point.dimensions for point in shared} == {OVERFLOW}
    assert {dict(point.dimensions).get("method") for point in own} == {"list_vehicles"}
    warned.assert_not_called()


@pytest.mark.parametrize("method", ["größe", "tab\tbed", "日本"])
def test_a_name_that_cloudwatch_would_not_take_counts_as_overflow(method: str, warned: mock.Mock) -> None:
    taken = points(Lines("cloudwatch", "N", "").line(call(method)))

    assert {(point.name, point.dimensions) for point in taken} == {
        (name, OVERFLOW) for name in ("Duration", "Errors", "Rejections")
    }
    warned.assert_not_called()


def test_without_room_for_the_overflow_a_metric_is_left_out_and_the_record_is_whole() -> None:
    lines = Lines("cloudwatch", "N", "", 2)

    written = lines.line(call("m"))

    assert points(written) == []
    assert '"record":"dyno-call/1"' in written


def test_a_metric_without_labels_takes_one_series() -> None:
    lines = Lines("hybrid", "N", "", 1)

    assert [point.dimensions for point in points(lines.observations.line(observed("Scans")))] == [frozenset()]
    assert points(lines.observations.line(observed("Moves"))) == []


@pytest.mark.parametrize(("said", "series_used"), [("10", 9), ("", 12), ("many", 12), ("-5", 12), ("0", 0)])
def test_the_environment_says_the_budget(said: str, series_used: int) -> None:
    lines = Lines.from_env({"METRICS_SERIES_BUDGET": said})

    used = {point.series for number in range(100) for point in points(lines.line(call(f"m{number}")))}

    assert len(used) == series_used


def test_every_method_of_the_catalogue_has_its_own_under_the_default_budget(warned: mock.Mock) -> None:
    for service, methods in catalogue.METHODS.items():
        lines = Lines.from_env({})
        lines.cold_start("door")
        taken = [point for method in methods for point in points(lines.line(call(method, service)))]
        assert {dict(point.dimensions).get("method") for point in taken} == set(methods)

    warned.assert_not_called()


@pytest.mark.parametrize("budget", [0, 2, catalogue.SERIES_BUDGET_PER_FUNCTION])
@pytest.mark.parametrize("strategy", ["cloudwatch", "hybrid"])
def test_what_alarms_watch_is_there_whatever_came_before(strategy: str, budget: int) -> None:
    lines = Lines(strategy, "N", "", budget)
    for number in range(40):
        lines.observations.line(observed("Scans", site=str(number)))

    taken = {
        point.series
        for service, methods in catalogue.METHODS.items()
        for method in methods
        for point in points(lines.line(call(method, service)))
    }

    assert taken == named(strategy)


class Slow:
    """A number that takes its time, so that another thread comes in between."""

    def __get__(self, instance: Series, owner: type) -> int:
        left: int = instance.__dict__["left"]
        time.sleep(0.0005)
        return left

    def __set__(self, instance: Series, left: int) -> None:
        instance.__dict__["left"] = left


def test_threads_that_come_at_once_stay_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Series, "_left", Slow(), raising=False)

    for _ in range(5):
        shared = Series(10)
        with ThreadPoolExecutor(8) as pool:
            got = list(pool.map(lambda number, shared=shared: shared.hold(["M"], {"n": str(number)}), range(64)))
        assert sum(got) == 10


def test_a_budget_that_is_not_kept_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Series, "hold", lambda *_: True)
    lines = Lines("cloudwatch", "N", "", 20)

    used = {point.series for number in range(1_000) for point in points(lines.line(call(f"m{number}")))}

    assert len(used) == 3_000
