"""All that a route can refuse: what it raises itself, what every route of its kind does, and what the gateway does."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cdk.constructs.api import PROBLEMS
from dyno.auth import Permission
from dyno.errors import (
    DatabaseResuming,
    DatabaseUnavailable,
    DynoError,
    Forbidden,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    PreconditionRequired,
    RequestTooLarge,
    RouteNotFound,
    Stale,
    Unauthorized,
    Unavailable,
)
from dyno.http import MAX_BODY_BYTES, problem_document
from tests.openapi.described import Described
from tests.openapi.words import CORRELATION_ID

GATEWAY = (
    "DEFAULT_5XX",
    "INTEGRATION_FAILURE",
    "INTEGRATION_TIMEOUT",
    "THROTTLED",
    "QUOTA_EXCEEDED",
    "BAD_REQUEST_PARAMETERS",
)
GATEWAY_TOKEN = ("EXPIRED_TOKEN", "WAF_FILTERED")
GATEWAY_BODY = ("REQUEST_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE")

Problems = dict[int, dict[str, dict[str, Any]]]
"""Status, code, example."""


def problems(
    about: Described, permission: Permission, parameters: set[str], *, in_path: bool, has_body: bool
) -> Problems:
    """Status, code and example of all that can be refused: the route's own first."""
    public = permission is Permission.PUBLIC
    raised = [*about.refused, *_raised(about, parameters, public=public, in_path=in_path, has_body=has_body)]
    found: Problems = {}
    for error in raised:
        example = json.loads(json.dumps(problem_document(error, CORRELATION_ID), default=str))
        found.setdefault(error.status, {}).setdefault(error.code, example)
    names = [*GATEWAY, *(() if public else GATEWAY_TOKEN), *(GATEWAY_BODY if has_body else ())]
    for said in (PROBLEMS[name] for name in names):
        error = DynoError(said.detail)
        example = problem_document(error, CORRELATION_ID) | {
            "type": f"urn:dyno-agent:problem:{said.code}",
            "title": said.title,
            "status": said.status,
            "detail": said.detail,
            "code": said.code,
        }
        found.setdefault(said.status, {}).setdefault(said.code, example)
    return found


def _raised(
    about: Described, parameters: set[str], *, public: bool, in_path: bool, has_body: bool
) -> Iterator[DynoError]:
    yield InvalidRequest("unknown query parameters: colour; this route takes: none")
    yield DynoError("never shown")
    if not public:
        yield Unauthorized("this route takes a token")
        yield Forbidden("this takes the permission manage:users, which user does not carry")
    if in_path:
        yield NotFound("nothing has that id: ids are whole numbers from 1")
        yield RouteNotFound("there is no such route")  # of what no path of a route can be made of
    if has_body:
        yield RequestTooLarge(f"a body has at most {MAX_BODY_BYTES} bytes")
    if "Idempotency-Key" in parameters:
        yield IdempotencyKeyReused("this Idempotency-Key came with another request; use a new one")
    if "If-Match" in parameters:
        yield Stale("user 1 is at version 2, not 1; look at them again")
        yield PreconditionRequired("send If-Match with the ETag that GET gave you")
    if about.asks_database:
        yield DatabaseResuming("the database is waking up; try again")
        yield DatabaseUnavailable("the database cannot be reached; try again")
        yield Unavailable("others were faster every time; try again")


def problem_answer(by_code: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    codes = {"properties": {"code": {"enum": sorted(by_code)}}}
    examples = {code: {"summary": example["title"], "value": example} for code, example in by_code.items()}
    return {"schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, codes]}, "examples": examples}
