"""The whole API in this process, as schemathesis calls it: WSGI in, events of the gateway to the doors, WSGI out."""

from collections import Counter
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from contextlib import suppress
from datetime import timedelta
from random import Random
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from tests.functions.conftest import Caller, Context, claims, gateway_event
from tests.lab import MONDAY
from tests.openapi.described import JSON, sample
from tests.openapi.world import ENROLLED_SUB, OTHER_VIN, VIN, moved

CHECKS: list[CheckFunction] = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
STEPS = 6
"""Requests of one walk along the links."""

_SMALL = range(1, 5)
LIKELY: dict[str, Sequence[Any]] = {
    "allocation_id": _SMALL,
    "dyno_id": _SMALL,
    "user_id": _SMALL,
    "vehicle_id": _SMALL,
    "window_id": _SMALL,
    "vin": (VIN, OTHER_VIN),
    "sub": (ENROLLED_SUB, "ada", "bob"),
    "test_type": ("brake", "mileage"),
    "start_date": [str(MONDAY + timedelta(days=days)) for days in range(200)],
    "days_to_complete": _SMALL,
    "assumptions": (sample("assumed")["assumptions"],),
    "valid_from": (str(MONDAY),),
    "enrolled_at": ("2026-01-01T00:00:00Z",),
    "If-Match": ('"1"', '"2"'),
    "Idempotency-Key": ("one", "two"),
}
"""Values that get somewhere; of any at all, hardly one is in the lab."""

Enter = Callable[[str], None]
Pick = Callable[[Sequence[Any]], Any]


class Gateway:
    """
    A WSGI application that is the API, to an admin; to a scraper, where only scrapers are let in.

    Args:
        enter: Gives the process the environment of a door.
        renew: Makes the lab what it was at first.
    Attributes:
        answered: How often which route answered which status.
    """

    def __init__(self, doors: Iterable[ModuleType], enter: Enter, renew: Callable[[], object]) -> None:
        self.renew = renew
        self._enter = enter
        self._inside = ""
        self.answered: Counter[tuple[str, int]] = Counter()
        self._routes = Map(
            [
                Rule(path, methods=[method], endpoint=(door, path))
                for door in doors
                for method, path, _ in door.door.routes()
            ],
            strict_slashes=False,
            merge_slashes=False,
        )

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        (door, path), _ = self._routes.bind_to_environ(environ).match()
        role = f"dyno_{door.__name__.split('.')[1]}"
        if role != self._inside:
            self._enter(role)
            self._inside = role
        event = gateway_event(
            request.method,
            request.path,
            body=request.get_data(as_text=True) or None,
            query=dict(parse_qsl(request.query_string.decode("latin-1"), keep_blank_values=True)) or None,
            headers=dict(request.headers),
            authorised=claims(Caller.SCRAPER if path == "/metrics/prometheus" else Caller.ADMIN),
        )
        said = door.handler(event, Context())
        self.answered[f"{request.method} {path}", said["statusCode"]] += 1
        headers = [(name, value) for name, values in said["multiValueHeaders"].items() for value in values]
        return Response(said["body"], said["statusCode"], headers)(environ, start_response)


def fuzz(described: dict[str, Any], gateway: Gateway, cases: int, *, derandomize: bool = True) -> None:
    """
    Ask each route, with what it permits and with what it does not.

    Args:
        cases: In all, about.
        derandomize: The same cases every time.
    Raises:
        FailureGroup: A fault of ours, or a status, content type, header or answer that is not described.
    """
    found: Iterable[Any] = _schema(described, gateway).get_all_operations()
    operations = [each.ok() for each in found]
    how = _settings(cases // 2 // len(operations), derandomize=derandomize)
    gateway.renew()
    for operation in operations:
        for mode in GenerationMode:
            _ask(operation, mode, how)


def walk(described: dict[str, Any], gateway: Gateway, cases: int, *, derandomize: bool = True) -> None:
    """The same along the links, from what was made to whatever can be done with it; each walk in a lab anew."""
    schema = _schema(described, gateway)

    class Walker(schema.as_state_machine()):  # type: ignore[misc]  # made of the document
        def setup(self) -> None:
            gateway.renew()

        def before_call(self, case: Any) -> None:
            # What replaces it must be the same when a walk is walked again; where a link leads is in the path.
            make_likely(case, Random(repr((case.headers, case.body))).choice, in_path=False)

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            case.validate_response(response, checks=CHECKS)

    how = _settings(cases // STEPS, derandomize=derandomize)
    run_state_machine_as_test(Walker, settings=settings(how, stateful_step_count=STEPS))


def make_likely(case: Any, pick: Pick, *, in_path: bool = True) -> None:
    """Put values that get somewhere, and whole bodies of the examples, in place of some that a request has."""
    body = case.operation.definition.raw.get("requestBody")
    if body and pick((True, False)):
        case.body = moved(pick([each["value"] for each in body["content"][JSON]["examples"].values()]))
    for part in (case.path_parameters if in_path else None, case.query, case.headers, case.body):
        if isinstance(part, MutableMapping):
            for name in sorted(LIKELY.keys() & set(part)):
                if pick((True, True, False)):
                    part[name] = pick(LIKELY[name])


def _schema(described: dict[str, Any], gateway: Gateway) -> Any:
    # Its server is relative to where it was found, which is nowhere.
    schema = schemathesis.openapi.from_dict({name: part for name, part in described.items() if name != "servers"})
    schema.app = gateway
    return schema


def _settings(times: int, *, derandomize: bool) -> settings:
    everything = list(HealthCheck)
    return settings(
        max_examples=max(1, times),
        deadline=None,
        suppress_health_check=everything,
        database=None,
        derandomize=derandomize,
    )


def _ask(operation: Any, mode: GenerationMode, how: settings) -> None:
    @settings(how, phases=[Phase.generate, Phase.shrink])
    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    def ask(case: Any, data: st.DataObject) -> None:
        make_likely(case, lambda options: data.draw(st.sampled_from(options)))
        case.call_and_validate(checks=CHECKS)

    # Where nothing can be wrong with a request, there is nothing to ask wrongly.
    with suppress(Unsatisfiable):
        ask()
