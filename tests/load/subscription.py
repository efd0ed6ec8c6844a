"""The way of a line from a door's stdout to ingest: the call log, its subscription, and what goes wrong with both."""

import base64
import gzip
import itertools
import json
import queue
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from dyno.metrics.leftovers import TERM
from tests.functions.conftest import EVENTS
from tests.load.asks import Function
from tests.load.fleet import LONG_S, Fleet
from tests.load.site import CALLS, FAILED, STREAM, Site
from tests.prove.history import Json

LOOKS_EVERY_S = 1
MOST_LINES = 200
TRIES = 3
"""Lambda's, of an asynchronous event, before it goes to the failed batches."""

AMONG_THEM = frozenset(Function) - {Function.INGEST, Function.REDRIVE}
"""Who prints into the call log; the others log elsewhere."""

FATES = {"delivered": 70, "twice": 8, "late": 12, "failed": 6, "dropped": 4}
"""Of a hundred batches; what was dropped is in the log alone, what failed in the failed batches' bucket, too."""

TORN = 0.002
"""Of all lines, how many lose their end."""

LATE_S = (0.5, 5.0)

_BATCH: Json = json.loads((EVENTS / "log_batch.json").read_text())
_DELIVERY: Json = json.loads(gzip.decompress(base64.b64decode(_BATCH["awslogs"]["data"])))
_FAILURE: Json = json.loads((EVENTS / "failed_batch.json").read_text())


class Stamped(NamedTuple):
    """A line with the time at which the log took it, in milliseconds of the epoch."""

    timestamp: int
    message: str


@dataclass
class Printed:
    """
    What the doors printed of their calls.

    Attributes:
        events: How often each call was printed, by its event id.
        correlated: Under which correlation ids there is any.
        torn: How many lines nobody can read.
    """

    events: Counter[str] = field(default_factory=Counter)
    correlated: set[str] = field(default_factory=set)
    torn: int = 0

    def note(self, line: str, kept: str) -> None:
        """Note a line as it was printed, and what the log has kept of it."""
        try:
            said = json.loads(line)
        except ValueError:  # of an environment that was killed as it wrote
            self.torn += 1
            return
        self.correlated.add(said["correlation_id"])
        if kept == line:
            self.events[said["event_id"]] += 1
        else:
            self.torn += 1


class Subscription:
    """
    Reads what is printed, writes it into the call log, and has ingest take it in batches, each by its fate.

    Attributes:
        fates: How many batches had which.
        broken: What ingest said of deliveries that it did not take.
    """

    def __init__(self, site: Site, fleet: Fleet, chance: random.Random) -> None:
        self.printed = Printed()
        self.fates: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self._site = site
        self._fleet = fleet
        self._chance = chance
        self._fate = random.Random(chance.random())  # by the number of the batch alone, whatever was drawn for others
        self._read: dict[Path, int] = {}
        self._rest: dict[Path, bytes] = {}
        self._stamps: list[int] = []
        self._late: list[tuple[float, list[Stamped]]] = []
        self._pending: queue.Queue[Future[None]] = queue.Queue()

    @contextmanager
    def going_on(self, deliverers: int) -> Iterator[None]:
        """Deliver as long as this lasts, and then what is left."""
        over = threading.Event()
        with ThreadPoolExecutor(deliverers) as self._pool, ThreadPoolExecutor(1) as reader:
            reading = reader.submit(self._keep_reading, over)
            try:
                yield
            except BaseException:
                over.set()
                self._pool.shutdown(cancel_futures=True)  # whoever breaks off a run does not wait for the end of it
                raise
            over.set()
            reading.result()
            self._look(last=True)
            while not self._pending.empty():
                self._pending.get().result()

    def pieces(self, lines: int = 5_000) -> list[tuple[int, int]]:
        """The log's time in pieces of about so many lines, each from a millisecond to the one behind."""
        cuts = sorted({*self._stamps[::lines], *(stamp + 1 for stamp in self._stamps[-1:])})
        return list(itertools.pairwise(cuts))

    def _keep_reading(self, over: threading.Event) -> None:
        while not over.wait(LOOKS_EVERY_S):
            self._look()

    def _look(self, *, last: bool = False) -> None:
        lines = self._stamped(self._new_lines(last=last))
        for first in range(0, len(lines), 1_000):
            events = [line._asdict() for line in lines[first : first + 1_000]]
            self._site.logs.put_log_events(logGroupName=CALLS, logStreamName=STREAM, logEvents=events)
        batches = [lines[first : first + MOST_LINES] for first in range(0, len(lines), MOST_LINES)]
        now = time.monotonic()
        due = [batch for due_at, batch in self._late if last or due_at <= now]
        self._late = [] if last else [each for each in self._late if each[0] > now]
        for batch in batches:
            self._meet_fate(batch, now, last=last)
        for batch in due:
            self._hand_over(self._chance.sample(batch, len(batch)))

    def _new_lines(self, *, last: bool) -> Iterator[str]:
        for function, path in list(self._fleet.outputs):
            if function not in AMONG_THEM or not path.exists():
                continue
            with path.open("rb") as printed:
                printed.seek(self._read.get(path, 0))
                new = printed.read()
            self._read[path] = self._read.get(path, 0) + len(new)
            *whole, rest = (self._rest.pop(path, b"") + new).split(b"\n")
            if last and rest:  # of an environment that was killed as it wrote
                whole.append(rest)
            else:
                self._rest[path] = rest
            yield from (line.decode(errors="replace") for line in whole if TERM.encode() in line)

    def _stamped(self, lines: Iterable[str]) -> list[Stamped]:
        now_ms = int(time.time() * 1000)
        stamped = []
        for line in lines:
            message = line[:-40] if self._chance.random() < TORN else line
            self.printed.note(line, message)
            stamped.append(Stamped(now_ms, message))
            self._stamps.append(now_ms)
        return stamped

    def _meet_fate(self, batch: list[Stamped], now: float, *, last: bool) -> None:
        (fate,) = self._fate.choices(list(FATES), list(FATES.values()))
        if fate == "late" and last:
            fate = "delivered"
        self.fates[fate] += 1
        if fate in {"delivered", "twice"}:
            self._hand_over(batch)
        if fate in {"late", "twice"} and not last:
            self._late.append((now + self._chance.uniform(*LATE_S), batch))
        if fate == "failed":
            self._set_aside(delivery(batch))

    def _hand_over(self, batch: list[Stamped]) -> None:
        self._pending.put(self._pool.submit(self._deliver, delivery(batch)))

    def _deliver(self, event: Json) -> None:
        for _ in range(TRIES):
            reply = self._fleet.invoke(Function.INGEST, event, LONG_S)
            if reply.said and not reply.said.error:
                return
            self.broken[reply.said.error["errorType"] if reply.said and reply.said.error else "gone"] += 1
        self.fates["given up"] += 1
        self._set_aside(event)

    def _set_aside(self, event: Json) -> None:
        key = f"aws/lambda/async/ingest/{uuid.uuid4()}"
        body = json.dumps(_FAILURE | {"requestPayload": event}).encode()
        self._site.s3.put_object(Bucket=FAILED, Key=key, Body=body)


def delivery(lines: Iterable[Stamped]) -> dict[str, Any]:
    """Lines as CloudWatch Logs delivers them, made from the real delivery in events/."""
    events = [{"id": str(number), **line._asdict()} for number, line in enumerate(lines)]
    packed = gzip.compress(json.dumps(_DELIVERY | {"logEvents": events}).encode(), compresslevel=1)
    return {"awslogs": {"data": base64.b64encode(packed).decode()}}
