"""The rules as Prometheus reads them."""

from typing import Any

from cdk.monitoring.prometheus.alerts import JOB, Alert, alerts
from cdk.monitoring.prometheus.promql import window
from cdk.monitoring.prometheus.recordings import Recording, recordings
from cdk.monitoring.runbook import address, is_address


def rules(runbook: str) -> dict[str, Any]:
    """
    The content of rules.yml.

    It is one group: its rules are evaluated one after the other, and each sees what those above it have just recorded.

    Args:
        runbook: Where docs/runbook.md is read; linked to if it is an address.
    """
    said = [*map(_recording, recordings()), *(_alerting(alert, runbook) for alert in alerts())]
    return {"groups": [{"name": JOB, "rules": said}]}


def _recording(rule: Recording) -> dict[str, Any]:
    return {"record": rule.name, "expr": rule.expression}


def _alerting(alert: Alert, runbook: str) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        **({"for": window(alert.for_s)} if alert.for_s else {}),
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.says,
            "description": alert.detail,
            **_what_to_do(runbook, alert.section),
        },
    }


def _what_to_do(runbook: str, section: str) -> dict[str, str]:
    """A link by the name that others look for one under, and not where there is none to click."""
    if is_address(runbook):
        return {"runbook_url": address(runbook, section)}
    return {"runbook": f"{section}, in {runbook}"}
