"""The allocation engine is fought over for a while, and the checker finds every way of breaking it."""

from collections.abc import Iterator
from io import StringIO

import pytest
from rich.console import Console

from tests.prove import report, server
from tests.prove.lab import Arena, Went, arena, labs
from tests.prove.sabotage import SABOTAGES, Sabotage

pytestmark = pytest.mark.xdist_group("prove")


@pytest.fixture(scope="module")
def fights() -> Iterator[Arena]:
    with server.running(server.Server, "prove") as there, arena(there) as made:
        yield made


def said(went: Went) -> str:
    console = Console(file=StringIO(), width=200)
    report.verdict(went, console)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_nothing_is_booked_twice_and_nothing_acknowledged_is_lost(fights: Arena) -> None:
    runs = [fights.fight(*lab) for lab in labs(5_000, seed=1)]

    assert not any(went.findings for went in runs), "\n".join(map(said, runs))
    assert sum(len(went.calls) for went in runs) >= 5_000
    assert {fault.what for went in runs for fault in went.faults} == {"kill", "crash"}


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_what_is_broken_is_found(fights: Arena, sabotage: Sabotage) -> None:
    went = fights.fight(
        sabotage.regime, 1, sabotage.operations, crashes=int(sabotage.crashes), sabotage=sabotage.breaks
    )

    found = [finding for finding in went.findings if finding.rule == sabotage.rule]
    assert found, said(went)
    assert list(report.evidence(went, found[0]))
