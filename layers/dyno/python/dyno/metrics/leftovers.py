"""What did not reach the database, where AWS keeps it, and ingest, to which it is handed again."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dyno.errors import Unavailable
from dyno.metrics.catalogue import RECORD
from dyno.metrics.scrub import scrub
from dyno.observability import logger
from dyno.settings import RedriveSettings

TERM = f'"{RECORD}"'
"""The quoted term by which the subscription finds a line too."""

MAX_OBJECT = 8_000_000
"""Bytes; Lambda's record of an asynchronous invocation is little longer than its payload, which has 1 MB at most."""

MAX_WHY = 300

_PATIENT = Config(
    # Throttling is waited for; ingest answers within its own 60 s, with a failure if need be.
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=5,
    read_timeout=70,
)


class Leftovers:
    """
    The failed batches, the call log, and ingest.

    Whatever AWS does not do is raised as Unavailable, with AWS's code for it; so is a failure of ingest.
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

    def lines(self, since: datetime, until: datetime) -> Iterator[Mapping[str, Any]]:
        """
        Records in the call log, written at `since` or later and before `until`, to the millisecond.

        Source:
            CloudWatch Logs API, FilterLogEvents: both times are within the range.
        """
        first_ms, behind_ms = (int(at.timestamp() * 1000) for at in (since, until))
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=self._log_group, filterPattern=TERM, startTime=first_ms, endTime=behind_ms - 1
        )
        with _asking("the call log cannot be read"):
            for page in pages:
                yield from page["events"]

    def ingest(self, event: Mapping[str, Any]) -> Any:  # noqa: ANN401  # JSON
        """What ingest answers to an event."""
        with _asking("ingest cannot be called"):
            answer = self._lambda.invoke(FunctionName=self._ingest, Payload=json.dumps(event).encode())
            said = answer["Payload"].read()
        if "FunctionError" in answer:
            raise Unavailable(f"ingest failed: {_why(said)}")
        return json.loads(said)


def client(service: str) -> Any:  # noqa: ANN401  # boto3 makes its classes while it runs
    """A client that waits where it is throttled."""
    return boto3.client(service, config=_PATIENT)  # type: ignore[call-overload]  # any service


@contextmanager
def _asking(failure: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        # AWS names accounts, roles and buckets: that is for the log.
        logger.warning(failure, exc_info=error)
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        raise Unavailable(f"{failure}: {code}") from error


def _why(said: bytes) -> str:
    try:
        told = json.loads(said)
        why = f"{told['errorType']}: {told['errorMessage']}"
    except (ValueError, TypeError, KeyError):
        why = said.decode(errors="replace")
    return " ".join(scrub(why, MAX_WHY).split())
