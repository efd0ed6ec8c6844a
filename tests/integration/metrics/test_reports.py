import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection

from dyno.errors import InvalidRequest
from dyno.metrics import histogram, service, store
from dyno.metrics.catalogue import BUCKET_BOUNDS_MS
from dyno.metrics.health import health
from dyno.metrics.model import MAX_HOURS, MAX_RAW_HOURS, Check, MethodStats, Performance, Period
from dyno.metrics.period import period
from tests.integration.metrics.pipeline import NOW, Pipeline, line, logged, observation
from tests.unit.metrics.recording import recording

TEN = datetime(2026, 5, 4, 10, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST = TEN.replace(minute=0)
"""A whole hour, in which the periods of the comparisons begin."""


def at(moment: datetime) -> str:
    return moment.isoformat()


def performance(pipeline: Pipeline, hours: int, now: datetime = TEN) -> Performance:
    return service.performance(pipeline.reading, period(now=now, hours=hours), now=now)


def test_the_report_has_the_documented_shape(pipeline: Pipeline) -> None:
    pipeline.ingest(
        logged(
            [
                *(line(f"a-{n}", service="A", method="b", duration_ms=10.0, created_at=at(TEN)) for n in range(6)),
                *(
                    line(f"r-{n}", service="A", method="b", outcome="rejected", duration_ms=2.0, created_at=at(TEN))
                    for n in range(3)
                ),
                line("e-1", service="A", method="b", outcome="error", duration_ms=500.0, created_at=at(TEN)),
                line("z-1", service="A", method="a", duration_ms=1.0, created_at=at(TEN)),
            ]
        ),
        now=TEN,
    )

    report = performance(pipeline, 24).model_dump(mode="json")

    assert report | {"stats": []} == {
        "period_hours": 24,
        "since": "2026-05-03T10:00:00Z",
        "until": "2026-05-04T11:00:00Z",
        "as_of": "2026-05-04T10:30:00Z",
        "source": "rollup",
        "percentile_error": {"percentage": 29.3, "ms": 0.1},
        "stats": [],
    }
    assert [(each["service"], each["method"]) for each in report["stats"]] == [("A", "a"), ("A", "b")]
    told: dict[str, Any] = report["stats"][1]
    assert list(told) == [
        "service",
        "method",
        "total_calls",
        "success_count",
        "rejected_count",
        "error_count",
        "success_rate",
        "avg_duration_ms",
        "p50_duration_ms",
        "p95_duration_ms",
        "p99_duration_ms",
        "max_duration_ms",
    ]
    assert (told["total_calls"], told["success_count"], told["rejected_count"], told["error_count"]) == (10, 6, 3, 1)
    assert (told["success_rate"], told["avg_duration_ms"], told["max_duration_ms"]) == (60.0, 56.6, 500.0)
    assert 7.7 < told["p50_duration_ms"] <= 10.0
    assert 464 < told["p95_duration_ms"] <= told["p99_duration_ms"] <= 500


def test_the_period_begins_with_its_hour(pipeline: Pipeline) -> None:
    moments = [TEN - timedelta(minutes=29), TEN - timedelta(minutes=31), TEN - timedelta(minutes=91)]
    pipeline.ingest(logged(line(f"e-{n}", created_at=at(moment)) for n, moment in enumerate(moments)), now=TEN)

    assert [each.total_calls for each in performance(pipeline, 1).stats] == [2]
    assert [each.total_calls for each in performance(pipeline, 2).stats] == [3]


def test_without_calls_the_report_is_empty(pipeline: Pipeline) -> None:
    assert performance(pipeline, 24).stats == []


def test_the_report_is_itself_measured(pipeline: Pipeline) -> None:
    with recording() as records:
        performance(pipeline, 24)

    assert (records.one["service"], records.one["method"]) == ("MetricsService", "performance")


def test_scrapes_checks_and_ingest_leave_no_record(pipeline: Pipeline) -> None:
    with recording() as records:
        pipeline.ingest(logged([line("e-1")]))
        service.prometheus(pipeline.snapshots, release="r", strategy="hybrid")
        health(pipeline.reading, pipeline.snapshots, now=NOW)

    assert records == []


def test_calls_of_a_request_are_a_tree(pipeline: Pipeline) -> None:
    pipeline.ingest(
        logged(
            [
                line("x-2", method="inner", parent_event_id="x-1", created_at=at(TEN - timedelta(milliseconds=5))),
                line("x-1", method="outer", duration_ms=20.0, created_at=at(TEN)),
                line("y-1", correlation_id="other", created_at=at(TEN)),
            ]
        ),
        now=TEN,
    )

    told = service.calls(pipeline.reading, "abc").model_dump(mode="json")

    assert told == {
        "correlation_id": "abc",
        "calls": [
            {
                "call_id": "x-1",
                "service": "S",
                "method": "outer",
                "outcome": "success",
                "started_at": "2026-05-04T10:29:59.980000Z",
                "duration_ms": 20.0,
                "calls": [
                    {
                        "call_id": "x-2",
                        "service": "S",
                        "method": "inner",
                        "outcome": "success",
                        "started_at": "2026-05-04T10:29:59.993500Z",
                        "duration_ms": 1.5,
                        "calls": [],
                    }
                ],
            }
        ],
        "truncated": False,
    }


def test_a_request_nobody_knows_has_no_calls(pipeline: Pipeline) -> None:
    assert service.calls(pipeline.reading, "nobody's").calls == []


def test_a_request_of_too_many_calls_says_so(pipeline: Pipeline) -> None:
    pipeline.ingest(logged(line(f"e-{n}") for n in range(service.MAX_CALLS + 1)))

    told = service.calls(pipeline.reading, "abc")

    assert (len(told.calls), told.truncated) == (service.MAX_CALLS, True)


def test_the_exposition_counts_what_the_report_counts(pipeline: Pipeline) -> None:
    pipeline.ingest(logged(line(f"e-{n}", duration_ms=float(n)) for n in range(30)))

    text = service.prometheus(pipeline.snapshots, release="r", strategy="hybrid")

    (stats,) = performance(pipeline, 24, now=NOW).stats
    counted = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in ("dyno_calls_total", "dyno_call_duration_seconds_count")
    ]
    assert counted == [stats.total_calls] * 2 == [30, 30]


