"""One invocation of a Lambda function: whose request it is, and when it will be stopped."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from dyno.metrics.coldstart import note_cold_start
from dyno.metrics.watchdog import deadline
from dyno.observability import Request, current_request, incoming, serving

MAX_MS = 900_000
"""The longest any function may run."""


@contextmanager
def invocation(event: object, context: Any) -> Iterator[Request]:  # noqa: ANN401  # Lambda's, or a test's idea of it
    """
    Serve the request of an event, and close what is still open shortly before the function is stopped.

    It takes whatever Lambda gives a handler and never fails of itself. Entered again for the same request, by a tracked
    handler and once more within it, it is the one invocation. Gives the request.
    """
    request = incoming(event, context)
    if request == current_request():
        yield request
        return
    with _deadline(context), serving(request):
        note_cold_start(context)
        yield request


def _deadline(context: Any) -> AbstractContextManager[None]:  # noqa: ANN401
    try:
        remaining_ms = context.get_remaining_time_in_millis()
    except BaseException:  # noqa: BLE001  # not Lambda's context: then nobody stops the function either
        return nullcontext()
    # A mock gives a mock, which would make a float as well.
    known = isinstance(remaining_ms, int | float) and 0 <= remaining_ms <= MAX_MS
    return deadline(remaining_ms) if known else nullcontext()
