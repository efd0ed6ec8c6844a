"""Whether anything grows that should not, minute by minute."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from statistics import median

import pg8000.dbapi
import psutil

from cdk.local import postgres
from tests.load.client import Budget
from tests.load.fleet import Fleet
from tests.load.site import DATABASE, Site
from tests.prove.replay import Finding

EVERY_S = 60
WARM = 500
"""Requests that an environment has answered when all it loads lazily is loaded."""

LEAST_SERVED = 500
"""Requests between two looks at an environment that say something of its growth."""

MOST_GROWTH_MB = 1.0
"""Per 1,000 requests, of the environment in the middle; a Lambda's 512 MB then last for more than it ever answers."""

MOST_FILES = 8
"""An environment may open so many in all its life beside those that it had when it was warm."""

MOST_SESSIONS = 3
"""Beside one for each environment: the server takes a moment to notice that one was killed."""

MOST_PARTITIONS = 1
"""There may be a month's turn meanwhile."""

_THERE = """
    select (select count(*) from pg_stat_activity
             where datname = current_database() and application_name like 'dyno/%' and usename like 'dyno%'),
           (select count(*) from pg_inherits where inhparent = 'metrics'::regclass)
"""


@dataclass(frozen=True)
class Look:
    """An environment at one moment; `rss_mb` is what it has in memory."""

    name: str
    served: int
    rss_mb: float
    files: int


@dataclass(frozen=True)
class Sample:
    """
    All of them at one moment.

    Attributes:
        sessions: None where the server was down.
    """

    minute: int
    requests: int
    environments: Sequence[Look]
    sessions: int | None
    partitions: int | None

    @property
    def rss_mb(self) -> float:
        """In all."""
        return sum(each.rss_mb for each in self.environments)


class Soak:
    """Takes samples; `samples` are those taken."""

    def __init__(self, site: Site, fleet: Fleet, budget: Budget) -> None:
        self.samples: list[Sample] = []
        self._site = site
        self._fleet = fleet
        self._budget = budget

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Take one a minute as long as this lasts, and one at the end."""
        over = threading.Event()
        thread = threading.Thread(target=self._keep_sampling, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _keep_sampling(self, over: threading.Event) -> None:
        while not over.wait(EVERY_S):
            self._sample()
        self._sample()

    def _sample(self) -> None:
        looks = []
        for environment in self._fleet.living():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(environment.process.pid)
                rss_mb, files = process.memory_info().rss / 2**20, process.num_fds()
                looks.append(Look(environment.name, environment.served, rss_mb, files))
        sessions = partitions = None
        with suppress(pg8000.dbapi.Error, OSError):
            sessions, partitions = self._there()
        self.samples.append(Sample(len(self.samples) + 1, self._budget.done, looks, sessions, partitions))

    def _there(self) -> tuple[int, int]:
        connection = postgres.connect(self._site.server.port, DATABASE)
        try:
            ((sessions, partitions),) = connection.run(_THERE)
        finally:
            connection.close()
        return sessions, partitions


def growth_mb(samples: Sequence[Sample]) -> list[float]:
    """Of each environment that was warm and answered enough since: how much it grew per 1,000 requests."""
    grown = []
    for looks in _by_environment(samples):
        first, last = looks[0], looks[-1]
        if last.served - first.served >= LEAST_SERVED:
            grown.append((last.rss_mb - first.rss_mb) * 1_000 / (last.served - first.served))
    return grown


def growing(samples: Sequence[Sample]) -> Iterator[Finding]:
    """What grew beyond its bound."""
    grown = growth_mb(samples)
    if grown and (middle := median(grown)) > MOST_GROWTH_MB:
        yield Finding(
            "growth", f"environments grow by {middle:.2f} MB per 1,000 requests; {MOST_GROWTH_MB} is the most"
        )
    for looks in _by_environment(samples):
        if (more := looks[-1].files - looks[0].files) > MOST_FILES:
            yield Finding("growth", f"{looks[0].name} has {more} more files open than when it was warm")
    for sample in samples:
        if sample.sessions is not None and sample.sessions > len(sample.environments) + MOST_SESSIONS:
            says = f"minute {sample.minute}: {sample.sessions} sessions of {len(sample.environments)} environments"
            yield Finding("growth", says)
    partitions = [sample.partitions for sample in samples if sample.partitions is not None]
    if partitions and partitions[-1] - partitions[0] > MOST_PARTITIONS:
        yield Finding("growth", f"{partitions[-1] - partitions[0]} partitions more than at first")


def _by_environment(samples: Sequence[Sample]) -> Iterator[list[Look]]:
    looks: dict[str, list[Look]] = {}
    for each in (look for sample in samples for look in sample.environments):
        if each.served >= WARM:
            looks.setdefault(each.name, []).append(each)
    yield from looks.values()
