"""Debian's packages, one command at a time: apt-get fails where another one is at work."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from cdk.local.instance import ROOT

_LOCK = ROOT / ".run" / "tools" / "apt.lock"


def apt_get(*command: str, cwd: Path = ROOT) -> bool:
    """Whether it went well, which it does not where there is no apt-get."""
    program = shutil.which("apt-get")
    if program is None:
        return False
    _LOCK.parent.mkdir(parents=True, exist_ok=True)
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        run = subprocess.run([program, *command], cwd=cwd, env=environment, capture_output=True, check=False)
    return run.returncode == 0


def is_root() -> bool:
    """Whether packages can be installed, and the list of them renewed."""
    return os.geteuid() == 0
