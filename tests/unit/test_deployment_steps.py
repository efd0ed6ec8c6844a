"""The doors CloudFormation knocks at: whatever happens, it is told, and what failed fails."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.stub import Stubber

from dyno import bootstrap
from dyno.cloudformation import answer
from functions.bootstrap import handler as door

EVENTS = Path(__file__).parents[2] / "events"


@pytest.fixture
def cloudformation() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A place that takes PUTs; its URL and what it was told."""
    told: list[dict[str, Any]] = []

    class Bucket(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            told[-1]["content type"] = self.headers["Content-Type"]
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quietly."""

    server = HTTPServer(("127.0.0.1", 0), Bucket)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/signed", told
    server.shutdown()
    thread.join()
    server.server_close()


def schema_event(url: str, **changes: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / "schema_resource.json").read_text())
    return event | {"ResponseURL": url} | changes


def test_success_is_told_with_what_came_of_it(cloudformation: tuple[str, list[dict[str, Any]]]) -> None:
    url, told = cloudformation
    event = schema_event(url)

    answer(event, "dyno-schema", lambda: {"revision": "0002"})

    assert told == [
        {
            "Status": "SUCCESS",
            "Data": {"revision": "0002"},
            "PhysicalResourceId": "dyno-schema",
            "content type": "",
            **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        }
    ]


def fail() -> dict[str, str]:
    raise RuntimeError("no such role " + "x" * 5000)


def test_failure_is_told_with_its_reason_or_the_deploy_would_hang(
    cloudformation: tuple[str, list[dict[str, Any]]],
) -> None:
    url, told = cloudformation

    with pytest.raises(RuntimeError, match="no such role"):
        answer(schema_event(url), "dyno-schema", fail)

    assert [each["Status"] for each in told] == ["FAILED"]
    assert told[0]["Reason"].startswith("RuntimeError: no such role")
    assert told[0]["PhysicalResourceId"] == "dyno-schema"
    assert len(json.dumps(told[0])) < 4096


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/nobody-listens", "no address"])
def test_a_failure_that_cannot_be_told_is_raised_all_the_same(url: str) -> None:
    with pytest.raises(RuntimeError, match="no such role"):
        answer(schema_event(url), "dyno-schema", fail)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/nobody-listens", "no address"])
def test_a_success_that_cannot_be_told_is_an_error(url: str) -> None:
    with pytest.raises((OSError, ValueError)):
        answer(schema_event(url), "dyno-schema", lambda: {"revision": "0002"})


def test_a_delete_leaves_everything_as_it_is(cloudformation: tuple[str, list[dict[str, Any]]]) -> None:
    url, told = cloudformation
    event = schema_event(url, RequestType="Delete", PhysicalResourceId="as-before")

    answer(event, "dyno-schema", lambda: pytest.fail("nothing is to be done"))

    assert (told[0]["Status"], told[0]["PhysicalResourceId"]) == ("SUCCESS", "as-before")


def test_by_hand_a_failure_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        answer({}, "dyno-schema", lambda: {"revision": str(1 // 0)})


def test_the_roles_are_made_through_the_data_api_once_it_has_woken() -> None:
    api = boto3.client("rds-data", "eu-west-1", aws_access_key_id="k", aws_secret_access_key="s")
    env = {
        "CLUSTER_ARN": "arn:aws:rds:eu-west-1:123456789012:cluster:dyno",
        "SECRET_ARN": "arn:aws:secretsmanager:x" + "y" * 90,
        "DATABASE_NAME": "dyno",
    }
    asked = {"resourceArn": env["CLUSTER_ARN"], "secretArn": env["SECRET_ARN"], "database": "dyno"}
    with Stubber(api) as stub, patch("boto3.client", return_value=api), patch("time.sleep") as slept:
        for waking in sorted(bootstrap.WAKING):
            stub.add_client_error("execute_statement", waking, http_status_code=400)
        for sql in bootstrap.statements("dyno", iam=True):
            stub.add_response("execute_statement", {}, asked | {"sql": sql})

        made = bootstrap.by_data_api(env)

        stub.assert_no_pending_responses()
    assert slept.call_count == len(bootstrap.WAKING)
    assert made == [role.name for role in bootstrap.ROLES]
    assert "grant rds_iam to dyno_ingest" in list(bootstrap.statements("dyno", iam=True))


def test_a_database_of_any_name_is_closed_to_the_public() -> None:
    said = list(bootstrap.statements('my "lab"', iam=False))

    assert 'revoke connect, temporary on database "my ""lab""" from public' in said
    assert 'grant connect on database "my ""lab""" to dyno_roi' in said
    assert not any("rds_iam" in sql for sql in said)


def test_another_fault_of_the_data_api_is_told_at_once() -> None:
    api = boto3.client("rds-data", "eu-west-1", aws_access_key_id="k", aws_secret_access_key="s")
    env = {"CLUSTER_ARN": "c" * 20, "SECRET_ARN": "s" * 20, "DATABASE_NAME": "dyno"}
    with Stubber(api) as stub, patch("boto3.client", return_value=api), patch("time.sleep") as slept:
        stub.add_client_error("execute_statement", "BadRequestException", "no such database", http_status_code=400)

        with pytest.raises(api.exceptions.BadRequestException, match="no such database"):
            bootstrap.by_data_api(env)

    assert slept.call_count == 0


def test_the_doors_answer_events_of_cloudformation(cloudformation: tuple[str, list[dict[str, Any]]]) -> None:
    url, told = cloudformation
    event = json.loads((EVENTS / "roles_resource.json").read_text()) | {"ResponseURL": url}

    with patch.object(door, "by_data_api", return_value=["dyno_owner"]), patch.dict("os.environ", {"CLUSTER_ARN": "x"}):
        door.handler(event, None)  # type: ignore[arg-type]  # never read

    assert (told[0]["Status"], told[0]["Data"]) == ("SUCCESS", {"roles": "dyno_owner"})


def test_a_door_whose_work_fails_fails(cloudformation: tuple[str, list[dict[str, Any]]]) -> None:
    url, told = cloudformation
    event = json.loads((EVENTS / "roles_resource.json").read_text()) | {"ResponseURL": url}

    with (
        patch.object(door, "by_data_api", side_effect=PermissionError("not the master user")),
        patch.dict("os.environ", {"CLUSTER_ARN": "x"}),
        pytest.raises(PermissionError),
    ):
        door.handler(event, None)  # type: ignore[arg-type]  # never read

    assert (told[0]["Status"], told[0]["Reason"]) == ("FAILED", "PermissionError: not the master user")
