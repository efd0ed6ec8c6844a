"""The registry over the deployed stack."""

import uuid

import httpx

from tests.e2e.site import in_days

LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"


def new_vin() -> str:
    number = uuid.uuid4().int
    return "".join(LETTERS[number // len(LETTERS) ** place % len(LETTERS)] for place in range(17))


def test_what_an_admin_adds_through_the_gateway_is_booked_and_retires(admin: httpx.Client) -> None:
    vin, test_type, key = new_vin(), f"e2e-{uuid.uuid4()}", {"Idempotency-Key": str(uuid.uuid4())}
    line = {"test_type": test_type, "drive_type": "4x4", "weight_class": "any"}
    cell = {"name": f"Cell {test_type}", "capabilities": [line]}

    vehicle = admin.post("/vehicles", json={"vin": vin.lower(), "weight_lbs": 5000, "drive_type": "RWD/AWD"})
    dyno = admin.post("/dynos", json=cell, headers=key)
    again = admin.post("/dynos", json=cell, headers=key)
    wanted = {"vin": vin.lower(), "test_type": test_type, "start_date": in_days(30), "days_to_complete": 1}
    booked = admin.post("/allocations/auto", json=wanted).json()["allocation"]
    path = f"/dynos/{dyno.json()['dyno_id']}"
    unseen = admin.patch(path, json={"retired": True})
    stranded = admin.patch(path, json={"retired": True}, headers={"If-Match": dyno.headers["ETag"]})
    admin.delete(f"/allocations/{booked['allocation_id']}")
    retired = admin.patch(path, json={"retired": True}, headers={"If-Match": dyno.headers["ETag"]})

    assert (vehicle.status_code, dyno.status_code, again.status_code) == (201, 201, 201)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (dyno.json(), "true")
    assert (booked["vehicle_id"], booked["dyno_id"]) == (vehicle.json()["vehicle_id"], dyno.json()["dyno_id"])
    assert (unseen.status_code, stranded.status_code, retired.status_code) == (428, 409, 200)
    assert [each["allocation_id"] for each in stranded.json()["stranded"]] == [booked["allocation_id"]]
    assert admin.get(path).json() == retired.json()


def test_only_admins_add_and_change_vehicles_and_dynos(user: httpx.Client) -> None:
    for path in ("/vehicles", "/dynos"):
        assert user.get(path).status_code == 200
        assert user.post(path, json={}).status_code == 403
        assert user.patch(f"{path}/1", json={}, headers={"If-Match": '"1"'}).status_code == 403
