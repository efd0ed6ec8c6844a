"""Events that are malformed, come twice, or come in another order: of every door."""

import base64
import copy
import gzip
import json
import random
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from dyno.errors import InvalidRequest
from dyno.http import Door
from dyno.roi.facts import Ran, RunRequest
from functions.allocations import handler as allocations
from functions.lifecycle import handler as lifecycle
from functions.metrics_ingest import handler as ingest
from functions.redrive import handler as redrive
from functions.roi import handler as roi
from tests.faults.conftest import DOORS, logged
from tests.functions.conftest import EVENTS, Caller, Context, Feed, claims, gateway_event
from tests.integration.metrics.pipeline import line
from tests.lab import Lab

ODD: tuple[Any, ...] = (None, "x", [], 7, True, [None], {"x": None})
IDENTITY = ("requestContext", "authorizer")


def spoilt(event: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The event without each of its members, and with each of them as nobody expects it; and no event at all."""
    for name in event:
        yield f"without {name}", {key: value for key, value in event.items() if key != name}
        for odd in ODD:
            yield f"{name}={odd!r}", copy.deepcopy(event) | {name: odd}
    for name in event["requestContext"]:
        for odd in ODD:
            spoilt_one = copy.deepcopy(event)
            spoilt_one["requestContext"][name] = odd
            yield f"requestContext.{name}={odd!r}", spoilt_one
    for odd in (*ODD, {}):
        yield f"authorizer.claims={odd!r}", event | {"requestContext": {"authorizer": {"claims": odd}}}


def unanswered(door: ModuleType, event: Any) -> str | None:
    """What is wrong with what a door makes of an event; None if it is an answer that the gateway can pass on."""
    try:
        said = door.handler(event, Context())
    except Exception as error:  # noqa: BLE001  # as Lambda does
        return f"raised {error!r}"
    if not isinstance(said.get("body"), str) or "X-Correlation-Id" not in said["multiValueHeaders"]:
        return f"said {said}"
    if said["statusCode"] == 200:
        return None
    return None if json.loads(said["body"])["status"] == said["statusCode"] >= 400 else f"said {said}"


def asking(door: ModuleType) -> dict[str, Any]:
    return gateway_event("GET", DOORS[door], authorised=claims(Caller.ADMIN))


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__.split(".")[1])
def test_a_malformed_request_is_answered_and_breaks_no_function(
    enter: Callable[[str], None], lab: Lab, door: ModuleType
) -> None:
    enter(f"dyno_{door.__name__.split('.')[1]}")
    # Of roi's, what says nothing of a request is the timer's.
    events = [each for each in spoilt(asking(door)) if door is not roi or each[0] != "without requestContext"]
    events += [(f"event={odd!r}", odd) for odd in (*ODD, {}) if door is not roi]

    assert {name: found for name, event in events if (found := unanswered(door, event))} == {}
    assert len(events) > 200


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__.split(".")[1])
def test_whoever_cannot_be_told_who_they_are_is_served_by_no_door(
    enter: Callable[[str], None], lab: Lab, door: ModuleType
) -> None:
    enter(f"dyno_{door.__name__.split('.')[1]}")
    nameless = [event for name, event in spoilt(asking(door)) if any(each in name for each in IDENTITY)]
    nameless = [event for event in nameless if "requestContext" in event and not _known(event)]

    assert {door.handler(event, Context())["statusCode"] for event in nameless} == {401}
    assert len(nameless) > 20


def _known(event: dict[str, Any]) -> bool:
    try:
        return "sub" in event["requestContext"]["authorizer"]["claims"]
    except (KeyError, TypeError):
        return False


def test_a_door_that_leaves_what_it_cannot_read_to_lambda_would_be_found(
    enter: Callable[[str], None], lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter("dyno_allocations")
    monkeypatch.setattr(Door, "_answer", lambda door, event, context: door.resolve(event, context))

    found = {name for name, event in spoilt(asking(allocations)) if unanswered(allocations, event)}

    assert {"without path", "httpMethod=None", "multiValueHeaders='x'"} <= found


def packed(said: Any) -> dict[str, Any]:
    """As the log subscription packs it."""
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(said).encode())).decode()}}


WHOLE = {"messageType": "DATA_MESSAGE", "logEvents": logged("a-1", "a-2")}
DATA: str = packed(WHOLE)["awslogs"]["data"]
BROKEN: dict[str, Any] = {
    "nothing": {},
    "null": None,
    "a list": [],
    "null within": {"awslogs": None},
    "null data": {"awslogs": {"data": None}},
    "no base64": {"awslogs": {"data": "%%%"}},
    "no gzip": {"awslogs": {"data": base64.b64encode(json.dumps(WHOLE).encode()).decode()}},
    "half of it": {"awslogs": {"data": DATA[: len(DATA) // 8 * 4]}},
    "no JSON": {"awslogs": {"data": base64.b64encode(gzip.compress(b"{half")).decode()}},
    "no batch": packed([]),
    "no kind": packed({"logEvents": WHOLE["logEvents"]}),
    "null events": packed(WHOLE | {"logEvents": None}),
    "an event of nothing": packed(WHOLE | {"logEvents": [{}]}),
    "null letters": {"dead_letters": None},
    "letters after nobody knows what": {"dead_letters": {"after": "x"}},
}


def tables(lab: Lab) -> tuple[int, int, int]:
    """Rows, what was counted of them, and dead letters."""
    counted = lab.sql("select coalesce(sum(calls), 0) from metrics_series")
    return lab.sql("select count(*) from metrics"), int(counted), lab.sql("select count(*) from dead_letters")


def fails(door: ModuleType, event: Any) -> bool:
    """Whether Lambda hears of it."""
    try:
        door.handler(event, Context())
    except Exception:  # noqa: BLE001  # as Lambda does
        return True
    return False


def test_a_batch_that_cannot_be_unpacked_is_lambdas_to_set_aside_and_changes_nothing(
    enter: Callable[[str], None], lab: Lab
) -> None:
    enter("dyno_ingest")

    assert [name for name, event in BROKEN.items() if not fails(ingest, event)] == []
    assert tables(lab) == (0, 0, 0)


def test_a_broken_batch_that_is_passed_over_would_be_found(
    enter: Callable[[str], None], lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter("dyno_ingest")
    monkeypatch.setattr(ingest, "take", lambda _event: {})

    assert not fails(ingest, BROKEN["no gzip"])


def test_a_control_message_brings_nothing(enter: Callable[[str], None], lab: Lab) -> None:
    enter("dyno_ingest")

    assert ingest.handler(packed(WHOLE | {"messageType": "CONTROL_MESSAGE"}), Context()) == {}  # type: ignore[arg-type]
    assert tables(lab) == (0, 0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_batches_that_come_twice_and_in_any_order_are_counted_once(feed: Feed, lab: Lab, seed: int) -> None:
    chance = random.Random(seed)
    events = [
        *logged(*(f"a-{n}" for n in range(9))),
        {"id": "p", "timestamp": 0, "message": '{"record": "dyno-call/1"'},
    ]
    batches = [events[at : at + 3] for at in range(0, len(events), 3)]
    arriving = [chance.sample(batch, len(batch)) for batch in [*batches, *batches, events, events + events]]
    chance.shuffle(arriving)

    for batch in arriving:
        feed(batch)

    assert tables(lab) == (9, 9, 1)


def test_a_count_of_whatever_comes_would_be_found(feed: Feed, lab: Lab) -> None:
    feed([{"id": "1", "timestamp": 0, "message": line("a-1")}])
    feed([{"id": "1", "timestamp": 0, "message": line("a-1-again")}])  # as if its id were the delivery's

    assert tables(lab) != (1, 1, 0)


def test_a_run_that_is_told_what_nobody_knows_does_nothing(
    enter: Callable[[str], None], lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter("dyno_roi")
    ran: list[Any] = []
    monkeypatch.setattr("dyno.roi.service.run", lambda *told, **how: ran.append((told, how)))

    assert [event for event in (*ODD, {"since": 7}, {"nobody": "knows"}) if not fails(roi, event)] == []
    assert ran == []


def test_a_run_that_takes_anything_for_everything_would_be_found(
    enter: Callable[[str], None], lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter("dyno_roi")
    monkeypatch.setattr("dyno.roi.service.run", lambda *_, **__: Ran.model_construct())
    monkeypatch.setattr("dyno.roi.service.measure", lambda *_, **__: None)
    monkeypatch.setattr(RunRequest, "of", classmethod(lambda kind, event: kind.model_validate(dict(event))))

    assert not fails(roi, [])


@pytest.mark.parametrize("event", [None, "x", [], 7, {"since": 7}, {"since": "monday"}, {"nobody": "knows"}], ids=repr)
def test_a_redrive_that_is_told_what_nobody_knows_does_nothing(event: Any) -> None:
    with pytest.raises(InvalidRequest):
        redrive.handler(event, Context())  # type: ignore[arg-type]


def test_a_night_that_comes_twice_does_its_work_once(enter: Callable[[str], None], lab: Lab) -> None:
    enter("dyno_lifecycle")
    lab.sql(
        "insert into dead_letters (letter_id, reason, line, received_at) values ('a', 'not_json', '{', '2020-01-01')"
    )
    event = json.loads((EVENTS / "lifecycle.json").read_text())

    done = [lifecycle.handler(event, Context())["metrics"]["dead_letters"] for _ in range(2)]  # type: ignore[arg-type]

    assert done == [1, 0]
