"""Every route of the API, once: what the gateway admits, whom it asks for, and which function answers."""

from dataclasses import dataclass
from enum import Enum


class Admission(Enum):
    """What the gateway wants to see before it calls a function."""

    USER = "an ID token of the user pool"
    SCRAPER = "an access token with the scope metrics/read"
    PUBLIC = "nothing"


@dataclass(frozen=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    function: str
    admission: Admission = Admission.USER


ROUTES = (
    Route("POST", "/allocations/auto", "allocations"),
    Route("POST", "/allocations", "allocations"),
    Route("GET", "/allocations", "allocations"),
    Route("GET", "/allocations/conflicts", "allocations"),
    Route("GET", "/allocations/refusals", "allocations"),
    Route("GET", "/allocations/{allocation_id}", "allocations"),
    Route("PATCH", "/allocations/{allocation_id}", "allocations"),
    Route("DELETE", "/allocations/{allocation_id}", "allocations"),
    Route("GET", "/allocations/{allocation_id}/history", "allocations"),
    Route("POST", "/dynos", "allocations"),
    Route("GET", "/dynos", "allocations"),
    Route("GET", "/dynos/{dyno_id}", "allocations"),
    Route("PATCH", "/dynos/{dyno_id}", "allocations"),
    Route("GET", "/dynos/availability", "allocations"),
    Route("GET", "/dynos/maintenance", "allocations"),
    Route("GET", "/dynos/{dyno_id}/schedule", "allocations"),
    Route("GET", "/dynos/{dyno_id}/maintenance", "allocations"),
    Route("POST", "/dynos/{dyno_id}/maintenance", "allocations"),
    Route("DELETE", "/dynos/{dyno_id}/maintenance/{window_id}", "allocations"),
    Route("POST", "/vehicles", "allocations"),
    Route("GET", "/vehicles", "allocations"),
    Route("GET", "/vehicles/{vehicle_id}", "allocations"),
    Route("PATCH", "/vehicles/{vehicle_id}", "allocations"),
    Route("GET", "/me", "allocations"),
    Route("POST", "/users", "allocations"),
    Route("GET", "/users", "allocations"),
    Route("GET", "/users/{user_id}", "allocations"),
    Route("PATCH", "/users/{user_id}", "allocations"),
    Route("DELETE", "/users/{user_id}", "allocations"),
    Route("POST", "/imports", "imports"),
    Route("POST", "/imports/uploads", "imports"),
    Route("GET", "/imports/{import_id}", "imports"),
    Route("GET", "/metrics/performance", "metrics"),
    Route("GET", "/metrics/calls", "metrics"),
    Route("GET", "/metrics/health", "metrics"),
    Route("GET", "/metrics/prometheus", "metrics", Admission.SCRAPER),
    Route("GET", "/metrics/business", "roi"),
    Route("GET", "/metrics/roi", "roi"),
    Route("GET", "/metrics/roi.html", "roi"),
    Route("GET", "/metrics/roi/assumptions", "roi"),
    Route("PUT", "/metrics/roi/assumptions", "roi"),
    Route("GET", "/metrics/demand", "roi"),
    Route("GET", "/exports/allocations.csv", "exports"),
    Route("GET", "/exports/allocations.xlsx", "exports"),
    Route("GET", "/exports/allocations.ics", "exports"),
    Route("GET", "/exports/lab.xlsx", "exports"),
    Route("GET", "/exports/calendar.ics", "exports", Admission.PUBLIC),
    Route("POST", "/calendars", "exports"),
    Route("GET", "/calendars", "exports"),
    Route("DELETE", "/calendars/{calendar_id}", "exports"),
    Route("GET", "/health/live", "metrics", Admission.PUBLIC),
    Route("GET", "/health/ready", "metrics", Admission.PUBLIC),
    Route("GET", "/openapi.json", "metrics", Admission.PUBLIC),
    Route("GET", "/docs", "metrics", Admission.PUBLIC),
)
