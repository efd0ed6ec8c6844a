import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from dyno.errors import Unavailable
from dyno.metrics import snapshot
from dyno.metrics.model import SeriesTotal, Snapshot, Totals
from dyno.metrics.snapshot import KEY, Snapshots

NOW = datetime(2027, 1, 4, 10, tzinfo=UTC)
AWS = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


def taken(version: int, **changes: Any) -> Snapshot:
    series = SeriesTotal(service="S", method="m", outcome="success", duration_ms_sum=1, buckets={3: version})
    totals = Totals(series=[series], dead_letters={})
    return Snapshot(version=version, taken_at=NOW + timedelta(seconds=version), totals=totals, **changes)


@pytest.fixture
def bucket() -> Iterator[str]:
    with mock.patch.dict(os.environ, AWS), mock_aws():
        snapshot._s3.cache_clear()
        boto3.client("s3").create_bucket(Bucket="snapshots")
        yield "snapshots"
    snapshot._s3.cache_clear()


def test_there_is_none_before_the_first(bucket: str) -> None:
    assert Snapshots(bucket).read() is None


def test_what_is_written_is_read(bucket: str) -> None:
    Snapshots(bucket).write(taken(3))

    assert Snapshots(bucket).read() == taken(3)


@pytest.mark.parametrize(("first", "second", "kept"), [(3, 5, 5), (5, 3, 5), (5, 5, 5)])
def test_a_newer_one_is_never_replaced_by_an_older(bucket: str, first: int, second: int, kept: int) -> None:
    Snapshots(bucket).write(taken(first))
    Snapshots(bucket).write(taken(second))

    assert Snapshots(bucket).read() == taken(kept)


@pytest.mark.parametrize(("between", "kept"), [(4, 5), (7, 7)])
@pytest.mark.parametrize("before", [(), (3,)])
def test_one_that_comes_in_between_is_seen(bucket: str, before: tuple[int, ...], between: int, kept: int) -> None:
    for version in before:
        Snapshots(bucket).write(taken(version))
    snapshots, kept_there = Snapshots(bucket), Snapshots._kept
    quicker = iter([between])

    def looking(self: Snapshots, timeout_s: float) -> object:
        seen = kept_there(self, timeout_s)
        for version in quicker:  # once, after the first look
            Snapshots(bucket).write(taken(version))
        return seen

    with mock.patch.object(Snapshots, "_kept", looking):
        snapshots.write(taken(5))

    assert snapshots.read() == taken(kept)


def test_a_bucket_that_does_not_answer_is_unavailable(bucket: str) -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        Snapshots("no-such-bucket").read()


def test_what_aws_said_is_for_the_log_and_not_for_the_caller(bucket: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Unavailable) as caught:
        Snapshots("no-such-bucket").read()

    assert str(caught.value) == "the snapshot cannot be read"
    assert "NoSuchBucket" in caplog.text


UNREADABLE = [b"", b"{half", b"\xff", b"[]", b'{"version": 9, "taken_at": "2027-01-04T10:00:00Z"}']


