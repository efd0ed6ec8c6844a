"""Somebody whom an admin has disabled: every door is closed to them at once, whatever token they have."""

from collections.abc import Callable

import pytest

from dyno import database
from functions.allocations import handler as allocations
from functions.metrics import handler as metrics
from tests.doors import routes
from tests.functions.conftest import Answer, Call, Caller
from tests.lab import Lab
from tests.things import Things, about, request

WITHOUT_THE_DATABASE = {"GET /me", "GET /health/live", "GET /health/ready", "GET /openapi.json", "GET /docs"}
MACHINES = {"GET /metrics/prometheus"}
CLOSED = sorted(route for route, _, _ in routes() if route not in WITHOUT_THE_DATABASE | MACHINES)

Try = Callable[[str], tuple[Answer, bool]]


@pytest.fixture
def attempt(call: Call, lab: Lab) -> Try:
    """Asks a route for something that is there, as somebody who may do all; and whether that changed anything."""
    things, door_of = Things(lab.sql), {route: door for route, door, _ in routes()}

    def answer(route: str) -> tuple[Answer, bool]:
        asked = request(things, route, about(things, route, "not-admin"))
        parts = {"query": asked.query, "headers": asked.headers, "body": asked.body}
        before = things.fingerprint()
        answered = call(door_of[asked.route], asked.method, asked.path, caller=Caller.ADMIN, **parts)
        return answered, things.fingerprint() != before

    return answer


def disable(lab: Lab, sub: str = "admin") -> None:
    lab.sql(
        "insert into users (sub, role, enrolled_at, disabled_at) values (:sub, 'admin', now(), now())"
        " on conflict (sub) do update set disabled_at = now()",
        sub=sub,
    )


@pytest.mark.parametrize("route", CLOSED)
def test_every_route_is_closed_to_who_is_disabled_and_nothing_is_done(lab: Lab, attempt: Try, route: str) -> None:
    disable(lab)

    refused, has_changed = attempt(route)

    assert (refused.status, refused.body["code"], has_changed) == (403, "account_disabled", False)


@pytest.mark.parametrize("route", ["GET /vehicles", "POST /allocations/auto", "GET /metrics/performance"])
def test_a_door_that_does_not_ask_would_be_found(
    lab: Lab, attempt: Try, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    disable(lab)
    monkeypatch.setattr(database, "_ADMIT", "select where cast($1 as text) is null")

    assert attempt(route)[0].status in {200, 201}


def test_disabling_and_enabling_is_a_change_like_others_and_at_once(lab: Lab, call: Call) -> None:
    lab.sql("insert into users (sub) values ('user')")  # was seen, and is not enrolled

    def change(disabled: object, version: int) -> Answer:
        headers = {"If-Match": f'"{version}"'}
        return call(allocations, "PATCH", "/users/1", caller=Caller.ADMIN, body={"disabled": disabled}, headers=headers)

    disabled, again = change(True, 1), change(True, 2)
    closed = call(allocations, "GET", "/vehicles")
    enabled = change(False, 2)
    emptied = change(None, 3)

    assert (disabled.status, disabled.body["version"], again.body) == (200, 2, disabled.body)
    assert disabled.body["disabled_at"]
    assert (closed.status, closed.body["code"]) == (403, "account_disabled")
    assert (enabled.body["disabled_at"], enabled.body["version"]) == (None, 3)
    assert call(allocations, "GET", "/vehicles").status == 200
    assert emptied.status == 422


def test_nobody_disables_themselves(lab: Lab, call: Call) -> None:
    lab.sql("insert into users (sub, role, enrolled_at) values ('admin', 'admin', now())")

    refused = call(
        allocations,
        "PATCH",
        "/users/1",
        caller=Caller.ADMIN,
        body={"disabled": True},
        headers={"If-Match": '"1"'},
    )

    assert (refused.status, refused.body["code"]) == (409, "own_account")
    assert call(allocations, "GET", "/vehicles", caller=Caller.ADMIN).status == 200


def test_who_is_disabled_still_counts_as_who_they_are(lab: Lab, call: Call) -> None:
    disable(lab, "somebody")

    listed = call(allocations, "GET", "/users", caller=Caller.ADMIN, query={"enrolled": "true"})

    assert [person["sub"] for person in listed.body["items"]] == ["somebody"]


def test_the_deep_health_check_takes_it_for_no_fault_of_the_database(lab: Lab, call: Call) -> None:
    disable(lab)

    assert call(metrics, "GET", "/metrics/health", caller=Caller.ADMIN).body["code"] == "account_disabled"
