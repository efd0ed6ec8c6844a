"""How long a whole request takes in process, event to response, row and line; and whose time that is."""

import io
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import islice
from typing import Any
from unittest import mock

from aws_lambda_powertools import Logger, Metrics
from sqlalchemy import Engine, text

from cdk.local.instance import ROOT, Instance
from dyno.database import engine
from dyno.metrics import store as calls
from dyno.metrics.catalogue import RECORD
from dyno.observability import logger
from dyno.settings import Settings, settings
from functions.allocations.handler import handler
from tests.benchmarks import labs, wishes
from tests.benchmarks.clients import Wish
from tests.benchmarks.database import SUPERUSER, Server, lasting, passing
from tests.benchmarks.lab import TINY, Size
from tests.benchmarks.labs import DOOR
from tests.benchmarks.peers import booking
from tests.benchmarks.peers.usual_door import UsualDoor
from tests.benchmarks.row import Contender, Effort, Goal, Role, Row
from tests.benchmarks.rows.instrumentation import told_nothing
from tests.benchmarks.shared import Shared
from tests.benchmarks.shares import NAMES, shares
from tests.benchmarks.stdout import stdout_to_nowhere, written
from tests.settings import SETTINGS

SIZE = Size(200, 100_000, 5)
REQUESTS = 300
"""In a sample; before them WARM_UP that nobody counts."""

WARM_UP = 20
EVENT = json.loads((ROOT / "events" / "auto_allocation.json").read_text())
CLAIMS = {
    "token_use": "id",
    "aud": SETTINGS.user_pool_client_id,
    "iss": SETTINGS.user_pool_issuer,
    "exp": "Tue Nov 23 18:39:39 UTC 2999",
    "sub": booking.OWNER,
    "cognito:groups": "user",
}
STATEMENT, OURS, USUAL = "store.book alone", "the door", "the usual door"

Answer = Callable[[Wish], object]


class Differs(AssertionError):
    """A request does not leave what it should."""


class Context:
    """As much of Lambda's context as the doors read."""

    function_name, function_version, memory_limit_in_mb, aws_request_id = "door", "1", 512, "a-request"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:door"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 20_000


@dataclass(frozen=True)
class Took:
    """
    A sample: how long each request took, in order of time, and whose time it was in percent.

    The shares are of as many requests again: nothing looks on while the first are timed.
    """

    took_s: Sequence[float]
    shares: Mapping[str, float]

    def ms(self, rank: float) -> float:
        """The time within which that share of the requests was answered."""
        return self.took_s[int(rank * (len(self.took_s) - 1))] * 1000


@contextmanager
def contenders(effort: Effort) -> Iterator[Sequence[Contender]]:
    """Every sample is taken in a fresh copy of the lab, with a line for every request."""
    size = TINY if effort.short else SIZE
    with ExitStack() as stack:
        server = stack.enter_context(passing() if effort.short else lasting(Instance.named("bench")))
        stack.enter_context(told_nothing())
        stack.enter_context(stdout_to_nowhere())
        database = labs.kept(server, size)
        check_left(server, database, size, lambda _over: through(handler))
        number = effort.pick(REQUESTS, 10)
        yield [
            contender
            for name, role, login, make in (
                (STATEMENT, Role.FLOOR, DOOR, lambda over: partial(booking.ours, over)),
                (OURS, Role.OURS, DOOR, lambda _over: through(handler)),
                (USUAL, Role.PEER, SUPERUSER, _usual),
            )
            for contender in _of(name, role, partial(_took, server, database, size, number, login, make))
        ]


def through(door: Callable[[dict[str, Any], Any], Any]) -> Answer:
    """A wish as the gateway hands it to a door; refused where it should not be, it raises."""

    def answer(wish: Wish) -> None:
        said = door(event(wish), Context())
        if said["statusCode"] != 201:
            raise Differs(f"{wish} is answered by {said}")

    return answer


