"""The door of changes, maintenance and what is free: what the gateway would send."""

from datetime import timedelta
from typing import Any

import pytest

from functions.allocations import handler as door
from tests.functions.conftest import Answer, Call, Caller
from tests.lab import FRIDAY, MONDAY, TODAY, TUESDAY, WEDNESDAY, Lab

BOOKING = {"vin": "9ZZ0TEST0VD000001", "test_type": "brake", "start_date": str(MONDAY), "days_to_complete": 2}
WINDOW = {"start_date": str(MONDAY), "end_date": str(TUESDAY), "reason": "belt"}
LOOK = {"vin": "9ZZ0TEST0VD000001", "test_type": "brake", "start_date": str(MONDAY), "days_to_complete": "2"}
PLANNER, ADMIN = {"caller": Caller.POWER_USER}, {"caller": Caller.ADMIN}


@pytest.fixture(autouse=True)
def dyno_id(lab: Lab) -> int:
    lab.vehicle()
    return lab.dyno("Cell 3")


@pytest.fixture
def booked(call: Call, dyno_id: int) -> dict[str, Any]:
    said = call(door, "POST", "/allocations", body=BOOKING | {"dyno_id": dyno_id})
    assert said.status == 201, said.body
    allocation: dict[str, Any] = said.body["allocation"]
    return allocation


def patch(call: Call, allocation: dict[str, Any], body: Any, version: object = None, **who: Any) -> Answer:
    headers = {"If-Match": f'"{version or allocation["version"]}"'}
    path = f"/allocations/{allocation['allocation_id']}"
    return call(door, "PATCH", path, body=body, headers=headers, **(who or PLANNER))


def test_a_dyno_is_booked_by_name_once_per_key(call: Call, dyno_id: int) -> None:
    asked = {"body": BOOKING | {"dyno_id": dyno_id}, "headers": {"Idempotency-Key": "k"}}

    first, again = (call(door, "POST", "/allocations", **asked) for _ in range(2))
    auto = call(door, "POST", "/allocations/auto", body=BOOKING, headers={"Idempotency-Key": "k"})

    assert (first.status, again.status, again.headers["Idempotency-Replayed"]) == (201, 201, "true")
    assert again.body == first.body
    assert (auto.status, "Idempotency-Replayed" in auto.headers) == (201, False), "a key belongs to a route"


def test_work_and_holds_are_shown(call: Call) -> None:
    work = {"miles": 900, "miles_per_day": 400, "added_days": 1}
    body = {name: value for name, value in BOOKING.items() if name != "days_to_complete"} | work | {"hold_minutes": 5}

    allocation = call(door, "POST", "/allocations/auto", body=body).body["allocation"]

    assert allocation["work"] == work | {"days_to_complete": 4}
    assert (allocation["status"], allocation["end_date"]) == ("held", str(MONDAY + timedelta(days=3)))
    assert allocation["expires_at"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"miles": 100}, "give either days_to_complete, or miles and miles_per_day"),
        ({"miles": 100, "miles_per_day": 50}, "give either days_to_complete, or miles and miles_per_day"),
        ({"days_to_complete": None}, "give either days_to_complete, or miles and miles_per_day"),
        ({"added_days": 2}, "added_days goes with miles and miles_per_day"),
        ({"hold_minutes": 0}, "greater than or equal to 1"),
        ({"hold_minutes": 10_081}, "less than or equal to 10080"),
    ],
)
def test_how_long_is_said_in_one_way(call: Call, fields: dict[str, Any], says: str) -> None:
    said = call(door, "POST", "/allocations/auto", body=BOOKING | fields)

    assert (said.status, said.body["code"]) == (422, "invalid_request")
    assert says in said.body["detail"]


