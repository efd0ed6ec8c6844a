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
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, Unsatisfiable
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.core.failures import FailureGroup
from schemathesis.engine.errors import is_inconsistent_replay
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
from tests.openapi.described import sample
from tests.openapi.world import ENROLLED_SUB, OTHER_VIN, VIN, moved

CHECKS: list[CheckFunction] = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
FILES = ("text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
STEPS = 6
"""Requests of one walk along the links."""
ROUNDS = 20
"""Times that walks are begun anew."""


@schemathesis.serializer(*FILES)
def _sent(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


_SMALL = range(1, 5)
LIKELY: dict[str, Sequence[Any]] = {
    "allocation_id": _SMALL,
    "dyno_id": (1, 2, 2, 3),
    "user_id": _SMALL,
    "vehicle_id": _SMALL,
    "window_id": (2, 2, 3),
    "vin": (VIN, OTHER_VIN, "1M8GDM9AXKP042788", "5GZCZ43D13S812715"),
    "sub": (ENROLLED_SUB, "ada", "bob"),
    "test_type": ("brake", "mileage"),
    "start_date": [str(MONDAY + timedelta(days=days)) for days in range(200)],
    "days_to_complete": _SMALL,
    "assumptions": (sample("assumed")["assumptions"],),
    "valid_from": (str(MONDAY),),
    "enrolled_at": ("2026-01-01T00:00:00Z",),
    "If-Match": ('"1"', '"2"', '"3"'),
    "Idempotency-Key": ("one", "two"),
}
"""Values that get somewhere; of any at all, hardly one is in the lab."""

EITHER = (
    ({"vin"}, {"vehicle_id"}, {"drive_type", "weight_lbs"}),
    ({"days_to_complete"}, {"miles", "miles_per_day", "added_days"}, {"end_date"}),
)
"""Names of which a request takes one set and not another; a description has no word for that."""

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
    for operation in operations:
        gateway.renew()
        for mode in GenerationMode:
            _ask(operation, mode, how)


def walk(described: dict[str, Any], gateway: Gateway, cases: int, *, derandomize: bool = True) -> None:
    """
    The same along the links, from what was made to whatever can be done with it; each walk in a lab anew.

    What is drawn hangs on what was answered, and an answer has times and ids that are new when hypothesis asks again:
    then it stops, for its own sake and not for a fault of ours, and the walks that are left are done from another seed.

    Raises:
        FailureGroup: As above, with the last of the walk alone.
    """
    schema = _schema(_linked(described), gateway)
    found: list[FailureGroup] = []
    walks = 0

    class Walker(schema.as_state_machine()):  # type: ignore[misc]  # made of the document
        def setup(self) -> None:
            nonlocal walks
            walks += 1
            gateway.renew()

        def before_call(self, case: Any) -> None:
            # By what was drawn and nothing else: a walk that is walked again must come by the same.
            drawn = repr((case.method, case.path, case.path_parameters, case.query, case.body))
            # Where a link leads is in the path.
            make_likely(case, Random(drawn).choice, in_path=False)

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            try:
                case.validate_response(response, checks=CHECKS)
            except FailureGroup as fault:
                found.append(fault)
                raise

    for round_ in range(ROUNDS):
        how = settings(_settings(cases // STEPS - walks, derandomize=False), stateful_step_count=STEPS)
        _run(seed(round_)(Walker) if derandomize else Walker, how)
        if found:
            raise found[0]
        if walks >= cases // STEPS:
            return
    raise AssertionError(f"{walks} of {cases // STEPS} walks in {ROUNDS} rounds: hypothesis stopped each of them")


def _run(walker: Any, how: settings) -> None:
    try:
        run_state_machine_as_test(walker, settings=how)
    except (Flaky, FailureGroup):
        return
    except AssertionError as said:
        if not is_inconsistent_replay(said):
            raise


def make_likely(case: Any, pick: Pick, *, in_path: bool = True) -> None:
    """Put values that get somewhere in place of some that a request has, or ask as the examples do."""
    if pick((True, False)):
        _ask_as_described(case, pick, in_path=in_path)
        return
    for part in (case.path_parameters if in_path else None, case.query, case.headers, case.body):
        if isinstance(part, MutableMapping):
            for name in sorted(LIKELY.keys() & set(part)):
                if pick((True, True, False)):
                    part[name] = pick(LIKELY[name])
            if part is not case.path_parameters and pick((True, True, False)):
                _decide(part, pick)


def _ask_as_described(case: Any, pick: Pick, *, in_path: bool) -> None:
    said = case.operation.definition.raw
    if body := said.get("requestBody"):
        _, content = next(iter(body["content"].items()))
        case.body = moved(pick([each["value"] for each in content["examples"].values()]))
    examples: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}}
    for each in said.get("parameters", ()):
        if "example" in each:
            examples[each["in"]][each["name"]] = each["example"]
    if in_path:
        case.path_parameters = examples["path"]
    case.query, case.headers = moved(examples["query"]), type(case.headers)(examples["header"])


def _decide(part: MutableMapping[str, Any], pick: Pick) -> None:
    for sets in EITHER:
        there = [each for each in sets if each & part.keys()]
        if len(there) > 1:
            kept = pick(there)
            for name in (set().union(*there) - kept) & part.keys():
                del part[name]


def _linked(described: dict[str, Any]) -> dict[str, Any]:
    """Of what is described, the paths that lead somewhere or are led to."""
    links = {
        path: [link["operationId"] for answer in _answers(said) for link in answer.get("links", {}).values()]
        for path, said in described["paths"].items()
    }
    led_to = {each for path in links.values() for each in path}
    ids = {path: {each.get("operationId") for each in said.values()} for path, said in described["paths"].items()}
    kept = {path: said for path, said in described["paths"].items() if links[path] or ids[path] & led_to}
    return described | {"paths": kept}


def _answers(said: dict[str, Any]) -> Iterable[dict[str, Any]]:
    return [answer for operation in said.values() for answer in operation.get("responses", {}).values()]


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
