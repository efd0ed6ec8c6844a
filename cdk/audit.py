"""
`make audit`: is anything known against what the lock files pin? PyPI's packages by pip-audit, npm's by npm itself.

The last line says whether it was found out. A service that cannot be reached is no finding, and no pardon either: the
line says so, and with --strict it is a failure. Nothing is taken for audited that no service has answered for.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any

from cdk import layers
from cdk.local import toolkit
from cdk.stage import ROOT

LOCKS = (
    ROOT / "requirements.lock",
    layers.LOCK,
    layers.SHEETS_LOCK,
    ROOT / "tests" / "infrastructure" / "checkov" / "requirements.lock",
)
NPM_LOCK = ROOT / "cdk" / "local" / "package-lock.json"
OSV = "https://api.osv.dev/v1/query"
OSV_NAME, NPM_NAME = "osv.dev", "npm's registry"


class AuditError(RuntimeError):
    """A tool failed, and not because of its service; says what it said."""


@dataclass(frozen=True)
class Answer:
    """
    What a service said of the packages it was asked for.

    Attributes:
        audited: How many it answered for.
        findings: What it knows against them, a line each.
        missing: What was not found out, as text; empty if all was.
    """

    audited: int = 0
    findings: tuple[str, ...] = ()
    missing: str = ""


def pinned(lock: str) -> set[str]:
    """Each `name==version` of a lock file, whatever machine it is for."""
    return set(re.findall(r"^[a-z0-9][a-z0-9._-]*==[^\s;\\]+", lock, re.MULTILINE))


def of_pypi(packages: set[str], url: str = OSV) -> Answer:
    """
    What OSV knows of PyPI's packages.

    Args:
        packages: Each as `name==version`; a name may have several versions.
    """
    rounds = list(_rounds(packages))
    reports = [_ask_osv(asked, url) for asked in rounds]
    answered = [each for report in reports for each in report.get("dependencies", []) if "skip_reason" not in each]
    unknown = len(packages) - len(answered)
    if unknown and not answered:
        return Answer(missing=f"{OSV_NAME} was not to be reached")
    missing = f"{OSV_NAME} did not answer for {unknown} packages" if unknown else ""
    return Answer(len(answered), tuple(_of_pypi(answered)), missing)


def of_npm(lock: str, registry: str | None = None) -> Answer:
    """
    What npm's registry knows of npm's packages: those of a lock file, and the one that brings the certificates.

    Args:
        registry: None for the one this machine is set up for.
    """
    tree = _with_certificates(json.loads(lock))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "package-lock.json").write_text(json.dumps(tree))
        (Path(folder) / "package.json").write_text(json.dumps(tree["packages"][""]))
        elsewhere = ["--registry", registry] if registry else []
        run = subprocess.run(
            [
                *toolkit.npm(),
                "audit",
                "--json",
                "--package-lock-only",
                "--fetch-retries",
                "0",
                "--cache",
                folder,
                *elsewhere,
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
    report = _report(run, "auditReportVersion", "audit endpoint returned an error")
    if not report:
        return Answer(missing=f"{NPM_NAME} was not to be reached")
    return Answer(len(tree["packages"]) - 1, tuple(_of_npm(report)))


def verdict(*answers: Answer, strict: bool = False) -> tuple[str, int]:
    """The last line, and what to exit with."""
    audited, found = sum(each.audited for each in answers), sum(len(each.findings) for each in answers)
    missing = "; ".join(each.missing for each in answers if each.missing)
    said = f"audited {audited} packages: {f'{found} known' if found else 'nothing known'}" if audited else ""
    line = "; ".join(filter(None, [said, missing and f"not audited: {missing}"]))
    return line, int(bool(found or (missing and strict)))


def _rounds(packages: set[str]) -> Iterator[list[str]]:
    """The packages in turns, each name once in a turn: pip-audit takes a second version of one for a mistake."""
    turns = zip_longest(*(list(versions) for _, versions in groupby(sorted(packages), _name)))
    return ([each for each in turn if each] for turn in turns)


def _name(package: str) -> str:
    return package.partition("==")[0]


def _ask_osv(packages: list[str], url: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "requirements.txt"
        asked.write_text("\n".join(packages))
        command = [sys.executable, "-m", "pip_audit", "--requirement", asked.name, "--disable-pip", "--no-deps"]
        options = ["--vulnerability-service", "osv", "--osv-url", url, "--format", "json", "--progress-spinner", "off"]
        return _report(
            subprocess.run(
                [*command, *options, "--cache-dir", folder], capture_output=True, text=True, check=False, cwd=folder
            ),
            "dependencies",
            "requests.exceptions.",
        )


def _of_pypi(packages: list[dict[str, Any]]) -> Iterator[str]:
    for package in packages:
        for known in package["vulns"]:
            mended = f"mended in {', '.join(known['fix_versions'])}" if known["fix_versions"] else "not mended yet"
            yield f"{package['name']} {package['version']}: {known['id']}, {mended}"


def _of_npm(report: dict[str, Any]) -> Iterator[str]:
    for name, known in report["vulnerabilities"].items():
        for via in known["via"]:
            if isinstance(via, dict):  # a word names another package of the list
                yield f"{name} {via['range']}: {via['url']}, {via['severity']}"


def _with_certificates(tree: dict[str, Any]) -> dict[str, Any]:
    """An npm lock file with the package that the layer takes its certificates from, which no lock file has."""
    name, version = layers.CERTIFICATES.split("@")
    root = tree["packages"][""]
    asked = root | {"dependencies": root["dependencies"] | {name: version}}
    package = {"version": version, "integrity": layers.CERTIFICATES_INTEGRITY}
    return tree | {"packages": {**tree["packages"], "": asked, f"node_modules/{name}": package}}


def _report(run: subprocess.CompletedProcess[str], mark: str, unreached: str) -> dict[str, Any]:
    """
    What a tool reports; empty if it could not reach its service, which its last words then explain.

    Args:
        mark: A key that every report has.
        unreached: What it says on stderr if it was the service.
    Raises:
        AuditError: It was the tool itself.
    """
    try:
        report: dict[str, Any] = json.loads(run.stdout)
    except json.JSONDecodeError:
        report = {}
    if mark in report:
        return report
    if unreached not in run.stderr:
        raise AuditError(run.stderr)
    print(report.get("message") or run.stderr.strip().rpartition("\n")[2], file=sys.stderr)
    return {}


def main() -> None:
    """Ask both services; findings first, one line at the end."""
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__)
    parser.add_argument("--strict", action="store_true", help="fail if a service cannot be reached")
    parser.add_argument("--osv-url", default=OSV)
    parser.add_argument("--npm-registry")
    arguments = parser.parse_args()
    packages = set[str]().union(*(pinned(lock.read_text()) for lock in LOCKS))
    try:
        answers = of_pypi(packages, arguments.osv_url), of_npm(NPM_LOCK.read_text(), arguments.npm_registry)
    except AuditError as error:
        sys.exit(f"{error}\nnot audited: the tool failed")
    line, code = verdict(*answers, strict=arguments.strict)
    for finding in (finding for answer in answers for finding in answer.findings):
        print(finding)
    print(line)
    sys.exit(code)


if __name__ == "__main__":
    main()
