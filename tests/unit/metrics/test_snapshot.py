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
from dyno.metrics import snapshot as module
from dyno.metrics.model import Snapshot, Totals
from dyno.metrics.snapshot import KEY, MAX_TRIES, Snapshots

NOW = datetime(2027, 1, 4, 10, tzinfo=UTC)
BUCKET = "snapshots"


@pytest.fixture(autouse=True)
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    module._s3.cache_clear()
    with mock_aws():
        s3 = boto3.client("s3", "us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        yield s3
    module._s3.cache_clear()


def taken(version: int, **changes: Any) -> Snapshot:
    totals = Totals(series=[], dead_letters={"not_json": version})
    return Snapshot(version=version, taken_at=NOW + timedelta(seconds=version), totals=totals, **changes)


def test_before_the_first_there_is_none() -> None:
    assert Snapshots(BUCKET).read() is None


def test_what_is_written_is_read() -> None:
    snapshots = Snapshots(BUCKET)

    snapshots.write(taken(3, ingest_lag_s=0.5))

    assert snapshots.read() == taken(3, ingest_lag_s=0.5)


def test_an_older_one_does_not_replace_a_newer() -> None:
    snapshots = Snapshots(BUCKET)

    snapshots.write(taken(3))
    snapshots.write(taken(2))

    assert snapshots.read() == taken(3)


def test_a_failure_is_noted_once_and_forgotten_with_the_next_batch_even_one_of_nothing_new() -> None:
    snapshots = Snapshots(BUCKET)
    snapshots.write(taken(3))

    snapshots.note_failure(NOW)
    snapshots.note_failure(NOW + timedelta(hours=1))
    failing = snapshots.read()
    snapshots.write(taken(3))

    assert failing == taken(3, failing_since=NOW)
    assert snapshots.read() == taken(3)


def test_a_failure_before_the_first_batch_is_noted_too() -> None:
    snapshots = Snapshots(BUCKET)

    snapshots.note_failure(NOW)

    assert snapshots.read() == Snapshot.empty(NOW).model_copy(update={"failing_since": NOW})


def test_a_failure_that_cannot_be_noted_is_nobodys_business() -> None:
    Snapshots("elsewhere").note_failure(NOW)


def test_a_batch_of_old_calls_keeps_the_lag_of_the_last_new_ones() -> None:
    snapshots = Snapshots(BUCKET)
    snapshots.write(taken(3, ingest_lag_s=0.5))

    snapshots.write(taken(4))

    assert snapshots.read() == taken(4, ingest_lag_s=0.5)


@pytest.mark.parametrize("body", [b"", b"{half", b"[]", b'{"version": 1}', b"\xff"])
def test_one_that_nobody_can_read_is_told_and_replaced(s3: Any, body: bytes) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)
    snapshots = Snapshots(BUCKET)

    snapshots.note_failure(NOW)
    with pytest.raises(Unavailable, match="the next batch replaces it"):
        snapshots.read()
    snapshots.write(taken(1))

    assert snapshots.read() == taken(1)


def test_one_of_the_release_before_is_read() -> None:
    kept = '{"version":7,"taken_at":"2027-01-04T10:00:00Z","totals":{"series":[],"dead_letters":{"not_json":2}}}'
    module._s3().put_object(Bucket=BUCKET, Key=KEY, Body=kept.encode())

    told = Snapshots(BUCKET).read()

    assert told is not None
    assert (told.version, told.totals.open_dead_letters, told.totals.lab, told.ingest_lag_s) == (7, {}, None, None)


def test_a_bucket_out_of_reach_is_unavailable_and_is_not_named() -> None:
    snapshots = Snapshots("elsewhere")

    for work in (snapshots.read, lambda: snapshots.write(taken(1))):
        with pytest.raises(Unavailable) as refused:
            work()
        assert "elsewhere" not in str(refused.value)


def test_others_who_write_in_between_are_not_overwritten() -> None:
    snapshots, others = Snapshots(BUCKET), iter(range(2, 5))
    replace = Snapshots._replace

    def outrun(self: Snapshots, snapshot: Snapshot, etag: str | None) -> bool:
        if version := next(others, None):
            replace(self, taken(version), self._kept()[1])
        return replace(self, snapshot, etag)

    with mock.patch.object(Snapshots, "_replace", outrun):
        snapshots.write(taken(9))

    assert snapshots.read() == taken(9)


def test_whoever_is_always_outrun_gives_up() -> None:
    with (
        mock.patch.object(Snapshots, "_replace", return_value=False) as replace,
        pytest.raises(Unavailable, match=f"outrun {MAX_TRIES} times"),
    ):
        Snapshots(BUCKET).write(taken(1))

    assert replace.call_count == MAX_TRIES


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.permutations(range(1, 7)), st.booleans())
def test_in_whatever_order_they_come_the_newest_stays(s3: Any, versions: list[int], failing: bool) -> None:
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    snapshots, seen = Snapshots(BUCKET), [0]

    for version in versions:
        snapshots.write(taken(version))
        kept = snapshots.read()
        seen.append(kept.version if kept else 0)
        if failing:
            snapshots.note_failure(NOW)

    assert seen == sorted(seen)
    assert seen[-1] == 6
