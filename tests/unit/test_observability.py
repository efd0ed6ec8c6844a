import contextvars
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dyno.observability import Request, current_request, incoming, is_correlation_id, logger, serving

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
AMZN = "Root=1-6922fa11-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1"
ROOT = "1-6922fa11-0123456789abcdef01234567"


@dataclass
class ClientContext:
    custom: Any = None
    env: Any = None
    client: Any = None


@dataclass
class Context:
    """As much of Lambda's context as there is to read."""

    aws_request_id: Any = "lambda-id"
    client_context: Any = field(default_factory=ClientContext)


def rest(headers: Any, claims: Any = None) -> dict[str, Any]:
    return {"headers": headers, "requestContext": {"requestId": "gateway", "authorizer": {"claims": claims}}}


def sqs(attributes: Any, body: str = "hello", **system: str) -> dict[str, Any]:
    return {"Records": [{"messageId": "m1", "body": body, "attributes": system, "messageAttributes": attributes}, {}]}


def sns(attributes: Any) -> dict[str, Any]:
    return {"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": "m1", "MessageAttributes": attributes}}]}


def eventbridge(detail: Any) -> dict[str, Any]:
    return {"version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Lab closed", "detail": detail}


def string(value: str) -> dict[str, Any]:
    """An attribute as SQS hands it over."""
    return {"stringValue": value, "stringListValues": [], "binaryListValues": [], "dataType": "String"}


def enveloped(attributes: Any) -> str:
    """A message of SNS in a queue that did not ask for it raw."""
    return json.dumps({"Type": "Notification", "Message": "hello", "MessageAttributes": attributes})


@pytest.fixture(autouse=True)
def no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)


@pytest.mark.parametrize(
    ("headers", "known_by"),
    [
        ({"X-Correlation-Id": "trip-1", "traceparent": TRACEPARENT, "X-Amzn-Trace-Id": AMZN}, "trip-1"),
        ({"x-correlation-id": "a.B_c-9"}, "a.B_c-9"),
        ({"traceparent": TRACEPARENT, "X-Amzn-Trace-Id": AMZN}, "4bf92f3577b34da6a3ce929d0e0e4736"),
        ({"X-Amzn-Trace-Id": AMZN}, ROOT),
        ({"X-Amzn-Trace-Id": "Self=1-67891234-12456789abcdef012345678;" + AMZN}, ROOT),
        ({"X-Amzn-Trace-Id": ROOT}, "gateway"),
        ({}, "gateway"),
        (None, "gateway"),
        ({"X-Correlation-Id": ""}, "gateway"),
        ({"X-Correlation-Id": None}, "gateway"),
        ({"X-Correlation-Id": "x" * 128}, "x" * 128),
        ({"X-Correlation-Id": "x" * 129}, "gateway"),
        ({"X-Correlation-Id": "a\r\nSet-Cookie: b"}, "gateway"),
        ({"X-Correlation-Id": "a\n"}, "gateway"),
        ({"X-Correlation-Id": "é"}, "gateway"),
        ({"traceparent": "00-xyz-1-01"}, "gateway"),
        ({"traceparent": TRACEPARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32)}, "gateway"),
        ({"traceparent": TRACEPARENT.replace("00f067aa0ba902b7", "0" * 16)}, "gateway"),
        ({"traceparent": "ff" + TRACEPARENT[2:]}, "gateway"),
    ],
)
def test_the_first_header_of_the_right_form_names_the_request(headers: Any, known_by: str) -> None:
    assert incoming(rest(headers), Context()).correlation_id == known_by


HTTP_API = {
    "version": "2.0",
    "headers": {"x-amzn-trace-id": AMZN},
    "requestContext": {
        "requestId": "JKJaXmPLvHcESHA=",
        "authorizer": {"jwt": {"claims": {"sub": "ann"}, "scopes": []}},
    },
}
FUNCTION_URL = {
    "version": "2.0",
    "headers": {"x-correlation-id": "trip-2"},
    "requestContext": {"requestId": "e1506fd5-9e7b-434f-bd42-4f8fa224b599", "authorizer": {"iam": {"userId": "AIDA"}}},
}
LOAD_BALANCER: dict[str, Any] = {
    "requestContext": {"elb": {"targetGroupArn": "arn"}},
    "multiValueHeaders": {"x-correlation-id": ["not this one", "trip-3"], "x-amzn-trace-id": [AMZN]},
}


@pytest.mark.parametrize(
    ("event", "known_by", "sub"),
    [
        (rest({}, {"sub": "ann"}), "gateway", "ann"),
        (HTTP_API, ROOT, "ann"),
        (HTTP_API | {"headers": {}}, "JKJaXmPLvHcESHA", "ann"),
        (FUNCTION_URL, "trip-2", None),
        (LOAD_BALANCER, "trip-3", None),
        (sqs({"X-Correlation-Id": string("trip-4")}), "trip-4", None),
        (sqs({}, AWSTraceHeader=AMZN), ROOT, None),
        (sqs({}, body=enveloped({"X-Correlation-Id": {"Type": "String", "Value": "trip-5"}})), "trip-5", None),
        (sqs({}, body='{"MessageAttributes"'), "lambda-id", None),
        (sns({"X-Correlation-Id": {"Type": "String", "Value": "trip-6"}}), "trip-6", None),
        (sns({"X-Correlation-Id": {"Type": "Binary", "Value": 5}}), "lambda-id", None),
        (eventbridge({"correlation_id": "trip-7"}), "trip-7", None),
        (eventbridge({"correlationId": "trip-8", "traceparent": TRACEPARENT}), "trip-8", None),
        (eventbridge({"X-Correlation-Id": "trip-9", "correlation_id": "other"}), "trip-9", None),
        (eventbridge({}), "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", None),
        ({"id": "order-5", "detail": {}}, "lambda-id", None),
        (rest({5: "no header", None: 6}), "gateway", None),
    ],
)
def test_every_kind_of_event_names_its_request(event: Any, known_by: str, sub: str | None) -> None:
    request = incoming(event, Context())

    assert (request.correlation_id, request.sub) == (known_by, sub)


