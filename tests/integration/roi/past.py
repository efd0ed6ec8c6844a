"""A lab's past: what happened at which moment, put there behind the service's back, and recounted in plain Python."""

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, create_engine

from tests.lab import Lab

DAY = timedelta(hours=24)
A_MOMENT = timedelta(microseconds=1)
LONGEST_HOLD = 7 * DAY
FOREVER = timedelta.max
COUNTS = ("kept", "cancelled_early", "replaced", "refused", "refused_conflicts", "placed_calls", "placed_ms")


def another(over: Engine, connections: int = 1) -> Engine:
    """The same with that many connections of its own, for a race; its user's to dispose of."""
    return create_engine(
        over.url, creator=over.pool._creator, pool_size=connections, max_overflow=0, isolation_level="AUTOCOMMIT"
    )


@dataclass(frozen=True)
class Booking:
    """
    Of a day that nobody else has.

    Attributes:
        cancelled_after: How long after it counted, or a hold that never did was made.
        held_for: Before it was confirmed; forever: it never was.
    """

    created_at: datetime
    cancelled_after: timedelta | None = None
    status: str = "scheduled"
    shift_days: int = 0
    booked_by: str = "ann"
    kind: str = "allocation"
    held_for: timedelta | None = None

    @property
    def since(self) -> datetime | None:
        """When it began to count; None: never."""
        if self.held_for is FOREVER:
            return None
        return self.created_at + (self.held_for or timedelta())

    @property
    def row(self) -> dict[str, Any]:
        """As it is in the table, but for what it takes."""
        begun = self.since or self.created_at
        cancelled_at = None if self.cancelled_after is None else begun + self.cancelled_after
        committed_at = self.since.isoformat() if self.since else "infinity"
        return {
            "kind": self.kind,
            "status": "cancelled" if cancelled_at else self.status,
            "created_at": self.created_at.isoformat(),
            "cancelled_at": cancelled_at and cancelled_at.isoformat(),
            "expires_at": "infinity" if self.status == "held" and not cancelled_at else None,
            "committed_at": committed_at if self.held_for else None,
            "shift_days": self.shift_days,
            "booked_by": self.booked_by if self.kind == "allocation" else None,
        }

    @property
    def is_kept(self) -> bool:
        """Whether it counts."""
        if self.kind != "allocation" or self.since is None:
            return False
        if self.cancelled_after is not None:
            return self.cancelled_after >= DAY
        return self.status not in {"held", "lapsed"}


@dataclass(frozen=True)
class Refusal:
    """An attempt that was refused."""

    refused_at: datetime
    reason: str = "booked"
    conflicting: bool = True
    vehicle_id: int = 1
    test_type: str = "brake"
    drive_type: str = "AWD"
    weight_class: str = "<10K"
    start_date: date = date(2030, 1, 7)
    days_to_complete: int = 1


@dataclass(frozen=True)
class Call:
    """A call of auto_allocate that succeeded; a dry run's has no allocation_id."""

    created_at: datetime
    duration_ms: float
    metadata: Mapping[str, Any] = field(default_factory=lambda: {"allocation_id": 1})


