"""Demand: attempts, requests, bins and groups as a recount in plain Python has them, in whatever zone the lab lies."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine

from dyno.roi import service
from dyno.roi.answers import Bin, DemandBin, DemandCount, DemandReport
from dyno.roi.period import asked
from tests.integration.roi.past import Booking, Past, Refusal
from tests.lab import Lab

FIRST, NOW = datetime(2025, 10, 20, tzinfo=UTC), datetime(2025, 12, 20, tzinfo=UTC)
REASONS = ["booked", "held", "turnaround", "disabled", "not_capable", "vehicle_already_allocated"]
Counted = tuple[int, int, int, int, int]


def begin(day: date, by: Bin) -> date:
    """The first day of its bin."""
    return {Bin.DAY: day, Bin.WEEK: day - timedelta(days=day.weekday()), Bin.MONTH: day.replace(day=1)}[by]


def recount(past: Past, refusals: list[Refusal]) -> Counted:
    """Attempts, requests, booked later, unmet and unmet days."""
    requests: defaultdict[Any, list[Refusal]] = defaultdict(list)
    for refusal in refusals:
        requests[refusal.vehicle_id, refusal.test_type, refusal.start_date, refusal.drive_type].append(refusal)
    met = unmet_days = 0
    for tried in requests.values():
        if any(
            refusal.test_type == "brake" and refusal.vehicle_id == past.vehicle_id and takes_days(booking)
            for refusal in tried[:1]
            for booking in past.bookings
            if booking.created_at > min(each.refused_at for each in tried)
        ):
            met += 1
        else:
            lacking = [each.days_to_complete for each in tried if each.reason != "vehicle_already_allocated"]
            unmet_days += max(lacking, default=0)
    return len(refusals), len(requests), met, len(requests) - met, unmet_days


def takes_days(booking: Booking) -> bool:
    return booking.kind == "allocation" and booking.cancelled_after is None and booking.status != "lapsed"


def counted(said: DemandCount) -> Counted:
    return (
        said.refused_attempts,
        said.refused_requests,
        said.booked_later,
        said.unmet_requests,
        said.unmet_dyno_days,
    )


def happened(past: Past, zone: ZoneInfo, seed: int) -> None:
    """Some vehicles are refused some tests, each several times; some of the bookings come later."""
    random = Random(seed)
    others = [past.lab.vehicle(f"9ZZ0TEST0VDX{number:05d}") for number in range(3)]
    past.live(FIRST, 40, zone, random, size=12)
    moments = [refusal.refused_at for refusal in past.refusals] + [
        datetime.combine(
            date(2025, 11, 2),
            datetime.min.time(),
            zone,
        ).replace(fold=fold)
        + timedelta(minutes=20)
        for fold in range(2)
    ]
    moments += [FIRST + timedelta(seconds=random.randrange(40 * 86_400)) for _ in range(60)]
    past.lab.sql("delete from refusals")
    past.refusals.clear()
    past.refuse(
        *(
            Refusal(
                at.astimezone(UTC),
                random.choice(REASONS),
                vehicle_id=random.choice([past.vehicle_id, *others]),
                test_type=random.choice(["brake", "brake", "evap"]),
                drive_type=random.choice(["AWD", "2WD"]),
                start_date=date(2030, 1, random.randint(1, 3)),
                days_to_complete=random.randint(1, 9),
            )
            for at in moments
        )
    )


def holds_together(said: DemandReport) -> None:
    """Parts add up to wholes: attempts, reasons, groups, bins."""
    parts: list[Any] = [
        said,
        *said.groups,
        *said.over_time,
        *(each for group in said.groups for each in group.over_time),
    ]
    for part in parts:
        assert sum(part.by_reason.values()) == part.refused_attempts
        assert list(part.by_reason.values()) == sorted(part.by_reason.values(), reverse=True)
        assert part.booked_later + part.unmet_requests == part.refused_requests
    wholes: list[tuple[DemandCount, Sequence[DemandCount]]] = [(said, said.groups), (said, said.over_time)]
    for whole, within in [*wholes, *((group, group.over_time) for group in said.groups)]:
        assert counted(whole) == tuple(map(sum, zip(*map(counted, within), strict=True)))


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "America/Havana"])
@pytest.mark.parametrize("by", list(Bin))
@pytest.mark.parametrize("seed", range(2))
def test_demand_is_what_a_recount_says(past: Past, roi: Engine, zone: str, by: Bin, seed: int) -> None:
    lab_zone = ZoneInfo(zone)
    happened(past, lab_zone, seed)

    for period in (
        {},
        {"month": "2025-11"},
        {"start": date(2025, 11, 2), "end": date(2025, 11, 2)},
        {"start": NOW.date()},
    ):
        wanted = asked(**period)
        said = service.demand(roi, wanted, by, lab_zone, now=NOW)

        there = [
            refusal
            for refusal in past.refusals
            if (wanted.start_date or date.min)
            <= refusal.refused_at.astimezone(lab_zone).date()
            <= (wanted.end_date or date.max)
        ]
        assert counted(said) == recount(past, there)
        assert said.by_reason == Counter(refusal.reason for refusal in there)
        assert {bin_.start_date: bin_.refused_attempts for bin_ in said.over_time} == Counter(
            begin(refusal.refused_at.astimezone(lab_zone).date(), by) for refusal in there
        )
        for group in said.groups:
            kind = (group.test_type, group.drive_type)
            assert counted(group) == recount(
                past, [each for each in there if (each.test_type, each.drive_type) == kind]
            )
        if there:
            holds_together(said)
        assert [bin_.start_date for bin_ in said.over_time] == sorted(bin_.start_date for bin_ in said.over_time)
        assert (keys := [(-each.unmet_dyno_days, -each.refused_attempts) for each in said.groups]) == sorted(keys)


def test_a_request_belongs_to_the_bin_of_its_first_attempt(past: Past, roi: Engine) -> None:
    sunday = datetime(2025, 11, 2, 12, tzinfo=UTC)
    past.refuse(Refusal(sunday), Refusal(sunday + timedelta(days=1)))

    said = service.demand(roi, asked(), Bin.WEEK, ZoneInfo("UTC"), now=NOW)

    def each(bin_: DemandBin) -> tuple[Any, ...]:
        return bin_.start_date, bin_.refused_attempts, bin_.refused_requests

    assert [each(bin_) for bin_ in said.over_time] == [(date(2025, 10, 27), 1, 1), (date(2025, 11, 3), 1, 0)]


def test_a_refusal_of_the_last_utc_day_may_be_of_the_labs_next_month(past: Past, roi: Engine) -> None:
    past.refuse(Refusal(datetime(2025, 10, 31, 20, tzinfo=UTC)))

    bins = {
        zone: service.demand(roi, asked(), Bin.MONTH, ZoneInfo(zone), now=NOW).over_time[0].start_date.month
        for zone in ("UTC", "Asia/Kathmandu", "America/New_York")
    }

    assert bins == {"UTC": 10, "Asia/Kathmandu": 11, "America/New_York": 10}


def test_groups_name_the_dynos_that_could_run_their_tests_disabled_or_not(lab: Lab, past: Past, roi: Engine) -> None:
    lab.sql("delete from capabilities")  # of the past's own dyno
    lab.dyno("B", "brake AWD any", enabled=False)
    lab.dyno("A", "any any <10K", "brake AWD <10K")
    lab.dyno("C", "evap 2WD any")
    past.refuse(
        Refusal(FIRST), Refusal(FIRST, weight_class=">10K"), Refusal(FIRST, test_type="evap", weight_class=">10K")
    )

    said = service.demand(roi, asked(), Bin.DAY, ZoneInfo("UTC"), now=NOW)

    assert {(each.test_type, each.weight_class): each.dynos for each in said.groups} == {
        ("brake", "<10K"): ["A", "B"],
        ("brake", ">10K"): ["B"],
        ("evap", ">10K"): [],
    }