def test_a_change_gives_the_allocation_with_its_new_version(call: Call, booked: dict[str, Any]) -> None:
    said = patch(call, booked, {"start_date": str(TUESDAY)})

    assert (said.status, said.headers["ETag"], said.body["allocation"]["version"]) == (200, '"2"', 2)
    assert said.body["message"].endswith(f"is now scheduled on Cell 3 from {TUESDAY} to {WEDNESDAY}")
    assert (said.body["success"], said.body["dry_run"]) == (True, False)


def test_a_change_says_which_version_it_is_of(call: Call, booked: dict[str, Any]) -> None:
    path, body = f"/allocations/{booked['allocation_id']}", {"start_date": str(TUESDAY)}

    without = call(door, "PATCH", path, body=body, **PLANNER)
    stale = patch(call, booked, body, version=2)

    assert (without.status, without.body["code"]) == (428, "precondition_required")
    assert (stale.status, stale.body["code"]) == (412, "stale")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "name something to change"),
        ({"dry_run": True}, "name something to change"),
        ({"start_date": None}, "start_date: null is no value of an allocation"),
        ({"end_date": str(FRIDAY), "days_to_complete": 2}, "give either end_date or days_to_complete"),
        ({"status": "completed", "end_date": str(FRIDAY)}, "give nothing else with it"),
        ({"status": "cancelled"}, "scheduled"),
        ({"status": "held"}, "scheduled"),
        ({"vin": "x"}, "vin"),
        ({"days_to_complete": "2"}, "days_to_complete"),
        ({"start_date": "9999-12-31"}, "a booking ends by"),
    ],
)
def test_a_change_that_says_nothing_or_too_much_is_refused(
    call: Call, booked: dict[str, Any], body: dict[str, Any], says: str
) -> None:
    said = patch(call, booked, body)

    assert (said.status, said.body["code"]) == (422, "invalid_request")
    assert says in said.body["detail"]


def test_a_user_changes_nothing_and_a_planner_closes_nothing(call: Call, booked: dict[str, Any], dyno_id: int) -> None:
    change = patch(call, booked, {"start_date": str(TUESDAY)}, caller=Caller.USER)
    path = f"/dynos/{dyno_id}/maintenance"
    closing = call(door, "POST", path, body=WINDOW, **PLANNER)
    reopening = call(door, "DELETE", f"{path}/1", **PLANNER)

    assert [each.status for each in (change, closing, reopening)] == [403] * 3


def test_a_step_that_is_not_allowed_says_which_is(call: Call, booked: dict[str, Any]) -> None:
    said = patch(call, booked, {"status": "completed"})

    assert (said.status, said.body["code"], said.body["next"]) == (409, "step_not_allowed", "in_progress")


def test_the_history_is_a_list_with_what_was_and_what_is(call: Call, booked: dict[str, Any]) -> None:
    patch(call, booked, {"start_date": str(TUESDAY)})

    said = call(door, "GET", f"/allocations/{booked['allocation_id']}/history")
    [book, move] = said.body["items"]

    assert (said.status, said.body["next_cursor"]) == (200, None)
    assert (book["action"], book["actor"], book["before"]) == ("book", "user", None)
    assert (move["action"], move["actor"]) == ("move", "power_user")
    assert (move["before"]["start_date"], move["after"]["start_date"]) == (str(MONDAY), str(TUESDAY))
    assert set(move) == {"history_id", "at", "action", "actor", "before", "after"}


