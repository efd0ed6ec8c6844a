"""Tokens that a gateway would let through, and the function must not: of another pool, client or kind, or too old."""

from collections.abc import Callable
from typing import Any

import pytest

from dyno import auth, http
from dyno.auth import Actor, Permission, Reach
from dyno.settings import Settings
from tests.attacks.conftest import Knock
from tests.functions.conftest import Caller, claims
from tests.matrix import MATRIX, ROWS, Row
from tests.settings import SETTINGS
from tests.things import Things, about, request

Claims = dict[str, Any]
TakeOut = Callable[[pytest.MonkeyPatch], None]

PERSON = claims(Caller.ADMIN) or {}
MACHINE = claims(Caller.SCRAPER) or {}
OPEN = "GET /users"
"""To admins."""

SCRAPE = "GET /metrics/prometheus"


def believing(**believed: str) -> TakeOut:
    """Takes out a check: what a claim should say is taken for what it says."""

    def take_out(monkeypatch: pytest.MonkeyPatch) -> None:
        checked = auth.actor

        def actor(given: Claims | None, settings: Settings) -> Actor:
            return checked({**(given or {}), **believed}, settings)

        monkeypatch.setattr(http, "actor", actor)

    return take_out


def never_expiring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_expired", lambda _: False)


ATTACKS: dict[str, tuple[str, Claims, TakeOut]] = {
    "of another pool": (
        OPEN,
        PERSON | {"iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_theirs"},
        believing(iss=SETTINGS.user_pool_issuer),
    ),
    "of another client": (OPEN, PERSON | {"aud": "theirs"}, believing(aud=SETTINGS.user_pool_client_id)),
    "expired, in words": (OPEN, PERSON | {"exp": "Tue Apr 04 18:39:39 UTC 2023"}, never_expiring),
    "expired, in digits": (OPEN, PERSON | {"exp": "1680633579"}, never_expiring),
    "a person's access token": (
        OPEN,
        PERSON | {"token_use": "access", "client_id": SETTINGS.user_pool_client_id, "scope": "openid"},
        believing(token_use="id"),
    ),
    "a refresh token": (OPEN, PERSON | {"token_use": "refresh"}, believing(token_use="id")),
    "a person's access token with the scope": (
        SCRAPE,
        MACHINE | {"client_id": SETTINGS.user_pool_client_id},
        believing(client_id=SETTINGS.scraper_client_id),
    ),
    "an ID token with the scope, of the scraper's client": (
        SCRAPE,
        MACHINE | {"token_use": "id", "aud": SETTINGS.scraper_client_id},
        believing(token_use="access"),
    ),
}


@pytest.mark.parametrize(("route", "attack", "take_out"), ATTACKS.values(), ids=ATTACKS)
def test_a_token_that_is_not_meant_for_it_is_refused_and_would_do_if_nobody_looked(
    knock: Knock, things: Things, monkeypatch: pytest.MonkeyPatch, route: str, attack: Claims, take_out: TakeOut
) -> None:
    asked = request(things, route, about(things, route, None))

    refused = knock(asked, attack)
    take_out(monkeypatch)
    let_in = knock(asked, attack)

    assert (refused.status, refused.body["code"]) == (401, "unauthorized")
    assert let_in.status == 200


def confused(knock: Knock, things: Things, row: Row, attack: Claims) -> list[str]:
    """What a token of the wrong kind gets out of a route."""
    asked = request(things, row.route, about(things, row.route, attack["sub"]))
    before = things.fingerprint()
    said = knock(asked, attack)
    found = [] if said.status == 403 else [f"{row.route}: {said.status}"]
    return found if things.fingerprint() == before else [*found, f"{row.route}: changed"]


PEOPLES = [row for row in ROWS if row.permission not in {"public", "metrics/read"}]
DRESSED_UP = MACHINE | {
    "cognito:groups": "admin",
    "aud": SETTINGS.user_pool_client_id,
    "scope": "metrics/read manage:dynos",
}
"""A machine's token with everything in it that a person's has."""


def scopes_are_permissions(actor: Actor, permission: Permission) -> Reach:
    return Reach.ANY if actor.scopes else Reach.NONE


def test_a_machines_token_opens_nothing_that_is_for_people(knock: Knock, things: Things) -> None:
    assert [each for row in PEOPLES for each in confused(knock, things, row, DRESSED_UP)] == []
    assert len(PEOPLES) > 30


def test_a_machine_that_may_do_what_people_may_is_found(
    knock: Knock, things: Things, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Actor, "reach", scopes_are_permissions)

    found = [each for row in PEOPLES for each in confused(knock, things, row, DRESSED_UP)]

    assert {row.route for row in PEOPLES} == {each.split(": ")[0] for each in found}


@pytest.mark.parametrize("caller", [Caller.USER, Caller.POWER_USER, Caller.ADMIN, Caller.NO_GROUP])
def test_a_persons_token_does_not_scrape_whatever_scope_it_claims(
    knock: Knock, things: Things, monkeypatch: pytest.MonkeyPatch, caller: Caller
) -> None:
    attack = (claims(caller) or {}) | {"scope": "metrics/read", "client_id": SETTINGS.scraper_client_id}
    checked = auth.actor

    refused = confused(knock, things, MATRIX[SCRAPE], attack)
    monkeypatch.setattr(
        http, "actor", lambda given, known: Actor(checked(given, known).sub, scopes=frozenset(given["scope"].split()))
    )
    let_in = confused(knock, things, MATRIX[SCRAPE], attack)

    assert (refused, let_in) == ([], [f"{SCRAPE}: 200"])
