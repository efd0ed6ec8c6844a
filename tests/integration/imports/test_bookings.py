"""Maintenance and tests out of sheets: booked by the rules of every booking, once, in the order of what is due."""

from datetime import timedelta
from typing import Any

import pytest

from dyno.errors import ImportRefused
from dyno.imports.model import Kind
from dyno.imports.report import Counts, Plan
from tests.integration.imports.conftest import Import, sheet, workbook
from tests.integration.imports.test_registry import everything, told
from tests.lab import MONDAY, TODAY, TUESDAY, WEDNESDAY, Lab

VIN, OTHER_VIN, THIRD_VIN = "9ZZ8LMF12VD000001", "9ZZ8LMF14VD000002", "9ZZ8LMF16VD000003"
WINDOWS = ("Dyno", "Start", "End", "Reason")
TESTS = ("VIN", "Test type", "Requested start", "Days to complete", "Due date", "Priority")
PLACED = (*TESTS, "Dyno", "Start", "End")


@pytest.fixture
def cells(lab: Lab) -> Lab:
    """One dyno for brake tests and three vehicles."""
    lab.dyno("Cell 1", "brake any any")
    for vin in (VIN, OTHER_VIN, THIRD_VIN):
        lab.vehicle(vin)
    return lab


def test_a_window_is_closed_once(cells: Lab, import_: Import) -> None:
    windows = sheet(WINDOWS, ("Cell 1", MONDAY, TUESDAY, "bearings"))

    first = import_(windows)
    before = everything(cells)
    second = import_(windows)

    assert (first.counts, second.counts) == (Counts(created=1), Counts(unchanged=1))
    assert everything(cells) == before
    assert cells.rows("select reason, start_date, end_date from occupancies") == [("bearings", MONDAY, TUESDAY)]


def test_a_window_that_is_over_is_passed_over_and_one_that_is_booked_is_refused(cells: Lab, import_: Import) -> None:
    cells.auto_allocate(VIN, MONDAY)

    report = import_(
        sheet(
            WINDOWS,
            ("Cell 1", TODAY - timedelta(days=9), TODAY - timedelta(days=8), "old"),
            ("Cell 1", MONDAY, TUESDAY, "bearings"),
            ("Cell 9", MONDAY, TUESDAY, "bearings"),
        ),
        partial=True,
    )

    outcomes = [(row.outcome.value, row.remarks[0].code) for row in report.rows]
    assert outcomes == [("skipped", "over"), ("refused", "maintenance_overlap"), ("refused", "dyno_not_found")]


def test_a_test_is_booked_once_however_often_the_sheet_comes(cells: Lab, import_: Import) -> None:
    wanted = sheet(TESTS, (VIN, "brake", MONDAY, 2, "", ""), (OTHER_VIN, "brake", MONDAY, 1, "", ""))

    first = import_(wanted)
    before = everything(cells)
    second = import_(wanted)

    assert (first.counts, second.counts) == (Counts(booked=2), Counts(unchanged=2))
    assert everything(cells) == before
    assert [(row.allocation_id, row.start_date) for row in first.rows] == [
        (row.allocation_id, row.start_date) for row in second.rows
    ]


def test_what_is_due_first_comes_first_then_what_has_priority(cells: Lab, import_: Import) -> None:
    report = import_(
        sheet(
            TESTS,
            (VIN, "brake", MONDAY, 1, WEDNESDAY, 2),
            (OTHER_VIN, "brake", MONDAY, 1, WEDNESDAY, 1),
            (THIRD_VIN, "brake", MONDAY, 1, TUESDAY, 9),
        )
    )

    days = {row.name: row.start_date for row in report.rows}
    assert days == {f"{THIRD_VIN}, brake": MONDAY, f"{OTHER_VIN}, brake": TUESDAY, f"{VIN}, brake": WEDNESDAY}


def test_of_equals_the_one_that_fewest_dynos_can_run_comes_first(lab: Lab, import_: Import) -> None:
    lab.dyno("Cell 1", "evap AWD any", "brake any any")
    lab.dyno("Cell 2", "brake any any", "durability any any", "mileage any any")
    lab.vehicle(VIN)
    lab.vehicle(OTHER_VIN)

    report = import_(sheet(TESTS, (VIN, "brake", MONDAY, 1, MONDAY, ""), (OTHER_VIN, "evap", MONDAY, 1, MONDAY, "")))

    assert [(row.dyno_name, row.outcome.value) for row in report.rows] == [("Cell 2", "booked"), ("Cell 1", "booked")]


def test_a_test_that_cannot_be_done_by_its_day_leaves_nothing_behind(cells: Lab, import_: Import) -> None:
    before = everything(cells)

    with pytest.raises(ImportRefused, match="1 row was refused") as refused:
        import_(sheet(TESTS, (VIN, "brake", MONDAY, 1, MONDAY, ""), (OTHER_VIN, "brake", MONDAY, 1, MONDAY, "")))

    row = refused.value.details["report"]["rows"][1]
    assert row["remarks"] == [
        {
            "column": None,
            "code": "no_dyno_available",
            "detail": f"no dyno can take it from {MONDAY} to begin by {MONDAY}: 1 booked",
        }
    ]
    assert everything(cells) == before


