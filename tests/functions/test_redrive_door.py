"""From what is left over to what is in the tables: S3 and Logs by moto, and the real ingest door behind Invoke."""

import base64
import gzip
import io
import json
import select
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from cdk.constructs.pipeline import PATTERN
from dyno.errors import DatabaseUnavailable, DynoError, InvalidRequest, InvalidSettings, Unavailable
from dyno.metrics import leftovers
from dyno.metrics.packing import MAX_LINES
from dyno.settings import RedriveSettings
from functions.metrics_ingest import handler as ingest
from functions.redrive import handler as door
from tests.functions.conftest import EVENTS, Context
from tests.lab import Lab

BUCKET, GROUP, FUNCTION = "failed", "calls", "ingest"
KEY = "aws/lambda/async/ingest/2026/11/23/2026-11-23T18.24.05-0b6e7a52-6f3c-4f0e-8a53-3a5a6b4c7d8e"
POISON = '{"record": "dyno-call/1", "event_id"'


class Lambda:
    """
    Invoke, with the real door behind it.

    Attributes:
        before, after: What happens before and after the door has done its work.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None
        self._one_at_a_time = threading.Lock()

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803  # boto3's names
        assert FunctionName == FUNCTION
        self.calls += 1
        try:
            with self._one_at_a_time:  # each Lambda environment has one connection, and here is one environment
                self.before()
                said: Any = ingest.handler(json.loads(Payload), Context())  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001  # as Lambda does
            told = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(told).encode())}
        self.after()
        return {"Payload": io.BytesIO(json.dumps(said).encode())}


class Patient(Context):
    """The context of a function with all its time before it."""

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


class Site:
    """What is left over, and the tables."""

    def __init__(self, lab: Lab, invoked: Lambda) -> None:
        self.lab = lab
        self.invoked = invoked
        self.s3, self.logs = boto3.client("s3", "us-east-1"), boto3.client("logs", "us-east-1")

    def keep(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def keep_example(self, key: str = KEY) -> None:
        """Of three records; the real one of events/, as Lambda writes it."""
        self.keep(key, (EVENTS / "failed_batch.json").read_bytes())

    def kept(self) -> list[str]:
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())]

    def log(self, *lines: str, stream: str = "a") -> None:
        at_ms = int(datetime.now(UTC).timestamp() * 1000) - 1000
        events = [{"timestamp": at_ms, "message": line} for line in lines]
        for first in range(0, len(events), 1000):
            self.logs.put_log_events(
                logGroupName=GROUP,
                logStreamName=stream,
                logEvents=events[first : first + 1000],
            )

    def subscribe(self, *lines: str) -> None:
        """Log lines, and have them delivered as CloudWatch Logs does, under ids of the delivery's own."""
        self.log(*lines)
        found = self.logs.filter_log_events(logGroupName=GROUP)["events"][-len(lines) :]
        events = [
            {"id": f"sub-{n}", "timestamp": each["timestamp"], "message": each["message"]}
            for n, each in enumerate(found)
        ]
        batch = {"messageType": "DATA_MESSAGE", "logEvents": events}
        data = base64.b64encode(gzip.compress(json.dumps(batch).encode())).decode()
        ingest.handler({"awslogs": {"data": data}}, Context())  # type: ignore[arg-type]

    def redrive(self, **asked: str) -> dict[str, Any]:
        return door.handler(asked, Patient())  # type: ignore[arg-type]

    def tables(self) -> dict[str, int]:
        """Rows and what was counted of them; both are to agree."""
        return {
            "rows": self.lab.sql("select count(*) from metrics"),
            "counted": int(self.lab.sql("select coalesce(sum(calls), 0) from metrics_series")),
            "letters": self.lab.sql("select count(*) from dead_letters where redriven_at is null"),
        }


