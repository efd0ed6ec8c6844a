"""A report that was stored is read as it was, by every later release."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dyno.roi.answers import BusinessReport, RoiReport
from dyno.roi.report import Statement

STORED: dict[str, Any] = json.loads(Path(__file__).with_name("stored_report.json").read_text())
"""As the first release stored it; never to be changed with the code."""


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
