"""Requests that waited for their environment to start."""

import os
from contextlib import suppress
from itertools import count

from dyno.metrics.calls import lines, write

_invocations = count()


def note_cold_start(context: object) -> None:
    """
    Count the first invocation of an environment as a ColdStart of its function, in strategy `cloudwatch`; never raises.

    Only where Lambda started the environment for that request: one that was started ahead of it (provisioned
    concurrency) or restored from a snapshot (SnapStart) kept nobody waiting for imports, and Lambda has metrics of its
    own for restores. A process forked from one that served has had its first invocation, too.

    Args:
        context: Lambda's; its function's name is the dimension.
    Source:
        Lambda Developer Guide, "Defined runtime environment variables": AWS_LAMBDA_INITIALIZATION_TYPE.
    """
    if next(_invocations) or os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand") != "on-demand":
        return
    with suppress(Exception):  # measuring never breaks what it measures
        name = getattr(context, "function_name", None)
        line = lines().cold_start(name) if isinstance(name, str) else None
        if line:
            write(line)
