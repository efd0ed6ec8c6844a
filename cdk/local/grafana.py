"""Grafana on this machine, where there is one: a program of the system's, or the monitoring task's image by Docker."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx

from cdk.constructs.watchtower_sites import GRAFANA
from cdk.local import processes
from cdk.local.instance import LOOPBACK
from cdk.local.processes import Child, Family
from cdk.monitoring.grafana.settings import settings

PROGRAMS = {"grafana": ["server"], "grafana-server": []}
"""Its names, and what each takes to serve."""

HOME_OF_PACKAGES = Path("/usr/share/grafana")
NAME = "grafana"
ANSWER_S = 10
STOP_S = 4

ABSENT = (
    "no Grafana here: put `grafana` on PATH (https://grafana.com/grafana/download), or start Docker, and run this again"
)


@dataclass(frozen=True)
class Folders:
    """What it is given, and where it may write."""

    content: Path
    data: Path


def url(port: int) -> str:
    """Of its start page."""
    return f"http://localhost:{port}{GRAFANA.path}"


def command(port: int, folders: Folders) -> list[str] | None:
    """What starts it; None if it cannot be had here."""
    for name, serve in PROGRAMS.items():
        if program := shutil.which(name):
            return [program, *serve, *_home(Path(program))]
    docker = shutil.which("docker")
    return _in_docker(docker, folders, environment(port, folders)) if docker and _is_served(docker) else None


def start(family: Family, command: list[str], port: int, folders: Folders) -> Child:
    """Start it on loopback, for anybody of this machine to look and nobody to change."""
    given = processes.plain_environment() | environment(port, folders)
    return family.start(NAME, command, given, cwd=family.instance.folder, grace_s=STOP_S)


def environment(port: int, folders: Folders) -> dict[str, str]:
    """The settings of the monitoring task, but for who may come in."""
    return settings(url=f"{url(port)}/", content=str(folders.content), data=str(folders.data)) | {
        "GF_SERVER_HTTP_ADDR": LOOPBACK,
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_AUTH_DISABLE_LOGIN_FORM": "true",
        # Its name and password would be known to everybody.
        "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
    }


def is_healthy(port: int) -> bool:
    """Whether it answers and has its database."""
    try:
        health = f"http://localhost:{port}{GRAFANA.health_path}"
        return httpx.get(health, timeout=ANSWER_S, trust_env=False, follow_redirects=True).is_success
    except httpx.TransportError:
        return False


def _home(program: Path) -> list[str]:
    """Where its pages are, which it looks for in the working folder only."""
    homes = (program.resolve().parents[1], HOME_OF_PACKAGES)
    return next((["--homepath", str(home)] for home in homes if (home / "conf" / "defaults.ini").exists()), [])


def _is_served(docker: str) -> bool:
    """Whether there is a daemon behind the command."""
    asked = subprocess.run([docker, "version", "--format", "{{.Server.Version}}"], capture_output=True, check=False)
    return asked.returncode == 0


def _in_docker(docker: str, folders: Folders, variables: dict[str, str]) -> list[str]:
    """On the machine's own network, where Prometheus is, and with the paths and the user of this side."""
    return [
        docker,
        "run",
        "--rm",
        "--network=host",
        f"--user={os.getuid()}:{os.getgid()}",
        f"--volume={folders.content}:{folders.content}:ro",
        f"--volume={folders.data}:{folders.data}",
        *(f"--env={name}={value}" for name, value in variables.items()),
        GRAFANA.image,
    ]
