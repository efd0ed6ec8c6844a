"""What goes out comes in again: a lab's workbook, imported into an empty lab, gives the same lab."""

import base64
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from openpyxl import load_workbook

from functions.exports import handler as out
from functions.imports import handler as door
from tests.functions.conftest import Answer, Call, Caller
from tests.lab import FRIDAY, MONDAY, THURSDAY, TODAY, WEDNESDAY, Lab

VINS = [f"9ZZ0TEST0VD{number:06d}" for number in range(8)]
COMMAS = "Cell 3, north; upper"
FORMULA = '=HYPERLINK("http://x")'
PAST = TODAY - timedelta(days=9)

REGISTRY = {
    "vehicles": "select vin, weight_lbs, drive_type, program, build_id, cert_team, engine, build_type from vehicles"
    " where retired_at is null",
    "dynos": "select name, facility, enabled, available_from, available_to, turnaround_days from dynos"
    " where retired_at is null",
    "capabilities": "select d.name, c.test_type, c.drive_type, c.weight_class from capabilities c"
    " join dynos d on d.id = c.dyno_id where d.retired_at is null",
    "windows": "select d.name, o.reason, o.start_date, o.end_date from occupancies o join dynos d on d.id = o.dyno_id"
    " where o.kind = 'maintenance' and o.status = 'scheduled' and o.end_date >= :today",
}
PLACEMENTS = (
    "select d.name, v.vin, o.test_type, o.start_date, o.end_date, o.turnaround_days, o.status, o.booked_by"
    " from occupancies o join dynos d on d.id = o.dyno_id join vehicles v on v.id = o.vehicle_id"
    " where o.status in ('scheduled', 'in_progress') and o.end_date >= :today"
)
"""What a lab has that is not over: a hold is over before anybody imports it."""


def shown(lab: Lab) -> dict[str, list[tuple[Any, ...]]]:
    queries = REGISTRY | {"placements": PLACEMENTS}
    return {
        name: sorted(lab.rows(query, **({"today": TODAY} if ":today" in query else {})), key=repr)
        for name, query in queries.items()
    }


def emptied(lab: Lab) -> None:
    """Who is enrolled stays: no export has them."""
    lab.sql("truncate vehicles, dynos, order_of_choice, imported_requests cascade")
    assert not any(shown(lab).values())


@pytest.fixture
def whole(lab: Lab) -> Lab:
    """A lab with one of everything that an export has."""
    for vin in VINS:
        lab.vehicle(vin)
    lab.sql("update vehicles set program = :text, engine = 'V6, turbo' where vin = :vin", text=FORMULA, vin=VINS[0])
    lab.sql("update vehicles set weight_lbs = 12000, drive_type = '2WD' where vin = :vin", vin=VINS[1])
    one = lab.dyno("Cell 1", "brake any any", "evap AWD <10K", facility="North, upper", turnaround_days=1)
    lab.dyno("Cell 2", "brake 2WD >10K", available_from=TODAY - timedelta(days=30), available_to=FRIDAY)
    three = lab.dyno(COMMAS, "brake any any", turnaround_days=2)
    lab.dyno("=Cell 4", "mileage any any", enabled=False)
    retired = lab.dyno("Cell 5", "brake any any")
    lab.sql("insert into users (sub, role, enrolled_at) values ('ann', 'user', now())")
    lab.maintenance(one, FRIDAY, days=2)
    lab.maintenance(three, TODAY - timedelta(days=1), days=2)
    lab.maintenance(one, PAST)
    ids = {vin: number for number, vin in lab.rows("select id, vin from vehicles")}
    for dyno, vin, first, days, more in (
        (one, VINS[0], MONDAY, 2, {"booked_by": "ann", "turnaround_days": 1}),
        (three, VINS[2], MONDAY, 1, {"booked_by": "ada", "turnaround_days": 2}),
        (three, VINS[3], THURSDAY, 1, {"booked_by": "gone", "turnaround_days": 2}),
        (one, VINS[4], TODAY - timedelta(days=2), 4, {"status": "in_progress", "turnaround_days": 1}),
        (three, VINS[5], PAST, 2, {"status": "completed", "turnaround_days": 2}),
        (three, VINS[6], PAST + timedelta(days=4), 1, {"status": "scheduled", "turnaround_days": 2}),
        (one, VINS[6], WEDNESDAY, 1, {"status": "cancelled", "cancelled_at": TODAY}),
        (three, VINS[7], FRIDAY + timedelta(days=7), 1, {"status": "held", "expires_at": FRIDAY, "turnaround_days": 2}),
        (retired, VINS[7], PAST, 1, {"status": "completed"}),
    ):
        lab.occupy(dyno, ids[vin], first, end_date=first + timedelta(days=days - 1), **more)
    lab.sql("update dynos set retired_at = now(), enabled = false where name = 'Cell 5'")
    return lab


def export(call: Call, path: str) -> Any:
    answer = call(out, "GET", path, caller=Caller.ADMIN)
    assert answer.status == 200
    return answer.body


