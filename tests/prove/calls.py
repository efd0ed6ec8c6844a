"""How each kind of request is asked of the service's own functions, and what is noted of what they say."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from dyno.allocation import availability, planning, service
from dyno.allocation.availability_model import Wanted
from dyno.allocation.model import AllocationFilter, AllocationRequest, AutoAllocation, AutoAllocationRequest
from dyno.allocation.planning_model import AllocationChange, MaintenanceRequest
from dyno.auth import Actor, Role
from dyno.database import autocommit, sqlstate
from dyno.errors import Conflict, DatabaseResuming, DatabaseUnavailable, DynoError
from tests.prove.history import Call, Json, Outcome, Request
from tests.prove.regimes import TERMS


class Stranded(Conflict):
    """The dyno has bookings that the change would strand."""

    code = "bookings_stranded"


class Said(NamedTuple):
    """What the service answered: an allocation, a window or a dyno, and what made way."""

    answer: Json | None = None
    displaced: list[tuple[Json, Json]] = []  # noqa: RUF012  # never added to
    replayed: bool = False
    seen: list[Json] = []  # noqa: RUF012


def ask(over: Engine, connection: str, request: Request) -> tuple[Call, list[Json]]:
    """Ask once; what came of it, and what else was seen of the lab."""
    started_at = time.time()
    outcome, said = Outcome.ACKNOWLEDGED, Said()
    noted: dict[str, Any] = {}
    try:
        said = _ASK[request.kind](over, request)
    except DynoError as error:
        outcome, noted = _heard(error)
    except Exception as error:  # noqa: BLE001  # whatever it is, a client would see it
        outcome = Outcome.BROKEN
        noted = {"code": type(error).__name__, "said": str(error), "sqlstate": _state(error)}
    call = Call(
        request,
        connection,
        started_at,
        time.time(),
        outcome,
        answer=said.answer,
        displaced=said.displaced,
        replayed=said.replayed,
        **noted,
    )
    return call, said.seen


def _heard(error: DynoError) -> tuple[Outcome, dict[str, Any]]:
    outcome = Outcome.REFUSED
    if error.status == 500:
        outcome = Outcome.BROKEN
    elif isinstance(error, DatabaseUnavailable | DatabaseResuming):
        outcome = Outcome.UNKNOWN
    rejected = error.details.get("rejected") or error.details.get("in_the_way") or []
    held = [each["allocation_id"] for each in rejected if "held" in {each.get("reason"), each.get("status")}]
    return outcome, {
        "code": error.code,
        "said": str(error),
        "sqlstate": _state(error.__cause__),
        "held_off": [each for each in held if each is not None],
    }


def _state(error: BaseException | None) -> str | None:
    return sqlstate(error) if isinstance(error, DBAPIError) else None


def _actor(request: Request) -> Actor:
    # Who cancels in their own name may cancel nothing else.
    own = request.kind == "cancel" and request.owner == request.asked["booked_by"]
    return Actor(request.owner, Role.USER if own else Role.ADMIN)


def _booked(booked: AutoAllocation) -> Said:
    return Said(booked.allocation.model_dump(mode="json"), replayed=booked.replayed)


def _book(over: Engine, request: Request) -> Said:
    wanted = AutoAllocationRequest.model_validate(request.asked | {"dry_run": request.dry_run})
    return _booked(service.auto_allocate(over, wanted, actor=_actor(request), key=request.key, terms=TERMS))


def _book_on(over: Engine, request: Request) -> Said:
    wanted = AllocationRequest.model_validate(request.asked | {"dry_run": request.dry_run})
    return _booked(service.allocate(over, wanted, actor=_actor(request), key=request.key, terms=TERMS))


def _change(over: Engine, request: Request) -> Said:
    wanted = AllocationChange.model_validate(request.asked["changes"] | {"dry_run": request.dry_run})
    changed = planning.change_allocation(
        over,
        request.asked["allocation_id"],
        wanted,
        version=request.asked["version"],
        actor=_actor(request),
        terms=TERMS,
    )
    return Said(changed.allocation.model_dump(mode="json"))


def _cancel(over: Engine, request: Request) -> Said:
    cancelled = service.cancel_allocation(over, request.asked["allocation_id"], actor=_actor(request))
    return Said(cancelled.allocation.model_dump(mode="json"))


def _close(over: Engine, request: Request) -> Said:
    asked = {name: value for name, value in request.asked.items() if name != "dyno_id"}
    closed = planning.close_dyno(
        over,
        request.asked["dyno_id"],
        MaintenanceRequest.model_validate(asked | {"dry_run": request.dry_run}),
        displace=request.kind == "displace",
        actor=_actor(request),
        key=request.key,
        terms=TERMS,
    )
    displaced = [(each.before.model_dump(mode="json"), each.after.model_dump(mode="json")) for each in closed.displaced]
    return Said(closed.window.model_dump(mode="json"), displaced, closed.replayed)


def _reopen(over: Engine, request: Request) -> Said:
    asked = request.asked
    reopened = planning.reopen_dyno(over, asked["dyno_id"], asked["window_id"], actor=_actor(request))
    return Said(reopened.window.model_dump(mode="json"))


def _change_dyno(over: Engine, request: Request) -> Said:
    changes = {"dyno_id": request.asked["dyno_id"], "actor": request.owner}
    changes |= {name: request.asked[name] for name in ("enabled", "lines")}
    with autocommit(over) as connection:
        changed = connection.execute(text("select prove_change(:dyno_id, :actor, :enabled, :lines)"), changes).scalar()
    if changed is None:
        raise Stranded("there are bookings that it could not take any more")
    return Said(changed)


def _sweep(over: Engine, _request: Request) -> Said:
    service.sweep(over, retention_days=400, now=datetime.now(UTC))
    return Said()


def _look(over: Engine, request: Request) -> Said:
    asked = request.asked
    start = date.fromisoformat(asked["start_date"])
    wanted = Wanted(
        vin=asked["vin"],
        test_type=asked["test_type"],
        start_date=start,
        days_to_complete=asked["days_to_complete"],
        next_windows=3,
    )
    availability.list_available(over, wanted, terms=TERMS)
    shown = service.list_allocations(over, AllocationFilter(vin=asked["vin"]), None, 500).items[-40:]
    windows = planning.list_maintenance_on(over, start, None, 20).items
    return Said(seen=[each.model_dump(mode="json") for each in (*shown, *windows)])


_ASK: dict[str, Callable[[Engine, Request], Said]] = {
    "book": _book,
    "book_on": _book_on,
    "hold": _book,
    **dict.fromkeys(("confirm", "move", "extend", "shorten", "finish", "step"), _change),
    "cancel": _cancel,
    "close": _close,
    "displace": _close,
    "reopen": _reopen,
    "able": _change_dyno,
    "capable": _change_dyno,
    "sweep": _sweep,
    "look": _look,
}
CHANGES_OF_DYNOS = {"able", "capable"}
