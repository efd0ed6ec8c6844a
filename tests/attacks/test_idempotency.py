"""Idempotency keys that somebody else has used, or that were used for something else."""

from dataclasses import replace
from inspect import signature

import pytest

from tests.attacks.conftest import Knock
from tests.doors import routes
from tests.functions.conftest import Answer, Caller, claims
from tests.lab import Lab
from tests.matrix import MATRIX
from tests.things import Asked, Things, about, request

ANN, BEA = claims(Caller.ADMIN, "ann"), claims(Caller.ADMIN, "bea")
KEY = {"Idempotency-Key": "guessed-1"}
WITH_KEYS = [route for route, _, function in routes() if "idempotency_key" in signature(function).parameters]
REPLAYED = "Idempotency-Replayed"


def with_key(things: Things, route: str) -> Asked:
    return replace(request(things, route, about(things, route, "ann")), headers=KEY)


def owner_of(answer: Answer) -> str | None:
    """Who made a booking; None of what has no owner."""
    owner: str | None = answer.body.get("allocation", {}).get("booked_by")
    return owner


def leaked(knock: Knock, things: Things, route: str) -> list[str]:
    """What somebody gets out of another's key, with the other's request and with one of their own."""
    asked, other = with_key(things, route), with_key(things, route)
    anns = knock(asked, ANN)

    beas = knock(asked, BEA)
    beas_own = knock(replace(other, headers=KEY | {"Idempotency-Key": "guessed-2"}), BEA)
    again = knock(asked, ANN)

    found = []
    if (anns.status, again.status, again.body) != (201, 201, anns.body) or REPLAYED not in again.headers:
        found.append("the key does not work at all")
    if REPLAYED in beas.headers or beas.body == anns.body:
        found.append("the other's answer")
    # What the lab has once it does not have twice: that is so without a key, too.
    if beas.status not in {201, 409} or (beas.status == 201 and owner_of(beas) not in {None, "bea"}):
        found.append(f"{beas.status} {owner_of(beas)}")
    if beas_own.status != 201:
        found.append(f"their own request is a {beas_own.status}")
    return found


def under_anothers_key(knock: Knock, things: Things, route: str) -> int:
    """The status of another request than theirs, of the same path."""
    first, second = with_key(things, route), with_key(things, route)
    knock(first, ANN)
    return knock(replace(second, path=first.path), BEA).status


@pytest.mark.parametrize("route", WITH_KEYS)
def test_another_persons_key_gives_nothing_of_theirs(knock: Knock, things: Things, route: str) -> None:
    assert leaked(knock, things, route) == []


@pytest.mark.parametrize("route", WITH_KEYS)
def test_another_persons_key_is_free_to_use(knock: Knock, things: Things, route: str) -> None:
    assert under_anothers_key(knock, things, route) == 201


WITHOUT_KEYS = {"POST /calendars", "POST /imports", "POST /imports/uploads"}
"""Two answer with a secret, which an answer that is kept would keep; the other does each thing once however often."""


def test_every_route_that_makes_something_takes_a_key() -> None:
    assert set(WITH_KEYS) == {route for route in MATRIX if route.startswith("POST ")} - WITHOUT_KEYS


def test_a_booking_under_anothers_key_is_ones_own(knock: Knock, things: Things) -> None:
    asked = with_key(things, "POST /allocations/auto")

    anns, beas = knock(asked, ANN), knock(asked, BEA)

    assert (anns.status, beas.status) == (201, 201)
    assert (owner_of(anns), owner_of(beas)) == ("ann", "bea")
    assert anns.body["allocation"]["start_date"] < beas.body["allocation"]["start_date"]


def answers_of_one_key(knock: Knock, things: Things) -> list[tuple[int, bool]]:
    """Of all routes, asked by one person under one key."""
    said = [knock(with_key(things, route), ANN) for route in WITH_KEYS]
    return [(answer.status, REPLAYED in answer.headers) for answer in said]


def test_a_key_is_another_on_another_route(knock: Knock, things: Things) -> None:
    assert answers_of_one_key(knock, things) == [(201, False)] * len(WITH_KEYS)


def forget(lab: Lab, part: str) -> None:
    """Takes a part out of what a key is looked up by."""
    [(source,)] = lab.rows("select pg_get_functiondef('remembered_answer'::regproc)")
    condition = f"i.{part} = p_{part} and "
    assert condition in source
    lab.sql(source.replace(condition, "").replace(":", r"\:"))


@pytest.mark.own_database
@pytest.mark.parametrize("route", WITH_KEYS)
def test_a_key_that_is_everybodys_is_found(knock: Knock, lab: Lab, things: Things, route: str) -> None:
    forget(lab, "owner")

    assert under_anothers_key(knock, things, route) == 422
    lab.sql("delete from idempotency_keys")
    assert "the other's answer" in leaked(knock, things, route)


@pytest.mark.own_database
def test_a_key_that_is_for_every_route_is_found(knock: Knock, lab: Lab, things: Things) -> None:
    forget(lab, "route")

    assert (422, False) in answers_of_one_key(knock, things)
