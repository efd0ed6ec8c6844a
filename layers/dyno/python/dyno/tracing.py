"""
The tracing seam: a tracked call as a span of its request's trace, by X-Ray, by OpenTelemetry, or not at all.

TRACING says by which: xray, otel or off; off if it says nothing. A library is imported when the first call that it is
to see begins, and what it does wrong stays in here.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Protocol

from dyno.observability import logger


class Span(Protocol):
    """A call in its trace, as long as it runs."""

    def end(self, outcome: str, error_type: str | None, error_message: str | None) -> None:
        """End it; it may raise."""

    def headers(self) -> Mapping[str, str]:
        """By which another service's spans hang below it; it may raise."""


Begin = Callable[[str, str, Any, str], Span | None]
"""What a library offers: `begin` below, but it may raise. A call's parent is of the same library."""


def begin(service: str, method: str, parent: Span | None, correlation_id: str) -> Span | None:
    """
    A call as a span below its parent's; None if it is not traced, for whatever reason.

    Args:
        parent: The span of the call around this one; None for the outermost, which is the invocation's own.
    """
    if _begin is None:
        return None
    try:
        return _begin(service, method, parent, correlation_id)
    except Exception:  # noqa: BLE001  # tracing never breaks what it traces, nor costs it its record
        return None


def end(span: Span | None, outcome: str, error_type: str | None, error_message: str | None) -> None:
    """
    End a call's span, in whichever thread.

    Args:
        outcome: success, rejected or error.
        error_message: Scrubbed: a trace must not learn what the record does not.
    """
    if span is not None:
        with suppress(Exception):  # tracing never breaks what it traces, nor costs it its record
            span.end(outcome, error_type, error_message)


def headers(span: Span | None) -> Mapping[str, str]:
    """Headers by which what is sent now becomes part of a call's span; none if it is not traced."""
    if span is not None:
        with suppress(Exception):  # an id that is not passed on breaks nothing
            return span.headers()
    return {}


def _look(service: str, method: str, parent: Span | None, correlation_id: str) -> Span | None:
    """The first call has the environment read; from then on this costs nothing."""
    global _begin  # noqa: PLW0603
    _begin = None  # should the choice fail, it stands
    _begin = _chosen(os.environ)
    return begin(service, method, parent, correlation_id)


_begin: Begin | None = _look


def _chosen(env: Mapping[str, str]) -> Begin | None:
    match env.get("TRACING") or "off":
        case "off":
            return None
        case "xray":
            return None if _disabled(env) else _when_sampled
        case "otel":
            return _loaded(_otel)
        case unknown:
            logger.warning("calls are not traced: TRACING=%s is none of xray, otel and off", unknown)
            return None


def _disabled(env: Mapping[str, str]) -> bool:
    # As Powertools reads it; asking its Tracer would import the library that is not to be used.
    return env.get("POWERTOOLS_TRACE_DISABLED", "").lower() in ("1", "y", "yes", "t", "true", "on")


def _when_sampled(service: str, method: str, parent: Span | None, correlation_id: str) -> Span | None:
    """
    By X-Ray, if the invocation is sampled; most are not, and those need no library.

    Source:
        Lambda sets _X_AMZN_TRACE_ID anew for each invocation: Root=…;Parent=…;Sampled=1.
    """
    if parent is None and "Sampled=1" not in os.environ.get("_X_AMZN_TRACE_ID", ""):
        return None
    return _loaded(_xray)(service, method, parent, correlation_id)


@cache
def _loaded(library: Callable[[], Begin]) -> Begin:
    try:
        return library()
    except Exception as error:  # noqa: BLE001  # it may be missing, or too many other things
        # Remembered: a failing import would be tried again by every call.
        logger.warning("calls are not traced: TRACING=%s needs what is not there: %s", os.environ["TRACING"], error)
        return _not


def _not(_service: str, _method: str, _parent: Span | None, _correlation_id: str) -> None:
    return None


def _xray() -> Begin:
    from dyno import xray  # noqa: PLC0415  # imported where it is used

    return xray.begin


def _otel() -> Begin:
    from dyno import otel  # noqa: PLC0415  # imported where it is used

    return otel.begin
