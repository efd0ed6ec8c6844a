import json
from typing import Any

import pytest

from functions.allocations import handler as door
from tests.functions.conftest import Answer, Call, Caller
from tests.lab import MONDAY, Lab

VIN = "1M8GDM9AXKP042788"
VEHICLE = {"vin": VIN, "weight_lbs": 5000, "drive_type": "4x4"}
LINE = {"test_type": "brake", "drive_type": "AWD", "weight_class": "<10K"}
DYNO = {"name": "Cell 3", "capabilities": [LINE]}
KEY = {"Idempotency-Key": "k-1"}
KINDS = pytest.mark.parametrize(("path", "body", "kind"), [("/vehicles", VEHICLE, "vehicle"), ("/dynos", DYNO, "dyno")])


@pytest.fixture
def ask(call: Call, lab: Lab) -> Call:
    """Calls the door as an admin."""

    def answer(method: str, path: str, **parts: Any) -> Answer:
        return call(door, method, path, **{"caller": Caller.ADMIN, "sub": "ada"} | parts)

    return answer


def etag(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}


def test_a_vehicle_is_created_and_shown_alike_by_every_route(ask: Call) -> None:
    made = ask("POST", "/vehicles", body=VEHICLE, headers=KEY)
    again = ask("POST", "/vehicles", body=VEHICLE, headers=KEY)
    seen = ask("GET", "/vehicles/1", caller=Caller.USER)
    unchanged = ask("PATCH", "/vehicles/1", body={}, headers=etag(1))
    listed = ask("GET", "/vehicles", query={"vin": f" {VIN.lower()}"}, caller=Caller.USER)

    assert made.body == {
        "vehicle_id": 1,
        "vin": VIN,
        "vin_check": True,
        "weight_lbs": 5000,
        "weight_class": "<10K",
        "drive_type": "AWD",
        "program": None,
        "build_id": None,
        "cert_team": None,
        "engine": None,
        "build_type": None,
        "retired_at": None,
        "version": 1,
    }
    assert made.body == again.body == seen.body == unchanged.body == listed.body["items"][0]
    assert [each.status for each in (made, again, seen, unchanged)] == [201, 201, 200, 200]
    assert {each.headers["ETag"] for each in (made, again, seen, unchanged)} == {'"1"'}
    assert ("Idempotency-Replayed" in made.headers, again.headers["Idempotency-Replayed"]) == (False, "true")


def test_a_dyno_is_created_and_shown_alike_by_every_route(ask: Call) -> None:
    made = ask("POST", "/dynos", body=DYNO | {"available_from": str(MONDAY)}, headers=KEY)
    again = ask("POST", "/dynos", body=DYNO | {"available_from": str(MONDAY)}, headers=KEY)
    seen = ask("GET", "/dynos/1", caller=Caller.USER)
    unchanged = ask("PATCH", "/dynos/1", body={"capabilities": [LINE]}, headers=etag(1))
    listed = ask("GET", "/dynos", caller=Caller.USER)

    assert made.body == {
        "dyno_id": 1,
        "name": "Cell 3",
        "facility": None,
        "enabled": True,
        "available_from": str(MONDAY),
        "available_to": None,
        "turnaround_days": 0,
        "breadth": 1,
        "capabilities": [LINE],
        "retired_at": None,
        "version": 1,
    }
    assert made.body == again.body == seen.body == unchanged.body == listed.body["items"][0]
    assert [each.status for each in (made, again, seen, unchanged)] == [201, 201, 200, 200]
    assert {each.headers["ETag"] for each in (made, again, seen, unchanged)} == {'"1"'}
    assert ("Idempotency-Replayed" in made.headers, again.headers["Idempotency-Replayed"]) == (False, "true")


