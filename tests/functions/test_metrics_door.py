"""From a call to every report of it, in process: line, batch, row, rollup, snapshot, exposition."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import boto3
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from dyno.errors import DatabaseResuming
from dyno.metrics import record_business_metric
from dyno.metrics.catalogue import FAMILIES
from dyno.metrics.snapshot import KEY, Snapshots
from functions.allocations import handler as allocations
from functions.metrics import handler as door
from functions.metrics_ingest import handler as ingest
from tests.functions.conftest import EVENTS, Call, Caller, Context, Feed, claims, gateway_event
from tests.lab import MONDAY, TUESDAY, Lab

AUTO = {"vin": "9ZZ0TEST0VD000001", "test_type": "brake", "days_to_complete": 1, "backup": False}


def drive(call: Call, lab: Lab, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Seven calls that reach auto_allocate, and one that does not; gives their lines as log events."""
    lab.dyno("D1")
    lab.vehicles(3)
    days = [MONDAY, MONDAY, TUESDAY, TUESDAY, MONDAY]
    for day in days:
        call(allocations, "POST", "/allocations/auto", body=AUTO | {"start_date": str(day)}, sub="ann")
    call(allocations, "POST", "/allocations/auto", body=AUTO | {"start_date": "2020-01-01"}, sub="bob")
    call(allocations, "POST", "/allocations/auto", body=AUTO | {"start_date": str(MONDAY), "vin": "nobody"})
    call(allocations, "POST", "/allocations/auto", body="{")
    lines = [line for line in capsys.readouterr().out.splitlines() if '"dyno-call/1"' in line]
    return [{"id": f"{number:056d}", "timestamp": 0, "message": f"{line}\n"} for number, line in enumerate(lines)]


def auto(report: dict[str, Any]) -> dict[str, Any]:
    [stats] = [each for each in report["stats"] if each["method"] == "auto_allocate"]
    assert isinstance(stats, dict)
    return stats


def exposed(text: str, read: Callable[[str], Any] = text_string_to_metric_families) -> dict[tuple[str, ...], float]:
    return {(sample.name, *sample.labels.values()): sample.value for family in read(text) for sample in family.samples}


def test_every_call_is_counted_once_everywhere(
    call: Call, lab: Lab, feed: Feed, capsys: pytest.CaptureFixture[str]
) -> None:
    events = drive(call, lab, capsys)
    assert len(events) == 7

    assert feed(events)["rows"] == 7
    assert feed(events)["rows"] == 0
    Random(1).shuffle(events)
    assert feed(events[3:])["rows"] == 0

    stats = auto(call(door, "GET", "/metrics/performance", query={"hours": "1"}).body)
    assert (stats["total_calls"], stats["success_count"], stats["rejected_count"], stats["error_count"]) == (7, 2, 5, 0)
    assert stats["success_rate"] == pytest.approx(200 / 7, abs=1e-3)
    assert (
        0 < stats["p50_duration_ms"] <= stats["p95_duration_ms"] <= stats["p99_duration_ms"] <= stats["max_duration_ms"]
    )
    scraped = call(door, "GET", "/metrics/prometheus", caller=Caller.SCRAPER)
    assert scraped.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    samples = exposed(scraped.body)
    assert samples["dyno_calls_total", "AllocationService", "auto_allocate", "success"] == 2
    assert samples["dyno_calls_total", "AllocationService", "auto_allocate", "rejected"] == 5
    assert samples["dyno_call_duration_seconds_count", "AllocationService", "auto_allocate"] == 7
    assert lab.sql("select count(*) from metrics") == 7
    assert lab.rows(
        "select u.sub, count(*) from metrics m join users u on u.id = m.user_id group by u.sub order by u.sub"
    ) == [("ann", 5), ("bob", 1), ("user", 1)]


