"""An environment of a Lambda function: a process with its own variables, connection and stdout, one event at a time."""

import io
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

LIMIT_MS = 20_000


@dataclass(frozen=True)
class Birth:
    """
    What an environment is born with.

    Attributes:
        output: Where all that it prints goes.
    """

    name: str
    function: str
    variables: Mapping[str, str]
    output: Path


@dataclass(frozen=True)
class Context:
    """As much of Lambda's context as the doors read."""

    aws_request_id: str
    function_name: str
    born_s: float

    def get_remaining_time_in_millis(self) -> int:
        """Until Lambda would end it."""
        return max(0, LIMIT_MS - int((time.monotonic() - self.born_s) * 1000))


class Patient(Context):
    """The context of a function that may take a quarter of an hour."""

    def get_remaining_time_in_millis(self) -> int:
        """More than it takes."""
        return 900_000


class Said(NamedTuple):
    """What the function gave back; or, if it raised, what Lambda makes of that."""

    answer: Any
    error: dict[str, str] | None
    took_ms: float


def serve(pipe: Connection, birth: Birth) -> None:
    """Answer events until there is nobody who sends any."""
    os.environ.update(birth.variables)
    output = os.open(birth.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    handler = import_module(f"functions.{birth.function}.handler").handler
    if birth.function == "redrive":
        _invoke_ingest_here()
    while True:
        try:
            event = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(_handled(handler, event, birth))


def _handled(handler: Any, event: Any, birth: Birth) -> Said:
    kind = Context if "requestContext" in event else Patient
    began_s = time.perf_counter()
    answer, error = None, None
    try:
        answer = handler(event, kind(os.urandom(8).hex(), birth.function, time.monotonic()))
    except Exception as raised:  # noqa: BLE001  # as Lambda does
        error = {"errorType": type(raised).__name__, "errorMessage": str(raised)}
    return Said(answer, error, (time.perf_counter() - began_s) * 1000)


class _Invoked:
    """Lambda's Invoke, with the real door of ingest behind it, in this very process."""

    def __init__(self) -> None:
        self._handler = import_module("functions.metrics_ingest.handler").handler

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803  # boto3's names
        birth = Birth(FunctionName, FunctionName, {}, Path(os.devnull))
        said = _handled(self._handler, json.loads(Payload), birth)
        told = {"FunctionError": "Unhandled"} if said.error else {}
        return told | {"Payload": io.BytesIO(json.dumps(said.error or said.answer).encode())}


def _invoke_ingest_here() -> None:
    leftovers: Any = import_module("dyno.metrics.leftovers")
    of_boto3 = leftovers.client
    leftovers.client = lambda service: _Invoked() if service == "lambda" else of_boto3(service)
