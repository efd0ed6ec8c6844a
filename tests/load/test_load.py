"""Doors under load while things break: nothing is lost; and whatever is lost on purpose, is found."""

from collections.abc import Iterator
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from tests.load import report, site
from tests.load.invariants import broken
from tests.load.planted import FAULTS, Planted
from tests.load.run import Wanted, Went, run
from tests.load.site import DATABASE, Site
from tests.load.soak import Look, Sample, growing

pytestmark = pytest.mark.xdist_group("load")

COPY = "load_copy"


@pytest.fixture(scope="module")
def there() -> Iterator[Site]:
    with site.running() as made:
        yield made


@pytest.fixture(scope="module")
def went(there: Site) -> Went:
    return run(there, Wanted(operations=1_500, workers=8, seed=1))


def said(went: Went) -> str:
    console = Console(file=StringIO(), width=200)
    report.show(went, console)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_nothing_is_lost_doubled_or_left_behind_whatever_breaks(went: Went) -> None:
    assert not went.findings, said(went)

    assert len(went.evidence.answered) >= 1_500
    assert {fault.what for fault in went.evidence.faults} == {"kill", "crash", "killed", "thawed"}
    assert went.fates.total() > went.fates["delivered"]
    assert {"lifecycle done", "roi done"} <= went.nights.keys()


def test_the_report_says_what_was_asked_and_what_was_done_to_it(went: Went) -> None:
    told = said(went)

    assert "POST /allocations/auto" in told
    assert "p99" in told
    assert f"{len(went.evidence.answered)} requests in" in told
    assert "1 crashes of the server" in told


@pytest.mark.parametrize("planted", FAULTS, ids=lambda planted: planted.name)
def test_what_is_wrong_is_found(there: Site, went: Went, planted: Planted) -> None:
    there.server.run(f"create database {COPY} template {DATABASE}")
    owner = there.owner(COPY)
    try:
        with owner.connect() as connection:
            evidence = planted.plants(went.evidence, connection)
        findings = broken(evidence, owner)
    finally:
        owner.dispose()
        there.server.drop(COPY)

    assert [each for each in findings if each.rule == planted.rule and planted.words in each.says], findings


def minutes(*, rss_mb: float = 0, files: int = 0, sessions: int = 0, partitions: int = 0) -> list[Sample]:
    """Ten of them, of four environments, in each of which these grow by so much."""
    return [
        Sample(
            minute,
            4_000 * minute,
            [Look(f"a{n}", 1_000 * minute, 90 + rss_mb * minute, 12 + files * minute) for n in range(4)],
            4 + sessions * minute,
            5 + partitions * minute,
        )
        for minute in range(1, 11)
    ]


def test_a_soak_shows_each_minute_and_how_much_grew(went: Went) -> None:
    told = said(replace(went, wanted=replace(went.wanted, minutes=10), samples=minutes(rss_mb=0.5)))

    assert "growth per 1,000 requests of 4 environments: median 0.500 MB" in told
    assert "40000" in told


def test_what_stays_as_it_is_does_not_grow() -> None:
    assert list(growing(minutes(rss_mb=0.5))) == []


@pytest.mark.parametrize(
    ("grown", "says"),
    [
        ({"rss_mb": 1.5}, "1.50 MB per 1,000 requests"),
        ({"files": 1}, "9 more files open"),
        ({"sessions": 1}, "sessions of 4 environments"),
        ({"partitions": 1}, "9 partitions more"),
    ],
)
def test_what_grows_is_found(grown: dict[str, int], says: str) -> None:
    findings = list(growing(minutes(**grown)))

    assert findings
    assert says in findings[0].says
