"""
A process that Lambda copies, by SnapStart: what is not to be in the snapshot, and what each copy makes anew.

Whoever keeps such a thing says so here as it is imported, before there is any snapshot. What libraries keep and say
nothing of, random numbers and AWS's credentials, is on this page. Where nothing is copied, nobody calls any of it.
"""

import sys
from collections.abc import Callable
from contextlib import suppress

Hook = Callable[[], None]


def before_snapshot(drop: Hook) -> None:
    """Have something let go of before the process is copied; what came last goes first."""
    with suppress(ImportError):  # it comes with Lambda's runtime, and is nowhere else
        from snapshot_restore_py import register_before_snapshot  # noqa: PLC0415

        register_before_snapshot(drop)


def after_restore(renew: Hook) -> None:
    """Have something made anew in each copy, before its first request."""
    with suppress(ImportError):
        from snapshot_restore_py import register_after_restore  # noqa: PLC0415

        register_after_restore(renew)


def reseed() -> None:
    """
    Give each copy random numbers of its own: ids of OpenTelemetry's spans, and how long boto3 waits before it retries.

    Those of the system are: the kernel's generator knows that it has been copied.
    """
    if random := sys.modules.get("random"):  # who has none imported has none to share
        random.seed()


def forget_credentials() -> None:
    """Let go of boto3's session, whose credentials are the snapshot's; the next client begins another."""
    if boto3 := sys.modules.get("boto3"):
        vars(boto3)["DEFAULT_SESSION"] = None


before_snapshot(forget_credentials)
after_restore(reseed)
