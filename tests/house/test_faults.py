"""What happens when something breaks is caused, answered and written down; the table of faults holds all together."""

import ast
import re
from collections.abc import Sequence
from dataclasses import replace

from cdk.local.instance import ROOT
from cdk.monitoring.runbook import anchor
from tests.faults.faults import FAULTS, Fault

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
SECTION = "When something it needs is away"
DOORS = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}


def lines(page: str) -> dict[str, tuple[str, str]]:
    """Of the section's table: by its first cell what comes of a fault, and what to do."""
    section = page.partition(f"\n## {SECTION}\n")[2].partition("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\| .*", section, re.MULTILINE)
    ]
    return {name: (answer, what) for name, answer, what in cells[1:] if not name.startswith("---")}


def written() -> dict[str, str]:
    """Every test there is by its name below tests/, and whose file it is in."""
    return {
        f"{file.relative_to(ROOT / 'tests')}::{node.name}": file.parent.name
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def amiss(faults: Sequence[Fault], page: str, tests: dict[str, str]) -> list[str]:
    """What does not hold together."""
    told = lines(page)
    headings = {anchor(heading) for heading in re.findall(r"^## (.+)$", page, re.MULTILINE)}
    named = {test for fault in faults for test in (*fault.tests, *fault.planted)}
    ours = {test for test, folder in tests.items() if folder == "faults"}
    return [
        *(f"no line: {fault.name}" for fault in faults if fault.name not in told),
        *(f"no fault: {name}" for name in told.keys() - {fault.name for fault in faults}),
        *(
            f"another answer: {fault.name}"
            for fault in faults
            if fault.name in told and told[fault.name][0] != fault.answer
        ),
        *(
            f"leads nowhere: {fault.name}"
            for fault in faults
            if fault.name in told and (f"(#{fault.anchor})" not in told[fault.name][1] or fault.anchor not in headings)
        ),
        *(f"untested: {fault.name}" for fault in faults if not fault.tests or not fault.planted),
        *(f"not written: {test}" for test in sorted(named - tests.keys())),
        *(f"of no fault: {test}" for test in sorted(ours - named)),
        *(f"no fault of {door}" for door in sorted(DOORS - {door for fault in faults for door in fault.doors})),
        *(f"no door: {door}" for door in sorted({door for fault in faults for door in fault.doors} - DOORS)),
    ]


def test_every_fault_is_caused_and_caught_and_written_down() -> None:
    assert amiss(FAULTS, RUNBOOK, written()) == []
    assert len(FAULTS) > 20


def test_whatever_one_of_the_three_lacks_would_be_found() -> None:
    first, tests = FAULTS[0], written()
    without = RUNBOOK.replace(f"| {first.name} |", "| a fault that nobody knows |")

    assert amiss(FAULTS, without, tests) == [f"no line: {first.name}", "no fault: a fault that nobody knows"]
    assert amiss(FAULTS, RUNBOOK.replace(f"| {first.name} | 503", f"| {first.name} | 500"), tests) == [
        f"another answer: {first.name}"
    ]
    assert f"untested: {first.name}" in amiss([replace(first, planted=()), *FAULTS[1:]], RUNBOOK, tests)
    assert f"leads nowhere: {first.name}" in amiss([replace(first, anchor="nowhere"), *FAULTS[1:]], RUNBOOK, tests)
    assert f"not written: {first.tests[0]}" in amiss(FAULTS, RUNBOOK, {first.tests[1]: ""})
    assert amiss(FAULTS, RUNBOOK, tests | {"faults/test_new.py::test_new": "faults"}) == [
        "of no fault: faults/test_new.py::test_new"
    ]
    assert "no fault of redrive" in amiss([each for each in FAULTS if "redrive" not in each.doors], RUNBOOK, tests)
    assert "no door: lobby" in amiss([replace(first, doors=("lobby",)), *FAULTS[1:]], RUNBOOK, tests)
