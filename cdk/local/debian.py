"""Debian's packages, one command at a time: apt-get fails where another one is at work."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from cdk.local.instance import ROOT, LocalStackError

_TOOLS = ROOT / ".run" / "tools"
_LOCK = _TOOLS / "apt.lock"


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


def unpacked(package: str, program: str) -> Path:
    """
    A program of a package that is unpacked into .run/tools and not installed, which takes no root.

    Raises:
        LocalStackError: It cannot be had here.
    """
    home = _TOOLS / package
    if (found := _inside(home, program)) is None:
        _fetch(package, program, home)
        found = _inside(home, program)
    if found is None:
        raise LocalStackError(f"{program} cannot be had: it is not in Debian's package {package}")
    return found


def _inside(home: Path, program: str) -> Path | None:
    places = (home / folder / program for folder in ("usr/bin", "bin"))
    return next((place for place in places if place.exists()), None)


def _fetch(package: str, program: str, home: Path) -> None:
    # Unpacked beside its place and renamed, so that a fetch that was cut short is not taken for a whole one.
    draft = home.with_name(f"{package}.{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        if not _download(package, draft):
            if is_root():
                apt_get("update")  # a fresh image has no list of packages
            if not _download(package, draft):
                raise LocalStackError(f"{program} cannot be had: apt-get download {package} failed")
        if not _unpacks(draft):
            raise LocalStackError(f"{program} cannot be had: dpkg -x failed")
        if _inside(home, program) is None:  # and nobody was quicker, who may be running it
            shutil.rmtree(home, ignore_errors=True)
            draft.rename(home)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _download(package: str, folder: Path) -> bool:
    return apt_get("download", package, cwd=folder)


def _unpacks(folder: Path) -> bool:
    program = shutil.which("dpkg")
    if program is None:
        return False
    command = [program, "-x", *map(str, folder.glob("*.deb")), str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
