"""What a saving is reckoned from, and the figures that come out: the words of roi-model/1."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dyno.roi.exact import Exact, Quantity, Ratio, Shown, Strict, Usd

MODEL: Literal["roi-model/1"] = "roi-model/1"
"""The formulas' version; a result is reckoned anew by another one only under another name."""


class Scenario(StrEnum):
    """Which end of what is assumed: the least, what is expected, the most."""

    LOW = "low"
    MID = "mid"
    HIGH = "high"


class Range(Strict):
    """A quantity that nobody knows to the digit: not less, most likely, not more."""

    low: Quantity
    mid: Quantity
    high: Quantity

    @model_validator(mode="after")
    def _in_order(self) -> "Range":
        if not self.low <= self.mid <= self.high:
            raise ValueError("low, mid and high are in that order")
        return self

    @classmethod
    def exactly(cls, value: Decimal | int) -> "Range":
        """Of what is known, or given without a spread."""
        return cls(low=Decimal(value), mid=Decimal(value), high=Decimal(value))

    def at(self, scenario: Scenario) -> Decimal:
        """Its value in a scenario."""
        return {Scenario.LOW: self.low, Scenario.MID: self.mid, Scenario.HIGH: self.high}[scenario]


class Basis(StrEnum):
    """What saved time is counted by: bookings that were made, or a time study of who made them by hand."""

    PER_ALLOCATION = "per_allocation"
    PER_ENGINEER_WEEK = "per_engineer_week"


class Inputs(Strict):
    """
    All that a figure is reckoned from.

    Attributes:
        allocations: Of a per_allocation basis; so its minutes.
        engineers: Of a per_engineer_week basis; so its hours and weeks.
        adoption_ratio: Share of the saved time in which people really use the service.
        attribution_ratio: Share of the saved time that is the service's doing.
        other_savings_usd: In the whole period, beside the time.
        development_cost_usd: Once.
        months: The period's length; None if it is not known, and nothing can be said by the month.
    """

    basis: Annotated[Basis, Field(strict=False)]
    allocations: Annotated[int, Field(ge=0, le=10**9)] = 0
    minutes_saved_per_allocation: Range = Range.exactly(0)
    engineers: Quantity = Decimal(0)
    hours_per_engineer_week: Quantity = Decimal(0)
    weeks: Quantity = Decimal(0)
    hourly_rate_usd: Range
    adoption_ratio: Ratio = Decimal(1)
    attribution_ratio: Ratio = Decimal(1)
    other_savings_usd: Usd = Decimal(0)
    development_cost_usd: Usd = Decimal(0)
    running_cost_usd_per_month: Usd = Decimal(0)
    months: Quantity | None = None


class Interval(Shown):
    """A figure in each scenario; where less is better, low is the larger number."""

    low: Exact
    mid: Exact
    high: Exact

    def at(self, scenario: Scenario) -> Decimal:
        """Its value in a scenario."""
        return {Scenario.LOW: self.low, Scenario.MID: self.mid, Scenario.HIGH: self.high}[scenario]


class Line(Shown):
    """
    A part of a period, reckoned by one row of assumptions and rounded to the cent; a total is the sum of its lines.

    Attributes:
        start_date: First day; None with `end_date`, its last, where it is of no days in particular.
        assumptions_id: The row it is reckoned by; None where inputs were given.
        months: Its length, a share of the calendar month it lies in; None if it is not known.
        time_saved_hours: Low, mid and high; the only ones that are not rounded.
    """

    start_date: date | None = None
    end_date: date | None = None
    assumptions_id: int | None = None
    months: Exact | None
    allocations: int
    time_saved_hours: Interval
    cost_savings_usd: Interval
    other_savings_usd: Exact
    running_cost_usd: Exact


class Figures(Shown):
    """
    What comes out, in one scenario; null where it is undefined. Money to the cent, the rest to 4 digits.

    Attributes:
        benefit_usd: Cost savings and other savings.
        cost_usd: Development and running cost.
        benefit_cost_ratio: Benefit by cost; above 1 it pays.
        roi_percentage: Benefit by development cost.
        net_roi_percentage: Benefit less cost, by cost.
        payback_months: Until the benefit, less what it costs to run, has brought in the development cost; null if it
            never will.
    """

    time_saved_hours: Exact
    cost_savings_usd: Exact
    other_savings_usd: Exact
    benefit_usd: Exact
    running_cost_usd: Exact
    cost_usd: Exact
    net_benefit_usd: Exact
    benefit_cost_ratio: Exact | None
    roi_percentage: Exact | None
    net_roi_percentage: Exact | None
    payback_months: Exact | None
    payback_weeks: Exact | None
    weekly_benefit_usd: Exact | None
    monthly_benefit_usd: Exact | None
    annualised_benefit_usd: Exact | None


class Ends(Shown):
    """The figures at both ends of what is assumed."""

    low: Figures
    high: Figures


class Result(Figures):
    """
    The figures by what is expected, and at both ends.

    Attributes:
        months: The length of what they are about; None if it is not known.
        inputs: What they were reckoned from; None of what was reckoned line by line.
        formulas: How each was reckoned, in words.
    """

    model: Literal["roi-model/1"] = MODEL
    months: Exact | None
    interval: Ends
    inputs: Inputs | None = None
    formulas: dict[str, str]
