"""Sheets by example; the answers are files beside."""

from dyno.errors import (
    ImportInvalid,
    ImportNotFound,
    ImportRefused,
    RequestTooLarge,
    UnreadableFile,
    UnsupportedMediaType,
)
from functions.imports.handler import CSV, XLSX
from tests.openapi.described import Answer, Asked, Described, Link, sample
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
    Described(
        "POST /imports/uploads",
        "imports",
        "For a file of more than 4 MB or 2,000 rows: up to 64 MB and 50,000. Send it by PUT to `upload.url` with the "
        "headers of `upload.headers` and no token, within 15 minutes; it is imported when it is there, as POST "
        "/imports would have. The address is signed for just that many bytes of that type. `columns` is an object "
        "here. A file that is announced and never sent does nothing, so there is no Idempotency-Key.",
        (
            Answer(
                "where it goes",
                201,
                sample("import_announced"),
                Asked(body={"content_type": XLSX, "size_bytes": 9_437_184, "filename": "backlog.xlsx"}),
                links=(Link("GET /imports/{import_id}", {"import_id": "$response.body#/import_id"}),),
            ),
        ),
        refused=(RequestTooLarge("a file has at most 67108864 bytes"),),
    ),
    Described(
        "GET /imports/{import_id}",
        "imports",
        "Of an uploaded file: `awaiting_upload` (`expired` if none came), `running` with `rows_done` of `rows_total` "
        "(`interrupted` if whoever imported it died: nothing of it is kept, announce it again), `succeeded`, or "
        "`failed` with the `problem` that POST /imports would have answered. `report.url` gives the whole report, "
        "with every row, for five minutes; ask again for another. It is kept for 30 days.",
        (Answer("one that is over", 200, sample("import_job"), Asked(path={"import_id": 1})),),
        refused=(ImportNotFound("no import has the id 8"),),
    ),
)
