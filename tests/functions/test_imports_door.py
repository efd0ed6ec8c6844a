"""The door for files: what is sent, what is answered, and what is refused before anybody looks into it."""

from typing import Any

import pytest

from dyno.imports import service
from functions.imports import handler as door
from tests.functions.conftest import Answer, Call, Caller
from tests.integration.imports.conftest import Table, sheet, workbook
from tests.integration.imports.test_registry import VEHICLES, VIN, everything
from tests.lab import MONDAY, TUESDAY, WEDNESDAY, Lab
from tests.unit.imports.books import of_a_lab

OTHER_VIN = "9ZZ8LMF14VD000002"
KEPT: dict[str, Table] = {
    "Vehicles": [VEHICLES, (VIN, 5000, "AWD", "P1"), (OTHER_VIN, 11_000, "RWD", "P2")],
    "Dynos": [("Dyno", "Facility", "Turnaround days"), ("Cell 1", "North", 0), ("Cell 2", "South", 1)],
    "Rules": [("Test type", "Drive type", "Weight class", "Dynos"), ("brake", "any", "any", "Cell 1, Cell 2")],
    "Maintenance": [("Dyno", "Start", "End", "Reason"), ("Cell 2", MONDAY, MONDAY, "bearings")],
    "Requests": [
        ("VIN", "Test type", "Requested start", "Days to complete", "Dyno", "Start", "End"),
        (VIN, "brake", MONDAY, 2, "Cell 1", MONDAY, TUESDAY),
        (OTHER_VIN, "brake", TUESDAY, 2, "Cell 1", TUESDAY, WEDNESDAY),
    ],
}
"""A workbook of the kind that labs keep: two tests on one dyno on a Tuesday."""


@pytest.fixture
def send(call: Call) -> Any:
    """Sends a file as an admin."""

    def answer(content: bytes | str, kind: str = door.XLSX, **query: str) -> Answer:
        return call(
            door,
            "POST",
            "/imports",
            caller=Caller.ADMIN,
            body=content,
            query=query or None,
            headers={"Content-Type": kind},
        )

    return answer


def test_a_whole_workbook_is_imported_by_one_call_and_a_second_changes_nothing(lab: Lab, send: Any) -> None:
    book = workbook(KEPT)

    first = send(book)
    before = everything(lab)
    second = send(book)

    assert (first.status, second.status) == (200, 200)
    assert first.body["counts"] == {
        "created": 6, "changed": 0, "unchanged": 0, "booked": 2, "refused": 0, "skipped": 0
    }  # fmt: skip
    assert first.body["planning"] == {
        "tests": 2,
        "as_the_sheet_had_it": {"double_bookings": 1, "tests_without_a_dyno": 0},
        "as_booked": {"double_bookings": 0, "tests_without_a_dyno": 0},
    }
    assert (second.body["counts"]["unchanged"], everything(lab)) == (8, before)
    assert lab.rows("select distinct booked_by from occupancies where kind = 'allocation'") == [("admin",)]


def test_what_is_refused_leaves_nothing_behind_and_the_answer_has_the_report(lab: Lab, send: Any) -> None:
    before = everything(lab)

    said = send(sheet(VEHICLES, (VIN, 5000, "AWD", "P1"), ("no vin", 5000, "AWD", "P1")), door.CSV)

    assert (said.status, said.body["code"]) == (422, "import_invalid")
    assert [row["outcome"] for row in said.body["report"]["rows"]] == ["created", "refused"]
    assert everything(lab) == before


def test_what_the_lab_cannot_do_now_is_a_conflict(lab: Lab, send: Any) -> None:
    full = KEPT | {"Rules": [("Test type", "Drive type", "Weight class", "Dynos"), ("evap", "any", "any", "Cell 1")]}

    said = send(workbook(full))

    assert (said.status, said.body["code"], lab.sql("select count(*) from vehicles")) == (409, "import_refused", 0)


def test_a_dry_run_changes_nothing(lab: Lab, send: Any) -> None:
    before = everything(lab)

    said = send(workbook(KEPT), dry_run="true")

    assert (said.status, said.body["dry_run"], said.body["counts"]["booked"]) == (200, True, 2)
    assert everything(lab) == before


def test_in_part_is_what_was_asked_for(lab: Lab, send: Any) -> None:
    said = send(sheet(VEHICLES, (VIN, 5000, "AWD", "P1"), ("no vin", 5, "AWD", "P1")), door.CSV, partial="true")

    assert (said.status, said.body["counts"]["created"], said.body["counts"]["refused"]) == (200, 1, 1)


def test_columns_are_told_by_the_query_and_a_charset_by_the_content_type(lab: Lab, send: Any) -> None:
    content = f"Fahrgestellnummer,Weight (lbs),Drive,Program\n{VIN},5000,AWD,Größe\n".encode("cp1252")

    said = send(content, f"{door.CSV}; charset=windows-1252", columns='{"*": {"Fahrgestellnummer": "vin"}}')

    assert (said.status, lab.rows("select vin, program from vehicles")) == (200, [(VIN, "Größe")])


@pytest.mark.parametrize(
    "columns", ["{", "[]", '{"*": 1}', '{"*": {"VIN": 1}}', "1", pytest.param("[" * 1_500, id="deep")]
)
def test_columns_in_another_form_are_refused(send: Any, columns: str) -> None:
    said = send(sheet(VEHICLES), door.CSV, columns=columns)

    assert (said.status, said.body["errors"][0]["field"]) == (422, "query.columns")


def test_a_file_that_is_no_sheet_is_refused(send: Any) -> None:
    assert send(b"PK\x03\x04 and nothing").body["code"] == "unreadable_file"


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/csvx"])
def test_another_media_type_is_refused(send: Any, kind: str) -> None:
    said = send("vin\n", kind)

    assert (said.status, said.body["code"]) == (415, "unsupported_media_type")


def test_an_empty_body_is_refused(send: Any) -> None:
    assert send(b"", door.CSV).status == 422


def test_a_file_that_is_too_large_is_a_413_before_it_is_read(send: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "import_file", None)

    said = send(b"x" * (door.MAX_FILE_BYTES + 1), door.CSV)

    assert (said.status, str(door.MAX_FILE_BYTES) in said.body["detail"]) == (413, True)


def test_without_that_limit_it_would_be_read(send: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MAX_FILE_BYTES", 10**9)

    assert send(sheet(VEHICLES, (VIN, 5000, "AWD", "P" * 10)) + b" " * 2**22 + b"\n", door.CSV).status != 413


def test_the_largest_file_fits_into_a_request_of_lambda() -> None:
    encoded = -(-door.MAX_FILE_BYTES // 3) * 4

    assert encoded < 6_000_000 - 64_000


def test_of_a_workbook_as_planners_keep_it_what_can_be_done_is_done_once(lab: Lab, send: Any) -> None:
    for name in ("Cell 2", "Cell 3", "Cell 4"):
        lab.dyno(name)
    book = of_a_lab()

    first = send(book, partial="true")
    before = everything(lab)
    second = send(book, partial="true")

    assert (first.status, second.status, everything(lab)) == (200, 200, before)
    assert {kind for kind, counts in first.body["counts_by_kind"].items() if counts["created"]} >= {
        "vehicles", "dynos", "rules"
    }  # fmt: skip
    assert first.body["planning"]["as_booked"]["double_bookings"] == 0
    assert [row["outcome"] for row in second.body["rows"]] == [
        {"created": "unchanged", "booked": "unchanged"}.get(row["outcome"], row["outcome"])
        for row in first.body["rows"]
    ]