def test_the_invoker_says_more_surely_than_the_event_it_passes_on() -> None:
    context = Context(client_context=ClientContext({"X-Correlation-Id": "invoker", "X-Parent-Call-Id": "env-7"}))

    request = incoming(rest({"X-Correlation-Id": "header", "traceparent": TRACEPARENT}), context)

    assert request == Request("invoker", None, "env-7", TRACEPARENT)


def test_what_is_not_of_its_form_leaves_the_word_to_the_next() -> None:
    context = Context(client_context=ClientContext({"X-Correlation-Id": "not a valid id"}))

    assert incoming(rest({"X-Correlation-Id": "header"}), context).correlation_id == "header"


@pytest.mark.parametrize(
    ("given", "parent"), [("env-7", "env-7"), ("a:b.c_d-1", "a:b.c_d-1"), ("a b", None), ("x" * 101, None), ("", None)]
)
def test_the_call_of_the_caller_is_taken_if_it_may_be_one(given: str, parent: str | None) -> None:
    assert incoming(rest({"X-Parent-Call-Id": given}), Context()).parent_call_id == parent


def test_an_event_that_says_nothing_is_named_by_lambdas_trace_then_by_its_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert incoming({}, Context()).correlation_id == "lambda-id"

    monkeypatch.setenv("_X_AMZN_TRACE_ID", AMZN + ";Lineage=1:0")

    assert incoming({}, Context()).correlation_id == ROOT
    assert incoming(eventbridge({}), Context()).correlation_id == eventbridge({})["id"]


@pytest.mark.parametrize("sub", [5, {}, ["ann"], "", "x" * 201, "a\0b", "\ud800"])
def test_a_caller_no_row_could_hold_is_none(sub: Any) -> None:
    assert incoming(rest({}, {"sub": sub}), Context()).sub is None


NAMED = (
    *("headers", "multiValueHeaders", "requestContext", "requestId", "authorizer", "claims", "jwt", "sub", "Records"),
    *("messageAttributes", "attributes", "AWSTraceHeader", "Sns", "MessageAttributes", "body", "stringValue", "Value"),
    *("detail", "detail-type", "id", "X-Correlation-Id", "traceparent", "correlation_id", "X-Parent-Call-Id"),
)
NAMES = st.sampled_from(NAMED)
TEXTS = st.text() | st.sampled_from(["trip", AMZN, TRACEPARENT, '{"MessageAttributes":{"X-Correlation-Id":[{}]}}'])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=500, deadline=None)
@given(event=JSON, custom=JSON, request_id=st.just("lambda-id") | JSON)
def test_no_event_is_too_odd_to_be_served(event: Any, custom: Any, request_id: Any) -> None:
    request = incoming(event, Context(request_id, ClientContext(custom)))

    assert is_correlation_id(request.correlation_id)
    assert incoming(event, object()).sub == request.sub


def test_without_any_name_a_request_is_given_one_of_its_own() -> None:
    known_by = {incoming(None, None).correlation_id for _ in range(5)}

    assert len(known_by) == 5
    assert all(map(is_correlation_id, known_by))


def test_a_request_is_current_only_while_it_is_served() -> None:
    with serving(Request("outer", "ann")):
        with serving(Request("inner")):
            assert current_request() == Request("inner")
        assert current_request() == Request("outer", "ann")
    assert current_request() is None


def test_the_log_speaks_of_the_request_that_is_served() -> None:
    with serving(Request("outer")):
        with serving(Request("inner")):
            assert logger.get_current_keys()["correlation_id"] == "inner"
        assert logger.get_current_keys()["correlation_id"] == "outer"
    assert "correlation_id" not in logger.get_current_keys()


class Hostile(dict[str, Any]):
    """An event, or a context, that takes no questions."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(headers={})
        self.error = error

    def get(self, *_: Any) -> Any:
        raise self.error

    items = get

    @property
    def client_context(self) -> Any:
        raise self.error

    @property
    def aws_request_id(self) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError(), KeyError(), RecursionError(), SystemExit(), KeyboardInterrupt()])
def test_an_event_or_a_context_that_takes_no_questions_is_served_under_an_id_made_here(error: BaseException) -> None:
    hostile = Hostile(error)

    known_by = [incoming({}, hostile), incoming(hostile, None), incoming({"headers": hostile}, Context())]

    assert all(is_correlation_id(request.correlation_id) for request in known_by)


def test_a_request_may_be_left_in_another_context_than_it_was_entered_in() -> None:
    served = serving(Request("abc"))
    contextvars.copy_context().run(served.__enter__)

    served.__exit__(None, None, None)

    assert current_request() is None