def test_a_dyno_is_closed_and_opened(call: Call, dyno_id: int, booked: dict[str, Any]) -> None:
    path = f"/dynos/{dyno_id}/maintenance"

    overlap = call(door, "POST", path, body=WINDOW, **ADMIN)
    asked = {"body": WINDOW, "query": {"displace": "true"}, "headers": {"Idempotency-Key": "k"}}
    dry = call(door, "POST", path, **asked | {"body": WINDOW | {"dry_run": True}}, **ADMIN)
    closed, again = (call(door, "POST", path, **asked, **ADMIN) for _ in range(2))
    listed = call(door, "GET", path)
    on_monday = call(door, "GET", "/dynos/maintenance", query={"on": str(MONDAY)})
    today = call(door, "GET", "/dynos/maintenance")
    window = closed.body["window"]
    opened = call(door, "DELETE", f"{path}/{window['window_id']}", **ADMIN)

    assert (overlap.status, overlap.body["code"]) == (409, "maintenance_overlap")
    assert "displace=true" in overlap.body["detail"]
    assert overlap.body["in_the_way"][0]["allocation_id"] == booked["allocation_id"]
    assert (dry.status, dry.body["window"]["window_id"]) == (200, None)
    assert (closed.status, again.headers["Idempotency-Replayed"], again.body) == (201, "true", closed.body)
    assert closed.body["displaced"][0]["before"] == booked
    assert closed.body["displaced"][0]["after"]["start_date"] == str(WEDNESDAY)
    assert closed.body["message"] == f"Cell 3 is closed from {MONDAY} to {TUESDAY}; 1 bookings make way"
    assert listed.body["items"] == on_monday.body["items"] == [window]
    assert today.body["items"] == []
    assert (opened.status, opened.body["window"]["status"]) == (200, "cancelled")


def test_a_window_is_written_in_order_and_with_its_reason(call: Call, dyno_id: int) -> None:
    for fields in ({"end_date": str(MONDAY - timedelta(days=1))}, {"reason": " "}, {"reason": "x" * 201}):
        said = call(door, "POST", f"/dynos/{dyno_id}/maintenance", body=WINDOW | fields, **ADMIN)
        assert said.status == 422, said.body


def test_what_is_free_is_shown(call: Call, dyno_id: int, booked: dict[str, Any]) -> None:
    said = call(door, "GET", "/dynos/availability", query=LOOK | {"next": "2"})

    assert said.status == 200
    assert [each["allocation_id"] for each in said.body["in_the_way"]] == [booked["allocation_id"]]
    assert [each["reason"] for each in said.body["rejected"]] == ["booked"]
    assert said.body["next"] == [
        {
            "dyno_id": dyno_id,
            "dyno_name": "Cell 3",
            "start_date": str(WEDNESDAY),
            "end_date": str(WEDNESDAY + timedelta(days=1)),
        }
    ]
    assert set(said.body) == {
        *("start_date", "end_date", "vehicle_id", "vin", "in_the_way", "available", "rejected", "next")
    }


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"next": "51"}, 422),
        ({"test_type": "any"}, 422),
        ({"start_date": "tomorrow"}, 422),
        ({"drive_type": "AWD"}, 422),
        ({"days_to_complete": "0"}, 422),
        ({"days_to_complete": "999999999999"}, 422),
        ({"vin": "nobody's"}, 404),
    ],
)
def test_what_cannot_be_looked_at_is_refused(call: Call, query: dict[str, str], status: int) -> None:
    assert call(door, "GET", "/dynos/availability", query=LOOK | query).status == status


def test_a_calendar_is_of_a_month_unless_said_otherwise(call: Call, dyno_id: int, booked: dict[str, Any]) -> None:
    path = f"/dynos/{dyno_id}/schedule"

    month = call(door, "GET", path).body
    week = call(door, "GET", path, query={"from": str(MONDAY), "to": str(FRIDAY)}).body

    assert (month["from"], month["to"]) == (str(TODAY), str(TODAY + timedelta(days=30)))
    assert [each["allocation_id"] for each in week["items"]] == [booked["allocation_id"]]
    assert week["free"] == [{"start_date": str(WEDNESDAY), "end_date": str(FRIDAY)}]
    assert call(door, "GET", "/dynos/99/schedule").body["code"] == "dyno_not_found"
    assert call(door, "GET", path, query={"to": "9999-12-31"}).status == 422
    assert call(door, "GET", path, query={"from": "9999-12-30"}).body["to"] == "9999-12-31"
