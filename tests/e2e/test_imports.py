"""A lab's workbook through the deployed gateway, byte by byte."""

import uuid
from datetime import date, timedelta

import httpx

from functions.imports.handler import CSV, XLSX
from tests.e2e.site import eventually, in_days
from tests.e2e.test_registry import new_vin
from tests.integration.imports.conftest import workbook

TESTS = ("VIN", "Test type", "Requested start", "Days to complete", "Dyno", "Start", "End")


def kept(vins: list[str], mark: str) -> bytes:
    """Two tests on one dyno on one day, as a sheet that nobody checks has them."""
    first = date.fromisoformat(in_days(40))
    days = [first + timedelta(days=number) for number in range(3)]
    return workbook(
        {
            "Vehicles": [("VIN", "Weight (lbs)", "Drive"), *((vin, 5000, "AWD") for vin in vins)],
            "Dynos": [("Dyno", "Facility"), (f"Cell {mark}", "Main"), (f"Cell {mark}b", "Main")],
            "Rules": [
                ("Test type", "Drive type", "Weight class", "Dynos"),
                (mark, "any", "any", f"Cell {mark}, Cell {mark}b"),
            ],
            "Requests": [
                TESTS,
                (vins[0], mark, days[0], 2, f"Cell {mark}", days[0], days[1]),
                (vins[1], mark, days[0], 2, f"Cell {mark}", days[1], days[2]),
            ],
        }
    )  # fmt: skip


def test_a_workbook_is_imported_by_one_call_and_a_second_changes_nothing(admin: httpx.Client) -> None:
    mark = f"e2e-{uuid.uuid4().hex[:12]}"
    book = kept([new_vin(), new_vin()], mark)
    headers = {"Content-Type": XLSX}

    dry = admin.post("/imports?dry_run=true", content=book, headers=headers).json()
    first = admin.post("/imports", content=book, headers=headers).json()
    second = admin.post("/imports", content=book, headers=headers).json()

    assert [each["written"] for each in (dry, first, second)] == [False, True, True]
    assert dry["counts"] == first["counts"]
    assert (first["counts"]["created"], first["counts"]["booked"], second["counts"]["unchanged"]) == (5, 2, 7)
    assert first["planning"]["as_the_sheet_had_it"]["double_bookings"] == 1
    assert first["planning"]["as_booked"] == {"double_bookings": 0, "tests_without_a_dyno": 0}
    ids = [row["allocation_id"] for row in first["rows"] if row["outcome"] == "booked"]
    assert [admin.get(f"/allocations/{each}").json()["test_type"] for each in ids] == [mark, mark]


def test_a_sheet_with_a_fault_leaves_nothing_behind(admin: httpx.Client) -> None:
    vin = new_vin()

    said = admin.post(
        "/imports", content=f"VIN,Weight (lbs),Drive\n{vin},5000,AWD\nnone,1,AWD\n", headers={"Content-Type": CSV}
    )

    assert (said.status_code, said.json()["code"]) == (422, "import_invalid")
    assert admin.get("/vehicles", params={"vin": vin}).json()["items"] == []


def test_only_admins_import(user: httpx.Client) -> None:
    assert user.post("/imports", content="VIN\n", headers={"Content-Type": CSV}).status_code == 403


def test_a_large_file_is_sent_to_an_address_and_imported_when_it_is_there(admin: httpx.Client) -> None:
    vins = [new_vin() for _ in range(2_500)]
    lines = ["Vehicles of a lab", "", "VIN #,Weight (lbs),AWD/2WD", *(f"{vin},5200,4x4" for vin in vins)]
    content = "\n".join(lines).encode()
    wanted = {"content_type": CSV, "size_bytes": len(content), "filename": "backlog.csv"}

    too_many = admin.post("/imports", content=content, headers={"Content-Type": CSV})
    made = admin.post("/imports/uploads", json=wanted).json()
    sent = httpx.put(made["upload"]["url"], content=content, headers=made["upload"]["headers"])
    again = httpx.put(made["upload"]["url"], content=content, headers=made["upload"]["headers"])
    done = eventually(
        lambda: admin.get(f"/imports/{made['import_id']}").json(),
        lambda said: said["status"] not in {"awaiting_upload", "running"},
        deadline_s=60,
    )

    assert (too_many.status_code, sent.status_code, again.status_code) == (422, 200, 412)
    assert "POST /imports/uploads" in too_many.json()["detail"]
    assert (done["status"], done["counts"]["created"], done["rows_done"], done["rows_total"]) == (
        *("succeeded", 2_500),
        *(2_500, 2_500),
    )
    report = httpx.get(done["report"]["url"]).json()
    assert [row["name"] for row in report["rows"] if row["outcome"] == "created"] == vins
    assert admin.get("/vehicles", params={"vin": vins[-1]}).json()["items"][0]["weight_lbs"] == 5200
