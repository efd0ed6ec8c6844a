"""Calls as spans of the OpenTelemetry API; the SDK, its sampling and its exporter are the environment's."""

from typing import cast

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from dyno.observability import TRACEPARENT, current_request

_tracer = trace.get_tracer("dyno")
_CALL = context.create_key("dyno-call")


class CallSpan:
    """A call's span, the current one for the instrumented libraries that the call uses."""

    __slots__ = ("ended", "outside", "span")

    def __init__(self, span: Span, outside: Context) -> None:
        self.span = span
        self.outside = outside
        self.ended = False

    def end(self, outcome: str, error_type: str | None, error_message: str | None) -> None:
        """End it."""
        self.ended = True
        self._leave()
        self.span.set_attribute("dyno.outcome", outcome)
        if outcome == "error":
            self.span.set_status(Status(StatusCode.ERROR, error_message))
            self.span.set_attribute("error.type", error_type or "")
        self.span.end()

    def headers(self) -> dict[str, str]:
        """
        The traceparent of what is current below it, which may be a span of another library's, else its own.

        Source:
            W3C Trace Context, section 3.2.
        """
        around = context.get_current()
        inside = around if context.get_value(_CALL, around) is self else trace.set_span_in_context(self.span, around)
        carried: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carried, inside)
        return {name: value for name, value in carried.items() if name == TRACEPARENT}

    def _leave(self) -> None:
        # Not by a token: the call may end in another context than it began in, and in any order.
        around = context.get_current()
        if _call_at(around) is self:
            while (call := _call_at(around)) is not None and call.ended:
                around = call.outside
            context.attach(around)


def begin(service: str, method: str, parent: CallSpan | None, correlation_id: str) -> CallSpan:
    """
    A call's span below its parent's, or below one of another library's that is open in there.

    Args:
        parent: None for the invocation's own span, if an instrumentation has begun one, else for the caller's, by the
            request's traceparent.
    """
    outside = context.get_current()
    around = _around(outside, parent)
    attributes = {"dyno.service": service, "dyno.method": method, "dyno.correlation_id": correlation_id}
    call = CallSpan(_tracer.start_span(f"{service}.{method}", around, attributes=attributes), outside)
    context.attach(context.set_value(_CALL, call, trace.set_span_in_context(call.span, around)))
    return call


def _around(outside: Context, parent: CallSpan | None) -> Context:
    if parent is not None:
        inside = context.get_value(_CALL, outside) is parent
        return outside if inside else trace.set_span_in_context(parent.span, outside)
    while (call := _call_at(outside)) is not None:  # it is over, or an earlier invocation's
        outside = call.outside
    request = current_request()
    traceparent = None if request is None else request.traceparent
    if traceparent is None or trace.get_current_span(outside).get_span_context().is_valid:
        return outside
    return TraceContextTextMapPropagator().extract({"traceparent": traceparent}, outside)


def _call_at(around: Context) -> CallSpan | None:
    """The call whose span is the current one; None if it is another library's."""
    call = cast("CallSpan | None", context.get_value(_CALL, around))
    return call if call is not None and trace.get_current_span(around) is call.span else None
