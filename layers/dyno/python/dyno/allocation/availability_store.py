"""The calls that look at what is free."""

from datetime import date
from typing import Any

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import JSONB

from dyno.allocation.availability_model import Wanted
from dyno.allocation.model import Terms

_AVAILABILITY = text(
    "select availability(:vehicle_id, :vin, :drive_type, case when :weight_lbs <= 10000 then '<10K' else '>10K' end,"
    " :test_type, :start_date, :days_to_complete, :next_windows, :time_zone, :horizon_days, :max_days) as answer"
).columns(answer=JSONB)


def availability(connection: Connection, wanted: Wanted, terms: Terms) -> dict[str, Any]:
    """What is free for a test, or why that cannot be said."""
    limits = {"time_zone": terms.time_zone, "horizon_days": terms.horizon_days, "max_days": terms.max_days}
    answer: dict[str, Any] = connection.execute(_AVAILABILITY, wanted.model_dump() | limits).scalar_one()
    return answer


def schedule(connection: Connection, dyno_id: int, from_date: date, to_date: date) -> dict[str, Any] | None:
    """A dyno's calendar; None if no dyno has that id."""
    answer: dict[str, Any] | None = connection.execute(
        select(func.schedule(dyno_id, from_date, to_date, type_=JSONB))
    ).scalar_one()
    return answer
