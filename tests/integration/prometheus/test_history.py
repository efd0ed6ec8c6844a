"""What Prometheus knew outlives its task: snapshots by the one script, restored by the other, on a real Prometheus."""

import pytest

from tests.integration.prometheus.tower import Tower, by_shells, eventually, planted, replaced, taken_at

pytestmark = pytest.mark.needs("promtool")


@by_shells("sh", "busybox")
def test_after_a_crash_that_took_the_disk_the_history_is_back_up_to_the_last_snapshot(tower: Tower) -> None:
    prometheus = tower.start_prometheus()
    tower.await_history()
    snapshots = tower.snapshotting()
    [name] = eventually(tower.whole)
    snapshots.kill()
    known = tower.history(until=taken_at(name))

    prometheus.kill()
    tower.lose_disk()
    said = tower.prepare()
    tower.start_prometheus()

    assert said == f"prepare: restored {name}\n"
    assert len(known) > 5
    assert tower.history(until=taken_at(name)) == known
    tower.await_history()


@by_shells("sh", "busybox")
def test_told_to_end_it_takes_a_last_snapshot_and_nothing_before_that_is_lost(tower: Tower) -> None:
    prometheus = tower.start_prometheus()
    snapshots = tower.snapshotting(interval_s=3600)
    tower.await_history()
    known = tower.history()

    status = snapshots.terminate()
    prometheus.kill()
    tower.lose_disk()
    tower.prepare()
    tower.start_prometheus()

    assert status == 0
    assert len(tower.whole()) == 1
    assert tower.history(until=known[-1][0]) == known


def test_a_restored_history_is_in_the_next_snapshot_too(tower: Tower) -> None:
    prometheus = tower.start_prometheus()
    tower.await_history()
    known = tower.history()
    for _ in range(2):
        tower.snapshotting(interval_s=3600).terminate()
        prometheus.kill()
        tower.lose_disk()
        tower.prepare()
        prometheus = tower.start_prometheus()

    assert tower.history(until=known[-1][0]) == known
    assert len(tower.whole()) == 2


def _loses_nothing_when_killed_in_a_copy(tower: Tower, script: str | None = None) -> None:
    prometheus = tower.start_prometheus()
    tower.await_history()
    tower.snapshotting(script, interval_s=3600).terminate()
    [whole] = tower.whole()
    known = tower.history(until=taken_at(whole))
    copying = tower.slow("cp", delay_s=60)
    snapshots = tower.snapshotting(script)
    eventually(copying.exists)
    snapshots.kill()
    (tower.commands / "cp").unlink()

    assert tower.whole() == [whole]
    assert len(tower.partial()) == 1

    prometheus.kill()
    tower.lose_disk()
    assert tower.prepare() == f"prepare: restored {whole}\n"
    tower.start_prometheus()
    assert tower.history(until=taken_at(whole)) == known

    tower.snapshotting(script, interval_s=3600).terminate()
    assert (len(tower.whole()), tower.partial()) == (2, [])


def test_killed_in_the_middle_of_a_copy_it_leaves_nothing_that_is_taken_for_a_snapshot(tower: Tower) -> None:
    _loses_nothing_when_killed_in_a_copy(tower)


def test_a_script_that_copies_straight_to_the_last_name_is_caught(tower: Tower) -> None:
    straight = planted("snapshot.sh", "partial=$SNAPSHOTS/.$name.partial", "partial=$SNAPSHOTS/$name")
    straight = replaced(straight, 'mv "$partial"', ': "$partial"')

    with pytest.raises(AssertionError):
        _loses_nothing_when_killed_in_a_copy(tower, straight)
