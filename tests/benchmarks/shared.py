"""Several figures of one run, for contenders whose every sample takes long."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

R = TypeVar("R")


class Shared(Generic[R]):
    """
    A run that gives more than one figure.

    Whichever figure a round asks for first makes the run; the others then have what it left.
    """

    def __init__(self, run: Callable[[], R]) -> None:
        self._run = run
        self._figures: list[tuple[Callable[[R], float], deque[float]]] = []

    def figure(self, of: Callable[[R], float]) -> Callable[[], float]:
        """A contender's `sample`."""
        left: deque[float] = deque()
        self._figures.append((of, left))

        def sample() -> float:
            if not left:
                made = self._run()
                for each, figures in self._figures:
                    figures.append(each(made))
            return left.popleft()

        return sample
