"""`make monitor`: Prometheus, and Grafana where there is one, as in the monitoring task, beside the running stack."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape

from cdk.constructs.watchtower_sites import GRAFANA, PROMETHEUS
from cdk.local import aws, deploy, grafana, life, processes, prometheus, promtool, stack
from cdk.local.instance import Instance, LocalStackError, reserve
from cdk.local.processes import Family
from cdk.local.prometheus import Prometheus
from cdk.local.stack import Stack
from cdk.local.steps import Steps
from cdk.monitoring.prometheus import content

READY_S = 60
PULLED_S = 600
"""Docker may have to fetch an image first."""

LOOK_S = 0.5


@dataclass(frozen=True)
class Ports:
    """Where both answer, on loopback."""

    prometheus: int = PROMETHEUS.port
    grafana: int = GRAFANA.port


async def supervise(beside: Instance, ports: Ports, steps: Steps) -> None:
    """
    Watch a running stack until told to stop; what was seen is kept for the next time.

    Args:
        beside: The stack that is watched.
    Raises:
        LocalStackError: It does not run, is watched already, or something could not start or ended by itself.
    """
    deployed = stack.running(beside)
    instance = of(beside)
    if holder := instance.holder():
        raise LocalStackError(f"this stack is watched already, by process {holder}")
    with instance.claimed():
        family = Family(instance)
        await life.lead(family, _live(family, deployed, ports, steps), steps)


def of(beside: Instance) -> Instance:
    """What watches a stack has a folder in the stack's own."""
    return Instance(beside.folder / "monitor")


def script(ports: Ports) -> str:
    """The monitoring task's own, but for the port of Prometheus if that is another."""
    usual, chosen = (f"localhost:{port}" for port in (PROMETHEUS.port, ports.prometheus))
    return content.unpacking({path: text.replace(usual, chosen) for path, text in content.files().items()})


def variables(instance: Instance, deployed: Stack, secret: str) -> dict[str, str]:
    """
    What the script is told.

    Args:
        secret: Of the scraper's client.
    """
    return {
        "API_HOST": f"localhost:{deployed.port}",
        "CLIENT_ID": deployed.scraper_client_id,
        "CONTENT_HOME": str(instance.path("content")),
        "GRAFANA_DATA": str(instance.path("grafana")),
        "METRICS_PATH": "/metrics/prometheus",
        "SCHEME": "http",
        "SCRAPER_SECRET": secret,
        "SNAPSHOTS": str(instance.path("snapshots")),
        "TOKEN_URL": f"{aws.endpoint(deployed.aws_port)}/oauth2/token",
        "TSDB": str(instance.path("prometheus")),
    }


async def _live(family: Family, deployed: Stack, ports: Ports, steps: Steps) -> None:
    """Start both and say where they are and, once it has come, what the first scrape brought."""
    reserve(ports.prometheus, "PROMETHEUS_PORT=9190").close()
    told = variables(family.instance, deployed, await asyncio.to_thread(deploy.scraper_secret, deployed))
    await steps.step("content", _unpacked(family, ports, told), told["CONTENT_HOME"])
    server = Prometheus.at(ports.prometheus)
    await steps.step("Prometheus", _started(family, server, ports, told), server.url)
    await _started_grafana(family, ports, told, steps)
    await steps.step("scrape", _scraped(server, steps))
    steps.say("\n[bold green]Ready[/]; Ctrl-C stops it and keeps what it saw.\n")
    steps.say(f"  Prometheus   [bold]{server.url}[/]")
    if any(child.name == grafana.NAME for child in family.children):
        steps.say(f"  Grafana      [bold]{grafana.url(ports.grafana)}[/]")


async def _unpacked(family: Family, ports: Ports, told: dict[str, str]) -> None:
    path = family.instance.path(content.SCRIPT)
    path.write_text(script(ports))
    Path(told["GRAFANA_DATA"]).mkdir(exist_ok=True)
    await family.run("content", ["sh", path], processes.plain_environment() | told)


async def _started(family: Family, server: Prometheus, ports: Ports, told: dict[str, str]) -> None:
    await asyncio.to_thread(promtool.prometheus)  # fetched, where it is not there yet
    prometheus.start(family, ports.prometheus, content=Path(told["CONTENT_HOME"]), database=Path(told["TSDB"]))
    await processes.until("Prometheus is ready", READY_S, server.is_ready)


async def _started_grafana(family: Family, ports: Ports, told: dict[str, str], steps: Steps) -> None:
    folders = grafana.Folders(Path(told["CONTENT_HOME"]), Path(told["GRAFANA_DATA"]))
    command = await asyncio.to_thread(grafana.command, ports.grafana, folders)
    if command is None:
        steps.say(f"[yellow]![/] {grafana.ABSENT}")
        return
    reserve(ports.grafana, "GRAFANA_PORT=3100").close()
    grafana.start(family, command, ports.grafana, folders)
    healthy = processes.until("Grafana is healthy", PULLED_S, lambda: grafana.is_healthy(ports.grafana))
    await steps.step("Grafana", healthy, grafana.url(ports.grafana))


async def _scraped(server: Prometheus, steps: Steps) -> str:
    """Wait for the first good scrape, and say each reason why there is none yet."""
    told: str | None = None
    while (complaint := await asyncio.to_thread(server.complaint)) != "":
        if complaint and complaint != told:
            steps.say(f"[yellow]![/] {escape(prometheus.explained(complaint))}")
            told = complaint
        await asyncio.sleep(LOOK_S)
    return await asyncio.to_thread(server.known)
