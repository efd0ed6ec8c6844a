"""The verdict: what clients were told, held against the lab's days lived through again."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from tests.prove.calls import CHANGES_OF_DYNOS
from tests.prove.history import Call, Entry, Fault, Json, Kept, Outcome, Request, day, told
from tests.prove.regimes import TERMS
from tests.prove.replay import BEGINS, Finding, Replay

CHANGES = {"confirm", "move", "extend", "shorten", "finish", "step"}
BOOKINGS = {"book", "book_on", "hold"}
CLOSINGS = {"close", "displace"}
CLOCKS_S = 0.05
"""How far a moment of the server's may lie outside of the call's that it belongs to."""

NO_ROOM = frozenset({"no_dyno_available", "vehicle_already_allocated", "unavailable"})
OF_CHANGES = NO_ROOM | {"stale", "allocation_closed", "allocation_under_way", "step_not_allowed", "invalid_request"}
OF_BOOKINGS = NO_ROOM | {"idempotency_key_reused"}
OF_CLOSINGS = frozenset({"maintenance_overlap", "unavailable", "idempotency_key_reused"})
STRANDED = frozenset({"bookings_stranded"})
REFUSALS = {
    **dict.fromkeys(BOOKINGS, OF_BOOKINGS),
    **dict.fromkeys(CHANGES, OF_CHANGES),
    **dict.fromkeys(CLOSINGS, OF_CLOSINGS),
    **dict.fromkeys(CHANGES_OF_DYNOS, STRANDED),
    "cancel": frozenset({"allocation_closed"}),
}
"""What a client may be told beside yes, by what it asked for; it asks for nothing that was never there."""


def judged(
    calls: Sequence[Call],
    faults: Sequence[Fault],
    kept: Kept,
    alarms: Sequence[str],
    today: date,
    horizon_days: int = TERMS.horizon_days,
) -> list[Finding]:
    """
    Everything that is wrong.

    Args:
        alarms: What the server's log says that none should.
        today: In the lab, when it began.
        horizon_days: How far ahead a booking of the lab may end.
    """
    replay = Replay(kept, horizon_days)
    findings = list(replay.run())
    return [*findings, *Verdict(calls, faults, replay, today).run(), *_alarming(kept, alarms)]


def _alarming(kept: Kept, alarms: Sequence[str]) -> Iterator[Finding]:
    for line in alarms:
        yield Finding("errors", f"the server's log says: {line}")
    if kept.deadlocks:
        yield Finding("errors", f"the database counts {kept.deadlocks} deadlocks since it was started")


@dataclass
class Verdict:
    """Calls against entries."""

    calls: Sequence[Call]
    faults: Sequence[Fault]
    replay: Replay
    today: date

    def __post_init__(self) -> None:
        self._of: dict[str, list[Call]] = defaultdict(list)
        self._of_owner: dict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            self._of[call.request.name].append(call)
            self._of_owner[call.request.owner].append(call)
        self._entries: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.replay.kept.entries:
            self._entries[entry.actor].append(entry)

    def run(self) -> Iterator[Finding]:
        """All rules, one after the other."""
        for call in self.calls:
            yield from self._honest(call)
            yield from self._there(call)
        for name in self._of:
            yield from self._alike(name)
        for entry in self.replay.kept.entries:
            yield from self._asked_for(entry)
            yield from self._in_its_time(entry)
        for owner in self._of_owner:
            yield from self._once(owner)
        yield from self._displaced_whole()
        yield from self._changes_of_dynos()
        yield from self._keys()
        yield from self._faulty()

    def _honest(self, call: Call) -> Iterator[Finding]:
        """Clients see the errors that are defined, and no others."""
        of, what = frozenset({call.request.owner}), f"{call.request.kind} {call.request.name}"
        if call.outcome is Outcome.BROKEN or call.sqlstate in {"40P01", "40001"}:
            yield Finding("errors", f"{what} was told {call.code} {call.sqlstate or ''}: {call.said}", owners=of)
        elif call.outcome is Outcome.REFUSED and call.code not in REFUSALS.get(call.request.kind, frozenset()):
            yield Finding("errors", f"{what} was told {call.code}: {call.said}", owners=of)
        for number in call.held_off:
            hold = self.replay.states.get((number, 1), {})
            if hold.get("expires_at") and hold["expires_at"].timestamp() < call.started_at - CLOCKS_S:
                says = f"{what} was refused for the hold {number}, which had run out before"
                yield Finding("holds", says, frozenset({number}), of)

    def _there(self, call: Call) -> Iterator[Finding]:
        """Whatever was acknowledged is there, as it was told, and is what was asked for."""
        request, answer = call.request, told(call.answer)
        if call.outcome is not Outcome.ACKNOWLEDGED or answer is None or request.kind in CHANGES_OF_DYNOS:
            return
        number = answer.get("allocation_id") or answer.get("window_id") or 0
        of, at = frozenset({request.owner}), frozenset({number} - {0})
        what = f"{request.kind} {request.name}"
        if not agrees(request, answer):
            yield Finding("asked", f"{what} was told of something else than it asked for: {call.answer}", at, of)
        if request.dry_run:
            return
        if self.replay.states.get((number, answer["version"])) != answer:
            yield Finding("lost", f"{what} was acknowledged as {call.answer}, which never was", at, of)
            return
        mine = [
            entry for entry in self._entries[request.owner] if entry.occupancy_id == number and entry.after == answer
        ]
        if not mine and request.kind in BOOKINGS | CLOSINGS:
            yield Finding("lost", f"{what} was acknowledged, but not noted as its own", at, of)
        first = min(each.started_at for each in self._of_owner[request.owner])
        if mine and not first - CLOCKS_S <= mine[0].at <= call.ended_at + CLOCKS_S:
            yield Finding("lost", f"{what} was acknowledged at another time than it was done", at, of)
        for before, after in call.displaced:
            if not any(
                entry.action == "displace" and (entry.before, entry.after) == (told(before), told(after))
                for entry in self._entries[request.owner]
            ):
                yield Finding("displaced", f"{what} was told that {before['allocation_id']} made way", at, of)

    def _alike(self, name: str) -> Iterator[Finding]:
        """Whoever asks again is told the same."""
        request = self._of[name][0].request
        if not request.key or request.dry_run:
            return
        answers = [call for call in self._of[name] if call.outcome is Outcome.ACKNOWLEDGED]
        if any((each.answer, each.displaced) != (answers[0].answer, answers[0].displaced) for each in answers):
            yield Finding("keys", f"{name} was answered differently under one key", owners=frozenset({request.owner}))
        if sum(not each.replayed for each in answers) > 1:
            yield Finding("keys", f"{name} was done anew under one key", owners=frozenset({request.owner}))

    def _asked_for(self, entry: Entry) -> Iterator[Finding]:
        """Nothing is there that nobody asked for, or that was refused."""
        if entry.actor == "system" and entry.action == "lapse":
            return
        if not any(
            call.may_have_written and caused(call.request, entry) for call in self._of_owner.get(entry.actor, [])
        ):
            says = f"entry {entry.id}, {entry.action} of {entry.occupancy_id}, is nothing that {entry.actor} could get"
            yield Finding("unasked", says, frozenset({entry.occupancy_id}), frozenset({entry.actor}))

    def _in_its_time(self, entry: Entry) -> Iterator[Finding]:
        """Whoever asks after a hold ran out comes too late."""
        if entry.before is None or entry.before["status"] != "held" or entry.action == "lapse":
            return
        began = [call.started_at for call in self._of_owner.get(entry.actor, []) if caused(call.request, entry)]
        if began and min(began) > entry.before["expires_at"].timestamp() + CLOCKS_S:
            says = f"entry {entry.id} has {entry.action} of {entry.occupancy_id}, a hold that had run out"
            yield Finding("holds", says, frozenset({entry.occupancy_id}), frozenset({entry.actor}))

    def _once(self, owner: str) -> Iterator[Finding]:
        """One booking or window a key, and one change a request."""
        requests = {call.request.name: call.request for call in self._of_owner[owner]}
        entries = self._entries.get(owner, [])
        made = [entry for entry in entries if entry.action in BEGINS]
        if len(made) > 1:
            says = f"{owner} has {len(made)} bookings or windows under one key"
            yield Finding("keys", says, frozenset(entry.occupancy_id for entry in made), frozenset({owner}))
        for request in requests.values():
            done = [entry for entry in entries if entry.action not in BEGINS | {"displace"} and caused(request, entry)]
            if len(done) > 1:
                yield Finding(
                    "unasked", f"{request.name} was done twice", frozenset({done[0].occupancy_id}), frozenset({owner})
                )

    def _displaced_whole(self) -> Iterator[Finding]:
        """What made way for a window did so with it, all of it or none."""
        together: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.replay.kept.entries:
            if entry.action in {"close", "displace"}:
                together[entry.xid].append(entry)
        for entries in together.values():
            windows = [entry for entry in entries if entry.action == "close"]
            moved = {entry.occupancy_id for entry in entries if entry.action == "displace"}
            if len(windows) != 1:
                yield Finding("displaced", f"{sorted(moved)} made way for {len(windows)} windows", frozenset(moved))
                continue
            for call in self._of_owner.get(windows[0].actor, []):
                if call.outcome is Outcome.ACKNOWLEDGED and not call.request.dry_run:
                    told_of = {before["allocation_id"] for before, _ in call.displaced}
                    ids_kept = all(
                        before["allocation_id"] == after["allocation_id"] for before, after in call.displaced
                    )
                    if told_of != moved or not ids_kept:
                        says = f"{call.request.name} was told that {sorted(told_of)} made way; {sorted(moved)} did"
                        yield Finding("displaced", says, frozenset(told_of | moved), frozenset({windows[0].actor}))

    def _changes_of_dynos(self) -> Iterator[Finding]:
        changed = {change.actor: change.dyno for change in self.replay.kept.changes}
        for call in self.calls:
            if call.request.kind in CHANGES_OF_DYNOS:
                there = changed.get(call.request.owner)
                if call.outcome is Outcome.ACKNOWLEDGED and there != call.answer:
                    yield Finding("lost", f"{call.request.name} changed a dyno, which is not noted")
                if call.outcome is Outcome.REFUSED and there is not None:
                    yield Finding("unasked", f"{call.request.name} was refused a change of a dyno, which is there")

    def _keys(self) -> Iterator[Finding]:
        """Keys are kept of what is there, and of nothing else."""
        made = {entry.actor for entry in self.replay.kept.entries if entry.action in BEGINS}
        for owner, route, key in self.replay.kept.keys:
            if owner not in made:
                yield Finding("keys", f"{route} keeps {key}, under which nothing is there", owners=frozenset({owner}))

    def _faulty(self) -> Iterator[Finding]:
        """Nobody is told to try again unless something was done to their connection since their call before."""
        by_connection: dict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            by_connection[call.connection].append(call)
        for connection, calls in by_connection.items():
            faults = [fault for fault in self.faults if fault.connection in {None, connection}]
            since = 0.0
            for call in calls:
                if call.outcome is Outcome.UNKNOWN and not any(
                    fault.ended_at >= since and fault.began_at <= call.ended_at for fault in faults
                ):
                    says = f"{call.request.name} was told {call.code}, with no fault near: {call.said}"
                    yield Finding("errors", says, owners=frozenset({call.request.owner}))
                since = call.started_at


def agrees(request: Request, after: Json) -> bool:
    """Whether an allocation or a window is what was asked for."""
    asked = request.asked
    if request.kind in CLOSINGS:
        return all(after.get(name) == asked[name] for name in ("dyno_id", "start_date", "end_date", "reason"))
    if request.kind in BOOKINGS:
        shift = day(after["start_date"]) - day(asked["start_date"])
        days = day(after["end_date"]) - day(after["start_date"])
        return (
            (after["vin"], after["test_type"]) == (asked["vin"], asked["test_type"])
            and asked.get("dyno_id") in {None, after["dyno_id"]}
            and timedelta(0) <= shift <= timedelta(days=asked["max_backup_days"])
            and shift.days == after["shift_days"]
            and days.days + 1 == asked["days_to_complete"]
            and after["status"] == ("held" if "hold_minutes" in asked else "scheduled")
            and after["booked_by"] == request.owner
        )
    if request.kind in CHANGES:
        changes = dict(asked["changes"])
        days_to_complete = changes.pop("days_to_complete", None)
        days = day(after["end_date"]) - day(after["start_date"])
        return (
            after["allocation_id"] == asked["allocation_id"]
            and days_to_complete in {None, days.days + 1}
            and all(after[name] == value for name, value in changes.items())
        )
    number = "window_id" if request.kind == "reopen" else "allocation_id"
    return bool(after.get(number) == asked[number] and after["status"] == "cancelled")


def caused(request: Request, entry: Entry) -> bool:
    """Whether a request, granted, leaves an entry like this."""
    if entry.action == "displace":
        return (
            request.kind == "displace"
            and entry.before is not None
            and entry.before["dyno_id"] == request.asked["dyno_id"]
        )
    kinds = {
        "book": {"book", "book_on"},
        "hold": {"hold"},
        "close": CLOSINGS,
        "cancel": {"cancel"},
        "reopen": {"reopen"},
    }
    if entry.after is None or request.kind not in kinds.get(entry.action, CHANGES):
        return False
    return agrees(request, entry.after) and (
        request.kind not in CHANGES or entry.after["version"] == request.asked["version"] + 1
    )
