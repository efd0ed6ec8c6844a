import base64
import contextvars
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from moto import mock_aws

from dyno import tracing
from dyno.metrics import calls, correlated, correlation_headers, invocation, outgoing, track_performance
from dyno.metrics.calltree import tree
from dyno.metrics.model import Finished
from dyno.observability import Request, incoming, serving
from tests.unit.metrics.recording import recording

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
REGION = "us-east-1"


@dataclass
class Context:
    """As much of Lambda's context as says who called."""

    client_context: Any = None
    aws_request_id: str = "lambda-id"


@pytest.fixture(autouse=True)
def nobodys_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)


@pytest.fixture
def request_id() -> Iterator[str]:
    """The id of the request being served."""
    with serving(Request("trip-1", "ann")):
        yield "trip-1"


@pytest.fixture
def call_id(request_id: str) -> Iterator[str]:
    """The id of the call being made, within the request."""
    with recording(), track_performance("S", method="sends"):
        call = calls.current()
        assert call is not None
        yield call.event_id


class Wire:
    """What a client would have sent; AWS answers yes to everything."""

    def __init__(self, client: Any) -> None:
        self.sent: list[AWSPreparedRequest] = []
        self._yes = {"sns": b"<R><PublishResult/></R>", "s3": b""}.get(client.meta.service_model.service_name, b"{}")
        client.meta.events.register("before-send", self._answer)

    def _answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        self.sent.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), SimpleNamespace(stream=lambda: iter([self._yes])))

    def header(self, name: str) -> str | None:
        value = self.sent[-1].headers.get(name)
        return value.decode() if isinstance(value, bytes) else value

    def client_context(self) -> Any:
        given = self.header("X-Amz-Client-Context")
        return given and json.loads(base64.b64decode(given))

    def body(self) -> Any:
        return json.loads(self.text())

    def text(self) -> str:
        body = self.sent[-1].body
        return body.decode() if isinstance(body, bytes) else str(body)


def client_of(service: str) -> tuple[Any, Wire]:
    client = correlated(boto3.client(service, REGION))  # type: ignore[call-overload]
    return client, Wire(client)


def received(client_context: Any) -> Context:
    """Lambda's context of a function that was invoked with it."""
    return Context(SimpleNamespace(**{"custom": None, "env": None, "client": None} | client_context))


def test_headers_name_the_request_and_the_innermost_open_call(call_id: str) -> None:
    with track_performance("S", method="inner"):
        inner = calls.current()
        assert inner is not None
        headers = correlation_headers()

    assert headers == {"X-Correlation-Id": "trip-1", "X-Parent-Call-Id": inner.event_id}
    assert correlation_headers() == {"X-Correlation-Id": "trip-1", "X-Parent-Call-Id": call_id}


def test_headers_pass_on_the_traceparent_that_came_in() -> None:
    with serving(incoming({"headers": {"traceparent": TRACEPARENT}}, Context())):
        headers = correlation_headers()

    assert headers == {"X-Correlation-Id": "4bf92f3577b34da6a3ce929d0e0e4736", "traceparent": TRACEPARENT}


class Traced:
    """A call's span, of whichever library."""

    def headers(self) -> dict[str, str]:
        return {"traceparent": TRACEPARENT.replace("00f067aa0ba902b7", "1111111111111111")}

    def end(self, *_: object) -> None:
        """It is over."""


class Broken(Traced):
    def headers(self) -> dict[str, str]:
        raise RuntimeError("no place")


