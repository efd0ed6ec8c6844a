from typing import Any

import pytest

from dyno.auth import Actor, Permission, Reach, Role, actor
from dyno.errors import Forbidden, Unauthorized
from tests.settings import SETTINGS

LATER = "32503680000"  # the year 3000
PERSON = {
    "iss": SETTINGS.user_pool_issuer,
    "exp": LATER,
    "token_use": "id",
    "aud": "web",
    "sub": "ann",
    "cognito:groups": "user",
}
MACHINE = {
    "iss": SETTINGS.user_pool_issuer,
    "exp": LATER,
    "token_use": "access",
    "client_id": "scraper",
    "scope": "metrics/read other",
}


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        ("user", Role.USER),
        ("user,admin", Role.ADMIN),
        ("admin,user", Role.ADMIN),
        ("[user power_user]", Role.POWER_USER),
        ("[admin]", Role.ADMIN),
        (["power_user"], Role.POWER_USER),
        ("", None),
        ("superadmin", None),
        ("not_admin,power_users", None),
    ],
)
def test_the_highest_known_group_is_the_role(groups: Any, role: Role | None) -> None:
    assert actor(PERSON | {"cognito:groups": groups}, SETTINGS).role is role


@pytest.mark.parametrize("exp", [LATER, "Tue Apr 04 18:39:39 UTC 2999"])
def test_times_are_read_in_both_forms(exp: str) -> None:
    assert actor(PERSON | {"exp": exp}, SETTINGS).sub == "ann"


@pytest.mark.parametrize(
    "claims",
    [
        None,
        {},
        PERSON | {"exp": "Tue Apr 04 18:39:39 UTC 2023"},
        PERSON | {"exp": "1"},
        PERSON | {"exp": "tomorrow"},
        PERSON | {"exp": ""},
        PERSON | {"iss": "https://another"},
        PERSON | {"aud": "another"},
        PERSON | {"token_use": "access"},
        PERSON | {"token_use": "refresh"},
        MACHINE | {"client_id": "another"},
        MACHINE | {"token_use": "id"},
    ],
)
def test_any_other_token_is_refused(claims: dict[str, str] | None) -> None:
    with pytest.raises(Unauthorized):
        actor(claims, SETTINGS)


def test_a_machine_may_scrape_with_the_scope_and_do_nothing_else() -> None:
    scraper = actor(MACHINE, SETTINGS)
    stripped = actor(MACHINE | {"scope": "metrics/write"}, SETTINGS)

    assert [each for each in Permission if scraper.reach(each)] == [Permission.SCRAPE]
    assert [each for each in Permission if stripped.reach(each)] == []


def test_no_person_may_scrape_whatever_the_scope_claim_says() -> None:
    assert (
        actor(PERSON | {"scope": "metrics/read", "cognito:groups": "admin"}, SETTINGS).reach(Permission.SCRAPE)
        is Reach.NONE
    )


def test_who_may_not_is_told_what_it_takes() -> None:
    with pytest.raises(Forbidden, match="manage:dynos"):
        Actor("ann", Role.USER).allow(Permission.MANAGE_DYNOS)
