"""prepare.sh, by the shell of each image: the secret, which snapshot is restored, and where it goes on if cut short."""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.integration.prometheus.tower import Tower, by_shells, eventually, planted

PARTIAL = ".20260103T000000Z-0be650b6d019eb54.partial"
OLDER = "20260101T000000Z-2be650b6d019eb54"
NEWER = "20260102T000000Z-0be650b6d019eb54"
in_every_shell = by_shells("sh", "bash", "busybox")


def put(tower: Tower, name: str, *blocks: str) -> Path:
    """A snapshot as snapshot.sh leaves it; each of its files says which it is of."""
    folder = tower.snapshots / name
    sizes = []
    for block in blocks:
        (folder / block / "chunks").mkdir(parents=True)
        for file in ("index", "meta.json", "tombstones", "chunks/000001"):
            (folder / block / file).write_text(name)
    for file in ("index", "meta.json", "tombstones", "chunks/000001"):
        sizes += [f"{len(name)} {block}/{file}\n" for block in blocks]
    (folder / "sizes").write_text("".join(sizes))
    return folder


def restored(tower: Tower) -> dict[str, str]:
    """What is in the database, and the snapshot that each whole block is of."""
    samples = {entry.name: entry / "chunks" / "000001" for entry in tower.tsdb.iterdir()}
    return {name: path.read_text() if path.exists() else "" for name, path in samples.items()}


def _restores_the_newest_whole_one(tower: Tower, script: str | None = None) -> None:
    put(tower, PARTIAL, "A", "B", "C")
    put(tower, OLDER, "A")
    put(tower, NEWER, "A", "B")
    os.utime(tower.snapshots / PARTIAL, (2e9, 2e9))

    said = tower.prepare(script)

    assert said == f"prepare: restored {NEWER}\n"
    assert restored(tower) == {"A": NEWER, "B": NEWER}


@in_every_shell
def test_the_newest_whole_snapshot_is_restored(tower: Tower) -> None:
    _restores_the_newest_whole_one(tower)


@pytest.mark.parametrize(
    ("right", "wrong"), [("for name in $names", 'for name in $(ls -1At "$SNAPSHOTS")'), ("ls -1r", "ls -1")]
)
def test_a_script_that_takes_any_other_is_caught(tower: Tower, right: str, wrong: str) -> None:
    with pytest.raises(AssertionError):
        _restores_the_newest_whole_one(tower, planted("prepare.sh", right, wrong))


def test_a_fault_that_the_script_has_no_place_for_is_not_taken_for_one_that_was_caught() -> None:
    with pytest.raises(ValueError, match="nothing was planted"):
        planted("prepare.sh", "for name in $nothing", "")


def _takes_the_older_if_the_newer_is_damaged(tower: Tower, damage: str, script: str | None = None) -> None:
    put(tower, OLDER, "A")
    newer = put(tower, NEWER, "A", "B")
    match damage:
        case "cut off":
            (newer / "B" / "chunks" / "000001").write_text("")
        case "missing":
            shutil.rmtree(newer / "B")
        case "unreadable":
            # What a reader without the right to is told; root is never told it.
            tower.add_command("cp", f'case $2 in *{NEWER}) echo "cp: cannot open" >&2; exit 1 ;; esac; /bin/cp "$@"')
        case "unmeasured":
            (newer / "sizes").unlink()

    said = tower.prepare(script)

    skipped = f"prepare: skipped {NEWER}, which cannot be read completely: "
    assert re.fullmatch(f"{skipped}.+\nprepare: restored {OLDER}\n", said)
    assert restored(tower) == {"A": OLDER}


@pytest.mark.parametrize("damage", ["cut off", "missing", "unmeasured"])
@in_every_shell
def test_a_snapshot_that_cannot_be_read_completely_is_skipped_for_the_next_older(tower: Tower, damage: str) -> None:
    _takes_the_older_if_the_newer_is_damaged(tower, damage)


