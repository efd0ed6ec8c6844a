"""The way in and out of a door: who is asking, what for, and one table from error to answer."""

import base64
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Any, TypeVar

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError, ServiceError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import OpenAPIRequestValidationMiddleware
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BeforeValidator, Field
from pydantic_core import from_json

from dyno.auth import Actor, Permission, actor
from dyno.errors import (
    DynoError,
    InvalidRequest,
    NotFound,
    PreconditionRequired,
    RequestTooLarge,
    RouteNotFound,
    Stale,
    Unavailable,
    UnsupportedMediaType,
)
from dyno.observability import CORRELATION_ID, current_request, incoming, logger, serving
from dyno.settings import Settings
from dyno.text import says_nul

F = TypeVar("F", bound=Callable[..., Any])
"""A route's function."""


def _digits(given: object) -> object:
    if isinstance(given, str) and not re.fullmatch(r"[1-9][0-9]{0,18}", given):
        raise ValueError("a whole number from 1 is written with digits alone")
    return given


Number = Annotated[int, Field(ge=1), BeforeValidator(_digits)]
"""A whole number from 1 in a path or a query: one spelling each, so that one thing has one address."""

PROBLEM_JSON = "application/problem+json"

_ON_EVERY_ANSWER = {
    "Cache-Control": "no-store",  # it was for one caller, and is old the next moment
    "X-Content-Type-Options": "nosniff",
}

MAX_BODY_BYTES = 131_072
"""A dyno with all capabilities that one may have is a third of it. A route that takes files has its own."""

MAX_FAULTS = 20
"""Faults that an answer names; a body of nothing but unknown fields would else be answered by its own size."""

MAX_DETAIL = 2_000
"""Characters of what an answer says of an error."""


def seen_version(if_match: str | None) -> int:
    """
    The version a caller has seen, by the ETag in If-Match.

    Raises:
        PreconditionRequired: There is none.
        Stale: No version ever had that ETag.
    Source:
        RFC 9110, 13.1.1, of which one ETag, compared strongly, is taken: whoever changes a thing has looked at it.
    """
    if if_match is None:
        raise PreconditionRequired("send If-Match with the ETag that GET gave you")
    given = re.fullmatch(r'"([1-9][0-9]{0,8})"', if_match)
    if given is None:
        raise Stale(f'If-Match {if_match} is no ETag of this; they are as GET gives them, "1" with its quotes')
    return int(given[1])


def allow(permission: Permission) -> Callable[[F], F]:
    """Name the permission a route takes; a door with a route that names none does not start."""

    def name(function: F) -> F:
        function.__dict__["permission"] = permission
        return function

    return name


