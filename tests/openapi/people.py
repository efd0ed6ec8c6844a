"""People by example."""

from dyno.auth import PERMISSIONS
from dyno.errors import AccountDisabled, OwnAccount, UserAlreadyEnrolled, UserErased, UserNotEnrolled, UserNotFound
from tests.openapi.described import Answer, Asked, Described, Link
from tests.openapi.world import ENROLLED_SUB

NEWCOMER = {
    "user_id": 2,
    "sub": "3f0c8a52-7d3e-4b6a-9c1d-5e2f4a6b8c0d",
    "role": "user",
    "enrolled_at": "2027-05-03T08:00:00Z",
    "left_at": None,
    "version": 1,
    "disabled_at": None,
}
PERSON = NEWCOMER | {"user_id": 1, "sub": ENROLLED_SUB}
THE_PERSON = {"user_id": 1}
MADE = {"user_id": "$response.body#/user_id"}

ROUTES = (
    Described(
        "GET /me",
        "people",
        "`permissions` are those of the role; without a group of the user pool there are none.",
        (
            Answer(
                "an admin", 200, {"sub": "admin", "role": "admin", "permissions": [str(each) for each in PERMISSIONS]}
            ),
        ),
        asks_database=False,
    ),
    Described(
        "POST /users",
        "people",
        "By their id in the user pool, which GET /me tells everybody. Without `enrolled_at` it is now.",
        (
            Answer(
                "enrolled",
                201,
                NEWCOMER,
                Asked(
                    body={"sub": NEWCOMER["sub"], "role": "user", "enrolled_at": "2027-05-03T08:00:00Z"},
                    headers={"Idempotency-Key": "0b5d77e1"},
                ),
                headers=("ETag", "Idempotency-Replayed"),
                links=(Link("GET /users/{user_id}", MADE), Link("PATCH /users/{user_id}", MADE)),
            ),
        ),
        refused=(UserAlreadyEnrolled(f"{ENROLLED_SUB} is enrolled, as user 1", user_id=1),),
    ),
    Described(
        "GET /users",
        "people",
        "`enrolled=true` lists who is enrolled and here, `false` the others; without it, everybody.",
        (Answer("the enrolled", 200, {"items": [PERSON], "next_cursor": None}, Asked(query={"enrolled": "true"})),),
        refused=(AccountDisabled("an admin has disabled your account; ask one"),),
    ),
    Described(
        "GET /users/{user_id}",
        "people",
        "What is kept of a person is this and no more.",
        (Answer("somebody", 200, PERSON, Asked(path=THE_PERSON), headers=("ETag",)),),
        refused=(UserNotFound("no user has the id 9"),),
    ),
    Described(
        "PATCH /users/{user_id}",
        "people",
        "Who leaves gets a `left_at`, who comes back a null for it. Whoever is `disabled` is refused by every route at "
        "once, whatever token they have, but by GET /me; also who was only seen. What is not named stays as it is.",
        (
            Answer(
                "somebody who left",
                200,
                PERSON | {"left_at": "2027-05-20T17:00:00Z", "version": 2},
                Asked(path=THE_PERSON, body={"left_at": "2027-05-20T17:00:00Z"}, headers={"If-Match": '"1"'}),
                headers=("ETag",),
            ),
            Answer(
                "somebody who is disabled",
                200,
                PERSON | {"disabled_at": "2027-05-20T17:00:00Z", "version": 2},
                Asked(path=THE_PERSON, body={"disabled": True}, headers={"If-Match": '"1"'}),
                headers=("ETag",),
            ),
        ),
        refused=(
            UserNotFound("no user has the id 9"),
            UserNotEnrolled("user 1 was only seen; POST /users enrols them"),
            UserErased("user 1 was erased; of somebody nobody knows, nothing is corrected"),
        ),
    ),
    Described(
        "DELETE /users/{user_id}",
        "people",
        "The row stays, and so does all they did, so that what was counted stays true; their `sub` is replaced "
        "wherever it stands by a pseudonym that nobody can sign in as. Who was still enrolled has left. A second time "
        "changes nothing. Delete their account in the user pool first: what a token that is still valid does "
        "afterwards makes a new row, to be erased in its turn.",
        (
            Answer(
                "somebody who was erased",
                200,
                PERSON | {"sub": "erased:1", "left_at": "2027-05-20T17:00:00Z", "version": 2},
                Asked(path=THE_PERSON, headers={"If-Match": '"1"'}),
                headers=("ETag",),
            ),
        ),
        refused=(
            UserNotFound("no user has the id 9"),
            OwnAccount("user 1 is you; another admin can erase you"),
        ),
    ),
)
