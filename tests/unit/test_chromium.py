import shutil
from pathlib import Path

import pytest

from cdk.local import chromium, debian
from cdk.local.instance import LocalStackError


class Machine:
    """What is on PATH, and an apt-get that installs from the list it was told to fetch."""

    def __init__(self, *programs: str, root: bool = True, listed: bool = True, offers: bool = True) -> None:
        self.programs = set(programs)
        self.asked: list[str] = []
        self._root, self._listed, self._offers = root, listed, offers

    def which(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if name in self.programs else None

    def is_root(self) -> bool:
        return self._root

    def apt_get(self, *command: str) -> bool:
        self.asked.append(command[0])
        self._listed |= command[0] == "update"
        if command[0] == "install" and self._listed and self._offers:
            self.programs.add("chromium")
            return True
        return command[0] == "update"


def put_on(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> Machine:
    monkeypatch.setattr(shutil, "which", machine.which)
    monkeypatch.setattr(debian, "is_root", machine.is_root)
    monkeypatch.setattr(debian, "apt_get", machine.apt_get)
    return machine


def test_the_systems_own_browser_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = put_on(monkeypatch, Machine("google-chrome", root=False))

    assert chromium.chromium() == Path("/usr/bin/google-chrome")
    assert machine.asked == []


@pytest.mark.parametrize(
    ("listed", "asked"), [(True, ["install"]), (False, ["install", "update", "install"])], ids=["listed", "fresh"]
)
def test_root_installs_one_and_fetches_the_list_of_packages_only_if_need_be(
    monkeypatch: pytest.MonkeyPatch, listed: bool, asked: list[str]
) -> None:
    machine = put_on(monkeypatch, Machine(listed=listed))

    assert chromium.chromium() == Path("/usr/bin/chromium")
    assert machine.asked == asked


@pytest.mark.parametrize(
    ("machine", "said"),
    [(Machine(root=False), "needs root"), (Machine(offers=False), "apt-get install chromium failed")],
)
def test_where_none_can_be_had_one_line_says_why(monkeypatch: pytest.MonkeyPatch, machine: Machine, said: str) -> None:
    put_on(monkeypatch, machine)

    with pytest.raises(LocalStackError, match=f"^chromium cannot be had: .*{said}$"):
        chromium.chromium()


def test_an_apt_get_that_is_not_there_did_not_do_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    assert not debian.apt_get("update")


def test_an_apt_get_that_fails_did_not_do_it() -> None:
    assert not debian.apt_get("no-such-command")
