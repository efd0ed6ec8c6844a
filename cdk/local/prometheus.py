"""A real Prometheus on this machine, started as the monitoring task starts it, and what it says of itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from cdk.local import processes, promtool
from cdk.local.instance import LOOPBACK
from cdk.local.processes import Child, Family
from cdk.monitoring.prometheus.alerts import JOB
from cdk.monitoring.prometheus.config import PATH
from cdk.monitoring.prometheus.flags import flags

NAME = "prometheus"
ANSWER_S = 10
STOP_S = 4
"""What it lost by being ended it reads from its log at the next start."""

_AGAIN = "start `make monitor` again if the stack is another one now"

REMEDIES = {
    "connection refused": "nothing answers there: does `make run` still run?",
    "context deadline exceeded": "the answer takes too long",
    "oauth2: ": f"the user pool gives it no token; {_AGAIN}",
    "HTTP status 401": f"the gateway does not take its token; {_AGAIN}",
    "HTTP status 403": f"the gateway does not take its token; {_AGAIN}",
    "HTTP status 5": "the service is in trouble; GET /metrics/health says of what",
}
"""What a failure of a scrape means, by what Prometheus says of it."""


@dataclass(frozen=True)
class Prometheus:
    """A running server, by the address of its start page."""

    url: str

    @classmethod
    def at(cls, port: int) -> "Prometheus":
        """The one of this machine."""
        return cls(f"http://localhost:{port}{PATH}")

    def is_ready(self) -> bool:
        """Whether it has read its history and answers."""
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=ANSWER_S, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def ask(self, path: str, **parameters: str) -> Any:  # noqa: ANN401  # JSON
        """
        The data of an answer of its API.

        Raises:
            httpx.HTTPError: It gave none, or refused.
        """
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=ANSWER_S, trust_env=False)
        return answer.raise_for_status().json()["data"]

    def complaint(self) -> str | None:
        """Why the last scrape of the service failed; empty if it was good, None before the first."""
        try:
            found = self.ask("targets", state="active")["activeTargets"]
        except httpx.HTTPError:
            return None
        for target in found:
            if target["labels"]["job"] == JOB and target["health"] != "unknown":
                return str(target["lastError"])
        return None

    def known(self) -> str:
        """How many series the last scrape brought, and how many rules there are, for people."""
        series = self.ask("query", query=f'scrape_samples_scraped{{job="{JOB}"}}')["result"]
        rules = [rule["type"] for group in self.ask("rules")["groups"] for rule in group["rules"]]
        brought = series[0]["value"][1] if series else "0"
        return f"{brought} series; {rules.count('recording')} recording and {rules.count('alerting')} alerting rules"


def start(family: Family, port: int, *, content: Path, database: Path) -> Child:
    """
    Start it on loopback only, where its admin API is anybody's of this machine.

    Raises:
        LocalStackError: It cannot be had here.
    """
    given = flags(
        content=str(content), database=str(database), url=f"{Prometheus.at(port).url}/", address=f"{LOOPBACK}:{port}"
    )
    return family.start(
        NAME, [promtool.prometheus(), *given], processes.plain_environment(), cwd=family.instance.folder, grace_s=STOP_S
    )


def explained(complaint: str) -> str:
    """Why a scrape fails: what it means, if that is known, and what Prometheus says."""
    said = " ".join(complaint.split())
    remedy = next((each for sign, each in REMEDIES.items() if sign in said), None)
    return f"the scrape fails: {remedy} ({said})" if remedy else f"the scrape fails: {said}"
