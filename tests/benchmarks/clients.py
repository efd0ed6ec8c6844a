"""Clients that book side by side, each a process of its own: threads would wait for one interpreter."""

import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Engine

from dyno.database import engine
from dyno.settings import Settings
from tests.settings import SETTINGS

BOOKINGS = "occupancies"
LEFT_BY_A_BOOKING = (BOOKINGS, "history", "idempotency_keys")
"""Tables in which one leaves a row."""


@dataclass(frozen=True)
class Wish:
    """
    A booking of one day that somebody wants.

    Attributes:
        number: No other has it.
        max_shift: Days that it may be moved.
        dyno_id: Where a bare INSERT puts it, which asks nobody.
    """

    number: int
    vehicle_id: int
    test_type: str
    start_date: date
    max_shift: int = 7
    dyno_id: int = 1


class Said(NamedTuple):
    """What a wish came to, and how often it was begun anew because the database had broken it off."""

    booked: bool
    broken_off: int = 0


Way = Callable[[Engine, Wish], Said]
"""A function of a module, for each process finds it there."""

Wishes = Callable[[int, int], Iterable[Iterable[Wish]]]
"""What a client wants, by its number and how many clients there are: of each series one after the other."""


def of_the_service(settings: Settings) -> Engine:
    """The engine that the doors have; nobody here gives up on an answer."""
    return engine(settings, None)


@dataclass(frozen=True)
class Task:
    """
    What each client does.

    Attributes:
        over: Makes the engine that its way is given.
        leaves: The tables in which each booking leaves one row.
        warm_up: What it wants first, before anybody's clock runs, by its number.
        for_s: How long it then goes on with one series; None for all of them, each until a wish is refused.
        up_to_s: The same where nobody need get to the end; None for as long as it takes.
    """

    way: Way
    login: str
    warm_up: Callable[[int], Iterable[Wish]]
    wishes: Wishes
    for_s: float | None = None
    up_to_s: float | None = None
    over: Callable[[Settings], Engine] = of_the_service
    leaves: Sequence[str] = LEFT_BY_A_BOOKING


class Answer(NamedTuple):
    """To one wish: at which second since all began it came, how long it took, and what it was."""

    at_s: float
    took_s: float
    said: Said


@dataclass(frozen=True)
class Outcome:
    """
    What became of a task.

    Attributes:
        clients: The answers that each had, in order.
        warmed_up: Bookings of before.
    """

    clients: Sequence[Sequence[Answer]]
    warmed_up: int

    @property
    def answers(self) -> list[Answer]:
        """All of them."""
        return [answer for answers in self.clients for answer in answers]

    @property
    def booked(self) -> int:
        """How many bookings there are that were not before."""
        return self.warmed_up + sum(answer.said.booked for answer in self.answers)

    @property
    def broken_off(self) -> int:
        """How often the database broke one off: a deadlock, or a constraint that had to step in."""
        return sum(answer.said.broken_off for answer in self.answers)

    @property
    def per_s(self) -> float:
        """Answers a second, each client reckoned until its own last one."""
        return sum(len(answers) / answers[-1].at_s for answers in self.clients)

    @property
    def booked_per_s(self) -> float:
        """Bookings a second, until the last of all."""
        at_s = [answer.at_s for answer in self.answers if answer.said.booked]
        return len(at_s) / max(at_s)

    def took_ms(self, rank: float = 0.5) -> float:
        """The time within which that share of the answers came."""
        took_s = sorted(answer.took_s for answer in self.answers)
        return took_s[int(rank * (len(took_s) - 1))] * 1000


class Clients:
    """Processes that wait for something to do."""

    def __init__(self, pipes: Sequence[Any]) -> None:
        self._pipes = pipes

    def run(self, task: Task, port: int, database: str, clients: int) -> Outcome:
        """Have so many of them do it, all beginning at once."""
        taking_part = self._pipes[:clients]
        for number, pipe in enumerate(taking_part):
            pipe.send((task, port, database, number, clients))
        warmed_up = [_received(pipe) for pipe in taking_part]
        for pipe in taking_part:
            pipe.send("go")
        return Outcome([_received(pipe) for pipe in taking_part], sum(warmed_up))


@contextmanager
def waiting(most: int) -> Iterator[Clients]:
    """So many clients."""
    # No plain fork: whatever another thread of this process holds at that moment would be held for ever.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.benchmarks.peers.booking", "tests.benchmarks.wishes"])
    ends = [context.Pipe() for _ in range(most)]
    processes = [context.Process(target=_serve, args=(theirs,), daemon=True) for _, theirs in ends]
    try:
        for process in processes:
            process.start()
        yield Clients([ours for ours, _ in ends])
    finally:
        for process in processes:
            process.terminate()  # whatever it is at: whoever breaks off a run does not wait for the end of it
        for process in processes:
            process.join()
        for end in chain(*ends):
            end.close()


def _received(pipe: Any) -> Any:
    broke, received = pipe.recv()
    if broke:
        raise RuntimeError(f"a client broke:\n{received}")
    return received


def _serve(pipe: Any) -> None:
    try:
        while True:
            task, port, database, number, clients = pipe.recv()
            try:
                _do(task, port, database, number, clients, pipe)
            except Exception:  # noqa: BLE001  # whoever waits is to hear of it
                pipe.send((True, traceback.format_exc()))
    except EOFError:
        return


def _do(task: Task, port: int, database: str, number: int, clients: int, pipe: Any) -> None:
    over = task.over(replace(SETTINGS, database_port=port, database_name=database, database_user=task.login))
    try:
        pipe.send((False, sum(task.way(over, wish).booked for wish in task.warm_up(number))))
        pipe.recv()
        pipe.send((False, list(_answers(task, over, task.wishes(number, clients)))))
    finally:
        over.dispose()


def _answers(task: Task, over: Engine, wishes: Iterable[Iterable[Wish]]) -> Iterator[Answer]:
    began_s = time.perf_counter()
    for series in wishes:
        for wish in series:
            asked_s = time.perf_counter()
            said = task.way(over, wish)
            at_s = time.perf_counter()
            yield Answer(at_s - began_s, at_s - asked_s, said)
            if at_s - began_s > task.for_s if task.for_s else not said.booked:
                break
            if task.up_to_s and at_s - began_s > task.up_to_s:
                break
