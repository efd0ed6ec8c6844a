"""`python -m tests.prove`: what `make prove` calls."""

import argparse
import random
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.prove import report, server
from tests.prove.lab import Arena, Went, arena, labs
from tests.prove.regimes import Regime

PLAIN_WIDTH = 160


def main(arguments: Sequence[str]) -> int:
    """
    Fight over labs, and judge them.

    Returns:
        The exit status: 1 if anything is found.
    """
    asked = _parsed(arguments)
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    with server.running(server.Server, "prove") as there, arena(there) as fights:
        runs = [_watched(fights, *lab, console) for lab in labs(asked.operations, asked.seed)]
    report.show(runs, console)
    found = sum(len(went.findings) for went in runs)
    again = f"make prove OPERATIONS={asked.operations} SEED={asked.seed}"
    console.print(f"{found or 'nothing'} found; the same programs again: {again}", highlight=False)
    return int(found > 0)


def _watched(fights: Arena, regime: Regime, seed: int, operations: int, console: Console) -> Went:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(regime.name, total=operations)
        went = fights.fight(regime, seed, operations, watch=lambda done: progress.update(task, completed=done))
    report.verdict(went, console)
    return went


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make prove", description=__doc__)
    parser.add_argument("--operations", type=_operations, default=100_000, help="how many; by default 100,000")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of the programs")
    return parser.parse_args(arguments)


def _operations(text: str) -> int:
    operations = int(text)
    if operations < 100:
        raise argparse.ArgumentTypeError(f"{text} are too few to say anything; 100 at least")
    return operations


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
