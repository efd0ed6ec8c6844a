"""The doors open with what Lambda gives them and nothing else: the layers, boto3, and the standard library."""

import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from cdk.layers import LOCK
from cdk.stage import ROOT

DOORS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py"))
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "python-dateutil", "six")
OPEN = "import handler, boto3, zoneinfo; zoneinfo.ZoneInfo('Europe/Berlin'); print(handler.handler.__name__)"
TRACE = "from dyno import tracing; print(type(tracing.begin('Service', 'method', None, 'trip-1')).__name__)"
SAMPLED = {
    "TRACING": "xray",
    "LAMBDA_TASK_ROOT": "/var/task",
    "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Lambda's own Python brings along."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME:
        for top in {
            file.parts[0] for file in distribution(name).files or [] if file.parts[0] not in ("..", "__pycache__")
        }:
            (folder / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    return folder


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dependency layer for this machine's Python."""
    folder = tmp_path_factory.mktemp("layer")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            sys.executable,
            "--target",
            folder,
            "--only-binary",
            ":all:",
            "--no-deps",
            "--require-hashes",
            "-r",
            LOCK,
        ],
        check=True,
    )
    return folder


def start(door: str, *packages: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Import a door in a Python that sees nothing else, nor the machine's time zones; trace a call if it is told to."""
    paths = [ROOT / "functions" / door, ROOT / "layers" / "dyno" / "python", *packages]
    isolated = (
        f"import sys, zoneinfo; sys.path[:0] = {[str(path) for path in paths]!r}; zoneinfo.reset_tzpath(to=[]); {OPEN}"
    )
    program = f"{isolated}; {TRACE}" if "TRACING" in env else isolated
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("door", DOORS)
def test_a_door_opens_with_its_layers(runtime: Path, layer: Path, door: str) -> None:
    opened = start(door, layer, runtime)

    assert opened.stdout == "handler\n", opened.stderr


@pytest.mark.parametrize("door", DOORS)
def test_a_door_traces_with_its_layers(runtime: Path, layer: Path, door: str) -> None:
    traced = start(door, layer, runtime, **SAMPLED)

    assert traced.stdout == "handler\nCallSubsegment\n", traced.stderr


def test_a_package_of_xrays_missing_from_the_lock_would_be_noticed(runtime: Path, layer: Path, tmp_path: Path) -> None:
    shutil.copytree(layer, tmp_path / "layer", ignore=shutil.ignore_patterns("wrapt*"))

    traced = start("allocations", tmp_path / "layer", runtime, **SAMPLED)

    assert "NoneType" in traced.stdout
    assert "wrapt" in traced.stdout


def test_a_package_missing_from_the_lock_would_be_noticed(runtime: Path, layer: Path, tmp_path: Path) -> None:
    shutil.copytree(layer, tmp_path / "layer", ignore=shutil.ignore_patterns("scramp*"))

    opened = start("allocations", tmp_path / "layer", runtime)

    assert "scramp" in opened.stderr


def test_time_zones_missing_from_the_lock_would_be_noticed(runtime: Path, layer: Path, tmp_path: Path) -> None:
    shutil.copytree(layer, tmp_path / "layer", ignore=shutil.ignore_patterns("tzdata*"))

    opened = start("metrics", tmp_path / "layer", runtime)

    assert "Europe/Berlin" in opened.stderr