def checks(pipeline: Pipeline, now: datetime = NOW) -> dict[str, Check]:
    return {check.name: check for check in health(pipeline.reading, pipeline.snapshots, now=now).checks}


def test_a_sound_pipeline_says_so(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([line("e-1")]))

    told = health(pipeline.reading, pipeline.snapshots, now=NOW)

    assert told.ok
    assert [check.name for check in told.checks] == ["database", "schema", "partition", "snapshot", "ingest"]
    assert checks(pipeline)["snapshot"].reason == "taken 0 s ago, 0 records behind"
    assert checks(pipeline)["ingest"].reason == "works, 0 dead letters open"


def test_before_the_first_call_it_is_sound_too(pipeline: Pipeline) -> None:
    assert health(pipeline.reading, pipeline.snapshots, now=NOW).ok


def test_a_month_without_a_partition_is_told(pipeline: Pipeline) -> None:
    check = checks(pipeline, now=datetime(2040, 1, 1, tzinfo=UTC))["partition"]

    assert (check.ok, check.reason) == (False, "lacks 2040-01")


def test_another_schema_is_told(pipeline: Pipeline) -> None:
    head = pipeline.value("select version_num from alembic_version")
    pipeline.run("update alembic_version set version_num = '0001'")
    try:
        check = checks(pipeline)["schema"]
    finally:
        pipeline.run(f"update alembic_version set version_num = '{head}'")

    assert (check.ok, check.reason) == (False, f"at 0001, this release wants {head}")


def test_a_snapshot_left_behind_is_told(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([line("e-1")]))
    kept = pipeline.snapshots.kept
    pipeline.ingest(logged([line("e-2"), line("e-3")]))
    pipeline.snapshots.kept = kept

    soon, later = (checks(pipeline, now=NOW + timedelta(seconds=age))["snapshot"] for age in (30, 90))

    assert (soon.ok, later.ok) == (True, False)
    assert later.reason == "taken 90 s ago, 2 records behind"


def test_an_ingest_that_fails_is_told_with_what_is_set_aside_until_a_batch_comes_through(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([line("e-1"), "dyno-call/1 {"]))
    pipeline.snapshots.note_failure(NOW)

    failing = checks(pipeline)["ingest"]
    pipeline.ingest(logged([line("e-3")]))

    assert (failing.ok, failing.reason) == (False, f"failing since {NOW:%Y-%m-%dT%H:%M:%SZ}, 1 dead letters open")
    assert (checks(pipeline)["ingest"].ok, checks(pipeline)["ingest"].reason) == (True, "works, 1 dead letters open")


def test_a_snapshot_that_is_gone_is_told(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([line("e-1")]))
    pipeline.snapshots.kept = None

    assert (checks(pipeline)["snapshot"].ok, checks(pipeline)["snapshot"].reason) == (False, "there is none")