def test_an_allocation_is_a_booking_made_no_dry_run_and_no_replay(
    call: Call, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.dyno("D1")
    lab.vehicles(3)
    booking, key = AUTO | {"start_date": str(MONDAY)}, {"Idempotency-Key": "k"}

    for body, headers in ((booking | {"dry_run": True}, {}), (booking, key), (booking, key), (booking, {})):
        call(allocations, "POST", "/allocations/auto", body=body, headers=headers)

    said = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"dyno-call/1"' in line]
    assert [(record["outcome"], record["Allocations"]) for record in said] == [
        ("success", [0.0]),
        ("success", [1.0]),
        ("success", [0.0]),
        ("rejected", [0.0]),
    ]


def test_scrapes_and_health_make_no_line(call: Call, lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(20):
        call(door, "GET", "/metrics/prometheus", caller=Caller.SCRAPER)
    for path in ("/metrics/health", "/health/live", "/health/ready"):
        call(door, "GET", path, caller=Caller.ADMIN)

    assert "dyno-call/1" not in capsys.readouterr().out


def test_a_scrape_asks_no_database(call: Call, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: Any, **__: Any) -> None:
        raise AssertionError("a scrape must not wake the database")

    monkeypatch.setattr("dyno.driver.Connection", asked)

    scraped = call(door, "GET", "/metrics/prometheus", caller=Caller.SCRAPER)

    assert scraped.status == 200
    assert {family.name for family in text_string_to_metric_families(scraped.body)} == {
        family.name.removesuffix("_total") for family in FAMILIES
    }


PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize("header", ["Accept", "accept"])
def test_a_scrape_is_answered_in_the_form_it_accepts(
    call: Call, lab: Lab, feed: Feed, capsys: pytest.CaptureFixture[str], header: str
) -> None:
    feed(drive(call, lab, capsys))

    plain, preferred = (
        call(door, "GET", "/metrics/prometheus", caller=Caller.SCRAPER, headers=headers)
        for headers in ({}, {header: PROMETHEUS_3})
    )

    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert preferred.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert plain.headers["Vary"] == preferred.headers["Vary"] == "Accept"
    assert exposed(plain.body) == exposed(preferred.body, read_openmetrics)


def test_an_accept_header_that_comes_in_pieces_is_one(call: Call, lab: Lab, enter: Callable[[str], None]) -> None:
    enter("dyno_metrics")
    event = gateway_event("GET", "/metrics/prometheus", authorised=claims(Caller.SCRAPER))
    event["multiValueHeaders"]["Accept"] = ["text/plain;q=0.5", "application/openmetrics-text"]

    said = door.handler(event, Context())  # type: ignore[arg-type]

    assert said["multiValueHeaders"]["Content-Type"] == ["application/openmetrics-text; version=1.0.0; charset=utf-8"]


def test_a_business_metric_is_scraped_in_base_units_under_its_labels(
    call: Call, lab: Lab, feed: Feed, capsys: pytest.CaptureFixture[str]
) -> None:
    for wait_ms in (250, 1_250):
        record_business_metric("PlannerWait", wait_ms, unit="Milliseconds", labels={"site": 'the "north"'})
    record_business_metric("OpenRequests", 3, kind="gauge")
    lines = [line for line in capsys.readouterr().out.splitlines() if '"dyno-metric/1"' in line]

    feed([{"id": str(number), "timestamp": 0, "message": line} for number, line in enumerate(lines)])

    samples = exposed(call(door, "GET", "/metrics/prometheus", caller=Caller.SCRAPER).body)
    assert {key: value for key, value in samples.items() if key[0].startswith("dyno_business_")} == {
        ("dyno_business_planner_wait_seconds_total", 'the "north"'): 1.5,
        ("dyno_business_open_requests",): 3,
    }


def test_a_batch_that_fails_is_told_to_the_scrape_and_one_that_only_waited_is_not(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing() -> bool:
        kept = Snapshots("snapshots").read()
        return kept is not None and kept.failing_since is not None

    seen: list[bool] = []
    event = [{"id": "1", "timestamp": 0, "message": "{dyno-call/1"}]
    taken, asleep = ingest.take, iter([True])

    def resuming(event: dict[str, Any]) -> dict[str, float]:
        if next(asleep, False):
            raise DatabaseResuming("asleep")
        seen.append(failing())
        return taken(event)

    monkeypatch.setattr(ingest, "take", resuming)
    feed(event)
    monkeypatch.setattr(ingest, "take", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        feed(event)
    seen.append(failing())
    monkeypatch.setattr(ingest, "take", taken)
    feed(event)
    seen.append(failing())

    assert seen == [False, True, False]


def test_a_request_is_seen_as_a_tree(call: Call, lab: Lab, feed: Feed, capsys: pytest.CaptureFixture[str]) -> None:
    lab.dyno("D1")
    lab.vehicle()
    call(
        allocations,
        "POST",
        "/allocations/auto",
        body=AUTO | {"start_date": str(MONDAY)},
        headers={"X-Correlation-Id": "trip-7"},
    )
    [line] = [line for line in capsys.readouterr().out.splitlines() if '"dyno-call/1"' in line]
    feed([{"id": "1", "timestamp": 0, "message": line}])

    said = call(door, "GET", "/metrics/calls", query={"correlation_id": "trip-7"})

    [seen] = said.body["calls"]
    assert (said.body["correlation_id"], seen["service"], seen["method"], seen["outcome"], seen["calls"]) == (
        "trip-7",
        "AllocationService",
        "auto_allocate",
        "success",
        [],
    )


@pytest.mark.own_database
def test_the_deep_check_names_each_dependency(call: Call, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = call(door, "GET", "/metrics/health")
    lab.sql("update alembic_version set version_num = '0000'")
    behind = call(door, "GET", "/metrics/health")

    assert healthy.status == 200, healthy.body
    assert all(check["ok"] and check["reason"] for check in healthy.body["checks"])
    assert behind.status == 503
    assert [check["name"] for check in behind.body["checks"] if not check["ok"]] == ["schema"]


def readable(call: Call) -> tuple[float, bool]:
    """What a scrape says of its own snapshot, and whether it has any counts."""
    said = call(door, "GET", "/metrics/prometheus", caller=Caller.SCRAPER)
    assert said.status == 200, said.body
    samples = {s.name: s.value for family in text_string_to_metric_families(said.body) for s in family.samples}
    return samples["dyno_snapshot_readable"], "dyno_calls_total" in samples


def test_a_scrape_says_that_the_snapshot_cannot_be_read_until_the_next_batch(
    call: Call, lab: Lab, feed: Feed, capsys: pytest.CaptureFixture[str]
) -> None:
    events = drive(call, lab, capsys)
    assert readable(call) == (1, False)
    boto3.client("s3", "us-east-1").put_object(Bucket="snapshots", Key=KEY, Body=b"{half")

    scraped, checked = readable(call), call(door, "GET", "/metrics/health")
    feed(events)

    assert (scraped, checked.status) == ((0, False), 503)
    failed = {check["name"]: check["reason"] for check in checked.body["checks"] if not check["ok"]}
    assert failed["ingest"] == "not known without the snapshot"
    assert failed.keys() == {"snapshot", "ingest"}
    assert "the next batch replaces it" in failed["snapshot"]
    assert readable(call) == (1, True)


def test_a_scrape_is_answered_while_s3_is_not_and_the_log_says_why(
    call: Call, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "Snapshots", lambda _: Snapshots("gone"))

    assert readable(call) == (0, False)
    assert "snapshot out of reach" in {line.message for line in caplog.records}


def test_live_and_ready_open_no_connection(call: Call, monkeypatch: pytest.MonkeyPatch, lab: Lab) -> None:
    def asked(*_: Any, **__: Any) -> None:
        raise AssertionError("readiness must not wake the database")

    monkeypatch.setattr("dyno.driver.Connection", asked)

    assert call(door, "GET", "/health/live", caller=Caller.NOBODY).body == {"status": "live"}
    assert call(door, "GET", "/health/ready", caller=Caller.NOBODY).body == {"status": "ready", "release": "test"}


def test_the_example_event_is_answered(enter: Callable[[str], None], lab: Lab) -> None:
    enter("dyno_metrics")

    said = door.handler(json.loads((EVENTS / "performance_report.json").read_text()), Context())  # type: ignore[arg-type]

    assert (said["statusCode"], json.loads(said["body"])["stats"]) == (200, [])


def test_a_report_is_of_the_period_and_the_calls_that_are_asked_for(
    call: Call, lab: Lab, feed: Feed, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(drive(call, lab, capsys))
    now = datetime.now(UTC)
    day = {"from": f"{now - timedelta(hours=20):%Y-%m-%dT%H:%M:%S}Z"}
    abroad = {"from": (now - timedelta(hours=2)).astimezone(timezone(timedelta(hours=9))).isoformat()}
    over = {"from": "2026-01-01T00:00Z", "to": "2026-01-02T00:00:00.5+02:00"}

    def calls(query: dict[str, str]) -> list[int]:
        answer = call(door, "GET", "/metrics/performance", query=query)
        assert answer.status == 200, answer.body
        return [each["total_calls"] for each in answer.body["stats"] if each["service"] == "AllocationService"]

    assert [calls(query) for query in ({}, {"hours": "1"}, day, abroad, over)] == [[7], [7], [7], [7], []]
    assert [calls({"source": source}) for source in ("raw", "rollup")] == [[7], [7]]
    assert [calls({"outcome": outcome}) for outcome in ("success", "rejected", "error")] == [[2], [5], []]
    assert [calls({"service": "AllocationService", "method": name}) for name in ("auto_allocate", "auto")] == [[7], []]


def test_a_report_names_its_period_and_how_exact_it_is(call: Call, lab: Lab) -> None:
    query = {"from": "2026-05-04T10:30:00Z", "to": "2026-05-04T14:00:00+02:00"}

    rollup, raw = (
        call(door, "GET", "/metrics/performance", query=query | {"source": source}).body for source in ("rollup", "raw")
    )

    assert (rollup["period_hours"], raw["period_hours"]) == (1.5, 1.5)
    assert (rollup["since"], rollup["until"]) == ("2026-05-04T10:00:00Z", "2026-05-04T12:00:00Z")
    assert (raw["since"], raw["until"]) == ("2026-05-04T10:30:00Z", "2026-05-04T12:00:00Z")
    assert (rollup["percentile_error"], raw["percentile_error"]) == (
        {"percentage": 29.3, "ms": 0.1},
        {"percentage": 0, "ms": 0},
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"hours": "1", "from": "2026-05-04T10:30:00Z"}, "query.hours"),
        ({"hours": ""}, "query.hours"),
        ({"to": "2026-05-04T10:30:00Z"}, "query.to"),
        ({"from": "2026-05-04T10:30:00Z", "to": "2026-05-04T10:30:00Z"}, "query.from"),
        ({"from": "2024-05-04T10:30:00Z"}, "query.from"),
        ({"from": "2999-05-04T10:30:00Z"}, "query.from"),
        ({"from": ""}, "query.from"),
        ({"from": "2026-05-04"}, "query.from"),
        ({"from": "2026-05-04T10:30:00"}, "query.from"),
        ({"from": "2026-05-04T10:30:00 02:00"}, "query.from"),
        ({"from": "2026-02-30T10:30:00Z"}, "query.from"),
        ({"from": "2026-05-04T25:30:00Z"}, "query.from"),
        ({"from": "1777890600"}, "query.from"),
        ({"from": "0001-01-01T00:00:00+02:00"}, "query.from"),
        ({"from": "9999-12-31T22:00:00Z", "to": "9999-12-31T23:59:59Z"}, "query.from"),
        ({"from": "9998-12-31T23:00:00Z", "to": "9999-12-31T23:59:59Z"}, "query.to"),
        ({"from": "9999-12-31T23:59:59-10:00"}, "query.from"),
        ({"service": ""}, "query.service"),
        ({"service": "x" * 201}, "query.service"),
        ({"method": ""}, "query.method"),
        ({"outcome": ""}, "query.outcome"),
        ({"outcome": "timeout"}, "query.outcome"),
        ({"source": "rows"}, "query.source"),
        ({"source": "raw", "hours": "25"}, "query.source"),
    ],
    ids=str,
)
def test_a_report_nobody_can_give_is_refused_by_the_parameter(
    call: Call, lab: Lab, query: dict[str, str], field: str
) -> None:
    answer = call(door, "GET", "/metrics/performance", query=query)

    assert (answer.status, answer.body["code"]) == (422, "invalid_request")
    assert field in {fault["field"] for fault in answer.body["errors"]}
    assert all(fault["message"] in answer.body["detail"] for fault in answer.body["errors"])


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"hours": "24", "source": "raw"}, 200),
        ({"from": "0001-01-01T00:00:00Z", "to": "0001-01-01T01:00:00Z"}, 200),
        ({"from": "9998-12-31T23:00:00Z", "to": "9998-12-31T23:59:59.999999Z"}, 200),
        ({"service": "'; drop table metrics; --"}, 200),
        ({"service": "a\0b"}, 422),
        ({"method": "\ud800"}, 422),
    ],
    ids=ascii,
)
def test_whatever_is_asked_nothing_breaks(call: Call, lab: Lab, query: dict[str, str], says: int) -> None:
    assert call(door, "GET", "/metrics/performance", query=query).status == says


def test_a_parameter_that_is_given_twice_is_refused(call: Call, lab: Lab, enter: Callable[[str], None]) -> None:
    enter("dyno_metrics")
    event = gateway_event("GET", "/metrics/performance", query={"hours": "2"}, authorised=claims(Caller.USER))
    event["multiValueQueryStringParameters"] = {"hours": ["1", "2"]}

    said = door.handler(event, Context())  # type: ignore[arg-type]

    problem = json.loads(said["body"])
    assert (said["statusCode"], problem["errors"]) == (
        422,
        [{"field": "query.hours", "message": "is given more than once"}],
    )


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/metrics/performance", {"hours": "0"}),
        ("/metrics/performance", {"hours": "9601"}),
        ("/metrics/performance", {"hours": "x"}),
        ("/metrics/performance", {"days": "1"}),
        ("/metrics/calls", {}),
        ("/metrics/calls", {"correlation_id": "a b"}),
    ],
    ids=str,
)
def test_a_query_that_makes_no_sense_is_a_422(call: Call, path: str, query: dict[str, str]) -> None:
    assert call(door, "GET", path, query=query).status == 422
