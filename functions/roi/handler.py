"""The door of what it saves: reports and assumptions for people, and the nightly run that keeps the reports."""

from datetime import UTC, datetime
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from dyno.auth import Permission
from dyno.database import engine, wait_until_awake
from dyno.errors import InvalidRequest
from dyno.http import Door, Number, allow
from dyno.metrics import invocation
from dyno.observability import incoming, logger, serving
from dyno.roi import service
from dyno.roi.answers import Bin, BusinessReport, DemandReport, RoiReport
from dyno.roi.assumed import AssumptionsChange, AssumptionsHistory, AssumptionsRow
from dyno.roi.exact import Day
from dyno.roi.facts import PeriodKind, RunRequest
from dyno.roi.period import asked, month_of
from dyno.settings import settings

PATIENCE_S = 60
ANSWER_TIMEOUT_S = 100
"""Of the nightly run; a request's caller waits for as long as the gateway does."""

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

door = Door(settings)

Month = Annotated[str | None, Query(max_length=16)]
OneDay = Annotated[Day | None, Query()]
From = Annotated[Day | None, Query(alias="from")]
To = Annotated[Day | None, Query(alias="to")]
Revision = Annotated[Number | None, Query(lt=2**31)]


@door.get("/metrics/business")
@allow(Permission.VIEW_ROI)
def business(
    month: Month = None,
    day: OneDay = None,
    from_date: From = None,
    to_date: To = None,
    revision: Revision = None,
) -> BusinessReport:
    """What the lab got out of the service: in all, in a month, on a day, or from one day to another."""
    wanted = asked(month=month, day=day, start=from_date, end=to_date, revision=revision)
    return service.business(engine(settings()), wanted, settings().lab_time_zone, now=datetime.now(UTC))


@door.get("/metrics/roi")
@allow(Permission.VIEW_ROI)
def roi(
    month: Month = None,
    day: OneDay = None,
    from_date: From = None,
    to_date: To = None,
    revision: Revision = None,
    preset: Annotated[str | None, Query(max_length=64)] = None,
) -> RoiReport:
    """What was saved, by which assumptions; or an example."""
    now = datetime.now(UTC)
    wanted = asked(month=month, day=day, start=from_date, end=to_date, revision=revision)
    if preset is None:
        return service.roi(engine(settings()), wanted, settings().lab_time_zone, now=now)
    if wanted.kind is not PeriodKind.ALL:
        raise InvalidRequest("query.preset: an example is of no period: leave month, day, from, to and revision away")
    return service.preset(preset, now=now)


@door.get("/metrics/roi.html")
@allow(Permission.VIEW_ROI)
def page(
    month: Month = None,
    day: OneDay = None,
    from_date: From = None,
    to_date: To = None,
    revision: Revision = None,
) -> Response[str]:
    """Both reports as one printable page; of the current month unless said."""
    now, zone = datetime.now(UTC), settings().lab_time_zone
    wanted = asked(month=month, day=day, start=from_date, end=to_date, revision=revision)
    if wanted.kind is PeriodKind.ALL:
        wanted = month_of(now.astimezone(zone).date())
    return Response(
        200, "text/html; charset=utf-8", service.page(engine(settings()), wanted, zone, now=now), PAGE_HEADERS
    )


@door.get("/metrics/roi/assumptions")
@allow(Permission.VIEW_ROI)
def assumptions() -> AssumptionsHistory:
    """Everything that was ever assumed, and what is today."""
    return service.assumptions(engine(settings()), settings().lab_time_zone, now=datetime.now(UTC))


@door.put("/metrics/roi/assumptions")
@allow(Permission.MANAGE_ASSUMPTIONS)
def assume(change: AssumptionsChange) -> Response[AssumptionsRow]:
    """Assume something else from a day on; what was assumed before stays on record."""
    row, is_new = service.assume(engine(settings()), change, actor=door.actor.sub)
    return Response(201 if is_new else 200, "application/json", row)


@door.get("/metrics/demand")
@allow(Permission.VIEW_ROI)
def demand(
    month: Month = None,
    from_date: From = None,
    to_date: To = None,
    by: Annotated[Bin, Query()] = Bin.WEEK,
) -> DemandReport:
    """What the lab had to refuse, by reason, test and dynos, over time."""
    wanted = asked(month=month, start=from_date, end=to_date)
    return service.demand(engine(settings()), wanted, by, settings().lab_time_zone, now=datetime.now(UTC))


door.check()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the gateway; or, of any other event, do the nightly run."""
    if "requestContext" in event:
        with invocation(event, context):
            return door.serve(event, context)
    with serving(incoming(event, context)):
        return run(event)


def run(event: dict[str, Any]) -> dict[str, Any]:
    """
    Reckon and store what is new: {} for all, {"since": "2026-01-01", "until": "2026-03-31"} for these days' months.

    Raises:
        InvalidRequest: It says something else.
        DynoError: It could not; Lambda tries again, which does no harm.
    """
    wanted = RunRequest.of(event)
    known = settings()
    over = engine(known, answer_timeout_s=ANSWER_TIMEOUT_S)
    wait_until_awake(over, PATIENCE_S)
    now = datetime.now(UTC)
    ran = service.run(over, known.lab_time_zone, now=now, since=wanted.since, until=wanted.until)
    if wanted == RunRequest():
        service.measure(over, known.lab_time_zone, now=now)
    logger.info("roi run", extra=ran.model_dump())
    return ran.model_dump()
