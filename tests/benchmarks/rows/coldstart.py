"""How long a fresh environment takes to open a door, and each door to its first answer, beside a door that is eager."""

import base64
import gzip
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from cdk.local.instance import ROOT
from tests.benchmarks.database import passing
from tests.benchmarks.fresh import Fresh
from tests.benchmarks.row import Contender, Effort, Goal, Role, Row

STARTS = 2
"""A sample is that many, of which the faster counts: the other shared its core with somebody."""

DOORS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py"))
IN_SHORT = ("allocations", "bootstrap")
INTERPRETER = "the interpreter alone"
LIBRARIES = "libraries of an API's door"
EAGER = "allocations, eager"
OPENED, TRACED = "open", "first traced call"
OWN_LIBRARIES, ANSWERED, UNCOMPILED, EAGERLY = "its libraries", "first answer", "first answer, not compiled", "eager"

OURS_OF = "from functions.{}.handler import handler"
EAGER_OF = """
from tests.benchmarks.peers.eager_door import eager, tracer
from functions.{}.handler import handler as door
handler = eager(door)
"""

IMPORTS = {  # those that are compared stand side by side, and so are started one after the other
    LIBRARIES: """
import pg8000.dbapi, pydantic, sqlalchemy, sqlalchemy.dialects.postgresql.pg8000
from aws_lambda_powertools import Logger
import aws_lambda_powertools.event_handler.middlewares.openapi_validation
""",
    "allocations": OURS_OF.format("allocations"),
    EAGER: EAGER_OF.format("allocations"),
}

TRACED_CALL = {
    "allocations": """
from dyno.metrics import track_performance
track_performance(lambda: None)()
""",
    EAGER: """
tracer.capture_method(lambda: None)()
""",
}

ANSWER = """
class Context:
    function_name, function_version, memory_limit_in_mb, aws_request_id = "door", "1", 512, "first"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:door"
    get_remaining_time_in_millis = staticmethod(lambda: 20_000)
try:
    answer = handler({event!r}, Context)
except Exception as refused:
    answer = dict(refused=type(refused).__name__)
assert answer.get("statusCode", 200) == {status}, answer
assert answer.get("refused") == {refused!r}, answer
"""

ONLY_IMPORTED = """
import importlib
for name in {libraries!r}:
    importlib.import_module(name)
"""

REFUSED = {
    "import_jobs": "ValidationError",
    "notices": "ValidationError",
    "outbox": "InvalidRequest",
    "redrive": "InvalidRequest",
}
"""Doors whose every other answer takes more than there is here, and what they refuse a wrong request with."""

STATUSES = {"exports": 404, "imports": 403}
"""Likewise of doors that answer with a status: of a calendar without a token, and to whoever may not import."""


class UnknownDoorError(LookupError):
    """A door has no event in this row."""


