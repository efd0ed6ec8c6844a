"""Figures worked out from what FORMULAS say, in fractions; nothing here is the model's own arithmetic."""

import math
from fractions import Fraction
from typing import Any

from dyno.roi import formula
from dyno.roi.model import Inputs, Range, Scenario


class Worked(dict[str, Any]):
    """What the names of a formula stand for, in one scenario: inputs, and figures as they are asked for."""

    def __init__(self, of: Inputs, scenario: Scenario) -> None:
        self.basis = f"{of.basis}:"
        for name in set(Inputs.model_fields) - {"basis"}:
            given = getattr(of, name)
            self[name] = Fraction((given.at(scenario) if isinstance(given, Range) else given) or 0)

    def __missing__(self, name: str) -> Fraction:
        return self.worked_out(name)

    def worked_out(self, name: str) -> Fraction:
        said = formula.FORMULAS[name]
        clauses = [clause.strip() for clause in said.split(";")]
        of_basis = [clause.removeprefix(self.basis) for clause in clauses if clause.startswith(self.basis)]
        exact: Fraction = eval((of_basis or clauses)[0], {}, self)
        return rounded(exact, 2) if "rounded to the cent" in said else exact

    def figure(self, name: str) -> Fraction | None:
        is_payback = name.startswith("payback")
        if is_payback and self["months"] and not self["development_cost_usd"]:
            return Fraction(0)
        try:
            exact = self.worked_out(name)
        except ZeroDivisionError:
            return None
        return None if is_payback and exact < 0 else rounded(exact, 2 if is_payback or name.endswith("_usd") else 4)


def rounded(exact: Fraction, places: int) -> Fraction:
    """Half away from 0."""
    units = math.floor(abs(exact) * 10**places + Fraction(1, 2))
    return Fraction(units if exact >= 0 else -units, 10**places)