def test_a_vehicle_is_booked_by_its_vin_however_it_is_written(ask: Call) -> None:
    ask("POST", "/vehicles", body=VEHICLE)
    ask("POST", "/dynos", body=DYNO)
    wanted = {"vin": f"{VIN.lower()} ", "test_type": "brake", "start_date": str(MONDAY), "days_to_complete": 1}

    booked = ask("POST", "/allocations/auto", body=wanted)
    found = ask("GET", "/allocations", query={"vin": VIN.lower()})

    assert (booked.status, booked.body["allocation"]["vin"]) == (201, VIN)
    assert found.body["items"] == [booked.body["allocation"]]


def test_there_is_one_of_each_and_the_refusal_says_which(ask: Call) -> None:
    ask("POST", "/vehicles", body=VEHICLE)
    ask("POST", "/dynos", body=DYNO)

    vehicle = ask("POST", "/vehicles", body=VEHICLE | {"vin": VIN.lower()})
    dyno = ask("POST", "/dynos", body=DYNO | {"capabilities": []})

    assert (vehicle.status, vehicle.body["code"], vehicle.body["vehicle_id"]) == (409, "vehicle_exists", 1)
    assert (dyno.status, dyno.body["code"], dyno.body["dyno_id"]) == (409, "dyno_exists", 1)


@KINDS
def test_another_body_under_the_same_key_is_a_422(ask: Call, path: str, body: dict[str, Any], kind: str) -> None:
    ask("POST", path, body=body, headers=KEY)
    other = {"vin": "WP0ZZZ99ZTS392124"} if kind == "vehicle" else {"name": "Cell 4"}

    said = ask("POST", path, body=body | other, headers=KEY)

    assert (said.status, said.body["code"]) == (422, "idempotency_key_reused")


@KINDS
def test_a_trial_of_a_thing_says_what_would_be_made_and_makes_nothing(
    ask: Call, lab: Lab, path: str, body: dict[str, Any], kind: str
) -> None:
    tried = ask("POST", path, body=body | {"dry_run": True}, headers=KEY)
    nothing = (ask("GET", path).body["items"], lab.sql("select count(*) from registry_history"))
    made = ask("POST", path, body=body, headers=KEY)
    again = ask("POST", path, body=body | {"dry_run": True})

    assert nothing == ([], 0)
    assert (tried.status, "ETag" in tried.headers, tried.body) == (200, False, made.body | {f"{kind}_id": None})
    assert (made.status, "Idempotency-Replayed" in made.headers) == (201, False)
    assert (again.status, again.body["code"]) == (409, f"{kind}_exists")


@KINDS
def test_a_thing_retires_and_comes_back(ask: Call, path: str, body: dict[str, Any], kind: str) -> None:
    ask("POST", path, body=body)

    retired = ask("PATCH", f"{path}/1", body={"retired": True}, headers=etag(1))
    in_use = ask("GET", path)
    gone = ask("GET", path, query={"retired": "true"})
    back = ask("PATCH", f"{path}/1", body={"retired": False}, headers=etag(2))

    assert (retired.status, retired.headers["ETag"]) == (200, '"2"')
    assert retired.body["retired_at"].endswith("Z")
    assert (in_use.body["items"], gone.body["items"]) == ([], [retired.body])
    assert (back.status, back.body["retired_at"], back.body["version"]) == (200, None, 3)
    assert ask("GET", path, query={"retired": "false"}).body["items"] == [back.body]


def test_a_retired_dyno_cannot_be_enabled(ask: Call) -> None:
    ask("POST", "/dynos", body=DYNO)
    ask("PATCH", "/dynos/1", body={"retired": True}, headers=etag(1))

    said = ask("PATCH", "/dynos/1", body={"enabled": True}, headers=etag(2))

    assert (said.status, said.body["code"]) == (409, "dyno_retired")


