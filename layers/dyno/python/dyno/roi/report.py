"""From facts to the two reports; nothing here asks a database or a clock."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from dyno.roi.answers import BusinessReport, RoiReport
from dyno.roi.assumed import Assumptions, AssumptionsRow
from dyno.roi.facts import Asked, Counts, Facts, MonthCounts, PeriodKind, Span
from dyno.roi.formula import cents, evaluate, line, total
from dyno.roi.model import Basis, Inputs, Line, Result
from dyno.roi.period import Segment, segments

MONTHS_A_YEAR = 12
MS_AN_HOUR = 3_600_000

SOURCES = {
    "allocations": "Bookings created in the period, in the lab's time zone, that were committed and not cancelled "
    "within 24 hours of their creation: GET /allocations.",
    "service_time_hours": "What the calls took that made bookings; no dry runs, replays and failures.",
    "assumptions": "Put there by an admin, with a reason: GET /metrics/roi/assumptions. Each day is reckoned by the "
    "row in force on it, development cost by that of the last day.",
    "projected": "The time study: what planning by hand would cost in a year, by the assumptions of the last day.",
    "lines": "A line is a calendar month, or the part of one with assumptions of its own. Its money is rounded to the "
    "cent; a period is the sum of its lines.",
}

_TEN_THOUSANDTH = Decimal("0.0001")
_ABOUT_THE_REPORT = {"as_of", "revision", "stored", "revisions", "formulas", "sources"}
_STILL_SETTLING = {
    "provisional_allocations",
    "avg_allocation_time_ms",
    "allocation_calls",
    "allocation_time_ms_sum",
    "service_time_hours",
    "net_time_saved_hours",
}
"""What differs by itself within a day of a booking: it gets older, and its call is counted. No reason to restate."""
_OF_ITS_MONTH = {"monthly_successful_allocations", "monthly_cost_savings"}
"""A day says of its month what the month says itself: no reason to restate every day of it every night."""

_OF_TODAYS_DYNOS = {"dyno_days_used", "dyno_days_available", "dyno_utilization_rate"}
"""Of which no past is kept: to disable a dyno, or to say more of dynos than earlier releases did, restates nothing."""

_NOT_IN_DIGEST = _ABOUT_THE_REPORT | _STILL_SETTLING | _OF_ITS_MONTH | _OF_TODAYS_DYNOS


@dataclass(frozen=True)
class Statement:
    """Both reports of one period, of the same facts."""

    roi: RoiReport
    business: BusinessReport

    def said(self) -> dict[str, Any]:
        """Both as JSON, as they are stored."""
        return {"roi": self.roi.model_dump(mode="json"), "business": self.business.model_dump(mode="json")}

    def digest(self) -> str:
        """The same for statements that say the same, whenever they were made."""
        said = {
            name: {key: value for key, value in report.items() if key not in _NOT_IN_DIGEST}
            for name, report in self.said().items()
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def numbered(self, known: str | None, revisions: int) -> "Statement":
        """
        Itself under the revision it is, or will be, stored as.

        Args:
            known: Digest of the newest stored.
        """
        stored = known == self.digest()
        under = {"revision": revisions + (not stored), "stored": stored}
        return Statement(self.roi.model_copy(update=under), self.business.model_copy(update=under))


def statement(facts: Facts, period: Span, month: Asked, zone: str, now: datetime, today: date) -> Statement:
    """
    What is to be said of a period.

    Args:
        month: Of the monthly figures of the business report.
        zone: The lab's time zone.
        today: In the lab.
    """
    ledger = [*_ledger(period, facts.months, facts.assumptions, today)]
    used = _used(ledger, facts.assumptions, today)
    lines = [each for _, each in ledger]
    counts = sum(facts.months, Counts())
    result = total(lines, development_cost_usd=used[-1].assumptions.development_cost_usd)
    service_hours = _hours(counts.placed_ms)
    roi = RoiReport(
        **dict(result),
        as_of=now,
        period=period,
        lab_time_zone=zone,
        allocations=counts.kept,
        service_time_hours=service_hours,
        net_time_saved_hours=result.time_saved_hours - service_hours,
        lines=lines,
        assumptions=used,
        projected=projected(used[-1].assumptions).model_copy(update={"formulas": {}}),  # they are the same
        revisions=facts.revisions,
        sources=SOURCES,
    )
    return Statement(roi, _business(roi, counts, facts, period, month, today))


def projected(assumed: Assumptions) -> Result:
    """What a year saves if the service does all that engineers did by hand, as the time study has it."""
    return evaluate(
        Inputs(
            basis=Basis.PER_ENGINEER_WEEK,
            engineers=assumed.engineers,
            hours_per_engineer_week=assumed.hours_per_engineer_week,
            weeks=assumed.weeks_per_year,
            hourly_rate_usd=assumed.hourly_rate_usd,
            adoption_ratio=assumed.adoption_ratio,
            attribution_ratio=assumed.attribution_ratio,
            other_savings_usd=assumed.other_savings_usd_per_month * MONTHS_A_YEAR,
            development_cost_usd=assumed.development_cost_usd,
            running_cost_usd_per_month=assumed.running_cost_usd_per_month,
            months=Decimal(MONTHS_A_YEAR),
        )
    )


def example(name: str, inputs: Inputs, now: datetime) -> RoiReport:
    """A preset, reckoned."""
    return RoiReport(
        **dict(evaluate(inputs)),
        as_of=now,
        preset=name,
        allocations=inputs.allocations,
        lines=[line(inputs)],
    )


def _ledger(
    period: Span, months: Sequence[MonthCounts], rows: Sequence[AssumptionsRow], today: date
) -> Iterable[tuple[Segment, Line]]:
    kept = {(each.month, each.assumptions_id): each.kept for each in months}
    for segment in segments(period, rows, today):
        count = kept.get((segment.start_date.replace(day=1), segment.row.assumptions_id), 0)
        yield segment, _line(segment, count)


def _line(segment: Segment, kept: int) -> Line:
    assumed = segment.row.assumptions
    inputs = Inputs(
        basis=Basis.PER_ALLOCATION,
        allocations=kept,
        minutes_saved_per_allocation=assumed.minutes_saved_per_allocation,
        hourly_rate_usd=assumed.hourly_rate_usd,
        attribution_ratio=assumed.attribution_ratio,
        other_savings_usd=cents(assumed.other_savings_usd_per_month * segment.months),
        running_cost_usd_per_month=assumed.running_cost_usd_per_month,
        months=segment.months,
    )
    return line(
        inputs,
        start_date=segment.start_date,
        end_date=segment.end_date,
        assumptions_id=segment.row.assumptions_id,
    )


def _used(ledger: Sequence[tuple[Segment, Line]], rows: Sequence[AssumptionsRow], today: date) -> list[AssumptionsRow]:
    """The rows a report is reckoned by, in order; of one about nothing yet, today's."""
    used = {segment.row.assumptions_id: segment.row for segment, _ in ledger}
    return list(used.values()) or [[row for row in rows if row.valid_from <= today][-1]]


