"""The workbook of a lab: what is data is read, what is not is left out with its reason, and nothing is guessed."""

from datetime import date

import pytest
from openpyxl.worksheet.worksheet import Worksheet

from dyno.errors import InvalidRequest
from dyno.imports.model import DateOrder, Dyno, Kind, Maintenance, Parsed, Request, Row, Rule, Vehicle
from dyno.imports.rows import parse
from tests.unit.imports.books import SHEET, VINS, CellValue, changed, of_a_lab, of_rows, one_sheet

PLAN = "Plan 2027"


@pytest.fixture(scope="module")
def lab() -> Parsed:
    return parse(of_a_lab(), filename="plan.xlsx")


def row(parsed: Parsed, sheet: str, number: int) -> Row:
    (found,) = [each for each in parsed.rows if (each.place.sheet, each.place.row) == (sheet, number)]
    return found


def request(parsed: Parsed, number: int) -> Request:
    value = row(parsed, PLAN, number).value
    assert isinstance(value, Request), row(parsed, PLAN, number).problems
    return value


def test_each_sheet_is_known_by_its_columns(lab: Parsed) -> None:
    assert [(sheet.name, sheet.kind, sheet.header_row) for sheet in lab.sheets] == [
        (PLAN, Kind.REQUESTS, 4),
        ("Vehicles", Kind.VEHICLES, 1),
        ("Dyno rules", Kind.RULES, 1),
        ("Down time", Kind.MAINTENANCE, 1),
        ("Dynos", Kind.DYNOS, 1),
        ("Contacts", None, None),
        ("Lists", None, None),
        ("Empty", None, None),
    ]
    assert lab.sheets[0].columns["><10K"] == "weight_class"
    assert lab.sheets[0].columns["Start Date"] == "placed_from"
    assert lab.sheets[0].ignored == ("Remark",)


def test_what_is_no_data_is_left_out_with_its_place_and_its_reason(lab: Parsed) -> None:
    left_out = {(skipped.place.sheet, skipped.place.row, skipped.last_row): skipped.code for skipped in lab.skipped}

    assert left_out == {
        (PLAN, 1, 3): "title",
        (PLAN, 8, 8): "empty",
        (PLAN, 9, 9): "repeated_header",
        (PLAN, 14, 14): "totals",
        (PLAN, 15, 15): "lone_text",
        (PLAN, 16, 16): "unmapped",
        ("Contacts", 1, 1): "not_understood",
        ("Lists", 1, 1): "hidden",
        ("Empty", 1, 1): "no_cells",
    }
    assert all(skipped.reason for skipped in lab.skipped)


def test_a_row_has_all_that_the_sheet_says(lab: Parsed) -> None:
    assert request(lab, 5) == Request(
        vin=VINS[0],
        weight_class="<10K",
        drive_type="AWD",
        test_type="mileage",
        start_date=date(2027, 1, 4),
        days_to_complete=5,
        dyno_name="Cell 1",
        placed_from=date(2027, 1, 5),
        placed_to=date(2027, 1, 9),
    )


def test_three_spellings_of_all_wheel_drive_are_one(lab: Parsed) -> None:
    assert [request(lab, number).drive_type for number in (5, 6, 7)] == ["AWD", "AWD", "AWD"]


def test_a_date_is_read_whether_it_is_one_a_serial_number_or_iso_text(lab: Parsed) -> None:
    assert request(lab, 6).start_date == date(2027, 1, 4)
    assert request(lab, 7).start_date == date(2027, 1, 7)
    assert request(lab, 11).start_date == date(2027, 3, 4)


def test_a_date_that_could_be_two_is_refused_until_its_order_is_said(lab: Parsed) -> None:
    (problem,) = row(lab, PLAN, 10).problems

    assert (problem.column, problem.code) == ("Estimated Start", "ambiguous_date")
    assert "2027-01-04" in problem.detail
    assert request(parse(of_a_lab(), filename=None, date_order=DateOrder.DMY), 10).start_date == date(2027, 4, 3)
    assert request(parse(of_a_lab(), filename=None, date_order=DateOrder.MDY), 10).start_date == date(2027, 3, 4)


@pytest.mark.parametrize("number", [6, 7, 11])
def test_an_error_where_a_dyno_should_be_is_no_dyno_and_is_said(lab: Parsed, number: int) -> None:
    assert request(lab, number).dyno_name is None
    assert ("DYNO", "no_dyno") in [(note.column, note.code) for note in row(lab, PLAN, number).notes]