@pytest.mark.parametrize(("span", "parent"), [(Traced(), "1111111111111111"), (Broken(), "00f067aa0ba902b7")])
def test_a_traced_call_is_what_the_next_hangs_below(span: Traced, parent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_begin", lambda *_: span)

    with recording(), serving(Request("trip-1", traceparent=TRACEPARENT)), track_performance("S"):
        headers = correlation_headers()

    assert headers["traceparent"] == f"00-4bf92f3577b34da6a3ce929d0e0e4736-{parent}-01"


def test_a_call_outside_of_a_request_names_itself() -> None:
    with recording() as records, track_performance("S"):
        headers = correlation_headers()

    event_id = records.one["event_id"]
    assert headers == {"X-Correlation-Id": event_id, "X-Parent-Call-Id": event_id}


def test_there_are_no_headers_outside_of_requests_and_calls_nor_for_ids_nobody_would_take() -> None:
    assert correlation_headers() == {}

    with serving(Request("a\r\nSet-Cookie: b")):
        assert correlation_headers() == {}


def test_calls_of_two_functions_are_one_tree() -> None:
    def receive(event: dict[str, Any]) -> None:
        with invocation(event, Context()):
            track_performance("Receiver", method="receives")(lambda: None)()

    with recording() as records, serving(Request("trip-1")), track_performance("Sender", method="sends"):
        # In a context of its own, as it would be in a process of its own.
        contextvars.Context().run(receive, {"headers": correlation_headers()})

    [outermost] = tree([finished(record) for record in records])
    assert {record["correlation_id"] for record in records} == {"trip-1"}
    assert (outermost.method, [call.method for call in outermost.calls]) == ("sends", ["receives"])


def finished(record: dict[str, Any]) -> Finished:
    """A record as it comes back from the table."""
    at = datetime.fromisoformat(record["created_at"])
    who = (record["event_id"], record["parent_event_id"], record["service"], record["method"])
    return Finished(*who, record["outcome"], at, record["duration_ms"])


@pytest.mark.parametrize("operation", ["invoke", "invoke_with_response_stream"])
def test_an_invoke_says_in_its_client_context_where_it_comes_from(operation: str, call_id: str) -> None:
    client, wire = client_of("lambda")

    getattr(client, operation)(FunctionName="next", Payload=b"{}")

    context = wire.client_context()
    assert context == {"custom": {"X-Correlation-Id": "trip-1", "X-Parent-Call-Id": call_id}}
    assert incoming({}, received(context)) == Request("trip-1", parent_call_id=call_id)


def encoded(context: Any) -> str:
    return base64.b64encode(json.dumps(context).encode()).decode()


def test_a_client_context_that_is_there_is_added_to(request_id: str) -> None:
    client, wire = client_of("lambda")
    given = {"custom": {"tenant": "north"}, "env": {"locale": "de"}}

    client.invoke(FunctionName="next", ClientContext=encoded(given))

    assert wire.client_context() == {
        "custom": {"X-Correlation-Id": request_id, "tenant": "north"},
        "env": {"locale": "de"},
    }


@pytest.mark.parametrize(
    "given",
    [
        encoded({"custom": {"X-Correlation-Id": "own"}}),
        encoded({"custom": {"large": "x" * 2_640}}),
        encoded({"custom": "text"}),
        encoded(["no object"]),
        "not base64",
    ],
)
def test_a_client_context_that_is_full_or_none_is_left_alone(given: str, request_id: str) -> None:
    client, wire = client_of("lambda")

    client.invoke(FunctionName="next", ClientContext=given)

    assert wire.header("X-Amz-Client-Context") == given


def test_a_message_to_a_queue_says_where_it_comes_from(call_id: str) -> None:
    with mock_aws():
        sqs = correlated(boto3.client("sqs", REGION))
        queue = sqs.create_queue(QueueName="q")["QueueUrl"]
        own = {"tenant": {"DataType": "String", "StringValue": "north"}}
        sqs.send_message(QueueUrl=queue, MessageBody="one", MessageAttributes=own)
        sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": "2", "MessageBody": "two"}])
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"])[
            "Messages"
        ]

    assert own == {"tenant": {"DataType": "String", "StringValue": "north"}}
    assert len(messages) == 2
    for message in messages:
        assert incoming(queue_event(message), Context()) == Request("trip-1", parent_call_id=call_id)
    assert "tenant" in messages[0]["MessageAttributes"]


def queue_event(message: Any) -> dict[str, Any]:
    """A message as Lambda hands it over."""
    attributes = {
        name: {"stringValue": each["StringValue"], "dataType": each["DataType"]}
        for name, each in (message.get("MessageAttributes") or {}).items()
    }
    return {"Records": [{"body": message["Body"], "attributes": {}, "messageAttributes": attributes}]}


@pytest.mark.parametrize("raw", ["true", "false"])
def test_a_message_to_a_topic_says_where_it_comes_from(raw: str, call_id: str) -> None:
    with mock_aws():
        sqs, sns = boto3.client("sqs", REGION), correlated(boto3.client("sns", REGION))
        queue = sqs.create_queue(QueueName="q")["QueueUrl"]
        topic = sns.create_topic(Name="t")["TopicArn"]
        sns.subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:{REGION}:123456789012:q",
            Attributes={"RawMessageDelivery": raw},
        )
        sns.publish(TopicArn=topic, Message="one")
        sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[{"Id": "2", "Message": "two"}])
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"])[
            "Messages"
        ]

    assert len(messages) == 2
    for message in messages:
        assert incoming(queue_event(message), Context()) == Request("trip-1", parent_call_id=call_id)


def attributes(count: int) -> dict[str, Any]:
    return {f"a{number}": {"DataType": "String", "StringValue": "x"} for number in range(count)}


