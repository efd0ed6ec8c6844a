"""A Lambda worker in a process of its own, the X-Ray daemon beside it, and what each was told of the same calls."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

ROOT = Path(__file__).parents[3]
Document = dict[str, Any]


class Seen(NamedTuple):
    """What an invocation left: records and other messages on stdout, documents at the daemon."""

    trace_id: str
    parent_id: str | None
    records: list[Document]
    documents: list[Document]
    result: Any = None
    log: Sequence[str] = ()

    def of(self, method: str) -> Document:
        """The document of a call of the service Program, or of a subsegment of the user's own."""
        (document,) = (each for each in self.documents if each["name"] in (f"Program.{method}", method))
        return document


class Worker:
    """A Lambda worker, and the daemon beside it."""

    def __init__(self, **env: str) -> None:
        self._daemon = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._daemon.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._daemon.bind(("127.0.0.1", 0))
        self._daemon.setblocking(False)
        address = f"127.0.0.1:{self._daemon.getsockname()[1]}"
        self._complaints = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115  # closed by stop
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.tracing.worker"],
            cwd=ROOT,
            env=os.environ
            | {"TRACING": "xray", "AWS_LAMBDA_FUNCTION_NAME": "traced", "LAMBDA_TASK_ROOT": str(ROOT)}
            | {"AWS_XRAY_DAEMON_ADDRESS": address, "METRICS_STRATEGY": "prometheus"}
            | env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )

    def invoke(self, program: str, *arguments: Any, sampled: int = 1, trace_id: str | None = None) -> Seen:
        """Run a program of the worker as an invocation of its own."""
        trace_id = trace_id or f"1-{secrets.token_hex(4)}-{secrets.token_hex(12)}"
        parent_id = secrets.token_hex(8)
        header = f"Root={trace_id};Parent={parent_id};Sampled={sampled};Lineage=1:a87bd80c:0"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"trace": header, "program": program, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        log = []
        while "records" not in (said := json.loads(self._process.stdout.readline())):
            log.append(said["message"])
        assert said["raised"] is None
        # What was sent before the answer has arrived before it: on this machine a datagram is never under way.
        return Seen(trace_id, parent_id, said["records"], list(self._received()), said["result"], log)

    def _received(self) -> Iterator[Document]:
        while True:
            try:
                header, document = self._daemon.recv(1 << 16).decode().split("\n")
            except BlockingIOError:
                return
            assert json.loads(header) == {"format": "json", "version": 1}
            yield from flat(json.loads(document))

    def stop(self) -> str:
        """What it said on stderr."""
        self._process.communicate(timeout=10)
        self._daemon.close()
        with self._complaints as complaints:
            complaints.seek(0)
            return complaints.read()


def flat(document: Document, parent_id: str | None = None) -> Iterator[Document]:
    """A document and those within it, as if each had been sent by itself."""
    yield {"parent_id": parent_id} | document
    for within in document.get("subsegments", []):
        yield from flat(within, document["id"])


def fresh(program: str, *, sampled: int = 1, **env: str) -> Seen:
    """A program in a worker that has just started."""
    started = Worker(**env)
    try:
        return started.invoke(program, sampled=sampled)
    finally:
        started.stop()


def callers(seen: Seen) -> dict[str, str | None]:
    """By the records: who called whom."""
    methods = {record["event_id"]: record["method"] for record in seen.records}
    return {record["method"]: methods.get(record["parent_event_id"]) for record in seen.records}


def calls_above(seen: Seen) -> dict[str, str | None]:
    """By the documents: below which call each hangs, be it with subsegments of the user's in between."""
    documents = {document["id"]: document for document in seen.documents}

    def above(document: Document) -> str | None:
        parent = documents.get(document["parent_id"])
        if parent is None:
            assert document["parent_id"] == seen.parent_id, document
            return None
        return name(parent) or above(parent)

    def name(document: Document) -> str | None:
        service, _, method = document["name"].partition(".")
        return method if service == "Program" else None

    return {method: above(document) for document in seen.documents if (method := name(document))}


def told_wrong(seen: Seen) -> list[str]:
    """What the documents of an invocation say otherwise than its records, and what no daemon would take."""
    records = {record["method"]: record for record in seen.records}
    sent = [document["name"] for document in seen.documents]
    wrong = [f"{each} was sent {sent.count(each)} times" for each in set(sent) if sent.count(each) != 1]
    if callers(seen) != calls_above(seen):
        wrong.append(f"{callers(seen)} by the records, {calls_above(seen)} by the documents")
    for document in seen.documents:
        if document["trace_id"] != seen.trace_id or document["type"] != "subsegment" or document["in_progress"]:
            wrong.append(f"{document['name']} is no ended subsegment of the trace")
        record = records.get(document["name"].partition(".")[2])
        if record and document["annotations"] != {
            "correlation_id": record["correlation_id"],
            "outcome": record["outcome"],
            "Service": "dyno",
        }:
            wrong.append(f"{document['name']} says {document['annotations']}")
    return wrong


def programs(*forms: str) -> st.SearchStrategy[Document]:
    """Programs of the worker, their steps numbered from the outermost."""
    form, pauses = st.sampled_from(forms), st.integers(0, 3)
    step = st.recursive(
        st.fixed_dictionaries({"form": form, "pauses": pauses, "together": st.just(False), "inside": st.just([])}),
        lambda inside: st.fixed_dictionaries(
            {"form": form, "pauses": pauses, "together": st.booleans(), "inside": st.lists(inside, max_size=4)}
        ),
        max_leaves=12,
    )
    return step.map(lambda made: numbered(made, iter(range(1_000))))


def numbered(step: Document, numbers: Iterator[int]) -> Document:
    name = f"{step['form']} {next(numbers)}"
    return {**step, "name": name, "inside": [numbered(each, numbers) for each in step["inside"]]}
