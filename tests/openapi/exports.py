"""Exports and calendars by example."""

from dyno.errors import (
    CalendarNotFound,
    DynoNotFound,
    ExportTooLarge,
    Forbidden,
    TooManyCalendars,
    VehicleNotFound,
)
from tests.openapi.described import Answer, Asked, Described, Link
from tests.openapi.world import CALENDAR_TOKEN

TOO_LARGE = ExportTooLarge("this has more than 20000 rows; ask for fewer: by from and to, dyno_id, … or status")
FILE = ("Content-Disposition",)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
BYTES = {"type": "string", "format": "binary"}
CALENDAR = {
    "calendar_id": 1,
    "owner": "ada",
    "scope": "everything",
    "dyno_id": None,
    "vehicle_id": None,
    "booked_by": None,
    "created_at": "2027-05-03T08:00:00.25Z",
    "last_used_at": None,
    "revoked_at": None,
}
TOKEN = "cal_3q2-7wBvL0pXkQ9sYt1nRj5uHc8dEfGaZ4mVoW6iTyN"  # of nothing
MADE = {"calendar_id": "$response.body#/calendar_id"}

ROUTES = (
    Described(
        "GET /exports/allocations.csv",
        "exports",
        "RFC 4180 in UTF-8 with its mark, days as YYYY-MM-DD, at most 20,000 rows. A text that a spreadsheet would "
        "take for a formula has an apostrophe in front.",
        (
            Answer(
                "a file",
                200,
                "Allocation ID,VIN,Test,Dyno,Start Date,End Date,Status,Requested by\r\n…",
                Asked(query={"status": "scheduled", "from": "2027-06-07"}),
                content_type="text/csv",
                headers=FILE,
            ),
        ),
        refused=(TOO_LARGE,),
    ),
    Described(
        "GET /exports/allocations.xlsx",
        "exports",
        "The same as a workbook, with real dates and without formulas.",
        (Answer("a workbook", 200, "PK…", content_type=XLSX, headers=FILE, schema=BYTES),),
        refused=(TOO_LARGE,),
    ),
    Described(
        "GET /exports/allocations.ics",
        "exports",
        "Whole days, an event for each. Its UID stays, its SEQUENCE is the version; a hold is TENTATIVE, what was "
        "cancelled or lapsed is CANCELLED.",
        (Answer("a calendar", 200, "BEGIN:VCALENDAR\r\n…", content_type="text/calendar", headers=FILE),),
        refused=(TOO_LARGE,),
    ),
    Described(
        "GET /exports/lab.xlsx",
        "exports",
        "Sheets Vehicles, Dynos, Rules, Maintenance and Allocations. What is retired, cancelled or lapsed is left out.",
        (Answer("a workbook", 200, "PK…", content_type=XLSX, headers=FILE, schema=BYTES),),
        refused=(TOO_LARGE,),
    ),
    Described(
        "POST /calendars",
        "exports",
        "`scope` is everything, dyno (with `dyno_id`), vehicle (with `vehicle_id`) or person (with `booked_by`, else "
        "oneself). Whoever has `url` reads the calendar; it is shown once. It opens nothing once it is revoked, or "
        "its owner has left, is disabled or was erased.",
        (
            Answer(
                "made",
                201,
                CALENDAR
                | {
                    "calendar_id": 2,
                    "token": TOKEN,
                    "url": f"https://dyno.example.com/exports/calendar.ics?token={TOKEN}",
                },
                Asked(body={"scope": "everything"}),
                links=(Link("DELETE /calendars/{calendar_id}", MADE),),
            ),
        ),
        refused=(
            DynoNotFound("no dyno has the id 9"),
            VehicleNotFound("no vehicle has the id 9"),
            TooManyCalendars("you have 50 calendars; DELETE /calendars/{calendar_id} ends one"),
        ),
    ),
    Described(
        "GET /calendars",
        "exports",
        "Revoked ones too; never with their tokens.",
        (Answer("one's own", 200, {"items": [CALENDAR], "next_cursor": None}),),
    ),
    Described(
        "DELETE /calendars/{calendar_id}",
        "exports",
        "A second time changes nothing.",
        (
            Answer(
                "revoked",
                200,
                CALENDAR | {"revoked_at": "2027-05-03T09:00:00.25Z"},
                Asked(path={"calendar_id": 1}),
            ),
        ),
        refused=(CalendarNotFound("no calendar has the id 9"), Forbidden("calendar 1 is somebody else's")),
    ),
    Described(
        "GET /exports/calendar.ics",
        "exports",
        "Asks for no header but the token of POST /calendars. One answer for every token that opens nothing.",
        (
            Answer(
                "a calendar",
                200,
                "BEGIN:VCALENDAR\r\n…",
                Asked(query={"token": CALENDAR_TOKEN}),
                content_type="text/calendar",
                headers=("ETag", "Cache-Control"),
            ),
            Answer("known", 304, None, headers=("ETag", "Cache-Control"), replayed=False),
        ),
        refused=(CalendarNotFound("this address opens no calendar; make one by POST /calendars"), TOO_LARGE),
    ),
)
