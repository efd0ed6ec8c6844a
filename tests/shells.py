"""The shells that run the monitoring task's scripts; one that is missing fails its cases, unless SKIP names it."""

import pytest

from cdk.local.busybox import busybox

SYSTEM, OF_INIT, OF_PROMETHEUS = "sh", "bash", "busybox"
"""The system's own, which is dash on Debian; that of the init container's image; that of Prometheus'."""


def each(*names: str) -> list[object]:
    """Cases by shell, for `parametrize`."""
    return [pytest.param(name, marks=pytest.mark.needs(name)) if name == OF_PROMETHEUS else name for name in names]


def command(name: str) -> list[str]:
    """
    What runs a script.

    Raises:
        LocalStackError: It cannot be had here.
    """
    match name:
        case "busybox":
            return [str(busybox()), "sh"]
        case "bash":
            return [name, "--posix"]
    return [name]
