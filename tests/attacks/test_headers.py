"""An answer's headers and a log's lines are ours, whatever id a request says it has."""

import re

import pytest

from dyno import observability
from dyno.observability import ScrubbedFormatter
from functions.allocations import handler as door
from tests.functions.conftest import Call, Caller, Printed

INJECTED = {
    "a header of their own": "id\r\nSet-Cookie: session=stolen",
    "a line of their own": 'id\n{"level":"ERROR","message":"forged"}',
    "an end": "id\0",
    "a tab": "id\tand more",
    "another alphabet's line end": "id\u2028forged",
    "more than anybody reads": "x" * 129,
    "markup": "<script>alert(1)</script>",
    "a colour": "\x1b[31mid",
}


def echoed(call: Call, name: str, given: str) -> str:
    """The id of the request, as its caller is told it."""
    said = call(door, "GET", "/me", headers={name: given}, caller=Caller.USER)
    assert said.status == 200
    return said.headers["X-Correlation-Id"]


@pytest.mark.parametrize("name", ["X-Correlation-Id", "traceparent", "X-Amzn-Trace-Id"])
@pytest.mark.parametrize("given", INJECTED.values(), ids=INJECTED.keys())
def test_an_id_that_could_be_more_than_one_is_not_taken(call: Call, printed: Printed, name: str, given: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", echoed(call, name, given))
    assert given not in printed()


@pytest.mark.parametrize("given", INJECTED.values(), ids=INJECTED.keys())
def test_an_id_that_nobody_looked_at_would_be_found(call: Call, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setitem(observability._FORMS, "x-correlation-id", re.compile(r"(?s).*"))

    assert echoed(call, "X-Correlation-Id", given) == given


def forged(call: Call, printed: Printed) -> list[str]:
    """Lines of the log that somebody else wrote, after a refusal that quotes what they sent."""
    printed()
    assert call(door, "GET", "/dynos", query={INJECTED["a line of their own"]: "1"}).status == 422
    lines = printed().splitlines()
    assert "forged" in "".join(lines)
    return [line for line in lines if line.startswith('{"level":"ERROR"')]


def test_a_line_of_the_log_is_one_line_whatever_it_quotes(call: Call, printed: Printed) -> None:
    assert forged(call, printed) == []


def test_a_log_that_quotes_it_as_it_came_would_be_found(
    call: Call, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScrubbedFormatter, "serialize", lambda _, log: f"{log['message']} {log.get('detail')}")

    assert forged(call, printed) != []
