"""Who is enrolled at a moment, and who made a booking that is kept before it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.integration.roi.past import A_MOMENT, DAY, FOREVER, LONGEST_HOLD, Booking, Past
from tests.lab import Lab

UNTIL = datetime(2025, 11, 30, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=30)
NEVER = None


def people(roi: Engine) -> tuple[Any, ...]:
    """Enrolled, active ones of them, active."""
    with roi.connect() as connection:
        asked = {"since": SINCE, "until": UNTIL}
        return tuple(connection.execute(text("select * from people(:since, :until)"), asked).one())


def enrol(lab: Lab, sub: str, enrolled_at: datetime | None = SINCE, left_at: datetime | None = NEVER) -> None:
    lab.sql(
        "insert into users (sub, role, enrolled_at, left_at) values (:sub, 'user', :enrolled_at, :left_at)",
        sub=sub,
        enrolled_at=enrolled_at,
        left_at=left_at,
    )


def test_a_lab_without_people_has_none(lab: Lab, roi: Engine) -> None:
    assert people(roi) == (0, 0, 0)


def test_somebody_whose_token_was_seen_is_not_enrolled(lab: Lab, roi: Engine) -> None:
    enrol(lab, "ann", enrolled_at=NEVER)

    assert people(roi) == (0, 0, 0)


@pytest.mark.parametrize(
    ("enrolled_at", "left_at", "enrolled"),
    [
        (UNTIL - A_MOMENT, NEVER, 1),
        (UNTIL, NEVER, 0),
        (SINCE - DAY, UNTIL - A_MOMENT, 0),
        (SINCE - DAY, UNTIL, 1),
        (SINCE - DAY, UNTIL + DAY, 1),
        (SINCE - 2 * DAY, SINCE - DAY, 0),
        (UNTIL - A_MOMENT, UNTIL - A_MOMENT, 0),
    ],
)
def test_enrolled_are_those_who_came_before_the_moment_and_had_not_left_by_then(
    lab: Lab, roi: Engine, enrolled_at: datetime, left_at: datetime | None, enrolled: int
) -> None:
    enrol(lab, "ann", enrolled_at, left_at)

    assert people(roi) == (enrolled, 0, 0)


@pytest.mark.parametrize(
    ("booking", "active"),
    [
        (Booking(SINCE), 1),
        (Booking(SINCE - A_MOMENT), 0),
        (Booking(UNTIL - A_MOMENT), 1),
        (Booking(UNTIL), 0),
        (Booking(SINCE, cancelled_after=DAY), 1),
        (Booking(SINCE, cancelled_after=DAY - A_MOMENT), 0),
        (Booking(SINCE, status="held"), 0),
        (Booking(SINCE, status="lapsed"), 0),
        (Booking(SINCE, status="completed"), 1),
        (Booking(SINCE, kind="maintenance"), 0),
        (Booking(SINCE - LONGEST_HOLD, held_for=LONGEST_HOLD), 1),
        (Booking(SINCE - LONGEST_HOLD, held_for=LONGEST_HOLD - A_MOMENT), 0),
        (Booking(UNTIL - A_MOMENT, held_for=A_MOMENT), 0),
        (Booking(SINCE, cancelled_after=DAY - A_MOMENT, held_for=DAY), 0),
        (Booking(SINCE, cancelled_after=2 * DAY, status="held", held_for=FOREVER), 0),
    ],
)
def test_active_are_those_with_a_booking_of_that_time_that_is_kept(
    past: Past, roi: Engine, booking: Booking, active: int
) -> None:
    enrol(past.lab, "ann")

    past.book(booking)

    assert people(roi) == (1, active, active)


def test_who_is_not_enrolled_is_active_but_adopts_nothing(past: Past, roi: Engine) -> None:
    enrol(past.lab, "ann")
    enrol(past.lab, "gone", SINCE, SINCE + DAY)
    enrol(past.lab, "seen", enrolled_at=NEVER)

    past.book(*(Booking(SINCE, booked_by=sub) for sub in ("ann", "ann", "gone", "seen", "unknown")))

    assert people(roi) == (1, 1, 4)


@pytest.mark.parametrize("count", [1, 2, 500])
def test_everybody_is_counted_once_however_many_there_are(past: Past, roi: Engine, count: int) -> None:
    subs = [f"{'Zoë' if number % 3 else 'ann'}-{number * 7919 % 1009}" for number in range(count)]
    for sub in subs[::2]:
        enrol(past.lab, sub)

    past.book(*(Booking(SINCE + n * DAY, booked_by=sub) for sub in subs for n in (-2, 1, 3)))
    past.book(*(Booking(SINCE - DAY, booked_by=f"before {sub}") for sub in subs[:7]))

    assert people(roi) == (len(subs[::2]), len(subs[::2]), count)
