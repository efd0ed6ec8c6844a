"""`python -m tests.benchmarks [ROW …]`: what `make bench` calls."""

import argparse
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks import report
from tests.benchmarks.machine import KEPT
from tests.benchmarks.result import Result
from tests.benchmarks.rounds import measure
from tests.benchmarks.row import Effort, Row
from tests.benchmarks.rows import ROWS

MIN_ROUNDS = 5
PLAIN_WIDTH = 160


def main(arguments: Sequence[str], rows: Sequence[Row] = ROWS, keep_in: Path = KEPT) -> int:
    """
    Measure what the command line names.

    Returns:
        The exit status: 1 if a row broke or, with --strict, missed a goal.
    """
    asked = _parsed(arguments, rows)
    wanted = [row for row in rows if not asked.rows or row.name in asked.rows]
    effort = Effort(rounds=1 if asked.short else asked.rounds, short=asked.short)
    # Held on to, for some rows put another stdout in its place; into a file, every line goes whole.
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    results = list(_measured(wanted, effort, console))
    if results:
        report.show(results, console)
    if results and not effort.short:
        file = report.write(results, effort, shlex.join(arguments), datetime.now(UTC), keep_in)
        console.print(f"\nEvery sample is in {file}.", highlight=False, soft_wrap=True)
    missed = any(result.missed() for result in results)
    return int(len(results) < len(wanted) or (asked.strict and missed))


def _measured(rows: Iterable[Row], effort: Effort, console: Console) -> Iterator[Result]:
    for row in rows:
        try:
            yield _watched(row, effort, console)
        except Exception:  # noqa: BLE001  # the other rows are still worth having
            console.print(f"[red]✗[/] {row.name} broke", highlight=False)
            console.print_exception()


def _watched(row: Row, effort: Effort, console: Console) -> Result:
    if not console.is_terminal:
        console.print(f"· {row.name}: {row.asks}", highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"{row.name}: {row.asks}", total=None)
        return measure(row, effort, lambda taken, of: progress.update(task, completed=taken, total=of))


def _parsed(arguments: Sequence[str], rows: Sequence[Row]) -> argparse.Namespace:
    names = [row.name for row in rows]
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(names)}; by default all")
    parser.add_argument("--rounds", type=_rounds, help=f"samples of each contender, at least {MIN_ROUNDS}")
    parser.add_argument("--short", action="store_true", help="only show that everything works")
    parser.add_argument("--strict", action="store_true", help="fail if a goal is missed")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.rows) - set(names):  # with "*", argparse would hold nothing at all against the choices
        parser.error(f"there is no row {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return asked


def _rounds(text: str) -> int:
    rounds = int(text)
    if rounds < MIN_ROUNDS:
        raise argparse.ArgumentTypeError(f"a median wants at least {MIN_ROUNDS}")
    return rounds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