@pytest.mark.parametrize(
    ("own", "added"),
    [(8, ["X-Correlation-Id", "X-Parent-Call-Id"]), (9, ["X-Correlation-Id"]), (10, []), (12, [])],
)
def test_a_message_without_room_goes_as_it_is(own: int, added: list[str], call_id: str) -> None:
    client, wire = client_of("sqs")
    given = attributes(own)

    client.send_message(QueueUrl="https://q", MessageBody="one", MessageAttributes=given)

    assert list(wire.body()["MessageAttributes"]) == [*given, *added]
    assert len(given) == own


def test_what_the_caller_says_itself_stands(call_id: str) -> None:
    client, wire = client_of("sqs")
    own = {"X-Correlation-Id": {"DataType": "String", "StringValue": "own"}}

    client.send_message(QueueUrl="https://q", MessageBody="one", MessageAttributes=own)

    assert wire.body()["MessageAttributes"]["X-Correlation-Id"]["StringValue"] == "own"


@pytest.mark.parametrize(("size", "added"), [(200_000, True), (259_000, True), (261_000, False), (262_144, False)])
def test_a_message_near_the_limit_is_not_made_larger(size: int, added: bool, call_id: str) -> None:
    client, wire = client_of("sqs")

    client.send_message(QueueUrl="https://q", MessageBody="ü" * (size // 2))

    assert ("MessageAttributes" in wire.body()) == added


def test_attributes_of_the_callers_own_count_towards_the_limit(call_id: str) -> None:
    client, wire = client_of("sqs")
    own = {"large": {"DataType": "Binary", "BinaryValue": b"x" * 200_000}}

    client.send_message(QueueUrl="https://q", MessageBody="x" * 62_000, MessageAttributes=own)

    assert list(wire.body()["MessageAttributes"]) == ["large"]


@pytest.mark.parametrize(("size", "added"), [(25_000, True), (25_600, False)])
def test_a_batch_near_the_limit_is_not_made_larger(size: int, added: bool, call_id: str) -> None:
    client, wire = client_of("sqs")
    entries = [{"Id": str(number), "MessageBody": "x" * size} for number in range(10)]

    client.send_message_batch(QueueUrl="https://q", Entries=entries)

    assert ["MessageAttributes" in entry for entry in wire.body()["Entries"]] == [added] * 10


def test_a_text_message_goes_as_it_is(request_id: str) -> None:
    client, wire = client_of("sns")

    client.publish(PhoneNumber="+15550100", Message="one")

    assert "MessageAttributes" not in wire.text()


def test_an_event_keeps_its_detail_and_the_header_says_it(request_id: str) -> None:
    client, wire = client_of("events")
    entry = {"Source": "lab", "DetailType": "Closed", "Detail": '{"lab": 1}'}

    client.put_events(Entries=[entry])

    assert wire.body() == {"Entries": [entry]}
    assert wire.header("X-Correlation-Id") == request_id


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("dynamodb", "get_item", {"TableName": "t", "Key": {"id": {"S": "1"}}}),
        ("s3", "delete_object", {"Bucket": "b", "Key": "k"}),
        ("stepfunctions", "list_activities", {}),
        ("lambda", "list_functions", {}),
    ],
)
def test_any_request_has_the_header_and_it_is_signed(
    service: str, operation: str, parameters: dict[str, Any], request_id: str
) -> None:
    client, wire = client_of(service)

    getattr(client, operation)(**parameters)

    assert wire.header("X-Correlation-Id") == request_id
    authorization = wire.header("Authorization")
    assert authorization is not None
    assert "x-correlation-id" in authorization.split("SignedHeaders=")[1].split(",")[0].split(";")


def test_outside_of_requests_and_calls_nothing_is_added() -> None:
    client, wire = client_of("sqs")
    invoker, invoked = client_of("lambda")

    client.send_message(QueueUrl="https://q", MessageBody="one")
    invoker.invoke(FunctionName="next")

    assert "MessageAttributes" not in wire.body()
    assert wire.header("X-Correlation-Id") is invoked.client_context() is None


def test_a_client_is_given_back_and_made_so_once() -> None:
    client = boto3.client("sqs", REGION)

    with mock.patch.object(outgoing, "correlation_headers", return_value={}) as asked:
        assert correlated(correlated(client)) is client
        wire = Wire(client)
        client.send_message(QueueUrl="https://q", MessageBody="one")

    assert len(wire.sent) == 1
    assert asked.call_count == 2  # for the parameters, and for the header


def test_what_fails_in_here_stops_no_request() -> None:
    client, wire = client_of("sqs")

    with mock.patch.object(outgoing, "correlation_headers", side_effect=RuntimeError):
        client.send_message(QueueUrl="https://q", MessageBody="one")

    assert len(wire.sent) == 1


def test_a_presigned_address_asks_for_no_header(request_id: str) -> None:
    client, _ = client_of("s3")

    assert "correlation" not in client.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"}).lower()
