"""snapshot.sh on a real Prometheus: what it keeps, what it removes, and that nothing ends it but being told to."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from cdk.local import promtool
from tests.integration.prometheus.tower import Tower, by_shells, eventually, planted

pytestmark = pytest.mark.needs("promtool")
LINE = re.compile(r"snapshot: (\S+): (\d+) bytes in (\d+) s\n")


def a_day_old_block(tower: Tower) -> None:
    """A block on the disk, as a Prometheus that has run for a while has many."""
    samples = tower.folder / "samples.txt"
    begun = int(time.time() - 86_400) // 7_200 * 7_200
    lines = (f"old_total {number} {begun + 30 * number}\n" for number in range(200))
    samples.write_text("# TYPE old_total counter\n" + "".join(lines) + "# EOF\n")
    subprocess.run(
        [promtool.promtool(), "tsdb", "create-blocks-from", "openmetrics", samples, tower.tsdb],
        check=True,
        capture_output=True,
    )


def start_prometheus(tower: Tower) -> None:
    """With something to keep: its first scrape is 5 s away."""
    a_day_old_block(tower)
    tower.start_prometheus()


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _keeps_two(tower: Tower, script: str | None = None) -> None:
    start_prometheus(tower)
    snapshots = tower.snapshotting(script)
    eventually(lambda: LINE.findall(snapshots.said()), lambda lines: len(lines) >= 3)
    snapshots.terminate()

    names = [name for name, *_ in LINE.findall(snapshots.said())]
    assert tower.whole() == names[-2:]
    assert tower.partial() == []
    assert list((tower.tsdb / "snapshots").iterdir()) == []


@by_shells("sh", "busybox")
def test_the_newest_two_are_kept_and_nothing_is_left_on_the_tasks_disk(tower: Tower) -> None:
    _keeps_two(tower)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("sed 1,2d", "sed 1,3d"), ("ls -1r", "ls -1"), ("tidied 2>/dev/null", ":")],
    ids=["three", "the oldest", "untidy"],
)
def test_a_script_that_keeps_anything_else_is_caught(tower: Tower, right: str, wrong: str) -> None:
    with pytest.raises(AssertionError):
        _keeps_two(tower, planted("snapshot.sh", right, wrong))


def test_each_snapshot_is_told_in_a_line_with_its_bytes_and_seconds(tower: Tower) -> None:
    start_prometheus(tower)
    snapshots = tower.snapshotting(interval_s=3600)

    snapshots.terminate()

    line = LINE.fullmatch(snapshots.said())
    assert line
    name, size, seconds = line.groups()
    assert tower.whole() == [name]
    kept = [path for path in files(tower.snapshots / name) if path.name != "sizes"]
    assert int(size) == sum(path.stat().st_size for path in kept)
    assert 0 <= int(seconds) < 20


def _old_blocks(tower: Tower) -> list[Path]:
    return [
        next(path for path in (tower.snapshots / name).iterdir() if (tower.tsdb / path.name).exists())
        for name in tower.whole()
    ]


@by_shells("sh", "busybox")
def test_a_block_that_the_snapshot_before_has_is_not_written_again(tower: Tower) -> None:
    start_prometheus(tower)

    for _ in range(2):
        tower.snapshotting(interval_s=3600).terminate()

    earlier, later = (files(block) for block in _old_blocks(tower))
    assert [path.samefile(other) for path, other in zip(earlier, later, strict=True)] == [True] * 4


def _notices_what_changed(tower: Tower, script: str | None, change: str) -> None:
    start_prometheus(tower)
    tower.snapshotting(script, interval_s=3600).terminate()
    [kept] = _old_blocks(tower)
    if change == "deleted":
        tower.delete_series("old_total")
    else:
        (kept / "index").write_bytes(b"cut off")
    tower.snapshotting(script, interval_s=3600).terminate()

    [live] = [path for path in tower.tsdb.iterdir() if path.name == kept.name]
    last = tower.snapshots / tower.whole()[-1] / kept.name
    assert len(tower.whole()) == 2
    assert [path.read_bytes() for path in files(last)] == [path.read_bytes() for path in files(live)]


@pytest.mark.parametrize("change", ["deleted", "damaged"])
@by_shells("sh", "busybox")
def test_a_block_that_is_not_what_it_was_is_written_again(tower: Tower, change: str) -> None:
    _notices_what_changed(tower, None, change)


@pytest.mark.parametrize(
    ("change", "right", "wrong"),
    [
        ("deleted", "sha256sum meta.json tombstones && ", ""),
        ("damaged", " && stat -c '%s %n' index chunks/*", ""),
    ],
    ids=["deleted", "damaged"],
)
def test_a_script_that_goes_by_less_than_the_whole_block_is_caught(
    tower: Tower, change: str, right: str, wrong: str
) -> None:
    with pytest.raises(AssertionError):
        _notices_what_changed(tower, planted("snapshot.sh", right, wrong), change)


@by_shells("sh", "busybox")
def test_while_prometheus_is_down_it_says_so_in_a_line_and_goes_on(tower: Tower) -> None:
    snapshots = tower.snapshotting()
    said = eventually(snapshots.said)

    start_prometheus(tower)
    eventually(tower.whole)

    assert re.fullmatch(rf"(snapshot: none was kept: .*Prometheus made none at http://\S+:{tower.port}/\S+\n)+", said)


def test_while_the_shared_file_system_is_away_it_says_so_and_goes_on(tower: Tower) -> None:
    away = tower.snapshots.rename(tower.folder / "away")
    start_prometheus(tower)
    snapshots = tower.snapshotting()
    said = eventually(snapshots.said)

    away.rename(tower.snapshots)
    eventually(tower.whole)

    assert said.startswith("snapshot: none was kept: mkdir: ")
    assert said.count("\n") == 1


def test_when_the_disk_is_full_it_says_so_leaves_nothing_and_goes_on(tower: Tower) -> None:
    tower.add_command("cp", "echo 'cp: error writing: No space left on device' >&2; exit 1")
    start_prometheus(tower)
    snapshots = tower.snapshotting()
    said = eventually(snapshots.said)
    eventually(tower.partial, lambda left: not left)

    (tower.commands / "cp").unlink()
    eventually(tower.whole)

    assert said == "snapshot: none was kept: cp: error writing: No space left on device\n"


def test_told_to_end_in_the_middle_of_a_copy_it_finishes_that_and_takes_a_last_one(tower: Tower) -> None:
    start_prometheus(tower)
    copying = tower.slow("cp", delay_s=1)
    snapshots = tower.snapshotting()
    eventually(copying.exists)

    status = snapshots.terminate()

    assert (status, len(tower.whole()), tower.partial()) == (0, 2, [])
    assert len(LINE.findall(snapshots.said())) == 2


def test_told_to_end_while_prometheus_is_down_it_ends(tower: Tower) -> None:
    snapshots = tower.snapshotting(interval_s=3600)

    assert snapshots.terminate() == 0
    assert "none was kept" in snapshots.said()


def test_a_snapshot_without_a_block_is_none(tower: Tower) -> None:
    whole = tower.snapshots / "20260101T000000Z-0000000000000001"
    whole.mkdir()
    tower.add_command("wget", f"""mkdir -p {tower.tsdb}/snapshots/empty; echo '{{"data":{{"name":"empty"}}}}'""")

    snapshots = tower.snapshotting(interval_s=3600)
    snapshots.terminate()

    assert "none was kept" in snapshots.said()
    assert tower.whole() == [whole.name]


def test_what_an_earlier_life_left_is_removed(tower: Tower) -> None:
    (tower.snapshots / ".20260101T000000Z-0000000000000001.partial" / "block").mkdir(parents=True)
    (tower.tsdb / "snapshots" / "20260101T000000Z-0000000000000001").mkdir(parents=True)
    start_prometheus(tower)

    tower.snapshotting(interval_s=3600).terminate()

    assert tower.partial() == []
    assert list((tower.tsdb / "snapshots").iterdir()) == []
    assert len(tower.whole()) == 1


def test_curl_serves_where_there_is_no_wget(tower: Tower) -> None:
    start_prometheus(tower)
    for name in (
        "cat",
        "cp",
        "curl",
        "date",
        "head",
        "ls",
        "mkdir",
        "mv",
        "rm",
        "sed",
        "sleep",
        "stat",
        "sync",
        "timeout",
    ):
        (tower.commands / name).symlink_to(str(shutil.which(name)))

    tower.snapshotting(interval_s=3600, PATH=str(tower.commands)).terminate()

    assert len(tower.whole()) == 1


@pytest.mark.parametrize("interval", ["0", "soon"])
def test_an_interval_that_is_none_is_refused(tower: Tower, interval: str) -> None:
    snapshots = tower.snapshotting(SNAPSHOT_INTERVAL_S=interval)

    assert snapshots.wait() != 0
