"""A Prometheus as the task runs it, something to scrape, and the two scripts that keep its history."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest

from cdk.local import promtool
from cdk.local.busybox import busybox
from cdk.local.instance import LOOPBACK, ROOT, reserve
from tests import shells
from tests.shells import OF_PROMETHEUS, SYSTEM

T = TypeVar("T")
SCRIPTS = ROOT / "cdk" / "monitoring" / "prometheus" / "scripts"
SCRAPE_S = 0.1
CONFIG = """
global: {{scrape_interval: 100ms, scrape_timeout: 100ms}}
scrape_configs: [{{job_name: test, static_configs: [{{targets: ["{target}"]}}]}}]
"""


def by_shells(*names: str) -> pytest.MarkDecorator:
    """Run a test's scripts by each of these shells."""
    return pytest.mark.parametrize("tower", shells.each(*names), indirect=True)


def eventually(look: Callable[[], T], is_right: Callable[[T], bool] = bool, deadline_s: float = 20) -> T:
    """What `look` sees once it is right."""
    end = time.monotonic() + deadline_s
    while not is_right(seen := look()):
        assert time.monotonic() < end, f"not within {deadline_s} s: {seen!r}"
        time.sleep(0.02)
    return seen


def planted(script: str, right: str, wrong: str) -> str:
    """A script's text with a fault in it."""
    return replaced((SCRIPTS / script).read_text(), right, wrong)


def replaced(text: str, right: str, wrong: str) -> str:
    """
    A text with something else in it.

    Raises:
        ValueError: It is not there; an AssertionError would be taken for what the fault has to bring about.
    """
    if right not in text:
        raise ValueError(f"nothing was planted: there is no {right!r}")
    return text.replace(right, wrong)


class Ticks(BaseHTTPRequestHandler):
    """A counter that goes up by one a scrape, so that no two stretches of its history are alike."""

    numbers = itertools.count(1)

    def do_GET(self) -> None:
        text = f"# TYPE ticks_total counter\nticks_total {next(self.numbers)}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Quietly."""


