"""Prometheus and its own checker: the system's own, or those of Debian's package."""

import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from cdk.local import debian
from cdk.local.instance import LocalStackError

_NAMING = 3
"""Its exit status if names are all that is wrong."""


def promtool() -> Path:
    """
    The checker, the system's own if there is one.

    Raises:
        LocalStackError: It cannot be had here.
    """
    return _program("promtool")


def prometheus() -> Path:
    """
    The server, the system's own if there is one.

    Raises:
        LocalStackError: It cannot be had here.
    """
    return _program("prometheus")


def check_metrics(exposition: str, but_for: Collection[str] = ()) -> None:
    """
    Hold a text to Prometheus' exposition format and naming rules.

    Args:
        but_for: Families whose names somebody else chose.
    Raises:
        LocalStackError: It does not keep them; says how.
    """
    checked = subprocess.run(
        [promtool(), "check", "metrics"], input=exposition, capture_output=True, text=True, check=False
    )
    complaints = [line for line in checked.stderr.splitlines() if line.split(" ", 1)[0] not in but_for]
    if complaints or checked.returncode not in {0, _NAMING}:
        raise LocalStackError(f"promtool check metrics: {checked.stdout}{checked.stderr}")


def _program(name: str) -> Path:
    if installed := shutil.which(name):
        return Path(installed)
    return debian.unpacked("prometheus", name)


if __name__ == "__main__":
    try:
        print(promtool())
    except LocalStackError as error:
        sys.exit(str(error))