def test_a_snapshot_ahead_of_a_restored_database_is_told_with_the_way_out(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([line("e-1"), line("e-2")]))
    kept = pipeline.snapshots.kept
    pipeline.empty()
    pipeline.ingest(logged([line("e-1")]))
    pipeline.snapshots.kept = kept

    check = checks(pipeline)["snapshot"]

    assert not check.ok
    assert check.reason == (
        "counts 1 more than the database, as after a restore; delete exposition/snapshot.json and the next batch"
        " writes it anew"
    )


def test_a_batch_that_comes_in_meanwhile_does_not_put_the_snapshot_ahead(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([line("e-1")]))
    look = store.version

    def looking(connection: Connection) -> int:
        seen = look(connection)
        pipeline.ingest(logged([line("e-2")]))
        return seen

    with mock.patch.object(store, "version", looking):
        assert checks(pipeline)["snapshot"].ok


def test_a_database_that_is_away_is_told_and_the_rest_still_looked_at(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([line("e-1")]))

    told = health(pipeline.connect("nobody"), pipeline.snapshots, now=NOW)

    assert [check.ok for check in told.checks] == [False, False, False, True, True]
    assert "does not believe" in told.checks[0].reason


@pytest.mark.parametrize("hours", [1, 9_600])
def test_any_period_answers(pipeline: Pipeline, hours: int) -> None:
    assert performance(pipeline, hours).period_hours == hours


def both(pipeline: Pipeline, wanted: Period) -> tuple[Performance, Performance]:
    """The report from rollups, and the one from the rows."""
    return (
        service.report(pipeline.reading, wanted, "rollup", now=TEN),
        service.report(pipeline.reading, wanted, "raw", now=TEN),
    )


def test_a_report_from_the_rows_is_to_the_moment(pipeline: Pipeline) -> None:
    moments = [FIRST, FIRST + timedelta(minutes=10), FIRST + timedelta(minutes=20)]
    pipeline.ingest(logged(line(f"e-{n}", created_at=at(moment)) for n, moment in enumerate(moments)), now=TEN)

    rollup, raw = both(pipeline, Period(moments[1], moments[2]))

    assert (raw.since, raw.until, raw.source) == (moments[1], moments[2], "raw")
    assert (rollup.since, rollup.until, rollup.source) == (FIRST, FIRST + HOUR, "rollup")
    assert (rollup.period_hours, raw.period_hours) == (0.166667, 0.166667)
    assert [each.total_calls for each in raw.stats] == [1]
    assert [each.total_calls for each in rollup.stats] == [3]
    assert (raw.percentile_error.percentage, raw.percentile_error.ms) == (0, 0)


def test_percentiles_from_the_rows_are_durations_that_were(pipeline: Pipeline) -> None:
    pipeline.ingest(
        logged(line(f"e-{n:03}", duration_ms=float(n), created_at=at(FIRST)) for n in range(1, 201)), now=TEN
    )

    [stats] = both(pipeline, Period(FIRST, FIRST + HOUR))[1].stats

    assert (stats.p50_duration_ms, stats.p95_duration_ms, stats.p99_duration_ms) == (100, 190, 198)


DURATION = (
    st.floats(0, 1e6, allow_subnormal=False)
    | st.floats(0.05, 50)
    | st.sampled_from(BUCKET_BOUNDS_MS)
    | st.sampled_from(BUCKET_BOUNDS_MS).map(lambda bound: min(bound * (1 + 1e-9), 1e6))
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(DURATION, min_size=1, max_size=60), st.integers(1, 30))
def test_no_percentile_of_rollups_is_further_off_than_is_said(
    shared: Pipeline, durations_ms: list[float], times: int
) -> None:
    shared.empty()
    durations_ms = [duration_ms for duration_ms in durations_ms for _ in range(times)]
    shared.ingest(
        logged(
            line(f"e-{n:05}", duration_ms=duration_ms, created_at=at(FIRST))
            for n, duration_ms in enumerate(durations_ms)
        ),
        now=TEN,
    )

    check_percentiles(*both(shared, Period(FIRST, FIRST + HOUR)))


def check_percentiles(rollup: Performance, raw: Performance) -> None:
    error = rollup.percentile_error
    for told, true in zip(rollup.stats, raw.stats, strict=True):
        for name in ("p50_duration_ms", "p95_duration_ms", "p99_duration_ms"):
            told_ms, true_ms = getattr(told, name), getattr(true, name)
            assert abs(told_ms - true_ms) <= max(error.percentage / 100 * true_ms, error.ms), (name, told_ms, true_ms)
            assert told_ms <= round(told.max_duration_ms, 3)


