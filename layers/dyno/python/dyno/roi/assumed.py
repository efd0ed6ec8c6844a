"""What is assumed, since when, by whom and why."""

from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from dyno.roi.exact import Day, Exact, Quantity, Ratio, Shown, Strict, Text, Usd, UsdPerMonth
from dyno.roi.model import Range


class Assumptions(Strict):
    """
    What is assumed from some day on; what PUT takes and GET shows.

    Attributes:
        minutes_saved_per_allocation: What a planner spent on one by hand.
        hourly_rate_usd: What an engineer's hour costs.
        attribution_ratio: Share of the saved time that is the service's doing.
        development_cost_usd: Once; a period's is that of its last day.
        engineers: Who planned by hand, for the projection; so what follows.
        hours_per_engineer_week: What each spent on it.
        adoption_ratio: Share of them that use the service.
    """

    minutes_saved_per_allocation: Range
    hourly_rate_usd: Range
    attribution_ratio: Ratio
    other_savings_usd_per_month: UsdPerMonth
    development_cost_usd: Usd
    running_cost_usd_per_month: UsdPerMonth
    engineers: Quantity
    hours_per_engineer_week: Quantity
    weeks_per_year: Annotated[Exact, Field(gt=0, le=53, decimal_places=2)]
    adoption_ratio: Ratio


class AssumptionsChange(Strict):
    """A new row of assumptions: all of them, from which day on, and why."""

    valid_from: Day
    reason: Text
    assumptions: Assumptions


class AssumptionsRow(Shown):
    """
    What was assumed, since when, by whom and why; kept for ever.

    Attributes:
        valid_from: First day of the lab it is for; the last is the day before the next row's.
        recorded_by: The user pool's id of who put it there; `system` for what came with the service.
        superseded: Whether a later row is for the same day on, so that no report uses this one any more.
    """

    assumptions_id: int
    valid_from: date
    recorded_at: datetime
    recorded_by: str
    reason: str
    superseded: bool
    assumptions: Assumptions


class AssumptionsHistory(Shown):
    """All rows, the newest first, and the one for today."""

    as_of: datetime
    current: AssumptionsRow
    items: list[AssumptionsRow]