def test_a_snapshot_that_cannot_be_copied_is_skipped_for_the_next_older(tower: Tower) -> None:
    _takes_the_older_if_the_newer_is_damaged(tower, "unreadable")


@pytest.mark.parametrize("damage", ["cut off", "missing", "unmeasured"])
def test_a_script_that_believes_what_it_copied_is_caught(tower: Tower, damage: str) -> None:
    trusting = planted("prepare.sh", '[ "$(sizes "$draft")" = "$(cat "$draft/sizes")" ]', "true")

    with pytest.raises(AssertionError):
        _takes_the_older_if_the_newer_is_damaged(tower, damage, trusting)


@in_every_shell
def test_with_nothing_to_restore_the_history_begins_anew(tower: Tower) -> None:
    tower.snapshots.rmdir()

    said = tower.prepare()

    assert said == f"prepare: no snapshot to restore in {tower.snapshots}; the history begins now\n"
    assert restored(tower) == {}


def test_if_no_snapshot_can_be_read_it_fails_and_leaves_them_for_another_try(tower: Tower) -> None:
    broken = put(tower, NEWER, "A")
    (broken / "sizes").rename(broken / "elsewhere")

    failed = tower.preparing()

    assert failed.wait() != 0
    assert re.findall("skipped|can be read", failed.said()) == ["skipped", "can be read"]
    assert restored(tower) == {}
    (broken / "elsewhere").rename(broken / "sizes")
    assert "restored" in tower.prepare()


def test_snapshots_that_cannot_be_listed_are_not_taken_for_none(tower: Tower) -> None:
    tower.snapshots.rmdir()
    tower.snapshots.write_text("no folder: ls says its name, and no snapshot's")
    tower.add_command("ls", "echo 'ls: Input/output error' >&2; exit 2")

    failed = tower.preparing()

    assert failed.wait() != 0
    assert "cannot be read" in failed.said()


@in_every_shell
def test_a_database_that_is_not_empty_stays_as_it_is(tower: Tower) -> None:
    put(tower, NEWER, "A")
    (tower.tsdb / "wal").mkdir()

    said = tower.prepare()

    assert said == f"prepare: {tower.tsdb} is not empty and stays as it is\n"
    assert [path.name for path in tower.tsdb.iterdir()] == ["wal"]


def _begins_anew_when_cut_short(tower: Tower, script: str | None = None) -> None:
    put(tower, NEWER, "A", "B")
    copying = tower.slow("cp", delay_s=60)
    cut = tower.preparing(script)
    eventually(copying.exists)
    cut.kill()
    (tower.commands / "cp").unlink()
    shutil.rmtree(next(path for path in tower.tsdb.rglob("B")))

    said = tower.prepare(script)

    assert said == f"prepare: restored {NEWER}\n"
    assert restored(tower) == {"A": NEWER, "B": NEWER}


def test_a_restore_that_was_cut_short_begins_anew(tower: Tower) -> None:
    _begins_anew_when_cut_short(tower)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("draft=$TSDB/.restoring", "draft=$TSDB/restoring"),
        ("draft=$TSDB/.restoring", "draft=$TSDB/.restored"),
        ('        rm -rf "$draft"\n', ""),
    ],
    ids=["taken for a database", "taken for whole", "added to"],
)
def test_a_script_that_takes_half_a_copy_for_a_whole_one_is_caught(tower: Tower, right: str, wrong: str) -> None:
    with pytest.raises(AssertionError):
        _begins_anew_when_cut_short(tower, planted("prepare.sh", right, wrong))


def _goes_on_moving_in(tower: Tower, script: str | None = None) -> None:
    put(tower, NEWER, "A", "B")
    moving = tower.folder / "mv.waits"
    tower.add_command("mv", f'/bin/mv "$@" || exit\ncase $1 in */A/) : >"{moving}"; exec sleep 60 ;; esac')
    cut = tower.preparing(script)
    eventually(moving.exists)
    cut.kill()
    (tower.commands / "mv").unlink()

    tower.prepare(script)

    assert restored(tower) == {"A": NEWER, "B": NEWER}


