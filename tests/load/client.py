"""A client that behaves: it comes back when it is told to, with the same key, and goes by what it was told."""

import itertools
import random
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from tests.load import mix
from tests.load.asks import GONE, Answered, Ask, body_of, heard, of
from tests.load.fleet import Fleet
from tests.load.mix import Sight
from tests.prove.clients import AGAIN, ANOTHER, TWINS
from tests.prove.history import Call, Json, Request
from tests.prove.programs import Known, Program
from tests.prove.regimes import Regime

MOST_TRIES = 40
SECOND_S = 0.05
"""A second of a Retry-After lasts this long here: nobody waits fifteen for a server that is back in one."""

MOST_KEPT = 200
"""Of what a client did, so much is remembered, for it to come back to."""


class Budget:
    """How much is left to ask: so many requests, or until a moment of the monotonic clock."""

    def __init__(self, operations: int, until_s: float | None = None) -> None:
        self.operations = operations
        self.done = 0
        self.stopped = False
        self._began_s = time.monotonic()
        self._until_s = until_s
        self._lock = threading.Lock()

    def is_left(self) -> bool:
        """Whether there is anything."""
        return self.share() < 1

    def share(self) -> float:
        """How much is done, between 0 and 1; all of it, once somebody has stopped it."""
        if self.stopped:
            return 1.0
        if self._until_s is None:
            return min(1.0, self.done / self.operations)
        return min(1.0, (time.monotonic() - self._began_s) / (self._until_s - self._began_s))

    def count(self) -> None:
        """Note a request as done."""
        with self._lock:
            self.done += 1


@dataclass
class Notes:
    """What all clients asked and were told, each in the order in which it was told."""

    calls: list[Call] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)


class Client:
    """
    One client, in a thread of its own.

    Args:
        seed: Of what it wants; what it is told decides, too.
        known: What is known of the lab, by all who share it.
    """

    def __init__(
        self,
        number: int,
        seed: int,
        regime: Regime,
        today: date,
        known: Known,
        fleet: Fleet,
        budget: Budget,
        notes: Notes,
    ) -> None:
        self._chance = random.Random(f"{seed} {number}")
        self._program = Program(f"c{number}", regime, self._chance, known, today)
        self._sight = Sight(number, self._chance, regime, today, known)
        self._known = known
        self._fleet = fleet
        self._budget = budget
        self._notes = notes
        self._keyed: list[Request] = []
        self._numbers = itertools.count()
        self._number = number

    def run(self) -> None:
        """Ask one thing after the other, as long as there is anything left to ask."""
        with ThreadPoolExecutor(1) as twin:
            while self._budget.is_left():
                if self._chance.random() < mix.SHARE_OF_THE_LAB:
                    self._want(self._request(), twin)
                else:
                    (kind,) = self._chance.choices(list(mix.OTHERS), list(mix.OTHERS.values()))
                    self._insist(mix.other(kind, self._sight))

    def _request(self) -> Request:
        request = self._program.next()
        if self._keyed and self._chance.random() < AGAIN:
            return self._chance.choice(self._keyed)
        if self._keyed and self._chance.random() < ANOTHER:
            return self._program.another(self._chance.choice(self._keyed))
        if request.key:
            self._keyed = [*self._keyed[-MOST_KEPT:], request]
        return request

    def _want(self, request: Request, twin: ThreadPoolExecutor) -> None:
        also = None
        if request.key and self._chance.random() < TWINS:
            also = twin.submit(self._once, of(request))
        self._insist(of(request))
        if also:
            also.result()

    def _insist(self, ask: Ask) -> None:
        answered = self._once(ask)
        for _ in range(MOST_TRIES):
            if not answered.says_try_again or not ask.may_be_repeated or self._budget.stopped:
                return
            time.sleep((answered.retry_after_s or 1) * SECOND_S)
            answered = self._once(ask)

    def _once(self, ask: Ask) -> Answered:
        if not ask.looks_first:
            return self._send(ask)[0]
        there, headers = self._send(replace(ask, method="GET", body=None, answers=frozenset({200})))
        if there.status != 200:
            return there
        return self._send(ask, {"If-Match": headers["ETag"][0]})[0]

    def _send(self, ask: Ask, headers: Mapping[str, str] | None = None) -> tuple[Answered, dict[str, list[str]]]:
        correlation_id = f"{self._number}.{next(self._numbers)}.{ask.sub}"[:128]
        reply = self._fleet.invoke(ask.function, ask.event(correlation_id, headers or {}))
        answer: Json = {"statusCode": GONE, "multiValueHeaders": {}}
        if reply.said:
            # What a handler raises is none of its answers: the gateway makes a 502 of it, and here it is a fault.
            answer = reply.said.answer or answer | {"statusCode": 500}
        given, body = answer["multiValueHeaders"], body_of(answer)
        answered = Answered(
            ask,
            correlation_id,
            reply.environment,
            reply.started_at,
            reply.ended_at,
            answer["statusCode"],
            body.get("code") if isinstance(body, dict) and answer["statusCode"] >= 400 else None,
            float(given["Retry-After"][0]) if "Retry-After" in given else None,
        )
        self._note(heard(answered, body, replayed="Idempotency-Replayed" in given), answered, body)
        return answered, given

    def _note(self, call: Call, answered: Answered, body: Any) -> None:
        self._notes.answered.append(answered)
        self._notes.calls.append(call)
        self._budget.count()
        if not call.request.dry_run:
            for each in [*(after for _, after in call.displaced), *([call.answer] if call.answer else [])]:
                self._known.see(each)
        if call.code in {"stale", "allocation_closed"} and "allocation_id" in call.request.asked:
            self._known.forget(call.request.asked["allocation_id"])
        if answered.status < 300 and answered.ask.kind == "people" and isinstance(body, dict) and "user_id" in body:
            self._sight.people = [*self._sight.people[-MOST_KEPT:], body["user_id"]]
        if answered.status < 300 and answered.ask.tracked:
            self._sight.correlated = [*self._sight.correlated[-MOST_KEPT:], answered.correlation_id]
