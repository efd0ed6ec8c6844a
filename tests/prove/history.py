"""What a lab went through: what its clients asked and were told, and what its database has kept of it."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, text

Json = dict[str, Any]

ALLOCATION = ("dyno_id", "vehicle_id", "test_type", "start_date", "end_date", "status", "shift_days", "booked_by",
              "created_at", "expires_at", "cancelled_at", "work", "version")  # fmt: skip
WINDOW = ("dyno_id", "start_date", "end_date", "reason", "status", "created_at", "cancelled_at", "version")
INSTANTS = ("created_at", "expires_at", "cancelled_at")

_ENTRIES = """select id, xmin::text, occupancy_id, action, actor, extract(epoch from at)::float8, before, after
                from history order by id"""
_CHANGES = """select id, actor, dyno_id, extract(epoch from at)::float8, dyno from prove_changes order by id"""


class Outcome(StrEnum):
    """What a client was told; unknown if the connection broke before it was told anything."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    BROKEN = "broken"


@dataclass(frozen=True)
class Request:
    """
    Something a client wants; it may ask for it more than once.

    Attributes:
        owner: Who the service is told that it is; no two requests have one, unless it is about who they are.
        key: The Idempotency-Key, if any.
        asked: What it is about, as JSON has it.
    """

    name: str
    owner: str
    kind: str
    asked: Json
    key: str | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Call:
    """
    A request, asked once.

    Attributes:
        connection: Which of the clients' connections it went over; each has one call at a time.
        started_at: Seconds of the epoch, by the clock that the server goes by, too.
        code: Of the error; `sqlstate` and `said`, too.
        answer: The allocation, window or dyno that it was told of.
        displaced: Allocations that made way, before and after.
        held_off: Allocations that a refusal says are held and in the way.
    """

    request: Request
    connection: str
    started_at: float
    ended_at: float
    outcome: Outcome
    code: str | None = None
    sqlstate: str | None = None
    said: str = ""
    answer: Json | None = None
    displaced: list[tuple[Json, Json]] = field(default_factory=list)
    held_off: list[int] = field(default_factory=list)
    replayed: bool = False

    @property
    def may_have_written(self) -> bool:
        """Whether anything can be there because of it."""
        return self.outcome in {Outcome.ACKNOWLEDGED, Outcome.UNKNOWN} and not self.request.dry_run


@dataclass(frozen=True)
class Entry:
    """A row of the table `history`; those of one transaction have one `xid`."""

    id: int
    xid: str
    occupancy_id: int
    action: str
    actor: str
    at: float
    before: Json | None
    after: Json | None


@dataclass(frozen=True)
class Change:
    """What a dyno was changed to; its id is of the sequence of entries."""

    id: int
    actor: str
    dyno_id: int
    at: float
    dyno: Json


@dataclass(frozen=True)
class Fault:
    """
    Something done to the server or to a connection.

    Attributes:
        connection: Whose; None: everybody's.
    """

    what: str
    began_at: float
    ended_at: float
    connection: str | None = None


@dataclass(frozen=True)
class Kept:
    """What the database has in the end."""

    entries: list[Entry]
    changes: list[Change]
    final: dict[int, Json]
    taken: list[Json]
    dynos: dict[int, Json]
    vehicles: dict[int, Json]
    keys: list[tuple[str, str, str]]
    deadlocks: int


def kept(owner: Engine) -> Kept:
    """Read all that is to be judged, by plain selects."""
    with owner.connect() as connection:
        connection.execute(text("set time zone 'UTC'"))

        def rows(sql: str) -> list[Any]:
            return [tuple(row) for row in connection.execute(text(sql))]

        dynos = {row[0]: row[1] for row in rows("select id, to_jsonb(d) from dynos d")}
        vehicles = {row[0]: row[1] for row in rows("select id, to_jsonb(v) from vehicles v")}
        taken = [row[0] for row in rows("select to_jsonb(o) from occupancies o")]
        return Kept(
            entries=[_entry(*row) for row in rows(_ENTRIES)],
            changes=[Change(*row) for row in rows(_CHANGES)],
            final={row["id"]: told(_shown(row, dynos, vehicles)) or {} for row in taken},
            taken=taken,
            dynos=dynos,
            vehicles=vehicles,
            keys=[row[:3] for row in rows("select owner, route, key from idempotency_keys")],
            deadlocks=rows("select deadlocks from pg_stat_database where datname = current_database()")[0][0],
        )


def told(given: Json | None) -> Json | None:
    """An allocation or a window as it is told, instants as such: two texts may mean one."""
    if given is None:
        return None
    return {
        name: datetime.fromisoformat(value) if name in INSTANTS and value else value for name, value in given.items()
    }


def day(text_of_it: str) -> date:
    """A day as JSON has it."""
    return date.fromisoformat(text_of_it)


def _entry(number: int, xid: str, *rest: Any) -> Entry:
    occupancy_id, action, actor, at, before, after = rest
    return Entry(number, xid, occupancy_id, action, actor, at, told(before), told(after))


def _shown(row: Json, dynos: dict[int, Json], vehicles: dict[int, Json]) -> Json:
    named = {"dyno_name": dynos[row["dyno_id"]]["name"]}
    if row["kind"] == "maintenance":
        return {"window_id": row["id"]} | named | {name: row[name] for name in WINDOW}
    named |= {"allocation_id": row["id"], "vin": vehicles[row["vehicle_id"]]["vin"]}
    return named | {name: row[name] for name in ALLOCATION}
