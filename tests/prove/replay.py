"""The lab's days lived through again, entry by entry, in plain Python: no rule of the service is asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.prove.history import Change, Entry, Json, Kept, day
from tests.prove.regimes import TERMS

STEPS: dict[str, set[tuple[str | None, str]]] = {
    "book": {(None, "scheduled")},
    "hold": {(None, "held")},
    "close": {(None, "scheduled")},
    "confirm": {("held", "scheduled")},
    "move": {(status, status) for status in ("held", "scheduled", "in_progress")},
    "displace": {(status, status) for status in ("held", "scheduled")},
    "step": {("scheduled", "in_progress"), ("in_progress", "completed")},
    "cancel": {("held", "cancelled"), ("scheduled", "cancelled")},
    "reopen": {("scheduled", "cancelled")},
    "lapse": {("held", "lapsed")},
}
MAY_CHANGE = {
    "move": {"dyno_id", "dyno_name", "start_date", "end_date"},
    "displace": {"dyno_id", "dyno_name", "start_date", "end_date"},
    "confirm": {"dyno_id", "dyno_name", "start_date", "end_date", "status", "expires_at"},
    "step": {"status", "end_date", "dyno_id", "dyno_name", "start_date"},
    "cancel": {"status", "expires_at", "cancelled_at"},
    "reopen": {"status", "cancelled_at"},
    "lapse": {"status", "expires_at"},
}
TAKES = {"held", "scheduled", "in_progress", "completed"}
BEGINS = {"book", "hold", "close"}
LONGEST_CALL_S = 120


@dataclass(frozen=True)
class Finding:
    """
    Something that should not be.

    Attributes:
        occupancies: Whose entries show it.
        owners: Whose calls show it.
    """

    rule: str
    says: str
    occupancies: frozenset[int] = frozenset()
    owners: frozenset[str] = frozenset()


@dataclass
class Replay:
    """The lab as it was after each transaction; `states` is every occupancy at every version it ever had."""

    kept: Kept
    horizon_days: int = TERMS.horizon_days
    states: dict[tuple[int, int], Json] = field(default_factory=dict)
    now: dict[int, Json] = field(default_factory=dict)
    _at_dyno: dict[int, set[int]] = field(default_factory=dict)
    _with_vehicle: dict[int, set[int]] = field(default_factory=dict)
    _dynos: dict[int, Json] = field(default_factory=dict)

    def run(self) -> Iterator[Finding]:
        """Live through it, and say what is wrong on the way and in the end."""
        for happened in self._in_order():
            if isinstance(happened, Change):
                self._dynos[happened.dyno_id] = happened.dyno
                yield from self._stranded(happened)
                continue
            before = {entry.occupancy_id: self.now.get(entry.occupancy_id) for entry in happened}
            for entry in happened:
                yield from self._chained(entry)
                self._set(entry)
            for entry in happened:
                yield from self._overlapping(entry)
                yield from self._unruly(entry, before[entry.occupancy_id])
        yield from self._final()

    def _in_order(self) -> list[Change | list[Entry]]:
        """Transactions by their last entry: until then nobody else could see any of it, and who waited came later."""
        together: dict[str, list[Entry]] = {}
        for entry in self.kept.entries:
            together.setdefault(entry.xid, []).append(entry)
        dated: list[tuple[int, Change | list[Entry]]] = [(entries[-1].id, entries) for entries in together.values()]
        dated += [(change.id, change) for change in self.kept.changes]
        return [happened for _, happened in sorted(dated, key=lambda each: each[0])]

    def _chained(self, entry: Entry) -> Iterator[Finding]:
        at, was = frozenset({entry.occupancy_id}), self.now.get(entry.occupancy_id)
        what = f"entry {entry.id}, {entry.action} of {entry.occupancy_id},"
        if entry.before != was:
            yield Finding("chain", f"{what} begins from something else than the one before it ended with", at)
        if entry.after is None:
            yield Finding("chain", f"{what} does not say what came of it", at)
            return
        if entry.after["version"] != (was["version"] + 1 if was else 1):
            yield Finding("chain", f"{what} leaps to version {entry.after['version']}", at)
        if (was["status"] if was else None, entry.after["status"]) not in STEPS.get(entry.action, set()):
            yield Finding("steps", f"{what} ends as {entry.after['status']}", at)
        if was:
            changed = {name for name in was if was[name] != entry.after.get(name)} - {"version"}
            if strange := changed - MAY_CHANGE.get(entry.action, set()):
                yield Finding("chain", f"{what} changes {', '.join(sorted(strange))}", at)
        if entry.action == "lapse" and was and was["expires_at"] and entry.at < was["expires_at"].timestamp():
            yield Finding("holds", f"{what} comes before the hold ran out", at)

    def _set(self, entry: Entry) -> None:
        was, after = self.now.get(entry.occupancy_id), entry.after
        for taken, name in ((self._at_dyno, "dyno_id"), (self._with_vehicle, "vehicle_id")):
            if was and was.get(name) is not None:
                taken.setdefault(was[name], set()).discard(entry.occupancy_id)
            if after and after.get(name) is not None and after["status"] in TAKES:
                taken.setdefault(after[name], set()).add(entry.occupancy_id)
        if after:
            self.now[entry.occupancy_id] = after
            self.states[entry.occupancy_id, after["version"]] = after

    def _overlapping(self, entry: Entry) -> Iterator[Finding]:
        here = self.now.get(entry.occupancy_id)
        if here is None or here["status"] not in TAKES:
            return
        turnaround = self.kept.dynos[here["dyno_id"]]["turnaround_days"]
        for what, others, days in (
            ("dyno", self._at_dyno.get(here["dyno_id"], set()), turnaround),
            ("vehicle", self._with_vehicle.get(here.get("vehicle_id") or 0, set()), 0),
        ):
            for other in others - {entry.occupancy_id}:
                if overlap(here, self.now[other], days):
                    yield Finding(
                        "overlap",
                        f"{entry.occupancy_id} and {other} take {what} {here[f'{what}_id']} on the same days",
                        frozenset({entry.occupancy_id, other}),
                    )

    def _unruly(self, entry: Entry, was: Json | None) -> Iterator[Finding]:
        """What is put somewhere is put where it may be then; what only lets go of days may be anywhere."""
        after = entry.after
        if after is None or after["status"] not in TAKES or entry.action == "close":
            return
        grows = (
            was is None
            or entry.action == "confirm"
            or was["dyno_id"] != after["dyno_id"]
            or after["start_date"] < was["start_date"]
            or after["end_date"] > was["end_date"]
        )
        if not grows:
            return
        at, what = frozenset({entry.occupancy_id}), f"entry {entry.id}, {entry.action} of {entry.occupancy_id},"
        if reason := self._unfit(after):
            yield Finding("rule", f"{what} puts it on a dyno that was {reason}", at)
        # A call that began before midnight may be noted after it.
        today = datetime.fromtimestamp(entry.at - LONGEST_CALL_S, UTC).date()
        if (was is None or was["start_date"] != after["start_date"]) and day(after["start_date"]) < today:
            yield Finding("rule", f"{what} begins in the past", at)
        if day(after["end_date"]) > datetime.fromtimestamp(entry.at, UTC).date() + timedelta(days=self.horizon_days):
            yield Finding("rule", f"{what} ends beyond the horizon", at)

    def _unfit(self, allocation: Json) -> str | None:
        dyno, vehicle = self._dynos[allocation["dyno_id"]], self.kept.vehicles[allocation["vehicle_id"]]
        wanted = (
            allocation["test_type"],
            vehicle["drive_type"],
            "<10K" if vehicle["weight_lbs"] <= 10_000 else ">10K",
        )
        if not dyno["enabled"]:
            return "disabled"
        if not any(
            all(can in {"any", want} for can, want in zip(line, wanted, strict=True)) for line in dyno["capabilities"]
        ):
            return "not capable"
        if dyno["available_from"] and allocation["start_date"] < dyno["available_from"]:
            return "not available yet"
        if dyno["available_to"] and allocation["end_date"] > dyno["available_to"]:
            return "not available any more"
        return None

    def _stranded(self, change: Change) -> Iterator[Finding]:
        today = str(datetime.fromtimestamp(change.at, UTC).date())
        for number in self._at_dyno.get(change.dyno_id, set()):
            there = self.now[number]
            ran_out = there["status"] == "held" and there["expires_at"].timestamp() <= change.at
            if (
                there.get("vehicle_id")
                and there["end_date"] >= today
                and not ran_out
                and (reason := self._unfit(there))
            ):
                says = f"{number} stays on dyno {change.dyno_id}, which {change.actor} made {reason}"
                yield Finding("rule", says, frozenset({number}), frozenset({change.actor}))

    def _final(self) -> Iterator[Finding]:
        for number in sorted(self.now.keys() | self.kept.final.keys()):
            if self.now.get(number) != self.kept.final.get(number):
                yield Finding("final", f"{number} is not there as its entries leave it", frozenset({number}))
        for row in self.kept.taken:
            if row["turnaround_days"] != self.kept.dynos[row["dyno_id"]]["turnaround_days"]:
                yield Finding("final", f"{row['id']} has not its dyno's turnaround", frozenset({row["id"]}))
        yield from self._overlapping_rows([row for row in self.kept.taken if row["status"] in TAKES])

    def _overlapping_rows(self, rows: Sequence[Json]) -> Iterator[Finding]:
        for what in ("dyno_id", "vehicle_id"):
            there: dict[int, list[Json]] = {}
            for row in rows:
                if row[what] is not None:
                    there.setdefault(row[what], []).append(row)
            for number, those in there.items():
                for first, second in zip(sorted(those, key=_begin), sorted(those, key=_begin)[1:], strict=False):
                    if overlap(first, second, first["turnaround_days"] if what == "dyno_id" else 0):
                        yield Finding(
                            "overlap",
                            f"in the end {first['id']} and {second['id']} have one {what}, {number}, on the same days",
                            frozenset({first["id"], second["id"]}),
                        )


def overlap(one: Json, other: Json, turnaround_days: int) -> bool:
    """Whether two take a day both, so many behind each included."""
    behind = timedelta(days=turnaround_days)
    return (
        day(one["start_date"]) <= day(other["end_date"]) + behind
        and day(other["start_date"]) <= day(one["end_date"]) + behind
    )


def _begin(row: Json) -> tuple[str, int]:
    return row["start_date"], row["id"]
