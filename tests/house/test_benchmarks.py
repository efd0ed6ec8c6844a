"""What is said of speed is what was measured: the pages agree, with each other, the goals and themselves."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.benchmarks.results import (
    DOCS,
    LAST,
    MET,
    README,
    Line,
    PartialRunError,
    between,
    derived,
    expected,
    parsed,
    put,
    results,
)
from tests.benchmarks.row import Row
from tests.benchmarks.rows import ROWS

LESS_THAN_IS_SAID = 0.01
"""The table rounds its figures to three digits."""

MISSED = "## What is missed, and what was tried"


def a_goal(**said: Any) -> dict[str, Any]:
    """As a run's file has it."""
    goal = {"of": "ours", "over": None, "limit": "≤ 5", "figure": 1234.0, "unit": "µs", "met": False}
    return goal | {"over_floor": 2.0, "peer": {"name": "theirs", "times": 0.5}} | said


def a_run(*goals: dict[str, Any]) -> dict[str, Any]:
    """A run with a row, and no other than that."""
    machine = {"cores": 2, "memory_gib": 7.6, "python": "CPython 3.11.7", "postgresql": "PostgreSQL 18.6"}
    row = {"name": "sorting", "goals": list(goals), "contenders": [{"rounds": [1, 2, 3, 4, 5]}]}
    return {"taken_at": "2026-12-01T03:00:00+00:00", "machine": machine, "rows": [row]}


RUN = a_run(a_goal(), a_goal(over="theirs", figure=4.0, met=True))


def contradictions(lines: Sequence[Line]) -> list[Line]:
    """Marks that the figures beside them do not bear out; of what is too close to tell, none."""
    return [line for line in lines if not _is_borne_out(line)]


def _is_borne_out(line: Line) -> bool:
    sign, limit = line.goal.split()
    figure, bound = line.figure, float(limit)
    if abs(figure - bound) < LESS_THAN_IS_SAID * abs(bound):
        return True
    return (line.mark == MET) is (figure <= bound if sign == "≤" else figure >= bound)


def unexplained(lines: Sequence[Line], page: str) -> set[str]:
    """Rows that miss a goal, of which the page does not say what was tried."""
    told = page.partition(MISSED)[2].partition("\n## ")[0]
    return {line.row for line in lines if line.mark != MET} - set(re.findall(r"^- `([a-z]+)`:", told, re.MULTILINE))


def differences(lines: Sequence[Line], rows: Sequence[Row]) -> set[tuple[str, str, str]]:
    """Goals that are in the table or in the code only; a page on which no run is kept yet says nothing wrong."""
    return {(line.row, line.what, line.goal) for line in lines} ^ set(expected(rows)) if lines else set()


def test_the_readme_says_of_a_run_what_the_table_says() -> None:
    told = between(DOCS.read_text())

    assert between(README.read_text()) == derived(told)


def test_the_table_has_every_goal_as_it_is_and_no_other() -> None:
    lines = parsed(between(DOCS.read_text()))

    assert differences(lines, ROWS) == set()


def test_marks_are_what_the_figures_say_and_what_is_missed_is_explained() -> None:
    page = DOCS.read_text()
    lines = parsed(between(page))

    assert contradictions(lines) == []
    assert unexplained(lines, page) == set()


def test_a_run_is_told_in_general_terms_and_summed_up() -> None:
    told = results(RUN, rows=[])
    summed = derived(told)

    assert told.startswith(
        "Taken on 2026-12-01 by `make bench`, medians of 5 to 5 rounds, with 2 cores, 8 GiB of memory, CPython 3.11.7, "
        "PostgreSQL 18.6:"
    )
    assert "| sorting | ours | 1,234 µs | ≤ 5 | ✗ | 2.00 | 0.500 theirs |" in told
    assert "| sorting | ours, over theirs | 4.00 × | ≤ 5 | ✓ | 2.00 | 0.500 theirs |" in told
    assert "| `sorting` | ours | 1,234 µs | ≤ 5 | 1 of 2 |" in summed
    assert derived("") == ""


def test_a_run_of_some_rows_is_none_to_tell_of() -> None:
    with pytest.raises(PartialRunError, match="booking"):
        results(RUN)


def test_only_what_is_between_the_markers_is_replaced() -> None:
    page = DOCS.read_text()

    filled = put(page, results(RUN, rows=[]))

    assert put(filled, between(page)) == page != filled
    with pytest.raises(ValueError, match="no place"):
        put("a page", "a table")


def test_a_doctored_table_is_noticed() -> None:
    first, second = parsed(results(RUN, rows=[]))
    page = f"{MISSED}\n\n- `sorting`: nothing helped.\n\n## Next\n"

    assert contradictions([first, second]) == []
    assert contradictions([replace(first, mark=MET)]) != []
    assert contradictions([replace(second, mark="✗")]) != []
    assert contradictions([replace(second, is_="6.00 ×")]) != []
    assert (unexplained([first], page), unexplained([first], page.replace("sorting", "others"))) == (set(), {"sorting"})


def test_a_goal_that_was_lowered_without_a_run_is_noticed() -> None:
    lines = [Line(row, what, "1 ×", goal, MET, "", "") for row, what, goal in expected(ROWS)]

    assert differences(lines, ROWS) == set()
    assert differences([replace(lines[0], goal="≤ 1000"), *lines[1:]], ROWS) != set()
    assert differences(lines[1:], ROWS) != set()


def test_what_a_run_leaves_is_not_kept_in_git() -> None:
    assert LAST.parts[-2:] == (".run", "bench.json")
