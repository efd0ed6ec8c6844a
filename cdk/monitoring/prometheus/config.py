"""Prometheus' own configuration: what it scrapes, by what right, and where it sends a copy."""

from typing import Any

from cdk.monitoring.prometheus.alerts import JOB

SCRAPE_INTERVAL_S, SCRAPE_TIMEOUT_S = 30, 10

ITSELF = "prometheus"
SCOPE = "metrics/read"
RULES_FILE = "rules.yml"
SECRET_FILE = "scraper_secret"  # noqa: S105  # a file's name
PATH = "/prometheus"
"""Where it is, behind the load balancer and on its own machine."""


def config(*, remote_write: bool = False) -> dict[str, Any]:
    """
    The content of prometheus.yml, with placeholders for what is not known before it runs.

    Paths are relative to it.

    Args:
        remote_write: Whether Amazon Managed Prometheus gets a copy.
    """
    every = {"scrape_interval": f"{SCRAPE_INTERVAL_S}s", "evaluation_interval": f"{SCRAPE_INTERVAL_S}s"}
    said = {
        "global": every | {"scrape_timeout": f"{SCRAPE_TIMEOUT_S}s"},
        "rule_files": [RULES_FILE],
        "scrape_configs": [_service(), _itself()],
    }
    return said | ({"remote_write": [_copy()]} if remote_write else {})


def placeholder(variable: str) -> str:
    """What stands for the value of an environment variable until there is one."""
    return f"@{variable}@"


def _service() -> dict[str, Any]:
    return {
        "job_name": JOB,
        "scheme": placeholder("SCHEME"),
        "metrics_path": placeholder("METRICS_PATH"),
        "honor_labels": False,
        "static_configs": [{"targets": [placeholder("API_HOST")]}],
        "oauth2": {
            "client_id": placeholder("CLIENT_ID"),
            "client_secret_file": SECRET_FILE,
            "token_url": placeholder("TOKEN_URL"),
            "scopes": [SCOPE],
        },
    }


def _itself() -> dict[str, Any]:
    return {
        "job_name": ITSELF,
        "metrics_path": f"{PATH}/metrics",
        "static_configs": [{"targets": ["localhost:9090"]}],
    }


def _copy() -> dict[str, Any]:
    return {
        "url": placeholder("REMOTE_WRITE_URL"),
        "sigv4": {"region": placeholder("AWS_REGION")},
        # Samples are billed, and Prometheus has more series about itself than the service has.
        "write_relabel_configs": [{"source_labels": ["job"], "regex": ITSELF, "action": "drop"}],
    }
