"""Vehicles, dynos and rules out of sheets: what is made, what is changed, and what is left as it is."""

from typing import Any

import pytest

from dyno.errors import ImportRefused, InvalidRequest
from dyno.imports import service, store
from dyno.imports.report import Counts, ImportReport
from tests.integration.imports.conftest import Import, Table, sheet, workbook
from tests.lab import MONDAY, Lab

VIN, OTHER_VIN = "9ZZ8LMF12VD000001", "9ZZ8LMF14VD000002"
VEHICLES = ("VIN", "Weight (lbs)", "Drive", "Program")
DYNOS = ("Dyno", "Facility", "Turnaround days")
RULES = ("Test type", "Drive type", "Weight class", "Dynos")


def told(report: ImportReport) -> list[tuple[str | None, str, list[str]]]:
    return [(row.name, row.outcome.value, [remark.code for remark in row.remarks]) for row in report.rows]


def everything(lab: Lab) -> str:
    """Of all that an import could have written; but for the numbers of rows, which a rollback uses up."""
    tables = ("vehicles", "dynos", "capabilities", "registry_history", "occupancies", "history", "refusals")
    rows = " union all ".join(
        f"select '{name}' || t::text as row from {name} t" for name in (*tables, "imported_requests")
    )
    found: str = lab.sql(f"select md5(coalesce(string_agg(row, '|' order by row), '')) from ({rows}) rows")
    return found


def test_a_vehicle_is_made_and_then_left_as_it_is(lab: Lab, import_: Import) -> None:
    vehicles = sheet(VEHICLES, (VIN, 5000, "4WD", "P1"))

    first = import_(vehicles)
    before = everything(lab)
    second = import_(vehicles)

    assert (first.counts, second.counts) == (Counts(created=1), Counts(unchanged=1))
    assert lab.rows("select vin, weight_lbs, drive_type, program, version from vehicles") == [
        (VIN, 5000, "AWD", "P1", 1)
    ]
    assert everything(lab) == before


