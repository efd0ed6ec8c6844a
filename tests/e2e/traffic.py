"""What a stack is made to do, so that its lines have everything to tell; and when ingest has told of all of it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cdk.local import aws
from cdk.local.invoke import call
from tests.e2e import insights
from tests.e2e.deployment import Lines, lines_since
from tests.e2e.site import Site, eventually, in_days

BOOKINGS, BROKEN = 20, 10
"""Of 20 the slowest, which the door's first is, is beyond the 95th percentile."""

SETTLED_S = 60
POISON = {"record": "dyno-call/1", "event_id": "e2e-poison"}

LOOKS = (
    "/allocations",
    "{one}",
    "/allocations/conflicts",
    "/allocations/refusals",
    "/dynos",
    "/vehicles",
    "/users",
    "/metrics/performance",
    "/metrics/performance?source=raw&hours=1",
    "/metrics/calls?correlation_id={known_by}",
    "/metrics/business",
    "/metrics/roi",
)
"""Every method that has series of its own, and some that have none."""


def body(site: Site, test_type: str, day: int) -> dict[str, Any]:
    terms = {"test_type": test_type, "start_date": in_days(day), "days_to_complete": 1, "backup": False}
    return {"vin": site.add_vehicle(), **terms}


def work(site: Site, known_by: str) -> None:
    """A day's traffic: bookings, a replay, a refusal, a cancellation, lists, reports, and the night's run."""
    site.add_dyno(known_by)
    wanted = [body(site, known_by, day) for day in range(5, 5 + BOOKINGS)]
    with site.client("admin") as client:
        client.headers["X-Correlation-Id"] = known_by
        client.get("/vehicles")
        eventually(lambda: site.rows_of(known_by), bool)  # ingest is cold, and each call beside another starts one more
        booked = [client.post("/allocations/auto", json=each, headers=key(known_by, each)) for each in wanted]
        again = client.post("/allocations/auto", json=wanted[0], headers=key(known_by, wanted[0]))
        refused = client.post("/allocations/auto", json=wanted[0])
        one = f"/allocations/{booked[-1].json()['allocation']['allocation_id']}"
        looked = [client.get(path.format(one=one, known_by=known_by)) for path in LOOKS]
        cancelled = client.delete(one)
    assert {answer.status_code for answer in booked} == {201}, booked[0].text
    assert (again.json(), refused.status_code, cancelled.status_code) == (booked[0].json(), 409, 200)
    assert {answer.status_code for answer in looked} == {200}, [answer.text for answer in looked]
    into_yesterdays_month(site, known_by)
    call(site.deployed, "roi", {})


def key(known_by: str, wanted: dict[str, Any]) -> dict[str, str]:
    return {"Idempotency-Key": f"{known_by}-{wanted['vin']}"}


def into_yesterdays_month(site: Site, test_type: str) -> None:
    """The night reports on yesterday's month; on its first day, the lab would have neither people nor refusals."""
    site.sql("update users set enrolled_at = enrolled_at - interval '2 days' where enrolled_at is not null")
    site.sql("update refusals set refused_at = refused_at - interval '1 day' where test_type = :test", test=test_type)


def fail(site: Site, test_type: str) -> None:
    """Calls that break, as the database lets nobody book."""
    site.sql("revoke execute on function book from dyno_allocations")
    try:
        with site.client("user") as client:
            wanted = body(site, test_type, 40)
            answers = [client.post("/allocations/auto", json=wanted) for _ in range(BROKEN)]
    finally:
        site.sql("grant execute on function book to dyno_allocations")
    assert {answer.status_code for answer in answers} == {500}


@contextmanager
def poison(site: Site) -> Iterator[None]:
    """A line in the call log that says it is a record and is none; taken out again, as others count these lines."""
    logs = aws.client("logs", site.deployed.aws_port)
    stream = {"logGroupName": site.call_log, "logStreamName": "poison"}
    logs.create_log_stream(**stream)
    try:
        event = {"timestamp": int(time.time() * 1000), "message": json.dumps(POISON)}
        logs.put_log_events(**stream, logEvents=[event])
        yield
    finally:
        logs.delete_log_stream(**stream)


def settled(site: Site, dead_letters: int = 0, since: float = 0) -> Lines:
    """Every line since the start, or a later moment, once ingest has told of all the records among them."""
    since_ms = int(max(site.started_at, since) * 1000)
    return eventually(
        lambda: lines_since(site.deployed.aws_port, since_ms),
        lambda lines: (
            told(lines, "rows", "observations") >= recorded(lines) and told(lines, "dead_letters") >= dead_letters
        ),
        SETTLED_S,
    )


def recorded(lines: Lines) -> int:
    poison = json.dumps(POISON)
    return sum('"dyno-call/1"' in line and line != poison for group in lines.values() for line in group)


def told(lines: Lines, *names: str) -> int:
    """The sum of what ingest says of its batches."""
    batches = (insights.record(line) for group in lines.values() for line in group if '"batch ingested"' in line)
    return sum(int(batch.get(name, 0)) for batch in batches for name in names)
