"""The layers: compiled by a Python that runs, from downloads that are what was pinned."""

import ast
import base64
import hashlib
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cdk import layers, sbom
from cdk.layers import LOCK, LayerError
from cdk.stage import ROOT

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIE+/==\n-----END CERTIFICATE-----\n"


def module(count: int) -> str:
    """What the package's defaults.js looks like."""
    lines = ["'-----BEGIN CERTIFICATE-----\\n' +", "'MIIE+/==\\n' +", "'-----END CERTIFICATE-----\\n',"]
    return '"use strict";\nexports.defaults = void 0;\nexports.defaults = [\n' + "\n".join(lines * count) + "\n];\n"


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place to build in, with a source of its own, no network and no Python but what a test puts on PATH."""
    source = tmp_path / "source"
    (source / "dyno" / "__pycache__").mkdir(parents=True)
    (source / "dyno" / "__init__.py").write_text("ANSWER = 42\n")
    (source / "dyno" / "__pycache__" / "stale.pyc").write_bytes(b"stale")
    monkeypatch.setattr(layers, "SOURCE", source)
    monkeypatch.setattr(layers, "BUILT", tmp_path / "built")
    monkeypatch.setattr(layers, "_install", lambda target: (target / "pydantic.py").write_text("INSTALLED = True\n"))
    monkeypatch.setattr(
        layers, "_install_packages", lambda target, _: (target / "openpyxl.py").write_text("HERE = 1\n")
    )
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    (tmp_path / "bin").mkdir()
    return tmp_path


def put_on_path(workshop: Path, script: str) -> None:
    """A python3.13 that is a shell script."""
    python = workshop / "bin" / "python3.13"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)


def test_a_shim_that_only_talks_is_no_compiler(workshop: Path) -> None:
    put_on_path(workshop, 'echo "pyenv: python3.13: command not found" >&2; exit 127')

    assert layers.find_compiler() is None


def test_another_version_is_no_compiler(workshop: Path) -> None:
    put_on_path(workshop, "echo 3.12")

    assert layers.find_compiler() is None


def test_a_python_that_runs_is_a_compiler(workshop: Path) -> None:
    put_on_path(workshop, "echo 3.13")

    assert layers.find_compiler() == ["python3.13"]


def test_a_pythons_place_in_pyenv_is_found_behind_its_shim(workshop: Path) -> None:
    put_on_path(workshop, "exit 127")
    real = workshop / ".pyenv" / "versions" / "3.13.0" / "bin" / "python3"
    real.parent.mkdir(parents=True)
    real.write_text("#!/bin/sh\necho 3.13\n")
    real.chmod(0o755)

    assert layers.find_compiler() == [str(real)]


def test_without_a_compiler_the_layers_are_built_and_it_is_said(
    workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built = layers.build()

    assert "not compiled" in capsys.readouterr().err
    assert (built.dyno.path / "python" / "dyno" / "__init__.py").read_text() == "ANSWER = 42\n"
    assert not list(built.dyno.path.rglob("*.pyc"))


def test_a_release_refuses_to_be_uncompiled(workshop: Path) -> None:
    with pytest.raises(LayerError, match="not compiled"):
        layers.build(release=True)


def test_a_layer_is_built_again_only_if_its_source_changes(workshop: Path) -> None:
    first = layers.build().dyno
    mark = first.path / "mark"
    mark.touch()

    again = layers.build().dyno
    unchanged = mark.exists()
    (layers.SOURCE / "dyno" / "__init__.py").write_text("ANSWER = 43\n")
    changed = layers.build().dyno

    assert again == first
    assert unchanged
    assert changed.fingerprint != first.fingerprint
    assert not mark.exists()


def test_a_built_layer_has_what_its_links_lead_to(workshop: Path) -> None:
    described, link = workshop / "openapi.json", layers.SOURCE / "dyno" / "openapi.json"
    described.write_text("{}")
    link.symlink_to(described)

    first = layers.build().dyno
    described.write_text('{"openapi": "3.1.1"}')
    changed = layers.build().dyno

    shipped = changed.path / "python" / "dyno" / "openapi.json"
    assert not shipped.is_symlink()
    assert shipped.read_text() == '{"openapi": "3.1.1"}'
    assert changed.fingerprint != first.fingerprint


def test_a_layer_whose_building_was_cut_short_is_built_again(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise LayerError("no network")

    with monkeypatch.context() as cut_short:
        cut_short.setattr(layers, "_install", fail)
        with pytest.raises(LayerError, match="no network"):
            layers.build()

    assert (layers.build().dependencies.path / "python" / "pydantic.py").exists()


def test_every_certificate_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert layers.certificates(module(layers.CERTIFICATE_COUNT)) == CERTIFICATE * layers.CERTIFICATE_COUNT


def test_a_certificate_too_few_would_be_found() -> None:
    with pytest.raises(LayerError, match="114 certificates"):
        layers.certificates(module(layers.CERTIFICATE_COUNT - 1))


def test_only_the_pinned_archive_is_taken() -> None:
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(b"pinned").digest()).decode()

    layers.check_integrity(b"pinned", integrity)
    with pytest.raises(LayerError, match="not what was pinned"):
        layers.check_integrity(b"planted", integrity)


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DIRECT = [canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]]
SOURCES = [path for folder in ("functions", "layers/dyno/python") for path in sorted((ROOT / folder).rglob("*.py"))]

OF_ANOTHER_NAME = {"python-dateutil": "dateutil"}
OF_THE_RUNTIME = {"boto3", "botocore", "urllib3"}
"""What Lambda's own Python has; locked for development alone."""

