"""From a call to every report of it, in process: line, batch, row, rollup, snapshot, exposition."""

import base64
import gzip
import json
from collections.abc import Callable
from random import Random
from typing import Any

import boto3
import pytest
from prometheus_client.parser import text_string_to_metric_families

from dyno.metrics.catalogue import FAMILIES
from dyno.metrics.snapshot import KEY
from functions.allocations import handler as allocations
from functions.metrics import handler as door
from functions.metrics_ingest import handler as ingest
from tests.functions.conftest import EVENTS, Call, Caller, Context
from tests.lab import MONDAY, TUESDAY, Lab

AUTO = {"vin": "9ZZ0TEST0VD000001", "test_type": "brake", "days_to_complete": 1, "backup": False}
Feed = Callable[[list[dict[str, Any]]], dict[str, int | None]]


@pytest.fixture
def feed(enter: Callable[[str], None]) -> Feed:
    """Hands log events to the ingest door as CloudWatch Logs does."""

    def hand_over(log_events: list[dict[str, Any]]) -> dict[str, int | None]:
        enter("dyno_ingest")
        batch = json.loads((EVENTS / "log_batch.json").read_text())
        delivery = json.loads(gzip.decompress(base64.b64decode(batch["awslogs"]["data"])))
        delivery["logEvents"] = log_events
        data = base64.b64encode(gzip.compress(json.dumps(delivery).encode())).decode()
        return ingest.handler({"awslogs": {"data": data}}, Context())  # type: ignore[arg-type]

    return hand_over


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


def exposed(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


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
    def asked(**_: Any) -> None:
        raise AssertionError("a scrape must not wake the database")

    monkeypatch.setattr("pg8000.dbapi.connect", asked)

    scraped = call(door, "GET", "/metrics/prometheus", caller=Caller.SCRAPER)

    assert scraped.status == 200
    assert {family.name for family in text_string_to_metric_families(scraped.body)} <= {
        family.name.removesuffix("_total") for family in FAMILIES
    }


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


def test_an_unreadable_snapshot_is_a_503_until_the_next_batch(
    call: Call, lab: Lab, feed: Feed, capsys: pytest.CaptureFixture[str]
) -> None:
    events = drive(call, lab, capsys)
    boto3.client("s3", "us-east-1").put_object(Bucket="snapshots", Key=KEY, Body=b"{half")

    scraped, checked = (
        call(door, "GET", "/metrics/prometheus", caller=Caller.SCRAPER),
        call(door, "GET", "/metrics/health"),
    )
    feed(events)

    assert (scraped.status, checked.status) == (503, 503)
    [failed] = [check for check in checked.body["checks"] if not check["ok"]]
    assert failed["name"] == "snapshot"
    assert failed["reason"] == scraped.body["detail"]
    assert call(door, "GET", "/metrics/prometheus", caller=Caller.SCRAPER).status == 200


def test_live_and_ready_open_no_connection(call: Call, monkeypatch: pytest.MonkeyPatch, lab: Lab) -> None:
    def asked(**_: Any) -> None:
        raise AssertionError("readiness must not wake the database")

    monkeypatch.setattr("pg8000.dbapi.connect", asked)

    assert call(door, "GET", "/health/live", caller=Caller.NOBODY).body == {"status": "live"}
    assert call(door, "GET", "/health/ready", caller=Caller.NOBODY).body == {"status": "ready", "release": "test"}


def test_the_example_event_is_answered(enter: Callable[[str], None], lab: Lab) -> None:
    enter("dyno_metrics")

    said = door.handler(json.loads((EVENTS / "performance_report.json").read_text()), Context())  # type: ignore[arg-type]

    assert (said["statusCode"], json.loads(said["body"])["stats"]) == (200, [])


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
