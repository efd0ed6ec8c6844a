"""Claims as the gateways hand them over, whole, and what becomes of each that is not as it should be."""

from typing import Any

import pytest

from dyno import auth
from dyno.auth import Actor, Permission, Reach, Role, actor
from dyno.errors import Forbidden, Unauthorized
from tests.settings import SETTINGS

SUB = "62f5a4c4-40a1-70b5-9a3c-0f4d1b2c3d4e"
SCRAPER = "scraper"
LATER = "32503680000"  # the year 3000

AWS_PERSON = {
    "sub": SUB,
    "cognito:groups": "user",
    "email_verified": "true",
    "iss": SETTINGS.user_pool_issuer,
    "cognito:username": SUB,
    "origin_jti": "5f1b0a3e-1111-4222-8333-444455556666",
    "aud": SETTINGS.user_pool_client_id,
    "event_id": "0c1d2e3f-1111-4222-8333-444455556666",
    "token_use": "id",
    "auth_time": "1795456800",
    "exp": "Tue Nov 23 18:39:39 UTC 2999",
    "iat": "Mon Nov 23 18:39:39 UTC 2026",
    "jti": "9a8b7c6d-1111-4222-8333-444455556666",
    "email": "planner@lab.example",
}
"""An ID token by REST's Cognito authorizer: all is text, and times are Java's."""

AWS_MACHINE = {
    "sub": SCRAPER,
    "token_use": "access",
    "scope": "metrics/read",
    "auth_time": "1795456800",
    "iss": SETTINGS.user_pool_issuer,
    "exp": "Tue Nov 23 18:39:39 UTC 2999",
    "iat": "Mon Nov 23 18:39:39 UTC 2026",
    "version": "2",
    "jti": "1a2b3c4d-1111-4222-8333-444455556666",
    "client_id": SETTINGS.scraper_client_id,
}
"""An access token of client credentials, by the same."""

EMULATED_PERSON = {
    "sub": SUB,
    "iss": SETTINGS.user_pool_issuer,
    "token_use": "id",
    "iat": "1795459179",
    "exp": LATER,
    "jti": "9a8b7c6d-1111-4222-8333-444455556666",
    "aud": SETTINGS.user_pool_client_id,
    "auth_time": "1795459179",
    "origin_jti": "5f1b0a3e-1111-4222-8333-444455556666",
    "cognito:username": "user@dyno.example",
    "cognito:groups": "[user]",
    "email": "user@dyno.example",
    "email_verified": "true",
}
"""The same by ministack: times in digits, lists in brackets."""

EMULATED_MACHINE = {
    "sub": SETTINGS.scraper_client_id,
    "iss": SETTINGS.user_pool_issuer,
    "token_use": "access",
    "iat": "1795459179",
    "exp": LATER,
    "jti": "1a2b3c4d-1111-4222-8333-444455556666",
    "client_id": SETTINGS.scraper_client_id,
    "auth_time": "1795459179",
    "origin_jti": "5f1b0a3e-1111-4222-8333-444455556666",
    "scope": "metrics/read",
}

PERSONS = pytest.mark.parametrize("person", [AWS_PERSON, EMULATED_PERSON], ids=["AWS", "emulator"])
MACHINES = pytest.mark.parametrize("machine", [AWS_MACHINE, EMULATED_MACHINE], ids=["AWS", "emulator"])


def without(claims: dict[str, str], name: str) -> dict[str, str]:
    return {each: value for each, value in claims.items() if each != name}


@PERSONS
def test_a_person_is_who_the_token_says(person: dict[str, str]) -> None:
    assert actor(person, SETTINGS) == Actor(SUB, Role.USER)


@MACHINES
def test_a_machine_may_scrape_with_the_scope_and_do_nothing_else(machine: dict[str, str]) -> None:
    scraper = actor(machine | {"scope": "metrics/read other"}, SETTINGS)
    stripped = actor(machine | {"scope": "metrics/write metrics/reader"}, SETTINGS)
    bare = actor(without(machine, "scope"), SETTINGS)

    assert [each for each in Permission if scraper.reach(each)] == [Permission.SCRAPE]
    assert [each for each in Permission if stripped.reach(each) or bare.reach(each)] == []


@PERSONS
@pytest.mark.parametrize(
    ("groups", "role"),
    [
        ("user", Role.USER),
        ("admin", Role.ADMIN),
        ("user,admin", Role.ADMIN),
        ("admin,user", Role.ADMIN),
        ("power_user,user", Role.POWER_USER),
        ("[admin user]", Role.ADMIN),
        ("[user power_user]", Role.POWER_USER),
        ("[admin]", Role.ADMIN),
        (["admin", "user"], Role.ADMIN),
        (["power_user"], Role.POWER_USER),
        ("", None),
        ("[]", None),
        ([], None),
        (None, None),
    ],
)
def test_the_highest_group_is_the_role(person: dict[str, str], groups: Any, role: Role | None) -> None:
    assert actor(person | {"cognito:groups": groups}, SETTINGS).role is role


@PERSONS
def test_who_is_in_no_group_has_no_role(person: dict[str, str]) -> None:
    assert actor(without(person, "cognito:groups"), SETTINGS) == Actor(SUB)


