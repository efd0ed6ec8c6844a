"""After all that the other tests did: nothing that was logged, kept or answered tells what nobody may read."""

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import pytest

from cdk.local import aws, users
from tests.e2e.deployment import lines_since
from tests.e2e.site import Site, eventually, in_days
from tests.secrets import found

KEPT = ("metrics", "observations", "dead_letters", "refusals", "roi_reports")
ADDRESS = f"ann.{uuid4().hex}@people.example"
CONFIDENTIAL = f"PROTOTYPE{uuid4().hex[:8].upper()}"
ORDER = {"vin": "9ZZ8LMF12VD000001", "test_type": "brake", "start_date": in_days(500), "days_to_complete": 1}
BOOK = "/allocations/auto"

pytestmark = pytest.mark.last


@pytest.fixture
def site(site: Site) -> Site:
    """The stack of all the others, running."""
    if site.process is None or site.process.poll() is not None:
        site.start()
    return site


@contextmanager
def unable_to_book(site: Site) -> Iterator[None]:
    """The door's login may not call the booking function: whatever it sends is refused by the database."""
    [[signature]] = site.sql("select oid::regprocedure::text from pg_proc where proname = 'book'")
    site.sql(f"revoke execute on function {signature} from dyno_allocations")
    try:
        yield
    finally:
        site.sql(f"grant execute on function {signature} to dyno_allocations")


def provoke(site: Site, client: httpx.Client) -> dict[str, httpx.Response]:
    """One of each kind of refusal, of requests that carry what must not be repeated."""
    token = client.headers["Authorization"]
    answers = {
        "404": client.post(BOOK, json=ORDER | {"vin": ADDRESS}),
        "422": client.post(BOOK, json=ORDER | {"password": CONFIDENTIAL, "test_type": 1}),
        "unknown parameter": client.get("/dynos", params={"token": CONFIDENTIAL}),
        "an id that is none": client.get(f"/allocations/{ADDRESS}"),
        "403": client.post("/vehicles", json={"vin": CONFIDENTIAL}),
        "428": client.patch("/allocations/1", json={"status": "completed"}),
        "413": client.post(BOOK, content=" " * 200_000),
        "401": httpx.get(f"{site.url}/dynos", headers={"Authorization": f"{token[:-9]}tampered0"}, trust_env=False),
        "a header of their own": client.get("/dynos", headers={"X-Correlation-Id": ADDRESS}),
    }
    with unable_to_book(site):
        answers["500"] = client.post(BOOK, json=ORDER | {"test_type": CONFIDENTIAL.lower()})
    return answers


def texts(site: Site) -> Iterator[tuple[str, str]]:
    """Everything there is to read, with where it is from."""
    for path in site.instance.folder.glob("*.log"):
        yield path.name, path.read_text(errors="replace")
    for path in site.instance.folder.glob("cdk.out/*.json"):
        yield path.name, path.read_text()
    for group, lines in lines_since(site.deployed.aws_port, 0).items():
        yield group, "\n".join(lines)
    for table in KEPT:
        yield table, json.dumps(site.sql(f"select to_jsonb(t)::text from {table} t"))
    s3 = aws.client("s3", site.deployed.aws_port)
    for bucket in s3.list_buckets()["Buckets"]:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
            for key in (each["Key"] for each in page.get("Contents", []) if not each["Key"].endswith(".zip")):
                content = s3.get_object(Bucket=bucket["Name"], Key=key)["Body"].read()
                yield (
                    key,
                    (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode(errors="replace"),
                )


def known(site: Site) -> dict[str, str]:
    """The secrets of this stack."""
    pool = aws.client("cognito-idp", site.deployed.aws_port)
    client = pool.describe_user_pool_client(
        UserPoolId=site.deployed.user_pool_id, ClientId=site.deployed.scraper_client_id
    )["UserPoolClient"]
    passwords = site.instance.read("users.json")["passwords"]
    return {
        "the scraper's client secret": client["ClientSecret"],
        **{f"the password of {role}": password for role, password in passwords.items()},
        **{f"the signature of {role}'s token": site.token(role).split(".")[2] for role in users.ROLES},
    }


def typed() -> dict[str, str]:
    """What the requests of this page carry."""
    return {"what was typed": CONFIDENTIAL, "what a statement was given": CONFIDENTIAL.lower(), "an address": ADDRESS}


def test_nothing_that_is_logged_kept_or_answered_tells_a_secret(site: Site) -> None:
    with site.client("power_user") as planner:
        answers = provoke(site, planner)
    statuses = [answer.status_code for answer in answers.values()]
    logged = eventually(lambda: dict(texts(site)), lambda seen: '"message":"failed"' in str(seen))

    assert statuses == [404, 422, 422, 404, 403, 428, 413, 401, 200, 500]
    assert "42501" in str(logged)  # the database's refusal is there to be read
    secrets = known(site) | typed()
    assert found(logged.items(), secrets) == []
    # Those two quote what they were asked for, to whoever asked.
    bodies = [(name, answer.text) for name, answer in answers.items() if name not in ("404", "an id that is none")]
    assert found(bodies, secrets) == []


def test_a_secret_in_a_log_would_be_found(site: Site) -> None:
    logs = aws.client("logs", site.deployed.aws_port)
    password = site.instance.read("users.json")["passwords"]["user"]
    for text in (site.token("user"), password, *typed().values(), f"[parameters: ('{CONFIDENTIAL}',)]"):
        group, stream = f"planted-{uuid4().hex}", "planted"
        logs.create_log_group(logGroupName=group)
        try:
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
            event = {"timestamp": int(time.time() * 1000), "message": text}
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])
            read = [each for each in texts(site) if each[0] == group]

            assert found(read, known(site) | typed()) != []
        finally:
            logs.delete_log_group(logGroupName=group)
