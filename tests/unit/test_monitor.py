import asyncio
import io
import os
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from cdk.constructs.watchtower_sites import GRAFANA
from cdk.local import grafana, monitor
from cdk.local.grafana import Folders
from cdk.local.monitor import Ports
from cdk.local.prometheus import Prometheus, explained
from cdk.local.steps import Steps
from cdk.monitoring.prometheus import content
from cdk.monitoring.prometheus.alerts import JOB

PORT = 3100


def test_on_the_usual_ports_the_content_is_the_tasks() -> None:
    assert monitor.script(Ports()) == content.script()


def test_whoever_asks_for_prometheus_asks_on_another_port_if_that_is_its() -> None:
    moved = monitor.script(Ports(prometheus=9190))

    assert moved.count("localhost:9190") == content.script().count("localhost:9090") > 1
    assert "9090" not in moved


class Answers(Prometheus):
    """What it answers, one answer after the other; then the last one."""

    answers: list[list[dict[str, Any]]]

    def ask(self, path: str, **_: str) -> Any:
        match path:
            case "targets":
                return {"activeTargets": self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]}
            case "query":
                return {"result": [{"metric": {}, "value": [0, "62"]}]}
        rules = [{"type": "recording"}, {"type": "recording"}, {"type": "alerting"}]
        return {"groups": [{"rules": rules}]}


def answering(*answers: list[dict[str, Any]]) -> Answers:
    server = Answers("http://localhost:9090/prometheus")
    object.__setattr__(server, "answers", list(answers))
    return server


def target(health: str, error: str = "", job: str = JOB) -> dict[str, Any]:
    return {"labels": {"job": job}, "health": health, "lastError": error}


@pytest.mark.parametrize(
    ("targets", "complaint"),
    [
        ([], None),
        ([target("unknown")], None),
        ([target("up")], ""),
        ([target("up", job="prometheus"), target("down", "it is away")], "it is away"),
    ],
)
def test_what_is_complained_of_is_the_last_scrape_of_the_service(
    targets: list[dict[str, Any]], complaint: str | None
) -> None:
    assert answering(targets).complaint() == complaint


def test_a_prometheus_that_is_not_there_complains_of_nothing() -> None:
    nowhere = Prometheus("http://127.0.0.1:9/prometheus")

    assert nowhere.complaint() is None
    assert not nowhere.is_ready()


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ('Get "http://localhost:8000/": dial tcp 127.0.0.1:8000: connect: connection refused', "does `make run` still"),
        (
            'Get "http://x/": oauth2: cannot fetch token: 400 Bad Request\nResponse: {}',
            "the user pool gives it no token",
        ),
        ("server returned HTTP status 401 Unauthorized", "the gateway does not take its token"),
        ("server returned HTTP status 503 Service Unavailable", "the service is in trouble"),
        ('Get "http://x/": context deadline exceeded', "takes too long"),
        ("something new", "the scrape fails: something new"),
    ],
)
def test_why_a_scrape_fails_is_said_on_one_line(said: str, meaning: str) -> None:
    line = explained(said)

    assert meaning in line
    assert " ".join(said.split()) in line
    assert "\n" not in line


def test_each_reason_is_said_once_and_then_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "LOOK_S", 0)
    away, refused = [target("down", "connection refused")], [target("down", "HTTP status 401")]
    heard = io.StringIO()

    brought = asyncio.run(
        monitor._scraped(answering([], away, away, refused, [target("up")]), Steps(Console(file=heard)))
    )

    assert [line[0] for line in heard.getvalue().splitlines()] == ["!", "!"]
    assert brought == "62 series; 2 recording and 1 alerting rules"


def programs(monkeypatch: pytest.MonkeyPatch, folder: Path, **texts: str) -> None:
    """A machine with these commands and no others."""
    binaries = folder / "bin"
    binaries.mkdir()
    for name, text in texts.items():
        (binaries / name.replace("_", "-")).write_text(f"#!/bin/sh\n{text}\n")
        (binaries / name.replace("_", "-")).chmod(0o755)
    monkeypatch.setenv("PATH", str(binaries))


def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "content", tmp_path / "data")


def test_the_systems_own_grafana_is_taken_and_told_where_its_pages_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    programs(monkeypatch, tmp_path, grafana="exit 0", docker="exit 0")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "defaults.ini").touch()

    command = grafana.command(PORT, folders(tmp_path))

    assert command == [shutil.which("grafana"), "server", "--homepath", str(tmp_path)]


def test_an_older_one_has_another_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    programs(monkeypatch, tmp_path, grafana_server="exit 0")
    monkeypatch.setattr(grafana, "HOME_OF_PACKAGES", tmp_path)

    assert grafana.command(PORT, folders(tmp_path)) == [shutil.which("grafana-server")]


def test_docker_runs_the_tasks_image_on_the_machines_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    programs(monkeypatch, tmp_path, docker="exit 0")

    command = grafana.command(PORT, folders(tmp_path))

    assert command is not None
    assert command[:4] == [shutil.which("docker"), "run", "--rm", "--network=host"]
    assert f"--user={os.getuid()}:{os.getgid()}" in command
    assert f"--volume={tmp_path}/content:{tmp_path}/content:ro" in command
    assert f"--env=GF_SERVER_HTTP_PORT={PORT}" in command
    assert command[-1] == GRAFANA.image


@pytest.mark.parametrize("texts", [{}, {"docker": "exit 1"}], ids=["no command", "no daemon"])
def test_where_there_is_neither_there_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, texts: dict[str, str]
) -> None:
    programs(monkeypatch, tmp_path, **texts)

    assert grafana.command(PORT, folders(tmp_path)) is None


def test_grafana_is_for_this_machine_to_look_at_and_for_nobody_to_change(tmp_path: Path) -> None:
    told = grafana.environment(PORT, folders(tmp_path))

    assert told["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert (told["GF_AUTH_ANONYMOUS_ENABLED"], told["GF_AUTH_ANONYMOUS_ORG_ROLE"]) == ("true", "Viewer")
    assert told["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert told["GF_SERVER_ROOT_URL"] == f"http://localhost:{PORT}/grafana/"
    assert told["GF_PATHS_PROVISIONING"] == str(tmp_path / "content" / "grafana" / "provisioning")


def test_a_grafana_that_is_not_there_is_not_healthy() -> None:
    assert not grafana.is_healthy(9)


def test_a_refused_question_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = httpx.Response(400, request=httpx.Request("GET", "http://localhost"))
    monkeypatch.setattr(httpx, "get", lambda *_, **__: refusal)

    with pytest.raises(httpx.HTTPStatusError):
        Prometheus.at(9090).ask("query", query="sum by (")