def test_a_restore_that_was_cut_short_between_two_blocks_goes_on(tower: Tower) -> None:
    _goes_on_moving_in(tower)


def test_a_script_that_forgets_the_blocks_it_had_not_moved_is_caught(tower: Tower) -> None:
    with pytest.raises(AssertionError):
        _goes_on_moving_in(tower, planted("prepare.sh", 'if [ -d "$copy" ]; then', "if false; then"))


@in_every_shell
def test_run_again_it_changes_nothing(tower: Tower) -> None:
    put(tower, NEWER, "A")
    tower.prepare()
    begun = restored(tower)

    tower.prepare()

    assert restored(tower) == begun
    assert secret_file(tower).read_text() == "secret"


def secret_file(tower: Tower) -> Path:
    return tower.content / "prometheus" / "scraper_secret"


@in_every_shell
def test_the_secret_is_its_owners_alone(tower: Tower) -> None:
    tower.prepare(SCRAPER_SECRET=r"a$b\n`c` 'd'")

    kept = secret_file(tower).stat()
    assert secret_file(tower).read_text() == r"a$b\n`c` 'd'"
    assert oct(kept.st_mode & 0o777) == "0o400"


@in_every_shell
def test_without_one_cognito_is_asked_for_it(tower: Tower) -> None:
    tower.add_command("aws", f'echo "$@" >{tower.folder}/asked; echo of-cognito')

    tower.prepare(SCRAPER_SECRET="", USER_POOL_ID="pool", CLIENT_ID="client")

    assert secret_file(tower).read_text() == "of-cognito"
    assert (tower.folder / "asked").read_text() == (
        "cognito-idp describe-user-pool-client --user-pool-id pool --client-id client"
        " --query UserPoolClient.ClientSecret --output text\n"
    )


@pytest.mark.parametrize(
    ("aws", "settings", "said"),
    [
        ("echo None", {"USER_POOL_ID": "pool", "CLIENT_ID": "client"}, "the scraper's client has no secret"),
        ("echo AccessDenied >&2; exit 254", {"USER_POOL_ID": "pool", "CLIENT_ID": "client"}, "AccessDenied"),
        ("echo unasked", {"USER_POOL_ID": "pool"}, "CLIENT_ID"),
        ("echo unasked", {"CLIENT_ID": "client"}, "USER_POOL_ID"),
    ],
)
@in_every_shell
def test_without_a_secret_it_fails_and_says_why(tower: Tower, aws: str, settings: dict[str, str], said: str) -> None:
    put(tower, NEWER, "A")
    tower.add_command("aws", aws)

    failed = tower.preparing(SCRAPER_SECRET="", **settings)

    assert failed.wait() != 0
    assert said in failed.said()
    assert not secret_file(tower).exists()


@in_every_shell
def test_everything_is_given_to_those_who_run_on_it(tower: Tower) -> None:
    """Only root can give files away; anybody else keeps what they have."""
    put(tower, NEWER, "A")

    tower.prepare()

    prometheus, grafana = (65534, 472) if os.geteuid() == 0 else (os.geteuid(), os.geteuid())
    owned = [tower.tsdb, *tower.tsdb.rglob("*"), secret_file(tower)]
    assert {path.stat().st_uid for path in owned} == {prometheus}
    assert tower.grafana.stat().st_uid == grafana
    if os.geteuid() == 0:
        assert {path.stat().st_gid for path in owned} == {prometheus}


@by_shells("sh", "bash")  # busybox's takes its own commands before others
def test_who_is_not_root_gives_nothing_away(tower: Tower) -> None:
    tower.add_command("id", "echo 1000")
    tower.add_command("chown", "echo 'chown: Operation not permitted' >&2; exit 1")

    assert "chown" not in tower.prepare()


def test_a_folder_that_grafana_does_not_have_is_not_made(tower: Tower) -> None:
    tower.grafana.rmdir()

    tower.prepare()

    assert not tower.grafana.exists()
