"""The life of a local stack: it leaves nothing behind, comes back fast with its data, and says what went wrong."""

import os
import re
import shutil
import signal
import socket
from collections.abc import Iterator

import psutil
import pytest

from cdk.local.instance import Instance
from tests.e2e.site import Site

STOP_S = 20


@pytest.fixture(scope="module", autouse=True)
def _stopped_afterwards(site: Site) -> Iterator[None]:
    yield
    if site.process and site.process.poll() is None:
        site.stop()


def start(site: Site) -> float:
    """By make, as a user does."""
    return site.start("make", "run", f"STACK={site.instance.folder.name}", f"PORT={site.port}")


def assert_nothing_is_left(site: Site, seconds: float) -> None:
    assert seconds < STOP_S
    assert site.processes() == []
    with socket.socket() as bound:  # without SO_REUSEADDR only connections that linger could hold it
        assert bound.connect_ex(("127.0.0.1", site.port)) != 0


def test_a_second_stack_of_the_same_folder_or_port_is_one_clear_line(site: Site) -> None:
    for name, complaint in ((site.instance.folder.name, "already running"), ("test-twin", f"port {site.port}")):
        twin = Site(Instance.named(name), site.port)
        with pytest.raises(AssertionError, match="did not start"):
            twin.start()
        assert len(twin.said) == 1
        assert complaint in twin.said[0]
    shutil.rmtree(twin.instance.folder)


def test_term_stops_everything_and_the_second_start_is_fast_and_keeps_the_data(site: Site) -> None:
    booked = site.sql("select count(*), max(id) from occupancies")
    deployed = site.deployed.fingerprint

    assert_nothing_is_left(site, site.stop(signal.SIGTERM))
    seconds = start(site)

    print(f"\nsecond start: {seconds:.1f} s")  # noqa: T201  # a figure to watch
    assert seconds < 60, "under 5 s on an idle machine"
    redeployed = any("✓ deploy" in line for line in site.said)
    assert redeployed == (site.deployed.fingerprint != deployed)
    assert site.sql("select count(*), max(id) from occupancies") == booked
    with site.client("user") as client:
        assert client.get("/metrics/performance").status_code == 200


def test_ctrl_c_in_the_terminal_stops_everything(site: Site) -> None:
    assert site.process
    os.killpg(site.process.pid, signal.SIGINT)

    assert_nothing_is_left(site, site.stop(signal.SIGINT))


def test_an_interrupt_to_make_alone_stops_everything(site: Site) -> None:
    start(site)

    assert_nothing_is_left(site, site.stop(signal.SIGINT))


def test_term_to_make_alone_stops_everything(site: Site) -> None:
    start(site)

    assert_nothing_is_left(site, site.stop(signal.SIGTERM))


def test_a_killed_run_is_recovered_and_a_part_that_dies_is_named(site: Site) -> None:
    site.start()
    assert site.process
    site.process.kill()
    site.process.wait()
    assert site.processes() != []

    site.start()
    recovered = "".join(site.said)
    [ministack] = [pid for pid in site.processes() if "ministack" in psutil.Process(pid).cmdline()]
    os.kill(ministack, signal.SIGKILL)
    rest, _ = site.process.communicate(timeout=STOP_S)

    assert re.search(r"ended \d+ processes of a run that was killed", recovered)
    assert "ministack ended by itself" in rest
    assert site.process.returncode == 1
    assert_nothing_is_left(site, 0)
