"""Each monitoring strategy, deployed: what a line carries for CloudWatch differs, what is counted does not."""

import json
from typing import Any

import httpx
import pytest

from cdk.local import aws
from tests.e2e.site import Site, eventually, in_days

CARRIED: dict[str, set[str]] = {
    "cloudwatch": {"Duration", "Errors", "Rejections", "Allocations"},
    "hybrid": {"Allocations"},
    "prometheus": set(),
}


@pytest.fixture(scope="module")
def calls(strategy: str, site: Site) -> list[dict[str, Any]]:
    """A booking and a refusal; their lines."""
    known_by = f"strategy-{strategy}"
    site.add_dyno(known_by)
    body = {"vin": site.add_vehicle(), "test_type": known_by, "start_date": in_days(5), "days_to_complete": 1}
    with site.client("user") as client:
        for status in (201, 409):
            answer = client.post(
                "/allocations/auto", json=body | {"backup": False}, headers={"X-Correlation-Id": known_by}
            )
            assert answer.status_code == status
    eventually(lambda: site.rows_of(known_by), lambda rows: rows == 2)  # ingest is cold
    lines = [json.loads(line) for line in site.record_lines() if f'"{known_by}"' in line]
    return [line for line in lines if line["method"] == "auto_allocate"]


def test_the_lines_carry_what_the_strategy_says(strategy: str, calls: list[dict[str, Any]]) -> None:
    for line in calls:
        directives = line.get("_aws", {}).get("CloudWatchMetrics", [])
        carried = {metric["Name"] for directive in directives for metric in directive["Metrics"]}
        assert carried == CARRIED[strategy]
    assert [line["outcome"] for line in calls] == ["success", "rejected"]


def test_every_strategy_has_the_rows_the_report_and_the_exposition(
    strategy: str, calls: list[dict[str, Any]], site: Site
) -> None:
    assert site.rows_of(f"strategy-{strategy}") == 2
    with site.client("user") as client:
        stats = client.get("/metrics/performance").json()["stats"]
    [reported] = [each["total_calls"] for each in stats if each["method"] == "auto_allocate"]
    text = httpx.get(f"{site.url}/metrics/prometheus", timeout=35, trust_env=False).text
    exposed = [
        line.rpartition(" ")[2]
        for line in text.splitlines()
        if line.startswith("dyno_calls_total{") and '"auto_allocate"' in line
    ]
    assert (
        sum(map(int, exposed))
        == reported
        == site.sql("select count(*) from metrics where method_name = 'auto_allocate'")[0][0]
    )
    assert f'strategy="{strategy}"' in text


def test_every_strategy_has_its_dashboard_and_alarms(strategy: str, site: Site) -> None:
    cloudwatch = aws.client("cloudwatch", site.deployed.aws_port)

    [dashboard] = cloudwatch.list_dashboards()["DashboardEntries"]
    assert dashboard["DashboardName"] == "DynoAgent-Production"
    assert cloudwatch.describe_alarms()["MetricAlarms"]
