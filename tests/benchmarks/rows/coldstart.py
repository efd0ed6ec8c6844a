"""How long a fresh environment takes to open a door, and to its first answer, beside a door that is eager."""

import base64
import gzip
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from cdk.local.instance import ROOT
from tests.benchmarks.fresh import Fresh
from tests.benchmarks.row import Contender, Effort, Goal, Role, Row

STARTS = 3
"""A sample is that many, of which the fastest counts: the others shared their core with somebody."""

DOORS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py"))
INTERPRETER = "the interpreter alone"
LIBRARIES = "libraries of an API's door"
EAGER = "allocations, eager"
OPENED, TRACED = "open", "first traced call"
ANSWERED, UNCOMPILED = "first answer", "first answer, not compiled"

IMPORTS = {  # those that are compared stand side by side, and so are started one after the other
    LIBRARIES: """
import pg8000.dbapi, pydantic, sqlalchemy, sqlalchemy.dialects.postgresql.pg8000
from aws_lambda_powertools import Logger
import aws_lambda_powertools.event_handler.middlewares.openapi_validation
""",
    "allocations": "from functions.allocations.handler import handler",
    EAGER: "from tests.benchmarks.peers.eager_door import handler",
    **{door: f"from functions.{door}.handler import handler" for door in DOORS},
}

TRACED_CALL = {
    "allocations": """
from dyno.metrics import track_performance
track_performance(lambda: None)()
""",
    EAGER: """
from tests.benchmarks.peers.eager_door import tracer
tracer.capture_method(lambda: None)()
""",
}

ANSWER = """
class Context:
    function_name, function_version, memory_limit_in_mb, aws_request_id = "door", "1", 512, "first"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:door"
    get_remaining_time_in_millis = staticmethod(lambda: 20_000)
answer = handler({event!r}, Context)
assert answer.get("statusCode", 200) == 200, answer
"""


@contextmanager
def contenders(effort: Effort) -> Iterator[Sequence[Contender]]:
    """Doors, each in an interpreter of its own; what that takes by itself is taken off."""
    imports = {name: IMPORTS[name] for name in (LIBRARIES, "allocations", EAGER)} if effort.short else IMPORTS
    floor = {LIBRARIES: IMPORTS[LIBRARIES]}
    traced = floor | {name: IMPORTS[name] + call for name, call in TRACED_CALL.items()}
    answering = floor | {
        name: imports[name] + ANSWER.format(event=event) for name, event in _cheapest().items() if name in imports
    }
    with tempfile.TemporaryDirectory() as folder:
        fresh = Fresh(Path(folder))
        fresh.compile([*(imports | answering).values(), *traced.values()])
        start_ms = partial(fresh.start_ms, starts=effort.pick(STARTS))
        yield [
            Contender(INTERPRETER, Role.NOTHING, partial(start_ms, "")),
            *_started(OPENED, imports, start_ms),
            *_started(TRACED, traced, start_ms),
            *_started(ANSWERED, answering, start_ms),
            *_started(UNCOMPILED, answering, partial(start_ms, compiled=False)),
        ]


def _started(case: str, programs: Mapping[str, str], start_ms: Callable[[str], float]) -> Iterator[Contender]:
    roles = {LIBRARIES: Role.FLOOR, EAGER: Role.PEER}
    for name, work in programs.items():
        yield Contender(name, roles.get(name, Role.OURS), partial(start_ms, work), case, net_of=INTERPRETER)


def _cheapest() -> dict[str, Mapping[str, Any]]:
    """The event that each door answers with the least work, so that the rest is its start."""
    event = json.loads((ROOT / "events" / "performance_report.json").read_text()) | {"queryStringParameters": None}
    control_message = base64.b64encode(gzip.compress(b'{"messageType": "CONTROL_MESSAGE"}'))
    return {
        "allocations": event | {"path": "/me"},
        EAGER: event | {"path": "/me"},
        "metrics": event | {"path": "/health/live"},
        "metrics_ingest": {"awslogs": {"data": control_message}},
    }


ROW = Row(
    name="coldstart",
    asks="How long does a fresh environment take to its first answer?",
    unit="ms",
    contenders=contenders,
    rounds=5,
    goals=[Goal(f"allocations, {OPENED}", over=f"{EAGER}, {OPENED}", at_most=0.47)],
)
