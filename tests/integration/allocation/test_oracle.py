"""The engine is held to the rules in plain Python, and a wrong engine is noticed."""

import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from dyno import migrations
from dyno.allocation import model
from tests.integration.allocation.cases import Case, cases, hold_to_the_rules
from tests.lab import Lab

SHEETS = sorted(Path(migrations.__file__).with_name("versions").glob("*.sql"))


def put_to_the_test(lab: Lab, **how: Any) -> None:
    @settings(deadline=None, report_multiple_bugs=False, suppress_health_check=list(HealthCheck), **how)
    @given(cases())
    def attempt(case: Case) -> None:
        hold_to_the_rules(lab, case)

    attempt()


def test_the_service_answers_as_the_rules_in_plain_python_do(lab: Lab) -> None:
    put_to_the_test(lab, max_examples=150)


FAULTS = {
    "the last day of a window": ("in_the_way", "p_end + 1 + p_turnaround", "p_end + p_turnaround"),
    "the turnaround behind a window": ("in_the_way", "p_end + 1 + p_turnaround", "p_end + 1"),
    "the turnaround behind what is there": ("in_the_way", "o.free_from > p_start", "o.end_date >= p_start"),
    "what began lately": ("in_the_way", "x.start_date >= p_start - 14", "x.start_date >= p_start"),
    "what began long ago": ("in_the_way", "x.start_date < p_start - 14", "x.start_date < p_start - 30"),
    "that a booking is not in its own way": ("in_the_way", "x.id is distinct from p_except", "true", 2),
    "that a hold ran out": ("is_live", "p_expires_at > p_at", "true"),
    "any test": ("unfit", "c.test_type in (p_test, 'any')", "c.test_type = p_test"),
    "any drive type": ("unfit", "c.drive_type in (p_drive, 'any')", "c.drive_type = p_drive"),
    "any weight class": ("unfit", "c.weight_class in (p_weight, 'any')", "c.weight_class = p_weight"),
    "that one line must fit in all": ("unfit", "and c.weight_class in (p_weight, 'any')", ""),
    "that a dyno is there until its last day": ("unfit", "p_end > d.available_to", "p_start > d.available_to"),
    "the reason that comes first": (
        "unfit",
        "when not d.enabled then 'disabled'\n    when not p_capable then 'not_capable'",
        "when not p_capable then 'not_capable'\n    when not d.enabled then 'disabled'",
    ),
    "any test, in the order of choice": (
        "in_order",
        "where y.test_type = 'any' and",
        "where false and",
    ),
    "any drive type, in the order of choice": ("refresh_order", "in (r.drive_type, 'any')", "= r.drive_type"),
    "any weight class, in the order of choice": ("refresh_order", "in (k.weight_class, 'any')", "= k.weight_class"),
    "the last day of a vehicle": ("vehicle_in_the_way", "o.end_date >= p_start", "o.end_date > p_start"),
    "the day behind a vehicle's booking": ("vehicle_free_from", "busy_until + 1", "busy_until + 2"),
    "the day behind a dyno's": ("dyno_free_from", "day := next_day", "day := next_day + 1"),
    "the day on which a gap begins": (
        "look_at_all",
        "max(x.free_from), w.first_day)",
        "max(x.free_from), w.first_day) + 1",
    ),
    "a gap that is just long enough": ("look_at_all", "x.taken_from >= x.day", "x.taken_from > x.day"),
    "the turnaround in a gap": (
        "look_at_all",
        "p_days + l.turnaround_days as days_needed",
        "p_days + l.turnaround_days + 1 as days_needed",
    ),
    "the least capable": (
        "choose",
        'order by c.breadth, c.name collate "C" limit 1;',
        'order by c.name collate "C" limit 1;',
    ),
    "the name among the alike": (
        "choose",
        'order by c.breadth, c.name collate "C" limit 1;',
        'order by c.breadth, c.name collate "C" desc limit 1;',
    ),
}


def planted(function: str, right: str, wrong: str, times: int = 1) -> str:
    """A function as it was written last with that in it so many times, with a fault."""
    body = rf"^create (?:or replace )?function {function}\(.*?(?=^(?:create|alter|drop|grant|revoke|--)|\Z)"
    every: list[str] = []
    for sheet in SHEETS:
        every += re.findall(body, sheet.read_text(), re.DOTALL | re.MULTILINE)
    last = [each for each in every if right in each][-1]
    assert last.count(right) == times
    return last.replace("create function", "create or replace function").replace(right, wrong)


@pytest.mark.own_database
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_an_engine_that_forgets_something_is_noticed(lab: Lab, fault: tuple[Any, ...]) -> None:
    with lab.owner.begin() as connection:
        connection.exec_driver_sql(planted(*fault))

    with pytest.raises(AssertionError):
        put_to_the_test(lab, max_examples=1000, derandomize=True, database=None, phases=[Phase.generate])


def test_days_that_are_not_rounded_up_are_noticed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "math", SimpleNamespace(ceil=math.floor))

    with pytest.raises(AssertionError):
        put_to_the_test(lab, max_examples=1000, derandomize=True, database=None, phases=[Phase.generate])