def test_cells_merged_downwards_are_in_each_of_their_rows(lab: Parsed) -> None:
    assert (request(lab, 12).vin, request(lab, 12).drive_type) == (VINS[4], "2WD")
    assert request(lab, 12).test_type == "evap"


def test_a_formula_that_was_never_reckoned_is_a_problem(lab: Parsed) -> None:
    (problem,) = row(lab, PLAN, 13).problems

    assert (problem.column, problem.code) == ("Test", "formula_without_value")
    assert row(lab, PLAN, 13).value is None


def test_a_vehicle_wants_pounds_for_a_class_is_no_weight(lab: Parsed) -> None:
    assert row(lab, "Vehicles", 2).value == Vehicle(VINS[0], 9128, "AWD", "P768", "42", "OBD")
    assert row(lab, "Vehicles", 3).value == Vehicle(VINS[1], 12150, "AWD", "P833")
    assert [note.code for note in row(lab, "Vehicles", 3).notes] == ["left_out"]
    assert [problem.code for problem in row(lab, "Vehicles", 4).problems] == ["weight_class_alone"]


def test_everything_that_is_wrong_with_a_row_is_said_at_once(lab: Parsed) -> None:
    problems = row(lab, "Vehicles", 5).problems

    assert {problem.column for problem in problems} == {"VIN", "Drive"}
    assert all("17 letters" in problem.detail or "2WD" in problem.detail for problem in problems)


def test_rules_dynos_and_maintenance_are_read_too(lab: Parsed) -> None:
    assert row(lab, "Dyno rules", 2).value == Rule(
        "mileage", "AWD", ">10K", ("Cell 1", "Cell 2"), "Cell 1, Cell 2; cell 1"
    )
    assert row(lab, "Dyno rules", 3).value == Rule("brake", "2WD", "any", ("Cell 3",), "Cell 3")
    assert row(lab, "Dynos", 2).value == Dyno("Cell 1", facility="Main", enabled=True)
    assert row(lab, "Down time", 2).value == Maintenance("Cell 4", date(2027, 2, 1), date(2027, 2, 5), "calibration")
    assert "end_date is before" in row(lab, "Down time", 3).problems[0].detail


def test_a_row_has_a_value_or_problems_and_never_both(lab: Parsed) -> None:
    assert all((each.value is None) == bool(each.problems) for each in lab.rows)
    assert any(each.problems for each in lab.rows)


def test_a_column_of_another_name_is_mapped_and_one_that_misleads_left_out() -> None:
    content = of_rows(("Chassis", "Weight", "Drive", "Engine"), (VINS[0], 5000, "AWD", "?!"))

    lacking = parse(content, filename=None).sheets[0].kind
    parsed = parse(content, filename=None, mapping={"*": {"CHASSIS ": "vin"}, "Plan": {"engine": ""}})

    assert lacking is None
    assert parsed.rows[0].value == Vehicle(VINS[0], 5000, "AWD")
    assert parsed.sheets[0].ignored == ("Engine",)


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"Other": {"VIN": "vin"}}, "no sheet 'Other'"),
        ({"plan": {"Chassis": "vin"}}, "no column 'Chassis'"),
        ({"plan": {"VIN": "vim"}}, "cannot be 'vim'"),
        ({"plan": {"Remark": "due_date"}}, "vehicles have no 'due_date'"),
    ],
)
def test_a_mapping_that_names_what_is_not_there_is_refused(mapping: dict[str, dict[str, str]], said: str) -> None:
    content = of_rows(("VIN", "Weight", "Drive", "Remark"), (VINS[0], 5000, "AWD", "x"))

    with pytest.raises(InvalidRequest, match=said):
        parse(content, filename=None, mapping=mapping)


def test_a_sheet_that_is_not_understood_says_what_it_lacks() -> None:
    content = of_rows(("VIN", "Weight", "Drive"), (VINS[0], 5000, "AWD"))

    (skipped,) = parse(content, filename=None, mapping={"plan": {"Weight": "due_date"}}).skipped

    assert skipped.code == "not_understood"
    assert "for vehicles it lacks weight_lbs" in skipped.reason


def test_a_sheet_is_what_it_is_said_to_be() -> None:
    content = of_rows(("VIN", "Weight", "Drive", "Test", "Start"), (VINS[0], 5000, "AWD", "brake", "2027-01-04"))

    assert parse(content, filename=None).sheets[0].kind is Kind.REQUESTS
    assert parse(content, filename=None, kinds={"PLAN": Kind.VEHICLES}).rows[0].value == Vehicle(VINS[0], 5000, "AWD")
    with pytest.raises(InvalidRequest, match="no sheet 'other'"):
        parse(content, filename=None, kinds={"other": Kind.VEHICLES})