def lab_workbook(call: Call) -> bytes:
    return base64.b64decode(export(call, "/exports/lab.xlsx"))


def send(call: Call, content: bytes | str, kind: str = door.XLSX, **query: str) -> Answer:
    said = call(
        door,
        "POST",
        "/imports",
        caller=Caller.ADMIN,
        body=content,
        query={"keep_placements": "true"} | query,
        headers={"Content-Type": kind},
    )
    assert said.status == 200, said.body
    return said


def expected(before: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """Whom nobody has enrolled has no bookings; they are the importing admin's."""
    mine = [(*row[:-1], row[-1] if row[-1] == "ann" else "admin") for row in before["placements"]]
    return before | {"placements": sorted(mine, key=repr)}


def test_an_exported_lab_comes_back_as_it_was_and_a_second_time_changes_nothing(call: Call, whole: Lab) -> None:
    before = shown(whole)
    book = lab_workbook(call)
    emptied(whole)

    first = send(call, book)
    once = shown(whole)
    second = send(call, book)

    assert (once, shown(whole)) == (expected(before), once)
    assert [len(rows) for rows in before.values()] == [8, 4, 5, 2, 4]
    assert {row["outcome"] for row in first.body["rows"]} == {"created", "booked", "skipped"}
    assert [(row["row"], row["sheet"], row["outcome"]) for row in second.body["rows"]] == [
        (row["row"], row["sheet"], "skipped" if row["outcome"] == "skipped" else "unchanged")
        for row in first.body["rows"]
    ]


def test_what_is_over_or_held_is_told_of_and_left_out(call: Call, whole: Lab) -> None:
    book = lab_workbook(call)
    emptied(whole)

    rows = send(call, book).body["rows"]

    told = sorted((row["sheet"], row["name"], row["remarks"][0]["code"]) for row in rows if row["outcome"] == "skipped")
    assert told == [
        ("Allocations", f"{VINS[5]}, brake", "over"),
        ("Allocations", f"{VINS[6]}, brake", "over"),
        ("Allocations", f"{VINS[7]}, brake", "held"),
        ("Maintenance", f"Cell 1, {PAST} to {PAST}", "over"),
    ]


def test_who_imports_is_who_booked_it_says_the_history(call: Call, whole: Lab) -> None:
    book = lab_workbook(call)
    emptied(whole)

    send(call, book)

    assert whole.rows("select distinct actor from history") == [("admin",)]


def test_an_exported_lab_changes_nothing_in_the_lab_it_is_of(call: Call, whole: Lab) -> None:
    before = shown(whole)

    said = send(call, lab_workbook(call))

    assert (shown(whole), said.body["counts"]["booked"], said.body["counts"]["created"]) == (before, 0, 0)


def test_allocations_come_back_from_csv_too(call: Call, whole: Lab) -> None:
    before = shown(whole)
    content = export(call, "/exports/allocations.csv")
    whole.sql("truncate occupancies, imported_requests cascade")

    first = send(call, content, door.CSV)
    second = send(call, content, door.CSV)

    assert shown(whole)["placements"] == expected(before)["placements"]
    assert (first.body["counts"]["booked"], second.body["counts"]["unchanged"]) == (4, 4)


@pytest.mark.parametrize(
    ("sheet", "header"),
    [
        *(("Vehicles", each) for each in ("Program", "Engine")),
        *(("Dynos", each) for each in ("Facility", "Turnaround days", "Available from", "Available to", "Enabled")),
        *(("Maintenance", each) for each in ("Reason", "End Date")),
        *(("Allocations", each) for each in ("Dyno", "End Date", "Status", "Requested by")),
        ("Rules", "Dynos"),
    ],
)
def test_a_column_that_is_lost_on_the_way_would_be_found(call: Call, whole: Lab, sheet: str, header: str) -> None:
    before = shown(whole)
    book = load_workbook(BytesIO(lab_workbook(call)))
    [column] = [cell.column for cell in book[sheet][1] if cell.value == header]
    book[sheet].delete_cols(column)
    content = BytesIO()
    book.save(content)
    emptied(whole)

    said = call(
        door,
        "POST",
        "/imports",
        caller=Caller.ADMIN,
        body=content.getvalue(),
        query={"keep_placements": "true", "partial": "true"},
        headers={"Content-Type": door.XLSX},
    )

    assert said.status == 200
    assert shown(whole) != expected(before)


def test_without_being_told_to_keep_them_tests_are_booked_by_the_rule(call: Call, whole: Lab) -> None:
    before = shown(whole)
    book = lab_workbook(call)
    emptied(whole)

    send(call, book, keep_placements="false", partial="true")

    assert shown(whole)["placements"] != expected(before)["placements"]


def test_nothing_comes_back_as_somebodys_who_is_disabled(call: Call, whole: Lab) -> None:
    book = lab_workbook(call)
    emptied(whole)
    whole.sql("update users set disabled_at = now() where sub = 'ann'")

    send(call, book)

    assert whole.rows("select distinct booked_by from occupancies where kind = 'allocation'") == [("admin",)]
