"""What Grafana is given at its start: its data source, its dashboards, and where it finds them."""

import json
from pathlib import Path
from typing import Any

import yaml

from cdk.monitoring.prometheus.config import PATH, SCRAPE_INTERVAL_S, placeholder

DATA_SOURCE_UID = "dyno-prometheus"
FOLDER = "Dyno"

DASHBOARDS = "grafana/dashboards"
RENDERED = Path(__file__).parent / "rendered"

RUNBOOK_UNKNOWN = placeholder("RUNBOOK")
"""What stands in the rendered dashboards for the address of docs/runbook.md."""


def files(runbook: str, home: str = "/content") -> dict[str, str]:
    """
    What is in the content's folder of Grafana's, text by path below the content.

    Args:
        runbook: The address of docs/runbook.md.
        home: Where the content is when Grafana reads it.
    """
    return {
        "grafana/provisioning/datasources/prometheus.yml": _yaml(_data_source()),
        "grafana/provisioning/dashboards/dyno.yml": _yaml(_provider(home)),
        **{
            f"{DASHBOARDS}/{path.name}": path.read_text().replace(RUNBOOK_UNKNOWN, json.dumps(runbook)[1:-1])
            for path in sorted(RENDERED.glob("*.json"))
        },
    }


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
