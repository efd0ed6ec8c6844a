"""A picture of the goals: how much of each was used up."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from rich.bar import Bar
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.benchmarks.result import Result
from tests.benchmarks.row import Goal

WIDTH = 190
BAR_WIDTH = 50
BAR_IS = 1.25
"""How much of a limit a whole bar is; what is missed by more is as long."""


def draw(results: Sequence[Result], file: Path) -> None:
    """Write an SVG with a bar per goal: a full limit is four fifths of it, and what goes beyond that is missed."""
    table = Table(box=None, title="What of each limit is used: beyond 100 % it is missed", title_justify="left")
    for heading in ("row", "goal", "limit", "used"):
        table.add_column(heading, no_wrap=True)
    table.add_column("", width=BAR_WIDTH)
    for result in results:
        for goal in result.row.goals:
            share = used(goal, result.judged(goal))
            color = "green" if goal.is_met(result.judged(goal)) else "red"
            about = Text(f"{goal.of} / {goal.over}" if goal.over else goal.of)
            table.add_row(
                result.row.name, about, goal.limit, f"{share:.0%}", Bar(BAR_IS, 0, min(share, BAR_IS), color=color)
            )
    console = Console(record=True, file=StringIO(), width=WIDTH)
    console.print(table)
    console.save_svg(str(file), title="make bench")


def used(goal: Goal, figure: float) -> float:
    """
    A limit's share that a figure takes; 1 is just within it.

    A limit of 0 has no shares: what is there is 0, or twice too much.
    """
    if goal.at_most == 0:
        return 2.0 * (figure > 0)
    if goal.at_most < float("inf"):
        return figure / goal.at_most
    return goal.at_least / figure if figure else 2.0
