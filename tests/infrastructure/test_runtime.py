"""The doors open with what Lambda gives them and nothing else: the layers, boto3, and the standard library."""

import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

import pytest

from cdk.layers import LOCK
from cdk.stage import ROOT

DOORS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py"))
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "python-dateutil", "six")
OPEN = "import handler, boto3, zoneinfo; zoneinfo.ZoneInfo('Europe/Berlin'); print(handler.handler.__name__)"
ORIGINS = "import sys; print(*{m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)}, sep='\\n')"
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


def origins(door: str, *packages: Path) -> set[Path]:
    """The files of all modules that a door imports, less the standard library's."""
    isolated = f"import sys; sys.path[:0] = {[str(path) for path in (*_own(door), *packages)]!r}; {OPEN}; {ORIGINS}"
    opened = subprocess.run([sys.executable, "-I", "-S", "-c", isolated], capture_output=True, text=True, check=True)
    files = {Path(line) for line in opened.stdout.splitlines()[1:]}
    library = Path(sysconfig.get_path("stdlib"))
    return {file for file in files if not file.is_relative_to(library) or "site-packages" in file.parts}


def _own(door: str) -> list[Path]:
    return [ROOT / "functions" / door, ROOT / "layers" / "dyno" / "python"]


def strangers(files: set[Path], *homes: Path) -> set[Path]:
    """Files that are in none of these folders."""
    return {file for file in files if not any(file.is_relative_to(home) for home in homes)}


@pytest.mark.parametrize("door", DOORS)
def test_every_module_of_a_door_is_its_own_the_layers_or_lambdas(runtime: Path, layer: Path, door: str) -> None:
    files = origins(door, layer, runtime)

    assert strangers(files, *_own(door), layer, runtime) == set()
    assert any(file.is_relative_to(layer) for file in files)


def test_a_module_from_elsewhere_would_be_noticed(runtime: Path, layer: Path, tmp_path: Path) -> None:
    shutil.copytree(layer, tmp_path / "layer", ignore=shutil.ignore_patterns("scramp*"))
    for part in layer.glob("scramp*"):
        shutil.copytree(part, tmp_path / "elsewhere" / part.name)

    files = origins("allocations", tmp_path / "layer", tmp_path / "elsewhere", runtime)
    found = strangers(files, *_own("allocations"), tmp_path / "layer", runtime)

    assert {file.parent.name for file in found} == {"scramp"}


def test_what_is_in_the_layer_and_in_lambda_is_taken_from_the_layer(runtime: Path, layer: Path) -> None:
    both = {path.name for path in layer.iterdir() if path.suffix != ".dist-info"} & {p.name for p in runtime.iterdir()}

    taken = [
        file.relative_to(runtime) for file in origins("allocations", layer, runtime) if file.is_relative_to(runtime)
    ]

    assert {"dateutil", "jmespath", "six.py"} <= both
    assert {file.parts[0] for file in taken} & both == set()
    assert "boto3" in {file.parts[0] for file in taken}
