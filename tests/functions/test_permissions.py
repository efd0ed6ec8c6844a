"""Every route of every door, for everybody who may come; generated from the doors and the one table."""

import re
from types import ModuleType
from typing import Any

import pytest

from dyno.auth import PERMISSIONS, Permission, Reach, Role
from dyno.http import Door, allow
from dyno.settings import settings
from functions.allocations import handler as allocations
from functions.metrics import handler as metrics
from functions.roi import handler as roi
from tests.functions.conftest import Call, Caller

ROUTES = [(door, *route) for door in (allocations, metrics, roi) for route in door.door.routes()]
IDS = [f"{method} {path}" for _, method, path, _ in ROUTES]


def admitted(caller: Caller, permission: Permission) -> int | None:
    """The status that refuses a caller; None if they pass. Spelt out again, beside the code it checks."""
    if permission is Permission.PUBLIC:
        return None
    match caller:
        case Caller.NOBODY:
            return 401
        case Caller.SCRAPER:
            return None if permission is Permission.SCRAPE else 403
        case Caller.NO_GROUP:
            return None if permission is Permission.SIGNED_IN else 403
    if permission is Permission.SIGNED_IN:
        return None
    return None if PERMISSIONS.get(permission, {}).get(Role(caller)) else 403


@pytest.mark.parametrize("caller", Caller)
@pytest.mark.parametrize(("door", "method", "path", "function"), ROUTES, ids=IDS)
def test_a_route_admits_whom_the_table_says(
    call: Call, door: ModuleType, method: str, path: str, function: Any, caller: Caller
) -> None:
    said = call(door, method, re.sub(r"<\w+_id>", "999", path), caller=caller)

    refused = admitted(caller, function.permission)
    if refused is None:
        assert said.status not in (401, 403)
    else:
        assert (said.status, said.headers["Content-Type"]) == (refused, "application/problem+json")
        assert said.body["code"] == {401: "unauthorized", 403: "forbidden"}[refused]


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