@pytest.mark.parametrize("body", UNREADABLE)
def test_an_unreadable_one_is_unavailable_and_the_log_says_why(
    bucket: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    boto3.client("s3").put_object(Bucket=bucket, Key=KEY, Body=body)

    with pytest.raises(Unavailable, match="not one this release can read"):
        Snapshots(bucket).read()

    assert "validation error" in caplog.text


@pytest.mark.parametrize("body", UNREADABLE)
def test_an_unreadable_one_is_replaced(bucket: str, body: bytes) -> None:
    boto3.client("s3").put_object(Bucket=bucket, Key=KEY, Body=body)

    Snapshots(bucket).write(taken(1))

    assert Snapshots(bucket).read() == taken(1)


def test_an_unreadable_one_is_replaced_only_while_it_is_there(bucket: str) -> None:
    boto3.client("s3").put_object(Bucket=bucket, Key=KEY, Body=b"{half")
    snapshots, kept = Snapshots(bucket), Snapshots._kept
    quicker = iter([7])

    def looking(self: Snapshots, timeout_s: float) -> object:
        seen = kept(self, timeout_s)
        for version in quicker:
            Snapshots(bucket).write(taken(version))
        return seen

    with mock.patch.object(Snapshots, "_kept", looking):
        snapshots.write(taken(5))

    assert snapshots.read() == taken(7)


def test_a_writer_that_is_always_outrun_says_so(bucket: str) -> None:
    with mock.patch.object(Snapshots, "_replace", return_value=False), pytest.raises(Unavailable, match="outrun"):
        Snapshots(bucket).write(taken(1))


def test_a_failure_is_noted_once_and_forgotten_with_the_next_batch_even_one_of_nothing_new(bucket: str) -> None:
    snapshots = Snapshots(bucket)
    snapshots.write(taken(3))

    since = taken(4).taken_at
    snapshots.note_failure(since)
    snapshots.note_failure(since + timedelta(hours=1))
    failing = snapshots.read()
    snapshots.write(taken(3).model_copy(update={"taken_at": since}))

    assert failing == taken(3, failing_since=since)
    assert snapshots.read() == taken(3)


def test_a_failure_since_a_batch_began_is_not_forgotten_with_it(bucket: str) -> None:
    snapshots = Snapshots(bucket)
    snapshots.write(taken(3))
    since = taken(5).taken_at + timedelta(seconds=1)

    snapshots.note_failure(since)
    snapshots.write(taken(5))

    assert snapshots.read() == taken(5, failing_since=since)


def test_a_failure_is_not_noted_late_behind_a_batch_that_began_after_it(bucket: str) -> None:
    snapshots = Snapshots(bucket)
    snapshots.write(taken(5))

    snapshots.note_failure(taken(4).taken_at)

    assert snapshots.read() == taken(5)


def test_a_failure_is_noted_though_others_write_meanwhile(bucket: str) -> None:
    snapshots, replace, quicker = Snapshots(bucket), Snapshots._replace, iter([True, True])

    def outrun(self: Snapshots, snapshot: Snapshot, etag: str | None, timeout_s: float) -> bool:
        return False if next(quicker, False) else replace(self, snapshot, etag, timeout_s)

    with mock.patch.object(Snapshots, "_replace", outrun):
        snapshots.note_failure(NOW)

    kept = snapshots.read()
    assert kept is not None
    assert kept.failing_since == NOW


def test_an_older_moment_never_follows_a_newer(bucket: str) -> None:
    snapshots = Snapshots(bucket)
    late = taken(3).model_copy(update={"taken_at": NOW + timedelta(hours=1)})
    snapshots.write(late)

    snapshots.write(taken(5))

    kept = snapshots.read()
    assert kept is not None
    assert (kept.version, kept.taken_at) == (5, late.taken_at)


def test_a_failure_before_the_first_batch_is_noted_too(bucket: str) -> None:
    snapshots = Snapshots(bucket)

    snapshots.note_failure(NOW)

    assert snapshots.read() == Snapshot.empty(NOW).model_copy(update={"failing_since": NOW})


@pytest.mark.parametrize("body", UNREADABLE)
def test_a_failure_is_not_noted_in_what_nobody_can_read(bucket: str, body: bytes) -> None:
    boto3.client("s3").put_object(Bucket=bucket, Key=KEY, Body=body)

    Snapshots(bucket).note_failure(NOW)

    assert boto3.client("s3").get_object(Bucket=bucket, Key=KEY)["Body"].read() == body


def test_a_failure_that_cannot_be_noted_is_not_raised(bucket: str, caplog: pytest.LogCaptureFixture) -> None:
    Snapshots("no-such-bucket").note_failure(NOW)

    assert "failure not noted" in caplog.text


def test_a_batch_of_nothing_new_keeps_the_lag_of_the_last_that_had(bucket: str) -> None:
    snapshots = Snapshots(bucket)
    snapshots.write(taken(3, ingest_lag_s=0.5))

    snapshots.write(taken(4))

    assert snapshots.read() == taken(4, ingest_lag_s=0.5)


def test_one_of_an_earlier_release_is_read(bucket: str) -> None:
    body = '{"version":7,"taken_at":"2027-01-04T10:00:00Z","totals":{"series":[],"dead_letters":{"not_json":2}}}'
    boto3.client("s3").put_object(Bucket=bucket, Key=KEY, Body=body.encode())

    told = Snapshots(bucket).read()

    assert told is not None
    assert (told.version, told.totals.open_dead_letters, told.totals.lab, told.ingest_lag_s) == (7, {}, None, None)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.permutations(range(1, 7)), st.sets(st.integers(1, 6)))
def test_in_whatever_order_they_come_the_newest_stays(bucket: str, versions: list[int], failing: set[int]) -> None:
    boto3.client("s3").delete_object(Bucket=bucket, Key=KEY)
    snapshots, seen, since = Snapshots(bucket), [0], NOW + timedelta(minutes=1)

    for version in versions:
        snapshots.write(taken(version))
        kept = snapshots.read()
        seen.append(kept.version if kept else 0)
        if version in failing:
            snapshots.note_failure(since)

    assert seen == sorted(seen)
    assert snapshots.read() == taken(6, failing_since=since if failing else None)


def test_without_the_condition_an_older_one_would_win(bucket: str) -> None:
    """The planted fault: what the conditional write is for."""
    Snapshots(bucket).write(taken(7))

    boto3.client("s3").put_object(Bucket=bucket, Key=KEY, Body=taken(5).model_dump_json().encode())

    assert Snapshots(bucket).read() == taken(5)
