"""What Grafana is given at its start: its data source, its dashboards, and where it finds them."""

import json
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from cdk.monitoring.prometheus.config import PATH, SCRAPE_INTERVAL_S, placeholder
from cdk.monitoring.runbook import is_address

DATA_SOURCE_UID = "dyno-prometheus"
FOLDER = "Dyno"

DASHBOARDS = "grafana/dashboards"
RENDERED = Path(__file__).parent / "rendered"

RUNBOOK_UNKNOWN = placeholder("RUNBOOK")
"""What stands in the rendered dashboards for the address of docs/runbook.md."""

RUNBOOK_NAME = "runbook"
RUNBOOK = f"${{{RUNBOOK_NAME}:raw}}"
"""That address in their links, as it is typed at the top of a dashboard."""


def files(runbook: str, home: str = "/content") -> dict[str, str]:
    """
    What is in the content's folder of Grafana's, text by path below the content.

    Args:
        runbook: Where docs/runbook.md is read; linked to if it is an address.
        home: Where the content is when Grafana reads it.
    """
    return {
        "grafana/provisioning/datasources/prometheus.yml": _yaml(_data_source()),
        "grafana/provisioning/dashboards/dyno.yml": _yaml(_provider(home)),
        **{
            f"{DASHBOARDS}/{path.name}": _dashboard(path.read_text(), runbook)
            for path in sorted(RENDERED.glob("*.json"))
        },
    }


def written(board: Any) -> str:  # noqa: ANN401  # JSON, or what is encoded as it
    """A dashboard as Grafana reads it."""
    return json.dumps(board, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _dashboard(text: str, runbook: str) -> str:
    if is_address(runbook):
        return text.replace(RUNBOOK_UNKNOWN, json.dumps(runbook)[1:-1])
    board = json.loads(text)
    variables = board["templating"]["list"]
    variables[:] = [variable for variable in variables if variable["name"] != RUNBOOK_NAME]
    for panel in board["panels"]:
        _say_where(panel, runbook)
    return written(board)


def _say_where(panel: dict[str, Any], runbook: str) -> None:
    """A panel's links to the runbook as text: they would lead to a page of Grafana's that there is not."""
    given = panel.get("links", [])
    if said := [link for link in given if link["url"].startswith(RUNBOOK)]:
        panel["links"] = [link for link in given if link not in said]
        panel["description"] += "".join(f"\n\n{link['title']}, in {runbook}." for link in said)


def _data_source() -> dict[str, Any]:
    """The Prometheus beside it, whose scrapes it has to know: no rate is of less than two."""
    source = {
        "name": "Prometheus",
        "type": "prometheus",
        "uid": DATA_SOURCE_UID,
        "access": "proxy",
        "url": f"http://localhost:9090{PATH}",
        "isDefault": True,
        "editable": False,
        "jsonData": {"httpMethod": "GET", "timeInterval": f"{SCRAPE_INTERVAL_S}s"},
    }
    return {"apiVersion": 1, "prune": True, "datasources": [source]}


def _provider(home: str) -> dict[str, Any]:
    """Dashboards are changed in the code: what somebody saved by hand would be lost with the task."""
    provider = {
        "name": FOLDER,
        "folder": FOLDER,
        "folderUid": FOLDER.lower(),
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "options": {"path": f"{home}/{DASHBOARDS}"},
    }
    return {"apiVersion": 1, "providers": [provider]}


def _yaml(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False)
