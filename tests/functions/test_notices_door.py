"""From what befell a booking to a queue of the lab's: the real outbox behind Invoke, EventBridge and SQS by moto."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from dyno.database import engine
from dyno.errors import DynoError, InvalidRequest, InvalidSettings, Unavailable
from dyno.notices import carrying
from dyno.settings import settings
from functions.notices import handler as door
from functions.outbox import handler as outbox
from tests.functions.conftest import EVENTS, Context
from tests.lab import MONDAY, Lab

SOURCE, FUNCTION = "dyno-agent.Test", "outbox"
RULE = {
    "source": [SOURCE],
    "detail-type": ["Booking moved", "Booking displaced", "Booking cancelled", "Hold lapsed"],
    "detail": {"by_owner": [False]},
}


class Roomy(Context):
    """The context of a function with all its time before it."""

    def get_remaining_time_in_millis(self) -> int:
        return 120_000


class Lambda:
    """
    Invoke, with the real door behind it.

    Attributes:
        before: What happens before the door does its work, in the order in which it is called.
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.before: Callable[[dict[str, Any]], None] = lambda _: None

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803  # boto3's names
        assert FunctionName == FUNCTION
        asked = json.loads(Payload)
        self.asked.append(asked)
        try:
            self.before(asked)
            said = outbox.handler(asked, Context())  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001  # as Lambda does
            told = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(told).encode())}
        return {"Payload": io.BytesIO(json.dumps(said).encode())}


class Events:
    """
    EventBridge, of which some calls go wrong.

    Attributes:
        refuse: By the number of the call, from 0: the error of each entry, or what is raised.
    """

    def __init__(self) -> None:
        self._bus = boto3.client("events", "us-east-1")
        self.refuse: Callable[[int, list[dict[str, Any]]], list[str | None]] = lambda _, entries: [None] * len(entries)
        self.calls: list[int] = []

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  # boto3's names
        errors = self.refuse(len(self.calls), Entries)
        self.calls.append(len(Entries))
        taken = [entry for entry, error in zip(Entries, errors, strict=True) if error is None]
        if taken:
            self._bus.put_events(Entries=taken)
        said = [{"EventId": "e"} if error is None else {"ErrorCode": error, "ErrorMessage": "…"} for error in errors]
        return {"FailedEntryCount": len(Entries) - len(taken), "Entries": said}


class Site:
    """A lab, somebody who carries its notices, and the queue that the documented rule brings them to."""

    def __init__(self, lab: Lab, invoked: Lambda, events: Events) -> None:
        self.lab, self.invoked, self.events = lab, invoked, events
        self._sqs = boto3.client("sqs", "us-east-1")
        self._queue = self._sqs.create_queue(QueueName="lab")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]
        bus = boto3.client("events", "us-east-1")
        bus.put_rule(Name="ours", EventPattern=json.dumps(RULE))
        bus.put_targets(Rule="ours", Targets=[{"Id": "queue", "Arn": arn["QueueArn"]}])

    def ring(self) -> dict[str, Any]:
        """As the log subscription does, which hands over lines that nobody reads."""
        return door.handler(json.loads((EVENTS / "log_batch.json").read_text()), Roomy())  # type: ignore[arg-type]

    def sweep(self) -> dict[str, Any]:
        return door.handler(json.loads((EVENTS / "notices.json").read_text()), Roomy())  # type: ignore[arg-type]

    def cancel(self, bookings: int = 1) -> None:
        self.lab.sql(
            "select cancel(id, 'ada', true) from (select id from occupancies where status = 'scheduled'"
            " order by id limit :bookings) these",
            bookings=bookings,
        )

    def arrived(self) -> list[dict[str, Any]]:
        """What is in the queue, and is not any more then."""
        found = []
        while some := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in some:
                found.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def waiting(self) -> int:
        waits: int = self.lab.sql("select count(*) from notices where sent_at is null")
        return waits

    def nobody_has_them(self) -> None:
        """Whoever had claimed some is long gone."""
        self.lab.sql("update notices set claimed_until = clock_timestamp() where sent_at is null")


