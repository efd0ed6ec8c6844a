"""Answering CloudFormation for the doors that are custom resources."""

import json
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from dyno.errors import InvalidRequest
from dyno.observability import logger
from dyno.scrub import scrub

MAX_REASON = 1024


def answer(event: Mapping[str, Any], physical_id: str, work: Callable[[], Mapping[str, str]]) -> dict[str, Any]:
    """
    Do a custom resource's work and tell CloudFormation how it went; a failure is told too, or the deploy would hang.

    Args:
        event: What CloudFormation sent; without a ResponseURL (invoked by hand) nothing is told.
        physical_id: Stays the same for ever, so that an update never replaces the resource.
        work: Called for Create and Update; a Delete leaves everything as it is.
    Returns:
        What was told, of a success.
    Raises:
        Exception: Whatever the work raised, once it is told: Lambda then counts an error, for an alarm to see. The
            function must be invoked without retries, or the work would be done again.
    Source:
        CloudFormation, custom resource request and response objects.
    """
    if "ResponseURL" not in event:
        return {"Status": "SUCCESS", "Data": dict(work())}
    try:
        data = dict(work()) if _is_for_work(event["RequestType"]) else {}
    except Exception as error:
        logger.exception("custom resource failed")
        _tell_failure(event, physical_id, scrub(f"{type(error).__name__}: {error}", MAX_REASON))
        raise
    return _tell(event, physical_id, {"Status": "SUCCESS", "Data": data})


def _is_for_work(request_type: object) -> bool:
    if request_type not in ("Create", "Update", "Delete"):
        raise InvalidRequest(f"RequestType: CloudFormation has no {request_type!r}")
    return request_type != "Delete"


def _tell_failure(event: Mapping[str, Any], physical_id: str, reason: str) -> None:
    try:
        _tell(event, physical_id, {"Status": "FAILED", "Reason": reason})
    except Exception:  # noqa: BLE001  # what failed first is what is to be known
        logger.exception("CloudFormation could not be told")


def _tell(event: Mapping[str, Any], physical_id: str, said: Mapping[str, Any]) -> dict[str, Any]:
    told = {
        **said,
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        "PhysicalResourceId": event.get("PhysicalResourceId", physical_id),
    }
    _put(event["ResponseURL"], json.dumps(told).encode())
    return told


def _put(url: str, body: bytes) -> None:
    # The URL is presigned for an empty content type.
    request = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310  # CloudFormation's own bucket
        return
