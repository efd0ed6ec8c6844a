"""What clients come to want: a program is a row of requests, drawn by chance from what its client knows of the lab."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from threading import Lock
from typing import Any

from tests.prove.history import Json, Request
from tests.prove.regimes import LINES, TESTS, Regime, vin

MOST_KNOWN = 80
DRY, STALE = 0.06, 0.05
KEYED = {"book", "book_on", "hold", "close", "displace"}


class Known:
    """What the clients of a process have seen of the lab; old as it may be, they go by it."""

    def __init__(self) -> None:
        self._allocations: dict[int, Json] = {}
        self._windows: dict[int, Json] = {}
        self._lock = Lock()

    def allocations(self) -> list[Json]:
        """Those seen last."""
        with self._lock:
            return list(self._allocations.values())

    def windows(self) -> list[Json]:
        """Those seen last."""
        with self._lock:
            return list(self._windows.values())

    def see(self, shown: Json) -> None:
        """Remember an allocation or a window as it was told."""
        of, number = (
            (self._windows, shown["window_id"]) if "window_id" in shown else (self._allocations, shown["allocation_id"])
        )
        with self._lock:
            of.pop(number, None)
            of[number] = shown
            if len(of) > MOST_KNOWN:
                del of[next(iter(of))]

    def forget(self, allocation_id: int) -> None:
        """It is not as it was."""
        with self._lock:
            self._allocations.pop(allocation_id, None)


class Program:
    """
    One client's requests.

    Args:
        name: Begins the name of each.
        today: In the lab, when it began.
    """

    def __init__(self, name: str, regime: Regime, chance: random.Random, known: Known, today: date) -> None:
        self._name = name
        self._regime = regime
        self._chance = chance
        self._known = known
        self._today = today
        self._count = 0

    def next(self) -> Request:
        """What the client wants now."""
        weights = self._regime.kinds()
        (kind,) = self._chance.choices(list(weights), list(weights.values()))
        asked = _ASKED[kind](self)
        if asked is None:
            kind, asked = "book", self._booking()
        self._count += 1
        name = f"{self._name}-{self._count}"
        dry = kind not in {"cancel", "reopen", "able", "capable", "sweep", "look"} and self._chance.random() < DRY
        keyed = kind in KEYED and self._chance.random() < 0.6
        owner = name
        if kind == "cancel" and asked.pop("own"):
            owner = asked["booked_by"]
        return Request(name, owner, kind, asked, key=f"key of {name}" if keyed else None, dry_run=dry)

    def another(self, first: Request) -> Request:
        """Something else under the same key."""
        self._count += 1
        days = {"days_to_complete": 4} if "vin" in first.asked else {"reason": "another"}
        return replace(first, name=f"{self._name}-{self._count}", asked=first.asked | days)

    def _day(self) -> date:
        soon = self._chance.random() < 0.2
        return self._today + timedelta(days=0 if soon else self._chance.randrange(self._regime.days))

    def _booking(self) -> Json:
        shift = self._chance.choice([0, 3, 20])
        return {
            "vin": vin(self._chance.randrange(self._regime.vehicles)),
            "test_type": self._chance.choice(TESTS),
            "start_date": str(self._day()),
            "days_to_complete": self._chance.choice([1, 1, 2, 3, 5]),
            "backup": shift > 0,
            "max_backup_days": shift,
        }

    def _booking_on(self) -> Json:
        return self._booking() | {"dyno_id": self._chance.randint(1, self._regime.dynos)}

    def _hold(self) -> Json:
        return self._booking() | {"hold_minutes": self._chance.choice([1, 2, 4, 10, 40])}

    def _one(self, *statuses: str) -> Json | None:
        """An allocation, likely one that is in such a status."""
        there = self._known.allocations()
        likely = [each for each in there if each["status"] in statuses]
        if not there:
            return None
        return self._chance.choice(there) if self._chance.random() < 0.07 else self._chance.choice(likely or [None])

    def _change(self, one: Json, **changes: Any) -> Json:
        version = one["version"] - (self._chance.random() < STALE)
        return {"allocation_id": one["allocation_id"], "version": version, "changes": changes}

    def _confirm(self) -> Json | None:
        one = self._one("held")
        return one and self._change(one, status="scheduled")

    def _move(self) -> Json | None:
        one = self._one("scheduled", "held")
        if one is None:
            return None
        anywhere = self._today + timedelta(days=self._chance.randrange(2 * self._regime.days))
        changes: Json = {"start_date": str(anywhere)}
        if self._chance.random() < 0.5:
            changes["dyno_id"] = self._chance.randint(1, self._regime.dynos)
        if self._chance.random() < 0.2:
            changes["days_to_complete"] = self._chance.randint(1, 4)
        if one["status"] == "held" and self._chance.random() < 0.3:
            changes["status"] = "scheduled"
        return self._change(one, **changes)

    def _extend(self) -> Json | None:
        return self._longer(self._chance.randint(1, 3), "scheduled", "held", "in_progress")

    def _shorten(self) -> Json | None:
        return self._longer(-1, "scheduled", "in_progress")

    def _longer(self, days: int, *statuses: str) -> Json | None:
        one = self._one(*statuses)
        if one is None:
            return None
        end = date.fromisoformat(one["end_date"]) + timedelta(days=days)
        return self._change(one, end_date=str(max(end, date.fromisoformat(one["start_date"]))))

    def _finish(self) -> Json | None:
        one = self._one("in_progress")
        return one and self._change(one, status="completed")

    def _step(self) -> Json | None:
        now = str(self._today)
        there = [each for each in self._known.allocations() if each["start_date"] <= now]
        ready = [each for each in there if each["status"] == "scheduled"]
        return self._change(self._chance.choice(ready), status="in_progress") if ready else None

    def _cancel(self) -> Json | None:
        one = self._one("scheduled", "held")
        return one and {
            "allocation_id": one["allocation_id"],
            "booked_by": one["booked_by"],
            "own": self._chance.random() < 0.5,
        }

    def _closing(self) -> Json:
        start = self._day()
        return {
            "dyno_id": self._chance.randint(1, self._regime.dynos),
            "start_date": str(start),
            "end_date": str(start + timedelta(days=self._chance.randint(0, 3))),
            "reason": "calibration",
            "max_backup_days": self._chance.choice([0, 10, 30]),
        }

    def _reopening(self) -> Json | None:
        there = self._known.windows()
        return self._chance.choice(there) if there else None

    def _able(self) -> Json:
        return {
            "dyno_id": self._chance.randint(1, self._regime.dynos),
            "enabled": self._chance.random() < 0.7,
            "lines": None,
        }

    def _capable(self) -> Json:
        lines = self._chance.sample(LINES[1:], self._chance.randint(1, 3))
        if self._chance.random() < 0.6:
            lines = [*lines, LINES[0]]
        return {"dyno_id": self._chance.randint(1, self._regime.dynos), "enabled": None, "lines": lines}

    def _nothing(self) -> Json:
        return {}


_ASKED: dict[str, Callable[[Program], Json | None]] = {
    "book": Program._booking,
    "book_on": Program._booking_on,
    "hold": Program._hold,
    "confirm": Program._confirm,
    "move": Program._move,
    "extend": Program._extend,
    "shorten": Program._shorten,
    "finish": Program._finish,
    "step": Program._step,
    "cancel": Program._cancel,
    "close": Program._closing,
    "displace": Program._closing,
    "reopen": Program._reopening,
    "able": Program._able,
    "capable": Program._capable,
    "sweep": Program._nothing,
    "look": Program._booking,
}
