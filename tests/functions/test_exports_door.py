"""The door of exports: files out, calendars by a token that can be revoked."""

import base64
import csv
import re
from datetime import date, timedelta
from io import BytesIO, StringIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from icalendar import Calendar
from openpyxl import load_workbook

from dyno.errors import InvalidRequest
from dyno.exports import service
from functions.exports import handler as door
from tests.functions.conftest import Answer, Call, Caller, Printed
from tests.lab import MONDAY, TODAY, TUESDAY, Lab

VIN = "9ZZ0TEST0VD000001"
HEADERS = ["Allocation ID", "VIN", "Test", "Dyno", "Start Date", "End Date", "Status", "Requested by"]


@pytest.fixture
def booked(lab: Lab) -> Lab:
    """One dyno, one vehicle, two days of it."""
    lab.dyno("Cell 1")
    lab.vehicle(VIN)
    lab.auto_allocate(days_to_complete=2)
    return lab


def rows(answer: Answer) -> list[list[str]]:
    return list(csv.reader(StringIO(answer.body.removeprefix("\ufeff"), newline="")))


def book(answer: Answer) -> Any:
    return load_workbook(BytesIO(base64.b64decode(answer.body)))


def events(answer: Answer) -> list[Any]:
    calendar: Any = Calendar.from_ical(answer.body)
    found: list[Any] = calendar.events
    return found


def subscribe(call: Call, caller: Caller = Caller.USER, **wanted: Any) -> dict[str, Any]:
    answer = call(door, "POST", "/calendars", body={"scope": "everything"} | wanted, caller=caller)
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.body
    return made


def fetch(call: Call, token: str | None, **headers: str) -> Answer:
    return call(
        door,
        "GET",
        "/exports/calendar.ics",
        query=None if token is None else {"token": token},
        headers=headers,
        caller=Caller.NOBODY,
    )


def test_allocations_go_out_as_csv(call: Call, booked: Lab) -> None:
    answer = call(door, "GET", "/exports/allocations.csv")

    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="allocations.csv"'
    assert rows(answer) == [HEADERS, ["1", VIN, "brake", "Cell 1", str(MONDAY), str(TUESDAY), "scheduled", "ann"]]


def test_allocations_go_out_as_a_workbook_with_real_dates(call: Call, booked: Lab) -> None:
    answer = call(door, "GET", "/exports/allocations.xlsx")

    header, row = book(answer)["Allocations"].iter_rows(values_only=True)
    assert list(header) == HEADERS
    assert [each.date() if hasattr(each, "date") else each for each in row] == [
        *(1, VIN, "brake", "Cell 1", MONDAY, TUESDAY, "scheduled", "ann")
    ]


def test_allocations_go_out_as_a_calendar(call: Call, booked: Lab) -> None:
    answer = call(door, "GET", "/exports/allocations.ics")

    [event] = events(answer)
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (MONDAY, TUESDAY + timedelta(days=1))
    assert event["SUMMARY"] == f"Cell 1: brake, {VIN}"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"dyno_id": "1"}, 1),
        ({"dyno_id": "2"}, 0),
        ({"vehicle_id": "1"}, 1),
        ({"vin": VIN.lower()}, 1),
        ({"vin": "9ZZ"}, 0),
        ({"booked_by": "ann"}, 1),
        ({"booked_by": "bob"}, 0),
        ({"status": "scheduled"}, 1),
        ({"status": "cancelled"}, 0),
        ({"from": str(TUESDAY), "to": str(TUESDAY)}, 1),
        ({"from": str(TUESDAY + timedelta(days=1))}, 0),
        ({"to": str(MONDAY - timedelta(days=1))}, 0),
    ],
)
def test_what_is_asked_for_goes_out_and_no_more(call: Call, booked: Lab, query: dict[str, str], found: int) -> None:
    assert len(rows(call(door, "GET", "/exports/allocations.csv", query=query))) == 1 + found


def test_a_filter_that_nobody_can_mean_is_refused(call: Call, booked: Lab) -> None:
    for query in ({"status": "lost"}, {"from": "tomorrow"}, {"dyno_id": "one"}, {"page": "2"}):
        assert call(door, "GET", "/exports/allocations.csv", query=query).status == 422


