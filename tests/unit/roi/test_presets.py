from dataclasses import FrozenInstanceError
from decimal import Decimal

import pytest

from dyno.roi.formula import evaluate
from dyno.roi.model import Figures, Result
from dyno.roi.presets import PRESETS

NONE_BY_THE_MONTH: dict[str, str | None] = dict.fromkeys(
    ("payback_months", "payback_weeks", "weekly_benefit_usd", "monthly_benefit_usd", "annualised_benefit_usd")
)
GOLDEN: dict[str, dict[str, str | None]] = {
    "activity": {
        "time_saved_hours": "189.8",
        "cost_savings_usd": "9490.00",
        "other_savings_usd": "0",
        "benefit_usd": "9490.00",
        "running_cost_usd": "0",
        "cost_usd": "50000.00",
        "net_benefit_usd": "-40510.00",
        "benefit_cost_ratio": "0.1898",
        "roi_percentage": "18.98",
        "net_roi_percentage": "-81.02",
        **NONE_BY_THE_MONTH,
    },
    "time-study": {
        "time_saved_hours": "5200",
        "cost_savings_usd": "260000.00",
        "other_savings_usd": "0",
        "benefit_usd": "260000.00",
        "running_cost_usd": "0",
        "cost_usd": "50000.00",
        "net_benefit_usd": "210000.00",
        "benefit_cost_ratio": "5.2",
        "roi_percentage": "520",
        "net_roi_percentage": "420",
        "payback_months": "2.31",
        "payback_weeks": "10",
        "weekly_benefit_usd": "5000.00",
        "monthly_benefit_usd": "21666.67",
        "annualised_benefit_usd": "260000.00",
    },
    "dashboard": {
        "time_saved_hours": "95",
        "cost_savings_usd": "47500.00",
        "other_savings_usd": "0",
        "benefit_usd": "47500.00",
        "running_cost_usd": "0",
        "cost_usd": "0",
        "net_benefit_usd": "47500.00",
        "benefit_cost_ratio": None,
        "roi_percentage": None,
        "net_roi_percentage": None,
        "payback_months": "0",
        "payback_weeks": "0",
        "weekly_benefit_usd": "10961.54",
        "monthly_benefit_usd": "47500.00",
        "annualised_benefit_usd": "570000.00",
    },
    "programme": {
        "time_saved_hours": "0",
        "cost_savings_usd": "0",
        "other_savings_usd": "185000.00",
        "benefit_usd": "185000.00",
        "running_cost_usd": "0",
        "cost_usd": "50000.00",
        "net_benefit_usd": "135000.00",
        "benefit_cost_ratio": "3.7",
        "roi_percentage": "370",
        "net_roi_percentage": "270",
        "payback_months": "3.24",
        "payback_weeks": "14.05",
        "weekly_benefit_usd": "3557.69",
        "monthly_benefit_usd": "15416.67",
        "annualised_benefit_usd": "185000.00",
    },
}


def of(result: Result) -> dict[str, Decimal | None]:
    return {name: getattr(result, name) for name in Figures.model_fields}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_comes_out_to_the_cent(name: str) -> None:
    figures = of(evaluate(PRESETS[name].inputs))

    assert figures == {figure: value and Decimal(value) for figure, value in GOLDEN[name].items()}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_assumes_no_spread(name: str) -> None:
    result = evaluate(PRESETS[name].inputs)

    assert result.interval.low == result.interval.high
    assert result.interval.low.model_dump() == of(result)


def test_without_adoption_the_dashboard_has_the_hundred_hours_of_one_week() -> None:
    everybody = PRESETS["dashboard"].inputs.model_copy(update={"adoption_ratio": Decimal(1)})

    assert evaluate(everybody).time_saved_hours == 100


def test_a_preset_says_what_it_is_and_is_not_changed() -> None:
    assert all(preset.title and preset.note for preset in PRESETS.values())

    with pytest.raises(FrozenInstanceError):
        PRESETS["activity"].title = "another"  # type: ignore[misc]
