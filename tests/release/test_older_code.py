"""
Migrations expand, then contract: the release before this one works on this release's schema.

While a deployment is under way, and after one is taken back, it has to. So its own tests of what the functions do are
run with its own code, on a database that this release's migrations made.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from cdk.stage import ROOT
from tests.release.previous import NoHistoryError, commit, environment, missing, unpack

pytestmark = [pytest.mark.needs("history"), pytest.mark.xdist_group("older code")]

INTEGRATION = "tests/integration"
RUN = tuple(
    f"{INTEGRATION}/{each}"
    for each in (
        "allocation",
        "imports",
        "notices",
        "users",
        "roi",
        "metrics/test_ingest.py",
        "metrics/test_letters.py",
    )
)
"""Booking, planning, the registry, sheets, people, reports, what brings records in: by stores and services of each."""

LEFT_OUT = {
    "allocation/test_oracle.py": "the service beside its rules in Python, and faults of the latter; long",
    "roi/test_conflicts.py": "counts held to a recount by brute force, on databases of their own; long",
    "roi/test_run.py::test_night_after_night_a_month_is_restated_until_it_is_complete_and_a_day_at_most_once": "long; "
    "the other runs of it stay",
    "roi/test_totals.py": "counts held to a recount, of what roi/test_run.py reports; long",
    "roi/test_days.py": "the same of days",
    "roi/test_demand_recount.py": "the same of roi/test_demand.py",
    "roi/test_dyno_days.py": "the same of dynos' days, some on databases of their own",
    "roi/test_nights.py": "night after night, as above; long",
    "database": "the schema's own shape, its upgrades, TLS and round trips",
    "local": "the local stack, no schema",
    "metrics/test_ageing.py": "drops partitions, months at a time; long",
    "metrics/test_concurrency.py": "races of ingest, whose statements test_ingest.py runs",
    "metrics/test_conservation.py": "the same, for as long as chance likes",
    "metrics/test_observations.py": "lines, no tables of their own",
    "metrics/test_reports.py": "reads what test_ingest.py reads too; long",
    "metrics/test_schema.py": "the schema's own shape",
    "prometheus": "Prometheus, no schema",
    "restore": "compares two databases table by table, whatever these are",
}
"""What of the older release's integration tests is not run, and why."""

LEAST = 380
"""Tests that pass: fewer, and it is not the whole of them that ran."""

PATIENCE_S = 600
"""A minute and a half on a machine with nothing else to do."""

CONTRACTING = {
    "a function is gone": ("drop function enrol", "users/test_enrolment.py"),
    "a column has another name": ("alter table users rename column enrolled_at to since", "users/test_enrolment.py"),
    "a column must be given": ("alter table vehicles add column colour text not null", "allocation/test_vehicles.py"),
    "a right is taken away": ("revoke select on occupancies from dyno_allocations", "allocation/test_lists.py"),
}
"""What a migration must not do while the older release is in use, and which of its tests finds it."""


class Ran(NamedTuple):
    """What pytest said, and how it ended."""

    code: int
    said: str

    @property
    def passed(self) -> int:
        found = re.search(r"(\d+) passed", self.said)
        return int(found[1]) if found else 0


def run_tests(of: Path, *chosen: str, planted: str = "") -> Ran:
    """The older release's tests, by its own code, on this release's schema."""
    told = {"OLDER_RELEASE": str(of), "NEWER_RELEASE": str(ROOT / "layers" / "dyno" / "python"), "PLANTED": planted}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "newer_schema", "-p", "no:cacheprovider", *chosen]
    with subprocess.Popen(
        command,
        cwd=of,
        env=inherited | environment(of, Path(__file__).with_name("plugin")) | told,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            said, _ = running.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)  # by which it stops its server, too
            said, _ = running.communicate()
    return Ran(running.returncode, said)


def test_the_release_before_this_one_works_on_this_schema(previous: Path) -> None:
    left_out = [f"--deselect={INTEGRATION}/{each}" for each in LEFT_OUT]

    ran = run_tests(previous, *RUN, *left_out)

    assert ran.code == 0, ran.said[-5000:]
    assert ran.passed >= LEAST


@pytest.mark.parametrize("fault", CONTRACTING)
def test_a_migration_that_contracts_would_be_found(previous: Path, fault: str) -> None:
    planted, finds = CONTRACTING[fault]

    ran = run_tests(previous, "-x", f"{INTEGRATION}/{finds}", planted=planted)

    assert re.search(r"\b1 failed\b", ran.said), ran.said[-5000:]  # not an error: the fault itself could be planted


def test_a_clone_without_history_says_so_in_a_line(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)

    with pytest.raises(NoHistoryError) as refusal:
        unpack(tmp_path, repository=tmp_path)

    assert "git fetch --unshallow" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def is_history(release: str) -> bool:
    known = subprocess.run(["git", "merge-base", "--is-ancestor", release, "HEAD"], cwd=ROOT, check=False)
    return known.returncode == 0


def is_shallow(repository: Path = ROOT) -> bool:
    asked = ["git", "rev-parse", "--is-shallow-repository"]
    return subprocess.run(asked, cwd=repository, capture_output=True, text=True, check=False).stdout.strip() == "true"


def test_the_release_before_this_one_is_part_of_its_history() -> None:
    if is_history(commit()):
        return
    # Who clones a part of the history has chosen to; who has all of it and not this has named a wrong release.
    if is_shallow():
        pytest.skip(missing(commit()))
    pytest.fail(missing(commit()), pytrace=False)


def test_a_clone_of_a_part_of_the_history_is_told_from_one_of_all(tmp_path: Path) -> None:
    for folder, *depth in (("whole",), ("part", "--depth=1")):
        subprocess.run(
            ["git", "clone", "--quiet", "--no-checkout", *depth, ROOT.as_uri(), folder], cwd=tmp_path, check=True
        )

    assert is_shallow(tmp_path / "part")
    assert is_shallow(tmp_path / "whole") == is_shallow()


def test_a_release_that_never_was_would_be_found() -> None:
    assert not is_history("0" * 40)


def test_whatever_is_not_run_is_named(previous: Path) -> None:
    """A test that the older release has, and that is neither run nor left out, is none that somebody thought of."""
    named = [previous / each for each in RUN] + [previous / INTEGRATION / each.partition("::")[0] for each in LEFT_OUT]

    assert [each for each in named if not each.exists()] == []
    tests = [each.partition("::") for each in LEFT_OUT if "::" in each]
    assert [name for path, _, name in tests if f"def {name}(" not in (previous / INTEGRATION / path).read_text()] == []
    there = (previous / INTEGRATION).rglob("test_*.py")
    assert [path for path in there if not any(path.is_relative_to(each) for each in named)] == []
