"""What is asked, how often, of a lab of which size."""

import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from tests.functions.conftest import Caller
from tests.load.asks import Ask, Function
from tests.prove.history import Json
from tests.prove.programs import Known
from tests.prove.regimes import HOW_OFTEN, TESTS, Regime, vin

MIX: Mapping[str, int] = {
    "book": 450, "book_on": 100, "hold": 30,
    "confirm": 10, "move": 15, "extend": 8, "shorten": 7, "step": 5, "finish": 5,
    "cancel": 50,
    "close": 8, "displace": 7, "reopen": 5,
    "lists": 100, "availability": 50, "registry": 50, "reports": 50, "people": 15, "described": 5, "bad": 30,
}  # fmt: skip
"""Of a thousand requests; a change of what is not there yet becomes a booking."""

OF_THE_LAB = {kind: weight for kind, weight in MIX.items() if kind in HOW_OFTEN}
OTHERS = {kind: weight for kind, weight in MIX.items() if kind not in HOW_OFTEN}
SHARE_OF_THE_LAB = sum(OF_THE_LAB.values()) / sum(MIX.values())


def lab_for(operations: int) -> Regime:
    """A lab that so many requests fill, but not at once: a few dozen dynos, and up to two years."""
    return Regime(
        "load",
        dynos=min(40, 12 + operations // 1_000),
        vehicles=min(2_000, 60 + operations // 20),
        days=min(700, 45 + operations // 60),
        weights=dict.fromkeys(HOW_OFTEN, 0) | OF_THE_LAB,
    )


@dataclass
class Sight:
    """
    What a client goes by when it wants something.

    Attributes:
        number: The client's; no other has it.
        people: Ids of people who were enrolled by somebody.
        correlated: Ids of requests that were answered.
    """

    number: int
    chance: random.Random
    regime: Regime
    today: date
    known: Known
    people: list[int] = field(default_factory=list)
    correlated: list[str] = field(default_factory=lambda: ["none"])
    _count: "itertools.count[int]" = field(default_factory=itertools.count)

    def name(self) -> str:
        """One that nothing else has."""
        return f"o{self.number}-{next(self._count)}"

    def new_vin(self) -> str:
        """One that no vehicle has."""
        return f"9ZZ0LD{self.number:03d}{next(self._count):08d}"

    def day(self) -> str:
        """One on which there may be something."""
        return str(self.today + timedelta(days=self.chance.randrange(self.regime.days)))

    def dyno(self) -> int:
        """One of the lab's."""
        return self.chance.randint(1, self.regime.dynos)

    def vehicle(self) -> int:
        """One of the lab's."""
        return self.chance.randint(1, self.regime.vehicles)

    def vin(self) -> str:
        """Of one of the lab's."""
        return vin(self.chance.randrange(self.regime.vehicles))

    def allocation(self) -> int | None:
        """One that was seen."""
        seen = self.known.allocations()
        return self.chance.choice(seen)["allocation_id"] if seen else None

    def booking(self) -> Json:
        """Of a day, by vin."""
        return {"vin": self.vin(), "test_type": self.chance.choice(TESTS), "start_date": self.day(),
                "days_to_complete": 1}  # fmt: skip


def other(kind: str, sight: Sight) -> Ask:
    """Something of a kind that is no matter of the lab's history."""
    return _ASK[kind](sight)


def _lists(sight: Sight) -> Ask:
    paths: list[tuple[str, dict[str, str] | None]] = [
        ("/allocations", {"limit": "50"}),
        ("/allocations", {"vin": sight.vin()}),
        ("/allocations", {"dyno_id": str(sight.dyno()), "status": "scheduled"}),
        ("/allocations/conflicts", None),
        ("/allocations/refusals", {"limit": "20"}),
        ("/vehicles", {"limit": "50"}),
        ("/vehicles", {"vin": sight.vin()}),
        (f"/vehicles/{sight.vehicle()}", None),
        ("/dynos", {"limit": "50"}),
        (f"/dynos/{sight.dyno()}", None),
        (f"/dynos/{sight.dyno()}/schedule", None),
        (f"/dynos/{sight.dyno()}/maintenance", None),
        ("/dynos/maintenance", {"on": sight.day()}),
    ]
    if number := sight.allocation():
        paths += [(f"/allocations/{number}", None), (f"/allocations/{number}/history", None)]
    path, query = sight.chance.choice(paths)
    return Ask("lists", "GET", path, sight.name(), query=query)


def _availability(sight: Sight) -> Ask:
    asked = {name: str(value) for name, value in sight.booking().items()} | {"next": "3"}
    return Ask("availability", "GET", "/dynos/availability", sight.name(), query=asked)


def _registry(sight: Sight) -> Ask:
    name, chance = sight.name(), sight.chance
    keyed = {"Idempotency-Key": f"key-of-{name}"}
    match chance.choices(range(4), (6, 1, 6, 6))[0]:
        case 0:
            body: Json = {"vin": sight.new_vin(), "weight_lbs": chance.choice([4_000, 12_000]), "drive_type": "AWD"}
            return _admin("registry", "POST", "/vehicles", name, body, headers=keyed, answers=frozenset({201}))
        case 1:
            # A test of its own: the lab's bookings, and what is made of them, have nothing to do with it.
            line = {"test_type": name, "drive_type": "any", "weight_class": "any"}
            body = {"name": f"Cell {name}", "capabilities": [line]}
            return _admin("registry", "POST", "/dynos", name, body, headers=keyed, answers=frozenset({201}))
        case 2:
            path, body = f"/vehicles/{sight.vehicle()}", {"program": name}
        case _:
            path, body = f"/dynos/{sight.dyno()}", {"facility": name}
    return _admin("registry", "PATCH", path, name, body, answers=frozenset({200, 412}), looks_first=True)


def _people(sight: Sight) -> Ask:
    name, chance = sight.name(), sight.chance
    there = f"/users/{chance.choice(sight.people)}" if sight.people else None
    match chance.randrange(5):
        case 0 if there:
            body = {"role": chance.choice(["user", "admin"])}
            answers = frozenset({200, 409, 412})
            return _admin("people", "PATCH", there, name, body, answers=answers, looks_first=True)
        case 1 if there:
            return _admin("people", "DELETE", there, name, answers=frozenset({200, 409, 412}), looks_first=True)
        case 2:
            return _admin("people", "GET", "/users", name)
        case 3:
            return Ask("people", "GET", "/me", name, tracked=False)
    body = {"sub": f"person-{name}"}
    keyed = {"Idempotency-Key": f"key-of-{name}"}
    return _admin("people", "POST", "/users", name, body, headers=keyed, answers=frozenset({201}))


def _reports(sight: Sight) -> Ask:
    name, chance = sight.name(), sight.chance
    metrics: list[tuple[str, dict[str, str] | None]] = [
        ("/metrics/performance", {"hours": "24"}),
        ("/metrics/performance", {"hours": "1", "source": "raw"}),
        ("/metrics/calls", {"correlation_id": chance.choice(sight.correlated)}),
        ("/metrics/prometheus", None),
    ]
    roi: list[tuple[str, dict[str, str] | None]] = [
        ("/metrics/business", None),
        ("/metrics/business", {"day": str(sight.today)}),
        ("/metrics/roi", {"month": f"{sight.today:%Y-%m}"}),
        ("/metrics/roi/assumptions", None),
        ("/metrics/demand", {"by": "day"}),
    ]
    function = chance.choice([Function.METRICS, Function.ROI])
    path, query = chance.choice(metrics if function is Function.METRICS else roi)
    scrapes = path == "/metrics/prometheus"
    caller = Caller.SCRAPER if scrapes else Caller.USER
    return Ask("reports", "GET", path, name, caller, function, query=query, tracked=not scrapes)


def _described(sight: Sight) -> Ask:
    path = sight.chance.choice(["/health/live", "/health/ready", "/openapi.json", "/docs"])
    return Ask("described", "GET", path, sight.name(), Caller.NOBODY, Function.METRICS, tracked=False)


def _bad(sight: Sight) -> Ask:
    name, booking = sight.name(), sight.booking()
    auto, one = "/allocations/auto", f"/allocations/{sight.allocation() or 1}"
    bad = [
        (422, Ask("bad", "POST", auto, name, body=booking | {"colour": "blue"})),
        (422, Ask("bad", "POST", auto, name, body=booking | {"days_to_complete": 0})),
        (422, Ask("bad", "POST", auto, name, body='{"vin": ')),
        (422, Ask("bad", "GET", "/allocations", name, query={"limit": "many"})),
        (404, Ask("bad", "POST", auto, name, body=booking | {"vin": "9ZZ0NOBODYKNOWS"})),
        (404, Ask("bad", "GET", "/allocations/999999999", name)),
        (404, Ask("bad", "GET", "/nowhere", name)),
        (401, Ask("bad", "POST", auto, name, Caller.NOBODY, body=booking)),
        (403, Ask("bad", "POST", auto, name, Caller.NO_GROUP, body=booking)),
        (403, Ask("bad", "PATCH", one, name, body={"status": "completed"}, headers={"If-Match": '"1"'})),
        (403, Ask("bad", "POST", "/vehicles", name, body={"vin": vin(1), "weight_lbs": 1, "drive_type": "AWD"})),
        (413, Ask("bad", "POST", auto, name, body=booking | {"test_type": "x" * 140_000})),
        (428, Ask("bad", "PATCH", one, name, Caller.POWER_USER, body={"status": "completed"})),
    ]
    status, ask = sight.chance.choice(bad)
    return replace(ask, answers=frozenset({status}), tracked=False)


def _admin(
    kind: str,
    method: str,
    path: str,
    name: str,
    body: Json | None = None,
    *,
    headers: dict[str, str] | None = None,
    answers: frozenset[int] = frozenset({200}),
    looks_first: bool = False,
) -> Ask:
    return Ask(
        kind, method, path, name, Caller.ADMIN,
        body=body, headers=headers or {}, answers=answers, looks_first=looks_first,
    )  # fmt: skip


_ASK: dict[str, Callable[[Sight], Ask]] = {
    "lists": _lists,
    "availability": _availability,
    "registry": _registry,
    "reports": _reports,
    "people": _people,
    "described": _described,
    "bad": _bad,
}