class Door(APIGatewayRestResolver):
    """
    A Lambda's routes: authorised first, then validated, then called; whatever is raised becomes a problem document.

    Source:
        RFC 9457, Problem Details for HTTP APIs.
    """

    def __init__(self, settings: Callable[[], Settings]) -> None:
        super().__init__(enable_validation=True)
        self._settings = settings
        self._request_validation_middleware = _AuthorisedValidation(self)
        self.exception_handler(Exception)(problem)
        self.exception_handler(DynoError)(problem)
        self.exception_handler(ServiceError)(problem)
        self.exception_handler(RequestValidationError)(problem)
        self.exception_handler(NotFoundError)(_no_such_route)

    @property
    def actor(self) -> Actor:
        """Who is asking; there is one on every route but the public ones."""
        asking: Actor = self.context["actor"]
        return asking

    def check(self) -> "Door":
        """
        Itself, if every route names its permission.

        Raises:
            TypeError: Names the routes that do not.
        """
        unguarded = [f"{method} {path}" for method, path, function in self.routes() if not _permission(function)]
        if unguarded:
            raise TypeError(f"routes without a permission: {', '.join(unguarded)}")
        return self

    def has(self, route: Any) -> bool:  # noqa: ANN401  # the library leaves it untyped
        """Whether a route was made by a decorator of this door."""
        return any(route is each for each in self._static_routes + self._dynamic_routes)

    def routes(self) -> Iterable[tuple[str, str, Callable[..., Any]]]:
        """Method, path and function of each route."""
        for route in self._static_routes + self._dynamic_routes:
            yield route.method, route.path, route.func

    def serve(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer one event of the gateway; as a rule within its `invocation`, which knows whose request it is."""
        request = current_request()
        if request is None:
            with serving(incoming(event, context)):
                return self.serve(event, context)
        answer = self._answer(event, context)
        headers = answer.setdefault("multiValueHeaders", {})
        for name, value in _ON_EVERY_ANSWER.items():
            headers.setdefault(name, [value])
        headers[CORRELATION_ID] = [request.correlation_id]
        return answer

    def _answer(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self.resolve(event, context)
        except Exception as error:  # noqa: BLE001  # no route was found in such an event, so none of ours answers for it
            said = problem(error)
            headers = {"Content-Type": [PROBLEM_JSON]}
            answer = {"statusCode": said.status_code, "multiValueHeaders": headers, "body": said.body}
        return answer

    def sent(self, kinds: Collection[str], most: int) -> bytes:
        """
        The body as it was sent, of a route that takes files.

        Args:
            kinds: Media types that it may be of.
            most: Bytes.
        Raises:
            UnsupportedMediaType: It is of none of them.
            RequestTooLarge: There are more.
            InvalidRequest: There are none, or they are not in the base64 that they are said to be in.
        """
        event = self.current_event
        given = str(event.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        if given not in kinds:
            raise UnsupportedMediaType(f"send Content-Type {' or '.join(kinds)}, not {given or 'none'}")
        text = event.body or ""
        # As text where the gateway takes it for text, which it does of a type with parameters.
        try:
            content = (
                base64.b64decode(text, validate=True) if event.is_base64_encoded else text.encode(errors="replace")
            )
        except ValueError as error:
            raise InvalidRequest("the body is not base64, as whoever handed it over says") from error
        if len(content) > most:
            raise RequestTooLarge(f"a file has at most {most} bytes")
        if not content:
            raise InvalidRequest("the body is empty; it must be the file")
        return content

    def authorise(self, permission: Permission) -> None:
        """
        Let the request pass, or not.

        Raises:
            Unauthorized: The claims are not of a kind this service accepts.
            Forbidden: The actor may not.
        """
        if permission is Permission.PUBLIC:
            return
        asking = actor(_claims(self.current_event.raw_event), self._settings())
        asking.allow(permission)
        self.append_context(actor=asking)  # type: ignore[no-untyped-call]  # the library leaves it untyped


class _AuthorisedValidation(OpenAPIRequestValidationMiddleware):
    """Powertools validates first of all; here it asks who is asking before it says what is wrong with the request."""

    def __init__(self, door: Door) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the library leaves it untyped
        self._door = door

    def handler(self, app: Any, next_middleware: NextMiddleware) -> Response[Any]:  # noqa: ANN401  # as the library has it
        route = app.context["_route"]
        if not self._door.has(route):  # the library's own, for what it does not know
            return next_middleware(app)
        permission = _permission(route.func)
        if permission is None:
            raise TypeError(f"the route {route.method} {route.path} names no permission, so nobody may pass")
        self._door.authorise(permission)
        _refuse_unknown_parameters(app)
        _refuse_repeated_parameters(app)
        return super().handler(app, next_middleware)

    def _get_body(self, app: Any) -> dict[str, Any]:  # noqa: ANN401
        # Whatever its content type says: `curl --data` calls JSON a form unless told otherwise.
        try:
            text = app.current_event.decoded_body or ""
        except ValueError as error:
            raise InvalidRequest("the body is not text in UTF-8") from error
        sent = text.encode(errors="surrogatepass")
        if len(sent) > MAX_BODY_BYTES:
            raise RequestTooLarge(f"a body has at most {MAX_BODY_BYTES} bytes")
        _refuse_unstorable("the body", text)
        try:
            body = from_json(sent, allow_inf_nan=False)
        except ValueError as error:  # nested deeper than anything we take, too
            raise InvalidRequest(f"the body is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise InvalidRequest("the body must be a JSON object")
        return body


def problem(error: Exception) -> Response[Any]:
    """The problem document for anything raised."""
    said = _said(error)
    request = current_request()
    if said.status >= 500:  # noqa: PLR2004
        logger.exception("failed")
    else:
        logger.info("refused", code=said.code, detail=_cut(str(said)))
    body = problem_document(said, request.correlation_id if request else None)
    headers = {"Retry-After": str(said.retry_after_s)} if isinstance(said, Unavailable) else {}
    return Response(said.status, PROBLEM_JSON, json.dumps(body, default=str), headers=headers)


def problem_document(said: DynoError, correlation_id: str | None) -> dict[str, Any]:
    """What callers are told of an error; of our own faults, only where to look them up."""
    return {
        "type": f"urn:dyno-agent:problem:{said.code}",
        "title": said.title,
        "status": said.status,
        "detail": _cut(str(said)) if said.status != 500 else "The fault is recorded under the correlation id.",  # noqa: PLR2004
        "code": said.code,
        "correlation_id": correlation_id,
        "errors": [],
        **said.details,
    }


def _said(error: Exception) -> DynoError:
    match error:
        case DynoError():
            return error
        case RequestValidationError() if any(each["loc"][0] == "response" for each in error.errors()):
            return DynoError(f"the answer is not of the type that the route says: {error.errors()}")
        case RequestValidationError():
            if any(each["loc"][0] == "path" for each in error.errors()):
                return NotFound("nothing has that id: ids are whole numbers from 1")
            found = error.errors()
            faults = [
                {"field": _cut(".".join(map(str, each["loc"]))), "message": _cut(each["msg"])}
                for each in found[:MAX_FAULTS]
            ]
            told = "; ".join(f"{each['field']}: {each['message']}" for each in faults)
            more = f"; and {len(found) - MAX_FAULTS} more" if len(found) > MAX_FAULTS else ""
            return InvalidRequest(f"{_cut(told)}{more}", faults)
        case ServiceError() if error.status_code < 500:  # noqa: PLR2004
            return InvalidRequest(str(error.msg))
    return DynoError(str(error))


def _no_such_route(_error: Exception) -> Response[Any]:
    return problem(RouteNotFound("there is no such route"))


def _refuse_unknown_parameters(app: Any) -> None:  # noqa: ANN401
    known = {parameter.alias for parameter in app.context["_route"].dependant.query_params}
    unknown = sorted(set(app.current_event.query_string_parameters or {}) - known)
    if unknown:
        allowed = ", ".join(sorted(known)) or "none"
        raise InvalidRequest(f"unknown query parameters: {', '.join(unknown)}; this route takes: {allowed}")
    _refuse_unstorable("the query", "".join((app.current_event.query_string_parameters or {}).values()))


def _refuse_repeated_parameters(app: Any) -> None:  # noqa: ANN401
    given = app.current_event.multi_value_query_string_parameters or {}
    repeated = sorted(name for name, values in given.items() if len(values) > 1)
    if repeated:
        faults = [{"field": f"query.{name}", "message": "is given more than once"} for name in repeated]
        raise InvalidRequest(f"query parameters given more than once: {', '.join(repeated)}", faults)


def _refuse_unstorable(what: str, text: str) -> None:
    """JSON and URLs can say characters that no text of PostgreSQL holds: NUL and halves of a character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{what} has half a character, {text[error.start]!a}") from error
    if "\0" in text or says_nul(text):
        raise InvalidRequest(f"{what} has the character NUL")


def _cut(text: str) -> str:
    return text if len(text) <= MAX_DETAIL else text[: MAX_DETAIL - 1] + "…"


def _permission(function: Callable[..., Any]) -> Permission | None:
    return getattr(function, "permission", None)


def _claims(event: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = event
    for name in ("requestContext", "authorizer", "claims"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}