@pytest.fixture
def site(lab: Lab, enter: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> Site:
    enter("dyno_ingest")
    invoked = Lambda()
    of_moto = leftovers.client
    monkeypatch.setattr(leftovers, "client", lambda service: invoked if service == "lambda" else of_moto(service))
    for name, value in (
        ("FAILED_BATCHES_BUCKET", BUCKET),
        ("CALL_LOG_GROUP_NAME", GROUP),
        ("INGEST_FUNCTION_NAME", FUNCTION),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    boto3.client("s3", "us-east-1").create_bucket(Bucket=BUCKET)
    logs = boto3.client("logs", "us-east-1")
    logs.create_log_group(logGroupName=GROUP)
    for stream in "ab":
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    return Site(lab, invoked)


def record(event_id: str, **changes: Any) -> str:
    return json.dumps(
        {
            "service": "S",
            "method": "m",
            "record": "dyno-call/1",
            "event_id": event_id,
            "correlation_id": "c",
            "outcome": "success",
            "success": True,
            "duration_ms": 1.5,
            "created_at": datetime.now(UTC).isoformat(),
        }
        | changes
    )


def test_a_failed_batch_is_replayed_and_taken_away(site: Site) -> None:
    site.keep_example()

    report = site.redrive()

    assert report["failed_batches"] == {"found": 1, "replayed": 1, "left": 0}
    assert (report["complete"], report["rows_added"]) == (True, 3)
    assert site.kept() == []
    assert site.tables() == {"rows": 3, "counted": 3, "letters": 0}


def test_lines_that_were_never_delivered_are_read_from_the_log(site: Site) -> None:
    site.log("START RequestId: 1", record("e-1"), "END", record("e-2"))
    site.log(*(record(f"f-{number}") for number in range(MAX_LINES)), stream="b")

    report = site.redrive()

    assert (report["log"]["lines"], report["log"]["batches"]) == (MAX_LINES + 2, 2)
    assert (report["rows_added"], report["duplicates"], report["complete"]) == (MAX_LINES + 2, 0, True)
    assert site.tables() == {"rows": MAX_LINES + 2, "counted": MAX_LINES + 2, "letters": 0}


def test_what_arrived_arrives_no_second_time_and_poison_is_set_aside_once(site: Site) -> None:
    site.subscribe(record("e-1"), POISON)
    site.log(record("e-2"))

    first, second = site.redrive(), site.redrive()

    assert (first["rows_added"], first["new_dead_letters"], first["duplicates"]) == (1, 0, 2)
    assert (second["rows_added"], second["new_dead_letters"], second["duplicates"]) == (0, 0, 3)
    assert second["dead_letters"] == {"looked_at": 1, "recovered": 0}
    assert site.tables() == {"rows": 2, "counted": 2, "letters": 1}


def test_poison_that_was_lost_too_becomes_a_dead_letter(site: Site) -> None:
    site.log(POISON)

    report = site.redrive()

    assert (report["new_dead_letters"], report["rows_added"], report["complete"]) == (1, 0, True)
    assert site.tables() == {"rows": 0, "counted": 0, "letters": 1}


def test_a_line_from_the_future_is_recovered_once_it_is_past(site: Site) -> None:
    ahead = record("e-1", created_at=(datetime.now(UTC) + timedelta(hours=25)).isoformat())
    site.subscribe(ahead)
    site.lab.sql("update dead_letters set line = :line", line=record("e-1"))
    site.logs.delete_log_group(logGroupName=GROUP)
    site.logs.create_log_group(logGroupName=GROUP)

    report = site.redrive()

    assert report["dead_letters"] == {"looked_at": 1, "recovered": 1}
    assert report["rows_added"] == 1
    assert site.tables() == {"rows": 1, "counted": 1, "letters": 0}


def test_killed_between_ingest_and_delete_a_run_doubles_nothing(site: Site) -> None:
    site.keep_example()
    site.log(record("e-1"))

    def killed() -> None:
        raise KeyboardInterrupt  # nothing of ours catches it, as nothing survives a kill

    site.invoked.after = killed
    with pytest.raises(KeyboardInterrupt):
        site.redrive()
    between = site.tables()
    site.invoked.after = lambda: None
    report = site.redrive()

    assert between == {"rows": 3, "counted": 3, "letters": 0}
    assert (report["complete"], report["rows_added"], report["duplicates"]) == (True, 1, 3)
    assert site.kept() == []
    assert site.tables() == {"rows": 4, "counted": 4, "letters": 0}


def test_two_runs_at_once_double_nothing(site: Site) -> None:
    for number in range(3):
        site.keep_example(f"{KEY}{number}")
    site.log(*(record(f"e-{number}") for number in range(50)), POISON)
    start = threading.Barrier(2)
    reports: list[dict[str, Any]] = []

    def run() -> None:
        start.wait()
        reports.append(site.redrive())

    runs = [threading.Thread(target=run) for _ in range(2)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()

    assert [report["complete"] for report in reports] == [True, True]
    assert sum(report["rows_added"] for report in reports) == 53
    assert sum(report["new_dead_letters"] for report in reports) == 1
    assert site.kept() == []
    assert site.tables() == {"rows": 53, "counted": 53, "letters": 1}


def test_while_ingest_fails_everything_stays_for_the_next_run(site: Site) -> None:
    for number in range(5):
        site.keep_example(f"{KEY}{number}")
    site.log(record("e-1"))

    def gone() -> None:
        raise DatabaseUnavailable("the database is gone; password=hunter2")

    site.invoked.before = gone
    report = site.redrive()
    calls = site.invoked.calls
    site.invoked.before = lambda: None
    recovered = site.redrive()

    assert calls == 10, "three batches in a row, then each further part is tried once; each of them is asked twice"
    assert report["complete"] is False
    assert report["reason"].startswith("ingest failed: DatabaseUnavailable: the database is gone; password=[secret]")
    assert "stopped after 3 failures in a row" in report["reason"]
    assert report["log"]["since"] < report["log"]["go_on_since"] < report["log"]["until"]
    assert (report["log"]["batches"], report["log"]["failed"]) == (1, 1)
    assert site.kept() == []
    assert (recovered["complete"], recovered["failed_batches"]["replayed"], recovered["rows_added"]) == (True, 5, 4)


def test_one_session_that_was_ended_stops_nothing(site: Site) -> None:
    site.keep_example()
    site.log(record("e-1"))
    ended = iter([True])

    def gone_once() -> None:
        if next(ended, False):
            raise DatabaseUnavailable("the session was ended")

    site.invoked.before = gone_once
    report = site.redrive()

    assert report["complete"] is True, report["reason"]
    assert (report["failed_batches"]["replayed"], report["log"]["failed"]) == (1, 0)


def test_short_of_time_a_run_begins_nothing(site: Site) -> None:
    site.keep_example()

    report = door.handler({}, Context())  # type: ignore[arg-type]  # 20 s left

    assert site.invoked.calls == 0
    assert (report["complete"], site.kept()) == (False, [KEY, leftovers.UNFINISHED_KEY])
    assert "before the function's deadline" in report["reason"]


def test_a_strange_object_is_left_and_named_in_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.keep("notes.txt", b"do not delete")
    site.keep_example()

    report = site.redrive()

    assert report["failed_batches"] == {"found": 2, "replayed": 1, "left": 1}
    assert site.kept() == ["notes.txt"]
    [warning] = [line for line in caplog.records if line.message == "not a failed batch"]
    assert warning.__dict__["key"] == "notes.txt"


def test_what_aws_refuses_is_the_reason(site: Site) -> None:
    site.s3.delete_bucket(Bucket=BUCKET)
    site.logs.delete_log_group(logGroupName=GROUP)

    report = site.redrive()

    assert report["complete"] is False
    assert "the failed batches cannot be listed: NoSuchBucket" in report["reason"]
    assert "the call log cannot be read: ResourceNotFoundException" in report["reason"]


def test_a_call_that_lambda_refuses_is_a_failure_like_any_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "of account 1234"}}, "Invoke")

    monkeypatch.setattr(site.invoked, "invoke", refuse)

    report = site.redrive()

    assert report["reason"] == "ingest cannot be called: TooManyRequestsException"


