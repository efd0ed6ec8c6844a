"""PostgreSQL's own pgbench: next to nothing of what it measures is its own work, so that floors are floors."""

import subprocess
import tempfile
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from cdk.local.instance import LOOPBACK
from cdk.local.postgres import BIN

FOR_S = 1
WARM_UP_SHARE = 0.25
"""Of that time: functions are compiled, pages read."""


@dataclass(frozen=True)
class Transactions:
    """
    A run's transactions.

    Attributes:
        ended_s: When each ended, in order.
        took_ms: How long each took, in the same order.
    """

    ended_s: Sequence[float]
    took_ms: Sequence[float]

    @property
    def number(self) -> int:
        """All, those of warming up included."""
        return len(self.ended_s)

    @property
    def per_s(self) -> float:
        """How many a second."""
        first = self._first
        return (self.number - first) / (self.ended_s[-1] - self.ended_s[first - 1])

    @property
    def p50_ms(self) -> float:
        """Half of them took no longer."""
        return median(self.took_ms[self._first :])

    @property
    def _first(self) -> int:
        warm_at_s = self.ended_s[0] + (self.ended_s[-1] - self.ended_s[0]) * WARM_UP_SHARE
        return bisect_right(self.ended_s, warm_at_s)


def run(script: str, port: int, database: str, login: str, clients: int, rounds: int | None = None) -> Transactions:
    """
    Have clients repeat a script, each statement prepared once.

    Args:
        script: In pgbench's language. It finds a number in :index that no other transaction has, from 0 on.
        rounds: How often each repeats it, instead of for a time.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "script")
        file.write_text(f"\\set round :round + 1\n\\set index :round * {clients} + :client_id\n{script}\n")
        command = [str(BIN / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--client={clients}"]
        command += [f"--transactions={rounds}" if rounds else f"--time={FOR_S}"]
        command += ["--log", f"--log-prefix={folder}/log", "--define=round=-1", f"--file={file}"]
        command += [f"--host={LOOPBACK}", f"--port={port}", f"--username={login}", database]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"pgbench broke:\n{done.stderr}\n{file.read_text()}")
        (log,) = Path(folder).glob("log.*")
        return _read(log.read_text())


def _read(log: str) -> Transactions:
    """
    Source:
        pgbench's documentation: client_id transaction_no time_us script_no time_epoch time_us.
    """
    lines = [line.split() for line in log.splitlines()]
    ended = sorted((int(line[4]) + int(line[5]) / 1e6, int(line[2]) / 1e3) for line in lines)
    return Transactions([at_s for at_s, _ in ended], [took_ms for _, took_ms in ended])
