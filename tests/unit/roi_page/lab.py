"""Reports of a lab that never was, made by the model itself from its counts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from dyno.roi.answers import Bin, BusinessReport, DemandReport, RoiReport
from dyno.roi.assumed import Assumptions, AssumptionsRow
from dyno.roi.demand import demand_report
from dyno.roi.facts import Asked, DynoDays, Facts, MonthCounts, People, PeriodKind, Revision
from dyno.roi.model import Line, Range
from dyno.roi.page import page
from dyno.roi.period import last_of, month_of, months, span
from dyno.roi.report import statement

ZONE = ZoneInfo("America/Detroit")
NOW = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)
TODAY = NOW.astimezone(ZONE).date()


def between(low: float, mid: float, high: float) -> Range:
    return Range(low=Decimal(str(low)), mid=Decimal(str(mid)), high=Decimal(str(high)))


def row(number: int, valid_from: date, reason: str, **changed: Any) -> AssumptionsRow:
    assumed = Assumptions(
        minutes_saved_per_allocation=between(3, 4, 5),
        hourly_rate_usd=between(40, 50, 60),
        attribution_ratio=Decimal(1),
        other_savings_usd_per_month=Decimal(0),
        development_cost_usd=Decimal(50_000),
        running_cost_usd_per_month=Decimal(0),
        engineers=Decimal(25),
        hours_per_engineer_week=Decimal(4),
        weeks_per_year=Decimal(52),
        adoption_ratio=Decimal(1),
    )
    return AssumptionsRow(
        assumptions_id=number,
        valid_from=valid_from,
        recorded_at=datetime(2026, 8, 1, 9, 0, tzinfo=UTC),
        recorded_by="system" if number == 0 else "7f9c1a52-40aa-4f0e-9d1b-2a3c4d5e6f70",
        reason=reason,
        superseded=False,
        assumptions=assumed.model_copy(update=changed),
    )


CAME_WITH_IT = row(0, date(1970, 1, 1), "came with the service; low and high are guesses")
STUDY = row(
    1,
    date(2026, 8, 15),
    "Time study of July, 40 bookings timed",
    minutes_saved_per_allocation=between(3.5, 4.5, 6),
    hourly_rate_usd=between(48, 52, 55.5),
    development_cost_usd=Decimal(6_000),
    running_cost_usd_per_month=Decimal("128.75"),
    other_savings_usd_per_month=Decimal(300),
    adoption_ratio=Decimal("0.8"),
)


def refused(test: str, drive: str, weight: str, month: date, reason: str, *, times: int, days: int) -> dict[str, Any]:
    return {
        "test_type": test, "drive_type": drive, "weight_class": weight, "bin": month.isoformat(),
        "reason": reason, "attempts": times, "requests": times - 1, "booked_later": 1, "unmet_days": days,
        "first_unmet": str(month), "last_unmet": str(month + timedelta(days=299)),
    }  # fmt: skip


REFUSALS = [
    refused("mileage accumulation", "AWD", ">10K", date(2026, 9, 1), "booked", times=31, days=212),
    refused("mileage accumulation", "AWD", ">10K", date(2026, 11, 1), "maintenance", times=12, days=96),
    refused("evap", "2WD", "<10K", date(2026, 11, 1), "not_capable", times=7, days=18),
    refused("certification", "AWD", "<10K", date(2026, 10, 1), "vehicle_already_allocated", times=4, days=6),
]
DYNOS = [
    {"test_type": "mileage accumulation", "drive_type": "AWD", "weight_class": ">10K", "names": ["Cell 3", "Cell 11"]},
    {
        "test_type": "certification",
        "drive_type": "AWD",
        "weight_class": "<10K",
        "names": ["Cell 1", "Cell 2", "Cell 7"],
    },
]


@dataclass
class Lab:
    """What happened, and what is to be said of it."""

    kept: dict[date, int]
    rows: Sequence[AssumptionsRow] = (CAME_WITH_IT, STUDY)
    refusals: Sequence[dict[str, Any]] = ()
    dynos: Sequence[dict[str, Any]] = ()
    people: People = field(default_factory=lambda: People(enrolled=20, active_enrolled=13, active=15))
    dyno_days: DynoDays = field(default_factory=lambda: DynoDays(used=445, available=625))
    revisions: Sequence[Revision] = ()

    def facts(self, wanted: Asked) -> Facts:
        counted = [self._counts(month, kept) for month, kept in self.kept.items() if kept]
        return Facts(
            months=counted,
            month=[each for each in counted if each.month == TODAY.replace(day=1)],
            first_day=min((month for month, kept in self.kept.items() if kept), default=None),
            provisional=min(3, sum(self.kept.values())),
            conflicts=0,
            people=self.people,
            dyno_days=self.dyno_days if wanted.start_date else None,
            assumptions=list(self.rows),
            revisions=list(self.revisions),
            digest=None,
        )

    def _counts(self, month: date, kept: int) -> MonthCounts:
        known = [each for each in self.rows if each.valid_from <= last_of(month)]
        return MonthCounts(
            month=month, assumptions_id=known[-1].assumptions_id, kept=kept, cancelled_early=kept // 40,
            replaced=kept // 9, refused=kept // 12, refused_conflicts=kept // 14,
            placed_calls=kept, placed_ms=kept * 7.25,
        )  # fmt: skip

    def reports(self, wanted: Asked | None = None) -> tuple[RoiReport, BusinessReport]:
        asked = wanted or Asked(kind=PeriodKind.ALL)
        facts = self.facts(asked)
        said = statement(facts, span(asked, facts.first_day, ZONE, NOW), month_of(TODAY), ZONE.key, NOW, TODAY)
        if asked.kind is PeriodKind.MONTH:
            said = said.numbered(None, len(self.revisions))
        return said.roi, said.business

    def demand(self) -> DemandReport:
        found = {"attempts": self.refusals, "requests": self.refusals, "dynos": self.dynos}
        first = min(self.kept, default=None)
        return demand_report(found, span(Asked(kind=PeriodKind.ALL), first, ZONE, NOW), Bin.MONTH, ZONE.key, NOW)

    def trend(self) -> list[Line]:
        return self.reports()[0].lines

    def page(self, wanted: Asked | None = None) -> str:
        return page(*self.reports(wanted), self.demand(), self.trend(), list(reversed(self.rows)))


def busy(count: int = 12) -> Lab:
    """As many months of bookings, up to the current one, with refusals and two sets of assumptions."""
    last = TODAY.replace(day=1)
    spans = list(months(date(2020, 1, 1), last))[-count:]
    revisions = [
        Revision(
            revision=1, computed_at=datetime(2026, 11, 23, 2, 20, tzinfo=UTC), total_successful_allocations=401,
            cost_savings_usd=Decimal("1563.90"),
        )
    ]  # fmt: skip
    return Lab(
        kept={month: 190 + 37 * (place % 5) + 11 * place for place, month in enumerate(spans)},
        refusals=REFUSALS,
        dynos=DYNOS,
        revisions=revisions,
    )


def idle() -> Lab:
    """Nothing happened, nobody is enrolled, and no dyno is there."""
    return Lab(kept={}, people=People(enrolled=0, active_enrolled=0, active=0), dyno_days=DynoDays(used=0, available=0))
