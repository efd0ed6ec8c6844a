"""
`make sbom`: what is shipped, as CycloneDX: the layer's packages, the database's certificates, the containers' images.

It is read from the built layer and not from the lock file, so that it says what is there. The same layer and release
give the same bytes: there is no time in it unless SOURCE_DATE_EPOCH gives one, and its serial number is of its content.
"""

import argparse
import base64
import json
import os
import re
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cdk import layers
from cdk.constructs.watchtower_sites import GRAFANA, PROMETHEUS
from cdk.constructs.watchtower_task import AWS_CLI
from cdk.stage import ROOT

IMAGES = (PROMETHEUS.image, GRAFANA.image, AWS_CLI)
"""Of the monitoring task, which only some strategies have."""

RUNTIME = {"extra": "", "python_version": layers.PYTHON, "python_full_version": f"{layers.PYTHON}.0"}


def describe(built: Path, lock: str, release: str, epoch: str | None = None) -> str:
    """
    The bill of materials.

    Args:
        built: The dependency layer's folder, which holds `python/`.
        lock: The text of its lock file, which knows the packages' digests.
        release: As every record says it.
        epoch: Seconds since 1970, for whoever wants a time in it.
    """
    found = {_name(each): each for each in distributions(path=[str(built / "python")])}
    digests = _digests(lock)
    packages = {name: _package(each, digests.get(name, [])) for name, each in sorted(found.items())}
    others = [_certificates(), *map(_image, IMAGES)]
    bom = Bom(components=[*packages.values(), *others])
    bom.metadata.component = service = _service(release)
    bom.register_dependency(service, [*(packages[name] for name in _direct() if name in packages), *others])
    for name, each in found.items():
        bom.register_dependency(packages[name], [packages[other] for other in required(each) if other in packages])
    return _written(json.loads(JsonV1Dot6(bom).output_as_string()), epoch)


def write(target: Path, built: Path, release: str) -> None:
    """The bill of materials of a built dependency layer, into a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(describe(built, layers.LOCK.read_text(), release, os.environ.get("SOURCE_DATE_EPOCH")))


def release() -> str:
    """This release, named after its commit, so that every record and /metrics/prometheus say which one answered."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "unversioned"


def required(package: Distribution) -> Iterator[str]:
    """Names of what a package needs in Lambda's Python, without its extras."""
    for text in package.requires or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(dict(RUNTIME)):
            yield canonicalize_name(requirement.name)


def _name(package: Distribution) -> str:
    return canonicalize_name(package.metadata["Name"])


def _package(package: Distribution, digests: list[str]) -> Component:
    name = _name(package)
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(f"https://pypi.org/project/{name}/{package.version}/#files"),
        comment="The layer holds one of these files, the one for its platform",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in digests],
    )
    purl = PackageURL("pypi", name=name, version=package.version)
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=package.version,
        bom_ref=str(purl),
        purl=purl,
        licenses=[LicenseFactory().make_from_string(text) for text in _licences(package.metadata.json)],
        external_references=[files],
    )


def _licences(metadata: Mapping[str, Any]) -> list[str]:
    """What a package says of its licence: an expression if it has one, else whatever its authors wrote."""
    if expression := metadata.get("license_expression"):
        return [expression]
    text = metadata.get("license")
    if text and not _is_free_text(text):
        return [text]
    named = [line.split(" :: ")[-1] for line in metadata.get("classifier", []) if line.startswith("License :: ")]
    return sorted({text, *named} - {None})


def _is_free_text(licence: str) -> bool:
    made = LicenseFactory().make_from_string(licence)
    return isinstance(made, DisjunctiveLicense) and made.id is None


def _certificates() -> Component:
    name, version = layers.CERTIFICATES.split("@")
    digest = base64.b64decode(layers.CERTIFICATES_INTEGRITY.removeprefix("sha512-")).hex()
    purl = PackageURL("npm", name=name, version=version)
    return Component(
        type=ComponentType.DATA,
        name=name,
        version=version,
        description="The certificates of RDS, taken out of this package",
        bom_ref=str(purl),
        purl=purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_512, content=digest)],
        licenses=[LicenseFactory().make_from_string("MIT")],
    )


def _image(image: str) -> Component:
    name, tag = image.split(":")
    *registry, namespace, short = name.split("/")
    elsewhere = {"repository_url": registry[0]} if registry else {}
    purl = PackageURL("docker", namespace=namespace, name=short, version=tag, qualifiers=elsewhere)
    return Component(type=ComponentType.CONTAINER, name=name, version=tag, bom_ref=str(purl), purl=purl)


def _service(release: str) -> Component:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return Component(
        type=ComponentType.APPLICATION,
        name=project["name"],
        version=project["version"],
        description=project["description"],
        bom_ref=project["name"],
        licenses=[LicenseFactory().make_from_string(project["license"])],
        properties=[Property(name="dyno:release", value=release)],
    )


def _direct() -> list[str]:
    """What pyproject.toml asks for by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [canonicalize_name(Requirement(text).name) for text in project["dependencies"]]


def _digests(lock: str) -> dict[str, list[str]]:
    """Of the files that the lock file admits, by package."""
    entries = re.findall(r"^([a-z0-9.-]+)==((?:.*\\\n)*.*)", lock, re.MULTILINE)
    return {canonicalize_name(name): re.findall(r"--hash=sha256:([0-9a-f]{64})", rest) for name, rest in entries}


def _written(document: dict[str, Any], epoch: str | None) -> str:
    """The same without what is of this moment."""
    del document["serialNumber"], document["metadata"]["timestamp"]
    if epoch:
        document["metadata"]["timestamp"] = datetime.fromtimestamp(int(epoch), UTC).isoformat()
    content = json.dumps(document, indent=1, sort_keys=True)
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, content).urn
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def main() -> None:
    """Build the layers if they are not there, and write down what they hold."""
    parser = argparse.ArgumentParser(prog="make sbom", description=__doc__)
    parser.add_argument("target", type=Path)
    target = parser.parse_args().target
    try:
        built = layers.build()
    except layers.LayerError as error:
        sys.exit(str(error))
    write(target, built.dependencies.path, release())
    print(target)


if __name__ == "__main__":
    main()
