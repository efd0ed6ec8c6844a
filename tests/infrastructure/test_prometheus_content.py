"""The files of the monitoring task, as its first container unpacks them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdk.local.promtool import promtool
from cdk.monitoring.prometheus import content
from cdk.monitoring.prometheus.config import SCRAPE_INTERVAL_S, config
from cdk.stage import ROOT
from tests import shells
from tests.shells import OF_INIT, OF_PROMETHEUS, SYSTEM

VALUES = {
    "API_HOST": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
    "AWS_REGION": "eu-west-1",
    "CLIENT_ID": "5example",
    "METRICS_PATH": "/prod/metrics/prometheus",
    "REMOTE_WRITE_URL": "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write",
    "SCHEME": "https",
    "TOKEN_URL": "https://dyno-example.auth.eu-west-1.amazoncognito.com/oauth2/token?a=b&c=d",
}

in_every_shell = pytest.mark.parametrize("shell", shells.each(SYSTEM, OF_INIT, OF_PROMETHEUS))
NOTHING = "exit 0\n"
AWKWARD = "END\n$HOME `id` \\ \\\\ \"'\n  $(id) \\$API_HOST\n\tEND_\n\n"


def unpack(
    script: str, home: Path, values: Mapping[str, str] = VALUES, shell: str = SYSTEM
) -> subprocess.CompletedProcess[str]:
    """Run a script as the task does."""
    ours = {"PATH": os.environ["PATH"], "CONTENT_HOME": str(home)}
    path = home.parent / content.SCRIPT
    path.write_text(script)
    return subprocess.run(
        [*shells.command(shell), str(path)],
        env={**ours, **values},
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def tree(home: Path) -> dict[str, str]:
    return {str(path.relative_to(home)): path.read_text() for path in sorted(home.rglob("*")) if path.is_file()}


def unprepared(**chosen: Any) -> dict[str, str]:
    """The task's own files, with nothing to be done once they are written."""
    return {**content.files(**chosen), content.PREPARE: NOTHING}


def filled(files: Mapping[str, str], values: Mapping[str, str] = VALUES) -> dict[str, str]:
    return {path: re.sub("@([A-Z_]+)@", lambda found: values[found[1]], text) for path, text in files.items()}


@in_every_shell
def test_the_script_writes_every_file_and_fills_in_what_is_known_only_now(shell: str, tmp_path: Path) -> None:
    home = tmp_path / "content"

    done = unpack(content.unpacking(unprepared(remote_write=True)), home, shell=shell)

    assert (done.returncode, done.stderr) == (0, "")
    expected = filled(unprepared(remote_write=True), {**VALUES, "CONTENT_HOME": str(home)})
    assert tree(home) == expected
    assert f"- '{VALUES['API_HOST']}'" in expected["prometheus/prometheus.yml"]
    assert f"path: '{home}/grafana/dashboards'" in expected["grafana/provisioning/dashboards/dyno.yml"]
    assert {"prometheus/rules.yml", "grafana/dashboards/service.json"} <= expected.keys()


@in_every_shell
def test_a_file_is_written_to_the_letter_whatever_is_in_it(shell: str, tmp_path: Path) -> None:
    files = {"a/plain": AWKWARD, "a/filled": f"{AWKWARD}@SCHEME@://@API_HOST@\n", "scripts/prepare.sh": NOTHING}
    values = {"SCHEME": "$(id)", "API_HOST": "`id` & \\1 | / \" '"}

    done = unpack(content.unpacking(files), tmp_path / "content", values, shell)

    assert (done.returncode, done.stderr) == (0, "")
    assert tree(tmp_path / "content") == filled(files, values)


def test_a_delimiter_that_a_file_contains_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "_delimiter", lambda _: "END")

    with pytest.raises(AssertionError):
        test_a_file_is_written_to_the_letter_whatever_is_in_it(SYSTEM, tmp_path)


def test_whatever_is_missing_is_said_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    values = {**VALUES, "TOKEN_URL": ""}
    del values["API_HOST"]

    done = unpack(content.script(), tmp_path / "content", values)

    assert (done.returncode, done.stderr) == (1, "content.sh: not set: API_HOST TOKEN_URL\n")
    assert not (tmp_path / "content").exists()


def test_only_what_is_asked_for_has_to_be_set(tmp_path: Path) -> None:
    values = {name: value for name, value in VALUES.items() if name not in {"AWS_REGION", "REMOTE_WRITE_URL"}}

    copied = content.unpacking(unprepared(remote_write=True))
    assert unpack(content.unpacking(unprepared()), tmp_path / "content", values).returncode == 0
    assert unpack(copied, tmp_path / "other", values).returncode == 1