class Past:
    """What happened to a lab with one dyno and one vehicle."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.dyno_id, self.vehicle_id = lab.dyno("Past"), lab.vehicle("9ZZ0TEST0VDPAST00")
        self.bookings: list[Booking] = []
        self.refusals: list[Refusal] = []
        self.calls: list[Call] = []
        self._days = itertools.count(1)
        self._events = itertools.count(1)

    def book(self, *bookings: Booking) -> None:
        """Each on a day of its own in the year 2000 or behind."""
        self.bookings += bookings
        first = date(2000, 1, 1)
        rows = [each.row | {"start_date": str(first + timedelta(days=next(self._days)))} for each in bookings]
        self.lab.sql(
            """insert into occupancies (kind, dyno_id, vehicle_id, test_type, start_date, end_date, shift_days, status,
                                        expires_at, booked_by, created_at, cancelled_at, committed_at)
               select kind, :dyno_id, case kind when 'allocation' then cast(:vehicle_id as integer) end,
                      case kind when 'allocation' then 'brake' end,
                      start_date, start_date, shift_days, status, expires_at, booked_by, created_at, cancelled_at,
                      committed_at
                 from jsonb_to_recordset(cast(:rows as jsonb)) as r (kind text, start_date date, shift_days smallint,
                      status text, expires_at timestamptz, booked_by text, created_at timestamptz,
                      cancelled_at timestamptz, committed_at timestamptz)
            """,
            rows=json.dumps(rows),
            dyno_id=self.dyno_id,
            vehicle_id=self.vehicle_id,
        )

    def refuse(self, *refusals: Refusal) -> None:
        """As place() notes them."""
        self.refusals += refusals
        rows = [asdict(each) | {"actor": "ann"} for each in refusals]
        self.lab.sql(
            """insert into refusals (refused_at, actor, vehicle_id, test_type, drive_type, weight_class, start_date,
                                     days_to_complete, reason, conflicting)
               select refused_at, actor, vehicle_id, test_type, drive_type, weight_class, start_date, days_to_complete,
                      reason, conflicting
                 from jsonb_populate_recordset(null::refusals, cast(:rows as jsonb))""",
            rows=json.dumps(rows, default=str),
        )

    def call(self, *calls: Call) -> None:
        """As the calls' lines leave rows; their partitions are the caller's to drop."""
        self.calls += calls
        rows = [asdict(each) | {"event_id": f"past-{next(self._events)}"} for each in calls]
        self.lab.sql(
            """insert into metrics (event_id, correlation_id, service_name, method_name, duration_ms, success, outcome,
                                    metadata, created_at)
               select event_id, 'past', 'AllocationService', 'auto_allocate', duration_ms, true, 'success', metadata,
                      created_at
                 from jsonb_populate_recordset(null::metrics, cast(:rows as jsonb))""",
            rows=json.dumps(rows, default=str),
        )

    def days(self, zone: ZoneInfo) -> dict[date, dict[str, float]]:
        """What each day of the lab comes to, counted one by one."""
        days: defaultdict[date, Counter[str]] = defaultdict(Counter)
        for booking in self.bookings:
            if booking.kind == "allocation" and booking.since:
                day = days[booking.since.astimezone(zone).date()]
                day["kept"] += booking.is_kept
                day["cancelled_early"] += booking.cancelled_after is not None and not booking.is_kept
                day["replaced"] += booking.shift_days > 0
        for refusal in self.refusals:
            day = days[refusal.refused_at.astimezone(zone).date()]
            day["refused"] += 1
            day["refused_conflicts"] += refusal.conflicting
        for call in self.calls:
            if "allocation_id" in call.metadata and "replayed" not in call.metadata:
                day = days[call.created_at.astimezone(zone).date()]
                day["placed_calls"] += 1
                day["placed_ms"] += call.duration_ms  # type: ignore[assignment]  # whole quarters, so in any order the same
        return {day: {name: counter[name] for name in COUNTS} for day, counter in days.items()}

    def live(self, first: datetime, days: int, zone: ZoneInfo, random: Random, size: int = 150) -> None:
        """Let that many bookings, and some more, happen within some days, half of them around midnight."""

        def at() -> datetime:
            if random.random() < 0.5:
                return first + timedelta(seconds=random.randrange(days * 86_400))
            day = (first + timedelta(days=random.randrange(1, days))).astimezone(zone).date()
            midnight = datetime(day.year, day.month, day.day, tzinfo=zone, fold=random.randrange(2))
            shift = random.choice([-DAY, -A_MOMENT * 2, -A_MOMENT, 0 * DAY, A_MOMENT, timedelta(minutes=30), DAY])
            return datetime.fromtimestamp(midnight.timestamp(), ZoneInfo("UTC")) + shift

        def cancelled() -> timedelta | None:
            return random.choice([None, None, A_MOMENT, DAY / 2, DAY - A_MOMENT, DAY, DAY + A_MOMENT, 3 * DAY])

        held = [None, None, None, None, A_MOMENT, DAY / 2, 3 * DAY, LONGEST_HOLD]
        statuses = ["scheduled", "scheduled", "scheduled", "in_progress", "completed", "held", "lapsed"]

        def booked(held_for: timedelta | None) -> Booking:
            return Booking(
                at() - (held_for or timedelta()),
                cancelled(),
                random.choice(statuses),
                random.choice([0, 0, 0, 1, 7]),
                random.choice(["ann", "bob", "cyd"]),
                held_for=held_for,
            )

        self.book(
            *(booked(random.choice(held)) for _ in range(size)),
            *(
                Booking(at(), cancelled(), random.choice(["held", "lapsed"]), held_for=FOREVER)
                for _ in range(size // 10)
            ),
            *(Booking(at(), kind="maintenance") for _ in range(size // 10)),
        )
        self.refuse(*(Refusal(at(), conflicting=random.random() < 0.6) for _ in range(size // 3)))
        marks: list[dict[str, Any]] = [{"allocation_id": 1}, {"allocation_id": 2, "replayed": True}, {"dry_run": True}]
        self.call(*(Call(at(), random.randrange(4000) / 4, random.choice(marks)) for _ in range(size // 2)))