@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        ("/vehicles/1", {"retired": True}, "vehicle_retired"),
        ("/vehicles/1", {"weight_lbs": 10_001}, "not_capable"),
        ("/dynos/1", {"enabled": False}, "disabled"),
        ("/dynos/1", {"available_from": "2999-01-01"}, "outside_availability"),
    ],
)
def test_a_change_that_would_strand_a_booking_is_a_409_that_lists_it(
    ask: Call, path: str, change: dict[str, Any], reason: str
) -> None:
    vehicle, dyno = ask("POST", "/vehicles", body=VEHICLE).body, ask("POST", "/dynos", body=DYNO).body
    wanted = {"vin": VIN, "test_type": "brake", "start_date": str(MONDAY), "days_to_complete": 1}
    booked = ask("POST", "/allocations/auto", body=wanted).body["allocation"]

    said = ask("PATCH", path, body=change, headers=etag(1))

    assert (said.status, said.body["code"]) == (409, "bookings_stranded")
    shown = ("allocation_id", "vehicle_id", "vin", "dyno_id", "dyno_name", "start_date", "end_date", "status")
    assert said.body["stranded"] == [{name: booked[name] for name in shown} | {"reason": reason}]
    assert (ask("GET", "/vehicles/1").body, ask("GET", "/dynos/1").body) == (vehicle, dyno)


@KINDS
@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [({}, 428, "precondition_required"), (etag(2), 412, "stale"), ({"If-Match": "*"}, 412, "stale")],
    ids=str,
)
def test_a_change_says_which_version_it_is_of(
    ask: Call, path: str, body: dict[str, Any], kind: str, headers: dict[str, str], status: int, code: str
) -> None:
    made = ask("POST", path, body=body)

    said = ask("PATCH", f"{path}/1", body={"retired": True}, headers=headers)

    assert (said.status, said.body["code"], said.headers["Content-Type"]) == (status, code, "application/problem+json")
    assert ask("GET", f"{path}/1").body == made.body


BAD_VEHICLES = {
    "no vin": {"weight_lbs": 5000, "drive_type": "AWD"},
    "null vin": VEHICLE | {"vin": None},
    "16 characters": VEHICLE | {"vin": VIN[:16]},
    "an O": VEHICLE | {"vin": "O" + VIN[1:]},
    "no weight": {"vin": VIN, "drive_type": "AWD"},
    "weightless": VEHICLE | {"weight_lbs": 0},
    "too heavy": VEHICLE | {"weight_lbs": 200_001},
    "half a pound": VEHICLE | {"weight_lbs": 5000.5},
    "weight as text": VEHICLE | {"weight_lbs": "5000"},
    "unknown drive": VEHICLE | {"drive_type": "6WD"},
    "number for drive": VEHICLE | {"drive_type": 4},
    "empty program": VEHICLE | {"program": " "},
    "a long engine": VEHICLE | {"engine": "x" * 65},
    "weight class": VEHICLE | {"weight_class": "<10K"},
    "retired": VEHICLE | {"retired": True},
    "array": [],
}
BAD_DYNOS = {
    "no name": {"capabilities": []},
    "empty name": DYNO | {"name": " "},
    "no capabilities": {"name": "Cell 3"},
    "null capabilities": DYNO | {"capabilities": None},
    "a line twice": DYNO | {"capabilities": [LINE, LINE]},
    "501 lines": DYNO | {"capabilities": [LINE | {"test_type": str(number)} for number in range(501)]},
    "no such weight class": DYNO | {"capabilities": [LINE | {"weight_class": "heavy"}]},
    "an empty test": DYNO | {"capabilities": [LINE | {"test_type": ""}]},
    "half a line": DYNO | {"capabilities": [{"test_type": "brake"}]},
    "more than a line": DYNO | {"capabilities": [LINE | {"priority": 1}]},
    "31 turnaround days": DYNO | {"turnaround_days": 31},
    "negative turnaround": DYNO | {"turnaround_days": -1},
    "days out of order": DYNO | {"available_from": "2027-06-08", "available_to": "2027-06-07"},
    "no such day": DYNO | {"available_from": "2027-02-30"},
    "enabled as text": DYNO | {"enabled": "yes"},
    "null enabled": DYNO | {"enabled": None},
    "breadth": DYNO | {"breadth": 7},
}


