"""The database crashes while the sample lab is booked, and nothing that was acknowledged is gone or there twice."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cdk.local import lab
from cdk.local.demo import Tally, replay
from cdk.local.users import tokens
from dyno.errors import DatabaseUnavailable
from tests.e2e.outages import Database, elsewhere
from tests.e2e.site import Site, today
from tests.e2e.test_demo import shift
from tests.unit.fleet import oracle

CRASHES = (100, 300, 500)
"""Behind so many answers, while the next is asked for."""


@pytest.fixture(scope="module")
def database(site: Site) -> Iterator[Database]:
    with elsewhere(site, "test-crash") as database:
        lab.load(database.instance, database.port)
        yield database


def without_database(site: Site) -> int:
    return sum(DatabaseUnavailable.__name__ in line for line in site.record_lines())


def test_crashes_change_nothing_of_what_the_demo_books(site: Site, database: Database) -> None:
    tally = Tally()
    people = tokens(site.instance, site.deployed)
    turned_away = without_database(site)

    with ThreadPoolExecutor(1) as aside:
        asked = replay(site.url, lab.requests(database.instance), people, tally)
        crashes = [aside.submit(database.crash) for _ in asked if tally.total in CRASHES]
    for each in crashes:
        each.result()  # raises what kept it from coming back

    assert without_database(site) > turned_away, "nobody noticed a crash"
    decisions = oracle.replay(today(), shift(site))
    assert {"booked": tally.booked, "shifted": tally.shifted, **tally.refused} == oracle.summary(decisions)
    pairs = zip(oracle.sample_requests(shift(site)), decisions, strict=True)
    acknowledged = Counter((ask.vin, one.dyno, one.start_date) for ask, one in pairs if one.dyno)
    booked = database.sql(
        "select v.vin, d.name, o.start_date from occupancies o join dynos d on d.id = o.dyno_id"
        " join vehicles v on v.id = o.vehicle_id where o.kind = 'allocation'"
    )
    assert Counter(tuple(row) for row in booked) == acknowledged
