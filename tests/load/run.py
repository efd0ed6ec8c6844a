"""A run from its lab to its verdict."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from tests.load import quiet
from tests.load.asks import Function
from tests.load.client import Budget, Client, Notes
from tests.load.faults import OFTEN_S, SELDOM_S, Wear
from tests.load.fleet import Fleet, shares
from tests.load.invariants import Evidence, broken
from tests.load.mix import lab_for
from tests.load.nights import Nights
from tests.load.site import DATABASE, Site
from tests.load.soak import Sample, Soak, growing
from tests.load.subscription import Subscription
from tests.prove.faults import Trouble
from tests.prove.history import Fault
from tests.prove.programs import Known
from tests.prove.replay import Finding

OPERATIONS_A_CRASH = 15_000
Watch = Callable[[int], None]


@dataclass(frozen=True)
class Wanted:
    """
    What is to be done.

    Attributes:
        workers: Environments, of all functions together.
        minutes: How long it goes on; None: for as long as the operations take.
    """

    operations: int = 50_000
    workers: int = 32
    seed: int = 1
    minutes: float | None = None

    def chance(self, what: str) -> random.Random:
        """The same for the same seed."""
        return random.Random(f"{self.seed} {what}")


@dataclass(frozen=True)
class Went:
    """
    What came of it.

    Attributes:
        took_s: The clients' time.
        fates: Of batches on their way to ingest.
        refused: What ingest said of deliveries that it did not take.
        nights: What came of what is done by night.
        samples: One a minute, and one at the end.
    """

    wanted: Wanted
    evidence: Evidence
    findings: list[Finding]
    took_s: float
    fates: Counter[str]
    refused: Counter[str]
    nights: Counter[str]
    samples: list[Sample]


def run(site: Site, wanted: Wanted, watch: Watch = lambda _: None) -> Went:
    """
    Have clients ask for all they want while things break, let everything come to rest, and judge what is there.

    The lab's database stays as it is; whoever runs again drops it first.

    Args:
        watch: Told now and then how many requests are done.
    """
    today, counts = datetime.now(UTC).date(), shares(wanted.workers)
    site.equip(lab_for(wanted.operations), wanted.chance("lab"), today)
    with _fleet(site, counts) as fleet:
        load = _Load(site, fleet, wanted, today, counts)
        took_s = load.put(watch)
        evidence = load.evidence()
    owner = site.owner()
    try:
        findings = broken(evidence, owner)
    finally:
        owner.dispose()
    if wanted.minutes is not None:  # else environments are killed before they are warm
        findings += growing(load.soak.samples)
    said = load.subscription
    return Went(wanted, evidence, findings, took_s, said.fates, said.broken, load.nights.ran, load.soak.samples)


@contextmanager
def _fleet(site: Site, counts: Mapping[Function, int]) -> Iterator[Fleet]:
    fleet = Fleet(site.variables(), site.folder)
    try:
        fleet.start(counts)
        yield fleet
    finally:
        fleet.stop()


class _Load:
    """Clients, what is done to the doors meanwhile, and what is noted of both."""

    def __init__(self, site: Site, fleet: Fleet, wanted: Wanted, today: date, counts: Mapping[Function, int]) -> None:
        until_s = None if wanted.minutes is None else time.monotonic() + 60 * wanted.minutes
        self.nights = Nights(fleet)
        self.budget = Budget(wanted.operations, until_s)
        self.soak = Soak(site, fleet, self.budget)
        self.subscription = Subscription(site, fleet, wanted.chance("fates"))
        self._site = site
        self._fleet = fleet
        self._wanted = wanted
        self._today = today
        self._counts = counts
        self._notes = Notes()
        self._afterwards: dict[str, tuple[int, Any]] = {}
        crashing, crashes = wanted.chance("crashes"), max(1, wanted.operations // OPERATIONS_A_CRASH)
        at = [crashing.uniform(0.15, 0.85) for _ in range(crashes)]
        self._trouble = Trouble(site.server, DATABASE, crashing, self.budget.share, at)
        self._wear = Wear(fleet, site.server, wanted.chance("wear"), SELDOM_S if wanted.minutes else OFTEN_S)

    def put(self, watch: Watch) -> float:
        """Ask until all is asked, then let lines arrive; gives how long the asking took."""
        with self.subscription.going_on(self._counts[Function.INGEST]):
            began_s = time.monotonic()
            with self._trouble.going_on(), self._wear.going_on(), self.soak.going_on():
                self._ask(watch)
            took_s = time.monotonic() - began_s
            self._afterwards = quiet.answers(self._fleet) | self.nights.run(Function.LIFECYCLE, Function.ROI)
        return took_s

    def evidence(self) -> Evidence:
        """What is to be judged, once redrive has brought what did not arrive."""
        redriven = [self.nights.redrive(since_ms, until_ms) for since_ms, until_ms in self.subscription.pieces()]
        self._site.server.look()
        faults: list[Fault] = [*self._trouble.faults, *self._wear.faults]
        return Evidence(
            self._today,
            self._notes.calls,
            self._notes.answered,
            faults,
            self.subscription.printed,
            self._site.server.alarms,
            self._afterwards,
            redriven,
            quiet.sessions(self._site, self._counts),
        )

    def _ask(self, watch: Watch) -> None:
        asking = self._counts[Function.ALLOCATIONS] + self._counts[Function.METRICS] + self._counts[Function.ROI]
        regime, known = lab_for(self._wanted.operations), Known()
        with ThreadPoolExecutor(asking + 1) as pool:
            running: list[Future[None]] = [pool.submit(self.nights.pass_through, self.budget)]
            for number in range(asking):
                client = Client(
                    number, self._wanted.seed, regime, self._today, known, self._fleet, self.budget, self._notes
                )
                running.append(pool.submit(client.run))
            try:
                while wait(running, timeout=0.5).not_done:
                    watch(self.budget.done)
                    for each in running:
                        if each.done():
                            each.result()
            finally:
                self.budget.stopped = True  # whoever breaks off a run does not wait for the end of it