def test_more_than_an_answer_holds_is_refused_and_the_filters_are_named(
    call: Call, booked: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_ROWS", 0)
    monkeypatch.setattr(service, "MAX_EVENTS", 0)

    for path in ("/exports/allocations.csv", "/exports/allocations.xlsx", "/exports/allocations.ics"):
        answer = call(door, "GET", path)
        assert (answer.status, answer.body["code"]) == (422, "export_too_large")
        assert "from and to, dyno_id" in answer.body["detail"]
    assert call(door, "GET", "/exports/lab.xlsx", caller=Caller.ADMIN).status == 422


def test_more_bytes_than_lambda_answers_are_refused(call: Call, booked: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_ANSWER_BYTES", 100)

    for path in ("/exports/allocations.csv", "/exports/allocations.xlsx", "/exports/allocations.ics"):
        assert call(door, "GET", path).body["code"] == "export_too_large"


def test_the_lab_goes_out_in_the_words_of_an_import(call: Call, booked: Lab) -> None:
    booked.dyno("Cell 2", "brake AWD <10K", "evap any any", turnaround_days=1, facility="North")
    booked.maintenance(2, MONDAY, days=3)

    sheets = book(call(door, "GET", "/exports/lab.xlsx", caller=Caller.ADMIN))

    found = {
        sheet.title: [
            tuple(each.date() if hasattr(each, "date") else each for each in row)
            for row in sheet.iter_rows(values_only=True)
        ]
        for sheet in sheets
    }
    assert found == {
        "Vehicles": [
            ("VIN", "Weight lbs", "Drive", "Program", "Build ID", "Cert Team", "Engine", "Build Type"),
            (VIN, 5000, "AWD", None, None, None, None, None),
        ],
        "Dynos": [
            ("Dyno", "Facility", "Turnaround days", "Available from", "Available to", "Enabled"),
            ("Cell 1", None, 0, None, None, True),
            ("Cell 2", "North", 1, None, None, True),
        ],
        "Rules": [
            ("Test", "Drive", "Weight class", "Dynos"),
            ("any", "any", "any", "Cell 1"),
            ("brake", "AWD", "<10K", "Cell 2"),
            ("evap", "any", "any", "Cell 2"),
        ],
        "Maintenance": [
            ("Dyno", "Start Date", "End Date", "Reason"),
            ("Cell 2", MONDAY, MONDAY + timedelta(days=2), "calibration"),
        ],
        "Allocations": [
            ("VIN", "Test", "Dyno", "Start Date", "End Date", "Status", "Requested by"),
            (VIN, "brake", "Cell 1", MONDAY, TUESDAY, "scheduled", "ann"),
        ],
    }


def test_what_is_over_or_retired_is_no_part_of_the_lab(call: Call, booked: Lab) -> None:
    booked.sql("update occupancies set status = 'cancelled', cancelled_at = now()")
    booked.sql("update vehicles set retired_at = now()")
    booked.sql("update dynos set retired_at = now(), enabled = false")

    sheets = book(call(door, "GET", "/exports/lab.xlsx", caller=Caller.ADMIN))

    assert [sheet.max_row for sheet in sheets] == [1] * 5


def test_a_calendar_is_read_by_its_address_alone_until_it_is_revoked(call: Call, booked: Lab) -> None:
    made = subscribe(call)

    before = fetch(call, made["token"])
    revoked = call(door, "DELETE", f"/calendars/{made['calendar_id']}")
    after = fetch(call, made["token"])

    assert (before.status, len(events(before))) == (200, 1)
    assert revoked.body["revoked_at"] is not None
    assert (after.status, after.body["code"]) == (404, "calendar_not_found")
    assert call(door, "DELETE", f"/calendars/{made['calendar_id']}").body == revoked.body


def test_the_address_of_a_calendar_is_where_the_gateway_was_found(call: Call, booked: Lab) -> None:
    made = subscribe(call)

    url = urlsplit(made["url"])
    assert parse_qs(url.query) == {"token": [made["token"]]}
    assert url.path.endswith("/exports/calendar.ics")
    assert re.fullmatch("cal_[A-Za-z0-9_-]{43}", made["token"])


def test_why_a_token_opens_nothing_is_not_told(call: Call, booked: Lab) -> None:
    revoked, left, erased = subscribe(call), subscribe(call, Caller.POWER_USER), subscribe(call, Caller.ADMIN)
    call(door, "DELETE", f"/calendars/{revoked['calendar_id']}")
    booked.sql("insert into users (sub, role, enrolled_at, left_at) values ('power_user', 'user', now(), now())")
    booked.sql("insert into users (sub) values ('admin')")
    booked.sql("select erase_user(id, version, 'somebody') from users where sub = 'admin'")
    tokens = [revoked["token"], left["token"], erased["token"], f"cal_{'x' * 43}", "", "x" * 5000, "'; --", None]

    answers = [fetch(call, token) for token in tokens]

    told = {(each.status, *(each.body[name] for name in ("code", "title", "detail"))) for each in answers}
    assert len(told) == 1
    assert answers[0].status == 404


def test_a_calendar_of_whoever_is_disabled_opens_nothing_until_they_are_not(call: Call, booked: Lab) -> None:
    token = subscribe(call, Caller.POWER_USER)["token"]
    booked.sql("insert into users (sub, role, disabled_at) values ('power_user', 'user', now())")

    disabled = fetch(call, token)
    booked.sql("update users set disabled_at = null where sub = 'power_user'")
    admitted = fetch(call, token)

    assert (disabled.status, admitted.status) == (404, 200)


def test_an_answer_that_told_why_would_be_found(call: Call, booked: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def telling(text: str) -> bool:
        if not text.startswith("cal_"):
            raise InvalidRequest("that is no token")
        return True

    monkeypatch.setattr(service, "is_token", telling)

    assert {fetch(call, token).status for token in (f"cal_{'x' * 43}", "x")} == {404, 422}


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ({"scope": "everything"}, 1),
        ({"scope": "dyno", "dyno_id": 1}, 1),
        ({"scope": "dyno", "dyno_id": 2}, 0),
        ({"scope": "vehicle", "vehicle_id": 1}, 1),
        ({"scope": "person"}, 0),
        ({"scope": "person", "booked_by": "ann"}, 1),
    ],
)
def test_a_calendar_shows_its_scope(call: Call, booked: Lab, wanted: dict[str, Any], shown: int) -> None:
    booked.dyno("Cell 2")

    made = subscribe(call, **wanted)

    assert len(events(fetch(call, made["token"]))) == shown


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"scope": "dyno"}, 422),
        ({"scope": "everything", "dyno_id": 1}, 422),
        ({"scope": "person", "vehicle_id": 1}, 422),
        ({"scope": "lab"}, 422),
        ({"scope": "everything", "token": "cal_mine"}, 422),
        ({"scope": "dyno", "dyno_id": 9}, 404),
        ({"scope": "vehicle", "vehicle_id": 9}, 404),
    ],
)
def test_a_scope_that_is_none_is_refused(call: Call, booked: Lab, wanted: dict[str, Any], status: int) -> None:
    assert call(door, "POST", "/calendars", body=wanted).status == status


