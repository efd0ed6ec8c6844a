"""What did not reach the database, where AWS keeps it, and ingest, to which it is handed again."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dyno.errors import DatabaseResuming, DatabaseUnavailable, DynoError, Unavailable
from dyno.metrics.catalogue import RECORD
from dyno.observability import logger
from dyno.scrub import scrub
from dyno.settings import RedriveSettings

TERM = f'"{RECORD}"'
"""The quoted term by which the subscription finds a line too."""

MAX_OBJECT = 8_000_000
"""Bytes; Lambda's record of an asynchronous invocation is little longer than its payload, which has 1 MB at most."""

MAX_WHY = 300

UNFINISHED_KEY = "redrive/unfinished.json"
"""In the failed batches' bucket, and none of them: Lambda's own keys begin with aws/."""

PATIENT = Config(
    # Throttling is waited for; all tries together end within redrive's RESERVE_S.
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=5,
    read_timeout=15,
)

ONCE = Config(
    # Ingest begins within 10 s and answers within its own 60 s, with a failure if need be. A second try would run
    # beside the first, and past the deadline.
    retries={"mode": "standard", "total_max_attempts": 1},
    connect_timeout=5,
    read_timeout=85,
)

_DOWN = {kind.__name__ for kind in (Unavailable, DatabaseUnavailable, DatabaseResuming)}
_TIMED_OUT = "Task timed out after"
"""
Of a function that Lambda had to stop.

Source:
    Lambda Developer Guide, "Troubleshoot invocation issues in Lambda"; its errorType is missing from older runtimes.
"""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class IngestBroke(DynoError):
    """Ingest runs, and breaks on the very event that it was handed; it stays within redrive."""


class Leftovers:
    """
    The failed batches, the call log, and ingest.

    Whatever AWS does not do is raised as Unavailable, with AWS's code for it.
    """

    def __init__(self, known: RedriveSettings) -> None:
        self._bucket = known.failed_batches_bucket
        self._log_group = known.call_log_group_name
        self._ingest = known.ingest_function_name
        self._s3, self._logs, self._lambda = client("s3"), client("logs"), client("lambda")

    def failed_batches(self) -> Iterator[str]:
        """The keys of all objects in the failed batches' bucket, in order, which is that of their time."""
        with _asking("the failed batches cannot be listed"):
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
                yield from (kept["Key"] for kept in page.get("Contents", ()))

    def read(self, key: str) -> bytes | None:
        """An object, MAX_OBJECT bytes of it; None if it is gone."""
        with _asking("a failed batch cannot be read"):
            try:
                body: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read(MAX_OBJECT)
            except self._s3.exceptions.NoSuchKey:
                return None
            return body

    def delete(self, key: str) -> None:
        """Take an object away; one that is gone already stays so."""
        with _asking("a failed batch cannot be deleted"):
            self._s3.delete_object(Bucket=self._bucket, Key=key)

    def keep(self, key: str, body: bytes) -> None:
        """Write an object, in place of what it was; only UNFINISHED_KEY may be."""
        with _asking("what is left unfinished cannot be kept"):
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)

    def pages(self, since: datetime, until: datetime) -> Iterator[Sequence[Mapping[str, Any]]]:
        """
        Records in the call log, written at `since` or later and before `until`, to the millisecond.

        Each page is asked for when it is taken; there may be any number without a record.

        Source:
            CloudWatch Logs API, FilterLogEvents: both times are within the range.
        """
        first_ms, behind_ms = ((at - _EPOCH) // timedelta(milliseconds=1) for at in (since, until))
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=self._log_group, filterPattern=TERM, startTime=first_ms, endTime=behind_ms - 1
        )
        with _asking("the call log cannot be read"):
            for page in pages:
                yield page["events"]

    def ingest(self, event: Mapping[str, Any]) -> Any:  # noqa: ANN401  # JSON
        """
        What ingest answers to an event.

        Raises:
            Unavailable: It is down: it cannot be called, did not answer in time, or has no database.
            IngestBroke: It failed in any other way.
        """
        with _asking("ingest cannot be called"):
            answer = self._lambda.invoke(FunctionName=self._ingest, Payload=json.dumps(event).encode())
            said = answer["Payload"].read()
        if "FunctionError" in answer:
            why = f"ingest failed: {_why(said)}"
            raise Unavailable(why) if _is_down(said) else IngestBroke(why)
        return json.loads(said)


def client(service: str) -> Any:  # noqa: ANN401  # boto3 makes its classes while it runs
    """A client that waits where it is throttled; Lambda's asks once, and waits for the answer."""
    return boto3.client(service, config=ONCE if service == "lambda" else PATIENT)  # type: ignore[call-overload]  # any service


@contextmanager
def _asking(failure: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        # AWS names accounts, roles and buckets: that is for the log.
        logger.warning(failure, exc_info=error)
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        raise Unavailable(f"{failure}: {code}") from error


def _is_down(said: bytes) -> bool:
    told = _told(said)
    return told.get("errorType") in _DOWN or _TIMED_OUT in str(told.get("errorMessage"))


def _told(said: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(said)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _why(said: bytes) -> str:
    try:
        why = "{errorType}: {errorMessage}".format_map(_told(said))
    except KeyError:
        why = said.decode(errors="replace")
    return " ".join(scrub(why, MAX_WHY).split())