def test_two_columns_for_one_field_are_refused_with_both() -> None:
    content = of_rows(("VIN", "vin", "Weight", "Drive"), (VINS[0], VINS[1], 5000, "AWD"))

    parsed = parse(content, filename=None)

    assert (parsed.rows, parsed.skipped[0].code) == ((), "twice_named")
    assert "'VIN' and 'vin'" in parsed.skipped[0].reason
    assert parsed.sheets[0].kind is None


def test_a_second_table_below_the_first_is_read_by_its_own_headers() -> None:
    parsed = parse(
        of_rows(
            ("VIN", "Weight", "Drive"), (VINS[0], 5000, "AWD"),
            ("Dyno", "Start Date", "End Date"), ("Cell 1", date(2027, 1, 4), date(2027, 1, 5)),
        ),
        filename=None,
    )  # fmt: skip

    assert [each.kind for each in parsed.rows] == [Kind.VEHICLES, Kind.MAINTENANCE]
    assert [sheet.header_row for sheet in parsed.sheets] == [1, 3]


def test_a_row_that_is_merged_whole_with_the_one_above_is_no_second_row() -> None:
    def fill(sheet: Worksheet) -> None:
        for each in (("VIN", "Weight", "Drive"), (VINS[0], 5000, "AWD"), (), (VINS[1], 5000, "AWD")):
            sheet.append(each)
        for column in "ABC":
            sheet.merge_cells(f"{column}2:{column}3")

    parsed = parse(one_sheet(fill), filename=None)

    assert [each.place.row for each in parsed.rows] == [2, 4]
    assert [(skipped.place.row, skipped.code) for skipped in parsed.skipped] == [(3, "empty")]


def test_a_sheet_that_knows_only_its_booking_wants_those_days() -> None:
    content = of_rows(("VIN", "Test", "Start Date", "End Date"), (VINS[0], "brake", "2027-01-04", "2027-01-08"))

    value = parse(content, filename=None).rows[0].value

    assert isinstance(value, Request)
    assert (value.start_date, value.days_to_complete) == (date(2027, 1, 4), 5)
    assert (value.placed_from, value.placed_to) == (date(2027, 1, 4), date(2027, 1, 8))


@pytest.mark.parametrize(
    ("header", "cells", "code"),
    [
        (("Weight", "><10K", "Days"), (12000, "<10K", 3), "weight_contradicts"),
        (("Weight", "><10K", "Days"), (9000, "<10K", None), "no_length"),
        (("Weight", "><10K", "Days"), (9000, "<10K", 0), "invalid_value"),
        (("Miles", "Miles per day", "Days"), (4000, 0, None), "invalid_value"),
    ],
)
def test_a_request_that_contradicts_itself_or_has_no_length_is_a_problem(
    header: tuple[str, ...], cells: tuple[CellValue, ...], code: str
) -> None:
    content = of_rows(("VIN", "Test", "Start", *header), (VINS[0], "brake", "2027-01-04", *cells))

    assert [problem.code for problem in parse(content, filename=None).rows[0].problems] == [code]


def test_miles_are_kept_for_a_booking_to_reckon_its_days() -> None:
    content = of_rows(
        ("VIN", "Test", "Start", "Miles", "Miles/day", "Added days"), (VINS[0], "brake", "2027-01-04", "4,000", 95, 2)
    )

    value = parse(content, filename=None).rows[0].value

    assert isinstance(value, Request)
    assert (value.miles, value.miles_per_day, value.added_days, value.days_to_complete) == (4000, 95, 2, None)


def test_a_request_without_a_vin_says_what_it_is_of() -> None:
    content = of_rows(
        ("VIN", "Test", "Start", "Days", "Drive", "><10K"),
        ("TBD", "brake", "2027-01-04", 2, "AWD", "> 10K"),
        ("TBD", "brake", "2027-01-04", 2, "AWD", None),
    )

    anonymous, nothing = parse(content, filename=None).rows

    assert isinstance(anonymous.value, Request)
    assert (anonymous.value.vin, anonymous.value.weight_class) == (None, ">10K")
    assert [problem.code for problem in nothing.problems] == ["no_vehicle"]


def test_a_merge_that_begins_in_an_empty_cell_fills_nothing_in() -> None:
    plain = of_rows(("VIN", "Weight", "Drive"), (), (VINS[0], 5000, "AWD"), (VINS[1], 6000))
    merge = b'</sheetData><mergeCells><mergeCell ref="C2:C4"/></mergeCells>'
    content = changed(plain, SHEET, lambda xml: xml.replace(b"</sheetData>", merge))

    first, second = parse(content, filename=None).rows

    assert [problem.column for problem in second.problems] == ["Drive"]
    assert first.place.row == 3