def test_a_refusal_counts_once_however_often_the_sheet_comes(cells: Lab, import_: Import) -> None:
    wanted = sheet(TESTS, (VIN, "evap", MONDAY, 1, "", ""))

    import_(wanted, partial=True)
    before = everything(cells)
    again = import_(wanted, partial=True)

    assert (again.counts, cells.sql("select count(*) from refusals")) == (Counts(refused=1), 1)
    assert everything(cells) == before


def test_what_was_refused_is_booked_when_it_can_be(cells: Lab, import_: Import) -> None:
    wanted = sheet(TESTS, (VIN, "evap", MONDAY, 1, "", ""))
    import_(wanted, partial=True)
    cells.dyno("Cell 2", "evap any any")

    assert (import_(wanted).counts, import_(wanted).counts) == (Counts(booked=1), Counts(unchanged=1))


def test_what_somebody_cancelled_is_not_booked_again(cells: Lab, import_: Import) -> None:
    wanted = sheet(TESTS, (VIN, "brake", MONDAY, 1, "", ""))
    import_(wanted)
    cells.sql("select cancel(1, 'ada', true)")

    assert told(import_(wanted)) == [(f"{VIN}, brake", "unchanged", ["cancelled"])]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ((VIN, "brake", TODAY - timedelta(days=3), 1, "", ""), "bad_window"),
        ((VIN, "brake", MONDAY, 1, TODAY, ""), "due_too_early"),
        ((VIN, "brake", MONDAY, 181, "", ""), "bad_window"),
        (("9ZZ8LMF18VD000004", "brake", MONDAY, 1, "", ""), "vehicle_not_found"),
    ],
)
def test_a_test_that_can_never_be_booked_says_why(cells: Lab, import_: Import, row: tuple[Any, ...], code: str) -> None:
    report = import_(sheet(TESTS, row), partial=True)

    assert [(each.outcome.value, each.remarks[-1].code) for each in report.rows] == [("refused", code)]


def test_a_vehicle_that_only_the_tests_know_is_made_if_enough_is_said_of_it(lab: Lab, import_: Import) -> None:
    lab.dyno("Cell 1", "brake AWD >10K")

    report = import_(
        sheet(("VIN", "Weight (lbs)", "Drive", "Test type", "Start date", "Days to complete"),
              (VIN, 12_000, "4WD", "brake", MONDAY, 1)), kind=Kind.REQUESTS
    )  # fmt: skip

    assert report.counts == Counts(booked=1)
    assert lab.rows("select vin, weight_lbs, drive_type from vehicles") == [(VIN, 12_000, "AWD")]


def placed(*rows: tuple[Any, ...]) -> bytes:
    return workbook({"Requests": [PLACED, *rows]})


DOUBLE = (
    (VIN, "brake", MONDAY, 2, None, 1, "Cell 1", MONDAY, TUESDAY),
    (OTHER_VIN, "brake", MONDAY, 2, None, 2, "Cell 1", TUESDAY, WEDNESDAY),
    (THIRD_VIN, "brake", WEDNESDAY, 1, None, None, None, None, None),
)


def test_a_double_booking_of_the_sheet_is_none_any_more(cells: Lab, import_: Import) -> None:
    cells.dyno("Cell 2", "brake any any")

    planning = import_(placed(*DOUBLE)).planning

    assert planning is not None
    assert planning.as_the_sheet_had_it == Plan(double_bookings=1, tests_without_a_dyno=1)
    assert planning.as_booked == Plan(double_bookings=0, tests_without_a_dyno=0)


def test_what_is_to_be_kept_stays_where_the_sheet_had_it_if_it_can(cells: Lab, import_: Import) -> None:
    cells.dyno("Cell 2", "brake any any", "evap any any")

    report = import_(placed(*reversed(DOUBLE)), keep_placements=True)

    kept = {row.name: (row.dyno_name, row.start_date) for row in report.rows}
    assert kept[f"{VIN}, brake"] == ("Cell 1", MONDAY)
    assert kept[f"{OTHER_VIN}, brake"] == ("Cell 2", MONDAY)
    assert report.counts == Counts(booked=3)
    assert cells.sql("select count(*) from refusals") == 0


def test_a_dry_run_of_tests_books_none_and_shows_no_ids(cells: Lab, import_: Import) -> None:
    before = everything(cells)

    report = import_(placed(*DOUBLE), dry_run=True)

    assert everything(cells) == before
    assert {(row.outcome.value, row.allocation_id) for row in report.rows} == {("booked", None)}
    assert report.planning is not None
    assert report.planning.as_booked == Plan(double_bookings=0, tests_without_a_dyno=0)


def test_a_test_that_the_sheet_calls_done_is_passed_over(cells: Lab, import_: Import) -> None:
    report = import_(sheet((*TESTS, "Status"), (VIN, "brake", TODAY - timedelta(days=9), 1, "", "", "Completed")))

    assert told(report) == [(f"{VIN}, brake", "skipped", ["over"])]
