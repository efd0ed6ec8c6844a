"""Bodies that are meant to harm: what they cost us is bounded, and no door is open by mistake."""

import json
from typing import Any

import pytest

from dyno import http, observability
from dyno.auth import Permission
from dyno.http import Door, allow
from dyno.settings import settings
from functions.allocations import handler as door
from functions.imports import handler as imports
from tests.functions.conftest import Answer, Call, Caller, Context, Printed, claims, gateway_event
from tests.lab import MONDAY, Lab

ORDER = {"vin": "9ZZ0TEST0VD000001", "test_type": "brake", "start_date": str(MONDAY), "days_to_complete": 1}
PATH = "/allocations/auto"
MANY = ORDER | {f"field_{number}_{'x' * 30}": number for number in range(1_500)}


@pytest.fixture(autouse=True)
def furnished(lab: Lab) -> None:
    lab.dyno("Cell 3")
    lab.vehicle()


def large(characters: int) -> str:
    return json.dumps(ORDER).rstrip("}") + " " * characters + "}"


def test_a_body_that_no_request_needs_is_a_413_before_it_is_read(call: Call) -> None:
    said = call(door, "POST", PATH, body=large(http.MAX_BODY_BYTES))

    assert (said.status, said.body["code"]) == (413, "request_too_large")
    assert str(http.MAX_BODY_BYTES) in said.body["detail"]


def test_bytes_are_counted_and_not_characters(call: Call) -> None:
    said = call(door, "POST", PATH, body=json.dumps(ORDER | {"vin": "é" * 70_000}, ensure_ascii=False))

    assert said.status == 413


def test_the_largest_body_is_read(call: Call) -> None:
    assert call(door, "POST", PATH, body=large(http.MAX_BODY_BYTES - len(json.dumps(ORDER)))).status == 201


def test_without_the_limit_it_would_be_read(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 10**9)

    assert call(door, "POST", PATH, body=large(131_072)).status == 201


@pytest.mark.parametrize("body", ["A", "%%%%", "é", "/w"])
def test_a_body_that_is_not_what_the_gateway_says_is_a_422_of_json_and_of_files(enter: Any, body: str) -> None:
    statuses = []
    for into, path, kind in ((door, PATH, "application/json"), (imports, "/imports", imports.CSV)):
        enter(f"dyno_{into.__name__.split('.')[1]}")
        event = gateway_event("POST", path, headers={"Content-Type": kind}, authorised=claims(Caller.ADMIN))
        statuses.append(into.handler(event | {"body": body, "isBase64Encoded": True}, Context())["statusCode"])

    assert statuses == [422, 422]


@pytest.mark.parametrize("depth", [300, 10_000, 60_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_a_deep_body_is_a_422(call: Call, depth: int, opening: str, closing: str) -> None:
    deep = opening * depth + "1" + closing * depth

    said = call(door, "POST", PATH, body=json.dumps(ORDER)[:-1] + f', "deep": {deep}}}')

    assert (said.status, said.body["code"]) == (
        (413, "request_too_large") if len(deep) > 131_000 else (422, "invalid_request")
    )


def test_half_a_character_is_refused_and_not_replaced(call: Call) -> None:
    said = call(door, "POST", PATH, body='{"vin": "a\ud800b"}')

    assert (said.status, "half a character" in said.body["detail"]) == (422, True)


def test_a_deep_body_is_given_up_on_and_not_read(call: Call) -> None:
    assert "recursion limit" in nested(call).body["detail"]


def test_by_a_reader_that_goes_on_it_would_be_read(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "from_json", lambda body, **_: json.loads(body))

    assert nested(call).body["errors"][0]["field"] == "body.deep"


def nested(call: Call) -> Answer:
    """What is said of a body that is deep where no body of ours has anything."""
    return call(door, "POST", PATH, body=json.dumps(ORDER)[:-1] + f', "deep": {"[" * 300}{"]" * 300}}}')


def weight(call: Call, printed: Printed) -> tuple[int, int]:
    """Characters of the answer and of the log after a body of nothing but unknown fields."""
    printed()
    said = call(door, "POST", PATH, body=MANY)
    assert said.status == 422
    return len(json.dumps(said.body)), len(printed())


def test_an_answer_does_not_grow_with_the_faults_of_a_body(call: Call, printed: Printed) -> None:
    answered, logged = weight(call, printed)

    assert answered < 10_000
    assert logged < 5_000


def test_without_its_limits_it_would(call: Call, printed: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_FAULTS", 10**6)
    monkeypatch.setattr(http, "MAX_DETAIL", 10**6)

    monkeypatch.setattr(observability, "scrub", lambda text, _limit: text)

    assert min(weight(call, printed)) > 100_000


def test_how_many_faults_there_were_is_said(call: Call) -> None:
    said = call(door, "POST", PATH, body=MANY)

    assert len(said.body["errors"]) == http.MAX_FAULTS
    assert said.body["detail"].endswith("; and 1480 more")


def test_no_answer_is_kept_or_guessed_at_by_whoever_passes_it_on(call: Call) -> None:
    for said in (call(door, "GET", "/dynos"), call(door, "GET", "/dynos", caller=Caller.NOBODY)):
        assert (said.headers["Cache-Control"], said.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


def test_without_the_headers_it_would_be_seen(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_ON_EVERY_ANSWER", {})

    assert "Cache-Control" not in call(door, "GET", "/dynos").headers


def opened(door: Door) -> int:
    """The status of GET /open, asked by an admin."""
    event = gateway_event("GET", "/open", authorised=claims(Caller.ADMIN))
    status: int = door.serve(event, Context())["statusCode"]  # type: ignore[arg-type]
    return status


@pytest.mark.usefixtures("call")
def test_a_route_that_names_no_permission_lets_nobody_pass_though_nobody_checked_its_door(enter: Any) -> None:
    enter("dyno_allocations")
    unchecked = Door(settings)
    unchecked.get("/open")(lambda: {"open": True})
    guarded = Door(settings)
    guarded.get("/open")(allow(Permission.VIEW_DYNOS)(lambda: {"open": True}))

    assert (opened(unchecked), opened(guarded)) == (500, 200)