METHOD = st.tuples(st.sampled_from(["A", "B"]), st.sampled_from(["x", "y"]))
OUTCOME = st.sampled_from(["success", "rejected", "error"])
MINUTES = st.integers(0, 6 * 60 - 1)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    made=st.lists(st.tuples(METHOD, OUTCOME, MINUTES, st.floats(0, 1e4)), min_size=1, max_size=60),
    hours=st.tuples(st.integers(0, 5), st.integers(1, 6)),
    wanted=st.tuples(st.none() | METHOD.map(lambda each: each[0]), st.none() | METHOD.map(lambda each: each[1])),
    outcome=st.none() | OUTCOME,
)
def test_rollups_of_whole_hours_count_what_the_rows_count_by_every_filter(
    shared: Pipeline,
    made: list[tuple[tuple[str, str], str, int, float]],
    hours: tuple[int, int],
    wanted: tuple[str | None, str | None],
    outcome: Any,
) -> None:
    shared.empty()
    fill(shared, made)
    since = FIRST + hours[0] * HOUR

    rollup, raw = both(shared, Period(since, since + hours[1] * HOUR, *wanted, outcome))

    check_counts(rollup, raw)
    check_percentiles(rollup, raw)


def fill(pipeline: Pipeline, made: Sequence[tuple[tuple[str, str], str, int, float]]) -> None:
    pipeline.ingest(
        logged(
            line(
                f"e-{number}",
                service=method[0],
                method=method[1],
                outcome=outcome,
                duration_ms=duration_ms,
                created_at=at(FIRST + timedelta(minutes=minute)),
            )
            for number, (method, outcome, minute, duration_ms) in enumerate(made)
        ),
        now=TEN,
    )


def check_counts(rollup: Performance, raw: Performance) -> None:
    assert (rollup.since, rollup.until) == (raw.since, raw.until)
    assert [counts(each) for each in rollup.stats] == [counts(each) for each in raw.stats]
    assert [each.avg_duration_ms for each in rollup.stats] == pytest.approx(
        [each.avg_duration_ms for each in raw.stats], abs=0.002
    )


def counts(stats: MethodStats) -> dict[str, Any]:
    return stats.model_dump(include={"service", "method", "success_rate", "max_duration_ms"} | COUNTS)


COUNTS = {"total_calls", "success_count", "rejected_count", "error_count"}


def test_a_filter_leaves_only_what_it_names(pipeline: Pipeline) -> None:
    outcomes = ["success", "rejected", "error"]
    fill(pipeline, [((a, b), outcome, 0, 1.0) for a in "AB" for b in "xy" for outcome in outcomes])

    for wanted, seen in (
        ({"service": "A"}, [("A", "x", 3), ("A", "y", 3)]),
        ({"method": "y"}, [("A", "y", 3), ("B", "y", 3)]),
        ({"service": "B", "method": "x", "outcome": "error"}, [("B", "x", 1)]),
        ({"service": "b"}, []),
    ):
        for report in both(pipeline, period(now=TEN, since=FIRST, **wanted)):  # type: ignore[arg-type]
            assert [(each.service, each.method, each.total_calls) for each in report.stats] == seen


def test_the_planted_fault_a_wrong_bound_is_caught(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(pipeline, [(("A", "x"), "success", 0, 14.0)] * 20 + [(("A", "x"), "success", 0, 500.0)])
    check_percentiles(*both(pipeline, Period(FIRST, FIRST + HOUR)))

    monkeypatch.setattr(histogram, "BUCKET_BOUNDS_MS", (*BUCKET_BOUNDS_MS[:20], 27.83, *BUCKET_BOUNDS_MS[21:]))

    with pytest.raises(AssertionError):
        check_percentiles(*both(pipeline, Period(FIRST, FIRST + HOUR)))


def late(moment: datetime) -> datetime:
    return moment + HOUR


def early(moment: datetime) -> datetime:
    return moment - HOUR


@pytest.mark.parametrize("cut", [late, early])
def test_the_planted_fault_a_period_cut_wrongly_is_caught(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, cut: Callable[[datetime], datetime]
) -> None:
    fill(pipeline, [(("A", "x"), "success", minute, 1.0) for minute in (0, 59, 60, 119, 120)])
    wanted, cut_rightly = Period(FIRST, FIRST + 2 * HOUR), service._hour
    check_counts(*both(pipeline, wanted))

    monkeypatch.setattr(service, "_hour", lambda moment: cut(cut_rightly(moment)))

    with pytest.raises(AssertionError):
        check_counts(*both(pipeline, wanted))


def test_a_period_at_either_end_of_the_calendar_is_empty(pipeline: Pipeline) -> None:
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, tzinfo=UTC)

    for begin, end in ((first, first + HOUR), (last - HOUR, last)):
        assert [report.stats for report in both(pipeline, Period(begin, end))] == [[], []]