@pytest.mark.parametrize(
    ("path", "body"),
    [("/vehicles", body) for body in BAD_VEHICLES.values()] + [("/dynos", body) for body in BAD_DYNOS.values()],
    ids=[f"vehicle: {name}" for name in BAD_VEHICLES] + [f"dyno: {name}" for name in BAD_DYNOS],
)
def test_what_can_never_be_is_a_422_that_says_where_and_writes_nothing(
    ask: Call, lab: Lab, path: str, body: Any
) -> None:
    said = ask("POST", path, body=json.dumps(body), headers=KEY)

    assert (said.status, said.body["code"]) == (422, "invalid_request")
    assert said.body["detail"]
    assert lab.sql("select (select count(*) from vehicles) + (select count(*) from dynos)") == 0
    assert lab.sql("select count(*) from idempotency_keys") == 0


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/vehicles", {"vin": "WP0ZZZ99ZTS392124"}),
        ("/vehicles", {"weight_lbs": None}),
        ("/vehicles", {"drive_type": "any"}),
        ("/vehicles", {"retired": None}),
        ("/vehicles", {"retired": "yes"}),
        ("/vehicles", {"version": 7}),
        ("/dynos", {"name": None}),
        ("/dynos", {"capabilities": None}),
        ("/dynos", {"capabilities": [LINE, LINE]}),
        ("/dynos", {"turnaround_days": None}),
        ("/dynos", {"available_to": "0001-01-01", "available_from": "0001-01-02"}),
        ("/dynos", {"retired": True, "enabled": True}),
        ("/dynos", {"dyno_id": 7}),
    ],
    ids=str,
)
def test_a_change_that_can_never_be_is_a_422_and_changes_nothing(ask: Call, path: str, change: Any) -> None:
    made = ask("POST", path, body=VEHICLE if path == "/vehicles" else DYNO)

    said = ask("PATCH", f"{path}/1", body=change, headers=etag(1))

    assert (said.status, said.body["code"]) == (422, "invalid_request")
    assert said.body["errors"][0]["field"].startswith("body")
    assert ask("GET", f"{path}/1").body == made.body


@KINDS
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_what_is_not_there_is_a_404(ask: Call, path: str, body: dict[str, Any], kind: str, method: str) -> None:
    codes = dict.fromkeys(("999", "2147483647"), f"{kind}_not_found")
    codes |= dict.fromkeys(("0", "-1", "abc", "2147483648", "1.0", "01", "%201"), "not_found")

    for number, code in codes.items():
        said = ask(method, f"{path}/{number}", body={} if method == "PATCH" else None, headers=etag(1))
        assert (said.status, said.body["code"]) == (404, code), number


@KINDS
@pytest.mark.parametrize("query", [{"retired": "yes"}, {"retired": ""}, {"limit": "0"}, {"drive": "AWD"}], ids=str)
def test_a_query_that_makes_no_sense_is_a_422(
    ask: Call, path: str, body: dict[str, Any], kind: str, query: dict[str, str]
) -> None:
    assert ask("GET", path, query=query).status == 422


def test_its_calls_are_measured_as_the_allocation_services_and_share_a_series(
    ask: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    ask("POST", "/vehicles", body=VEHICLE)
    ask("POST", "/vehicles", body=VEHICLE)
    ask("PATCH", "/vehicles/1", body={"weight_lbs": 6000}, headers=etag(1))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "dyno-call/1" in line]

    assert [(line["service"], line["method"], line["outcome"], line["overflow"]) for line in lines] == [
        ("AllocationService", "create_vehicle", "success", "true"),
        ("AllocationService", "create_vehicle", "rejected", "true"),
        ("AllocationService", "change_vehicle", "success", "true"),
    ]
