"""Well-known figures, as the inputs they follow from."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from dyno.roi.model import Basis, Inputs, Range


@dataclass(frozen=True)
class Preset:
    """
    An example to evaluate.

    Attributes:
        title: What it is about, in a few words.
        note: What its figures say, and what they do not.
    """

    title: str
    note: str
    inputs: Inputs


PRESETS: Mapping[str, Preset] = {
    "activity": Preset(
        title="The bookings made",
        note="2,847 bookings at 4 minutes each: what was booked and nothing else. Over which time is not said, so"
        " nothing follows by the month.",
        inputs=Inputs(
            basis=Basis.PER_ALLOCATION,
            allocations=2847,
            minutes_saved_per_allocation=Range.exactly(4),
            hourly_rate_usd=Range.exactly(50),
            development_cost_usd=Decimal(50_000),
        ),
    ),
    "time-study": Preset(
        title="All planning by hand, for a year",
        note="A projection: what 25 engineers spend on planning, 4 hours a week, if the service replaced all of it.",
        inputs=Inputs(
            basis=Basis.PER_ENGINEER_WEEK,
            engineers=Decimal(25),
            hours_per_engineer_week=Decimal(4),
            weeks=Decimal(52),
            hourly_rate_usd=Range.exactly(50),
            development_cost_usd=Decimal(50_000),
            months=Decimal(12),
        ),
    ),
    "dashboard": Preset(
        title="100 hours a month at $500",
        note="The 100 hours are those of one week of the time study, taken for a month's, and the rate is ten times"
        " that of the others: not to be quoted as savings.",
        inputs=Inputs(
            basis=Basis.PER_ENGINEER_WEEK,
            engineers=Decimal(25),
            hours_per_engineer_week=Decimal(4),
            weeks=Decimal(1),
            hourly_rate_usd=Range.exactly(500),
            adoption_ratio=Decimal("0.95"),
            months=Decimal(1),
        ),
    ),
    "programme": Preset(
        title="A year's budget",
        note="$185,000 of benefit in a year, given as a sum: it includes things beside time, so no hours follow.",
        inputs=Inputs(
            basis=Basis.PER_ALLOCATION,
            hourly_rate_usd=Range.exactly(0),
            other_savings_usd=Decimal(185_000),
            development_cost_usd=Decimal(50_000),
            months=Decimal(12),
        ),
    ),
}
"""By the name they are asked for; only inputs, so that no figure can stand here that does not follow from them."""
