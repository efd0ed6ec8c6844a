"""How something that is wanted is asked of a door, and what a door's answer comes to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from dyno.allocation.model import Allocation
from dyno.allocation.planning_model import Displaced, MaintenanceWindow
from tests.functions.conftest import Caller, claims, gateway_event
from tests.prove.history import Call, Json, Outcome, Request
from tests.prove.judge import BOOKINGS, CHANGES, CLOSINGS

TRY_AGAIN = frozenset({"database_unavailable", "database_resuming", "unavailable"})
"""What a 503 may say; any other answer above 499 is a fault."""

NOT_TOLD = frozenset({"database_unavailable", "database_resuming"})
"""Of these, what leaves open whether it was done."""

NOWHERE = "no connection"
"""Over which goes what asks no database."""

GONE = 502
"""What the gateway says where a function ended in the midst of a request."""

_WITHOUT_DATABASE = frozenset({"stale", "invalid_request"})
"""Refusals that may be told without asking the database, from which nobody learns whether a connection is alive."""

_OF_THE_LAB = frozenset({200, 201, 409, 412, 422})
"""Which codes these may come with, the judge of the history checks."""


class Function(StrEnum):
    """Doors that are asked; each is a folder of functions/."""

    ALLOCATIONS = "allocations"
    METRICS = "metrics"
    ROI = "roi"
    INGEST = "metrics_ingest"
    LIFECYCLE = "lifecycle"
    REDRIVE = "redrive"


@dataclass(frozen=True)
class Ask:
    """
    A request of the API, asked as often as it takes.

    Attributes:
        answers: The statuses it may be answered with, beside a 503.
        looks_first: Whether it reads the thing under the same path, and changes it by the ETag that it was given.
        tracked: Whether a call behind it is recorded.
        request: What it is to the judge of the lab's history; None of what leaves no trace there.
    """

    kind: str
    method: str
    path: str
    sub: str
    caller: Caller = Caller.USER
    function: Function = Function.ALLOCATIONS
    body: Any = None
    query: dict[str, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    answers: frozenset[int] = frozenset({200})
    looks_first: bool = False
    tracked: bool = True
    request: Request | None = None

    @property
    def may_be_repeated(self) -> bool:
        """Whether asking twice does no more than asking once."""
        return self.method != "POST" or "Idempotency-Key" in self.headers

    @property
    def route(self) -> str:
        """The same for every id."""
        steps = ("{id}" if step.isdecimal() else step for step in self.path.split("/"))
        return f"{self.method} {'/'.join(steps)}"

    def event(self, correlation_id: str, headers: Mapping[str, str] | None = None) -> Json:
        """It, as the gateway hands it to the function; with these headers, too."""
        return gateway_event(
            self.method,
            self.path,
            body=self.body,
            query=self.query,
            headers=self.headers | dict(headers or {}) | {"X-Correlation-Id": correlation_id},
            authorised=claims(self.caller, self.sub),
        )


class Answered(NamedTuple):
    """
    An ask that was answered, or got no answer.

    Attributes:
        environment: Of the function, which answered or was to.
        started_at: Seconds of the epoch.
        code: Of a problem.
        retry_after_s: How long whoever asked is to wait; None if nothing was said of it.
    """

    ask: Ask
    correlation_id: str
    environment: str
    started_at: float
    ended_at: float
    status: int
    code: str | None
    retry_after_s: float | None

    @property
    def says_try_again(self) -> bool:
        """Whether whoever asked is to ask again."""
        return self.status == GONE or (self.status == 503 and self.code in TRY_AGAIN)


def of(request: Request) -> Ask:
    """What the checker's programs want, as a request of the API."""
    asked, kind, caller, headers = request.asked, request.kind, Caller.POWER_USER, {}
    body: Json | None = {}
    query = None
    if kind in BOOKINGS:
        method, path, caller = "POST", f"/allocations{'' if kind == 'book_on' else '/auto'}", Caller.USER
        body = dict(asked)
    elif kind in CHANGES:
        method, path = "PATCH", f"/allocations/{asked['allocation_id']}"
        body, headers = dict(asked["changes"]), {"If-Match": f'"{asked["version"]}"'}
    elif kind == "cancel":
        method, path, body = "DELETE", f"/allocations/{asked['allocation_id']}", None
        if request.owner == asked["booked_by"]:
            caller = Caller.USER  # in their own name
    elif kind in CLOSINGS:
        method, path, caller = "POST", f"/dynos/{asked['dyno_id']}/maintenance", Caller.ADMIN
        body = {name: value for name, value in asked.items() if name != "dyno_id"}
        query = {"displace": "true"} if kind == "displace" else None
    elif kind == "reopen":
        method, path, caller = "DELETE", f"/dynos/{asked['dyno_id']}/maintenance/{asked['window_id']}", Caller.ADMIN
        body = None
    else:
        raise ValueError(f"no door is asked for {kind}")
    if request.dry_run and body is not None:
        body["dry_run"] = True
    if request.key:
        headers = headers | {"Idempotency-Key": request.key.replace(" ", "-")}
    return Ask(
        kind, method, path, request.owner, caller,
        body=body, query=query, headers=headers, answers=_OF_THE_LAB, request=request,
    )  # fmt: skip


