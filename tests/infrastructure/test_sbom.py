"""The bill of materials says what is shipped: no package more, none less, and in a form that tools can read."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from cdk import layers, sbom
from tests.infrastructure.template import Templates

LOCK = layers.LOCK.read_text()


@pytest.fixture(scope="module")
def built() -> Path:
    """The dependency layer as it is shipped, or was built last."""
    return layers.build().dependencies.path


@pytest.fixture
def thin(built: Path, tmp_path: Path) -> Path:
    """What the layer says of its packages, to be changed."""
    for folder in (built / "python").glob("*.dist-info"):
        shutil.copytree(folder, tmp_path / "python" / folder.name)
    return tmp_path


def described(layer: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(sbom.describe(layer, LOCK, "v1.2.3"))
    return document


def shipped(layer: Path) -> set[str]:
    """Packages of a layer, by its folders alone."""
    names = [folder.name.removesuffix(".dist-info").rsplit("-", 1) for folder in layer.glob("python/*.dist-info")]
    return {f"pkg:pypi/{re.sub('[-_.]+', '-', name).lower()}@{version}" for name, version in names}


def told(document: dict[str, Any], kind: str = "pypi") -> set[str]:
    return {each["purl"] for each in document["components"] if each["purl"].startswith(f"pkg:{kind}/")}


def complaints(document: str) -> str | None:
    """What of a document CycloneDX's own schema does not allow."""
    complaint = JsonStrictValidator(SchemaVersion.V1_6).validate_str(document)
    return None if complaint is None else str(complaint)


def test_it_says_what_is_in_the_layer(built: Path) -> None:
    document = described(built)

    assert told(document) == shipped(built)
    assert len(told(document)) == len(re.findall("^[a-z0-9.-]+==", LOCK, re.MULTILINE))
    assert (built / "python" / "certificates" / "rds.pem").is_file()


@pytest.mark.parametrize("change", ["added", "removed", "of another version"])
def test_a_package_too_many_or_too_few_would_be_noticed(built: Path, thin: Path, change: str) -> None:
    before, (six,) = described(built), thin.glob("python/six-*.dist-info")
    if change == "added":
        shutil.copytree(six, six.with_name("planted-1.0.dist-info"))
        (six.with_name("planted-1.0.dist-info") / "METADATA").write_text("Name: planted\nVersion: 1.0\n")
    elif change == "removed":
        shutil.rmtree(six)
    else:
        (six / "METADATA").write_text("Name: six\nVersion: 1.0\n")
        six.rename(six.with_name("six-1.0.dist-info"))

    assert shipped(thin) != told(before)
    assert shipped(thin) == told(described(thin))


def test_each_package_has_a_licence_and_the_digests_of_its_files(built: Path) -> None:
    for component in described(built)["components"]:
        if component["purl"].startswith("pkg:pypi/"):
            assert component["licenses"], component["name"]
            (files,) = component["externalReferences"]
            assert {digest["alg"] for digest in files["hashes"]} == {"SHA-256"}, component["name"]


def test_it_says_which_release_it_is_and_what_needs_what(built: Path) -> None:
    document = described(built)
    needs = {each["ref"]: set(each.get("dependsOn", [])) for each in document["dependencies"]}
    versions = {purl.partition("@")[0]: purl for purl in told(document)}

    assert document["metadata"]["component"]["properties"] == [{"name": "dyno:release", "value": "v1.2.3"}]
    assert versions["pkg:pypi/pg8000"] in needs["dyno-agent"]
    assert versions["pkg:pypi/scramp"] in needs[versions["pkg:pypi/pg8000"]]
    assert told(document) <= set.union(*needs.values())


def images(templates: Templates) -> set[str]:
    """Of every container of a deployment."""
    return set(re.findall(r'"Image": "([^"]+)"', json.dumps(templates.all)))


def test_it_names_every_image_of_the_task(built: Path, deployment: Callable[..., Templates]) -> None:
    components = [each for each in described(built)["components"] if each["type"] == "container"]

    named = {f"{each['name']}:{each['version']}" for each in components}

    assert named == images(deployment(monitoring="hybrid"))
    assert len(named) == 3


def test_cyclonedxs_own_schema_allows_it(built: Path) -> None:
    assert complaints(sbom.describe(built, LOCK, "v1.2.3", epoch="1795000000")) is None


def test_a_document_that_it_does_not_allow_would_be_found(built: Path) -> None:
    planted = sbom.describe(built, LOCK, "v1.2.3").replace('"type": "container"', '"type": "box"')

    assert "box" in str(complaints(planted))


def test_twice_is_the_same_to_the_byte(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)

    for name in ("one", "two"):
        sbom.write(tmp_path / "new" / name, built, "v1.2.3")

    assert (tmp_path / "new" / "one").read_bytes() == (tmp_path / "new" / "two").read_bytes()
    assert "timestamp" not in (tmp_path / "new" / "one").read_text()


def test_a_time_is_in_it_only_if_it_is_given(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795000000")

    sbom.write(tmp_path / "sbom.json", built, "v1.2.3")

    assert json.loads((tmp_path / "sbom.json").read_text())["metadata"]["timestamp"] == "2026-11-18T11:06:40+00:00"


def test_another_release_is_another_document(built: Path) -> None:
    one, other = (json.loads(sbom.describe(built, LOCK, release)) for release in ("v1", "v2"))

    assert one["serialNumber"] != other["serialNumber"]
