"""Every contract of the import linter catches the import it forbids."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PLANTED = {
    "In the allocation room, imports go from service to store to model": (
        "layers/dyno/python/dyno/allocation/registry_model.py",
        "import dyno.allocation.registry_store",
    ),
    "In the metrics room, imports go from service to store to model": (
        "layers/dyno/python/dyno/metrics/model.py",
        "import dyno.metrics.store",
    ),
    "In the roi room, imports go from service to store to model": (
        "layers/dyno/python/dyno/roi/model.py",
        "import dyno.roi.formula",
    ),
    "In the users room, imports go from service to store to model": (
        "layers/dyno/python/dyno/users/model.py",
        "import dyno.users.service",
    ),
    "In the imports room, what reads sheets goes from rows to cells to limits": (
        "layers/dyno/python/dyno/imports/model.py",
        "import dyno.imports.values",
    ),
    "What reads sheets knows models, errors, formulas and text": (
        "layers/dyno/python/dyno/imports/lines.py",
        "import dyno.allocation.registry_store",
    ),
    "Only what reads files imports what reads workbooks": (
        "functions/metrics/handler.py",
        "import openpyxl",
    ),
    "No room knows the imports room, which knows them": (
        "layers/dyno/python/dyno/users/model.py",
        "import dyno.imports.model",
    ),
    "In the imports room, imports go from service to store to model": (
        "layers/dyno/python/dyno/imports/model.py",
        "import dyno.imports.store",
    ),
    "In the exports room, imports go from service to store and writers to model": (
        "layers/dyno/python/dyno/exports/model.py",
        "import dyno.exports.csvs",
    ),
    "In the notices room, imports go from service to store to model": (
        "layers/dyno/python/dyno/notices/model.py",
        "import dyno.notices.service",
    ),
    "The hall knows no room": ("layers/dyno/python/dyno/settings.py", "import dyno.allocation.model"),
    "The metrics room lends its tracker and nothing else": (
        "layers/dyno/python/dyno/allocation/service.py",
        "import dyno.metrics.snapshot",
    ),
    "Rooms know nothing of each other but the tracker": (
        "layers/dyno/python/dyno/roi/store.py",
        "import dyno.allocation.model",
    ),
    "The metrics room knows no other": (
        "layers/dyno/python/dyno/metrics/service.py",
        "import dyno.users.model",
    ),
    "Doors see neither SQL nor stores": ("functions/metrics/handler.py", "import dyno.metrics.store"),
    "Models import errors, text, pydantic and the standard library": (
        "layers/dyno/python/dyno/metrics/model.py",
        "import dyno.paging",
    ),
    "The infrastructure knows the catalogue and nothing else of the service": (
        "cdk/app.py",
        "import dyno.metrics.snapshot",
    ),
}


def lint(tree: Path) -> str:
    path = f"{tree}:{tree / 'layers/dyno/python'}"
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tree,
        env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of a copy of the house in which every rule is broken."""
    tree = tmp_path_factory.mktemp("house")
    for part in ("functions", "cdk", "layers/dyno/python/dyno"):
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    for file, line in PLANTED.values():
        with (tree / file).open("a") as source:
            source.write(f"\n{line}\n")
    return lint(tree)


def test_the_house_keeps_its_contracts() -> None:
    assert f"Contracts: {len(PLANTED)} kept, 0 broken" in lint(ROOT)


def test_the_contracts_name_every_module_of_the_hall() -> None:
    dyno = ROOT / "layers/dyno/python/dyno"
    hall = {f"dyno.{path.stem}" for path in dyno.glob("*.py") if path.stem != "__init__"} | {"dyno.migrations"}
    contracts = {
        contract["name"]: contract
        for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    }

    assert set(contracts["The hall knows no room"]["source_modules"]) == hall
    models = contracts["Models import errors, text, pydantic and the standard library"]
    assert {name for name in models["forbidden_modules"] if name.startswith("dyno.")} == hall - {
        "dyno.errors",
        "dyno.text",
    }


@pytest.mark.parametrize("contract", PLANTED)
def test_a_planted_import_breaks_its_contract(broken: str, contract: str) -> None:
    assert f"{contract} BROKEN" in broken
