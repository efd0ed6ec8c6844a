"""The totals as an object in S3, so that a scrape neither wakes the database nor fails with it."""

from contextlib import AbstractContextManager
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import ValidationError

from dyno import buckets
from dyno.errors import Unavailable
from dyno.metrics.model import Snapshot
from dyno.observability import logger
from dyno.snapstart import before_snapshot

KEY = "exposition/snapshot.json"
MAX_TRIES = 10

CONNECT_TIMEOUT_S, TRIES = 1, 2
"""Of one question to S3, whoever asks."""

READ_TIMEOUT_S = 2
"""Of one answer to a scrape: a scraper gives up after 10 s, the gateway at 29."""

BATCH_TIMEOUT_S = 6
"""Of one to a batch, whose caller can wait: Lambda gives it a minute, and would begin it anew a minute later."""

_LOST = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}


class Snapshots:
    """The one snapshot of a bucket."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    def read(self) -> Snapshot | None:
        """
        The newest snapshot; None before the first.

        Raises:
            Unavailable: S3 did not give it, or what it gave is broken or of another release.
        """
        kept, _ = self._kept(READ_TIMEOUT_S)
        if isinstance(kept, ValidationError):
            raise Unavailable("the snapshot is not one this release can read; the next batch replaces it") from kept
        return kept

    def write(self, snapshot: Snapshot) -> None:
        """
        Keep a snapshot, unless one at least as new is kept already; an unreadable one is older than any.

        It was written because a batch was: whatever had been failing is not any more.

        Raises:
            Unavailable: S3 did not take it, or others were quicker every time and yet none of them had a newer one.
        Source:
            Amazon S3 user guide, "Conditional writes": 412 if the object changed, 409 if it was being changed.
        """
        for _ in range(MAX_TRIES):
            kept, etag = self._kept(BATCH_TIMEOUT_S)
            newest = snapshot.behind(kept if isinstance(kept, Snapshot) else None)
            if newest == kept or self._replace(newest, etag, BATCH_TIMEOUT_S):
                return
        raise Unavailable(f"snapshot {snapshot.version} was outrun {MAX_TRIES} times")

    def note_failure(self, at: datetime) -> None:
        """
        Let the snapshot tell since when ingest has been failing; what it counts stays. Never raises.

        It is as impatient as a scrape: the time of the batch that failed is what is left.
        """
        try:
            for _ in range(MAX_TRIES):
                kept, etag = self._kept(READ_TIMEOUT_S)
                if isinstance(kept, ValidationError):
                    return
                noted = (kept or Snapshot.empty(at)).failing(at)
                if noted == kept or self._replace(noted, etag, READ_TIMEOUT_S):
                    return
        except Exception as error:  # noqa: BLE001  # the batch's own failure is the one to be told
            logger.warning("failure not noted", exc_info=error)

    def _kept(self, timeout_s: float) -> tuple[Snapshot | ValidationError | None, str | None]:
        with _asking("read", timeout_s) as s3:
            try:
                kept = s3.get_object(Bucket=self._bucket, Key=KEY)
            except s3.exceptions.NoSuchKey:
                return None, None
            body, etag = kept["Body"].read(), kept["ETag"]
        try:
            return Snapshot.model_validate_json(body), etag
        except ValidationError as error:
            logger.warning("snapshot unreadable", exc_info=error)
            return error, etag

    def _replace(self, snapshot: Snapshot, etag: str | None, timeout_s: float) -> bool:
        unchanged = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        body = snapshot.model_dump_json().encode()
        with _asking("written", timeout_s) as s3:
            try:
                s3.put_object(Bucket=self._bucket, Key=KEY, Body=body, ContentType="application/json", **unchanged)
            except s3.exceptions.ClientError as error:
                if error.response["Error"]["Code"] in _LOST:
                    return False
                raise
            return True


def _asking(done: str, timeout_s: float) -> AbstractContextManager[Any]:
    return buckets.asking(lambda: _s3(timeout_s), "snapshot", f"the snapshot cannot be {done}")


@cache
def _s3(read_timeout_s: float) -> Any:  # noqa: ANN401  # boto3 makes its classes while it runs
    return buckets.client(connect_timeout_s=CONNECT_TIMEOUT_S, read_timeout_s=read_timeout_s, tries=TRIES)


def forget_clients() -> None:
    """Let go of the clients, with their credentials and connections: a copy of this process begins with none."""
    _s3.cache_clear()


before_snapshot(forget_clients)