@pytest.mark.parametrize("payload", [b"not json", b'{"errorMessage": "Task timed out after 60.00 seconds"}'])
def test_a_failure_that_does_not_explain_itself_is_shown_as_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch, payload: bytes
) -> None:
    monkeypatch.setattr(
        site.invoked, "invoke", lambda **_: {"FunctionError": "Unhandled", "Payload": io.BytesIO(payload)}
    )

    report = site.redrive()

    assert report["reason"] == f"ingest failed: {payload.decode()}"


def test_a_run_is_one_line_of_the_log_and_no_record(
    site: Site, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    site.keep_example()

    report = site.redrive()

    [line] = [line for line in caplog.records if line.message == "redrive finished"]
    assert line.levelname == "INFO"
    assert {name: line.__dict__[name] for name in report} == report
    assert '"dyno-call/1"' not in capsys.readouterr().out


def test_an_incomplete_run_is_an_error_of_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.keep_example()

    door.handler({}, Context())  # type: ignore[arg-type]

    assert [line.levelname for line in caplog.records if line.message == "redrive finished"] == ["ERROR"]


def test_an_event_that_makes_no_sense_is_refused(site: Site) -> None:
    with pytest.raises(InvalidRequest, match="redrive takes since and until"):
        site.redrive(since="yesterday")


def test_settings_that_are_missing_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAILED_BATCHES_BUCKET", raising=False)

    with pytest.raises(InvalidSettings, match=r"FAILED_BATCHES_BUCKET.*CALL_LOG_GROUP_NAME.*INGEST_FUNCTION_NAME"):
        door.handler({}, Context())  # type: ignore[arg-type]


def test_the_log_is_searched_for_what_the_subscription_delivers() -> None:
    assert leftovers.TERM == PATTERN


def test_throttling_is_waited_for_but_ingest_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    configs = {service: leftovers.client(service).meta.config for service in ("s3", "logs", "lambda")}

    tries = {service: config.retries["total_max_attempts"] for service, config in configs.items()}
    assert tries == {"s3": 4, "logs": 4, "lambda": 1}


def test_the_schedules_event_is_the_example(site: Site) -> None:
    event = json.loads((EVENTS / "redrive.json").read_text())

    assert site.redrive(**event)["complete"]


def test_a_night_that_is_not_complete_fails_after_it_has_said_so(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.keep_example()

    with pytest.raises(DynoError, match="not complete: stopped before the function's deadline"):
        door.handler({"must_complete": True}, Context())  # type: ignore[arg-type]  # 20 s left

    assert [line.levelname for line in caplog.records if line.message == "redrive finished"] == ["ERROR"]


def test_the_night_after_a_failed_one_begins_where_that_stopped(site: Site) -> None:
    before = door.handler({}, Context())  # type: ignore[arg-type]  # 20 s left
    between = site.kept()
    after = site.redrive()

    assert between == [leftovers.UNFINISHED_KEY]
    assert (after["log"]["since"], after["complete"]) == (before["log"]["go_on_since"], True)
    assert site.kept() == []


@pytest.mark.parametrize(
    ("told", "down"),
    [
        ({"errorType": "Unavailable", "errorMessage": "x"}, True),
        ({"errorType": "DatabaseUnavailable", "errorMessage": "x"}, True),
        ({"errorType": "DatabaseResuming", "errorMessage": "x"}, True),
        ({"errorMessage": "2026-11-23T18:24:05Z 1 Task timed out after 60.00 seconds"}, True),
        ({"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: 1 Error: Task timed out after 60.00 s"}, True),
        ({"errorType": "KeyError", "errorMessage": "Unavailable"}, False),
        ({"errorType": "Runtime.ExitError", "errorMessage": "signal: killed"}, False),
        ([], False),
    ],
    ids=str,
)
def test_an_ingest_that_is_down_is_told_from_one_that_breaks(
    site: Site, monkeypatch: pytest.MonkeyPatch, told: object, *, down: bool
) -> None:
    failure = {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(told).encode())}
    monkeypatch.setattr(site.invoked, "invoke", lambda **_: failure)
    edge = leftovers.Leftovers(RedriveSettings(BUCKET, GROUP, FUNCTION))

    with pytest.raises(Unavailable if down else leftovers.IngestBroke, match="ingest failed: "):
        edge.ingest({})


def test_an_invoke_that_hangs_ends_by_itself_and_is_not_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        once = leftovers.ONCE.merge(Config(read_timeout=0.2, proxies={}))
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hanging = boto3.client("lambda", "us-east-1", config=once, endpoint_url=address)
        monkeypatch.setattr(site.invoked, "invoke", hanging.invoke)
        edge = leftovers.Leftovers(RedriveSettings(BUCKET, GROUP, FUNCTION))
        with pytest.raises(Unavailable, match="ingest cannot be called: ReadTimeoutError"):
            edge.ingest({})
        calls = 0
        while select.select([silent], [], [], 0.5)[0]:
            silent.accept()[0].close()
            calls += 1

    assert calls == 1
