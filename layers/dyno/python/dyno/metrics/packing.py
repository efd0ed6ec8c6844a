"""What ingest is handed: the batch that a kept failure was, and batches of lines read from the log."""

import base64
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from dyno.metrics.model import LogBatch

Line = Mapping[str, Any]
"""An event as FilterLogEvents gives it."""

SLICE = timedelta(hours=1)
"""The log is read in pieces, so that a run that had to stop can say where the next goes on."""

MAX_LINES = 500
MAX_BYTES = 4_000_000
"""Of a batch's text: packed, it stays under the 6 MB of Lambda's request whatever the text is."""

_BROKEN = (ValueError, TypeError, KeyError, OSError, EOFError, RecursionError, zlib.error)
"""What unpacking raises of something that nobody packed."""


def failed_event(kept: bytes) -> dict[str, Any] | None:
    """
    The log batch that an invocation failed on, from Lambda's record of it; None if it is no such record.

    Source:
        Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations".
    """
    try:
        event: dict[str, Any] = json.loads(kept)["requestPayload"]
        LogBatch.unpack(event)
    except _BROKEN:
        return None
    return event


def slices(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """A period in pieces of SLICE, the last of them shorter; none is empty."""
    while since < until:
        behind = min(since + SLICE, until)
        yield since, behind
        since = behind


def batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Lines in their order, as many at once as one call of ingest takes."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        length = len(line["message"].encode(errors="replace"))
        if batch and (len(batch) == MAX_LINES or size + length > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += length
    if batch:
        yield batch


def delivery(lines: Iterable[Line]) -> dict[str, Any]:
    """Lines as the log subscription delivers them."""
    events = [
        {"id": line.get("eventId", ""), "timestamp": line["timestamp"], "message": line["message"]} for line in lines
    ]
    batch = {"messageType": "DATA_MESSAGE", "subscriptionFilters": ["redrive"], "logEvents": events}
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(batch).encode())).decode()}}
