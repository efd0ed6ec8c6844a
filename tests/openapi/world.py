"""The example lab: what must be there for the examples to come true, and their days moved to where they lie ahead."""

import json
import re
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

from dyno.errors import NoDynoAvailable
from dyno.observability import Request, serving
from tests.lab import ADMIN, MONDAY, Lab
from tests.openapi.described import sample

FIRST_DAY = date(2027, 6, 7)
"""The Monday that the examples plan for; a test plans for one that lies ahead."""

REQUEST = "planning-2027-06"
"""The correlation id of the request that made the booking."""

ENROLLED_SUB = "9d2b6c14-0f3a-4e57-8a61-7c5e3d1f2b90"
CALENDAR_TOKEN = "cal_" + "e" * 43  # of the example lab
OF_A_RESULT = ("counts", "counts_by_kind", "planning", "sheets", "problem")
VIN, OTHER_VIN = "9ZZ8LMF12VD000001", "9ZZ8LMF14VD000002"


def arrange(lab: Lab) -> None:
    """
    Two dynos, two vehicles, a booking and a refusal, both by Ada, maintenance in the fourth week, a person, and an
    import of a large file.

    Vehicle 2 is booked onto Cell 2, the only one for brake tests, on the first two days; so vehicle 1 was refused them.
    """
    lab.dyno("Cell 1", "mileage 2WD any", facility="North")
    lab.dyno("Cell 2", "brake any any", turnaround_days=1)
    lab.vehicle(VIN)
    lab.vehicle(OTHER_VIN, weight_lbs=11_000, drive_type="2WD")
    with serving(Request(REQUEST)):
        lab.auto_allocate(OTHER_VIN, days_to_complete=2, actor=ADMIN)
        with suppress(NoDynoAvailable):
            lab.auto_allocate(VIN, days_to_complete=2, actor=ADMIN)
    lab.maintenance(2, MONDAY + timedelta(days=21), days=2)
    lab.sql(
        "insert into calendars (token_hash, owner, scope)"
        " values (sha256(convert_to(:token, 'UTF8')), 'ada', 'everything')",
        token=CALENDAR_TOKEN,
    )
    lab.sql(
        "insert into import_jobs (owner, role, wanted, upload_until, status, begun_at, finished_at, rows_done,"
        " rows_total, result) values ('ada', 'admin', cast(:wanted as jsonb), now(), 'succeeded', now(), now(), 31240,"
        " 31240, cast(:result as jsonb))",
        wanted=json.dumps({"content_type": "text/csv", "size_bytes": 2_480_117, "filename": "backlog.csv"}),
        result=json.dumps(
            {"report_key": "reports/1-00c0ffee.json"} | {name: sample("import_job")[name] for name in OF_A_RESULT}
        ),
    )
    lab.sql(
        "insert into users (sub, role, enrolled_at) values (:sub, 'user', :enrolled_at)",
        sub=ENROLLED_SUB,
        enrolled_at=datetime.fromisoformat(moved("2027-05-03T08:00:00Z")),
    )


def moved(example: Any) -> Any:
    """An example with all its days and instants as far ahead as the test's Monday is."""
    shift = MONDAY - FIRST_DAY
    text = re.sub(r"\b2\d{3}-\d\d-\d\d", lambda day: str(date.fromisoformat(day[0]) + shift), json.dumps(example))
    return json.loads(text)


def shape(value: Any) -> Any:
    """What is there of a value but its texts and numbers: the names of members, and which are null."""
    match value:
        case dict():
            return {name: shape(each) for name, each in sorted(value.items())}
        case list():
            return [shape(value[0])] if value else []
        case bool():
            return value
        case int() | float():
            return "number"
        case str():
            return "instant" if _is_instant(value) else "text"
    return value


def _is_instant(text: str) -> bool:
    try:
        return isinstance(datetime.fromisoformat(text), datetime)
    except ValueError:
        return False
