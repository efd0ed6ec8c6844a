"""The door of the measurements: reports, exposition, call trees, health; and of the API's own description."""

from datetime import UTC, datetime
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from dyno.auth import Permission
from dyno.database import engine
from dyno.http import Door, Number, allow
from dyno.metrics import invocation, service
from dyno.metrics.form import wanted
from dyno.metrics.health import health as check
from dyno.metrics.model import MAX_HOURS, CallTree, Health, Name, Outcome, Performance, ReportSource
from dyno.metrics.period import Instant, period
from dyno.metrics.snapshot import Snapshots
from dyno.reference import MAX_AGE_S, Published, document, page
from dyno.settings import settings

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

door = Door(settings)

IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match", max_length=1000)]


@door.get("/metrics/performance")
@allow(Permission.VIEW_METRICS)
def performance(
    hours: Annotated[Number | None, Query(le=MAX_HOURS)] = None,
    since: Annotated[Instant | None, Query(alias="from")] = None,
    until: Annotated[Instant | None, Query(alias="to")] = None,
    of_service: Annotated[Name | None, Query(alias="service")] = None,
    method: Annotated[Name | None, Query()] = None,
    outcome: Annotated[Outcome | None, Query()] = None,
    source: Annotated[ReportSource, Query()] = "rollup",
) -> Performance:
    """Calls, outcomes and percentiles by service and method, of the last hours or between two moments."""
    now = datetime.now(UTC)
    asked = period(
        now=now,
        hours=hours,
        since=since,
        until=until,
        source=source,
        service=of_service,
        method=method,
        outcome=outcome,
    )
    return service.report(engine(settings()), asked, source, now=now)


@door.get("/metrics/calls")
@allow(Permission.VIEW_METRICS)
def calls(correlation_id: Annotated[str, Query(pattern=r"^[A-Za-z0-9._-]{1,128}$")]) -> CallTree:
    """The calls of one request, as a tree."""
    return service.calls(engine(settings()), correlation_id)


@door.get("/metrics/prometheus")
@allow(Permission.SCRAPE)
def prometheus(accept: Annotated[list[str], Header()] = []) -> Response[str]:  # noqa: B006  # never written to
    """The exposition of the whole fleet of functions, in the form that is accepted; asks no database."""
    known, form = settings(), wanted(",".join(accept))
    text = service.prometheus(
        Snapshots(known.snapshot_bucket), release=known.release, strategy=known.metrics_strategy, form=form
    )
    return Response(200, form.content_type, text, headers={"Vary": "Accept"})


@door.get("/metrics/health")
@allow(Permission.VIEW_METRICS)
def health() -> Response[Health]:
    """The deep check: each dependency, with its reason; 503 if one fails."""
    known = settings()
    checked = check(engine(known), Snapshots(known.snapshot_bucket), now=datetime.now(UTC))
    return Response(200 if checked.ok else 503, "application/json", checked)


@door.get("/health/live")
@allow(Permission.PUBLIC)
def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@door.get("/health/ready")
@allow(Permission.PUBLIC)
def ready() -> dict[str, str]:
    """The process has all it needs to serve; opens no connection, so asking wakes no database."""
    return {"status": "ready", "release": settings().release}


@door.get("/openapi.json")
@allow(Permission.PUBLIC)
def openapi(if_none_match: IfNoneMatch = None) -> Response[str]:
    """What this API takes and answers, as OpenAPI 3.1."""
    return published(document(), "application/json", if_none_match, {"Access-Control-Allow-Origin": "*"})


@door.get("/docs")
@allow(Permission.PUBLIC)
def docs(if_none_match: IfNoneMatch = None) -> Response[str]:
    """The same as a page for people."""
    return published(page(), "text/html; charset=utf-8", if_none_match, PAGE_HEADERS)


def published(found: Published, content_type: str, if_none_match: str | None, headers: dict[str, str]) -> Response[str]:
    """A text, or that the caller's copy is still good."""
    kept = headers | {"ETag": found.etag, "Cache-Control": f"public, max-age={MAX_AGE_S}"}
    if found.is_known(if_none_match):
        return Response(304, body="", headers=kept)
    return Response(200, content_type, found.text, headers=kept)


door.check()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the gateway."""
    with invocation(event, context):
        return door.serve(event, context)