def test_a_formula_whose_value_is_an_empty_text_is_empty_and_one_with_a_value_is_that() -> None:
    def formula(value: bytes) -> bytes:
        cell = b'<c r="D2" t="str"><f>A2</f><v>%b</v></c></row>' % value
        return changed(
            content, SHEET, lambda xml: xml[: xml.rindex(b"</row>")] + cell + xml[xml.rindex(b"</row>") + 6 :]
        )

    content = of_rows(("VIN", "Weight", "Drive", "Program"), (VINS[0], 5000, "AWD"))

    assert parse(formula(b""), filename=None).rows[0].value == Vehicle(VINS[0], 5000, "AWD")
    assert parse(formula(b"P768"), filename=None).rows[0].value == Vehicle(VINS[0], 5000, "AWD", "P768")


def test_a_row_that_names_its_vehicle_is_data_whatever_word_it_begins_with() -> None:
    parsed = parse(
        of_rows(
            ("Program", "VIN", "Weight", "Drive"), ("Total", VINS[0], 5000, "AWD"), (None, VINS[1]),
            ("Total", 2, 11_000),
        ),
        filename=None,
    )  # fmt: skip

    assert [each.place.row for each in parsed.rows] == [2, 3]
    assert {problem.code for problem in parsed.rows[1].problems} == {"missing"}
    assert [skipped.code for skipped in parsed.skipped] == ["totals"]


@pytest.mark.parametrize(("weight", "weight_class"), [(10_000, "<10K"), (10_001, ">10K")])
def test_ten_thousand_pounds_are_of_the_light_class(weight: int, weight_class: str) -> None:
    content = of_rows(("VIN", "Test", "Start", "Days", "Weight"), (VINS[0], "brake", "2027-01-04", 2, weight))

    value = parse(content, filename=None).rows[0].value

    assert isinstance(value, Request)
    assert value.weight_class == weight_class


@pytest.mark.parametrize(
    ("cells", "placed", "codes"),
    [
        (("2027-01-04", "2027-01-05", None, 3), (date(2027, 1, 5), date(2027, 1, 7)), []),
        (("2027-01-04", "2027-01-05", "2027-01-04", 3), None, ["not_in_order"]),
        (("2027-01-04", None, "2027-01-08", 3), (None, None), []),
        ((None, None, None, 3), None, ["missing"]),
    ],
)
def test_a_booking_of_the_sheet_is_whole_or_none(
    cells: tuple[CellValue, ...], placed: tuple[date | None, date | None] | None, codes: list[str]
) -> None:
    content = of_rows(("VIN", "Test", "Estimated Start", "Start Date", "End Date", "Days"), (VINS[0], "brake", *cells))

    (found,) = parse(content, filename=None).rows

    assert [problem.code for problem in found.problems] == codes
    if placed:
        assert isinstance(found.value, Request)
        assert (found.value.placed_from, found.value.placed_to) == placed


def test_a_vehicle_sheet_with_tests_but_no_days_is_not_taken_for_vehicles() -> None:
    parsed = parse(of_rows(("VIN", "Weight", "Drive", "Test"), (VINS[0], 5000, "AWD", "brake")), filename=None)

    assert parsed.sheets[0].kind is None
    assert "say by kinds" in parsed.skipped[0].reason or "lacks" in parsed.skipped[0].reason


@pytest.mark.parametrize("dyno", [("Test Facility", "DYNO"), ("DYNO", "Test Facility")])
def test_the_better_of_two_headers_for_a_field_goes_before_the_other(dyno: tuple[str, str]) -> None:
    content = of_rows(("VIN", "Test", "Start", "Days", *dyno), (VINS[0], "brake", "2027-01-04", 2, *dyno))

    parsed = parse(content, filename=None)

    assert isinstance(parsed.rows[0].value, Request)
    assert (parsed.rows[0].value.dyno_name, parsed.sheets[0].ignored) == ("DYNO", ("Test Facility",))


def test_a_start_with_no_end_is_the_one_that_is_wanted() -> None:
    parsed = parse(of_rows(("VIN", "Test", "Start", "Days"), (VINS[0], "brake", "2027-01-04", 2)), filename=None)

    assert parsed.sheets[0].columns["Start"] == "start_date"
    assert isinstance(parsed.rows[0].value, Request)
    assert parsed.rows[0].value.placed_from is None
