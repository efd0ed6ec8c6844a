from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection

from dyno.metrics import service, store
from dyno.metrics.health import health
from dyno.metrics.model import Check, Performance, Totals
from tests.integration.metrics.pipeline import NOW, Pipeline, line, logged
from tests.unit.metrics.recording import recording

TEN = datetime(2026, 5, 4, 10, 30, tzinfo=UTC)


def at(moment: datetime) -> str:
    return moment.isoformat()


def performance(pipeline: Pipeline, hours: int, now: datetime = TEN) -> Performance:
    return service.performance(pipeline.reading, hours, now=now)


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

    assert list(report) == ["period_hours", "since", "as_of", "stats"]
    assert (report["period_hours"], report["since"], report["as_of"]) == (
        24,
        "2026-05-03T10:00:00Z",
        "2026-05-04T10:30:00Z",
    )
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
    assert [check.name for check in told.checks] == ["database", "schema", "partition", "snapshot"]
    assert checks(pipeline)["snapshot"].reason == "taken 0 s ago, 0 records behind"


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
    look = store.totals

    def looking(connection: Connection) -> Totals:
        seen = look(connection)
        with mock.patch.object(store, "totals", look):
            pipeline.ingest(logged([line("e-2")]))
        return seen

    with mock.patch.object(store, "totals", looking):
        assert checks(pipeline)["snapshot"].ok


def test_a_database_that_is_away_is_told_and_the_rest_still_looked_at(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([line("e-1")]))

    told = health(pipeline.connect("nobody"), pipeline.snapshots, now=NOW)

    assert [check.ok for check in told.checks] == [False, False, False, True]
    assert "nobody" in told.checks[0].reason


@pytest.mark.parametrize("hours", [1, 9_600])
def test_any_period_answers(pipeline: Pipeline, hours: int) -> None:
    assert performance(pipeline, hours).period_hours == hours
