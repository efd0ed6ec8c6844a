"""What is assumed before anybody assumes something else, as PUT takes it."""

from typing import Any

ASSUMED: dict[str, Any] = {
    "minutes_saved_per_allocation": {"low": 3, "mid": 4, "high": 5},
    "hourly_rate_usd": {"low": 40, "mid": 50, "high": 60},
    "attribution_ratio": 1,
    "other_savings_usd_per_month": 0,
    "development_cost_usd": 50_000,
    "running_cost_usd_per_month": 0,
    "engineers": 25,
    "hours_per_engineer_week": 4,
    "weeks_per_year": 52,
    "adoption_ratio": 1,
}