def test_a_vehicle_that_somebody_registers_meanwhile_is_changed_as_any_that_was_there(
    lab: Lab, import_: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = store.known_vehicles

    def registered_behind(*asked: Any) -> Any:
        found = looked(*asked)
        monkeypatch.undo()
        lab.vehicle(VIN, weight_lbs=4000)
        return found

    monkeypatch.setattr(store, "known_vehicles", registered_behind)

    report = import_(sheet(VEHICLES, (VIN, 5000, "AWD", "P1")))

    assert report.counts == Counts(changed=1)
    assert lab.rows("select weight_lbs, program, version from vehicles") == [(5000, "P1", 2)]


def test_what_a_sheet_says_otherwise_is_changed_and_what_it_does_not_say_stays(lab: Lab, import_: Import) -> None:
    import_(sheet((*VEHICLES, "Engine"), (VIN, 5000, "AWD", "P1", "V6")))

    report = import_(sheet(VEHICLES, (VIN, 5100, "AWD", "P1")))

    assert told(report) == [(VIN, "changed", ["changed"])]
    assert report.rows[0].remarks[0].detail == "weight_lbs: 5000 becomes 5100"
    assert lab.rows("select weight_lbs, engine from vehicles") == [(5100, "V6")]
    assert lab.rows("select actor, action from registry_history order by id") == [("ada", "create"), ("ada", "change")]


def test_a_change_that_would_strand_a_booking_is_refused_and_nothing_is_changed(lab: Lab, import_: Import) -> None:
    lab.dyno("Cell 1", "brake any <10K")
    lab.vehicle(VIN)
    lab.auto_allocate(VIN)
    before = everything(lab)

    with pytest.raises(ImportRefused) as refused:
        import_(sheet(VEHICLES, (OTHER_VIN, 5000, "AWD", "P1"), (VIN, 12_000, "AWD", "P1")))

    rows = refused.value.details["report"]["rows"]
    assert [(row["outcome"], [each["code"] for each in row["remarks"]]) for row in rows] == [
        ("created", []),
        ("refused", ["bookings_stranded"]),
    ]
    assert refused.value.details["report"]["written"] is False
    assert everything(lab) == before


def test_in_part_what_can_be_done_is_done(lab: Lab, import_: Import) -> None:
    report = import_(sheet(VEHICLES, (VIN, 5000, "AWD", "P1"), ("no vin", 5000, "AWD", "P1")), partial=True)

    assert (report.counts, report.written) == (Counts(created=1, refused=1), True)
    assert lab.rows("select vin from vehicles") == [(VIN,)]


def test_a_dry_run_says_the_same_and_changes_nothing(lab: Lab, import_: Import) -> None:
    vehicles = sheet(VEHICLES, (VIN, 5000, "AWD", "P1"))
    before = everything(lab)

    dry = import_(vehicles, dry_run=True)

    assert everything(lab) == before
    assert (dry.dry_run, dry.written, dry.rows) == (True, False, import_(vehicles).rows)


def test_two_rows_of_one_vehicle_say_the_same_or_one_is_refused(import_: Import) -> None:
    report = import_(
        sheet(VEHICLES, (VIN, 5000, "AWD", "P1"), (VIN, 5000, "AWD", "P1"), (VIN, 5000, "AWD", "P2")), partial=True
    )

    assert told(report) == [(VIN, "created", []), (VIN, "skipped", ["repeated"]), (VIN, "refused", ["contradicted"])]


def test_dynos_and_their_rules_are_made_together_and_rules_are_added(lab: Lab, import_: Import) -> None:
    book: dict[str, Table] = {
        "Dynos": [DYNOS, ("Cell 1", "North", 0), ("Cell 2", "South", 1)],
        "Rules": [RULES, ("brake", "any", "any", "Cell 1, Cell 2"), ("evap", "AWD", "<10K", "Cell 2")],
    }

    first = import_(workbook(book))
    before = everything(lab)
    second = import_(workbook(book))
    third = import_(workbook({"Rules": [RULES, ("brake", "any", "any", "Cell 1"), ("evap", "AWD", "<10K", "Cell 1")]}))

    assert [report.counts for report in (first, second, third)] == [
        Counts(created=4), Counts(unchanged=4), Counts(created=1, unchanged=1)
    ]  # fmt: skip
    assert before != everything(lab)
    assert lab.rows(
        "select d.name, c.test_type from capabilities c join dynos d on d.id = c.dyno_id order by d.name, c.test_type"
    ) == [("Cell 1", "brake"), ("Cell 1", "evap"), ("Cell 2", "brake"), ("Cell 2", "evap")]


def test_a_rule_of_a_dyno_that_nobody_knows_is_refused_whole(lab: Lab, import_: Import) -> None:
    lab.dyno("Cell 1", "evap any any")

    report = import_(sheet(RULES, ("brake", "any", "any", "Cell 1, Cell 9")), partial=True)

    assert told(report) == [("brake, any, any", "refused", ["dyno_not_found"])]
    assert lab.rows("select test_type from capabilities") == [("evap",)]


def test_a_dyno_with_bookings_is_not_disabled_by_a_sheet(lab: Lab, import_: Import) -> None:
    lab.dyno("Cell 1")
    lab.vehicle(VIN)
    lab.auto_allocate(VIN, MONDAY)

    report = import_(sheet(("Dyno", "Enabled"), ("Cell 1", "no")), partial=True)

    assert told(report) == [("Cell 1", "refused", ["bookings_stranded"])]


def test_more_rows_than_are_taken_at_once_are_refused(import_: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_ROWS", 1)

    with pytest.raises(InvalidRequest, match="2 rows; at most 1"):
        import_(sheet(VEHICLES, (VIN, 5000, "AWD", "P1"), (OTHER_VIN, 5000, "AWD", "P1")))


def test_a_rule_for_one_dyno_that_widens_another_does_not_keep_that_one_from_its_own(lab: Lab, import_: Import) -> None:
    lab.dyno("Cell 1", "evap any any")
    lab.dyno("Cell 2")
    rules = sheet(RULES, ("brake", "any", "any", "Cell 1"), ("mileage", "AWD", "any", "Cell 2"))

    assert (import_(rules).counts, import_(rules).counts) == (Counts(created=2), Counts(unchanged=2))
