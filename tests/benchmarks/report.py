"""What the benchmarks tell: a table and the goals for people, a file with every sample for whoever doubts them."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.benchmarks.chart import draw
from tests.benchmarks.machine import machine
from tests.benchmarks.result import Result
from tests.benchmarks.row import Contender, Effort, Goal, Role

STYLES = {Role.NOTHING: "dim", Role.FLOOR: "dim", Role.OURS: "bold", Role.PEER: ""}


def show(results: Sequence[Result], console: Console) -> None:
    """Print the table, then each goal with what became of it, then where the time goes of those that missed one."""
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for heading in ("", "case"):
        table.add_column(heading, no_wrap=True)
    for heading in ("median", "least to most", "× floor"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("note", no_wrap=True)
    for result in results:
        table.add_row(f"[bold cyan]{result.row.name}[/]")
        for contender in result.contenders:
            table.add_row(*_cells(result, contender), style=STYLES[contender.role])
    console.print(table)
    for result in results:
        for goal in result.row.goals:
            console.print(_verdict(result, goal), soft_wrap=True, highlight=False)
    for result in results:
        for label, profile in result.profiles.items():
            console.print(f"\n[bold]{result.row.name}: {escape(label)}[/] takes its time in", highlight=False)
            console.print(escape(profile), soft_wrap=True, highlight=False)


def write(results: Sequence[Result], effort: Effort, command: str, now: datetime, folder: Path) -> Path:
    """Keep everything in <folder>/<timestamp>.json, and in <folder>.json with a chart beside it; gives the latter."""
    kept = {
        "taken_at": now.isoformat(timespec="seconds"),
        "command": command,
        "effort": asdict(effort),
        "machine": machine(),
        "rows": [_kept(result) for result in results],
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(kept, indent=1, ensure_ascii=False) + "\n"
    last = folder.with_suffix(".json")
    for file in (folder / f"{now:%Y-%m-%dT%H-%M-%SZ}.json", last):
        file.write_text(text)
    draw(results, folder.with_suffix(".svg"))
    return last


def _cells(result: Result, contender: Contender) -> tuple[str, ...]:
    figures, unit = result.figures(contender.label), result.unit(contender.label)
    ratio = result.over_floor(contender)
    return (
        f"  {escape(contender.name)}",
        contender.case,
        f"{digits(result.figure(contender.label))} {unit}",
        f"{digits(min(figures))} – {digits(max(figures))}",
        "" if ratio is None else f"{ratio:.2f}",
        escape(contender.note),
    )


def _verdict(result: Result, goal: Goal) -> str:
    figure = result.judged(goal)
    met = goal.is_met(figure)
    what = f"{goal.of} / {goal.over}" if goal.over else goal.of
    unit = "" if goal.over else f" {result.unit(goal.of)}"
    mark, end = ("[green]✓[/]", "") if met else ("[red]✗[/]", "  [red]missed[/]")
    return f"{mark} {result.row.name}: {escape(what)} = {digits(figure)}{unit}, goal {goal.limit}{unit}{end}"


def _kept(result: Result) -> dict[str, Any]:
    return {
        "name": result.row.name,
        "unit": result.row.unit,
        "profiles": dict(result.profiles),
        "contenders": [
            {
                "name": contender.name,
                "case": contender.case,
                "role": contender.role,
                "unit": result.unit(contender.label),
                "net_of": contender.net_of or None,
                "note": contender.note,
                "median": result.figure(contender.label),
                "over_floor": result.over_floor(contender),
                "rounds": list(result.taken[contender.label]),
            }
            for contender in result.contenders
        ],
        "goals": [
            {
                "of": goal.of,
                "over": goal.over or None,
                "at_most": goal.at_most if isfinite(goal.at_most) else None,
                "at_least": goal.at_least if isfinite(goal.at_least) else None,
                "limit": goal.limit,
                "figure": result.judged(goal),
                "unit": result.unit(goal.of),
                "over_floor": result.over_floor(result.contender(goal.of)),
                "peer": _peer(result, goal),
                "met": goal.is_met(result.judged(goal)),
            }
            for goal in result.row.goals
        ],
    }


def _peer(result: Result, goal: Goal) -> dict[str, Any] | None:
    best = result.best_peer(result.contender(goal.of))
    if best is None:
        return None
    return {"name": best.name, "times": result.ratio(goal.of, best.label)}


def digits(figure: float) -> str:
    """Three digits that count; whole numbers from 100 on, in groups."""
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:#.3g}"
