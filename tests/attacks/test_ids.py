"""Ids and cursors that were guessed, misspelt or made up."""

import base64
from inspect import signature
from typing import Any

import pytest

from dyno import http, paging
from dyno.allocation import store
from tests.attacks.conftest import Knock
from tests.doors import routes
from tests.functions.conftest import Caller, claims
from tests.lab import Lab
from tests.matrix import MATRIX
from tests.things import Asked, Things, about, request

ADMIN, USER = claims(Caller.ADMIN), claims(Caller.USER)

SPELLINGS = (
    *("0{}", "00{}", "+{}", "-{}", "{}.0", "{}e0", "{}_", " {}", "{} ", "{},{}", "{}'--", "({})", "0x{}", "{}\u0000"),
    *("0", "-1", "abc", "null", "true", "NaN", "*", "%", "..", "me"),
    *(str(2**31), str(2**31 - 1), str(2**32 + 1), str(2**63 - 1), str(2**63), str(2**64 + 1), "9" * 40),
)
"""Of an id that is there, and of ids that no thing ever has."""

OTHER_DIGITS = {"Arabic": 0x0660, "fullwidth": 0xFF10, "mathematical": 0x1D7CE, "superscript": 0x2070}
"""Where the zero of other digits is."""

WITH_IDS = [route for route in MATRIX if "{" in route]


def misspelt(thing_id: int) -> list[str]:
    by_digits = ["".join(chr(zero + int(digit)) for digit in str(thing_id)) for zero in OTHER_DIGITS.values()]
    return [*(each.format(thing_id, thing_id) for each in SPELLINGS), *by_digits]


def reached(knock: Knock, things: Things, route: str) -> list[str]:
    """Wrong ids by which a route gives or changes something all the same, asked by an admin."""
    of = about(things, route, "ann")
    good = request(things, route, of)
    names = list(of.ids)
    before = things.fingerprint()
    found = []
    for name in names:
        for wrong in misspelt(of.ids[name]):
            path = route.split()[1].format(**{**of.ids, name: wrong})
            said = knock(Asked(route, path, good.query, good.headers, good.body), ADMIN)
            if said.status != 404:
                found.append(f"{name} {wrong!r}: {said.status}")
    if things.fingerprint() != before:
        found.append("changed")
    return found or [f"with the right id: {right.status}" for right in [knock(good, ADMIN)] if right.status >= 400]


@pytest.mark.parametrize("route", WITH_IDS)
def test_a_thing_has_one_id_and_one_spelling_of_it(knock: Knock, things: Things, route: str) -> None:
    assert reached(knock, things, route) == []


def test_an_id_that_is_read_as_python_reads_it_is_found(
    knock: Knock, things: Things, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By its code: the routes' types have taken the function itself.
    monkeypatch.setattr(http._digits, "__code__", (lambda given: given).__code__)

    found = reached(knock, things, "PATCH /vehicles/{vehicle_id}")

    assert "changed" in found
    assert any(each.startswith("vehicle_id '+") for each in found)


def cancelled_of_others(knock: Knock, lab: Lab, things: Things) -> tuple[list[int], list[int]]:
    """What becomes of every id that a user tries, and which bookings of others are cancelled then."""
    ids = [things.allocation(sub) for sub in ("user", "eve", "user", "eve")]
    statuses = [
        knock(Asked("DELETE /allocations/{allocation_id}", f"/allocations/{guessed}"), USER).status
        for guessed in [*ids, ids[-1] + 1]
    ]
    return statuses, [
        row[0] for row in lab.rows("select id from occupancies where status = 'cancelled' and booked_by <> 'user'")
    ]


def test_who_tries_every_id_cancels_their_own_and_is_told_of_the_others_what_everybody_sees(
    knock: Knock, lab: Lab, things: Things
) -> None:
    assert cancelled_of_others(knock, lab, things) == ([200, 403, 200, 403, 404], [])


def test_a_cancellation_that_does_not_ask_whose_it_is_is_found(
    knock: Knock, lab: Lab, things: Things, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel = store.cancel
    monkeypatch.setattr(store, "cancel", lambda *asked, **_: cancel(*asked, anybodys=True))

    statuses, others = cancelled_of_others(knock, lab, things)

    assert (statuses, len(others)) == ([200, 200, 200, 200, 404], 2)


LISTS = [route for route, _, function in routes() if "cursor" in signature(function).parameters]
LENGTHS = {"GET /allocations/conflicts": 3}
"""Of the positions of a list; one, unless it is here."""


def made_up(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


HAND_MADE = (
    *("", "a", "AAAA", "=", "null", "1", "-1", "A" * 64, "A" * 65, "\u0661", "at:1"),
    *map(made_up, ("at:", "at:-1", "at:+1", "at: 1", "at:1.", "at:x", "at:1 or 1=1", "at:'; drop table users; --")),
    *map(
        made_up, (f"at:{2**63}", f"at:{10**19}", "at:\u0661", "to:1", "1", "at:1.1", "at:1.1.1.1", "at:0x1", "at:1e3")
    ),
)


def believed(knock: Knock, things: Things, route: str) -> list[str]:
    """Cursors that a list takes and did not give out."""
    path = route.split()[1]
    of = about(things, route, "ann")
    cursors = [*HAND_MADE, paging.cursor((1,) * (4 - LENGTHS.get(route, 1)))]
    found = []
    for cursor in cursors:
        said = knock(Asked(route, path.format(**of.ids), {"cursor": cursor}), ADMIN)
        if (said.status, said.body["code"] if said.status != 200 else None) != (422, "invalid_request"):
            found.append(cursor)
    return found


@pytest.mark.parametrize("route", LISTS)
def test_a_list_takes_no_cursor_that_no_list_gave_out(knock: Knock, things: Things, route: str) -> None:
    assert believed(knock, things, route) == []


def test_a_list_that_takes_any_number_for_a_position_is_found(
    knock: Knock, things: Things, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "_is_id", lambda _: True)

    assert made_up("at:-1") in believed(knock, things, "GET /vehicles")


@pytest.mark.parametrize("route", LISTS)
def test_a_cursor_of_another_list_shows_nothing_that_the_list_itself_does_not(
    knock: Knock, things: Things, route: str
) -> None:
    path = route.split()[1].format(**about(things, route, "ann").ids)
    for _ in range(3):
        things.window(things.dyno())
        things.allocation("eve")
        things.user(f"eve-{things.name()}")
    everything: list[Any] = knock(Asked(route, path, {"limit": "500"}), ADMIN).body["items"]

    for position in (1, 2, 2**40):
        cursor = paging.cursor((position,) * LENGTHS.get(route, 1))
        said = knock(Asked(route, path, {"cursor": cursor, "limit": "500"}), ADMIN)
        assert (said.status, [each for each in said.body["items"] if each not in everything]) == (200, [])


def test_no_cursor_opens_a_list_that_is_for_admins(knock: Knock, things: Things) -> None:
    things.user("eve")

    for cursor in (*HAND_MADE, paging.cursor((0,))):
        assert knock(Asked("GET /users", "/users", {"cursor": cursor}), USER).status == 403
