"""Sheets by example; the answers are files beside."""

from dyno.errors import ImportInvalid, ImportRefused, UnreadableFile, UnsupportedMediaType
from functions.imports.handler import CSV, XLSX
from tests.openapi.described import Answer, Asked, Described, sample
from tests.openapi.world import VIN

SHEET = (
    "VIN,Test type,Requested start,Due date,Days to complete,Dyno,Start,End\n"
    f"{VIN},brake,2027-06-07,2027-06-18,2,,,\n"
    "Total,,,,2,,,\n"
)
PEOPLE = "Sub,Role,Enrolled at\n5d2a7c1e-0b7f-4f0e-9c57-2f6f1a3b9d10,power_user,2026-05-04\n"
OF_CSV = {"Content-Type": CSV}
REPORT = sample("imported_dry") | {"dry_run": False, "written": False}

ROUTES = (
    Described(
        "POST /imports",
        "imports",
        "The body is the file: CSV, or an .xlsx workbook whose sheets may be of different kinds; at most 4 MB and "
        "2,000 rows. Sheets and columns are known by their headers; `columns` says what others are, in JSON: "
        '`{"Plan": {"Fahrgestellnummer": "vin"}}`, or `"*"` for every sheet. All of it is done or nothing, unless '
        "`partial=true`. The same file again changes nothing, so there is no Idempotency-Key: vehicles are known by "
        "vin, dynos by name, windows by dyno and days, tests by vehicle, test, days, and when they are wanted and "
        "due. Tests are booked by due date, priority, and what fewest dynos can run; with `keep_placements=true` first "
        "where the sheet had them. People are known by their id in the user pool, and enrolled by it; it "
        "takes `manage:users`, too. A refusal brings the same `report`.",
        (
            Answer(
                "a sheet of tests",
                200,
                sample("imported"),
                Asked(body=SHEET, headers=OF_CSV, query={"filename": "plan.csv", "date_order": "ymd"}),
            ),
            Answer(
                "a dry run",
                200,
                sample("imported_dry"),
                Asked(body=SHEET, headers=OF_CSV, query={"filename": "plan.csv", "dry_run": "true"}),
            ),
            Answer(
                "people",
                200,
                sample("imported_people"),
                Asked(body=PEOPLE, headers=OF_CSV, query={"filename": "people.csv"}),
            ),
        ),
        refused=(
            UnreadableFile("the workbook is damaged (BadZipFile); open and save it anew"),
            ImportInvalid("1 row was refused, and nothing is changed", report=REPORT),
            ImportRefused("1 row was refused, and nothing is changed", report=REPORT),
            UnsupportedMediaType(f"send Content-Type {CSV} or {XLSX}, not application/json"),
        ),
        files=(CSV, XLSX),
    ),
)