def test_what_cannot_be_prepared_fails_the_script(tmp_path: Path) -> None:
    files = {"scripts/prepare.sh": 'echo "$CONTENT_HOME: no secret" >&2\nexit 7\n'}

    done = unpack(content.unpacking(files), tmp_path / "content")

    assert (done.returncode, done.stderr) == (7, f"{tmp_path}/content: no secret\n")


def test_a_home_that_is_said_from_here_is_known_by_its_whole_path(tmp_path: Path) -> None:
    files = {"here": "@CONTENT_HOME@\n", "scripts/prepare.sh": 'echo "$CONTENT_HOME" > there\n'}

    done = unpack(content.unpacking(files), tmp_path / "content", {"CONTENT_HOME": "content"})

    assert (done.returncode, done.stderr) == (0, "")
    assert tree(tmp_path / "content")["here"] == tree(tmp_path / "content")["there"] == f"{tmp_path}/content\n"


def test_the_script_is_the_same_from_one_run_to_the_next() -> None:
    text = "from cdk.monitoring.prometheus.content import script; print(script(), end='')"
    runs = {
        subprocess.run(
            [sys.executable, "-c", text],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert runs == {content.script()}


def test_whatever_script_there_is_comes_along_and_is_what_runs_at_the_end() -> None:
    scripts = ROOT / "cdk" / "monitoring" / "prometheus" / "scripts"

    for path in scripts.glob("*.sh"):
        assert content.files()[f"scripts/{path.name}"] == path.read_text()
    assert content.script() == content.unpacking(content.files())
    assert content.script().endswith("\nexec sh scripts/prepare.sh\n")


def test_the_script_is_one_file(tmp_path: Path) -> None:
    path = content.write(tmp_path, runbook="https://wiki.lab.example/runbook")

    assert path == tmp_path / "content.sh"
    assert path.read_text() == content.script(runbook="https://wiki.lab.example/runbook") != content.script()
    assert "runbook_url: https://wiki.lab.example/runbook#bookings-fail" in path.read_text()


def scalars(of: Any) -> Iterator[str]:
    """Every text in a configuration."""
    if isinstance(of, dict | list):
        for each in of.values() if isinstance(of, dict) else of:
            yield from scalars(each)
    elif isinstance(of, str):
        yield of


def test_a_placeholder_is_a_quoted_value_of_its_own() -> None:
    text = content.files(remote_write=True)["prometheus/prometheus.yml"]

    placeholders = [each for each in scalars(config(remote_write=True)) if "@" in each]
    assert {each.strip("@") for each in placeholders} == set(VALUES)
    assert all(f" '{each}'\n" in text for each in placeholders)


def test_the_service_is_scraped_with_a_machines_token_and_its_labels_are_ours() -> None:
    said = config()
    job, itself = said["scrape_configs"]

    assert job["oauth2"]["scopes"] == ["metrics/read"]
    assert job["oauth2"].keys() == {"client_id", "client_secret_file", "token_url", "scopes"}
    assert job["honor_labels"] is False
    assert said["global"] == {"scrape_interval": "30s", "scrape_timeout": "10s", "evaluation_interval": "30s"}
    assert f"{SCRAPE_INTERVAL_S}s" == said["global"]["scrape_interval"]
    assert (itself["job_name"], itself["metrics_path"]) == ("prometheus", "/prometheus/metrics")


def test_a_copy_is_sent_only_where_somebody_chose_so_and_without_what_prometheus_says_of_itself() -> None:
    (copy,) = config(remote_write=True)["remote_write"]

    assert "remote_write" not in config()
    assert copy["sigv4"] == {"region": "@AWS_REGION@"}
    assert copy["write_relabel_configs"] == [{"source_labels": ["job"], "regex": "prometheus", "action": "drop"}]


def checked(home: Path) -> str:
    """What promtool complains of in an unpacked configuration."""
    done = subprocess.run(
        [promtool(), "check", "config", str(home / "prometheus" / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == (done.stderr == "")
    return done.stderr


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("remote_write", [False, True])
def test_promtool_accepts_what_was_unpacked(remote_write: bool, tmp_path: Path) -> None:
    unpack(content.unpacking(unprepared(remote_write=remote_write)), tmp_path / "content")

    assert checked(tmp_path / "content") == ""


@pytest.mark.needs("promtool")
@pytest.mark.parametrize(
    ("what", "by"),
    [("scrape_interval: 30s", "scrape_interval: 30"), ("oauth2", "oauth"), ("rules.yml", "rule.yml")],
)
def test_promtool_would_refuse_a_configuration_with_a_fault(what: str, by: str, tmp_path: Path) -> None:
    unpack(content.unpacking(unprepared()), tmp_path / "content")
    path = tmp_path / "content" / "prometheus" / "prometheus.yml"
    spoilt = path.read_text().replace(what, by)
    path.write_text(spoilt)

    assert checked(tmp_path / "content")
    assert yaml.safe_load(spoilt) != yaml.safe_load(content.files()["prometheus/prometheus.yml"])