@dataclass
class Running:
    """A process in a session of its own; what it says goes to a file."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text()

    def wait(self) -> int:
        return self.process.wait(30)

    def terminate(self) -> int:
        """Tell it, and not its children, to end, as a container's first process is told; its exit status."""
        self.process.terminate()
        return self.wait()

    def kill(self) -> None:
        """End it and its children where they are."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()


@dataclass
class Tower:
    """
    The task's folders and processes, below one folder.

    Attributes:
        shell: Which of the shells runs the scripts.
    """

    folder: Path
    shell: str = SYSTEM
    port: int = 0
    begun_at: float = field(default_factory=time.time)
    _running: list[Running] = field(default_factory=list)
    _exporter: ThreadingHTTPServer | None = None
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, verify=False))

    def __post_init__(self) -> None:
        for folder in (self.tsdb, self.snapshots, self.grafana, self.content / "prometheus", self.commands):
            folder.mkdir(parents=True)
        with reserve(0) as bound:
            self.port = bound.getsockname()[1]
        if self.shell == OF_PROMETHEUS:
            # Its own commands alone, as in Prometheus' image.
            subprocess.run([busybox(), "--install", "-s", self.commands], check=True)

    @property
    def tsdb(self) -> Path:
        return self.folder / "prometheus"

    @property
    def snapshots(self) -> Path:
        return self.folder / "snapshots"

    @property
    def content(self) -> Path:
        return self.folder / "content"

    @property
    def grafana(self) -> Path:
        return self.folder / "grafana"

    @property
    def commands(self) -> Path:
        """The first folder in which the scripts look for a command."""
        return self.folder / "commands"

    def add_command(self, name: str, text: str) -> None:
        """A command in place of the system's own."""
        command = self.commands / name
        command.unlink(missing_ok=True)
        command.write_text(f"#!/bin/sh\n{text}\n")
        command.chmod(0o755)

    def slow(self, name: str, delay_s: int) -> Path:
        """A command that waits when its work is done; there is a file as soon as it waits."""
        flag = self.folder / f"{name}.waits"
        self.add_command(name, f'{shutil.which(name)} "$@" || exit\n: >"{flag}"\nexec sleep {delay_s}')
        return flag

    def snapshotting(self, script: str | None = None, interval_s: int = 1, **settings: str) -> Running:
        """snapshot.sh, or the text of another, once it waits for its first moment."""
        told = {"SNAPSHOT_INTERVAL_S": str(interval_s), "PROMETHEUS_URL": self._url} | settings
        running = self._script("snapshot.sh", script, told)
        eventually(lambda: running.process.poll() is not None or psutil.Process(running.process.pid).children())
        return running

    def preparing(self, script: str | None = None, **settings: str) -> Running:
        """prepare.sh, or the text of another."""
        return self._script("prepare.sh", script, {"SCRAPER_SECRET": "secret"} | settings)

    def prepare(self, script: str | None = None, **settings: str) -> str:
        """It, to its end, which has to be good; what it said."""
        prepared = self.preparing(script, **settings)
        assert prepared.wait() == 0, prepared.said()
        return prepared.said()

    def start_prometheus(self) -> Running:
        """Prometheus on the database that there is, once it answers."""
        config = self.folder / "prometheus.yml"
        config.write_text(CONFIG.format(target=f"{LOOPBACK}:{self._exporter_port()}"))
        running = self._start(
            [
                str(promtool.prometheus()),
                f"--config.file={config}",
                f"--storage.tsdb.path={self.tsdb}",
                "--storage.tsdb.retention.time=30d",
                f"--web.listen-address={LOOPBACK}:{self.port}",
                "--web.route-prefix=/prometheus",
                "--web.enable-admin-api",
            ],
            os.environ,
        )
        eventually(lambda: self._is_ready(running))
        return running

    def history(self, until: float | None = None) -> list[tuple[float, str]]:
        """Every value of the counter since the beginning, at the same moments each time."""
        query: dict[str, str | float] = {
            "query": "ticks_total",
            "start": self.begun_at,
            "end": until or time.time(),
            "step": SCRAPE_S,
        }
        answer = self._client.get(f"{self._url}/api/v1/query_range", params=query).raise_for_status()
        series = answer.json()["data"]["result"]
        return [(at, value) for each in series for at, value in each["values"]]

    def await_history(self, values: int = 15) -> None:
        """Wait until there are so many values of this life."""
        known = len(set(self.history()))
        eventually(lambda: len(self.history()), lambda seen: seen >= known + values)

    def delete_series(self, name: str) -> None:
        where = f"{self._url}/api/v1/admin/tsdb/delete_series"
        self._client.post(where, params={"match[]": name}).raise_for_status()

    def whole(self) -> list[str]:
        """The names of the snapshots that may be restored, the oldest first."""
        return sorted(path.name for path in self.snapshots.iterdir() if not path.name.startswith("."))

    def partial(self) -> list[str]:
        return sorted(path.name for path in self.snapshots.iterdir() if path.name.startswith("."))

    def lose_disk(self) -> None:
        """What a new task finds: nothing but what is on the shared file system."""
        shutil.rmtree(self.tsdb)
        self.tsdb.mkdir()

    def end(self) -> None:
        for running in self._running:
            running.kill()
        if self._exporter:
            self._exporter.shutdown()
            self._exporter.server_close()
        self._client.close()

    @property
    def _url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/prometheus"

    def _is_ready(self, running: Running) -> bool:
        assert running.process.poll() is None, running.said()
        try:
            return self._client.get(f"{self._url}/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def _exporter_port(self) -> int:
        if self._exporter is None:
            self._exporter = ThreadingHTTPServer((LOOPBACK, 0), Ticks)
            self._exporter.daemon_threads = True
            threading.Thread(target=self._exporter.serve_forever, daemon=True).start()
        return self._exporter.server_port

    def _script(self, name: str, text: str | None, settings: dict[str, str]) -> Running:
        path = self.folder / name
        path.write_text(text or (SCRIPTS / name).read_text())
        found = str(self.commands) if self.shell == OF_PROMETHEUS else f"{self.commands}:{os.environ['PATH']}"
        places = {
            "PATH": found,
            "CONTENT_HOME": str(self.content),
            "TSDB": str(self.tsdb),
            "SNAPSHOTS": str(self.snapshots),
            "GRAFANA_DATA": str(self.grafana),
        }
        return self._start([*shells.command(self.shell), str(path)], places | settings)

    def _start(self, command: Sequence[str], environment: Mapping[str, str]) -> Running:
        program = shutil.which(command[0])
        assert program, command
        log = self.folder / f"{len(self._running)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program, *command[1:]],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append(Running(process, log))
        return self._running[-1]


def taken_at(name: str) -> float:
    """The second in which a snapshot was taken, as its name says it."""
    return datetime.strptime(name.split("-", maxsplit=1)[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
