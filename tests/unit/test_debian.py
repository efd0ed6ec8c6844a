import shutil
from pathlib import Path

import pytest

from cdk.local import busybox, debian
from cdk.local.instance import LocalStackError
from tests import shells


class Mirror:
    """An apt-get that has the list of packages it was told to fetch, and a dpkg that unpacks programs by their path."""

    def __init__(self, *programs: str, listed: bool = True) -> None:
        self.asked: list[str] = []
        self._programs, self._listed = programs, listed

    def apt_get(self, *command: str, cwd: Path = Path()) -> bool:
        self.asked.append(command[0])
        self._listed |= command[0] == "update"
        if command[0] == "download" and self._listed:
            (cwd / f"{command[1]}_1_amd64.deb").touch()
            return True
        return command[0] == "update"

    def unpacks(self, folder: Path) -> bool:
        for program in self._programs:
            (folder / program).parent.mkdir(parents=True)
            (folder / program).touch()
        return [path.suffix for path in folder.glob("*.*")] == [".deb"]


def put_on(monkeypatch: pytest.MonkeyPatch, tools: Path, mirror: Mirror, *, root: bool = False) -> Mirror:
    monkeypatch.setattr(debian, "_TOOLS", tools)
    monkeypatch.setattr(debian, "is_root", lambda: root)
    monkeypatch.setattr(debian, "apt_get", mirror.apt_get)
    monkeypatch.setattr(debian, "_unpacks", mirror.unpacks)
    return mirror


@pytest.mark.parametrize("place", ["bin/tool", "usr/bin/tool"])
def test_a_program_is_fetched_once_and_without_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    mirror = put_on(monkeypatch, tmp_path, Mirror(place))

    found = [debian.unpacked("a-package", "tool") for _ in range(2)]

    assert found == [tmp_path / "a-package" / place] * 2
    assert mirror.asked == ["download"]
    assert [path.name for path in tmp_path.iterdir()] == ["a-package"]


def test_root_fetches_the_list_of_packages_if_need_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mirror = put_on(monkeypatch, tmp_path, Mirror("bin/tool", listed=False), root=True)

    debian.unpacked("a-package", "tool")

    assert mirror.asked == ["download", "update", "download"]


def test_what_another_one_has_fetched_meanwhile_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    theirs = tmp_path / "a-package" / "bin" / "tool"
    mirror = put_on(monkeypatch, tmp_path, Mirror("bin/tool"))

    def unpacks(folder: Path) -> bool:
        theirs.parent.mkdir(parents=True)
        theirs.write_text("theirs")
        return mirror.unpacks(folder)

    monkeypatch.setattr(debian, "_unpacks", unpacks)

    assert debian.unpacked("a-package", "tool").read_text() == "theirs"


@pytest.mark.parametrize(
    ("mirror", "said"),
    [
        (Mirror("bin/tool", listed=False), "apt-get download a-package failed"),
        (Mirror("bin/other"), "it is not in Debian's package a-package"),
    ],
)
def test_where_it_cannot_be_had_one_line_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mirror: Mirror, said: str
) -> None:
    put_on(monkeypatch, tmp_path, mirror)

    with pytest.raises(LocalStackError, match=f"^tool cannot be had: {said}$"):
        debian.unpacked("a-package", "tool")

    assert [path for path in tmp_path.iterdir() if path.name != "a-package"] == []


def test_the_systems_own_busybox_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")

    assert shells.command("busybox") == ["/usr/bin/busybox", "sh"]


def test_a_case_for_a_shell_that_is_missing_fails_and_does_not_vanish(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    put_on(monkeypatch, tmp_path, Mirror(listed=False))

    assert len(shells.each("sh", "bash", "busybox")) == 3
    with pytest.raises(LocalStackError, match=r"^busybox cannot be had: apt-get download busybox-static failed$"):
        busybox.busybox()


def test_dpkg_unpacks_no_package_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.deb").write_text("no package")

    assert not debian._unpacks(tmp_path)
