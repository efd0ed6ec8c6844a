"""A planner's day through the deployed gateway: look, hold, confirm, move, close a dyno, and see who did what."""

import httpx

from tests.e2e.site import Site, in_days

TEST_TYPE = "e2e-planning"


def test_days_are_held_confirmed_and_moved_and_a_closed_dyno_sends_its_bookings_elsewhere(
    site: Site, admin: httpx.Client, user: httpx.Client
) -> None:
    first, second = site.add_dyno(TEST_TYPE), site.add_dyno(TEST_TYPE)
    vin = site.add_vehicle()
    asked = {"vin": vin, "test_type": TEST_TYPE, "start_date": in_days(30)}
    work = {"miles": 1000, "miles_per_day": 600}

    free = user.get("/dynos/availability", params=asked | {"days_to_complete": 2, "next": 2})
    held = user.post("/allocations", json=asked | work | {"dyno_id": second, "hold_minutes": 30})
    allocation = held.json()["allocation"]
    path = f"/allocations/{allocation['allocation_id']}"
    forbidden = user.patch(path, json={"status": "scheduled"}, headers={"If-Match": '"1"'})
    confirmed = admin.patch(path, json={"status": "scheduled"}, headers={"If-Match": '"1"'})
    moved = admin.patch(path, json={"start_date": in_days(31)}, headers={"If-Match": confirmed.headers["ETag"]})
    stale = admin.patch(path, json={"start_date": in_days(32)}, headers={"If-Match": confirmed.headers["ETag"]})
    window = {"start_date": in_days(30), "end_date": in_days(33), "reason": "roller bearing"}
    refused = admin.post(f"/dynos/{second}/maintenance", json=window)
    closed = admin.post(f"/dynos/{second}/maintenance", json=window, params={"displace": "true"})
    calendar = user.get(f"/dynos/{second}/schedule", params={"from": in_days(30), "to": in_days(34)})
    on_that_day = user.get("/dynos/maintenance", params={"on": in_days(31)})
    window_id = closed.json()["window"]["window_id"]
    opened = admin.delete(f"/dynos/{second}/maintenance/{window_id}")
    history = user.get(f"{path}/history")

    assert [each["dyno_id"] for each in free.json()["available"]] == [first, second]
    assert (held.status_code, allocation["status"], allocation["work"]["days_to_complete"]) == (201, "held", 2)
    assert (forbidden.status_code, confirmed.json()["allocation"]["status"]) == (403, "scheduled")
    assert (moved.json()["allocation"]["end_date"], moved.headers["ETag"]) == (in_days(32), '"3"')
    assert (stale.status_code, refused.status_code) == (412, 409)
    assert refused.json()["in_the_way"][0]["allocation_id"] == allocation["allocation_id"]
    assert (closed.status_code, closed.json()["displaced"][0]["after"]["dyno_id"]) == (201, first)
    assert [each["window_id"] for each in calendar.json()["items"]] == [window_id]
    assert calendar.json()["free"] == [{"start_date": in_days(34), "end_date": in_days(34)}]
    assert window_id in [each["window_id"] for each in on_that_day.json()["items"]]
    assert opened.json()["window"]["status"] == "cancelled"
    assert [each["action"] for each in history.json()["items"]] == ["hold", "confirm", "move", "displace"]
