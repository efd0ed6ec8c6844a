"""The threat model is about this project: the tests it names are there, and the attacks that are tested are in it."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from cdk.local.instance import ROOT
from dyno.auth import Permission
from tests.doors import DOORS

PAGE = ROOT / "docs" / "threat-model.md"
ATTACKS = (*sorted((ROOT / "tests" / "attacks").glob("test_*.py")), ROOT / "tests" / "e2e" / "test_attacks.py")


def named(page: str) -> set[str]:
    return set(re.findall(r"`(tests/[\w/]+\.py::test_\w+)`", page))


def written_in(files: Iterable[Path]) -> set[str]:
    """Every test in files, as pytest names it."""
    return {
        f"{file.relative_to(ROOT)}::{node.name}"
        for file in files
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def missing(page: str) -> list[str]:
    """Tests that a page names and nobody has written."""
    files = {ROOT / name.split("::")[0] for name in named(page)}
    return sorted(named(page) - written_in(file for file in files if file.exists()))


def unguarded_files(page: str, routes: Iterable[str]) -> bool:
    """Whether a route takes files though a page has nothing to say of what is in them."""
    told = all(word in page for word in ("| formulas", "| a compressed bomb", "| an address to fetch"))
    return any(permission == Permission.IMPORT_DATA for permission in routes) and not told


def test_every_test_that_the_page_names_is_there() -> None:
    assert missing(PAGE.read_text()) == []
    assert len(named(PAGE.read_text())) > 50


def test_a_test_that_is_not_there_would_be_found() -> None:
    assert missing("`tests/house/test_threats.py::test_that_nobody_wrote`, `tests/nowhere.py::test_x`") == [
        "tests/house/test_threats.py::test_that_nobody_wrote",
        "tests/nowhere.py::test_x",
    ]


def unproven(page: str) -> list[str]:
    """Attacks of which nothing shows that their defence matters."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| ")
    ]
    return [row[0] for row in rows if len(row) == 4 and not all(row)]


def test_of_every_defence_it_is_shown_that_it_matters() -> None:
    assert unproven(PAGE.read_text()) == []


def test_a_defence_that_was_never_taken_out_would_be_found() -> None:
    assert unproven("| attack | defence | test | seen to matter |\n| a flood | a dam | `x` | |\n") == ["a flood"]


def test_every_attack_that_is_tested_is_in_it() -> None:
    assert sorted(written_in(ATTACKS) - named(PAGE.read_text())) == []


def test_whoever_adds_a_route_that_takes_files_says_here_what_it_defends_against() -> None:
    taken = [function.permission for door in DOORS for method, _, function in door.door.routes() if method != "GET"]

    assert not unguarded_files(PAGE.read_text(), taken)


@pytest.mark.parametrize(
    ("page", "found"), [("", True), ("| formulas | a compressed bomb | an address to fetch |", False)]
)
def test_a_route_that_takes_files_and_of_which_nothing_is_said_would_be_found(page: str, found: bool) -> None:
    assert unguarded_files(page, [Permission.IMPORT_DATA]) is found
