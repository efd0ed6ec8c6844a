"""The database goes away for a minute under load: callers are told, scrapes go on, and nothing finished is lost."""

import itertools
import os
import re
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from cdk.local.prometheus import Prometheus
from cdk.monitoring.prometheus.alerts import JOB
from cdk.monitoring.prometheus.config import SCRAPE_TIMEOUT_S
from tests.e2e.monitor import firing, monitored, values
from tests.e2e.outages import Database, elsewhere, redrive
from tests.e2e.site import Site, eventually, in_days

OUTAGE_S = 60
PAUSE_S = 2
"""The emulator ends a worker that failed: each record of the outage costs it the start of an interpreter."""
USERS = 2
TEST_TYPE = "e2e-outage"
ALERT = "IngestFailing"
FAILING_SINCE = re.compile(r"^dyno_ingest_failing_since_seconds (\S+)$", re.MULTILINE)
"""A scrape that could not read the snapshot, for whatever reason, has no such line, and no counts."""
SCRAPED_EVERY_S = SCRAPE_TIMEOUT_S
"""A scrape may take no longer than this; that is no less than where the stack is deployed."""


@pytest.fixture(scope="module")
def database(site: Site) -> Iterator[Database]:
    with elsewhere(site, "test-outage") as database:
        yield database


@dataclass
class Load:
    """Users who book all the time, and a scraper that comes by as often."""

    site: Site
    vins: Iterator[str]
    answers: list[tuple[str, int, bool]] = field(default_factory=list)
    scrapes: list[tuple[int, str]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(USERS + 1))
    _running: list[Future[None]] = field(default_factory=list)

    def __enter__(self) -> "Load":
        self._running = [self._pool.submit(work) for work in (*[self._book] * USERS, self._scrape)]
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown()
        for work in self._running:
            work.result()  # raises what it was not answered by

    def statuses(self) -> set[int]:
        return {status for _, status, _ in self.answers}

    def _book(self) -> None:
        terms = {"test_type": TEST_TYPE, "start_date": in_days(10), "days_to_complete": 1, "max_backup_days": 90}
        with self.site.client("user") as client:
            while not self._over.wait(PAUSE_S):
                known_by = f"outage-{uuid.uuid4()}"
                answer = client.post(
                    "/allocations/auto", json={"vin": next(self.vins), **terms}, headers={"X-Correlation-Id": known_by}
                )
                self.answers.append((known_by, answer.status_code, "retry-after" in answer.headers))

    def _scrape(self) -> None:
        with httpx.Client(base_url=self.site.url, timeout=35, trust_env=False) as client:
            while not self._over.wait(PAUSE_S):
                answer = client.get("/metrics/prometheus")
                self.scrapes.append((answer.status_code, answer.text))


def failing_since(exposition: str) -> float:
    found = FAILING_SINCE.search(exposition)
    assert found, exposition
    return float(found[1])


@dataclass
class Outage:
    """
    A minute without the database.

    Attributes:
        before: A scrape of before, if there was one.
        during: The last one in it that has counts.
        calm: Alerts that were raised before it.
        raised: Alerts at its end; None if Prometheus was left out.
        ended: Those left some time after the first batch that was written again; likewise.
        ups: How often Prometheus was answered, and how often not.
    """

    load: Load
    stopped_at: float
    before: str
    during: str
    redriven: subprocess.CompletedProcess[str]
    calm: set[str]
    raised: set[str] | None
    ended: set[str] | None
    ups: tuple[int, int]


@contextmanager
def watching(site: Site) -> Iterator[Prometheus | None]:
    """A Prometheus whose alert looks back for seconds, not minutes; None where SKIP leaves it out."""
    if "promtool" in os.environ.get("SKIP", "").split(","):
        yield None
        return
    with monitored(site, SCRAPED_EVERY_S, alert=ALERT) as monitor:
        yield monitor.server