def event(wish: Wish) -> dict[str, Any]:
    """A wish as the gateway's event."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": f"key-{wish.number}"}
    body = {"vehicle_id": wish.vehicle_id, "test_type": wish.test_type, "start_date": wish.start_date.isoformat()}
    made: dict[str, Any] = EVENT | {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "body": json.dumps(body | {"days_to_complete": 1, "backup": True, "max_backup_days": wish.max_shift}),
        "requestContext": EVENT["requestContext"] | {"authorizer": {"claims": CLAIMS}},
    }
    return made


def check_left(server: Server, database: str, size: Size, make: Callable[[Engine], Answer]) -> None:
    """
    Have a door answer one request.

    Raises:
        Differs: It leaves no booking, or no line of which ingest makes one row.
    """
    with server.copied(database) as copy, serving(server, copy, DOOR) as over:
        answer, wish = make(over), next(_wishes(size))
        with stdout_to_nowhere() as nowhere:
            lines = written(lambda: answer(wish), nowhere).splitlines()
        records = [line for line in lines if RECORD in line]  # as the log's subscription takes them
        with server.connected(SUPERUSER, copy) as connection:
            booked = connection.execute(
                text("select count(*) from occupancies where vehicle_id = :id"), {"id": wish.vehicle_id}
            ).scalar_one()
            calls.ingest(connection, records, [])
            rows = connection.exec_driver_sql("select count(*) from metrics").scalar_one()
    if (booked, rows) != (1, 1):
        raise Differs(f"there are {booked} bookings, and {rows} rows made of {lines}")


@contextmanager
def serving(server: Server, database: str, login: str) -> Iterator[Engine]:
    """This process as a deployed door that has a database; gives the engine for what is no door."""
    known = replace(
        SETTINGS, database_port=server.port, database_name=database, database_user=login, horizon_days=9_000
    )
    environment = {field.name.upper(): getattr(known, field.name) for field in fields(Settings)}
    said = {name: getattr(value, "key", str(value)) for name, value in environment.items()}
    kept = logger.registered_handler.setStream(io.StringIO())  # type: ignore[attr-defined]
    with mock.patch.dict(os.environ, said):
        settings.cache_clear()
        try:
            yield engine(settings())
        finally:
            engine(settings()).dispose()
            settings.cache_clear()
            logger.registered_handler.setStream(kept)  # type: ignore[attr-defined]


def _of(name: str, role: Role, took: Callable[[], Took]) -> Iterator[Contender]:
    ran = Shared(took)
    yield Contender(name, role, ran.figure(lambda ran: ran.ms(0.5)), "p50")
    yield Contender(name, role, ran.figure(lambda ran: ran.ms(0.99)), "p99")
    if role is not Role.FLOOR:
        for whose in NAMES:
            yield Contender(whose, role, ran.figure(partial(_share, whose)), f"share of {name}", unit="%")


def _share(whose: str, ran: Took) -> float:
    return ran.shares[whose]


def _took(server: Server, database: str, size: Size, number: int, login: str, make: Callable[[Engine], Answer]) -> Took:
    with server.copied(database) as copy, serving(server, copy, login) as over:
        answer, wanted = make(over), _wishes(size)
        for wish in islice(wanted, WARM_UP):
            answer(wish)
        took_s = sorted(_timed_s(answer, wish) for wish in islice(wanted, number))
        return Took(took_s, shares(lambda: [answer(wish) for wish in islice(wanted, number)]))


def _timed_s(answer: Answer, wish: Wish) -> float:
    began_s = time.perf_counter()
    answer(wish)
    return time.perf_counter() - began_s


def _wishes(size: Size) -> Iterator[Wish]:
    (series,) = wishes.all_over(size, 0, 1)
    return series


def _usual(_over: Engine) -> Answer:
    over = booking.engine_of(booking.usual)(settings())
    kept = logger.registered_handler.stream  # type: ignore[attr-defined]
    door = UsualDoor(over, Logger(service="usual", stream=kept), Metrics(namespace="Usual", service="usual"))
    return through(door.handler)


ROW = Row(
    name="request",
    asks="How long does a whole request take in process, and whose time is it?",
    unit="ms",
    contenders=contenders,
    goals=[
        Goal(f"{OURS}, p50", over=f"{STATEMENT}, p50", at_most=2),
        Goal(f"{OURS}, p50", over=f"{USUAL}, p50", at_most=0.4),
    ],
    rounds=7,
)
