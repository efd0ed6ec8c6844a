"""What Prometheus and Grafana show of a deployed service: all that they ask has an answer, and it is the service's."""

import base64
import json
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from cdk.local.prometheus import Prometheus
from cdk.monitoring.prometheus.recordings import LATELY, counted
from dyno.metrics import catalogue
from tests.e2e.monitor import EVERY_S, Between, Monitor, another, boards, firing, monitored, rules, values
from tests.e2e.site import Site, eventually
from tests.e2e.traffic import BOOKINGS, BROKEN, fail, poison, settled, told, work
from tests.infrastructure.grafana_panels import filled, queries

pytestmark = [
    pytest.mark.needs("promtool"),
    pytest.mark.parametrize("strategy", ["hybrid", "prometheus"], indirect=True),
]

PATH = "/metrics/prometheus"
STEP_S = 300
"""Of the subqueries: a value at one of these moments is looked for within as much before it."""

CALLS, DURATION = catalogue.CALLS_TOTAL.name, catalogue.CALL_DURATION.name
BY_OUTCOME = (*catalogue.DIMENSIONS, "outcome")
OUTCOMES = {"success": "success_count", "rejected": "rejected_count", "error": "error_count"}
BEYOND = 1.1
"""Of the time between two scrapes: how far before the first and behind the last of a window `increase` goes at most."""

Values = dict[tuple[str, ...], float]


@dataclass
class Watched:
    """
    What was seen of some work.

    Attributes:
        healthy: The alerts that were raised before the first call that broke.
        before: Calls by service, method and outcome before all of it.
        at: A moment, in Unix time, at which all of it had been scraped.
        stats: The service's own report of all time, at that moment.
        gateway: What a second Prometheus scrapes.
        second: That one.
    """

    monitor: Monitor
    healthy: set[str]
    before: Values
    at: float
    stats: dict[tuple[str, ...], dict[str, Any]]
    gateway: Between
    second: Prometheus

    def values(self, expression: str, *names: str) -> Values:
        """What a query came to at that moment, by some labels."""
        return by_labels(self.monitor.server, expression, names or catalogue.DIMENSIONS, self.at)

    def panels(self) -> list[str]:
        """Everything that the dashboards ask."""
        return [filled(query["expr"]) for board in boards(self.monitor.content) for query in queries(board)]

    def recorded(self) -> list[str]:
        """The names of everything that is recorded."""
        return [rule["name"] for rule in rules(self.monitor.server) if rule["type"] == "recording"]


@pytest.fixture(scope="module")
def watched(strategy: str, site: Site) -> Iterator[Watched]:
    known_by = f"prometheus-{strategy}"
    settled(site)  # what came with the start is in the first scrape, from which all growth is reckoned
    with (
        monitored(site) as monitor,
        Between(site) as gateway,
        another(monitor, gateway.address, "test-second") as second,
    ):
        before = calls(monitor.server)
        work(site, known_by)
        letters = told(settled(site), "dead_letters")
        time.sleep(3 * EVERY_S)
        healthy = firing(monitor.server)
        fail(site, known_by)
        with poison(site):
            settled(site, dead_letters=letters + 1)
        expected = in_the_table(site)
        eventually(lambda: [calls(monitor.server), calls(second)], lambda seen: seen == [expected] * 2)
        time.sleep(2 * EVERY_S)  # what was scraped is recorded
        at = time.time()
        yield Watched(monitor, healthy, before, at, reported(site), gateway, second)


def by_labels(server: Prometheus, expression: str, names: Iterable[str], at: float | None = None) -> Values:
    names = tuple(names)
    return {tuple(labels[name] for name in names): value for labels, value in values(server, expression, at)}


def calls(server: Prometheus, at: float | None = None) -> Values:
    return by_labels(server, f"sum by ({', '.join(BY_OUTCOME)}) ({CALLS})", BY_OUTCOME, at)


def in_the_table(site: Site) -> Values:
    found = site.sql("select service_name, method_name, outcome, count(*) from metrics group by 1, 2, 3")
    return {(service, method, outcome): float(count) for service, method, outcome, count in found}


def reported(site: Site) -> dict[tuple[str, ...], dict[str, Any]]:
    with site.client("admin") as client:
        report = client.get("/metrics/performance", params={"hours": 9600}).json()
    error = report["percentile_error"]
    return {(each["service"], each["method"]): each | {"percentile_error": error} for each in report["stats"]}


def unanswered(server: Prometheus, expressions: Iterable[str]) -> list[str]:
    """Those that Prometheus refuses, or that come to nothing."""
    return [each for each in expressions if not _is_answered(server, each)]


def _is_answered(server: Prometheus, expression: str) -> bool:
    now = time.time()
    try:
        return bool(
            values(server, expression, math.ceil(now / STEP_S) * STEP_S if f":{LATELY}]" in expression else now)
        )
    except httpx.HTTPStatusError:
        return False


def test_every_panel_of_the_dashboards_has_an_answer(watched: Watched) -> None:
    assert len(watched.panels()) > 30
    assert unanswered(watched.monitor.server, watched.panels()) == []


def test_every_rule_is_evaluated_and_everything_recorded_has_a_value(watched: Watched) -> None:
    faults = {rule["name"]: rule["lastError"] for rule in rules(watched.monitor.server) if rule["health"] != "ok"}

    assert faults == {}
    assert len(watched.recorded()) > 30
    assert unanswered(watched.monitor.server, watched.recorded()) == []


