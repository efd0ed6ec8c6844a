"""The curl lines of the README, as they stand there, but for the port and the day."""

import os
import re
import subprocess

import pytest

from cdk.local.instance import ROOT
from tests.e2e.site import Site, eventually, in_days

BLOCKS = re.findall(r"^```\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def script(site: Site, beginning: str) -> str:
    """The block with a line that begins so, from that line on."""
    [block] = [each for each in BLOCKS if re.search(f"^{re.escape(beginning)}", each, re.MULTILINE)]
    lines = block[block.index(beginning) :]
    moved = re.sub(r'"start_date": "[0-9-]+"', f'"start_date": "{in_days(900)}"', lines)
    return moved.replace("http://localhost:8000", site.url).replace("curl ", "curl --silent --show-error ")


def typed(commands: str) -> str:
    """What a shell prints for commands typed in the project's folder."""
    ran = subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=ROOT,
        env=os.environ | {"STACK": "test", "no_proxy": "*"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_booking_of_the_readme_books(site: Site) -> None:
    said = typed(script(site, "TOKEN=$(make -s token ROLE=user)"))

    assert '"success":true' in said
    assert '"allocation_id":' in said


def test_the_reports_of_the_readme_show_it(site: Site) -> None:
    reports = script(site, "TOKEN=$(make -s token ROLE=admin)")

    said = eventually(lambda: typed(reports), lambda text: 'method="auto_allocate",outcome="success"' in text)

    assert '"method":"auto_allocate","total_calls":' in said
    assert 'dyno_calls_total{service="AllocationService",method="auto_allocate",outcome="success"}' in said


def test_a_command_that_fails_would_be_noticed() -> None:
    with pytest.raises(AssertionError):
        typed("curl --silent --fail http://127.0.0.1:9/ | cat; exit ${PIPESTATUS[0]}")
