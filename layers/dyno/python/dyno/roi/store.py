"""The tables of what is saved: what happened, what is assumed, what was refused, and the reports that are kept."""

import json
from datetime import date, datetime
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB

from dyno.roi.answers import Bin
from dyno.roi.assumed import Assumptions, AssumptionsRow
from dyno.roi.facts import Asked, Facts, PeriodKind, Revision
from dyno.roi.model import MODEL

_FACTS = text("""
    select roi_facts(:zone, :model, :kind, :start_date, :end_date, :month_start, :month_end,
                     :active_since, :active_until, :now, :conflicts)
           || jsonb_build_object('dyno_days', (
                select to_jsonb(d) from dyno_days(:zone, :dynos_since, :end_date, :now) d))
""")

_STORED = text("""
    select computed_at, report, roi_revisions(kind, start_date, model) as revisions from roi_reports
     where kind = :kind and start_date = :start_date and model = :model and revision = :revision
""").columns(report=JSONB, revisions=JSONB)
_REVISIONS = TypeAdapter(list[Revision])

_KEEP = text("select * from keep_report(:kind, :start_date, :model, :computed_at, :digest, cast(:report as jsonb))")
_ASSUME = text("select * from assume(:actor, :valid_from, :reason, cast(:assumptions as jsonb))")
_HISTORY = text("select jsonb_agg(assumptions_json(a) order by a.id desc) from roi_assumptions a")
_CLOSE_DAYS = text("select close_days(:zone, :now)")
_FIRST_DAY = text("select min(day) from lab_days(:zone, null, null)")
_DEMAND = text("select roi_demand(:zone, :by, :start_date, :end_date)")


class Stored(NamedTuple):
    """A stored report: when it was reckoned, what it says, and all revisions of its period there are."""

    computed_at: datetime
    report: dict[str, Any]
    revisions: list[Revision]


class Kept(NamedTuple):
    """A stored report's revision, and whether there was something new to store."""

    revision: int
    is_new: bool


def facts(
    connection: Connection,
    wanted: Asked,
    month: Asked,
    zone: str,
    active: tuple[datetime, datetime],
    now: datetime,
    conflicts: int | None,
    *,
    with_dynos: bool = True,
) -> Facts:
    """
    All that the reports of a period are made of, in one statement.

    Args:
        month: The lab's month for monthly figures.
        active: From when to when bookings make people active.
        conflicts: As they were just counted; None for counting them.
        with_dynos: Whether to count dyno_days, which takes the longer, the longer the period is.
    """
    said = connection.execute(
        _FACTS,
        {
            "zone": zone,
            "model": MODEL,
            "kind": wanted.kind,
            "start_date": wanted.start_date,
            "end_date": wanted.end_date,
            "dynos_since": wanted.start_date if with_dynos else None,
            "month_start": month.start_date,
            "month_end": month.end_date,
            "active_since": active[0],
            "active_until": active[1],
            "now": now,
            "conflicts": conflicts,
        },
    ).scalar_one()
    return Facts.model_validate(said)


def check_conflicts(connection: Connection) -> int:
    """How many pairs of live occupancies overlap, all told; noted, so that reports look only at what came since."""
    count: int = connection.execute(text("select check_conflicts()")).scalar_one()
    return count


def stored(connection: Connection, wanted: Asked) -> Stored | None:
    """A revision as it was stored; None if there is no such revision."""
    asked = {"kind": wanted.kind, "start_date": wanted.start_date, "model": MODEL, "revision": wanted.revision}
    row = connection.execute(_STORED, asked).one_or_none()
    return Stored(row.computed_at, row.report, _REVISIONS.validate_python(row.revisions)) if row else None


def keep(
    connection: Connection, kind: PeriodKind, start_date: date, *, computed_at: datetime, digest: str, report: object
) -> Kept:
    """Store a report as the next revision, unless the newest one has the same digest or was computed later."""
    values = {"kind": kind, "start_date": start_date, "model": MODEL, "computed_at": computed_at, "digest": digest}
    return Kept(*connection.execute(_KEEP, values | {"report": json.dumps(report)}).one())


def close_days(connection: Connection, zone: str, now: datetime) -> int:
    """Count for good the days that ended more than 24 hours ago; how many had anything and were not."""
    closed: int = connection.execute(_CLOSE_DAYS, {"zone": zone, "now": now}).scalar_one()
    return closed


def first_day(connection: Connection, zone: str) -> date | None:
    """The first day of the lab with anything to report; None if there is none."""
    found: date | None = connection.execute(_FIRST_DAY, {"zone": zone}).scalar()
    return found


def assume(
    connection: Connection, actor: str, valid_from: date, reason: str, assumptions: Assumptions
) -> tuple[int, bool]:
    """Add a row, unless it would repeat the one in force from that day; its id, and whether it is new."""
    values = {"actor": actor, "valid_from": valid_from, "reason": reason}
    row = connection.execute(_ASSUME, values | {"assumptions": assumptions.model_dump_json()}).one()
    return row.assumptions_id, row.is_new


def history(connection: Connection) -> list[AssumptionsRow]:
    """Every row of assumptions, the newest first."""
    return [AssumptionsRow.model_validate(row) for row in connection.execute(_HISTORY).scalar_one()]


def demand(connection: Connection, wanted: Asked, by: Bin, zone: str) -> dict[str, Any]:
    """
    What was refused in a period.

    Returns:
        first_day; attempts by group, bin and reason; requests, those booked later, and the days of the others by group
        and bin; the names of the dynos of each group.
    """
    values = {"zone": zone, "by": str(by), "start_date": wanted.start_date, "end_date": wanted.end_date}
    found: dict[str, Any] = connection.execute(_DEMAND, values).scalar_one()
    return found
