"""A calendar is one by RFC 5545, and its library reads it back."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import icalendar
import pytest
from icalendar import Calendar

from dyno.exports import calendar_files
from dyno.exports.model import Booking

BOOKING = Booking(
    allocation_id=12,
    dyno_name="Cell 3",
    vin="9ZZ8LMF12VD000001",
    program="P768",
    test_type="brake",
    start_date=date(2027, 12, 30),
    end_date=date(2027, 12, 31),
    status="scheduled",
    booked_by="ann",
    changed_at=datetime(2027, 1, 4, 10, 30, 5, 999, UTC),
    version=3,
)


def read(text: str) -> Any:
    return Calendar.from_ical(text)


def lines(text: str) -> list[str]:
    """Content lines, unfolded."""
    return text.replace("\r\n ", "").split("\r\n")


def written(*bookings: Booking) -> str:
    return calendar_files.written("Dyno bookings", bookings, "pool.dyno-agent")


def test_the_library_reads_back_what_was_booked() -> None:
    [event] = read(written(BOOKING)).events

    assert event["UID"] == "allocation-12@pool.dyno-agent"
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (date(2027, 12, 30), date(2028, 1, 1))
    assert (event["SEQUENCE"], event["STATUS"], event["TRANSP"]) == (3, "CONFIRMED", "TRANSPARENT")
    assert event["LAST-MODIFIED"].dt == event["DTSTAMP"].dt == datetime(2027, 1, 4, 10, 30, 5, tzinfo=UTC)
    assert event["SUMMARY"] == "Cell 3: brake, 9ZZ8LMF12VD000001"
    assert event["DESCRIPTION"] == "Allocation 12, scheduled\nVehicle 9ZZ8LMF12VD000001, P768"


def test_it_is_written_as_the_standard_has_it() -> None:
    text = written(BOOKING)

    assert text.startswith("BEGIN:VCALENDAR\r\n")
    assert text.endswith("END:VCALENDAR\r\n")
    assert "\n" not in text.replace("\r\n", "")
    assert {"VERSION:2.0", "CALSCALE:GREGORIAN", "NAME:Dyno bookings", "X-PUBLISHED-TTL:PT1H"} < set(lines(text))
    assert {"DTSTART;VALUE=DATE:20271230", "DTEND;VALUE=DATE:20280101", "DTSTAMP:20270104T103005Z"} < set(lines(text))
    assert "REFRESH-INTERVAL;VALUE=DURATION:PT1H" in lines(text)
    assert "METHOD" not in text


def test_lines_are_folded_at_75_bytes_and_not_within_a_character() -> None:
    text = written(replace(BOOKING, test_type="é" * 300))

    folded = text.encode().split(b"\r\n")
    assert max(map(len, folded)) <= 75
    assert all(line.decode() is not None for line in folded)
    assert read(text).events[0]["SUMMARY"].count("é") == 300


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("held", "TENTATIVE"),
        ("scheduled", "CONFIRMED"),
        ("in_progress", "CONFIRMED"),
        ("completed", "CONFIRMED"),
        ("cancelled", "CANCELLED"),
        ("lapsed", "CANCELLED"),
    ],
)
def test_a_status_is_one_that_the_standard_knows(status: str, shown: str) -> None:
    assert read(written(replace(BOOKING, status=status))).events[0]["STATUS"] == shown


def test_a_calendar_of_nothing_has_a_component_all_the_same() -> None:
    empty = read(written())

    assert [each.name for each in empty.subcomponents] == ["VTIMEZONE"]
    assert empty.events == []


def test_the_same_bookings_are_the_same_to_the_byte() -> None:
    assert written(BOOKING, BOOKING) == written(BOOKING, BOOKING)


HOSTILE = "brake\r\nEND:VEVENT\r\nATTACH:http://x\n,;\\"


def test_no_text_begins_a_line_of_its_own() -> None:
    text = written(replace(BOOKING, test_type=HOSTILE, dyno_name=HOSTILE))

    assert not re.search("^ATTACH", text, re.MULTILINE)
    assert len(read(text).events) == 1


def test_unescaped_it_would_and_the_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icalendar.prop.vText, "to_ical", lambda self: str(self).encode())

    with pytest.raises(AssertionError, match="unescaped new line"):
        written(replace(BOOKING, test_type=HOSTILE))
