"""Enrolment over the deployed stack."""

import uuid

import httpx

from cdk.local.users import ROLES, sub
from tests.e2e.site import Site


def test_the_people_of_the_stack_are_enrolled_when_it_is_ready(site: Site, admin: httpx.Client) -> None:
    expected = {sub(site.token(role)): role for role in ROLES}

    found = admin.get("/users?enrolled=true&limit=500").json()["items"]

    assert {user["sub"]: user["role"] for user in found if user["sub"] in expected} == expected


def test_a_person_is_enrolled_and_leaves_through_the_gateway(admin: httpx.Client) -> None:
    request, key = {"sub": f"e2e-{uuid.uuid4()}", "role": "power_user"}, {"Idempotency-Key": str(uuid.uuid4())}

    made = admin.post("/users", json=request, headers=key)
    again = admin.post("/users", json=request, headers=key)
    path, enrolled = f"/users/{made.json()['user_id']}", made.json()["enrolled_at"]
    unseen = admin.patch(path, json={"left_at": enrolled})
    left = admin.patch(path, json={"left_at": enrolled}, headers={"If-Match": made.headers["ETag"]})
    stale = admin.patch(path, json={"left_at": None}, headers={"If-Match": made.headers["ETag"]})

    assert (made.status_code, again.status_code) == (201, 201)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (made.json(), "true")
    assert (unseen.status_code, left.status_code, stale.status_code) == (428, 200, 412)
    assert admin.get(path).json() == left.json() | {"left_at": enrolled, "version": 2}


def test_only_admins_see_and_enrol_people(user: httpx.Client) -> None:
    assert user.get("/users").status_code == 403
    assert user.post("/users", json={"sub": "me"}).status_code == 403
