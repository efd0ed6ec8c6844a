"""S3 is away: of the scrape, of ingest, and of redrive."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.config import Config

from dyno.errors import DynoError
from dyno.metrics import leftovers, snapshot
from functions.metrics import handler as metrics
from functions.redrive import handler as redrive
from tests.faults.answers import LIMIT_S, Told, by_the_door
from tests.faults.conftest import delivered, logged
from tests.faults.storage import Manner, Storage, breaks_off, falters, hangs, is_busy, tarries
from tests.functions.conftest import Call, Caller, Context, Feed
from tests.lab import Lab

LeaveIt = Callable[[Manner | None], None]

MANNERS: dict[str, Manner | None] = {
    "refuses": None,
    "hangs": hangs,
    "is busy": is_busy,
    "breaks off": breaks_off,
    "falters": falters,
}


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[LeaveIt]:
    """Has S3 be somewhere else, and be like that."""
    opened: list[Storage] = []

    def leave(manner: Manner | None) -> None:
        opened.append(Storage(manner).__enter__())
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", opened[-1].address)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        snapshot._s3.cache_clear()

    yield leave
    for each in opened:
        each.__exit__(None, None, None)
    snapshot._s3.cache_clear()


@pytest.fixture
def back(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Has S3 be where it was."""

    def come() -> None:
        monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
        snapshot._s3.cache_clear()

    return come


def unanswered(told: Told, limit_s: float = LIMIT_S) -> list[str]:
    """What is wrong with a scrape while there is no snapshot."""
    return [
        *([] if told.status == 200 else [f"is {told.status}"]),
        *([] if "dyno_snapshot_readable 0" in str(told.body) else ["does not say that it has no counts"]),
        *([] if told.took_s <= limit_s else [f"took {told.took_s:.1f} s"]),
    ]


def scrape(call: Call) -> Told:
    return by_the_door(lambda: call(metrics, "GET", "/metrics/prometheus", caller=Caller.SCRAPER))


@pytest.mark.parametrize("manner", MANNERS.values(), ids=MANNERS)
def test_a_scrape_is_answered_and_says_that_it_has_no_counts(
    call: Call, lab: Lab, away: LeaveIt, manner: Manner | None
) -> None:
    away(manner)

    assert unanswered(scrape(call)) == []


def test_a_scrape_that_waits_for_longer_would_be_found(
    call: Call, lab: Lab, away: LeaveIt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "TRIES", 1)
    took: list[list[str]] = []
    for timeout_s in (0.2, 2.0):
        monkeypatch.setattr(snapshot, "READ_TIMEOUT_S", timeout_s)
        away(hangs)
        snapshot._s3(timeout_s)  # to make it takes boto3 a while
        took.append(unanswered(scrape(call), limit_s=1))

    assert took[0] == []
    assert took[1][0].startswith("took ")


@pytest.mark.parametrize("manner", MANNERS.values(), ids=MANNERS)
def test_a_batch_whose_snapshot_cannot_be_written_is_sent_again_and_counted_once(
    feed: Feed,
    lab: Lab,
    away: LeaveIt,
    back: Callable[[], None],
    manner: Manner | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshot, "BATCH_TIMEOUT_S", 0.2)
    events = logged("a-1", "a-2")
    away(manner)
    tries = delivered(feed, events, tries=1)
    back()

    assert (tries, delivered(feed, events)) == (0, 1)
    assert lab.sql("select count(*) from metrics") == lab.sql("select sum(calls) from metrics_series") == 2
    kept = snapshot.Snapshots("snapshots").read()
    assert kept is not None
    assert sum(sum(series.buckets.values()) for series in kept.totals.series) == 2


@pytest.mark.parametrize(("patience_s", "taken_at_try"), [(snapshot.BATCH_TIMEOUT_S, 1), (0.2, 0)])
def test_a_batch_waits_longer_than_a_scrape(
    call: Call, feed: Feed, away: LeaveIt, monkeypatch: pytest.MonkeyPatch, patience_s: float, taken_at_try: int
) -> None:
    monkeypatch.setattr(snapshot, "READ_TIMEOUT_S", 0.2)
    monkeypatch.setattr(snapshot, "BATCH_TIMEOUT_S", patience_s)
    away(tarries)

    assert unanswered(scrape(call)) == []
    assert delivered(feed, logged("a-1"), tries=1) == taken_at_try


def test_a_snapshot_that_is_lost_in_silence_would_be_found(
    feed: Feed, lab: Lab, away: LeaveIt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot.Snapshots, "write", lambda *_: None)
    away(None)

    assert delivered(feed, logged("a-1"), tries=1) == 1


class Nightly(Context):
    def get_remaining_time_in_millis(self) -> int:
        return 900_000


class Away:
    """Ingest and the log, which are as far away."""

    def invoke(self, **_: Any) -> dict[str, Any]:
        return {"FunctionError": "Unhandled", "Payload": BytesIO(b'{"errorType": "DatabaseUnavailable"}')}

    def get_paginator(self, _name: str) -> "Away":
        return self

    def paginate(self, **_: Any) -> Iterator[Any]:
        return iter(())


@pytest.fixture
def night(
    enter: Callable[[str], None], lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Runs redrive, which loses patience soon."""
    enter("dyno_ingest")
    once = Config(retries={"total_max_attempts": 1}, read_timeout=0.3)
    monkeypatch.setattr(leftovers, "client", lambda kind: boto3.client("s3", config=once) if kind == "s3" else Away())
    for name in ("FAILED_BATCHES_BUCKET", "CALL_LOG_GROUP_NAME", "INGEST_FUNCTION_NAME"):
        monkeypatch.setenv(name, "some")
    return lambda event: redrive.handler(event, Nightly())  # type: ignore[arg-type]


Night = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize("manner", [None, hangs, is_busy], ids=["refuses", "hangs", "is busy"])
def test_redrive_says_that_it_is_not_complete_and_why(night: Night, away: LeaveIt, manner: Manner | None) -> None:
    away(manner)

    report = night({})

    assert report["complete"] is False
    assert "the failed batches cannot be listed" in report["reason"]
    with pytest.raises(DynoError, match="redrive is not complete"):
        night({"must_complete": True})


def test_a_redrive_that_is_content_with_less_would_be_found(
    night: Night, away: LeaveIt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers.Leftovers, "failed_batches", lambda _: iter(()))
    away(None)

    assert "the failed batches cannot be listed" not in night({})["reason"]
