"""What it saves: reports of what was observed, what is assumed about it, and the run that keeps them."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from dyno.database import autocommit
from dyno.errors import InvalidRequest, ReportNotFound
from dyno.metrics import catalogue, record_business_metric, track_performance
from dyno.roi import store
from dyno.roi.answers import Bin, BusinessReport, DemandReport, RoiReport
from dyno.roi.assumed import AssumptionsChange, AssumptionsHistory, AssumptionsRow
from dyno.roi.demand import demand_report
from dyno.roi.facts import Asked, PeriodKind, Ran
from dyno.roi.period import day_of, end_of, last_of, month_of, months, span
from dyno.roi.presets import PRESETS
from dyno.roi.report import Statement, example, statement

SERVICE = "RoiService"

ACTIVE = timedelta(days=30)
"""Who made a booking within that time is active."""

TREND_MONTHS = 12

_KEPT = {PeriodKind.MONTH, PeriodKind.DAY}
"""What is stored, and so has revisions."""


@track_performance(SERVICE)
def business(over: Engine, wanted: Asked, zone: ZoneInfo, *, now: datetime) -> BusinessReport:
    """
    What the lab got out of the service, in a period or in all.

    Raises:
        ReportNotFound: The month has no such revision.
    """
    with autocommit(over) as connection:
        return _statement(connection, wanted, zone, now).business


@track_performance(SERVICE)
def roi(over: Engine, wanted: Asked, zone: ZoneInfo, *, now: datetime) -> RoiReport:
    """
    What a period saved, what it will have cost, and by which assumptions.

    Raises:
        ReportNotFound: The month has no such revision.
    """
    with autocommit(over) as connection:
        return _statement(connection, wanted, zone, now, with_dynos=False).roi


def preset(name: str, *, now: datetime) -> RoiReport:
    """
    An example, reckoned by the same model; asks no database, and is no call of the lab's, so it is not recorded.

    Raises:
        InvalidRequest: There is no such example.
    """
    if name not in PRESETS:
        raise InvalidRequest.of("query.preset", f"is one of {', '.join(PRESETS)}")
    return example(name, PRESETS[name].inputs, now)


@track_performance(SERVICE)
def demand(over: Engine, wanted: Asked, by: Bin, zone: ZoneInfo, *, now: datetime) -> DemandReport:
    """What the lab had to refuse, by reason, test and dynos, over time."""
    with autocommit(over) as connection:
        return _demand(connection, wanted, by, zone, now)


@track_performance(SERVICE)
def assumptions(over: Engine, zone: ZoneInfo, *, now: datetime) -> AssumptionsHistory:
    """Everything that was ever assumed, the newest first, and what is today."""
    with autocommit(over) as connection:
        rows = store.history(connection)
    return AssumptionsHistory(as_of=now, current=_in_force(rows, now.astimezone(zone).date()), items=rows)


@track_performance(SERVICE)
def assume(over: Engine, change: AssumptionsChange, *, actor: str) -> tuple[AssumptionsRow, bool]:
    """
    Assume something else from a day on; reports of days that have passed are restated by the next run.

    Returns:
        The row, and whether it is new: saying the same again changes nothing.
    """
    with autocommit(over) as connection:
        assumptions_id, is_new = store.assume(connection, actor, change.valid_from, change.reason, change.assumptions)
        rows = store.history(connection)
    return next(row for row in rows if row.assumptions_id == assumptions_id), is_new


@track_performance(SERVICE)
def page(over: Engine, wanted: Asked, zone: ZoneInfo, *, now: datetime) -> str:
    """
    The reports as one printable HTML page.

    Raises:
        ReportNotFound: The month has no such revision.
    """
    from dyno.roi.page import page as printed  # noqa: PLC0415  # the library it takes is for this route alone

    with autocommit(over) as connection:
        said = _statement(connection, wanted, zone, now)
        months_before = _trend(wanted, now.astimezone(zone).date())
        conflicts = said.business.conflicts_existing
        trend = _statement(connection, months_before, zone, now, conflicts, with_dynos=False).roi.lines
        missing = _demand(connection, wanted, Bin.MONTH, zone, now)
        history = store.history(connection)
    return printed(said.roi, said.business, missing, trend, history)


def run(over: Engine, zone: ZoneInfo, *, now: datetime, since: date | None = None, until: date | None = None) -> Ran:
    """
    Close the days that can be closed, reckon months and days anew, and store what says something new.

    A second run at once, or a late one, stores nothing twice.

    Args:
        since: A day of the first month to be reckoned; None, or one before it, for the first that has anything.
        until: One of the last; None for today's.
    Raises:
        Unavailable: The database did not answer; what was stored so far stays.
    """
    with autocommit(over) as connection:
        closed = store.close_days(connection, zone.key, now)
        today = now.astimezone(zone).date()
        begun = store.first_day(connection, zone.key) or today
        first = max(begun, since.replace(day=1)) if since else begun
        ahead = months(first, min(until or today, today))
        conflicts = store.check_conflicts(connection)
        reckoned = [_month(connection, max(month, first), zone, now, conflicts) for month in ahead]
    return Ran(
        closed_days=closed,
        months=len(reckoned),
        stored_months=sum(is_new for is_new, _ in reckoned),
        days=sum(len(days) for _, days in reckoned),
        stored_days=sum(sum(days) for _, days in reckoned),
    )


def measure(over: Engine, zone: ZoneInfo, *, now: datetime) -> None:
    """
    Record the business metrics of the catalogue, of yesterday's month so far: on the first, of the month that is over.

    Raises:
        Unavailable: The database did not answer.
    """
    yesterday = now.astimezone(zone).date() - timedelta(days=1)
    with autocommit(over) as connection:
        said = _statement(connection, month_of(yesterday), zone, now).business
    values: dict[catalogue.BusinessMetric, Decimal | float | None] = {
        catalogue.SUCCESSFUL_ALLOCATIONS: said.total_successful_allocations,
        catalogue.SAVED_HOURS: said.estimated_time_saved_hours,
        catalogue.SAVED_USD: said.cost_savings_usd,
        catalogue.ADOPTION_RATE: said.user_adoption_rate,
        catalogue.CONFLICT_ELIMINATION_RATE: said.conflict_elimination_rate,
        catalogue.PEOPLE_ACTIVE: said.active_users,
        catalogue.DYNO_UTILIZATION: said.dyno_utilization_rate,
    }
    for metric, value in values.items():
        if value is not None:
            record_business_metric(metric.name, float(value), kind="gauge", unit=metric.unit)


def _month(
    connection: Connection, first: date, zone: ZoneInfo, now: datetime, conflicts: int
) -> tuple[bool, list[bool]]:
    """Whether the month of a day said something new, and if it did, likewise each of its days from that one on."""
    month = month_of(first)
    said = _statement(connection, month, zone, now, conflicts)
    if said.roi.stored or month.start_date is None:
        return False, []
    ended = min(last_of(first), now.astimezone(zone).date() - timedelta(days=1))
    days = [
        _keep(connection, day, _statement(connection, day_of(day), zone, now, conflicts), now)
        for day in _days(first, ended)
    ]
    # Last: where this is cut short, the next run finds the month unsaid and does its days again.
    return _keep(connection, month.start_date, said, now), days


def _keep(connection: Connection, start: date, said: Statement, now: datetime) -> bool:
    """Store what is said of the month or day that begins then, if it is new; whether it was."""
    if said.roi.stored or said.roi.period is None:
        return False
    kind, digest = said.roi.period.kind, said.digest()
    return store.keep(connection, kind, start, computed_at=now, digest=digest, report=said.said()).is_new


def _statement(
    connection: Connection,
    wanted: Asked,
    zone: ZoneInfo,
    now: datetime,
    conflicts: int | None = None,
    *,
    with_dynos: bool = True,
) -> Statement:
    if wanted.revision:
        return _stored(connection, wanted)
    today = now.astimezone(zone).date()
    month = month_of(wanted.start_date if wanted.start_date and wanted.kind in _KEPT else today)
    until = min(now, end_of(wanted.end_date, zone)) if wanted.end_date else now
    active = (until - ACTIVE, until)
    facts = store.facts(connection, wanted, month, zone.key, active, now, conflicts, with_dynos=with_dynos)
    # Everything in whole months: what one costs to run is not less because its first booking came late.
    first = facts.first_day and facts.first_day.replace(day=1)
    said = statement(facts, span(wanted, first, zone, now), month, zone.key, now, today)
    return said.numbered(facts.digest, len(facts.revisions)) if wanted.kind in _KEPT else said


def _stored(connection: Connection, wanted: Asked) -> Statement:
    found = store.stored(connection, wanted)
    if found is None:
        of = f"{wanted.start_date:%Y-%m-%d}" if wanted.kind is PeriodKind.DAY else f"{wanted.start_date:%Y-%m}"
        raise ReportNotFound(f"{of} has no revision {wanted.revision}")
    under = {"as_of": found.computed_at, "revision": wanted.revision, "stored": True}
    return Statement(
        RoiReport.model_validate(found.report["roi"]).model_copy(update=under | {"revisions": found.revisions}),
        BusinessReport.model_validate(found.report["business"]).model_copy(update=under),
    )


def _demand(connection: Connection, wanted: Asked, by: Bin, zone: ZoneInfo, now: datetime) -> DemandReport:
    found = store.demand(connection, wanted, by, zone.key)
    first = found["first_day"] and date.fromisoformat(found["first_day"])
    return demand_report(found, span(wanted, first, zone, now), by, zone.key, now)


def _in_force(rows: list[AssumptionsRow], day: date) -> AssumptionsRow:
    return max((row for row in rows if row.valid_from <= day and not row.superseded), key=lambda row: row.valid_from)


def _trend(wanted: Asked, today: date) -> Asked:
    """The last months up to the one a report ends in."""
    last = last_of(wanted.end_date or today)
    first = last.replace(day=1)
    for _ in range(TREND_MONTHS - 1):
        first = (first - timedelta(days=1)).replace(day=1)
    return Asked(kind=PeriodKind.RANGE, start_date=min(first, wanted.start_date or first), end_date=last)


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=ahead) for ahead in range((last - first).days + 1))
