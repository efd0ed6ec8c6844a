"""
`make results`: puts the goals of the last whole run into docs/benchmarks.md, and a line of each row into the README.

The table in docs/benchmarks.md is where figures are kept; the README's follows from it (`--derive`, for `make docs`).
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from cdk.local.instance import ROOT
from tests.benchmarks.machine import KEPT
from tests.benchmarks.report import digits
from tests.benchmarks.row import Row
from tests.benchmarks.rows import ROWS

DOCS, README = ROOT / "docs" / "benchmarks.md", ROOT / "README.md"
BEGIN, END = "<!-- results: make results -->\n", "<!-- end of results -->\n"
LAST = KEPT.with_suffix(".json")

HEAD = "| row | what | is | goal | | × floor | × best peer |\n| --- | --- | --- | --- | --- | --- | --- |\n"
README_HEAD = "| row | what | is | goal | goals reached |\n| --- | --- | --- | --- | --- |\n"
MET, MISSED = "✓", "✗"


class PartialRunError(ValueError):
    """A run is no measure of everything."""


@dataclass(frozen=True)
class Line:
    """A goal in the table, cell by cell; `is_` is the figure or the ratio, `mark` whether that is within the goal."""

    row: str
    what: str
    is_: str
    goal: str
    mark: str
    floor: str
    peer: str

    @property
    def figure(self) -> float:
        """What it came to, as far as the table tells."""
        return float(self.is_.split()[0].replace(",", ""))


def main(arguments: Sequence[str]) -> None:
    """Write both tables."""
    parser = argparse.ArgumentParser(prog="make results", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=LAST, help="of a whole run")
    parser.add_argument("--derive", action="store_true", help="write the README's table alone")
    asked = parser.parse_args(arguments)
    if not asked.derive:
        try:
            told = results(json.loads(asked.file.read_text()))
        except (FileNotFoundError, PartialRunError) as error:
            sys.exit(f"{error}; a whole run is `make bench`")
        DOCS.write_text(put(DOCS.read_text(), told))
    README.write_text(put(README.read_text(), derived(between(DOCS.read_text()))))


def results(run: Mapping[str, Any], rows: Sequence[Row] = ROWS) -> str:
    """
    What docs/benchmarks.md says of a run.

    Raises:
        PartialRunError: It has not every row.
    """
    if lacking := {row.name for row in rows} - {row["name"] for row in run["rows"]}:
        raise PartialRunError(f"the run lacks {', '.join(sorted(lacking))}")
    lines = [_line(row, goal) for row in run["rows"] for goal in row["goals"]]
    table = "".join(f"| {' | '.join(astuple(line))} |\n" for line in lines)
    return f"{_where(run)}\n\n{HEAD}{table}"


def derived(told: str) -> str:
    """What the README says of the same: the first goal of each row, and how many of its goals are reached."""
    lines = parsed(told)
    if not lines:
        return ""
    where = told.partition("\n\n")[0]
    return f"{where}\n\n{README_HEAD}" + "".join(
        _summed(name, list(goals)) for name, goals in groupby(lines, lambda line: line.row)
    )


def parsed(told: str) -> list[Line]:
    """The table's lines."""
    rows = [line for line in told.splitlines() if line.startswith("| ")][2:]
    return [Line(*(cell.strip() for cell in row[1:-1].split("|"))) for row in rows]


def expected(rows: Iterable[Row]) -> list[tuple[str, str, str]]:
    """What a table must tell of, line by line: row, what, and goal."""
    return [(row.name, what(goal.of, goal.over), goal.limit) for row in rows for goal in row.goals]


def what(of: str, over: str | None) -> str:
    """What a goal is about."""
    return f"{of}, over {over}" if over else of


def between(text: str) -> str:
    """What stands between the markers of a page."""
    return text.partition(BEGIN)[2].partition(END)[0]


def put(text: str, told: str) -> str:
    """
    A page with something else between its markers.

    Raises:
        ValueError: It has none.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError("the page has no place for results")
    return before + begin + told + end + after


def _where(run: Mapping[str, Any]) -> str:
    machine, taken = run["machine"], datetime.fromisoformat(run["taken_at"])
    rounds = [len(row["contenders"][0]["rounds"]) for row in run["rows"]]
    return (
        f"Taken on {taken:%Y-%m-%d} by `make bench`, medians of {min(rounds)} to {max(rounds)} rounds, with "
        f"{machine['cores']} cores, {machine['memory_gib']:.0f} GiB of memory, {machine['python']}, "
        f"{machine['postgresql']}:"
    )


def _line(row: Mapping[str, Any], goal: Mapping[str, Any]) -> Line:
    is_ = f"{digits(goal['figure'])} {'×' if goal['over'] else goal['unit']}"
    floor = "" if goal["over_floor"] is None else digits(goal["over_floor"])
    peer = goal["peer"] and f"{digits(goal['peer']['times'])} {goal['peer']['name']}"
    mark = MET if goal["met"] else MISSED
    return Line(row["name"], what(goal["of"], goal["over"]), is_, goal["limit"], mark, floor, peer or "")


def _summed(name: str, goals: Sequence[Line]) -> str:
    reached = sum(goal.mark == MET for goal in goals)
    first = goals[0]
    return f"| `{name}` | {first.what} | {first.is_} | {first.goal} | {reached} of {len(goals)} |\n"


if __name__ == "__main__":
    main(sys.argv[1:])
