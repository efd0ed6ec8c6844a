"""Measurements and savings by example; the long answers are files beside."""

from dyno.errors import ReportNotFound
from tests.openapi.described import Answer, Asked, Described, sample
from tests.openapi.world import REQUEST

NO_REVISION = ReportNotFound("2027-04 has no revision 7")
HEALTH = sample("health")

ROUTES = (
    Described(
        "GET /metrics/performance",
        "measurements",
        "The last `hours` (24), or `from` one instant `to` another (or now), at most 9,600 hours. Percentiles of "
        "rollups are exact to `percentile_error`; `source=raw` is exact, for up to 24 hours.",
        (Answer("the last day", 200, sample("performance"), Asked(query={"hours": "24"})),),
    ),
    Described(
        "GET /metrics/calls",
        "measurements",
        "Of a correlation id, as every answer carries it.",
        (Answer("a booking", 200, sample("calls"), Asked(query={"correlation_id": REQUEST})),),
    ),
    Described(
        "GET /metrics/health",
        "measurements",
        "Asks each dependency, and so wakes a database that is asleep.",
        (
            Answer("all is well", 200, HEALTH),
            Answer(
                "one is not",
                503,
                HEALTH
                | {
                    "ok": False,
                    "checks": [{"name": "database", "ok": False, "reason": "the database cannot be reached"}],
                },
                replayed=False,
            ),
        ),
        asks_database=False,
    ),
    Described(
        "GET /metrics/prometheus",
        "measurements",
        "Asks no database. OpenMetrics where `Accept` prefers it.",
        (
            Answer(
                "the exposition",
                200,
                "# HELP dyno_calls_total Finished calls.\n# TYPE dyno_calls_total counter\n"
                'dyno_calls_total{service="AllocationService",method="auto_allocate",outcome="success"} 437\n',
                content_type="text/plain",
            ),
            Answer(
                "OpenMetrics",
                200,
                "# HELP dyno_calls Finished calls.\n# TYPE dyno_calls counter\n"
                'dyno_calls_total{service="AllocationService",method="auto_allocate",outcome="success"} 437\n# EOF\n',
                Asked(headers={"Accept": "application/openmetrics-text; version=1.0.0"}),
                content_type="application/openmetrics-text",
            ),
        ),
        asks_database=False,
    ),
    Described(
        "GET /metrics/business",
        "savings",
        "In all, of a `month`, a `day`, or `from` one day `to` another; with a `revision` as it was stored.",
        (Answer("everything", 200, sample("business")),),
        refused=(NO_REVISION,),
    ),
    Described(
        "GET /metrics/roi",
        "savings",
        "The same periods, or a `preset`. Each number stands beside its formula, its inputs and its interval.",
        (Answer("everything", 200, sample("roi")),),
        refused=(NO_REVISION,),
    ),
    Described(
        "GET /metrics/roi.html",
        "savings",
        "Of the current month unless said. Fetches nothing and runs no script.",
        (
            Answer(
                "a page",
                200,
                '<!doctype html>\n<html lang="en">…',
                content_type="text/html",
                headers=("Cache-Control",),
            ),
        ),
        refused=(NO_REVISION,),
    ),
    Described(
        "GET /metrics/roi/assumptions",
        "savings",
        "The newest first; no row is ever changed.",
        (Answer("what came with the service", 200, sample("assumptions")),),
    ),
    Described(
        "PUT /metrics/roi/assumptions",
        "savings",
        "All of them at once, with a reason. Said again, it is 200 and makes no new row.",
        (
            Answer(
                "from June on",
                201,
                sample("assumed"),
                Asked(
                    body={
                        "valid_from": "2027-06-07",
                        "reason": "measured in May",
                        "assumptions": sample("assumed")["assumptions"],
                    }
                ),
            ),
            Answer("said before", 200, sample("assumed"), replayed=False),
        ),
    ),
    Described(
        "GET /metrics/demand",
        "savings",
        "By `week` or `month`. `missing_dynos` is how many more would have served a group.",
        (Answer("everything", 200, sample("demand"), Asked(query={"by": "week"})),),
    ),
)
