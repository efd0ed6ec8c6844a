"""Whatever the API's description permits, and much that it does not, is answered as it says."""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from schemathesis.core.failures import FailureGroup

from dyno.allocation import registry, service
from dyno.errors import Conflict
from dyno.paging import Page
from tests.conftest import EMPTY
from tests.functions.fuzzing import Enter, Gateway, fuzz, walk
from tests.lab import Lab
from tests.openapi.document import DOORS, PAGE
from tests.openapi.world import arrange

FEW = 500
CASES = int(os.environ.get("CASES", FEW))
"""`make fuzz CASES=10000` asks more, and others every time."""


@pytest.fixture
def gateway(lab: Lab, enter: Enter) -> Gateway:
    """The API over the example lab."""

    def renew() -> None:
        lab.sql(EMPTY)
        arrange(lab)

    return Gateway(DOORS, enter, renew)


def described() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(PAGE.read_text())
    return document


def test_whatever_is_asked_is_answered_as_described(gateway: Gateway) -> None:
    fuzz(described(), gateway, CASES * 2 // 3, derandomize=CASES == FEW)

    got_somewhere = {route for route, status in gateway.answered if status < 400}
    routes = {f"{method} {path}" for door in DOORS for method, path, _ in door.door.routes()}
    assert routes - got_somewhere == set(), "never asked with success: see LIKELY in tests/functions/fuzzing.py"
    assert gateway.answered.total() >= CASES / 3


def test_whatever_is_made_can_be_looked_at_and_changed(gateway: Gateway) -> None:
    walk(described(), gateway, CASES, derandomize=CASES == FEW)

    assert gateway.answered["POST /allocations/auto", 201] + gateway.answered["POST /allocations", 201]
    assert gateway.answered["POST /users", 201]


def broken(*_: object, **__: object) -> Any:
    raise ZeroDivisionError


def undescribed(*_: object, **__: object) -> Any:
    raise Conflict("not said of a list")


def of_another_type(*_: object, **__: object) -> Any:
    return Page.model_construct(items=[{"dyno_id": "one"}], next_cursor=None)


@pytest.mark.parametrize("fault", [broken, undescribed, of_another_type])
def test_a_fault_that_is_planted_is_found(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Any]
) -> None:
    monkeypatch.setattr(registry, "list_dynos", fault)
    only = described()
    only["paths"] = {"/dynos": only["paths"]["/dynos"]}

    with pytest.raises(FailureGroup):
        fuzz(only, gateway, 30)


def test_a_fault_of_what_was_just_booked_is_found_along_the_links(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = service.get_allocation
    monkeypatch.setattr(
        service, "get_allocation", lambda *asked: broken() if found(*asked).booked_by == "admin" else found(*asked)
    )
    only = described()
    only["paths"] = {path: only["paths"][path] for path in ("/allocations/auto", "/allocations/{allocation_id}")}

    with pytest.raises(FailureGroup):
        walk(only, gateway, 900)
