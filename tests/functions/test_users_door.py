import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.allocations import handler as door
from tests.functions.conftest import Answer, Call, Caller
from tests.lab import Lab

SUB = "3f0c8a52-7d3e-4b6a-9c1d-5e2f4a6b8c0d"


@pytest.fixture
def ask(call: Call, lab: Lab) -> Call:
    """Calls the door as an admin."""

    def answer(method: str, path: str, **parts: Any) -> Answer:
        return call(door, method, path, **{"caller": Caller.ADMIN, "sub": "ada"} | parts)

    return answer


def etag(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}


def test_an_enrolment_is_created_and_answered_with_its_etag(ask: Call) -> None:
    before = datetime.now(UTC)

    said = ask("POST", "/users", body={"sub": SUB})

    assert (said.status, said.headers["ETag"]) == (201, '"1"')
    assert before <= datetime.fromisoformat(said.body.pop("enrolled_at")) <= datetime.now(UTC)
    assert said.body == {"user_id": 1, "sub": SUB, "role": "user", "left_at": None, "version": 1, "disabled_at": None}


def test_an_instant_is_shown_in_utc_and_alike_by_every_route(ask: Call) -> None:
    body = {"sub": SUB, "role": "admin", "enrolled_at": "2026-05-04T10:30:00.25+02:00"}

    made = ask("POST", "/users", body=body, headers={"Idempotency-Key": "k-1"})
    again = ask("POST", "/users", body=body, headers={"Idempotency-Key": "k-1"})
    seen = ask("GET", "/users/1")
    unchanged = ask("PATCH", "/users/1", body={}, headers=etag(1))
    listed = ask("GET", "/users")

    assert made.body["enrolled_at"] == "2026-05-04T08:30:00.250000Z"
    assert made.body == again.body == seen.body == unchanged.body == listed.body["items"][0]
    assert (made.status, again.status, again.headers["Idempotency-Replayed"]) == (201, 201, "true")
    assert "Idempotency-Replayed" not in made.headers
    assert {answer.headers["ETag"] for answer in (made, again, seen, unchanged)} == {'"1"'}


def test_an_enrolment_twice_is_a_409_that_says_who(ask: Call) -> None:
    ask("POST", "/users", body={"sub": SUB})

    said = ask("POST", "/users", body={"sub": SUB, "role": "admin"})

    assert (said.status, said.body["code"], said.body["user_id"]) == (409, "user_already_enrolled", 1)


def test_another_enrolment_under_the_same_key_is_a_422(ask: Call) -> None:
    ask("POST", "/users", body={"sub": SUB}, headers={"Idempotency-Key": "k-1"})

    said = ask("POST", "/users", body={"sub": SUB, "role": "admin"}, headers={"Idempotency-Key": "k-1"})

    assert (said.status, said.body["code"]) == (422, "idempotency_key_reused")


def test_a_person_leaves_and_comes_back(ask: Call) -> None:
    ask("POST", "/users", body={"sub": SUB, "enrolled_at": "2026-05-04T08:30:00Z"})

    left = ask("PATCH", "/users/1", body={"left_at": "2026-06-04T08:30:00Z"}, headers=etag(1))
    gone = ask("GET", "/users", query={"enrolled": "false"})
    here = ask("GET", "/users", query={"enrolled": "true"})
    back = ask("PATCH", "/users/1", body={"left_at": None}, headers=etag(2))

    assert (left.status, left.body["left_at"], left.headers["ETag"]) == (200, "2026-06-04T08:30:00Z", '"2"')
    assert (gone.body["items"], here.body["items"]) == ([left.body], [])
    assert (back.status, back.body["left_at"], back.body["version"]) == (200, None, 3)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 428, "precondition_required"),
        (etag(2), 412, "stale"),
        ({"If-Match": "1"}, 412, "stale"),
        ({"If-Match": '"01"'}, 412, "stale"),
        ({"If-Match": 'W/"1"'}, 412, "stale"),
        ({"If-Match": "*"}, 412, "stale"),
        ({"If-Match": ""}, 412, "stale"),
        ({"If-Match": f'"{10**30}"'}, 412, "stale"),
    ],
    ids=str,
)
@pytest.mark.parametrize(("method", "body"), [("PATCH", {"role": "admin"}), ("DELETE", None)])
def test_a_change_says_which_version_it_is_of(
    ask: Call, method: str, body: Any, headers: dict[str, str], status: int, code: str
) -> None:
    made = ask("POST", "/users", body={"sub": SUB})

    said = ask(method, "/users/1", body=body, headers=headers)

    assert (said.status, said.body["code"], said.headers["Content-Type"]) == (status, code, "application/problem+json")
    assert ask("GET", "/users/1").body == made.body


TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
BAD_INSTANTS = {
    "no offset": "2026-05-04T10:30:00",
    "a day": "2026-05-04",
    "seconds": 1_800_000_000,
    "seconds as text": "1800000000",
    "no such day": "2026-02-30T10:30:00Z",
    "no such hour": "2026-05-04T25:30:00Z",
    "no such offset": "2026-05-04T10:30:00+24:00",
    "before the calendar": "0001-01-01T00:00:00+01:00",
    "a space": "2026-05-04 10:30:00Z",
    "the future": TOMORROW,
    "true": True,
}
BAD_ENROLMENTS = {
    "no sub": {},
    "null sub": {"sub": None},
    "empty sub": {"sub": ""},
    "an e-mail address": {"sub": "ann@lab.example"},
    "a name": {"sub": "Ann Smith"},
    "a long sub": {"sub": "x" * 65},
    "a line behind it": {"sub": "ann\n"},
    "number for sub": {"sub": 7},
    "unknown role": {"sub": SUB, "role": "root"},
    "null role": {"sub": SUB, "role": None},
    "unknown field": {"sub": SUB, "email": "ann@lab.example"},
    "already left": {"sub": SUB, "left_at": "2026-05-04T10:30:00Z"},
    "array": [],
} | {f"enrolled at {name}": {"sub": SUB, "enrolled_at": instant} for name, instant in BAD_INSTANTS.items()}


@pytest.mark.parametrize("body", BAD_ENROLMENTS.values(), ids=BAD_ENROLMENTS.keys())
def test_an_enrolment_that_can_never_be_is_a_422_and_writes_nothing(ask: Call, lab: Lab, body: Any) -> None:
    said = ask("POST", "/users", body=json.dumps(body), headers={"Idempotency-Key": "k-1"})

    assert (said.status, said.body["code"]) == (422, "invalid_request")
    assert lab.sql("select count(*) from users") + lab.sql("select count(*) from idempotency_keys") == 0


BAD_CHANGES = {
    "null role": {"role": None},
    "an emptied enrolment": {"enrolled_at": None},
    "unknown role": {"role": "root"},
    "another sub": {"sub": "somebody"},
    "version": {"version": 7},
    "left before": {"left_at": "2020-01-01T00:00:00Z"},
} | {f"left at {name}": {"left_at": instant} for name, instant in BAD_INSTANTS.items()}


@pytest.mark.parametrize("body", BAD_CHANGES.values(), ids=BAD_CHANGES.keys())
def test_a_change_that_can_never_be_is_a_422_and_changes_nothing(ask: Call, body: Any) -> None:
    made = ask("POST", "/users", body={"sub": SUB})

    said = ask("PATCH", "/users/1", body=body, headers=etag(1))

    assert (said.status, said.body["code"]) == (422, "invalid_request")
    assert said.body["errors"][0]["field"].startswith("body")
    assert ask("GET", "/users/1").body == made.body


def test_who_was_only_seen_cannot_be_changed(ask: Call, lab: Lab) -> None:
    lab.sql("insert into users (sub) values ('ann')")

    said = ask("PATCH", "/users/1", body={"role": "admin"}, headers=etag(1))

    assert (said.status, said.body["code"]) == (409, "user_not_enrolled")


def test_who_is_erased_stays_under_a_pseudonym_and_a_second_time_is_answered_alike(ask: Call) -> None:
    made = ask("POST", "/users", body={"sub": SUB})

    erased = ask("DELETE", "/users/1", headers=etag(1))
    again = ask("DELETE", "/users/1", headers=etag(1))
    seen = ask("GET", "/users/1")
    listed = ask("GET", "/users", query={"enrolled": "false"})

    assert (erased.status, erased.headers["ETag"]) == (200, '"2"')
    assert erased.body == made.body | {"sub": "erased:1", "left_at": erased.body["left_at"], "version": 2}
    assert erased.body["left_at"] > made.body["enrolled_at"]
    assert (again.status, again.headers["ETag"]) == (200, '"2"')
    assert erased.body == again.body == seen.body == listed.body["items"][0]