FOR_OTHERS = {"python-dateutil": "pg8000", "tzdata": ""}
"""Asked for by name though no line of ours imports it: for whom; no name is the standard library's zoneinfo."""

CEILING_MB = 65
"""Of both layers, unpacked and compiled: 57 in November 2026. Lambda takes 250, but a cold start reads them."""


def names(lock: str) -> set[str]:
    """The packages of a lock file."""
    return set(re.findall(r"^([a-z0-9.-]+)==", lock, re.MULTILINE))


def needed(direct: Iterable[str]) -> set[str]:
    """Those packages and, by their own metadata, whatever they cannot do without in Lambda's Python."""
    found, open_ = set[str](), [*direct]
    while open_:
        name = open_.pop()
        if name not in found | OF_THE_RUNTIME:
            found.add(name)
            open_ += sbom.required(distribution(name))
    return found


def imported(programs: Iterable[str]) -> set[str]:
    """Top-level names that programs import."""
    nodes = [node for program in programs for node in ast.walk(ast.parse(program))]
    imports = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules = {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in imports | modules}


def idle(direct: Iterable[str], modules: set[str]) -> set[str]:
    """What is asked for by name and imported by nobody here."""
    return {name for name in direct if OF_ANOTHER_NAME.get(name, name.replace("-", "_")) not in modules}


def test_nothing_is_shipped_that_nothing_needs() -> None:
    assert names(LOCK.read_text()) == needed(DIRECT)


def test_a_package_that_nothing_needs_would_be_found() -> None:
    planted = f"{LOCK.read_text()}rich==15.0.0 \\\n    --hash=sha256:{'0' * 64}\n"

    assert names(planted) - needed(DIRECT) == {"rich"}


def test_what_is_asked_for_by_name_is_imported_or_somebodys() -> None:
    assert idle(DIRECT, imported(path.read_text() for path in SOURCES)) == {*FOR_OTHERS}
    for name, user in FOR_OTHERS.items():
        assert not user or name in {*sbom.required(distribution(user))}, name


def test_what_nobody_imports_would_be_found() -> None:
    without = imported(path.read_text() for path in SOURCES if "migrations" not in path.parts)

    assert idle([*DIRECT, "rich"], without) == {*FOR_OTHERS, "alembic", "rich"}


def size_mb(*folders: Path) -> float:
    """What folders hold, in millions of bytes."""
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()) / 1e6


def test_both_layers_stay_below_their_ceiling() -> None:
    built = layers.build()

    assert 10 < size_mb(built.dependencies.path, built.dyno.path) < CEILING_MB


def test_a_layer_that_grew_would_be_noticed(tmp_path: Path) -> None:
    built = layers.build()
    with (tmp_path / "planted.so").open("wb") as grown:
        grown.truncate(31_000_000)  # botocore and urllib3

    assert size_mb(built.dependencies.path, built.dyno.path, tmp_path) > CEILING_MB
