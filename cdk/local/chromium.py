"""A real browser to read pages with: the system's own Chromium, or Debian's, installed where that is possible."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from cdk.local import debian
from cdk.local.instance import LocalStackError

NAMES = ("chromium", "chromium-browser", "google-chrome")

FLAGS = (
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""So that it asks nobody for anything but the page it is shown."""


def chromium() -> Path:
    """
    The program, the system's own if there is one.

    Raises:
        LocalStackError: It cannot be had here.
    """
    if found := _found():
        return found
    _install()
    if found := _found():
        return found
    raise LocalStackError("chromium cannot be had: apt-get installed it, and it is not on PATH")


@contextmanager
def browser() -> Iterator[Browser]:
    """
    It, headless, with an empty profile that is thrown away.

    Raises:
        LocalStackError: It cannot be had here.
    """
    program = chromium()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield running
        finally:
            running.close()


def _found() -> Path | None:
    return next((Path(found) for name in NAMES if (found := shutil.which(name))), None)


def _install() -> None:
    if not debian.is_root():
        raise LocalStackError(f"chromium cannot be had: none of {', '.join(NAMES)} is here, and apt-get needs root")
    if _installs():
        return
    debian.apt_get("update")  # a fresh image has no list of packages
    if not _installs():
        raise LocalStackError("chromium cannot be had: apt-get install chromium failed")


def _installs() -> bool:
    return debian.apt_get("install", "-y", "--no-install-recommends", "chromium")


if __name__ == "__main__":
    try:
        print(chromium())
    except LocalStackError as error:
        sys.exit(str(error))
