"""
Who may do what with whose things: every route for everybody who may come, written out beside the code that it checks.

`python -m tests.matrix` writes the same into docs/permissions.md. A new route is a line here, and in tests/things.py
what it takes, if it takes a body or a query.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType

from cdk.stage import ROOT
from tests.doors import DOORS, routes
from tests.functions.conftest import Caller
from tests.things import Asked, Things, about, request

PAGE = ROOT / "docs" / "permissions.md"

OWN, ANY, NO = "own", "any", "-"
"""Whose things somebody may do it with."""

TABLE = """
route                                            permission          user  power_user  admin  no_group  scraper  nobody
POST   /allocations/auto                         allocate:vehicle    any   any         any    -         -        -
POST   /allocations                              allocate:vehicle    any   any         any    -         -        -
GET    /allocations                              view:allocations    any   any         any    -         -        -
GET    /allocations/conflicts                    view:allocations    any   any         any    -         -        -
GET    /allocations/refusals                     view:allocations    any   any         any    -         -        -
GET    /allocations/{allocation_id}              view:allocations    any   any         any    -         -        -
GET    /allocations/{allocation_id}/history      view:allocations    any   any         any    -         -        -
PATCH  /allocations/{allocation_id}              modify:allocation   -     any         any    -         -        -
DELETE /allocations/{allocation_id}              delete:allocation   own   any         any    -         -        -
POST   /dynos                                    manage:dynos        -     -           any    -         -        -
GET    /dynos                                    view:dynos          any   any         any    -         -        -
GET    /dynos/{dyno_id}                          view:dynos          any   any         any    -         -        -
PATCH  /dynos/{dyno_id}                          manage:dynos        -     -           any    -         -        -
GET    /dynos/availability                       view:dynos          any   any         any    -         -        -
GET    /dynos/{dyno_id}/schedule                 view:dynos          any   any         any    -         -        -
GET    /dynos/maintenance                        view:dynos          any   any         any    -         -        -
GET    /dynos/{dyno_id}/maintenance              view:dynos          any   any         any    -         -        -
POST   /dynos/{dyno_id}/maintenance              manage:maintenance  -     -           any    -         -        -
DELETE /dynos/{dyno_id}/maintenance/{window_id}  manage:maintenance  -     -           any    -         -        -
POST   /vehicles                                 manage:vehicles     -     -           any    -         -        -
GET    /vehicles                                 view:vehicles       any   any         any    -         -        -
GET    /vehicles/{vehicle_id}                    view:vehicles       any   any         any    -         -        -
PATCH  /vehicles/{vehicle_id}                    manage:vehicles     -     -           any    -         -        -
GET    /me                                       signed-in           any   any         any    any       -        -
POST   /users                                    manage:users        -     -           any    -         -        -
GET    /users                                    view:users          -     -           any    -         -        -
GET    /users/{user_id}                          view:users          -     -           any    -         -        -
PATCH  /users/{user_id}                          manage:users        -     -           any    -         -        -
DELETE /users/{user_id}                          manage:users        -     -           any    -         -        -
POST   /imports                                  import:data         -     -           any    -         -        -
POST   /imports/uploads                          import:data         -     -           any    -         -        -
GET    /imports/{import_id}                      import:data         -     -           any    -         -        -
GET    /metrics/performance                      view:metrics        any   any         any    -         -        -
GET    /metrics/calls                            view:metrics        any   any         any    -         -        -
GET    /metrics/health                           view:metrics        any   any         any    -         -        -
GET    /metrics/prometheus                       metrics/read        -     -           -      -         any      -
GET    /metrics/business                         view:roi            any   any         any    -         -        -
GET    /metrics/roi                              view:roi            any   any         any    -         -        -
GET    /metrics/roi.html                         view:roi            any   any         any    -         -        -
GET    /metrics/roi/assumptions                  view:roi            any   any         any    -         -        -
PUT    /metrics/roi/assumptions                  manage:assumptions  -     -           any    -         -        -
GET    /metrics/demand                           view:roi            any   any         any    -         -        -
GET    /exports/allocations.csv                  view:allocations    any   any         any    -         -        -
GET    /exports/allocations.xlsx                 view:allocations    any   any         any    -         -        -
GET    /exports/allocations.ics                  view:allocations    any   any         any    -         -        -
GET    /exports/lab.xlsx                         import:data         -     -           any    -         -        -
POST   /calendars                                manage:calendars    any   any         any    -         -        -
GET    /calendars                                manage:calendars    any   any         any    -         -        -
DELETE /calendars/{calendar_id}                  manage:calendars    own   own         any    -         -        -
GET    /exports/calendar.ics                     public              any   any         any    any       any      any
GET    /health/live                              public              any   any         any    any       any      any
GET    /health/ready                             public              any   any         any    any       any      any
GET    /openapi.json                             public              any   any         any    any       any      any
GET    /docs                                     public              any   any         any    any       any      any
"""


@dataclass(frozen=True)
class Row:
    """One route: the permission it takes, and whose things each caller may do it with."""

    route: str
    permission: str
    reach: Mapping[Caller, str]

    @classmethod
    def read(cls, line: str) -> "Row":
        method, path, permission, *reach = line.split()
        return cls(f"{method} {path}", permission, dict(zip(Caller, reach, strict=True)))

    @property
    def changes(self) -> bool:
        """Whether it is there to change something."""
        return not self.route.startswith("GET ")


ROWS = tuple(map(Row.read, TABLE.strip().splitlines()[1:]))
MATRIX = {row.route: row for row in ROWS}


class Whose(StrEnum):
    """The thing that a request is about."""

    OWN = "the caller's own"
    ANOTHERS = "another's"
    NOBODYS = "nobody's"
    NONE = "no one thing"


@dataclass(frozen=True)
class Said:
    """As much of an answer as tells whether somebody was let in."""

    status: int
    code: str | None = None


Ask = Callable[[Caller, Asked], Said]


def unlike(ask: Ask, things: Things, row: Row, callers: Mapping[Caller, str], *, at_gateway: int = 403) -> list[str]:
    """
    What a route does otherwise than its row says, asked by everybody of whatever there is.

    Args:
        callers: By their ids in the user pool.
        at_gateway: The status that refuses people where only machines are let in.
    """
    found = []
    for caller, sub in callers.items():
        for whose in _kinds(row.route):
            owner = {Whose.OWN: sub, Whose.ANOTHERS: f"not-{sub}", Whose.NOBODYS: None, Whose.NONE: sub}[whose]
            asked = request(things, row.route, about(things, row.route, owner))
            before = things.fingerprint()
            said = ask(caller, asked)
            has_changed = things.fingerprint() != before
            expected = _expected(row, caller, whose, at_gateway)
            if said != expected:
                found.append(f"{row.route} by {caller} of {whose}: {said}, not {expected}")
            if has_changed is not (row.changes and expected.status == OK):
                found.append(f"{row.route} by {caller} of {whose}: {'changed' if has_changed else 'changed nothing'}")
    return found


NOT_ONES_OWN = {"DELETE /users/{user_id}": "own_account"}
"""Routes by which nobody may do something to themselves, whatever they hold, and the code of that refusal."""

OK, UNAUTHORIZED, FORBIDDEN, MISSING, CONFLICT = 200, 401, 403, 404, 409
"""200 stands for whatever says that it was done."""


def _kinds(route: str) -> tuple[Whose, ...]:
    if any(name in route for name in ("{allocation_id}", "{user_id}", "{calendar_id}")):
        return Whose.OWN, Whose.ANOTHERS, Whose.NOBODYS
    return (Whose.ANOTHERS, Whose.NOBODYS) if "{" in route else (Whose.NONE,)


def _expected(row: Row, caller: Caller, whose: Whose, at_gateway: int) -> Said:
    reach = row.reach[caller]
    if reach == NO:
        # Whether the thing is there is not said to whom it is not to be shown.
        by_kind = at_gateway if row.permission == "metrics/read" else FORBIDDEN
        status = UNAUTHORIZED if caller is Caller.NOBODY else by_kind
        return Said(status, {UNAUTHORIZED: "unauthorized", FORBIDDEN: "forbidden"}[status])
    if whose is Whose.NOBODYS:
        return Said(MISSING)
    if whose is Whose.OWN and row.route in NOT_ONES_OWN:
        return Said(CONFLICT, NOT_ONES_OWN[row.route])
    if reach == OWN and whose is Whose.ANOTHERS:
        return Said(FORBIDDEN, "forbidden")
    return Said(OK)


def said(status: int, body: object) -> Said:
    """An answer as it is compared: of refusals the code, of a success that it is one, of a 404 that it is one."""
    if 200 <= status < 300:
        return Said(OK)
    code = body.get("code") if isinstance(body, Mapping) else None
    return Said(status, None if status == MISSING else code)


def strays(rows: Iterable[Row] = ROWS, doors: Iterable[ModuleType] = DOORS) -> list[str]:
    """Routes without a row, rows without a route, and routes that take another permission than their row says."""
    guarded = {route: str(function.__dict__["permission"]) for route, _, function in routes(doors)}
    written = {row.route: row.permission for row in rows}
    return [
        *(f"{route}: add it to TABLE in tests/matrix.py" for route in sorted(guarded.keys() - written.keys())),
        *(f"{route}: there is no such route; take it out of tests/matrix.py" for route in written.keys() - guarded),
        *(
            f"{route}: takes {guarded[route]}, not {permission}"
            for route, permission in written.items()
            if guarded.get(route, permission) != permission
        ),
    ]


def rendered(page: str) -> str:
    """The page with its table anew, between `<!-- matrix -->` and `<!-- end -->`."""
    return re.sub(
        r"(<!-- matrix -->\n).*?(<!-- end -->)",
        lambda place: place[1] + "".join(f"{line}\n" for line in _lines()) + place[2],
        page,
        flags=re.DOTALL,
    )


def _lines() -> Iterator[str]:
    yield "| route | permission | user | power_user | admin | no group | machine | nobody |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in ROWS:
        reach = [{NO: "–"}.get(each, each) for each in row.reach.values()]
        yield f"| `{row.route}` | {row.permission} | {' | '.join(reach)} |"


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
