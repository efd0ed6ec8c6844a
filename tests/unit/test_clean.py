import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk.local import clean
from cdk.local.instance import ROOT, Instance, LocalStackError

HOLDER = """
import signal, sys, time
from pathlib import Path
from cdk.local.instance import Instance
with Instance(Path(sys.argv[1])).claimed():
    if sys.argv[2:]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("held", flush=True)
    time.sleep(60)
"""


class Holders:
    """Processes that hold a stack each, as `make run` and `make monitor` do."""

    def __init__(self) -> None:
        self.held: list[subprocess.Popen[str]] = []

    def hold(self, folder: Path, *deaf: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDER, str(folder), *deaf]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.held.append(process)
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        return process


@pytest.fixture
def holders() -> Iterator[Holders]:
    holders = Holders()
    yield holders
    for process in holders.held:
        process.kill()
        process.communicate()


def test_everything_that_runs_is_stopped_and_everything_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, holders: Holders
) -> None:
    monkeypatch.setattr(clean, "ROOT", tmp_path)
    stack = tmp_path / ".run" / "run"
    runs, watches = holders.hold(stack), holders.hold(stack / "monitor")

    clean.forget_all()

    assert runs.wait(5) == watches.wait(5) == -signal.SIGTERM
    assert not (tmp_path / ".run").exists()


def test_what_does_not_stop_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, holders: Holders) -> None:
    monkeypatch.setattr(clean, "ROOT", tmp_path)
    monkeypatch.setattr(clean, "STOP_S", 0.1)
    watches = holders.hold(tmp_path / ".run" / "run" / "monitor", "deaf")

    with pytest.raises(LocalStackError, match=f"monitor does not stop; its process is {watches.pid}"):
        clean.forget_all()

    assert Instance(tmp_path / ".run" / "run" / "monitor").holder() == watches.pid
