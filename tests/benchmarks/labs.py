"""Runs in copies of a lab: by the service's own kind of client or by pgbench, and what is in the lab afterwards."""

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from sqlalchemy import Connection, text

from cdk.local.instance import Instance
from tests.benchmarks import lab, pgbench, profiles
from tests.benchmarks.clients import BOOKINGS, LEFT_BY_A_BOOKING, Clients, Outcome, Task, waiting
from tests.benchmarks.database import SUPERUSER, Server, lasting, passing
from tests.benchmarks.lab import Size
from tests.benchmarks.pgbench import Transactions
from tests.benchmarks.row import Effort
from tests.settings import SETTINGS

DOOR = "dyno_allocations"
"""What the service logs in as where it books."""

MOST_CLIENTS = 32
PROFILED = 20
"""Wishes of which each statement is looked at."""

SHORT_CLIENTS = 3
SHORT_ROUNDS = 10
SHORT_S = 0.05

_BOOKED = text("""
    select vehicle_id, dyno_id, test_type, start_date, end_date, turnaround_days, shift_days, booked_by
      from occupancies where id > :before order by vehicle_id
""")

Arrange = Callable[[Connection], object]
"""What is done in a copy before a run."""


class Differs(AssertionError):
    """What there is after a run is not what there should be."""


def nothing(_connection: Connection) -> None:
    """A lab is as it is."""


@dataclass(frozen=True)
class Ran:
    """A run of clients, and how many pairs of bookings overlap after it."""

    outcome: Outcome
    overlaps: int


class Labs:
    """Labs of several sizes, copied for every run; in short, all are tiny and have few clients."""

    def __init__(self, server: Server, clients: Clients, effort: Effort) -> None:
        self._server, self._clients, self._effort = server, clients, effort
        self._databases: dict[Size, str] = {}

    def size(self, size: Size) -> Size:
        """How large a lab of that size really is."""
        return lab.TINY if self._effort.short else size

    def for_s(self, time_s: float) -> float:
        """How long clients really are at it."""
        return SHORT_S if self._effort.short else time_s

    @contextmanager
    def connected(self, size: Size, login: str) -> Iterator[Connection]:
        """A connection to the lab that is copied, in which nothing is to be left."""
        with self._server.connected(login, self._kept(size)) as connection:
            yield connection

    def run(self, size: Size, task: Task, clients: int, arrange: Arrange = nothing) -> Ran:
        """
        Have clients do a task.

        Raises:
            Differs: There are not as many rows afterwards as the bookings leave that they say they made.
        """
        (ran,) = self.several(size, [(task, clients)], arrange)
        return ran

    def several(self, size: Size, tasks: Sequence[tuple[Task, int]], arrange: Arrange = nothing) -> list[Ran]:
        """The same of tasks with their numbers of clients, one after the other in the same copy."""
        with self._copied(size, arrange) as (database, _):
            return [self._ran(database, task, clients) for task, clients in tasks]

    def _ran(self, database: str, task: Task, clients: int) -> Ran:
        with self._server.connected(SUPERUSER, database) as connection:
            before = {table: lab.rows(connection, table) for table in LEFT_BY_A_BOOKING}
        outcome = self._clients.run(task, self._server.port, database, self._number(clients))
        return Ran(outcome, self._overlaps(database, before, dict.fromkeys(task.leaves, outcome.booked)))

    def why(self, size: Size, task: Task, clients: int, arrange: Arrange = nothing) -> str:
        """What the database does while clients do a task: what they wait for, and which statements one alone has."""
        waits: Counter[str] = Counter()
        with self._copied(size, arrange) as (database, _):
            with profiles.of_waits(self._server.port, database, waits):
                self._clients.run(task, self._server.port, database, self._number(clients))
            for name, value in profiles.TELL_EVERYTHING.items():
                self._server.run(f"alter database {database} set {name} = '{value}'")
            over = task.over(
                replace(SETTINGS, database_port=self._server.port, database_name=database, database_user=task.login)
            )
            # Wishes so far ahead that no client of before has come to them.
            series = next(iter(task.wishes(self.size(size).newcomers // 2, 1)))
            calls = [partial(task.way, over, wish) for wish in islice(series, PROFILED)]
            statements = profiles.of_statements(over, calls)
            over.dispose()
        return f"{profiles.told(waits)}\n{statements}"

    def check_same(self, size: Size, tasks: Sequence[Task]) -> None:
        """
        Have one client do each task.

        Raises:
            Differs: Not all of them leave the same vehicles on the same dynos and days.
        """
        left = []
        for task in tasks:
            with self._copied(size, nothing) as (database, before):
                self._clients.run(task, self._server.port, database, 1)
                with self._server.connected(SUPERUSER, database) as connection:
                    left.append(connection.execute(_BOOKED, {"before": before[BOOKINGS]}).all())
        for task, booked in zip(tasks, left, strict=True):
            if booked != left[0]:
                raise Differs(f"{task.way.__name__} books otherwise than {tasks[0].way.__name__}")

    def pgbench(
        self, size: Size, script: str, login: str, clients: int, *, into: Sequence[str] = (), arrange: Arrange = nothing
    ) -> Transactions:
        """
        Have pgbench repeat a script.

        Args:
            into: The tables in which every transaction leaves one row.
        Raises:
            Differs: It does not, or something overlaps.
        """
        rounds = SHORT_ROUNDS if self._effort.short else None
        with self._copied(size, arrange) as (database, before):
            ran = pgbench.run(script, self._server.port, database, login, self._number(clients), rounds)
            if self._overlaps(database, before, dict.fromkeys(into, ran.number)):
                raise Differs(f"bookings overlap after\n{script}")
        return ran

    @contextmanager
    def _copied(self, size: Size, arrange: Arrange) -> Iterator[tuple[str, Mapping[str, int]]]:
        with self._server.copied(self._kept(size)) as database:
            with self._server.connected(SUPERUSER, database) as connection:
                arrange(connection)
                before = {table: lab.rows(connection, table) for table in (*LEFT_BY_A_BOOKING, "refusals")}
            yield database, before

    def _overlaps(self, database: str, before: Mapping[str, int], left: Mapping[str, int]) -> int:
        with self._server.connected(SUPERUSER, database) as connection:
            for table, expected in left.items():
                found = lab.rows(connection, table) - before[table]
                if found != expected:
                    raise Differs(f"there should be {expected} more {table}, and there are {found}")
            return lab.overlaps(connection, before[BOOKINGS])

    def _kept(self, size: Size) -> str:
        really = self.size(size)
        if really not in self._databases:
            self._databases[really] = kept(self._server, really)
        return self._databases[really]

    def _number(self, clients: int) -> int:
        return min(clients, SHORT_CLIENTS) if self._effort.short else clients


def kept(server: Server, size: Size) -> str:
    """The database of a lab of that size, made unless it is there already."""
    database = f"lab_{size.dynos}"
    server.keep(database, inspect.getsource(lab), partial(lab.fill, size=size))
    return database


@contextmanager
def opened(effort: Effort) -> Iterator[Labs]:
    """Labs, and clients that wait for something to do in them."""
    with ExitStack() as stack:
        server = stack.enter_context(passing() if effort.short else lasting(Instance.named("bench")))
        clients = stack.enter_context(waiting(effort.pick(MOST_CLIENTS, SHORT_CLIENTS)))
        yield Labs(server, clients, effort)
