import json
from typing import Any

import pytest

from dyno.paging import Page, cursor
from functions.allocations import handler as door
from tests.functions.conftest import Call, Caller
from tests.lab import FRIDAY, MONDAY, THURSDAY, TODAY, TUESDAY, WEDNESDAY, Lab

AUTO = {
    "vin": "9ZZ0TEST0VD000001",
    "test_type": "brake",
    "start_date": str(MONDAY),
    "days_to_complete": 2,
    "backup": True,
    "max_backup_days": 7,
}


@pytest.fixture(autouse=True)
def furnished(lab: Lab) -> None:
    lab.dyno("Cell 3")
    lab.vehicle()


def test_a_booking_is_created_and_leaves_one_line(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    said = call(door, "POST", "/allocations/auto", body=AUTO, sub="ann", headers={"X-Correlation-Id": "trip-1"})

    assert (said.status, said.headers["Content-Type"]) == (201, "application/json")
    assert said.headers["X-Correlation-Id"] == "trip-1"
    assert said.body["success"] is True
    assert (said.body["backup_used"], said.body["shift_days"]) == (False, 0)
    assert "replayed" not in said.body
    allocation = said.body["allocation"]
    assert (allocation["dyno_name"], allocation["start_date"], allocation["end_date"]) == (
        "Cell 3",
        str(MONDAY),
        str(TUESDAY),
    )
    [line] = [json.loads(each) for each in capsys.readouterr().out.splitlines() if "dyno-call/1" in each]
    assert (line["service"], line["method"], line["outcome"]) == ("AllocationService", "auto_allocate", "success")
    assert (line["correlation_id"], line["sub"]) == ("trip-1", "ann")
    assert line["metadata"]["allocation_id"] == allocation["allocation_id"]


def test_the_correlation_id_is_the_gateways_trace_when_nothing_better_came(call: Call) -> None:
    said = call(door, "GET", "/dynos", headers={"X-Amzn-Trace-Id": "Root=1-6922fa11-0123456789abcdef01234567"})

    assert said.headers["X-Correlation-Id"] == "1-6922fa11-0123456789abcdef01234567"


def test_a_replay_answers_the_same_and_says_so(call: Call) -> None:
    first = call(door, "POST", "/allocations/auto", body=AUTO, headers={"Idempotency-Key": "k-1"})
    again = call(door, "POST", "/allocations/auto", body=AUTO, headers={"idempotency-key": "k-1"})

    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")


def test_another_body_under_the_same_key_is_refused(call: Call) -> None:
    call(door, "POST", "/allocations/auto", body=AUTO, headers={"Idempotency-Key": "k-1"})

    said = call(
        door, "POST", "/allocations/auto", body=AUTO | {"days_to_complete": 3}, headers={"Idempotency-Key": "k-1"}
    )

    assert (said.status, said.body["code"]) == (422, "idempotency_key_reused")


def test_a_dry_run_creates_nothing(call: Call, lab: Lab) -> None:
    said = call(door, "POST", "/allocations/auto", body=AUTO | {"dry_run": True})

    assert (said.status, said.body["dry_run"], said.body["allocation"]["allocation_id"]) == (200, True, None)
    assert lab.sql("select count(*) from occupancies") == 0


def test_a_refusal_is_a_problem_with_the_reason_of_every_dyno(call: Call) -> None:
    first = call(door, "POST", "/allocations/auto", body=AUTO).body["allocation"]

    said = call(door, "POST", "/allocations/auto", body=AUTO | {"test_type": "evap", "backup": False})
    busy = said.body

    assert (said.status, said.headers["Content-Type"]) == (409, "application/problem+json")
    assert (busy["code"], busy["status"], busy["type"]) == (
        "vehicle_already_allocated",
        409,
        "urn:dyno-agent:problem:vehicle_already_allocated",
    )
    assert busy["in_the_way"][0]["allocation_id"] == first["allocation_id"]


def test_no_dyno_available_names_each(call: Call, lab: Lab) -> None:
    lab.vehicle("9ZZ0TEST0VD000002")
    first = call(door, "POST", "/allocations/auto", body=AUTO).body["allocation"]

    said = call(door, "POST", "/allocations/auto", body=AUTO | {"vin": "9ZZ0TEST0VD000002", "max_backup_days": 1})

    assert (said.status, said.body["code"]) == (409, "no_dyno_available")
    assert said.body["rejected"] == [
        {
            "dyno_id": first["dyno_id"],
            "dyno_name": "Cell 3",
            "reason": "booked",
            "allocation_id": first["allocation_id"],
            "free_from": lab_day(TUESDAY, 1),
        }
    ]


def lab_day(day: Any, later: int) -> str:
    return str(type(day).fromordinal(day.toordinal() + later))


BAD_BODIES = {
    "malformed": "{",
    "empty": "",
    "null": "null",
    "array": "[]",
    "text": '"x"',
    "NaN": '{"days_to_complete": NaN}',
    "deep": "[" * 100_000,
    "wrong type": AUTO | {"days_to_complete": "2"},
    "fraction": AUTO | {"days_to_complete": 2.5},
    "bool for int": AUTO | {"days_to_complete": True},
    "int for bool": AUTO | {"backup": 1},
    "unknown field": AUTO | {"priority": 1},
    "missing field": {"vin": "x"},
    "past date": AUTO | {"start_date": "2020-01-01"},
    "no such date": AUTO | {"start_date": "2027-02-30"},
    "date with time": AUTO | {"start_date": f"{MONDAY}T00:00:00"},
    "date as seconds": AUTO | {"start_date": 1_800_000_000},
    "week date": AUTO | {"start_date": "2027-W01-1"},
    "year 9999": AUTO | {"start_date": "9999-12-31"},
    "zero days": AUTO | {"days_to_complete": 0},
    "10,000 days": AUTO | {"days_to_complete": 10_000},
    "a googol of days": AUTO | {"days_to_complete": 10**100},
    "negative backup": AUTO | {"max_backup_days": -1},
    "91 backup days": AUTO | {"max_backup_days": 91},
    "5,000 characters": AUTO | {"test_type": "x" * 5000},
    "empty test": AUTO | {"test_type": " "},
    "both": AUTO | {"vehicle_id": 1},
    "neither": {name: AUTO[name] for name in AUTO if name != "vin"},
    "half a character": json.dumps(AUTO | {"vin": "a\ud800b"}),
    "NUL": AUTO | {"vin": "a\0b"},
    "any test": AUTO | {"test_type": "any"},
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_what_can_never_succeed_is_a_422_that_says_why_and_writes_nothing(call: Call, lab: Lab, body: Any) -> None:
    said = call(door, "POST", "/allocations/auto", body=body, headers={"X-Correlation-Id": "bad-1"})

    assert (said.status, said.headers["Content-Type"]) == (422, "application/problem+json")
    assert (said.body["code"], said.body["correlation_id"]) == ("invalid_request", "bad-1")
    assert said.body["detail"]
    assert lab.sql("select count(*) from occupancies") + lab.sql("select count(*) from idempotency_keys") == 0


@pytest.mark.parametrize("vin", ["nobody", "", "'; drop table vehicles; --", "x" * 5000, "\\u0000", "ß"])
def test_an_unknown_vin_of_any_shape_is_a_404(call: Call, vin: str) -> None:
    said = call(door, "POST", "/allocations/auto", body=AUTO | {"vin": vin})

    assert (said.status, said.body["code"]) == (404, "vehicle_not_found")


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é", "a\nb"])
def test_an_unfit_idempotency_key_is_a_422(call: Call, key: str) -> None:
    said = call(door, "POST", "/allocations/auto", body=AUTO, headers={"Idempotency-Key": key})

    assert said.status == 422


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_a_json_body_is_read_whatever_its_content_type_says(call: Call, content_type: str) -> None:
    said = call(door, "POST", "/allocations/auto", body=AUTO, headers={"Content-Type": content_type})

    assert said.status == 201


def test_cancelling_over_the_door(call: Call) -> None:
    booked = call(door, "POST", "/allocations/auto", body=AUTO, sub="ann").body["allocation"]
    path = f"/allocations/{booked['allocation_id']}"

    assert call(door, "DELETE", path, sub="bob").status == 403
    cancelled = call(door, "DELETE", path, sub="ann")
    seen = call(door, "GET", path)

    assert (cancelled.status, cancelled.body["allocation"]["status"]) == (200, "cancelled")
    assert seen.body == cancelled.body["allocation"]
    assert seen.headers["ETag"] == '"2"'


@pytest.mark.parametrize(
    "allocation_id", ["999", "0", "-1", "abc", "99999999999999999999", "1.5", "1.0", "+1", "01", "1_0", "%201"]
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_allocation_that_is_not_there_is_a_404(call: Call, method: str, allocation_id: str) -> None:
    said = call(door, method, f"/allocations/{allocation_id}")

    assert (said.status, said.headers["Content-Type"]) == (404, "application/problem+json")


def test_lists_have_pages(call: Call) -> None:
    call(door, "POST", "/allocations/auto", body=AUTO)
    call(door, "POST", "/allocations/auto", body=AUTO | {"start_date": lab_day(MONDAY, 7)})

    first = call(door, "GET", "/allocations", query={"limit": "1", "from": str(TODAY)})
    second = call(door, "GET", "/allocations", query={"limit": "1", "cursor": first.body["next_cursor"]})

    assert [len(page.body["items"]) for page in (first, second)] == [1, 1]
    assert second.body["next_cursor"] is None
    assert call(door, "GET", "/allocations/conflicts").body == {"items": [], "next_cursor": None}
    assert [each["name"] for each in call(door, "GET", "/dynos").body["items"]] == ["Cell 3"]
    assert [each["weight_class"] for each in call(door, "GET", "/vehicles").body["items"]] == ["<10K"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "x"},
        {"cursor": "x"},
        {"status": "lost"},
        {"from": "yesterday"},
        {"dyno": "1"},
        {"limit": "1.0"},
        {"limit": " 5"},
        {"vin": "a\0b"},
    ],
    ids=str,
)
def test_a_query_that_makes_no_sense_is_a_422(call: Call, query: dict[str, str]) -> None:
    said = call(door, "GET", "/allocations", query=query)

    assert (said.status, said.headers["Content-Type"]) == (422, "application/problem+json")


def test_the_last_cursor_there_can_be_shows_an_empty_page(call: Call) -> None:
    for path in ("/allocations", "/dynos", "/vehicles"):
        assert call(door, "GET", path, query={"cursor": cursor((2**63 - 1,))}).body["items"] == []


def test_the_longest_cursor_of_the_conflicts_is_taken(call: Call) -> None:
    said = call(door, "GET", "/allocations/conflicts", query={"cursor": cursor((2**63 - 1, 2**63 - 1, 1))})

    assert (said.status, said.body["items"]) == (200, [])


@pytest.mark.own_database
def test_an_overlap_that_the_constraints_no_longer_keep_out_is_listed(call: Call, lab: Lab) -> None:
    first, second = lab.sql("select id from dynos"), lab.dyno("Cell 4")
    vehicles = [lab.vehicle(vin) for vin in ("A", "B", "C")]
    lab.sql("alter table occupancies drop constraint dyno_once, drop constraint vehicle_once")
    long = lab.occupy(first, vehicles[0], MONDAY, end_date=WEDNESDAY, turnaround_days=1)
    inside = lab.occupy(first, vehicles[1], TUESDAY)
    behind = lab.occupy(first, vehicles[2], THURSDAY)
    elsewhere = lab.occupy(second, vehicles[2], THURSDAY)
    window = lab.maintenance(second, THURSDAY)
    lab.occupy(second, vehicles[1], FRIDAY)
    lab.occupy(second, vehicles[0], MONDAY, status="cancelled", cancelled_at="2026-01-01")
    lab.occupy(second, vehicles[1], TUESDAY, status="held", expires_at="2020-01-01")

    said = call(door, "GET", "/allocations/conflicts")

    assert said.status == 200
    assert [tuple(pair.values()) for pair in said.body["items"]] == [
        (first, None, long, inside, str(TUESDAY), str(TUESDAY)),
        (first, None, long, behind, str(THURSDAY), str(WEDNESDAY)),
        (None, vehicles[2], behind, elsewhere, str(THURSDAY), str(THURSDAY)),
        (second, None, elsewhere, window, str(THURSDAY), str(THURSDAY)),
    ]


def test_me_says_who_is_asking(call: Call) -> None:
    said = call(door, "GET", "/me", caller=Caller.USER, sub="ann")

    assert (said.body["sub"], said.body["role"]) == ("ann", "user")
    assert "allocate:vehicle" in said.body["permissions"]
    assert "manage:dynos" not in said.body["permissions"]


def test_a_route_that_is_not_there_is_a_404_for_everybody(call: Call) -> None:
    said = call(door, "GET", "/allocations/auto/nothing")

    assert (said.status, said.body["code"]) == (404, "route_not_found")


def test_a_database_that_is_away_is_a_503_with_retry_after(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise OSError("refused")

    monkeypatch.setattr("dyno.driver.Connection", gone)

    said = call(door, "POST", "/allocations/auto", body=AUTO)

    assert (said.status, said.body["code"], said.headers["Retry-After"]) == (503, "database_unavailable", "5")
    assert '"outcome":"error"' in capsys.readouterr().out


def test_a_bug_is_a_500_that_gives_nothing_away(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("dyno.allocation.store.book", broken)

    said = call(door, "POST", "/allocations/auto", body=AUTO)

    assert (said.status, said.body["code"]) == (500, "internal_error")
    assert "secret" not in json.dumps(said.body)


def test_an_answer_of_another_type_is_our_fault_and_not_the_callers(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong: Page[Any] = Page.model_construct(items=[{"dyno_id": "secret"}], next_cursor=None)
    monkeypatch.setattr("dyno.allocation.registry.list_dynos", lambda *_, **__: wrong)

    said = call(door, "GET", "/dynos")

    assert (said.status, said.body["code"]) == (500, "internal_error")
    assert "secret" not in json.dumps(said.body)
