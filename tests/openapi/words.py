"""What the document says of the whole API: itself, tags, tokens, headers, statuses, and the form of a problem."""

from collections.abc import Mapping

from dyno.auth import Permission

INFO = {
    "title": "Dyno-Agent",
    "version": "1",
    "license": {"name": "MIT", "identifier": "MIT"},
    "description": (
        "Books vehicles onto the chassis dynamometers of a test lab, never twice for the same days, and measures "
        "itself and what it saves.\n\n"
        "JSON types are strict, and unknown fields and query parameters are refused. Days are `YYYY-MM-DD`, both ends "
        "of a window in; instants carry their offset. Lists are pages: pass `next_cursor` on as `cursor` until it is "
        "null. Errors are problem documents (RFC 9457): decide by `code`, `detail` is for people. Send "
        "`X-Correlation-Id`, or take the one that every answer carries."
    ),
}
TAGS = {
    "bookings": "Vehicles on dynos, for whole days.",
    "registry": "The lab's dynos and vehicles.",
    "imports": "Whole sheets at once.",
    "people": "Who is asking, and who is enrolled.",
    "exports": "What is there as files, and calendars to subscribe to.",
    "measurements": "What the service says of itself.",
    "savings": "What it saves, by which assumptions.",
    "service": "Whether it runs, and this description.",
}
CORRELATION_ID = "3b1f6c0e-5f0a-4a3c-9d53-0e6a7f1d2c44"
SECURITY: Mapping[Permission, list[dict[str, list[str]]]] = {
    Permission.PUBLIC: [],
    Permission.SCRAPE: [{"machine": ["metrics/read"]}],
}
PERSON: list[dict[str, list[str]]] = [{"person": []}]
SCHEMES = {
    "person": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The ID token of a person of the Cognito user pool. Its group (user, power_user, admin) says "
        "what they may do: x-permission of each route.",
    },
    "machine": {
        "type": "oauth2",
        "description": "An access token by client credentials, of the deployment's own user pool, whose address "
        "stands in place of this one.",
        "flows": {
            "clientCredentials": {
                "tokenUrl": "https://your-domain.auth.us-east-1.amazoncognito.com/oauth2/token",
                "scopes": {"metrics/read": "read the exposition"},
            }
        },
    },
}
HEADERS = {
    "X-Correlation-Id": ("Of the request's lines, rows and traces.", {"type": "string"}, CORRELATION_ID),
    "ETag": ("The version, for If-Match.", {"type": "string"}, '"1"'),
    "Idempotency-Replayed": (
        "`true` if the same key was answered before.",
        {"type": "string", "const": "true"},
        "true",
    ),
    "Retry-After": ("After how many seconds to ask again.", {"type": "string", "pattern": "^[0-9]+$"}, "5"),
    "Content-Disposition": (
        "What the file is called.",
        {"type": "string"},
        'attachment; filename="allocations.csv"',
    ),
    "Cache-Control": ("For how long a copy is good.", {"type": "string"}, "public, max-age=300"),
}
PARAMETER = {
    "name": "X-Correlation-Id",
    "in": "header",
    "description": "What the request's lines, rows and traces shall be found by; one is made unless given.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
    "example": CORRELATION_ID,
}
PROBLEM = {
    "type": "object",
    "description": "Why not (RFC 9457). Some codes bring further members.",
    "properties": {
        "type": {"type": "string", "pattern": "^urn:dyno-agent:problem:[a-z_]+$"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Stable; decide by it."},
        "correlation_id": {"type": ["string", "null"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                "required": ["field", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "code", "correlation_id", "errors"],
}
STATUSES = {
    200: "As asked",
    201: "Made",
    304: "The caller's copy is still good",
    400: "The gateway cannot read it",
    401: "No token, or not one for this",
    403: "Not permitted",
    404: "Not there",
    409: "Fine, but not now",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Of a media type that it does not take",
    422: "Can never succeed as written",
    428: "Without a version",
    429: "Too many requests",
    500: "A fault of ours",
    502: "A fault of ours: the function could not be called",
    503: "Try again",
    504: "No answer in time",
}
PARAMETERS = {
    "Idempotency-Key": "Makes a retry safe for 24 hours: the same request under the same key is answered alike.",
    "If-Match": "The ETag that GET gave.",
    "If-None-Match": "The ETag of the copy one has.",
    "cursor": "`next_cursor` of the page before.",
    "limit": "How many items a page has.",
}
"""Those that mean the same everywhere."""
