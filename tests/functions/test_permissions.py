"""Every route of every door, for everybody who may come, of whatever is there: as tests/matrix.py has it written."""

from types import ModuleType
from typing import Any

import pytest

from dyno.auth import PERMISSIONS, Permission, Reach, Role
from dyno.http import Door, allow
from dyno.settings import settings
from tests.doors import DOORS, routes
from tests.functions.conftest import Call, Caller
from tests.lab import Lab
from tests.matrix import MATRIX, PAGE, ROWS, Ask, Row, Said, rendered, said, strays, unlike
from tests.things import Asked, Things

PEOPLE = {caller: str(caller) for caller in Caller}


@pytest.fixture
def things(lab: Lab) -> Things:
    return Things(lab.sql)


@pytest.fixture
def ask(call: Call) -> Ask:
    """Asks the door itself, as somebody."""
    door_of = {route: door for route, door, _ in routes()}

    def answer(caller: Caller, asked: Asked) -> Said:
        parts = {"query": asked.query, "headers": asked.headers, "body": asked.body}
        answered = call(door_of[asked.route], asked.method, asked.path, caller=caller, **parts)
        return said(answered.status, answered.body)

    return answer


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route)
def test_a_route_admits_whom_the_matrix_says_and_no_others(ask: Ask, things: Things, row: Row) -> None:
    assert unlike(ask, things, row, PEOPLE) == []


def test_every_route_is_in_the_matrix_and_takes_the_permission_it_says() -> None:
    assert strays() == []
    assert len(MATRIX) == len(ROWS)


def function_of(route: str) -> Any:
    [function] = [function for each, _, function in routes() if each == route]
    return function


@pytest.mark.parametrize(
    ("route", "weaker"),
    [
        ("PATCH /dynos/{dyno_id}", Permission.VIEW_DYNOS),
        ("POST /users", Permission.ALLOCATE_VEHICLE),
        ("PATCH /allocations/{allocation_id}", Permission.DELETE_ALLOCATION),
        ("GET /vehicles", Permission.SIGNED_IN),
        ("GET /metrics/performance", Permission.SCRAPE),
        ("GET /users/{user_id}", Permission.PUBLIC),
    ],
)
def test_a_route_that_takes_a_weaker_permission_is_found(
    ask: Ask, things: Things, monkeypatch: pytest.MonkeyPatch, route: str, weaker: Permission
) -> None:
    monkeypatch.setitem(function_of(route).__dict__, "permission", weaker)

    assert unlike(ask, things, MATRIX[route], PEOPLE) != []
    assert strays() == [f"{route}: takes {weaker}, not {MATRIX[route].permission}"]


def test_a_user_who_may_cancel_anybodys_is_found(ask: Ask, things: Things, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PERMISSIONS, Permission.DELETE_ALLOCATION, dict.fromkeys(Role, Reach.ANY))

    found = unlike(ask, things, MATRIX["DELETE /allocations/{allocation_id}"], PEOPLE)

    assert [each.split(": ")[0] for each in found] == ["DELETE /allocations/{allocation_id} by user of another's"] * 2
    assert found[1].endswith("changed")


def test_a_refusal_of_what_was_done_all_the_same_is_found(ask: Ask, things: Things) -> None:
    def late(caller: Caller, asked: Asked) -> Said:
        answered = ask(caller, asked)
        if caller is Caller.USER:
            ask(Caller.ADMIN, asked)
        return answered

    found = unlike(late, things, MATRIX["PATCH /vehicles/{vehicle_id}"], PEOPLE)

    assert found == ["PATCH /vehicles/{vehicle_id} by user of another's: changed"]


def test_a_role_that_lost_a_permission_is_found(ask: Ask, things: Things, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PERMISSIONS, Permission.MODIFY_ALLOCATION, {Role.ADMIN: Reach.ANY})

    found = unlike(ask, things, MATRIX["PATCH /allocations/{allocation_id}"], PEOPLE)

    assert {each.split(" of ")[0] for each in found} == {"PATCH /allocations/{allocation_id} by power_user"}


def test_a_route_that_the_matrix_lacks_is_found() -> None:
    door = Door(settings)

    @door.get("/backdoor/<dyno_id>")
    @allow(Permission.VIEW_DYNOS)
    def backdoor(dyno_id: str) -> dict[str, str]:
        return {"dyno_id": dyno_id}

    new = ModuleType("functions.backdoor.handler")
    new.__dict__["door"] = door

    assert strays(doors=[*DOORS, new]) == ["GET /backdoor/{dyno_id}: add it to TABLE in tests/matrix.py"]


def test_a_row_whose_route_is_gone_is_found() -> None:
    gone = Row.read("GET /yesterday view:dynos any any any - - -")

    assert strays([*ROWS, gone]) == ["GET /yesterday: there is no such route; take it out of tests/matrix.py"]


def test_the_page_of_permissions_is_what_the_matrix_says() -> None:
    page = PAGE.read_text()
    spoilt = page.replace("| own |", "| any |")

    assert rendered(page) == page, "docs/permissions.md is out of date: run `make docs` and commit it"
    assert rendered(spoilt) == page != spoilt


def test_the_table_is_the_one_agreed_on() -> None:
    own, every = Reach.OWN, Reach.ANY
    shown = {
        permission.value: tuple(PERMISSIONS[permission].get(role, Reach.NONE) for role in Role)
        for permission in PERMISSIONS
    }

    everybody = (every, every, every)
    admins = (Reach.NONE, Reach.NONE, every)
    assert shown == {
        "view:dynos": everybody,
        "view:vehicles": everybody,
        "view:allocations": everybody,
        "view:metrics": everybody,
        "view:roi": everybody,
        "allocate:vehicle": everybody,
        "delete:allocation": (own, every, every),
        "modify:allocation": (Reach.NONE, every, every),
        "manage:dynos": admins,
        "manage:vehicles": admins,
        "manage:maintenance": admins,
        "import:data": admins,
        "manage:assumptions": admins,
        "manage:calendars": (own, own, every),
        "view:users": admins,
        "manage:users": admins,
    }


def test_a_door_with_an_unguarded_route_does_not_start() -> None:
    door = Door(settings)

    @door.get("/open")
    def unguarded() -> dict[str, str]:
        return {}

    with pytest.raises(TypeError, match="GET /open"):
        door.check()


def test_a_door_whose_routes_are_guarded_starts() -> None:
    door = Door(settings)

    @door.get("/guarded")
    @allow(Permission.VIEW_DYNOS)
    def guarded() -> dict[str, str]:
        return {}

    assert door.check() is door