def test_a_family_of_another_name_would_be_missed(watched: Watched, site: Site) -> None:
    renamed = (f"{CALLS.removesuffix('_total')}", f"{CALLS.removesuffix('s_total')}")
    with Between(site, renamed) as between, another(watched.monitor, between.address, "test-renamed") as server:
        time.sleep(3 * EVERY_S)

        missed = unanswered(server, [*watched.panels(), *watched.recorded()])

    assert any("dyno_calls:rate5m" in each and "$" not in each for each in missed)
    assert counted(catalogue.CALLS_TOTAL, f"rate{LATELY}") in missed
    assert f"max ({catalogue.INGEST_LAG_SECONDS.name})" not in missed


def test_calls_by_outcome_are_those_of_the_service(watched: Watched) -> None:
    expected = {
        (*method, outcome): stats[name]
        for method, stats in watched.stats.items()
        for outcome, name in OUTCOMES.items()
        if stats[name]
    }

    assert calls(watched.monitor.server, watched.at) == expected


def test_what_is_recorded_is_what_was_called(watched: Watched) -> None:
    grown = watched.values(counted(catalogue.CALLS_TOTAL, f"increase{LATELY}"), *BY_OUTCOME)

    after = calls(watched.monitor.server, watched.at)
    expected = {call: count - watched.before.get(call, 0) for call, count in after.items()}
    assert expected[(*catalogue.AUTO_ALLOCATE, "error")] == BROKEN
    assert grown.keys() == expected.keys()
    most = 1 + extrapolated(watched)
    wrong = {call: (count, grown[call]) for call, count in expected.items() if not within(count, grown[call], most)}
    assert wrong == {}


def within(count: float, grown: float, most: float) -> bool:
    return count * (1 - 1e-9) <= grown <= count * most + 1e-9


def extrapolated(watched: Watched) -> float:
    """
    What `increase` may add to what grew from the first to the last scrape of a window, of its value.

    Source:
        Prometheus, promql/functions.go, extrapolatedRate.
    """
    scraped = f"count_over_time({catalogue.SNAPSHOT_TIMESTAMP.name}[{LATELY}])"
    # What was recorded last is of an evaluation before.
    [(_, scrapes)] = values(watched.monitor.server, scraped, watched.at - 2 * EVERY_S)
    return 2 * BEYOND / (scrapes - 1)


@pytest.mark.parametrize("grown", [20, 0, 41])
def test_more_or_fewer_calls_than_there_were_would_be_noticed(watched: Watched, grown: int) -> None:
    assert not within(BOOKINGS + 1, grown, 1 + extrapolated(watched))


def test_shares_and_averages_are_those_of_the_service(watched: Watched) -> None:
    every = f"sum by ({', '.join(catalogue.DIMENSIONS)}) ({CALLS})"
    failed = every.replace(CALLS, f'{CALLS}{{outcome="error"}}')
    shares = watched.values(f"{failed} / {every}")
    averages = watched.values(f"{DURATION}_sum / {DURATION}_count * 1000")

    expected = {method: each["error_count"] / each["total_calls"] for method, each in watched.stats.items()}
    assert shares == {method: pytest.approx(share) for method, share in expected.items() if share}
    assert averages == {
        method: pytest.approx(each["avg_duration_ms"], abs=0.002) for method, each in watched.stats.items()
    }


@pytest.mark.parametrize("percentage", [50, 95, 99])
def test_percentiles_are_within_what_both_say_of_their_error(watched: Watched, percentage: int) -> None:
    found = watched.values(f"histogram_quantile({percentage / 100}, {DURATION}_bucket)")

    assert found.keys() == watched.stats.keys()
    assert apart(watched, found, percentage) == {}
    in_milliseconds = {method: seconds * 1000 for method, seconds in found.items()}
    assert catalogue.AUTO_ALLOCATE in apart(watched, in_milliseconds, percentage)


def apart(watched: Watched, found: Values, percentage: int) -> dict[tuple[str, ...], Any]:
    """The methods whose percentile, in seconds, is not what the report says."""
    return {
        method: (seconds, watched.stats[method])
        for method, seconds in found.items()
        if not overlap(bucket(seconds * 1000), margin(watched.stats[method], percentage))
    }


def bucket(duration_ms: float) -> tuple[float, float]:
    """What a quantile was reckoned from."""
    bounds = [0, *(catalogue.BUCKET_BOUNDS_MS[each] for each in catalogue.EXPOSED_BUCKETS), math.inf]
    above = next(at for at, bound in enumerate(bounds) if duration_ms <= bound * (1 + 1e-9))
    return bounds[max(above - 1, 0)], bounds[above]


def margin(stats: dict[str, Any], percentage: int) -> tuple[float, float]:
    """Where a percentile of the report's is, by its own word."""
    duration_ms, error = stats[f"p{percentage}_duration_ms"], stats["percentile_error"]
    most = max(duration_ms * error["percentage"] / 100, error["ms"])
    return duration_ms - most, duration_ms + most


def overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def test_two_scrapers_see_the_same(watched: Watched) -> None:
    first, second = (calls(server, watched.at) for server in (watched.monitor.server, watched.second))

    assert first == second != {}


def test_a_prometheus_gets_in_by_its_own_token(watched: Watched, site: Site) -> None:
    [brought] = {token for token in watched.gateway.brought if token} or {""}
    claims = json.loads(base64.urlsafe_b64decode(brought.split(".")[1] + "=="))
    without = httpx.get(f"{site.deployed.api}{PATH}", timeout=35, trust_env=False)

    assert brought.startswith("Bearer ")
    assert (claims["client_id"], claims["scope"]) == (site.deployed.scraper_client_id, "metrics/read")
    assert None not in watched.gateway.brought
    assert without.status_code == 401


def test_alerts_are_raised_by_what_breaks_and_by_nothing_else(watched: Watched) -> None:
    assert watched.healthy == set()
    assert firing(watched.monitor.server) >= {"BookingErrorBudgetFast", "BookingErrorBudgetSlow", "DeadLetters"}