@contextmanager
def contenders(effort: Effort) -> Iterator[Sequence[Contender]]:
    """Doors, each in an interpreter of its own; what that takes by itself is taken off."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        fresh = Fresh(folder, stack.enter_context(_database()))
        traced = {name: IMPORTS[name] + TRACED_CALL.get(name, "") for name in IMPORTS}
        answering = answers(DOORS, stack.enter_context(_cloudformation()))
        for programs in answering.values():
            programs[OWN_LIBRARIES] = ONLY_IMPORTED.format(libraries=fresh.libraries(programs[ANSWERED]))
        shown = {door: answering[door] for door in (IN_SHORT if effort.short else DOORS)}
        every = [program for programs in shown.values() for program in programs.values()]
        fresh.compile([*IMPORTS.values(), *traced.values(), *every])
        start_ms = partial(fresh.start_ms, starts=effort.pick(STARTS))
        yield [
            Contender(INTERPRETER, Role.NOTHING, partial(start_ms, "")),
            *_started(OPENED, IMPORTS, start_ms),
            *_started(TRACED, traced, start_ms),
            *(each for door, programs in shown.items() for each in _answered(door, programs, start_ms)),
        ]


def answers(doors: Sequence[str], told_at: str) -> dict[str, dict[str, str]]:
    """
    What each door does until its first answer, as it is and eagerly.

    Args:
        told_at: Where CloudFormation wants to be told.
    Raises:
        UnknownDoorError: A door has no event.
    """
    events = _cheapest(told_at)
    if unknown := set(doors) - set(events):
        raise UnknownDoorError(f"no event for {', '.join(sorted(unknown))}")
    ends = {
        door: ANSWER.format(event=events[door], refused=REFUSED.get(door), status=STATUSES.get(door, 200))
        for door in doors
    }
    return {
        door: {ANSWERED: OURS_OF.format(door) + end, EAGERLY: EAGER_OF.format(door) + end} for door, end in ends.items()
    }


def _started(case: str, programs: Mapping[str, str], start_ms: Callable[[str], float]) -> Iterator[Contender]:
    roles = {LIBRARIES: Role.FLOOR, EAGER: Role.PEER}
    for name, work in programs.items():
        yield Contender(name, roles.get(name, Role.OURS), partial(start_ms, work), case, net_of=INTERPRETER)


def _answered(door: str, programs: Mapping[str, str], start_ms: Callable[..., float]) -> Iterator[Contender]:
    for name, role, work, compiled in (
        (OWN_LIBRARIES, Role.FLOOR, programs[OWN_LIBRARIES], True),
        (ANSWERED, Role.OURS, programs[ANSWERED], True),
        (UNCOMPILED, Role.OURS, programs[ANSWERED], False),
        (EAGERLY, Role.PEER, programs[EAGERLY], True),
    ):
        yield Contender(name, role, partial(start_ms, work, compiled=compiled), door, net_of=INTERPRETER)


def _cheapest(told_at: str) -> dict[str, Mapping[str, Any]]:
    """The event that each door answers with the least work, so that the rest is its start."""
    event = json.loads((ROOT / "events" / "performance_report.json").read_text()) | {"queryStringParameters": None}
    preset = {"queryStringParameters": {"preset": "time-study"}}
    many = {"multiValueQueryStringParameters": {"preset": ["time-study"]}}
    deleted = {"RequestType": "Delete", "ResponseURL": told_at}
    control_message = base64.b64encode(gzip.compress(b'{"messageType": "CONTROL_MESSAGE"}'))
    return {
        "allocations": event | {"path": "/me"},
        "bootstrap": json.loads((ROOT / "events" / "roles_resource.json").read_text()) | deleted,
        "exports": event | {"path": "/exports/calendar.ics"},
        "imports": event | {"path": "/imports", "httpMethod": "POST", "body": "{}"},
        "import_jobs": {"detail": {}},
        "lifecycle": {},
        "metrics": event | {"path": "/health/live"},
        "metrics_ingest": {"awslogs": {"data": control_message}},
        "migrate": json.loads((ROOT / "events" / "schema_resource.json").read_text()) | deleted,
        "notices": {"sweep": "perhaps"},
        "outbox": {"most": "all"},
        "redrive": {"since": "yesterday"},
        "roi": event | {"path": "/metrics/roi"} | preset | many,
    }


@contextmanager
def _database() -> Iterator[dict[str, str]]:
    """A migrated database, as the door of the night finds it."""
    with passing() as server:
        server.migrate("night")
        port = str(server.port)
        yield {"DATABASE_PORT": port, "DATABASE_NAME": "night", "DATABASE_USER": "dyno_lifecycle"}


@contextmanager
def _cloudformation() -> Iterator[str]:
    """Somebody who listens to what custom resources tell."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Listening)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Listening(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_said: object) -> None:
        """Nothing: the table is all that is to be seen."""


ROW = Row(
    name="coldstart",
    asks="How long does a fresh environment take to its first answer?",
    unit="ms",
    contenders=contenders,
    rounds=5,
    goals=[Goal(f"allocations, {OPENED}", over=f"{EAGER}, {OPENED}", at_most=0.47)],
)
