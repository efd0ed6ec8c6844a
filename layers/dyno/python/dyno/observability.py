"""The logger, and whose request is being served: correlation id, caller, deadline."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from aws_lambda_powertools import Logger

logger = Logger(service="dyno", use_rfc3339=True)

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_AMZN_TRACE_ROOT = re.compile(r"(?:^|;)\s*Root=(1-[0-9a-f]{8}-[0-9a-f]{24})")


@dataclass(frozen=True, slots=True)
class Request:
    """
    The request being served.

    Attributes:
        correlation_id: Shared by every record, log line and answer of the request.
        sub: The caller's id in the user pool, a person's or a machine's; None for timers.
    """

    correlation_id: str
    sub: str | None = None


_request: ContextVar[Request | None] = ContextVar("dyno_request", default=None)


def current_request() -> Request | None:
    """The request this code runs for; None outside of one."""
    return _request.get()


@contextmanager
def serving(request: Request) -> Iterator[Request]:
    """Make `request` the current one, for this context and the tasks it starts."""
    token = _request.set(request)
    logger.append_keys(correlation_id=request.correlation_id)
    try:
        yield request
    finally:
        logger.remove_keys(["correlation_id"])
        _request.reset(token)


def correlation_id(headers: Mapping[str, str], request_id: str) -> str:
    """
    The id a request is known by: X-Correlation-Id, else traceparent, else X-Amzn-Trace-Id, else the gateway's own.

    Args:
        headers: Any case; a header that is not of its form is passed over.
        request_id: The gateway's request id.
    Source:
        W3C Trace Context, section 3.2; AWS X-Ray tracing header.
    """
    given = {name.lower(): value for name, value in headers.items() if value}
    if _CORRELATION_ID.fullmatch(given.get("x-correlation-id", "")):
        return given["x-correlation-id"]
    if match := _TRACEPARENT.fullmatch(given.get("traceparent", "")):
        return match[1]
    if match := _AMZN_TRACE_ROOT.search(given.get("x-amzn-trace-id", "")):
        return match[1]
    return request_id
