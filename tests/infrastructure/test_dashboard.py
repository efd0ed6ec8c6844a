"""What the dashboard shows, row by row: by its meaning, under every strategy."""

import copy
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from dyno.metrics.catalogue import Row
from tests.infrastructure.template import Template, Templates, only, text

SHOWN: Mapping[Row, Mapping[str, str]] = {
    Row.SIGNALS: {
        "traffic": r"Duration.*SampleCount|count\(\*\) as calls",
        "latency": r"Duration.*p95.*|pct\(duration_ms, 95\)",
        "errors": r"Errors.*Sum|as Errors by service, method",
        "what broke": r"outcome = 'error'.*limit",
    },
    Row.BOOKINGS: {
        "placed": r"Allocations.*auto_allocate|as Allocations",
        "refused": r"Rejections.*Sum|as Rejections by service, method",
        "why": r"outcome = 'rejected'.*by service, method, error_type",
    },
    Row.LAB: {
        "hours": "HoursSaved",
        "money": "CostSavingsUSD",
        "bookings": "SuccessfulAllocations",
        "people": "ActiveUsers",
        "adoption": "AdoptionRate",
        "conflicts": "ConflictEliminationRate",
        "utilisation of dynos": "DynoUtilization",
    },
    Row.PIPELINE: {
        "lag": r"IngestLag",
        "dead letters": r'"DeadLetters"',
        "tries that failed": r'"Errors", "FunctionName", "<[^>]*IngestFunction',
        "batches given up": "AsyncEventsDropped",
        "batches not kept": "DestinationDeliveryFailures",
    },
    Row.API: {
        "4xx": "4XXError",
        "5xx": "5XXError",
        "latency": r'"Latency".*p99',
        "requests": r'"Count"',
    },
    Row.FUNCTIONS: {
        "concurrency": r'"ConcurrentExecutions".*Maximum',
        "crashes": r'"Errors", "FunctionName", "<[^>]*AllocationsFunction',
        "throttles": r'"Throttles"',
        "cold starts": r"ColdStart",
        "deployments": r'"Errors", "FunctionName", "<[^>]*MigrateFunction',
    },
    Row.DATABASE: {
        "capacity": r'"ServerlessDatabaseCapacity"',
        "of the most": r'"ACUUtilization"',
        "connections": r'"DatabaseConnections"',
        "deadlocks": r'"Deadlocks"',
    },
}
"""What somebody looks for in each row, and how a widget says it: by a metric, or by a question to the log."""


def body(template: Template) -> dict[str, Any]:
    board = only(template, "AWS::CloudWatch::Dashboard")["Properties"]["DashboardBody"]
    read: dict[str, Any] = json.loads(text(board))
    return read


def rows(template: Template) -> dict[str, list[dict[str, Any]]]:
    """The widgets by the heading above them, in the order in which they are seen; the first have none."""
    found: dict[str, list[dict[str, Any]]] = {"": []}
    for widget in sorted(body(template)["widgets"], key=lambda each: (each["y"], each["x"])):
        heading = re.match(r"## (.+)", widget["properties"].get("markdown", ""))
        if heading:
            found[heading[1]] = []
        else:
            found[list(found)[-1]].append(widget)
    return found


def unseen(template: Template) -> set[str]:
    """What no widget of its row shows."""
    seen = rows(template)
    return {
        f"{row}: {what}"
        for row, wanted in SHOWN.items()
        for what, said in wanted.items()
        if not any(re.search(said, json.dumps(widget["properties"]), re.DOTALL) for widget in seen.get(row, ()))
    }


def test_every_row_shows_what_somebody_looks_for_in_it(each: Templates) -> None:
    assert unseen(each.monitoring) == set()


def test_rows_stand_in_the_order_of_the_catalogue_below_the_alarms(each: Templates) -> None:
    assert list(rows(each.monitoring)) == ["", *Row]
    assert [widget["type"] for widget in rows(each.monitoring)[""]] == ["alarm"]
    assert set(SHOWN) == set(Row)


@pytest.mark.parametrize("planted", ["Deadlocks", "DeadLetters", "ConcurrentExecutions", "SampleCount", "error_type"])
def test_a_widget_that_shows_something_else_would_be_noticed(aws: Templates, planted: str) -> None:
    spoilt = json.loads(json.dumps(aws.monitoring).replace(planted, "Else"))

    assert unseen(spoilt) != set()


def test_golden_signals_are_by_method_under_every_strategy(each: Templates, strategy: str) -> None:
    signals = [json.dumps(widget["properties"]) for widget in rows(each.monitoring)[Row.SIGNALS]]

    if strategy == "cloudwatch":
        searching = [said for said in signals if "SEARCH" in said]
        assert len(searching) == 6
        assert all(re.search(r"\{DynoAgent/Production,service,method\}", said) for said in searching)
    else:
        assert not any("SEARCH" in said for said in signals)
        assert sum("by service, method" in said for said in signals) == 2
        assert sum("by bin(5m)" in said and '"view": "timeSeries"' in said for said in signals) == 2


def axes(template: Template) -> dict[str, str | None]:
    """What each graph's axis says it shows, by the graph's title."""
    shown = [widget["properties"] for row in rows(template).values() for widget in row]
    return {given["title"]: given["yAxis"]["left"].get("label") for given in shown if "yAxis" in given}


def test_axes_name_the_unit_of_what_they_show(aws: Templates) -> None:
    said = axes(aws.monitoring)

    assert said["Calls"] == "Count"
    assert said["Duration p95"] == "Milliseconds"
    assert said["Errors"] == "Count"
    assert said["Errors, share of calls"] is None
    assert said["IngestLag"] == "Seconds"
    assert said["HoursSaved"] is None
    assert "Percent" in {unit for title, unit in said.items() if "AdoptionRate" in title}


def test_the_alarm_that_wakes_somebody_is_seen_first(each: Templates) -> None:
    (alarms,) = rows(each.monitoring)[""]

    assert alarms["properties"]["alarms"][0].endswith(":alarm:DynoAgent-Urgent")
    composite = only(each.monitoring, "AWS::CloudWatch::CompositeAlarm")
    assert composite["Properties"]["AlarmName"] == "DynoAgent-Urgent"


def test_what_is_recorded_nightly_is_shown_over_nights(each: Templates, strategy: str) -> None:
    lab = rows(each.monitoring)[Row.LAB]

    assert body(each.monitoring)["start"] == "-P1D"
    for widget in lab:
        given = widget["properties"]
        assert (widget["type"] == "log") == (strategy == "prometheus")
        if widget["type"] == "metric":
            assert given["start"] == "-P62D"
            assert {metric[-1]["period"] for metric in given["metrics"]} == {86_400}


def test_a_row_out_of_order_would_be_noticed(aws: Templates) -> None:
    spoilt = copy.deepcopy(aws.monitoring)
    board = only(spoilt, "AWS::CloudWatch::Dashboard")["Properties"]
    swapped = text(board["DashboardBody"]).replace("## Database", "## X").replace("## API", "## Database")
    board["DashboardBody"] = swapped.replace("## X", "## API")

    assert list(rows(spoilt)) != ["", *Row]
