"""The life of what `make monitor` starts: it says what it has, keeps what it saw, and leaves nothing running."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from cdk.local.instance import ROOT
from cdk.monitoring.prometheus.alerts import JOB
from tests.e2e.monitor import Monitor, end, monitored, values
from tests.e2e.site import Site, eventually

pytestmark = pytest.mark.needs("promtool")

STOP_S = 10


@pytest.fixture(scope="module")
def watching(site: Site) -> Iterator[Monitor]:
    with monitored(site) as begun:
        yield begun


def assert_nothing_is_left(watching: Monitor, seconds: float) -> None:
    assert seconds < STOP_S
    assert watching.processes() == []
    assert not watching.server.is_ready()


def scrapes(watching: Monitor, since: float) -> int:
    """Those of the service that are in its history since a moment."""
    expression = f'count_over_time(up{{job="{JOB}"}}[{int(time.time() - since) + 1}s])'
    return int(sum(count for _, count in values(watching.server, expression)))


def test_it_says_how_much_it_sees(watching: Monitor) -> None:
    [scraped] = [line for line in watching.said if line.startswith("✓ scrape")]
    found = re.search(r"(\d+) series; (\d+) recording and (\d+) alerting rules", scraped)

    assert found, scraped
    assert all(int(number) > 0 for number in found.groups())


def test_a_second_one_is_one_clear_line(watching: Monitor, site: Site) -> None:
    second = subprocess.run(
        ["make", "monitor", f"STACK={site.instance.folder.name}"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert "✗ this stack is watched already, by process" in second.stderr


def test_without_a_stack_it_says_how_to_start_one() -> None:
    none = subprocess.run(["make", "monitor", "STACK=nowhere"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert "✗ nothing is running here; start it with: make run" in none.stderr


def test_told_to_end_it_leaves_nothing_and_another_start_goes_on_with_its_history(watching: Monitor) -> None:
    begun = time.time() - 60
    before = eventually(lambda: scrapes(watching, begun), lambda seen: seen > 3)

    assert_nothing_is_left(watching, watching.stop(signal.SIGTERM))
    watching.start()

    assert scrapes(watching, begun) > before > 3


def test_ctrl_c_in_the_terminal_ends_it(watching: Monitor) -> None:
    assert_nothing_is_left(watching, watching.stop(signal.SIGINT, group=True))


def test_an_interrupt_to_make_alone_ends_it_before_it_is_ready(watching: Monitor) -> None:
    watching.launch()
    watching.hear("✓ Prometheus")

    assert_nothing_is_left(watching, watching.stop(signal.SIGINT))


def test_a_killed_one_is_ended_by_the_next_whose_port_is_free_then(watching: Monitor) -> None:
    watching.launch()
    watching.hear("✓ Prometheus")
    holder = watching.instance.holder()
    assert holder
    [left] = [each for each in watching.processes() if "prometheus" in each.name()]
    os.kill(holder, signal.SIGKILL)
    assert watching.process
    watching.process.communicate()

    watching.start()

    assert not left.is_running()
    assert any(re.match(r"! ended \d+ processes of a run that was killed", line) for line in watching.said)


def test_a_port_that_is_taken_is_said(watching: Monitor, site: Site) -> None:
    taken = Monitor(site, port=site.port)
    watching.stop()
    taken.launch()
    assert taken.process

    said = taken.process.communicate(timeout=30)[0]
    end(taken)

    assert f"✗ port {site.port} cannot be had (Address already in use); try PROMETHEUS_PORT=9190" in said
