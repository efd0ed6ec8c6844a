"""What befell a booking, from a change over HTTP to a message in a queue where the documented rule brings it."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from cdk.local import aws
from cdk.local.instance import ROOT
from tests.e2e.site import Site, in_days

TEST_TYPE = "e2e-notices"
SOON_S = 60
"""Two functions start for the first time; on a busy machine that takes a while."""


def documented() -> tuple[dict[str, Any], dict[str, Any]]:
    """The event and the rule, as the page has them."""
    page = (ROOT / "docs" / "notices.md").read_text()
    event, rule = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    return event, rule


@pytest.fixture
def queue(site: Site) -> Iterator[Any]:
    """Messages that the documented rule brings, asked for until one comes."""
    sqs, events = (aws.client(service, site.deployed.aws_port) for service in ("sqs", "events"))
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="bookings", EventPattern=json.dumps(documented()[1]))
    events.put_targets(Rule="bookings", Targets=[{"Id": "told", "Arn": arn}])

    def messages(within_s: float) -> list[dict[str, Any]]:
        give_up_at = time.monotonic() + within_s
        while time.monotonic() < give_up_at:
            found = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10).get("Messages", [])
            for each in found:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
            if found:
                return [json.loads(each["Body"]) for each in found]
        return []

    yield messages
    with suppress(Exception):
        events.remove_targets(Rule="bookings", Ids=["told"])
        events.delete_rule(Name="bookings")
        sqs.delete_queue(QueueUrl=url)


def test_a_booking_that_somebody_else_moved_is_told_and_ones_own_change_is_not(
    site: Site, admin: httpx.Client, user: httpx.Client, queue: Any
) -> None:
    dyno_id = site.add_dyno(TEST_TYPE)
    vin = site.add_vehicle()
    asked = {"vin": vin, "test_type": TEST_TYPE, "start_date": in_days(30), "days_to_complete": 2}
    booked = user.post("/allocations/auto", json=asked).json()["allocation"]
    path = f"/allocations/{booked['allocation_id']}"

    moved = admin.patch(path, json={"start_date": in_days(31)}, headers={"If-Match": '"1"'})
    (event,) = queue(SOON_S)
    user.delete(path)

    example, _ = documented()
    assert (moved.status_code, event["detail-type"]) == (200, "Booking moved")
    assert event.keys() == example.keys()
    assert event["detail"].keys() == example["detail"].keys()
    assert event["detail"]["correlation_id"] == moved.headers["X-Correlation-Id"]
    assert event["detail"]["owner"] == user.get("/me").json()["sub"]
    assert event["detail"]["before"] == {
        "dyno_id": dyno_id,
        "dyno_name": booked["dyno_name"],
        "start_date": in_days(30),
        "end_date": in_days(31),
    }
    assert event["detail"]["after"]["end_date"] == in_days(32)
    assert queue(5) == []