@pytest.fixture(scope="module")
def outage(site: Site, database: Database) -> Iterator[Outage]:
    vehicles = stocked(database)
    with watching(site) as server:
        with Load(site, itertools.cycle(vehicles)) as load:
            eventually(load.statuses, lambda seen: 201 in seen)
            before = load.scrapes[-1][1] if load.scrapes else ""
            calm = firing(server) if server else set()
            stopped_at = time.time()
            database.stop()
            time.sleep(OUTAGE_S)
            during = next(text for _, text in reversed(load.scrapes) if FAILING_SINCE.search(text))
            raised = firing(server) if server else None
            database.start()
            told_off = len(load.answers)
            eventually(lambda: load.answers[told_off:], lambda seen: any(status == 201 for _, status, _ in seen))
        redriven = redrive(site)
        ended = eventually(lambda: firing(server), lambda left: ALERT not in left, 90) if server else None
        yield Outage(load, stopped_at, before, during, redriven, calm, raised, ended, ups(server) if server else (0, 0))


def stocked(database: Database) -> list[str]:
    """A lab with room for everybody; the VINs of its vehicles."""
    database.sql("insert into dynos (name, breadth) select 'E2E ' || n, 4 from generate_series(1, 10) n")
    database.sql(
        "insert into capabilities (dyno_id, test_type, drive_type, weight_class)"
        " select id, :test, 'any', 'any' from dynos",
        test=TEST_TYPE,
    )
    vehicles = database.sql(
        "insert into vehicles (vin, weight_lbs, drive_type)"
        " select 'E2EOUTAGE' || lpad(n::text, 8, '0'), 5000, 'AWD' from generate_series(1, 10) n returning vin"
    )
    return [vin for [vin] in vehicles]


def ups(server: Prometheus) -> tuple[int, int]:
    """How many scrapes were answered, and how many were not."""
    [(_, all_of_them)] = values(server, f'count_over_time(up{{job="{JOB}"}}[1h])')
    [(_, answered)] = values(server, f'sum_over_time(up{{job="{JOB}"}}[1h])')
    return int(answered), int(all_of_them - answered)


def test_a_minute_without_the_database_loses_nothing_and_stops_no_scrape(
    site: Site, database: Database, outage: Outage
) -> None:
    load, redriven = outage.load, outage.redriven

    assert redriven.returncode == 0, redriven.stdout + redriven.stderr
    assert load.statuses() == {201, 503}
    assert all(retry_after for _, status, retry_after in load.answers if status == 503)
    assert {status for status, _ in load.scrapes} == {200}
    assert outage.before == "" or failing_since(outage.before) == 0
    assert outage.stopped_at - 1 < failing_since(outage.during) < outage.stopped_at + OUTAGE_S
    assert_everything_is_in_the_table(site, database, load)
    assert failing_since(httpx.get(f"{site.url}/metrics/prometheus", timeout=35, trust_env=False).text) == 0


@pytest.mark.needs("promtool")
def test_prometheus_is_answered_all_along_and_says_that_records_are_not_written_while_they_are_not(
    outage: Outage,
) -> None:
    answered, unanswered = outage.ups

    assert answered > OUTAGE_S / SCRAPED_EVERY_S
    assert unanswered == 0
    assert outage.raised is not None
    assert outage.ended is not None
    assert ALERT in outage.raised - outage.ended - outage.calm


def assert_everything_is_in_the_table(site: Site, database: Database, load: Load) -> None:
    acknowledged = {known_by: "success" if status == 201 else "error" for known_by, status, _ in load.answers}
    rows = dict(database.sql("select correlation_id, outcome from metrics where correlation_id like 'outage-%'"))
    assert rows == acknowledged
    [[in_the_table]] = database.sql("select count(*) from metrics")
    [[counted]] = database.sql("select sum(calls) from metrics_series")
    assert in_the_table == counted == len(set(site.record_lines()))
    [[booked]] = database.sql("select count(*) from occupancies")
    assert booked == sum(status == 201 for _, status, _ in load.answers)
