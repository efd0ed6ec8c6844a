"""What leaves this function says which call it leaves from, so that the next one's calls are found with it."""

import base64
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from dyno import tracing
from dyno.metrics.calls import current
from dyno.observability import CORRELATION_ID, PARENT_CALL_ID, TRACEPARENT, current_request, is_correlation_id

C = TypeVar("C")
"""A boto3 client."""

Params = dict[str, Any]

MAX_ATTRIBUTES = 10
"""Of an SQS message, and of an SNS message that is delivered raw."""

MAX_CLIENT_CONTEXT = 3_583
"""Bytes, in base64."""

MAX_MESSAGE = 262_144 - 2_048
"""Bytes of a message, or of a batch, that is added to: the services' limit, less what is added to one and a margin.
What would be refused for an id goes without."""

ADDED = 512
"""Bytes that the attributes of one message take at most."""


def correlation_headers() -> dict[str, str]:
    """
    Headers for whatever HTTP client: X-Correlation-Id, X-Parent-Call-Id, and the place in the trace.

    That is the current call's span, by traceparent or X-Amzn-Trace-Id as TRACING says; of a call that is not traced,
    the traceparent that came in, if one did. Empty outside of a request and a call.
    """
    call, request = current(), current_request()
    known_by = request.correlation_id if request else call.correlation_id if call else ""
    if not is_correlation_id(known_by):
        return {}
    headers = {CORRELATION_ID: known_by}
    if call is not None:
        headers[PARENT_CALL_ID] = call.event_id
    place = dict(tracing.headers(call.span if call else None))
    if not place and request is not None and request.traceparent is not None:
        place = {TRACEPARENT: request.traceparent}
    return headers | place


def correlated(client: C) -> C:
    """
    The same boto3 client, whose calls now say what they are part of; a second time changes nothing.

    Lambda's Invoke has it in the client context's `custom` (of which Lambda hands on that of synchronous invokes only),
    messages to SQS and SNS in message attributes, where there is room and the caller has not set them. Every request
    has the header X-Correlation-Id, signed: for EventBridge it is the only place, an event's detail being the caller's.

    Source:
        Lambda API reference, Invoke: 3,583 bytes of client context; SQS developer guide, message attributes: at most 10
        (they count towards the size of a message or a batch, at most 256 KB); SNS developer guide, raw message
        delivery: likewise.
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
    if "PhoneNumber" not in params and _size(params) <= MAX_MESSAGE:  # a text message has none of its own
        params["MessageAttributes"] = _attributes(params.get("MessageAttributes") or {}, headers)


def _size(message: Params) -> int:
    """Bytes of a message with its attributes, as the services count them or more."""
    return sum(map(_bytes, message.values()))


def _bytes(value: object) -> int:
    if isinstance(value, Mapping):
        return sum(_bytes(name) + _bytes(each) for name, each in value.items())
    return len(value) if isinstance(value, bytes | bytearray) else len(str(value).encode("utf-8", "surrogatepass"))


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
        if sum(_size(entry) + ADDED for entry in given) > MAX_MESSAGE:
            return
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
