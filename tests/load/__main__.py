"""`python -m tests.load`: what `make load` calls."""

import argparse
import random
import signal
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.load import report, site
from tests.load.run import Wanted, Went, run

PLAIN_WIDTH = 160
REQUESTS_A_MINUTE = 6_000
"""By which a lab is made large enough for a run of so many minutes."""


def main(arguments: Sequence[str]) -> int:
    """
    Drive every door, break what can be broken, and check that nothing is lost.

    Returns:
        The exit status: 1 if anything is found.
    """
    wanted = _parsed(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that everything is stopped
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    with site.running() as there:
        went = _watched(there, wanted, console)
    report.show(went, console)
    again = f"OPERATIONS={wanted.operations} WORKERS={wanted.workers} SEED={wanted.seed}"
    if wanted.minutes is not None:
        again = f"MINUTES={wanted.minutes:g} WORKERS={wanted.workers} SEED={wanted.seed}"
    console.print(f"{len(went.findings) or 'nothing'} found; the same again: make load {again}", highlight=False)
    return int(bool(went.findings))


def _watched(there: site.Site, wanted: Wanted, console: Console) -> Went:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("requests", total=wanted.operations)
        return run(there, wanted, watch=lambda done: progress.update(task, completed=done))


def _parsed(arguments: Sequence[str]) -> Wanted:
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("--operations", type=int, default=50_000, help="how many requests; by default 50,000")
    parser.add_argument("--workers", type=_workers, default=32, help="environments of all functions; by default 32")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of all that is drawn")
    parser.add_argument("--minutes", type=float, help="go on for so long, whatever that makes, and watch what grows")
    asked = parser.parse_args(arguments)
    operations = asked.operations if asked.minutes is None else max(1, int(asked.minutes * REQUESTS_A_MINUTE))
    return Wanted(operations, asked.workers, asked.seed, asked.minutes)


def _workers(text: str) -> int:
    workers = int(text)
    if workers < 8:
        raise argparse.ArgumentTypeError(f"{text} are too few: some for each function take 8 at least")
    return workers


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
