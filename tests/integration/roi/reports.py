"""What reports are asked for in tests, and the people who assume something."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from dyno.roi import service
from dyno.roi.answers import BusinessReport, RoiReport
from dyno.roi.assumed import AssumptionsChange, AssumptionsRow
from dyno.roi.period import asked
from tests.assumed import ASSUMED

UTC_LAB = ZoneInfo("UTC")


def assume(
    over: Engine, valid_from: date, *, reason: str = "measured", actor: str = "ada", **assumed: Any
) -> tuple[AssumptionsRow, bool]:
    """What the service says to a change; all but what is named as it came with the service."""
    values: Mapping[str, Any] = {"valid_from": valid_from, "reason": reason, "assumptions": ASSUMED | assumed}
    return service.assume(over, AssumptionsChange.model_validate(values), actor=actor)


def minutes(mid: float | Decimal) -> dict[str, Any]:
    """That many saved, give or take nothing."""
    return {"minutes_saved_per_allocation": {"low": mid, "mid": mid, "high": mid}}


def reports(over: Engine, now: datetime, zone: ZoneInfo = UTC_LAB, **period: Any) -> tuple[RoiReport, BusinessReport]:
    """Both, of a period; see dyno.roi.period.asked()."""
    wanted = asked(**period)
    return service.roi(over, wanted, zone, now=now), service.business(over, wanted, zone, now=now)