def _business(roi: RoiReport, counts: Counts, facts: Facts, period: Span, month: Asked, today: date) -> BusinessReport:
    days = Span(kind=PeriodKind.MONTH, start_date=month.start_date, end_date=month.end_date, complete=False)
    monthly = total(
        [each for _, each in _ledger(days, facts.month, facts.assumptions, today)], development_cost_usd=Decimal(0)
    )
    eliminated = counts.refused_conflicts + counts.replaced
    service_hours = _hours(counts.placed_ms)
    dynos = facts.dyno_days
    return BusinessReport(
        as_of=roi.as_of,
        period=period,
        revision=roi.revision,
        stored=roi.stored,
        lab_time_zone=roi.lab_time_zone or "",
        total_successful_allocations=counts.kept,
        provisional_allocations=facts.provisional,
        cancelled_within_24h=counts.cancelled_early,
        avg_allocation_time_ms=round(counts.placed_ms / counts.placed_calls, 3) if counts.placed_calls else None,
        allocation_calls=counts.placed_calls,
        allocation_time_ms_sum=round(counts.placed_ms, 3),
        estimated_time_saved_hours=roi.time_saved_hours,
        service_time_hours=service_hours,
        net_time_saved_hours=roi.time_saved_hours - service_hours,
        cost_savings_usd=roi.cost_savings_usd,
        month=f"{month.start_date:%Y-%m}",
        monthly_successful_allocations=sum(each.kept for each in facts.month),
        monthly_cost_savings=monthly.cost_savings_usd,
        refused_attempts=counts.refused,
        conflicts_refused=counts.refused_conflicts,
        conflicts_replaced=counts.replaced,
        conflicts_eliminated=eliminated,
        conflicts_existing=facts.conflicts,
        conflicts_total=eliminated + facts.conflicts,
        conflict_elimination_rate=_rate(eliminated, eliminated + facts.conflicts),
        active_enrolled_users=facts.people.active_enrolled,
        enrolled_users=facts.people.enrolled,
        active_users=facts.people.active,
        user_adoption_rate=_rate(facts.people.active_enrolled, facts.people.enrolled),
        dyno_days_used=dynos.used if dynos else None,
        dyno_days_available=dynos.available if dynos else None,
        dyno_utilization_rate=_rate(dynos.used, dynos.available) if dynos else None,
        assumptions=roi.assumptions,
    )


def _rate(part: int, whole: int) -> float | None:
    """0 to 100; None of nothing."""
    return round(100 * part / whole, 4) if whole else None


def _hours(duration_ms: float) -> Decimal:
    return (Decimal(repr(duration_ms)) / MS_AN_HOUR).quantize(_TEN_THOUSANDTH, ROUND_HALF_UP)
