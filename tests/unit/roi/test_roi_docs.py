import re
from decimal import Decimal
from pathlib import Path

import pytest

from dyno.roi.formula import FORMULAS, evaluate
from dyno.roi.model import Figures, Inputs, Scenario
from dyno.roi.presets import PRESETS
from tests.unit.roi.claims import figures

DOCS = (Path(__file__).parents[3] / "docs/roi.md").read_text()


def rows(section: str) -> dict[str, list[str]]:
    """The table of a section: the cells behind the name that each row begins with."""
    body = re.split(r"^#+ ", DOCS.split(f"# {section}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line.strip("| ").split(" | ") for line in body.splitlines() if line.startswith("| `")]
    return {name.strip("`"): cells for name, *cells in lines}


def amount(cell: str) -> Decimal | None:
    """The first number of a cell; None if there is none."""
    found = re.match(r"(-?)\$?([0-9,.]*[0-9])", cell)
    return Decimal((found[1] + found[2]).replace(",", "")) if found else None


def worked_example() -> dict[Scenario, Figures]:
    given = re.search(r"```json\n(.*?)```", DOCS, re.DOTALL)
    assert given
    return figures(evaluate(Inputs.model_validate_json(given[1])))


def test_every_figure_but_what_is_given_is_explained() -> None:
    assert set(rows("The formulas")) == set(FORMULAS) - {"other_savings_usd"}


@pytest.mark.parametrize("name", rows("By hand"))
def test_the_worked_example_is_what_the_model_says(name: str) -> None:
    shown = [amount(cell) for cell in rows("By hand")[name][:3]]

    assert shown == [getattr(figures_of, name) for figures_of in worked_example().values()]


def test_the_table_of_presets_is_what_the_model_says() -> None:
    table = rows("Four well-known figures, and why they differ")

    assert set(table) == set(PRESETS)
    for name, (_, hours, benefit, roi, net_roi, payback, _) in table.items():
        result = evaluate(PRESETS[name].inputs)
        wait = result.payback_weeks if payback.endswith("weeks") else result.payback_months
        assert (amount(hours), amount(benefit)) == (result.time_saved_hours, result.benefit_usd)
        assert (amount(roi), amount(net_roi)) == (result.roi_percentage, result.net_roi_percentage)
        assert amount(payback) == wait


def test_a_wrong_number_in_a_table_would_be_read_as_one() -> None:
    assert amount("-$4,140.26 in all") == Decimal("-4140.26")
    assert amount("none") is None
    assert len(rows("By hand")) == 9