def test_an_unchanged_calendar_is_not_sent_again(call: Call, booked: Lab) -> None:
    token = subscribe(call)["token"]
    first = fetch(call, token)

    again = fetch(call, token, **{"If-None-Match": first.headers["ETag"]})
    booked.sql("update occupancies set version = version + 1")
    changed = fetch(call, token, **{"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "private, max-age=900"
    assert (again.status, again.body) == (304, "")
    assert (changed.status, changed.headers["ETag"] != first.headers["ETag"]) == (200, True)


def test_that_a_calendar_is_in_use_is_noted_once_a_day(call: Call, booked: Lab) -> None:
    token = subscribe(call)["token"]
    assert booked.sql("select last_used_at from calendars") is None

    fetch(call, token)
    noted, row = booked.rows("select last_used_at, xmin::text from calendars")[0]
    fetch(call, token)

    assert noted is not None
    assert booked.rows("select last_used_at, xmin::text from calendars") == [(noted, row)]
    booked.sql("update calendars set last_used_at = now() - interval '25 hours'")
    fetch(call, token)
    assert booked.sql("select last_used_at > now() - interval '1 hour' from calendars") is True


def test_people_see_their_own_calendars_and_admins_everybodys(call: Call, booked: Lab) -> None:
    own, anothers = subscribe(call), subscribe(call, Caller.POWER_USER)

    def listed(caller: Caller) -> list[int]:
        answer = call(door, "GET", "/calendars", caller=caller)
        assert own["token"] not in str(answer.body)
        return [each["calendar_id"] for each in answer.body["items"]]

    assert listed(Caller.USER) == [own["calendar_id"]]
    assert listed(Caller.POWER_USER) == [anothers["calendar_id"]]
    assert listed(Caller.ADMIN) == [own["calendar_id"], anothers["calendar_id"]]


def test_anothers_calendar_is_revoked_by_admins_only(call: Call, booked: Lab) -> None:
    made = subscribe(call)

    refused = call(door, "DELETE", f"/calendars/{made['calendar_id']}", caller=Caller.POWER_USER)

    assert (refused.status, refused.body["code"]) == (403, "forbidden")
    assert fetch(call, made["token"]).status == 200
    assert call(door, "DELETE", f"/calendars/{made['calendar_id']}", caller=Caller.ADMIN).status == 200
    assert call(door, "DELETE", "/calendars/99", caller=Caller.ADMIN).body["code"] == "calendar_not_found"


def test_nobody_subscribes_without_end(call: Call, booked: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_CALENDARS", 1)
    made = subscribe(call)

    refused = call(door, "POST", "/calendars", body={"scope": "everything"})

    assert (refused.status, refused.body["code"]) == (409, "too_many_calendars")
    call(door, "DELETE", f"/calendars/{made['calendar_id']}")
    assert subscribe(call)["calendar_id"] != made["calendar_id"]


def test_a_token_is_nowhere_but_in_its_answer(call: Call, booked: Lab, printed: Printed) -> None:
    token = subscribe(call)["token"]
    fetch(call, token)
    fetch(call, token + "x")
    fetch(call, f"cal_{'y' * 43}")

    said = printed()

    rows = booked.sql("select string_agg(to_jsonb(c)::text, '') from calendars c")
    assert token[4:20] not in said + rows
    assert "y" * 43 not in said


def test_a_token_that_was_logged_would_be_seen(
    call: Call, booked: Lab, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = subscribe(call)["token"]
    monkeypatch.setattr(service, "is_token", print)

    fetch(call, token)

    assert token in printed()


def test_an_event_ends_on_the_day_after_its_last(call: Call, booked: Lab) -> None:
    text: str = call(door, "GET", "/exports/allocations.ics").body

    assert f"DTSTART;VALUE=DATE:{MONDAY:%Y%m%d}\r\n" in text
    assert f"DTEND;VALUE=DATE:{TUESDAY + timedelta(days=1):%Y%m%d}\r\n" in text
    assert isinstance(MONDAY, date)


@pytest.mark.parametrize(("most", "days"), [(4, [-2, 0, 1, 9]), (3, [0, 1, 9]), (2, [0, 1]), (9, [-5, -2, 0, 1, 9])])
def test_of_more_than_a_calendar_holds_the_past_goes_first_and_then_what_is_far_ahead(
    call: Call, lab: Lab, monkeypatch: pytest.MonkeyPatch, most: int, days: list[int]
) -> None:
    dyno_id, vehicle_id = lab.dyno("Cell 1"), lab.vehicle(VIN)
    for day in (9, -5, 1, -2, 0):
        lab.occupy(dyno_id, vehicle_id, TODAY + timedelta(days=day))
    monkeypatch.setattr(service, "MAX_EVENTS", most)

    shown = events(fetch(call, subscribe(call)["token"]))

    assert [(each.start - TODAY).days for each in shown] == days
