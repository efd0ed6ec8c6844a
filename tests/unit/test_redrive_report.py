"""What `make redrive` prints."""

from typing import Any

import pytest
from rich.console import Console

from cdk.local import invoke, redrive, stack
from cdk.local.instance import Instance, LocalStackError

REPORT: dict[str, Any] = {
    "complete": True,
    "reason": None,
    "failed_batches": {"found": 3, "replayed": 2, "left": 1},
    "dead_letters": {"looked_at": 5, "recovered": 4},
    "log": {"since": "2026-11-22T00:15:00Z", "until": "2026-11-23T02:15:00Z", "lines": 601, "batches": 2, "failed": 0},
    "rows_added": 17,
    "new_dead_letters": 1,
    "duplicates": 583,
}


def printed(monkeypatch: pytest.MonkeyPatch, report: dict[str, Any], since: str | None = None) -> tuple[str, Any]:
    """What is printed, and the event the function was called with."""
    events = []

    def answer(_: object, name: str, event: dict[str, Any]) -> dict[str, Any]:
        events.append((name, event))
        return report

    monkeypatch.setattr(stack, "running", lambda _: None)
    monkeypatch.setattr(invoke, "call", answer)
    console = Console(width=200, record=True, quiet=False)
    redrive.run(Instance.named("none"), since, console)
    return console.export_text(), events


def test_every_number_of_the_report_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, events = printed(monkeypatch, REPORT)

    for number in (3, 2, 1, 5, 4, 601, 17, 583):
        assert str(number) in shown.replace("2026", "")
    assert "18 lines were missing; now every line" in shown
    assert "left in the failed batches' bucket, being none: 1" in shown
    assert events == [("redrive", {})]


def test_with_nothing_missing_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, _ = printed(monkeypatch, REPORT | {"rows_added": 0, "new_dead_letters": 0})

    assert "Nothing was missing" in shown


def test_it_begins_where_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    _, events = printed(monkeypatch, REPORT, since="2026-11-01T00:00:00Z")

    assert events == [("redrive", {"since": "2026-11-01T00:00:00Z"})]


def test_an_incomplete_run_is_a_fault_of_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LocalStackError, match="Not everything could be redriven: the database is gone"):
        printed(monkeypatch, REPORT | {"complete": False, "reason": "the database is gone"})
    assert "601" in capsys.readouterr().out, "the numbers are shown all the same"