@pytest.fixture
def site(lab: Lab, enter: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    enter("dyno_notices")
    monkeypatch.setenv("OUTBOX_FUNCTION_NAME", FUNCTION)
    monkeypatch.setenv("EVENT_SOURCE", SOURCE)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(carrying, "FIRST_WAIT_S", 0)
    invoked, events = Lambda(), Events()
    site = Site(lab, invoked, events)
    clients = {"lambda": invoked, "events": events}
    monkeypatch.setattr(boto3, "client", lambda name, **_: clients[name])
    lab.dyno("D1")
    lab.vehicle()
    yield site
    engine(settings()).dispose()


def book(lab: Lab, count: int = 1) -> list[int]:
    made = [lab.auto_allocate(start_date=MONDAY, backup=True, max_backup_days=90) for _ in range(count)]
    return [booked.allocation_id for booked in made if booked.allocation_id]


def test_what_befell_a_booking_arrives_by_the_labs_rule(site: Site) -> None:
    (allocation_id,) = book(site.lab)
    site.cancel()

    carried = site.ring()

    (event,) = site.arrived()
    assert carried == {"sent": 1, "late": 0, "unsent": 0, "reason": None}
    assert (event["source"], event["detail-type"]) == (SOURCE, "Booking cancelled")
    assert event["detail"]["allocation_id"] == allocation_id
    assert (event["detail"]["owner"], event["detail"]["actor"]) == ("ann", "ada")
    assert site.ring()["sent"] == 0
    assert site.arrived() == []


def test_ones_own_cancellation_does_not_arrive_by_a_rule_that_does_not_want_it(site: Site) -> None:
    book(site.lab)
    site.lab.sql("select cancel(id, 'ann', false) from occupancies")

    assert site.ring()["sent"] == 1
    assert site.arrived() == []


def test_many_are_sent_ten_at_a_time_until_none_waits(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    book(site.lab, 25)
    site.cancel(25)
    monkeypatch.setattr(carrying, "MOST", 12)

    assert site.ring()["sent"] == 25
    assert site.events.calls == [10, 2, 10, 2, 1]
    assert len({event["detail"]["notice_id"] for event in site.arrived()}) == 25
    assert site.waiting() == 0


def test_entries_that_eventbridge_does_not_take_are_sent_again_and_no_others(site: Site) -> None:
    book(site.lab, 3)
    site.cancel(3)
    site.events.refuse = lambda call, entries: (
        [None, "ThrottlingException", None] if call == 0 else [None] * len(entries)
    )

    assert site.ring()["sent"] == 3

    assert site.events.calls == [3, 1]
    assert len({event["detail"]["notice_id"] for event in site.arrived()}) == 3


def test_an_entry_that_is_never_taken_waits_while_the_others_are_sent(site: Site) -> None:
    book(site.lab, 3)
    site.cancel(3)
    last = site.lab.sql("select max(history_id) from notices")
    site.events.refuse = lambda _, entries: [
        "InternalFailure" if json.loads(entry["Detail"])["notice_id"] == last else None for entry in entries
    ]

    with pytest.raises(DynoError, match="EventBridge did not take 1: InternalFailure"):
        site.ring()

    assert site.events.calls == [3, 1, 1, 1]
    assert len(site.arrived()) == 2
    assert site.waiting() == 1

    site.events.refuse = lambda _, entries: [None] * len(entries)
    assert site.ring()["sent"] == 1  # it was given back, so nobody waits for a claim to end
    (event,) = site.arrived()
    assert event["detail"]["notice_id"] == last


def test_one_that_is_never_taken_holds_up_none_that_come_later(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    book(site.lab, 25)
    site.cancel(25)
    monkeypatch.setattr(carrying, "MOST", 12)
    first = site.lab.sql("select min(history_id) from notices")
    site.events.refuse = lambda _, entries: [
        "InternalFailure" if json.loads(entry["Detail"])["notice_id"] == first else None for entry in entries
    ]

    with pytest.raises(DynoError, match="EventBridge did not take 1: InternalFailure"):
        site.ring()

    assert len(site.arrived()) == 24
    assert site.lab.rows("select history_id, claimed_until from notices where sent_at is null") == [(first, None)]


def test_a_failure_that_is_taken_for_success_would_be_found(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    book(site.lab)
    site.cancel()
    site.events.refuse = lambda _, entries: ["InternalFailure"] * len(entries)
    monkeypatch.setattr(carrying, "_refused", lambda bus, notices, _: bus.send(notices) and {})

    site.ring()

    assert (site.waiting(), site.arrived()) == (0, [])  # lost, which the test before would see


def test_where_eventbridge_is_away_all_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    book(site.lab, 12)
    site.cancel(12)
    away = boto3.session.Session().client("events", "us-east-1", endpoint_url="http://127.0.0.1:9", config=carrying.BUS)
    monkeypatch.setattr(boto3, "client", lambda name, **_: {"lambda": site.invoked, "events": away}[name])

    with pytest.raises(DynoError, match="EventBridge did not take 12: EndpointConnectionError, not tried"):
        site.ring()

    assert site.waiting() == 12


def test_who_dies_between_the_commit_and_the_bell_is_made_up_for_at_night_once(site: Site) -> None:
    book(site.lab)
    site.cancel()  # and nobody rings
    site.lab.sql("update history set at = at - interval '5 hours' where action = 'cancel'")

    with pytest.raises(DynoError, match="1 notices had been left behind; they are sent now"):
        site.sweep()

    assert len(site.arrived()) == 1
    assert site.sweep()["sent"] == 0
    assert site.arrived() == []


def test_a_night_that_finds_what_has_just_happened_does_not_complain(site: Site) -> None:
    book(site.lab)
    site.cancel()

    assert site.sweep() == {"sent": 1, "late": 0, "unsent": 0, "reason": None}


def test_who_dies_before_it_is_noted_has_it_sent_again_under_its_id(site: Site) -> None:
    book(site.lab)
    site.cancel()

    def die(asked: dict[str, Any]) -> None:
        if asked["sent"]:
            raise SystemError("killed")

    site.invoked.before = die
    with pytest.raises(Unavailable, match="the outbox failed"):
        site.ring()
    site.invoked.before = lambda _: None
    assert site.ring()["sent"] == 0  # it is claimed
    site.nobody_has_them()
    assert site.ring()["sent"] == 1

    first, again = site.arrived()
    assert first["detail"] == again["detail"]


def test_two_bells_at_once_send_each_once(site: Site) -> None:
    book(site.lab, 3)
    site.cancel(3)

    def ring_again(asked: dict[str, Any]) -> None:
        if len(site.invoked.asked) == 2:
            site.ring()

    site.invoked.before = ring_again
    site.ring()

    assert len(site.arrived()) == 3


def test_the_outbox_takes_nothing_else(site: Site) -> None:
    for event in ({"sent": ["1"]}, {"most": 101}, {"drop": True}, {"sent": [0]}):
        with pytest.raises(InvalidRequest, match="the outbox takes sent, unsent and most"):
            outbox.handler(event, Context())  # type: ignore[arg-type]

    example = json.loads((EVENTS / "outbox.json").read_text())
    assert outbox.handler(example, Context()) == {"notices": []}  # type: ignore[arg-type]


def test_a_door_that_was_told_nothing_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUTBOX_FUNCTION_NAME", raising=False)
    monkeypatch.delenv("EVENT_SOURCE", raising=False)

    with pytest.raises(InvalidSettings, match="OUTBOX_FUNCTION_NAME is missing; EVENT_SOURCE is missing"):
        door.handler({}, Roomy())  # type: ignore[arg-type]


def test_a_run_that_has_no_time_left_asks_for_no_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    book(site.lab, 2)
    site.cancel(2)
    monkeypatch.setattr(Roomy, "get_remaining_time_in_millis", lambda _: 30_000)
    monkeypatch.setattr(carrying, "MOST", 1)

    with pytest.raises(DynoError, match="deadline"):
        site.ring()

    assert (len(site.arrived()), site.waiting()) == (1, 1)
