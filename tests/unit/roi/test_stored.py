"""A report that was stored is read as it was, by every later release."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dyno.roi import report
from dyno.roi.answers import BusinessReport, RoiReport
from dyno.roi.report import Statement

STORED: dict[str, Any] = json.loads(Path(__file__).with_name("stored_report.json").read_text())
"""As the first release stored it; never to be changed with the code."""

DIGEST = "0608bbc8e29bf20a15d31b62177eaf1e12938854e307f7f4832c8979dbed80eb"
"""What it was stored under; a release that has another for it restates every report of every deployment."""


def read(said: dict[str, Any]) -> Statement:
    return Statement(RoiReport.model_validate(said["roi"]), BusinessReport.model_validate(said["business"]))


def test_the_first_releases_reports_can_be_read_and_say_what_they_said() -> None:
    said = read(STORED).said()

    assert {name: said["roi"][name] for name in STORED["roi"]} == STORED["roi"]
    assert {name: said["business"][name] for name in STORED["business"]} == STORED["business"]


def test_one_that_lacked_what_a_release_asks_for_would_be_noticed() -> None:
    without = {**STORED, "business": {name: value for name, value in STORED["business"].items() if name != "month"}}

    with pytest.raises(ValidationError):
        read(without)


def test_the_first_releases_reports_still_say_the_same() -> None:
    assert read(STORED).digest() == DIGEST


def test_a_figure_that_counts_as_something_new_would_restate_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_NOT_IN_DIGEST", report._NOT_IN_DIGEST - {"dyno_days_used"})

    assert read(STORED).digest() != DIGEST


def test_dynos_that_are_others_now_are_no_news() -> None:
    said = read(STORED)
    in_use = {"dyno_days_used": 445, "dyno_days_available": 625, "dyno_utilization_rate": 71.2}

    now = Statement(said.roi, said.business.model_copy(update=in_use))
    another = Statement(said.roi, said.business.model_copy(update={"conflicts_total": 680}))

    assert now.digest() == DIGEST != another.digest()
