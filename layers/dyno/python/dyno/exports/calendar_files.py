"""Bookings as an iCalendar file."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from icalendar import Calendar, Event, Timezone, TimezoneStandard

from dyno.exports.model import Booking

PRODUCT = "-//Dyno-Agent//Bookings//EN"
REFRESH = timedelta(hours=1)
_STATUSES = {"held": "TENTATIVE", "cancelled": "CANCELLED", "lapsed": "CANCELLED"}


def written(name: str, bookings: Iterable[Booking], lab: str) -> str:
    """
    A calendar of whole days.

    Args:
        name: What a program shows it as.
        lab: What makes ids of bookings the lab's own: no two labs have the same.
    Source:
        RFC 5545: 3.8.2.2, an end is the day after; 3.8.7.4, a change has a higher SEQUENCE; 3.6, a calendar has at
        least one component. RFC 7986, 5.1 and 5.7: NAME and REFRESH-INTERVAL.
    """
    calendar = Calendar()
    for key, value in (("prodid", PRODUCT), ("version", "2.0"), ("calscale", "GREGORIAN"), ("name", name)):
        calendar.add(key, value)
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", REFRESH, {"value": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    for booking in bookings:
        calendar.add_component(_event(booking, lab))
    if not calendar.subcomponents:
        calendar.add_component(_utc())
    return str(calendar.to_ical(), "utf-8")


def _event(booking: Booking, lab: str) -> Event:
    event = Event()
    changed_at = booking.changed_at.astimezone(UTC).replace(microsecond=0)
    event.add("uid", f"allocation-{booking.allocation_id}@{lab}")
    # Without a METHOD it says when the booking was last changed, so an unchanged calendar is the same to the byte.
    event.add("dtstamp", changed_at)
    event.add("last-modified", changed_at)
    event.add("sequence", booking.version)
    event.add("status", _STATUSES.get(booking.status, "CONFIRMED"))
    event.add("dtstart", booking.start_date)
    event.add("dtend", booking.end_date + timedelta(days=1))
    event.add("summary", f"{booking.dyno_name}: {booking.test_type}, {booking.vin}")
    event.add("location", booking.dyno_name)
    event.add("description", "\n".join(_about(booking)))
    event.add("transp", "TRANSPARENT")  # the dyno is busy, not whoever looks at it
    return event


def _about(booking: Booking) -> Iterable[str]:
    yield f"Allocation {booking.allocation_id}, {booking.status}"
    yield f"Vehicle {booking.vin}" + (f", {booking.program}" if booking.program else "")


def _utc() -> Timezone:
    """Says nothing and is a component."""
    zone, standard = Timezone(), TimezoneStandard()
    zone.add("tzid", "UTC")
    standard.add("dtstart", datetime(1970, 1, 1))  # noqa: DTZ001  # an observance begins at a local time
    standard.add("tzoffsetfrom", timedelta(0))
    standard.add("tzoffsetto", timedelta(0))
    zone.add_component(standard)
    return zone
