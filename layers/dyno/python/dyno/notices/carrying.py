"""
Carrying notices out of the database to EventBridge, at least once each.

The outbox cannot be reached from where EventBridge can, nor the reverse: whoever carries asks the function next to the
outbox, sends, and tells it what was sent. Whatever dies on the way, what was not noted as sent is sent again.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel

from dyno.errors import Unavailable
from dyno.notices.model import DETAIL_TYPES, MOST, Asked, HandedOut, Notice
from dyno.observability import logger

MOST_ENTRIES = 10
"""Source: EventBridge API, PutEvents."""

TRIES = 4
FIRST_WAIT_S = 0.2
"""Of entries that EventBridge did not take, doubled each time; throttling is most of it."""

PROMPT = timedelta(minutes=15)
"""What is older when it is sent was left behind by whoever should have sent it."""

RESERVE_S = 40
"""No more is asked for with less time left: TRIES at an EventBridge that does not answer, and the outbox to be told."""

BUS = Config(
    # Tries are made here, of what was not taken alone.
    retries={"mode": "standard", "total_max_attempts": 1},
    connect_timeout=2,
    read_timeout=3,
)
OUTBOX = Config(
    # A second try would be handed what the first did not get to see.
    retries={"mode": "standard", "total_max_attempts": 1},
    connect_timeout=2,
    read_timeout=50,
)


class Carried(BaseModel):
    """
    What a run came to.

    Attributes:
        late: Of those sent, how many were older than PROMPT.
        unsent: Handed out, and not taken by EventBridge.
        reason: Why not all was sent.
    """

    sent: int = 0
    late: int = 0
    unsent: int = 0
    reason: str | None = None


class Outbox:
    """The function next to the database, by its name."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._lambda = boto3.client("lambda", config=OUTBOX)

    def ask(self, asked: Asked) -> Sequence[Notice]:
        """
        What it hands out.

        Raises:
            Unavailable: It cannot be called, or failed.
        """
        try:
            answer = self._lambda.invoke(FunctionName=self._function, Payload=asked.model_dump_json().encode())
            said = answer["Payload"].read()
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"the outbox cannot be called: {_why(error)}") from error
        if "FunctionError" in answer:
            logger.warning("the outbox failed", extra={"said": said.decode(errors="replace")})
            raise Unavailable("the outbox failed; its log says why")
        return HandedOut.model_validate_json(said).notices


class Bus:
    """The account's own event bus."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._events = boto3.client("events", config=BUS)

    def send(self, notices: Sequence[Notice]) -> dict[int, str]:
        """
        Send up to MOST_ENTRIES; why those were not taken that were not, by notice_id.

        Source:
            EventBridge API, PutEvents: an answer has one entry for each that was sent, in their order, and one that
            was not taken has an ErrorCode.
        """
        try:
            answer = self._events.put_events(Entries=[self._entry(notice) for notice in notices])
        except (BotoCoreError, ClientError) as error:
            return dict.fromkeys((notice.notice_id for notice in notices), _why(error))
        told = zip(notices, answer["Entries"], strict=True)
        return {notice.notice_id: entry["ErrorCode"] for notice, entry in told if entry.get("ErrorCode")}

    def _entry(self, notice: Notice) -> Mapping[str, Any]:
        return {
            "Source": self._source,
            "DetailType": DETAIL_TYPES[notice.kind],
            "Detail": json.dumps(notice.detail()),
            "Time": notice.occurred_at,
        }


def carry(
    outbox: Outbox,
    bus: Bus,
    *,
    now: datetime,
    time_left_s: Callable[[], float],
    wait: Callable[[float], None] = time.sleep,
) -> Carried:
    """
    Send what waits in the outbox, until nothing does.

    Args:
        now: Aware.
        time_left_s: Until whoever runs this is stopped.
    Raises:
        Unavailable: The outbox does not answer; what it was to be told, it hands out again.
    """
    carried = Carried()
    refused: dict[int, str] = {}
    notices = outbox.ask(Asked(most=MOST))
    while notices:
        refused |= _send(bus, notices, wait)
        sent = [notice for notice in notices if notice.notice_id not in refused]
        carried.sent += len(sent)
        carried.late += sum(now - notice.occurred_at > PROMPT for notice in sent)
        if time_left_s() < RESERVE_S:
            carried.reason = "stopped before the function's deadline"
        # What was refused stays claimed until the end, or it would be handed out again at once.
        on = not carried.reason and len(refused) < MOST and bool(sent)
        said = Asked(
            sent=[each.notice_id for each in sent],
            unsent=[] if on else list(refused),
            most=MOST - len(refused) if on else 0,
        )
        notices = outbox.ask(said)
        if on and not notices and refused:
            outbox.ask(Asked(unsent=list(refused), most=0))
    if refused:
        carried.unsent = len(refused)
        carried.reason = f"EventBridge did not take {len(refused)}: {', '.join(sorted(set(refused.values())))}"
    return carried


def _send(bus: Bus, notices: Sequence[Notice], wait: Callable[[float], None]) -> dict[int, str]:
    """Why those were not sent that were not; behind a group of which nothing was taken, nothing is tried."""
    refused: dict[int, str] = {}
    for first in range(0, len(notices), MOST_ENTRIES):
        group = notices[first : first + MOST_ENTRIES]
        refused |= _refused(bus, group, wait)
        if all(notice.notice_id in refused for notice in group):
            return refused | dict.fromkeys((each.notice_id for each in notices[first + MOST_ENTRIES :]), "not tried")
    return refused


def _refused(bus: Bus, notices: Sequence[Notice], wait: Callable[[float], None]) -> dict[int, str]:
    """Why those could not be sent that could not."""
    refused = bus.send(notices)
    for wait_s in _waits():
        if not refused:
            break
        wait(wait_s)
        refused = bus.send([notice for notice in notices if notice.notice_id in refused])
    return refused


def _waits() -> Iterator[float]:
    for number in range(TRIES - 1):
        yield FIRST_WAIT_S * 2**number


def _why(error: BotoCoreError | ClientError) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__
