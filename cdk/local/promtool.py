"""Prometheus and its own checker, from Debian's package, unpacked into .run/tools without installing it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from cdk.local import debian
from cdk.local.instance import ROOT, LocalStackError

_NAMING = 3
"""Its exit status if names are all that is wrong."""

_HOME = ROOT / ".run" / "tools" / "prometheus"


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
    program = _HOME / "usr" / "bin" / name
    if not program.exists():
        _fetch()
    return program


def _fetch() -> None:
    # Unpacked beside its place and renamed, so that a fetch that was cut short is not taken for a whole one.
    draft = _HOME.with_name(f"prometheus.{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        if not _download(draft):
            if debian.is_root():
                debian.apt_get("update")  # a fresh image has no list of packages
            if not _download(draft):
                raise LocalStackError("promtool cannot be had: apt-get download prometheus failed")
        if not _run("dpkg", "-x", *(str(package) for package in draft.glob("*.deb")), str(draft), cwd=draft):
            raise LocalStackError("promtool cannot be had: dpkg -x failed")
        shutil.rmtree(_HOME, ignore_errors=True)
        draft.rename(_HOME)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _download(folder: Path) -> bool:
    return debian.apt_get("download", "prometheus", cwd=folder)


def _run(*command: str, cwd: Path) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, cwd=cwd, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    try:
        print(promtool())
    except LocalStackError as error:
        sys.exit(str(error))
