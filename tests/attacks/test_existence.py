"""Finding out who is there: by what is answered, by how much work an answer is, and by signing in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk.assertions import Template
from sqlalchemy import Connection, Engine, event, text

from cdk.constructs.identity import Identity
from cdk.constructs.sign_in import SignIn
from dyno.allocation import store
from dyno.allocation.model import Placement
from dyno.auth import Permission
from tests.attacks.conftest import Knock
from tests.doors import routes
from tests.functions.conftest import Answer, Caller, claims
from tests.lab import Lab
from tests.matrix import MATRIX, NO
from tests.things import Asked, Things

OTHERS = [caller for caller in Caller if MATRIX["GET /users"].reach[caller] == NO]
OF_PEOPLE = [route for route in MATRIX if route.split()[1].startswith("/users")]


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every statement that the database is sent meanwhile."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def told(knock: Knock, asked: Asked, caller: Caller) -> tuple[Answer, int]:
    """The answer, without the marks of its request, and how many statements it took."""
    with statements() as sent:
        answer = knock(asked, claims(caller))
    body = {name: value for name, value in answer.body.items() if name != "correlation_id"}
    return Answer(answer.status, {}, body), len(sent)


def tells(knock: Knock, things: Things, route: str, caller: Caller) -> list[str]:
    """By what a route tells somebody that a person is there."""
    there = things.user("ann")
    asked = []
    for user_id, sub in ((there, "ann"), (there + 1_000, "nobody-of-that-name")):
        path = route.split()[1].format(user_id=user_id)
        body = {"sub": sub} if route == "POST /users" else {"role": "user"} if route.startswith("PATCH") else None
        query = {"cursor": "nonsense"} if route == "GET /users" and sub != "ann" else None
        asked.append(told(knock, Asked(route, path, query, body=body), caller))
    (known, known_cost), (unknown, unknown_cost) = asked
    found = [] if known == unknown else [f"{known} and {unknown}"]
    return found if known_cost == unknown_cost == 0 else [*found, f"{known_cost} and {unknown_cost} statements"]


@pytest.mark.parametrize("caller", OTHERS)
@pytest.mark.parametrize("route", OF_PEOPLE)
def test_nobody_but_admins_finds_out_who_is_there(knock: Knock, things: Things, route: str, caller: Caller) -> None:
    assert tells(knock, things, route, caller) == []


def test_a_route_that_tells_who_is_there_is_found(
    knock: Knock, things: Things, monkeypatch: pytest.MonkeyPatch
) -> None:
    [function] = [function for route, _, function in routes() if route == "GET /users/{user_id}"]
    monkeypatch.setitem(function.__dict__, "permission", Permission.VIEW_DYNOS)

    found = tells(knock, things, "GET /users/{user_id}", Caller.USER)

    assert [each.split(" ", 1)[1] for each in found if each.endswith("statements")] == ["and 1 statements"]
    assert len(found) == 2


def cost_of_a_vin(knock: Knock, things: Things, lab: Lab) -> dict[str, tuple[int, int]]:
    """Status and statements of the same booking of a vehicle that is there, of one that is not, and of one retired."""
    dyno_id = things.dyno()
    found = {}
    for name in ("there", "retired", "not there"):
        body = things.order(dyno_id)
        vin = lab.sql("select vin from vehicles where id = :id", id=body.pop("vehicle_id"))
        if name == "retired":
            lab.sql("update vehicles set retired_at = now() where vin = :vin", vin=vin)
        asked = Asked(
            "POST /allocations/auto", "/allocations/auto", body=body | {"vin": vin if name != "not there" else "X"}
        )
        knock(asked, None)  # whatever is done once is done
        answer, cost = told(knock, asked, Caller.USER)
        found[name] = (answer.status, cost)
    return found


def test_a_vin_that_nobody_has_costs_what_one_costs_that_is_there(knock: Knock, things: Things, lab: Lab) -> None:
    assert cost_of_a_vin(knock, things, lab) == {"there": (201, 1), "retired": (409, 1), "not there": (404, 1)}


def test_a_booking_that_looks_the_vehicle_up_first_is_found(
    knock: Knock, things: Things, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    book: Callable[..., Placement] = store.book

    def look_first(connection: Connection, wanted: Any, *rest: Any) -> Placement:
        if not connection.execute(text("select 1 from vehicles where vin = :vin"), {"vin": wanted.vin}).first():
            return Placement(outcome="vehicle_not_found")
        return book(connection, wanted, *rest)

    monkeypatch.setattr(store, "book", look_first)

    found = cost_of_a_vin(knock, things, lab)

    assert (found["there"], found["not there"]) == ((201, 2), (404, 1))


def talkative(clients: dict[str, Any]) -> list[str]:
    """Clients by which a wrong name is told from a wrong password: people sign in by them, and nothing forbids it."""
    return [
        name
        for name, client in clients.items()
        if client["Properties"].get("PreventUserExistenceErrors") != "ENABLED"
        and client["Properties"].get("ExplicitAuthFlows") != ["ALLOW_REFRESH_TOKEN_AUTH"]
    ]


@pytest.fixture(scope="module")
def clients() -> dict[str, Any]:
    """Every client of the user pool, and the load balancer's."""
    stack = Stack(App(), "Stack")
    SignIn(stack, "SignIn", identity=Identity(stack, "Identity"), host="monitoring.example")
    return dict(Template.from_stack(stack).find_resources("AWS::Cognito::UserPoolClient"))


def test_signing_in_does_not_tell_who_is_in_the_pool(clients: dict[str, Any]) -> None:
    assert talkative(clients) == []
    assert len(clients) == 3


@pytest.mark.parametrize("said", ["LEGACY", None])
def test_a_client_that_tells_who_is_in_the_pool_is_found(clients: dict[str, Any], said: str | None) -> None:
    [(name, web)] = [each for each in clients.items() if "IdentityPoolWeb" in each[0]]
    spoilt = web["Properties"] | {"PreventUserExistenceErrors": said}

    assert talkative(clients | {name: web | {"Properties": spoilt}}) == [name]
