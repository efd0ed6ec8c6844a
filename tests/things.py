"""Things of the lab and of its people, fresh ones for each request, and a request of each route that would succeed."""

import itertools
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.openapi.described import sample

Sql = Callable[..., Any]
"""Runs a statement with its values; gives the first value of what it gives."""

Body = dict[str, Any]

KEPT = (
    *("dynos", "capabilities", "order_of_choice", "vehicles", "registry_history", "occupancies", "history"),
    *("idempotency_keys", "imported_requests", "import_jobs", "refusals", "roi_assumptions", "calendars"),
)
"""Tables that only a request writes to."""


@dataclass(frozen=True)
class Asked:
    """A request that has all it needs but the right to be granted."""

    route: str
    path: str
    query: dict[str, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Body | str | None = None

    @property
    def method(self) -> str:
        return self.route.split()[0]


class Things:
    """What requests are about; nothing that is made here is in the way of anything else."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self._numbers = itertools.count(1)
        self._mark = secrets.token_hex(3).upper()

    def name(self) -> str:
        """One that nothing has."""
        return f"{self._mark}-{next(self._numbers)}"

    def vin(self) -> str:
        """One that no vehicle has."""
        return f"9ZZ0{self._mark}{next(self._numbers):07d}"

    def day(self) -> str:
        """The first of ten days, some months ahead, on which nobody wants anything."""
        days = 200 + 10 * (next(self._numbers) % 100)
        return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()

    def dyno(self) -> int:
        """A dyno for the test of its own name, which nothing else can run."""
        name = self.name()
        dyno_id: int = self._sql("insert into dynos (name, breadth) values (:name, 4) returning id", name=name)
        self._sql(
            "insert into capabilities (dyno_id, test_type, drive_type, weight_class)"
            " values (:dyno_id, :test_type, 'any', 'any') returning dyno_id",
            dyno_id=dyno_id,
            test_type=name,
        )
        return dyno_id

    def vehicle(self) -> int:
        vehicle_id: int = self._sql(
            "insert into vehicles (vin, weight_lbs, drive_type) values (:vin, 5000, 'AWD') returning id", vin=self.vin()
        )
        return vehicle_id

    def allocation(self, sub: str) -> int:
        """Some days of a dyno, booked by somebody."""
        allocation_id: int = self._sql(
            "insert into occupancies (kind, dyno_id, vehicle_id, test_type, start_date, end_date, booked_by)"
            " select 'allocation', d.id, :vehicle_id, d.name, cast(:day as date), cast(:day as date), :sub"
            " from dynos d where d.id = :dyno_id returning id",
            vehicle_id=self.vehicle(),
            dyno_id=self.dyno(),
            day=self.day(),
            sub=sub,
        )
        return allocation_id

    def window(self, dyno_id: int) -> int:
        """Some days on which a dyno is closed."""
        window_id: int = self._sql(
            "insert into occupancies (kind, dyno_id, reason, start_date, end_date)"
            " values ('maintenance', :dyno_id, 'calibration', cast(:day as date), cast(:day as date)) returning id",
            dyno_id=dyno_id,
            day=self.day(),
        )
        return window_id

    def user(self, sub: str) -> int:
        """Somebody who is enrolled, as they were on their first day."""
        user_id: int = self._sql(
            "insert into users as u (sub, role, enrolled_at) values (:sub, 'user', now()) on conflict (sub) do update"
            " set role = 'user', enrolled_at = now(), left_at = null, version = u.version + 1 returning id",
            sub=sub,
        )
        return user_id

    def calendar(self, sub: str, token: str | None = None) -> int:
        """What somebody subscribes to, in use since just now."""
        calendar_id: int = self._sql(
            "insert into calendars (token_hash, owner, scope, last_used_at)"
            " values (sha256(convert_to(:token, 'UTF8')), :sub, 'everything', now()) returning id",
            token=token or self.name(),
            sub=sub,
        )
        return calendar_id

    def upload(self, sub: str) -> int:
        """A file that somebody is to send."""
        import_id: int = self._sql(
            "insert into import_jobs (owner, role, wanted, upload_until) values (:sub, 'admin',"
            """ '{"content_type": "text/csv", "size_bytes": 9}', now()) returning id""",
            sub=sub,
        )
        return import_id

    def token(self) -> str:
        """Of a calendar that is there."""
        token = f"cal_{secrets.token_urlsafe(32)}"
        self.calendar("somebody", token)
        return token

    def version(self, table: str, thing_id: int) -> int:
        if table in {"calendars", "import_jobs"}:  # no request changes one
            return 1
        version: int = self._sql(f"select version from {table} where id = :id", id=thing_id)
        return version

    def missing(self, table: str) -> int:
        """An id that nothing has."""
        highest: int = self._sql(f"select coalesce(max(id), 0) from {table}")
        return highest + 1_000

    def test_of(self, dyno_id: int) -> str:
        """What a dyno of these can run."""
        test: str = self._sql("select name from dynos where id = :id", id=dyno_id)
        return test

    def fingerprint(self) -> str:
        """Of all that requests can change: the same before and after one that changed nothing."""
        rows = " union all ".join(f"select '{table}' || t::text as row from {table} t" for table in KEPT)
        people = "select 'users' || u::text from users u where enrolled_at is not null"  # others come by being seen
        found: str = self._sql(f"select md5(string_agg(row, '|' order by row)) from ({rows} union all {people}) rows")
        return found

    def order(self, dyno_id: int) -> Body:
        """A booking that only that dyno can take."""
        return {
            "vehicle_id": self.vehicle(),
            "test_type": self.test_of(dyno_id),
            "start_date": self.day(),
            "days_to_complete": 1,
        }


@dataclass(frozen=True)
class About:
    """What a request is about: ids by the names that paths have for them, and the version of the last one."""

    ids: Mapping[str, int]
    version: int = 1


MAKERS: Mapping[str, tuple[str, Callable[[Things, str], int]]] = {
    "allocation_id": ("occupancies", Things.allocation),
    "dyno_id": ("dynos", lambda things, _: things.dyno()),
    "vehicle_id": ("vehicles", lambda things, _: things.vehicle()),
    "user_id": ("users", Things.user),
    "calendar_id": ("calendars", lambda things, sub: things.calendar(sub)),
    "import_id": ("import_jobs", Things.upload),
}
"""By the name of an id: the table, and how to make such a thing for somebody."""

BODIES: Mapping[str, Callable[[Things, About], Body]] = {
    "POST /allocations/auto": lambda things, _: things.order(things.dyno()),
    "POST /allocations": lambda things, _: things.order(dyno_id := things.dyno()) | {"dyno_id": dyno_id},
    "PATCH /allocations/{allocation_id}": lambda *_: {"days_to_complete": 2},
    "POST /dynos": lambda things, _: {
        "name": things.name(),
        "capabilities": [{"test_type": things.name(), "drive_type": "any", "weight_class": "any"}],
    },
    "PATCH /dynos/{dyno_id}": lambda things, _: {"facility": things.name()},
    "POST /dynos/{dyno_id}/maintenance": lambda things, _: {
        "start_date": (day := things.day()),
        "end_date": day,
        "reason": "calibration",
    },
    "POST /vehicles": lambda things, _: {"vin": things.vin(), "weight_lbs": 5200, "drive_type": "2WD"},
    "PATCH /vehicles/{vehicle_id}": lambda *_: {"weight_lbs": 5300},
    "POST /calendars": lambda *_: {"scope": "everything"},
    "POST /imports/uploads": lambda *_: {"content_type": "text/csv", "size_bytes": 9},
    "POST /users": lambda things, _: {"sub": f"nobody-{things.name()}"},
    "PATCH /users/{user_id}": lambda *_: {"role": "power_user"},
    "PUT /metrics/roi/assumptions": lambda things, _: {
        "valid_from": "2199-01-01",  # no report is of that time
        "reason": things.name(),
        "assumptions": sample("assumed")["assumptions"],
    },
}
"""Of each route that takes one."""

FILES: Mapping[str, Callable[[Things], str]] = {
    "POST /imports": lambda things: f"VIN,Weight (lbs),Drive\n{things.vin()},5200,2WD\n",
}
"""Of each route that takes a file instead."""

QUERIES: Mapping[str, Callable[[Things], dict[str, str]]] = {
    "GET /dynos/availability": lambda things: {
        "drive_type": "AWD",
        "weight_lbs": "5000",
        "test_type": things.name(),
        "start_date": things.day(),
    },
    "GET /exports/calendar.ics": lambda things: {"token": things.token()},
    "GET /metrics/calls": lambda things: {"correlation_id": things.name()},
}
"""Of each route that cannot do without one."""


def about(things: Things, route: str, sub: str | None) -> About:
    """
    What a request of a route is about.

    Args:
        sub: Whose it is; None for nobody's, as it is not there.
    """
    names = [part[1:-1] for part in route.split("/") if part.startswith("{")]
    if not names:
        return About({})
    if names == ["dyno_id", "window_id"]:
        dyno_id = things.dyno()
        return About(
            {"dyno_id": dyno_id, "window_id": things.window(dyno_id) if sub else things.missing("occupancies")}
        )
    [name] = names
    table, make = MAKERS[name]
    if sub is None:
        return About({name: things.missing(table)})
    made = make(things, sub)
    return About({name: made}, things.version(table, made))


def request(things: Things, route: str, of: About) -> Asked:
    """A request that succeeds, if whoever asks may."""
    method, path = route.split()
    body, file, query = BODIES.get(route), FILES.get(route), QUERIES.get(route)
    headers = {"Content-Type": "text/csv"} if file else {}
    return Asked(
        route,
        path.format(**of.ids),
        query(things) if query else None,
        headers | ({"If-Match": f'"{of.version}"'} if method == "PATCH" or route == "DELETE /users/{user_id}" else {}),
        body(things, of) if body else file(things) if file else None,
    )
