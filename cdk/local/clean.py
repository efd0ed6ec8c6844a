"""Forgets everything a local stack remembers, after stopping what runs."""

import os
import shutil
import signal
import time

from cdk.local import processes
from cdk.local.instance import ROOT, Instance, LocalStackError

STOP_S = 25


def forget_all() -> None:
    """
    Stop every stack of this checkout, what watches it first, and remove .run/.

    Raises:
        LocalStackError: One did not stop.
    """
    folder = ROOT / ".run"
    for lock in (*folder.glob("*/monitor/lock"), *folder.glob("*/lock")):
        instance = Instance(lock.parent)
        _stop(instance)
        processes.end_leftovers(instance)
    shutil.rmtree(ROOT / ".run", ignore_errors=True)


def _stop(instance: Instance) -> None:
    deadline = time.monotonic() + STOP_S
    while holder := instance.holder():
        if time.monotonic() > deadline:
            raise LocalStackError(f"the stack in {instance.folder} does not stop; its process is {holder}")
        os.kill(holder, signal.SIGTERM)
        time.sleep(0.2)