def test_nobody_is_enrolled_or_changed_under_a_pseudonym(ask: Call) -> None:
    ask("POST", "/users", body={"sub": SUB})
    ask("DELETE", "/users/1", headers=etag(1))

    enrolled = ask("POST", "/users", body={"sub": "erased:1"})
    back = ask("PATCH", "/users/1", body={"left_at": None}, headers=etag(2))

    assert (enrolled.status, enrolled.body["code"]) == (422, "invalid_request")
    assert (back.status, back.body["code"]) == (409, "user_erased")


def test_whose_id_was_erased_is_somebody_new_if_they_are_enrolled_again(ask: Call) -> None:
    ask("POST", "/users", body={"sub": SUB})
    ask("DELETE", "/users/1", headers=etag(1))

    said = ask("POST", "/users", body={"sub": SUB})

    assert (said.status, said.body["version"]) == (201, 1)
    assert said.body["user_id"] != 1


def test_nobody_erases_themselves(ask: Call) -> None:
    ask("POST", "/users", body={"sub": "ada"})

    said = ask("DELETE", "/users/1", headers=etag(1))

    assert (said.status, said.body["code"]) == (409, "own_account")
    assert ask("GET", "/users/1").body["sub"] == "ada"


@pytest.mark.parametrize(
    ("user_id", "code"), [("999", "user_not_found"), ("2147483647", "user_not_found")]
    + [(text, "not_found") for text in ("0", "-1", "abc", "2147483648", "1.0", "01", "%201")]
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_person_who_is_not_there_is_a_404(ask: Call, method: str, user_id: str, code: str) -> None:
    said = ask(method, f"/users/{user_id}", body={} if method == "PATCH" else None, headers=etag(1))

    assert (said.status, said.body["code"]) == (404, code)


BAD_QUERIES = (
    {"enrolled": "yes"},
    {"enrolled": "1"},
    {"enrolled": ""},
    {"limit": "0"},
    {"cursor": "x"},
    {"role": "user"},
)


@pytest.mark.parametrize("query", BAD_QUERIES, ids=str)
def test_a_query_that_makes_no_sense_is_a_422(ask: Call, query: dict[str, str]) -> None:
    assert ask("GET", "/users", query=query).status == 422


def test_the_list_has_pages(ask: Call) -> None:
    for sub in ("ann", "bob", "eve"):
        ask("POST", "/users", body={"sub": sub})

    first = ask("GET", "/users", query={"limit": "2", "enrolled": "true"})
    second = ask("GET", "/users", query={"limit": "2", "enrolled": "true", "cursor": first.body["next_cursor"]})

    assert [user["sub"] for user in first.body["items"] + second.body["items"]] == ["ann", "bob", "eve"]
    assert second.body["next_cursor"] is None


def test_every_change_is_logged_with_who_made_it_to_whom(ask: Call, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        ask("POST", "/users", body={"sub": SUB}, headers={"Idempotency-Key": "k-1"})
    ask("PATCH", "/users/1", body={"role": "user"}, headers=etag(1))
    ask("PATCH", "/users/1", body={"role": "admin"}, headers=etag(1))

    enrolled, changed = (line.__dict__ for line in caplog.records if line.message.startswith("person "))
    assert (enrolled["levelname"], enrolled["actor"], enrolled["user"]["sub"]) == ("INFO", "ada", SUB)
    assert (changed["levelname"], changed["actor"], changed["user"]["sub"]) == ("INFO", "ada", SUB)
    assert (enrolled["message"], changed["message"]) == ("person enrolled", "person changed")
    assert (changed["user"]["role"], changed["user"]["version"]) == ("admin", 2)


def test_an_erasure_is_logged_once_with_who_made_it_and_without_whom_it_was_of(
    ask: Call, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    ask("POST", "/users", body={"sub": SUB})
    capsys.readouterr()
    for _ in range(2):
        ask("DELETE", "/users/1", headers=etag(1))

    [erased] = (record.__dict__ for record in caplog.records if record.message == "person erased")
    assert (erased["levelname"], erased["actor"], erased["user"]["sub"]) == ("INFO", "ada", "erased:1")
    assert SUB not in capsys.readouterr().out


def test_its_calls_are_measured_as_the_user_services(ask: Call, capsys: pytest.CaptureFixture[str]) -> None:
    ask("POST", "/users", body={"sub": SUB})
    ask("POST", "/users", body={"sub": SUB})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "dyno-call/1" in line]

    assert [(line["service"], line["method"], line["outcome"]) for line in lines] == [
        ("UserService", "enrol", "success"),
        ("UserService", "enrol", "rejected"),
    ]
    assert lines[0]["overflow"] == "true"
