"""From a call to its row and its number in both reports, once, however often the row is delivered."""

import json
import re
import time
import uuid
from typing import Any

import httpx
import pytest

from cdk.local import promtool
from dyno.metrics.catalogue import EARLIER
from tests.e2e.site import SHOWS_S, Site, eventually, in_days

AUTO = "auto_allocate"


def reported(client: httpx.Client, method: str = AUTO) -> dict[str, int]:
    """The counts of a method in /metrics/performance."""
    for stats in client.get("/metrics/performance").json()["stats"]:
        if stats["method"] == method:
            return {name: stats[f"{name}_count"] for name in ("success", "rejected", "error")} | {
                "total": stats["total_calls"]
            }
    return {"success": 0, "rejected": 0, "error": 0, "total": 0}


def exposed(site: Site, method: str = AUTO) -> dict[str, int]:
    """The same in /metrics/prometheus."""
    answer = httpx.get(f"{site.url}/metrics/prometheus", timeout=35, trust_env=False)  # no token: the front adds one
    assert answer.status_code == 200, answer.text
    sample = rf'^dyno_calls_total{{service="\w+",method="{method}",outcome="(\w+)"}} (\d+)'
    found = re.findall(sample, answer.text, re.MULTILINE)
    counts = {"success": 0, "rejected": 0, "error": 0} | {outcome: int(count) for outcome, count in found}
    return counts | {"total": sum(counts.values())}


def book(client: httpx.Client, site: Site, calls: int) -> str:
    """So many calls of auto_allocate under one correlation id, all but one refused."""
    known_by = f"e2e-{uuid.uuid4()}"
    terms = {"test_type": "e2e-pipeline", "start_date": in_days(10), "days_to_complete": 1, "backup": False}
    body = {"vin": site.add_vehicle(), **terms}
    for _ in range(calls):
        client.post("/allocations/auto", json=body, headers={"X-Correlation-Id": known_by})
    return known_by


@pytest.fixture(scope="module", autouse=True)
def _dyno(site: Site) -> None:
    for _ in range(20):
        site.add_dyno("e2e-pipeline")


def settled(site: Site) -> int:
    """How many rows there are once as many have come as lines were logged; asking for a report is a call too."""
    return eventually(lambda: site.count("metrics"), lambda rows: rows == len(site.record_lines()))


def bookings(site: Site) -> int:
    """Rows of calls that tried to book."""
    rows: int = site.sql("select count(*) from metrics where method_name = :name", name=AUTO)[0][0]
    return rows


def test_calls_show_in_both_reports_within_3_s_and_agree(site: Site, user: httpx.Client) -> None:
    settled(site)
    before = reported(user)
    assert exposed(site) == before

    book(user, site, calls=5)
    last_call = time.monotonic()
    wanted = before | {
        "total": before["total"] + 5,
        "success": before["success"] + 1,
        "rejected": before["rejected"] + 4,
    }
    shown = eventually(lambda: (reported(user), exposed(site)), lambda both: both == (wanted, wanted), SHOWS_S)

    print(f"shown after {time.monotonic() - last_call:.2f} s")  # noqa: T201  # a figure to watch
    assert shown == (wanted, wanted)


def test_there_is_a_row_for_every_line_and_a_count_for_every_row(site: Site, user: httpx.Client) -> None:
    assert settled(site) == len(site.record_lines())
    assert site.count("dead_letters") == 0

    assert bookings(site) == reported(user)["total"] == exposed(site)["total"]


def test_the_calls_of_a_request_are_found_by_its_correlation_id(site: Site, user: httpx.Client) -> None:
    known_by = book(user, site, calls=2)

    found = eventually(
        lambda: user.get("/metrics/calls", params={"correlation_id": known_by}).json(),
        lambda answer: len(answer["calls"]) == 2,
    )

    assert [(call["method"], call["outcome"]) for call in found["calls"]] == [(AUTO, "success"), (AUTO, "rejected")]


def test_batches_delivered_again_and_in_another_order_change_nothing(site: Site, user: httpx.Client) -> None:
    book(user, site, calls=3)
    settled(site)
    lines = [line for line in site.record_lines() if f'"{AUTO}"' in line]
    before = (bookings(site), reported(user), exposed(site), totals(site))

    site.ingest(lines)
    site.ingest(reversed(lines))

    assert (bookings(site), reported(user), exposed(site), totals(site)) == before


def test_new_lines_delivered_twice_in_two_orders_count_once(site: Site, user: httpx.Client) -> None:
    settled(site)
    before = reported(user)
    sample = next(json.loads(line) for line in site.record_lines() if json.loads(line)["method"] == AUTO)
    lines = [json.dumps(sample | {"event_id": f"e2e{uuid.uuid4().hex[:13]}-{number}"}) for number in range(20)]

    site.ingest(lines)
    site.ingest(reversed(lines))

    assert reported(user)["total"] == before["total"] + 20 == exposed(site)["total"]


def test_20_scrapes_make_no_row(site: Site, user: httpx.Client, nobody: httpx.Client) -> None:
    before = settled_rows(site)

    assert {nobody.get("/metrics/prometheus").status_code for _ in range(20)} == {200}
    known_by = book(user, site, calls=1)  # what was in the pipeline before it has come out when it has
    eventually(lambda: site.rows_of(known_by), lambda rows: rows == 1)

    assert site.count("metrics") == before + 1


@pytest.mark.needs("promtool")
def test_promtool_accepts_the_exposition(nobody: httpx.Client) -> None:
    text = nobody.get("/metrics/prometheus").text

    promtool.check_metrics(text, but_for=[family.name for family in EARLIER])


def settled_rows(site: Site) -> int:
    """Rows once no more come."""
    rows = -1
    while rows != (rows := site.count("metrics")):
        time.sleep(0.5)
    return rows


def totals(site: Site) -> list[Any]:
    return site.sql("select * from metrics_series where method_name = :name order by 1, 2, 3", name=AUTO)
