"""Exports and calendars over the deployed stack."""

from io import BytesIO
from urllib.parse import urlsplit

import httpx
from icalendar import Calendar
from openpyxl import load_workbook

from tests.e2e.site import Site


def test_a_calendar_is_fetched_without_a_header_until_it_is_revoked(site: Site, user: httpx.Client) -> None:
    made = user.post("/calendars", json={"scope": "everything"})
    url = made.json()["url"]
    with httpx.Client() as program:
        first = program.get(url)
        known = program.get(url, headers={"If-None-Match": first.headers["ETag"]})
        revoked = user.delete(f"/calendars/{made.json()['calendar_id']}")
        after = program.get(url)
        unknown = program.get(url[:-1] + ("A" if url[-1] != "A" else "B"))

    assert made.status_code == 201
    assert urlsplit(url).port == site.port
    assert (first.status_code, first.headers["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    assert Calendar.from_ical(first.text)["VERSION"] == "2.0"
    assert (known.status_code, known.content) == (304, b"")
    assert revoked.status_code == 200
    assert [(each.status_code, each.json()["code"]) for each in (after, unknown)] == [(404, "calendar_not_found")] * 2


def test_a_workbook_comes_through_the_gateway_as_bytes(user: httpx.Client, admin: httpx.Client) -> None:
    for answer in (user.get("/exports/allocations.xlsx"), admin.get("/exports/lab.xlsx")):
        assert answer.status_code == 200
        assert load_workbook(BytesIO(answer.content)).sheetnames[-1] == "Allocations"
