import re
import subprocess
import sys
from collections import Counter
from datetime import timedelta

import httpx
import pytest

from cdk.local import lab
from cdk.local.demo import Tally, replay
from cdk.local.instance import ROOT
from cdk.local.users import tokens
from tests.e2e.site import Site, today
from tests.unit.fleet import oracle


def shift(site: Site) -> timedelta:
    """As the lab was loaded: before midnight, perhaps."""
    return timedelta(days=site.instance.read("lab.json")["shift_days"])


@pytest.fixture(scope="module")
def first_replay(site: Site) -> Tally:
    tally = Tally()
    asked = replay(site.url, lab.requests(site.instance), tokens(site.instance, site.deployed), tally)
    assert sum(1 for _ in asked) == 600
    return tally


def test_the_demo_books_what_the_oracle_books(site: Site, first_replay: Tally) -> None:
    expected = oracle.summary(oracle.replay(today(), shift(site)))

    seen = {"booked": first_replay.new, "shifted": first_replay.shifted, **first_replay.refused}

    assert seen == expected


def test_every_booking_is_the_oracles_dyno_and_day(site: Site, first_replay: Tally) -> None:
    decisions = oracle.replay(today(), shift(site))
    asked = zip(oracle.sample_requests(shift(site)), decisions, strict=True)
    expected = Counter((ask.vin, one.dyno, one.start_date) for ask, one in asked if one.dyno)

    booked = site.sql(
        "select v.vin, d.name, o.start_date from occupancies o join dynos d on d.id = o.dyno_id "
        "join vehicles v on v.id = o.vehicle_id where v.vin like '9ZZ%' and o.status = 'scheduled'"
    )

    assert Counter(tuple(row) for row in booked) == expected


def test_a_second_replay_books_nothing_new_and_says_so(site: Site, first_replay: Tally) -> None:
    before = site.count("occupancies")

    demo = subprocess.run(
        [sys.executable, "-m", "cdk.local", "--stack", site.instance.folder.name, "demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert site.count("occupancies") == before
    assert re.search(rf"booked +{first_replay.booked} +0 of them new", demo.stdout)
    assert demo.stdout.count(f"http://localhost:{site.port}/") == 3


def test_the_lab_has_no_conflicts_afterwards(user: httpx.Client, first_replay: Tally) -> None:
    assert user.get("/allocations/conflicts").json()["items"] == []