def body_of(answer: Json) -> Any:
    """An answer's body; None if it is no JSON."""
    (content_type,) = answer["multiValueHeaders"].get("Content-Type", [""])
    return json.loads(answer["body"]) if "json" in content_type else None


def heard(answered: Answered, body: Any, *, replayed: bool) -> Call:
    """An answer as the judge of the history takes it; of what it knows nothing about, only whether it was one."""
    ask, told = answered.ask, Told()
    request = ask.request or Request(answered.correlation_id, ask.sub, "look", {})
    outcome = Outcome.ACKNOWLEDGED
    if answered.status == GONE or (answered.status == 503 and answered.code in NOT_TOLD):
        outcome = Outcome.UNKNOWN
    elif answered.status >= 500 and answered.code not in TRY_AGAIN:
        outcome = Outcome.BROKEN
    elif answered.status >= 400:
        outcome = Outcome.REFUSED if ask.request else Outcome.ACKNOWLEDGED
    elif ask.request:
        told = Told.by(body)
    is_sure = outcome in {Outcome.ACKNOWLEDGED, Outcome.REFUSED}
    without = is_sure and (not ask.tracked or answered.code in _WITHOUT_DATABASE)
    return Call(
        request,
        NOWHERE if without else answered.environment,
        answered.started_at,
        answered.ended_at,
        outcome,
        code=answered.code,
        said=str(body.get("detail", "")) if answered.code and isinstance(body, dict) else "",
        answer=told.answer,
        displaced=told.displaced,
        held_off=_held_off(body) if outcome is Outcome.REFUSED else [],
        replayed=replayed,
    )


class Told(NamedTuple):
    """What a body says of the lab."""

    answer: Json | None = None
    displaced: list[tuple[Json, Json]] = []  # noqa: RUF012  # never added to

    @classmethod
    def by(cls, body: Json) -> "Told":
        """The allocation or the window that an answer shows, and what made way."""
        if "window" in body:
            moved = [Displaced.model_validate(each) for each in body.get("displaced", [])]
            ways = [(each.before.model_dump(mode="json"), each.after.model_dump(mode="json")) for each in moved]
            return cls(MaintenanceWindow.model_validate(body["window"]).model_dump(mode="json"), ways)
        return cls(Allocation.model_validate(body["allocation"]).model_dump(mode="json"))


def _held_off(problem: Json) -> list[int]:
    rejected = problem.get("rejected") or problem.get("in_the_way") or []
    held = [each.get("allocation_id") for each in rejected if "held" in {each.get("reason"), each.get("status")}]
    return [each for each in held if each is not None]
