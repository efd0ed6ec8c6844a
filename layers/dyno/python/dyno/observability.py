"""The logger, and whose request is being served: correlation id, caller, and the call elsewhere that it comes from."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from dyno.scrub import scrub
from dyno.stacktrace import stack_trace

MAX_SAID = 2_000
"""Characters of whatever a log line quotes: half of them may be somebody else's."""


class ScrubbedFormatter(LambdaPowertoolsFormatter):
    """Log lines as Powertools writes them, without what must not be kept: messages, errors and whatever is added."""

    def __init__(self) -> None:
        super().__init__(use_rfc3339=True, serialize_stacktrace=False)

    def formatException(self, ei: Any) -> str:  # noqa: ANN401, N802  # as the library has it
        """The error with what it came of."""
        return stack_trace(ei[1])

    def serialize(self, log: Any) -> str:  # noqa: ANN401  # as the library has it
        """The line."""
        return super().serialize({name: _scrubbed(name, value) for name, value in log.items()})


def _scrubbed(name: str, value: Any) -> Any:  # noqa: ANN401  # JSON of any shape
    """A value of a line; JSON of any shape keeps it, anything else is text. The stack trace is scrubbed already."""
    if isinstance(value, Mapping):
        return {key: _scrubbed(str(key), each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_scrubbed(name, each) for each in value]
    if value is None or isinstance(value, (bool, int, float)) or name == "exception":
        return value
    # With its name: a secret may look like anything.
    said = f"{name}: {value}"
    kept = scrub(said, MAX_SAID + len(name))
    return str(value) if kept == said else kept.removeprefix(f"{name}: ")


logger = Logger(service="dyno", logger_formatter=ScrubbedFormatter())

CORRELATION_ID = "X-Correlation-Id"
PARENT_CALL_ID = "X-Parent-Call-Id"
TRACEPARENT = "traceparent"

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
_AMZN_TRACE_ROOT = re.compile(r"(?:[^;]*;)*?\s*Root=(1-[0-9a-f]{8}-[0-9a-f]{24})(?:;|\Z)")
_FORMS = {
    CORRELATION_ID.lower(): _CORRELATION_ID,
    PARENT_CALL_ID.lower(): re.compile(r"[A-Za-z0-9._:-]{1,100}\Z"),  # an event id, as the records have it
    # W3C Trace Context, section 3.2: version ff and ids of nothing but zeros are not valid.
    TRACEPARENT: re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z"),
    "x-amzn-trace-id": _AMZN_TRACE_ROOT,
}
_IN_DETAIL = ("correlationId", "correlation_id")
"""How events spell it where a header's name would look odd."""

MAX_SUB = 200


@dataclass(frozen=True, slots=True)
class Request:
    """
    The request being served.

    Attributes:
        correlation_id: Shared by every record, log line and answer of the request.
        sub: The caller's id in the user pool, a person's or a machine's; None for timers.
        parent_call_id: The event id of the call, in another function, that the request was made in.
        traceparent: The caller's place in its trace, as it came in.
    """

    correlation_id: str
    sub: str | None = None
    parent_call_id: str | None = None
    traceparent: str | None = None


_request: ContextVar[Request | None] = ContextVar("dyno_request", default=None)


def current_request() -> Request | None:
    """The request this code runs for; None outside of one."""
    return _request.get()


@contextmanager
def serving(request: Request) -> Iterator[Request]:
    """Make `request` the current one, for this context and the tasks and threads it starts."""
    outside = current_request()
    logger.append_keys(correlation_id=request.correlation_id)
    try:
        with continuing(request):
            yield request
    finally:
        if outside is None:
            logger.remove_keys(["correlation_id"])
        else:
            logger.append_keys(correlation_id=outside.correlation_id)


@contextmanager
def continuing(request: Request | None) -> Iterator[None]:
    """Make `request`, served elsewhere in this process, the current one here; the logger has its keys already."""
    outside = _request.get()
    _request.set(request)
    try:
        yield
    finally:
        _request.set(outside)  # by its value: a token is of no use where this is left in another context


def is_correlation_id(text: str) -> bool:
    """Whether a text is of the form that every reader of an X-Correlation-Id takes."""
    return _CORRELATION_ID.match(text) is not None


def incoming(event: object, context: object) -> Request:
    """
    The request that a Lambda event is; of an event that says nothing, or is malformed in any way, one all the same.

    Its correlation id is the first of
    1. X-Correlation-Id, if it is of [A-Za-z0-9._-]{1,128};
    2. the trace id of traceparent; 3. the root of X-Amzn-Trace-Id;
    4. the id its source gave the event: the gateway's request id, EventBridge's event id;
    5. the root of Lambda's own trace; 6. Lambda's request id.

    Those names, in any case, and X-Parent-Call-Id are looked up in
    1. the client context's `custom`, which Lambda hands on from synchronous invokes only;
    2. the headers of an API Gateway (REST and HTTP), load balancer or function URL event;
    3. the message attributes of the first record of an SQS or SNS event, also inside SNS's envelope in an SQS body;
       the record's AWSTraceHeader counts as X-Amzn-Trace-Id;
    4. the detail of an EventBridge event, which may also spell it correlation_id or correlationId.

    Args:
        context: Lambda's.
    Source:
        W3C Trace Context, section 3.2; AWS X-Ray tracing header; the Lambda developer guide's event of each service.
    """
    try:
        return _incoming(event, context)
    except BaseException:  # noqa: BLE001  # an event or a context may raise whatever it likes when it is asked
        return Request(_own_id())


def _incoming(event: object, context: object) -> Request:
    given = _given(event, context)
    traceparent, amzn = given.get(TRACEPARENT), given.get("x-amzn-trace-id")
    found = given.get(CORRELATION_ID.lower())
    parent = given.get(PARENT_CALL_ID.lower())
    return Request(
        found[0] if found else traceparent[1] if traceparent else amzn[1] if amzn else _id_of(event, context),
        _sub(event),
        parent[0] if parent else None,
        traceparent[0] if traceparent else None,
    )


def _given(event: object, context: object) -> dict[str, re.Match[str]]:
    """What the event carries of _FORMS and is of its form, by the name in lower case."""
    given: dict[str, re.Match[str]] = {}
    for carrier in _carriers(event, context):
        if isinstance(carrier, Mapping):
            for name, value in carrier.items():
                form = _FORMS.get(name.lower()) if isinstance(name, str) else None
                if form and (match := form.match(_text(value))):
                    given[name.lower()] = match
    return given


def _carriers(event: object, context: object) -> Iterator[object]:
    """What may carry them; the later takes precedence."""
    detail = _at(event, "detail")
    for name in _IN_DETAIL:
        yield {CORRELATION_ID: _at(detail, name)}
    yield detail
    record = _at(event, "Records", 0)
    yield {"x-amzn-trace-id": _at(record, "attributes", "AWSTraceHeader")}
    yield _at(_envelope(record), "MessageAttributes")
    yield _at(record, "Sns", "MessageAttributes")
    yield _at(record, "messageAttributes")
    yield _at(event, "multiValueHeaders")
    yield _at(event, "headers")
    yield getattr(getattr(context, "client_context", None), "custom", None)


def _envelope(record: object) -> object:
    """What SNS wraps a message in, for queues that do not want it raw."""
    body = _at(record, "body")
    if isinstance(body, str) and '"MessageAttributes"' in body:
        with suppress(ValueError, RecursionError):
            return json.loads(body)
    return None


def _id_of(event: object, context: object) -> str:
    trace = _AMZN_TRACE_ROOT.match(os.environ.get("_X_AMZN_TRACE_ID", ""))
    given = (
        _at(event, "requestContext", "requestId"),
        _at(event, "id") if _at(event, "detail-type") else None,
        trace[1] if trace else None,
        getattr(context, "aws_request_id", None),
    )
    # HTTP APIs pad theirs with "=", which no X-Correlation-Id may have.
    ids = (_text(each).rstrip("=") for each in given)
    return next(filter(is_correlation_id, ids), None) or _own_id()


def _own_id() -> str:
    return os.urandom(16).hex()


def _sub(event: object) -> str | None:
    authorizer = _at(event, "requestContext", "authorizer")
    sub = _at(authorizer, "claims", "sub") or _at(authorizer, "jwt", "claims", "sub")
    return sub if isinstance(sub, str) and sub.isprintable() and 0 < len(sub) <= MAX_SUB else None


def _text(value: object) -> str:
    """A header's value, the last of several, or a message attribute's."""
    if isinstance(value, list) and value:
        value = value[-1]
    if isinstance(value, Mapping):
        value = value.get("stringValue") or value.get("Value")
    return value if isinstance(value, str) else ""


def _at(value: Any, *path: str | int) -> Any:  # noqa: ANN401  # an event may be anything
    """What stands in JSON under a path; None if nothing does."""
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value
