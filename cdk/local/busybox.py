"""The shell and the commands of Prometheus' image: the system's own busybox, or Debian's, which needs nothing else."""

import shutil
from pathlib import Path

from cdk.local import debian


def busybox() -> Path:
    """
    The program, the system's own if there is one.

    Raises:
        LocalStackError: It cannot be had here.
    """
    if installed := shutil.which("busybox"):
        return Path(installed)
    return debian.unpacked("busybox-static", "busybox")
