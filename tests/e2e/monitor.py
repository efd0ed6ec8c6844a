"""`make monitor` beside a stack of the tests', hurried; other scrapers beside it; and what comes between them."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from cdk.local import monitor, processes, prometheus
from cdk.local.instance import LOOPBACK, ROOT, Instance
from cdk.local.processes import Family
from cdk.local.prometheus import Prometheus
from cdk.monitoring.prometheus.alerts import JOB
from tests.e2e.site import Site, eventually, free_port

EVERY_S = 2


@dataclass
class Monitor:
    """
    What `make monitor` started.

    Attributes:
        port: Of its Prometheus.
    """

    site: Site
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    said: list[str] = field(default_factory=list)

    @property
    def instance(self) -> Instance:
        return monitor.of(self.site.instance)

    @property
    def content(self) -> Path:
        return self.instance.folder / "content"

    @property
    def server(self) -> Prometheus:
        return Prometheus.at(self.port)

    def launch(self) -> None:
        self.process = subprocess.Popen(
            ["make", "monitor", f"STACK={self.site.instance.folder.name}", f"PROMETHEUS_PORT={self.port}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said = []

    def start(self, every_s: int = EVERY_S, alert: str = "") -> None:
        """Start it and wait for its first good scrape; an alert that looks at minutes may look at seconds here."""
        self.launch()
        self.hear("✓ Prometheus")
        hurry(self.content, every_s, alert)
        self.reload()
        self.hear("Ready")

    def hear(self, beginning: str) -> None:
        """Read what it says until a line begins so."""
        assert self.process
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith(beginning):
                return
        raise AssertionError("it ended:\n" + "".join(self.said))

    def reload(self) -> None:
        """Have Prometheus read its configuration again."""
        [server] = [each for each in self.processes() if "prometheus" in each.name()]
        server.send_signal(signal.SIGHUP)

    def stop(self, signal_number: signal.Signals = signal.SIGTERM, *, group: bool = False) -> float:
        """Tell it to stop, make alone or everybody in the terminal, and wait until it has; seconds that took."""
        assert self.process
        begun = time.monotonic()
        if group:
            os.killpg(self.process.pid, signal_number)
        else:
            self.process.send_signal(signal_number)
        self.said.append(self.process.communicate(timeout=30)[0])
        return time.monotonic() - begun

    def processes(self) -> list[psutil.Process]:
        return list(processes._marked(self.instance))


@contextmanager
def monitored(site: Site, every_s: int = EVERY_S, alert: str = "") -> Iterator[Monitor]:
    """A stack watched from nothing on, while a block runs."""
    begun = Monitor(site)
    end(begun)  # of tests that were killed
    shutil.rmtree(begun.instance.folder, ignore_errors=True)
    try:
        begun.start(every_s, alert)
        yield begun
    finally:
        end(begun)


def end(begun: Monitor) -> None:
    """Stop it if it runs, and whatever is left of it."""
    if begun.process and begun.process.poll() is None:
        begun.stop()
    processes.end_leftovers(begun.instance)


def hurry(content: Path, every_s: int, alert: str = "", target: str | None = None) -> None:
    """Have a Prometheus scrape and evaluate more often than it would, an alert forget sooner, and scrape another."""
    path = content / "prometheus" / "prometheus.yml"
    said = yaml.safe_load(path.read_text())
    said["global"] = dict.fromkeys(said["global"], f"{every_s}s")
    [job] = [each for each in said["scrape_configs"] if each["job_name"] == JOB]
    if target:
        job["static_configs"] = [{"targets": [target]}]
    path.write_text(yaml.safe_dump(said))
    if alert:
        _forget_sooner(content / "prometheus" / "rules.yml", alert, 3 * every_s)


def _forget_sooner(path: Path, alert: str, within_s: int) -> None:
    said = yaml.safe_load(path.read_text())
    [rule] = [each for group in said["groups"] for each in group["rules"] if each.get("alert") == alert]
    rule["expr"], changed = re.subn(r"\[\w+\]", f"[{within_s}s]", rule["expr"])
    assert changed
    path.write_text(yaml.safe_dump(said))


@contextmanager
def another(first: Monitor, target: str, name: str) -> Iterator[Prometheus]:
    """A second Prometheus with the content of the first, but for whom it scrapes, once it has scraped."""
    instance = Instance.named(name)
    processes.end_leftovers(instance)
    shutil.rmtree(instance.folder, ignore_errors=True)
    family = Family(instance)
    content = instance.path("content")
    shutil.copytree(first.content, content)
    hurry(content, EVERY_S, target=target)
    port = free_port()
    server = Prometheus.at(port)
    try:
        prometheus.start(family, port, content=content, database=instance.folder / "prometheus")
        assert eventually(lambda: server.is_ready() and server.complaint() == "", bool), server.complaint()
        yield server
    finally:
        family.stop()
        shutil.rmtree(instance.folder, ignore_errors=True)


@dataclass
class Between:
    """
    Stands before the gateway itself, where nobody adds a token, and may rename what comes back.

    Attributes:
        renamed: A name and what it is called instead.
        brought: The Authorization of each request.
    """

    site: Site
    renamed: tuple[str, str] = ("", "")
    brought: list[str | None] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> "Between":
        between = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                between.brought.append(self.headers["Authorization"])
                answer = between.passed(self.path, dict(self.headers))
                body = answer.text.replace(*between.renamed).encode() if between.renamed[0] else answer.content
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quietly."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        assert self._server
        return f"{LOOPBACK}:{self._server.server_port}"

    def passed(self, path: str, headers: dict[str, str]) -> httpx.Response:
        kept = {name: value for name, value in headers.items() if name in {"Authorization", "Accept"}}
        return httpx.get(f"{self.site.deployed.api}{path}", headers=kept, timeout=35, trust_env=False)


def values(server: Prometheus, expression: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
    """What a query comes to, now or at a moment in Unix time: labels and value of each series."""
    found = server.ask("query", query=expression, time=str(at or time.time()))["result"]
    return [(each["metric"], float(each["value"][1])) for each in found]


def firing(server: Prometheus) -> set[str]:
    """The alerts that are raised now."""
    return {str(alert["labels"]["alertname"]) for alert in server.ask("alerts")["alerts"] if alert["state"] == "firing"}


def rules(server: Prometheus) -> list[dict[str, Any]]:
    return [rule for group in server.ask("rules")["groups"] for rule in group["rules"]]


def boards(content: Path) -> list[dict[str, Any]]:
    """The dashboards that Grafana would be given."""
    return [json.loads(path.read_text()) for path in sorted((content / "grafana" / "dashboards").glob("*.json"))]
