"""What leaves this function says which call it leaves from, so that the next one's calls are found with it."""

import base64
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from dyno.metrics.calls import current
from dyno.observability import CORRELATION_ID, PARENT_CALL_ID, TRACEPARENT, current_request, is_correlation_id

C = TypeVar("C")
"""A boto3 client."""

Params = dict[str, Any]

MAX_ATTRIBUTES = 10
"""Of an SQS message, and of an SNS message that is delivered raw."""

MAX_CLIENT_CONTEXT = 3_583
"""Bytes, in base64."""


def correlation_headers() -> dict[str, str]:
    """
    Headers for whatever HTTP client: X-Correlation-Id, X-Parent-Call-Id, and the traceparent that came in, if one did.

    Empty outside of a request and a call.
    """
    call, request = current(), current_request()
    known_by = request.correlation_id if request else call.correlation_id if call else ""
    if not is_correlation_id(known_by):
        return {}
    headers = {CORRELATION_ID: known_by}
    if call is not None:
        headers[PARENT_CALL_ID] = call.event_id
    if request is not None and request.traceparent is not None:
        headers[TRACEPARENT] = request.traceparent
    return headers


def correlated(client: C) -> C:
    """
    The same boto3 client, whose calls now say what they are part of; a second time changes nothing.

    Lambda's Invoke has it in the client context's `custom` (of which Lambda hands on that of synchronous invokes only),
    messages to SQS and SNS in message attributes, where there is room and the caller has not set them. Every request
    has the header X-Correlation-Id, signed: for EventBridge it is the only place, an event's detail being the caller's.

    Source:
        Lambda API reference, Invoke: 3,583 bytes of client context; SQS developer guide, message attributes: at most 10
        (they count towards the size of a message); SNS developer guide, raw message delivery: likewise.
    """
    events: Any = client.meta.events  # type: ignore[attr-defined]  # every client has it, and no type of botocore says so
    for name, carry in _CARRIERS.items():
        events.register(name, _quietly(carry), unique_id=f"dyno-correlation-{name}")
    return client


def _quietly(carry: Callable[[Params, dict[str, str]], None]) -> Callable[..., None]:
    def handle(params: Params, **_: object) -> None:
        with suppress(Exception):  # an id that is not passed on breaks nothing
            headers = correlation_headers()
            if headers:
                carry(params, headers)

    return handle


def _in_header(params: Params, headers: dict[str, str]) -> None:
    params["headers"].setdefault(CORRELATION_ID, headers[CORRELATION_ID])


def _in_client_context(params: Params, headers: dict[str, str]) -> None:
    context = json.loads(base64.b64decode(params.get("ClientContext") or "e30="))
    context["custom"] = headers | (context.get("custom") or {})
    encoded = base64.b64encode(json.dumps(context).encode()).decode()
    if len(encoded) <= MAX_CLIENT_CONTEXT:
        params["ClientContext"] = encoded


def _in_attributes(params: Params, headers: dict[str, str]) -> None:
    if "PhoneNumber" not in params:  # a text message has none of its own
        params["MessageAttributes"] = _attributes(params.get("MessageAttributes") or {}, headers)


def _attributes(given: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    # A new one: the caller may send with the same dict again, in another call.
    attributes = dict(given)
    for name, value in headers.items():
        if len(attributes) < MAX_ATTRIBUTES:
            attributes.setdefault(name, {"DataType": "String", "StringValue": value})
    return attributes


def _in_each(entries: str) -> Callable[[Params, dict[str, str]], None]:
    def carry(params: Params, headers: dict[str, str]) -> None:
        given = params[entries]
        params[entries] = [
            entry | {"MessageAttributes": _attributes(entry.get("MessageAttributes") or {}, headers)} for entry in given
        ]

    return carry


_CARRIERS = {
    "before-parameter-build.lambda.Invoke": _in_client_context,
    "before-parameter-build.lambda.InvokeWithResponseStream": _in_client_context,
    "before-parameter-build.sqs.SendMessage": _in_attributes,
    "before-parameter-build.sqs.SendMessageBatch": _in_each("Entries"),
    "before-parameter-build.sns.Publish": _in_attributes,
    "before-parameter-build.sns.PublishBatch": _in_each("PublishBatchRequestEntries"),
    "before-call": _in_header,  # the request is there, and not yet signed
}