@pytest.mark.parametrize(
    "groups",
    [
        "superadmin",
        "not_admin,power_users",
        "Admin",
        "x,admin",  # one group of that name, or two: AWS says no more
        "admin,x",
        "user,,admin",
        "x admin",
        "admin user",
        "user, admin",
        "[x,admin]",  # one group, as an emulator says it
        "[admin,user]",
        "[x admin]",
        "[[admin]]",
        "[admin",
        "admin]",
        '["admin"]',
        ["x,admin"],
        ["x admin"],
        ["[admin]"],
        ["x", "admin"],
        [["admin"]],
        [{"admin": 1}],
        {"admin": 1},
        7,
    ],
    ids=str,
)
def test_a_group_that_is_not_of_this_stack_makes_nobody_an_admin(groups: Any) -> None:
    assert actor(AWS_PERSON | {"cognito:groups": groups}, SETTINGS).role is None


def test_a_group_whose_name_holds_a_role_would_have_made_an_admin(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was read before: every word of it for itself."""

    def any_word(groups: Any) -> Role | None:
        words = str(groups).strip("[]").replace(",", " ").split()
        return max((role for role in Role if role in words), key=list(Role).index, default=None)

    monkeypatch.setattr(auth, "_role", any_word)

    assert {actor(AWS_PERSON | {"cognito:groups": each}, SETTINGS).role for each in ("x,admin", "x admin")} == {
        Role.ADMIN
    }


@PERSONS
@pytest.mark.parametrize(
    "exp", [LATER, int(LATER), "Tue Apr 04 18:39:39 UTC 2999"], ids=["digits", "a number", "AWS's words"]
)
def test_times_are_read_in_every_form(person: dict[str, str], exp: Any) -> None:
    assert actor(person | {"exp": exp}, SETTINGS).sub == SUB


@PERSONS
@MACHINES
@pytest.mark.parametrize(
    "exp",
    [
        "Tue Apr 04 18:39:39 UTC 2023",
        "1680633579",
        1680633579,
        "1",
        "0",
        "-1",
        "",
        None,
        "tomorrow",
        "Tue Apr 04 18:39:39 2999",
        "2999-04-04T18:39:39Z",
        "32503680000.5",
        "1e12",
        "inf",
        True,
        [LATER],
    ],
    ids=str,
)
def test_what_has_expired_or_does_not_say_when_it_does_is_refused(
    person: dict[str, str], machine: dict[str, str], exp: Any
) -> None:
    for claims in (person, machine):
        with pytest.raises(Unauthorized, match="expired"):
            actor(claims | {"exp": exp}, SETTINGS)


@PERSONS
@pytest.mark.parametrize("missing", ["sub", "aud", "iss", "exp", "token_use"])
def test_a_persons_token_that_lacks_something_is_refused(person: dict[str, str], missing: str) -> None:
    for claims in (without(person, missing), person | {missing: ""}):
        with pytest.raises(Unauthorized):
            actor(claims, SETTINGS)


@MACHINES
@pytest.mark.parametrize("missing", ["client_id", "iss", "exp", "token_use"])
def test_a_machines_token_that_lacks_something_is_refused(machine: dict[str, str], missing: str) -> None:
    for claims in (without(machine, missing), machine | {missing: ""}):
        with pytest.raises(Unauthorized):
            actor(claims, SETTINGS)


@pytest.mark.parametrize(
    "claims",
    [
        None,
        {},
        AWS_PERSON | {"iss": "https://another"},
        AWS_PERSON | {"iss": f"{SETTINGS.user_pool_issuer}/"},
        AWS_PERSON | {"aud": "another"},
        AWS_PERSON | {"aud": f"[{SETTINGS.user_pool_client_id} another]"},
        AWS_PERSON | {"aud": SETTINGS.scraper_client_id},
        AWS_PERSON | {"token_use": "access"},
        AWS_PERSON | {"token_use": "refresh"},
        AWS_PERSON | {"token_use": "ID"},
        AWS_MACHINE | {"client_id": "another"},
        AWS_MACHINE | {"client_id": SETTINGS.user_pool_client_id},
        AWS_MACHINE | {"token_use": "id"},
        AWS_MACHINE | {"token_use": "refresh"},
    ],
)
def test_any_other_token_is_refused(claims: dict[str, str] | None) -> None:
    with pytest.raises(Unauthorized):
        actor(claims, SETTINGS)


@pytest.mark.parametrize("role", Role)
def test_no_person_may_scrape_whatever_the_scope_claim_says(role: Role) -> None:
    asking = actor(AWS_PERSON | {"scope": "metrics/read", "cognito:groups": str(role)}, SETTINGS)

    assert asking.reach(Permission.SCRAPE) is Reach.NONE


def test_no_machine_has_a_role_whatever_its_groups_say() -> None:
    asking = actor(AWS_MACHINE | {"cognito:groups": "admin", "aud": SETTINGS.user_pool_client_id}, SETTINGS)

    assert [each for each in Permission if asking.reach(each)] == [Permission.SCRAPE]


def test_who_may_not_is_told_what_it_takes() -> None:
    with pytest.raises(Forbidden, match="manage:dynos"):
        Actor("ann", Role.USER).allow(Permission.MANAGE_DYNOS)
