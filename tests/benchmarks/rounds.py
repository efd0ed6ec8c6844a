"""Taking the samples: every contender once a round, each round beginning with another one."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from tests.benchmarks.profiles import of_process
from tests.benchmarks.result import Result
from tests.benchmarks.row import Contender, Effort, Row

Progress = Callable[[int, int], None]
"""Told how many samples are taken, and of how many."""


def measure(row: Row, effort: Effort, progress: Progress) -> Result:
    """What the row comes out at."""
    rounds = effort.rounds or row.rounds
    with row.contenders(effort) as contenders, _own_garbage_only():
        taken: dict[str, list[float]] = {contender.label: [] for contender in contenders}
        for number, contender in enumerate(_in_turn(contenders, rounds), start=1):
            gc.collect()
            taken[contender.label].append(contender.sample())
            progress(number, rounds * len(contenders))
        result = Result(row, tuple(contenders), taken)
        return result if effort.short else replace(result, profiles=_profiles(result))


def _profiles(result: Result) -> dict[str, str]:
    """Of each contender that missed a goal, while what it needs is still there."""
    late = {goal.of: result.contender(goal.of) for goal in result.missed()}
    return {label: each.why() if each.why else of_process(each.sample) for label, each in late.items()}


def _in_turn(contenders: Sequence[Contender], rounds: int) -> Iterator[Contender]:
    for number in range(rounds):
        # Shifted as a whole: those of one case stay neighbours in time, for it is their ratio that counts.
        first = number * len(contenders) // rounds
        yield from contenders[first:]
        yield from contenders[:first]


@contextmanager
def _own_garbage_only() -> Iterator[None]:
    """The collector stays on, as it is in production, but looks at nothing that was there before."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
