"""Calls as subsegments of Lambda's segment, by the X-Ray SDK behind Powertools' Tracer."""

import copy
import os
import re
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any

from aws_lambda_powertools import Tracer
from aws_xray_sdk import global_sdk_config
from aws_xray_sdk.core.models.subsegment import Subsegment
from aws_xray_sdk.core.models.trace_header import TraceHeader

MAX_NAME = 200
TRACE_ID = "X-Amzn-Trace-Id"

_NOT_ALLOWED = re.compile(r"[^\w\s.:/%&#=+\\@-]")


class CallSubsegment(Subsegment):  # type: ignore[misc]  # the library is not typed
    """
    A call's subsegment.

    The recorder has a stack for each thread and closes whatever is on top, but calls that take turns in a thread end in
    any order. So a call hangs in its trace by its ids alone, and is on the stack for nothing but the user's own
    subsegments to hang below it.
    """

    __slots__ = ("stack",)  # what is in __dict__ becomes part of the document

    def end(self, outcome: str, error_type: str | None, error_message: str | None) -> None:
        """Send it."""
        with suppress(ValueError):  # the recorder may have begun a new stack
            self.stack.remove(self)
        self.put_annotation("outcome", outcome)
        if outcome == "error":
            # In place of the error itself, whose message is not scrubbed, and without its stack.
            self.add_exception(type(str(error_type), (Exception,), {})(error_message or ""), None)
        super().close()
        _recorder().emitter.send_entity(self)

    def headers(self) -> dict[str, str]:
        """
        Its place in its trace; it is there only if the request is sampled.

        Source:
            X-Ray Developer Guide, "Tracing header".
        """
        parent_id = _innermost(self.stack, self.id)
        return {TRACE_ID: f"Root={self.trace_id};Parent={parent_id};Sampled=1"}

    def add_subsegment(self, subsegment: Subsegment) -> None:
        """
        Take in one of the user's.

        It hangs below by its id alone, too: it may outlast the call, which is sent without waiting for it.
        """
        self.parent_segment.add_subsegment(subsegment)
        subsegment.parent_id = self.id

    def close(self, end_time: float | None = None) -> None:
        """
        Close the last of the user's instead.

        Only the recorder asks for this, when a subsegment of the user's ends while a call that began later is on top.
        """
        stack = _stack()
        theirs = next((each for each in reversed(stack) if not isinstance(each, CallSubsegment)), None)
        if theirs is not None:
            stack.remove(theirs)
            theirs.close(end_time)
        stack.append(theirs or self)  # for the recorder to take off

    def _check_ended(self) -> None:
        """A user's code may still hold a call that the deadline has closed, and is not to hear of it."""


def begin(service: str, method: str, parent: CallSubsegment | None, correlation_id: str) -> CallSubsegment | None:
    """
    A call's subsegment below its parent's, or below one of the user's own that is open in there.

    Args:
        parent: None for Lambda's segment, which must be sampled.
    """
    if _tracer().disabled or not global_sdk_config.sdk_enabled():
        return None
    trace_id, parent_id = _parent(parent)
    if not (trace_id and parent_id):
        return None
    stack = _stack()
    call = CallSubsegment(_name(service, method), "local", _recorder().current_segment())
    call.trace_id, call.parent_id, call.stack = trace_id, _innermost(stack, parent_id), stack
    call.put_annotation("correlation_id", correlation_id)
    call.put_annotation("Service", _tracer().service)
    stack.append(call)
    return call


def _parent(call: CallSubsegment | None) -> tuple[str | None, str | None]:
    """Ids of a call's trace and its own; of none, of the invocation's."""
    if call is not None:
        return call.trace_id, call.id
    # Not the recorder's idea of Lambda's segment: to another invocation of the same trace it gives the first one's.
    header = TraceHeader.from_header_str(os.environ.get("_X_AMZN_TRACE_ID"))
    return header.root, header.parent


def _innermost(stack: list[Any], parent_id: str) -> str:
    """The innermost of the user's subsegments that hangs, by others of theirs, below a parent; else that itself."""
    for each in stack:
        if each.parent_id == parent_id and each.sampled and not isinstance(each, CallSubsegment):
            parent_id = each.id
    return parent_id


def _stack() -> list[Any]:
    """This thread's open subsegments of this invocation; the SDK has no public way to them."""
    context = _recorder().context
    context.get_trace_entity()  # forgets an earlier invocation's
    stack: list[Any] = context._local.entities  # noqa: SLF001
    return stack


@lru_cache(maxsize=1_000)
def _name(service: str, method: str) -> str:
    """
    The name as X-Ray takes it.

    Source:
        X-Ray Developer Guide, "Segment documents": characters and length of `name`.
    """
    return _NOT_ALLOWED.sub("", f"{service}.{method}")[:MAX_NAME]


class _Tracer(Tracer):
    """Powertools' Tracer; all others share one configuration, and this one's would become the user's."""

    _config = copy.copy(Tracer._default_config)  # noqa: SLF001


def _recorder() -> Any:  # noqa: ANN401  # the library is not typed
    return _tracer().provider


@cache
def _tracer() -> _Tracer:
    return _Tracer(service=os.environ.get("POWERTOOLS_SERVICE_NAME") or "dyno", auto_patch=False)