@pytest.mark.parametrize(
    ("asked", "since", "until"),
    [
        ({}, TEN - 24 * HOUR, TEN),
        ({"hours": 3}, TEN - 3 * HOUR, TEN),
        ({"since": FIRST}, FIRST, TEN),
        ({"since": FIRST - HOUR, "until": FIRST}, FIRST - HOUR, FIRST),
        ({"since": TEN - MAX_HOURS * HOUR}, TEN - MAX_HOURS * HOUR, TEN),
        ({"since": TEN - MAX_RAW_HOURS * HOUR, "source": "raw"}, TEN - MAX_RAW_HOURS * HOUR, TEN),
    ],
    ids=str,
)
def test_a_period_is_what_is_asked_for(asked: dict[str, Any], since: datetime, until: datetime) -> None:
    assert period(now=TEN, **asked) == Period(since, until)


MOMENT = timedelta.resolution


@pytest.mark.parametrize(
    ("asked", "field", "says"),
    [
        ({"hours": 1, "since": FIRST}, "query.hours", "either hours, or from and to"),
        ({"hours": 1, "until": FIRST}, "query.hours", "either hours, or from and to"),
        ({"until": FIRST}, "query.to", "needs a from"),
        ({"since": FIRST, "until": FIRST}, "query.from", "before to"),
        ({"since": TEN + MOMENT}, "query.from", "before to, which is now unless said"),
        ({"since": TEN - MAX_HOURS * HOUR - MOMENT}, "query.from", "at most 9600 hours"),
        ({"hours": 25, "source": "raw"}, "query.source", "at most 24 hours; rollup is for up to 9600"),
        ({"since": TEN - 24 * HOUR - MOMENT, "source": "raw"}, "query.source", "at most 24 hours"),
    ],
    ids=str,
)
def test_a_period_that_makes_no_sense_is_refused_by_the_name_of_its_parameter(
    asked: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(InvalidRequest, match=says) as refused:
        period(now=TEN, **asked)

    [fault] = refused.value.details["errors"]
    assert fault["field"] == field
    assert says in fault["message"]


BATCH = st.lists(
    st.tuples(st.sampled_from(["call", "metric", "poison", "future", "again"]), st.integers(0, 40)), max_size=8
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(BATCH, min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_no_counter_ever_falls(shared: Pipeline, batches: list[list[tuple[str, int]]], seed: random.Random) -> None:
    shared.empty()
    earlier: dict[tuple[str, ...], float] = {}

    for number, batch in enumerate(batches):
        shared.ingest(logged(said(kind, value) for kind, value in batch))
        if seed.random() < 0.5:
            shared.retry(now=NOW + number * timedelta(days=1))
        told = counters(service.prometheus(shared.snapshots, release="r", strategy="hybrid"))

        check_none_fell(earlier, told)
        earlier = told


def said(kind: str, value: int) -> str:
    name = f"{kind}-{value}"
    match kind:
        case "call":
            return line(name, service="AllocationService", method=f"m{value % 3}", duration_ms=value * 7.5)
        case "metric":
            return observation(name, value=value, labels={"site": f"s{value % 2}"})
        case "future":
            return line(name, created_at=at(NOW + timedelta(days=2 + value / 100)))
        case "again":
            return line("call-1")
    return f"dyno-call/1 {value}"


def counters(text: str) -> dict[tuple[str, ...], float]:
    families: list[Metric] = list(text_string_to_metric_families(text))
    return {
        (sample.name, *map(str, sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
        if family.type in {"counter", "histogram"}
    }


def check_none_fell(earlier: dict[tuple[str, ...], float], later: dict[tuple[str, ...], float]) -> None:
    assert {series: later.get(series, -1) for series in earlier if later.get(series, -1) < earlier[series]} == {}


def test_the_planted_fault_totals_that_are_aged_are_caught(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([line("e-1"), line("e-2")]))
    earlier = counters(service.prometheus(pipeline.snapshots, release="r", strategy="hybrid"))
    pipeline.run("update metrics_series set calls = 1, bucket_10 = 0, bucket_11 = 0, bucket_12 = 0, bucket_13 = 0")
    pipeline.snapshots.kept = None
    pipeline.ingest(logged([line("e-3", method="other")]))

    with pytest.raises(AssertionError):
        check_none_fell(earlier, counters(service.prometheus(pipeline.snapshots, release="r", strategy="hybrid")))
