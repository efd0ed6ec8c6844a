"""The matrix of permissions over HTTP: every route of the deployed stack, for everybody who may come."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from cdk.local import postgres
from cdk.local.users import sub
from tests.e2e.pool import Pool, machine_token
from tests.e2e.site import Site, eventually
from tests.functions.conftest import Caller
from tests.matrix import MATRIX, ROWS, Ask, Said, said, unlike
from tests.things import Asked, Things

GROUPS = {
    Caller.USER: "user",
    Caller.POWER_USER: "power_user",
    Caller.ADMIN: "admin",
    Caller.NO_GROUP: None,
}
AT_GATEWAY = 401
"""What the gateway says to people where only machines are let in."""


@pytest.fixture(scope="module")
def tokens(site: Site) -> Iterator[dict[Caller, str]]:
    """A token of everybody who has one; the people are the module's own."""
    pool = Pool.of(site.deployed)
    with ExitStack() as people:
        signed_in = {caller: people.enter_context(pool.person(group)).id for caller, group in GROUPS.items()}
        yield signed_in | {Caller.SCRAPER: machine_token(site.deployed)}


@pytest.fixture(scope="module")
def subs(tokens: dict[Caller, str]) -> dict[Caller, str]:
    """Everybody's id in the user pool; nobody's is one that nobody has."""
    return {caller: sub(tokens[caller]) if caller in tokens else "nobody" for caller in Caller}


@pytest.fixture(scope="module")
def ask(site: Site, tokens: dict[Caller, str]) -> Iterator[Ask]:
    """Asks the gateway itself: the front before it gives the scraper's token to whoever scrapes without one."""
    with httpx.Client(timeout=35, trust_env=False) as client:

        def answer(caller: Caller, asked: Asked) -> Said:
            signed = {"Authorization": f"Bearer {tokens[caller]}"} if caller in tokens else {}
            answered = client.request(
                asked.method,
                f"{site.deployed.api}{asked.path}",
                params=asked.query,
                headers=signed | asked.headers,
                **({"content": asked.body} if isinstance(asked.body, str) else {"json": asked.body}),
            )
            is_json = "json" in answered.headers.get("content-type", "")
            return said(answered.status_code, answered.json() if is_json else None)

        yield answer


@pytest.fixture(scope="module")
def things(site: Site) -> Iterator[Things]:
    connection = postgres.connect(site.deployed.database_port, postgres.DATABASE)

    def sql(statement: str, **values: Any) -> Any:
        return connection.run(statement, **values)[0][0]

    try:
        yield Things(sql)
    finally:
        connection.close()


@pytest.fixture(scope="module")
def walked(site: Site, ask: Ask, things: Things, subs: dict[Caller, str]) -> dict[str, list[str]]:
    """What each route does otherwise than its row says; all of them asked in one go, warm."""
    with site.client() as user:  # the snapshot of what a new stack did first may just be on its way
        assert eventually(lambda: user.get("/metrics/health").status_code, lambda status: status == 200) == 200
    return {row.route: unlike(ask, things, row, subs, at_gateway=AT_GATEWAY) for row in ROWS}


@pytest.mark.parametrize("route", MATRIX)
def test_a_deployed_route_admits_whom_the_matrix_says_and_no_others(walked: dict[str, list[str]], route: str) -> None:
    assert walked[route] == []


def test_a_stack_that_admits_others_is_found(
    ask: Ask, things: Things, tokens: dict[Caller, str], subs: dict[Caller, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody without a group has come by an admin's token, and a user by a power user's."""
    monkeypatch.setitem(tokens, Caller.NO_GROUP, tokens[Caller.ADMIN])
    monkeypatch.setitem(tokens, Caller.USER, tokens[Caller.POWER_USER])

    looked = unlike(ask, things, MATRIX["GET /users"], subs, at_gateway=AT_GATEWAY)
    cancelled = unlike(ask, things, MATRIX["DELETE /allocations/{allocation_id}"], subs, at_gateway=AT_GATEWAY)

    assert [each.split(" of ")[0] for each in looked] == ["GET /users by no group"]
    assert "DELETE /allocations/{allocation_id} by user of another's: changed" in cancelled
