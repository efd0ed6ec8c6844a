"""What is deployed to watch a stack, and every line that the stack logs, by the local AWS's own word."""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cdk.app import build
from cdk.local import aws
from cdk.local.stage import is_on_metric_math
from tests.e2e import insights
from tests.e2e.insights import Query

Item = dict[str, Any]
Lines = Mapping[str, list[str]]
"""By log group."""


@dataclass(frozen=True)
class Deployment:
    """
    What is deployed to watch.

    Attributes:
        alarms: As DescribeAlarms has them.
        widgets: Of the dashboards.
        queries: Of the dashboards, and those that are kept.
        filters: As DescribeMetricFilters has them.
    """

    alarms: list[Item]
    widgets: list[Item]
    queries: list[Query]
    filters: list[Item]

    @classmethod
    def read(cls, strategy: str, port: int) -> "Deployment":
        """By the account's own word; by the templates only for what the local AWS does not know."""
        cloudwatch, logs = (aws.client(service, port) for service in ("cloudwatch", "logs"))
        described = cloudwatch.get_paginator("describe_alarms").paginate()
        alarms = [alarm for page in described for alarm in page["MetricAlarms"]]
        filters = logs.get_paginator("describe_metric_filters").paginate()
        widgets = list(_widgets(cloudwatch))
        left_out = list(_left_out(strategy, port))
        return cls(
            [*alarms, *(given | {"AlarmName": name} for name, given in left_out if "Metrics" in given)],
            [each["properties"] for each in widgets if each["type"] == "metric"],
            [
                *(_asked(each["properties"]) for each in widgets if each["type"] == "log"),
                *(_kept(given) for _, given in left_out if "QueryString" in given),
            ],
            [each for page in filters for each in page["metricFilters"]],
        )

    def asked_for(self, correlation_id: str) -> "Deployment":
        """The same, with an id where queries want one pasted in."""
        pasted = [
            query._replace(text=re.sub("(?<=correlation_id = ')[^']*", correlation_id, query.text))
            for query in self.queries
        ]
        return replace(self, queries=pasted)


def _widgets(cloudwatch: Any) -> Iterator[Item]:
    for board in cloudwatch.list_dashboards()["DashboardEntries"]:
        body = cloudwatch.get_dashboard(DashboardName=board["DashboardName"])["DashboardBody"]
        yield from json.loads(body)["widgets"]


def _asked(given: Item) -> Query:
    sources = [rest for verb, rest in insights.commands(given["query"]) if verb == "SOURCE"]
    return Query(given["title"], tuple(each.strip("'") for each in sources), given["query"])


def _kept(given: Item) -> Query:
    return Query(given["Name"], tuple(given["LogGroupNames"]), given["QueryString"])


def _left_out(strategy: str, port: int) -> Iterator[tuple[str, Item]]:
    """Alarms on metric math and saved queries, by their ids in the templates; the local AWS has neither."""
    paged = aws.client("cloudformation", port).get_paginator("list_exports").paginate()
    exports = {each["Name"]: each["Value"] for page in paged for each in page["Exports"]}
    with tempfile.TemporaryDirectory() as folder:
        build({"stage": "local", "monitoring": strategy}, folder).synth()
        templates = [json.loads(path.read_text()) for path in Path(folder).glob("*.template.json")]
    for name, resource in (item for template in templates for item in template["Resources"].items()):
        given = resource.get("Properties", {})
        if is_on_metric_math(resource) or resource["Type"] == "AWS::Logs::QueryDefinition":
            yield name, _resolved(given, exports)


def _resolved(value: Any, exports: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_resolved(each, exports) for each in value]
    if not isinstance(value, dict):
        return value
    if "Fn::ImportValue" in value:
        return exports[value["Fn::ImportValue"]]
    return {name: _resolved(each, exports) for name, each in value.items()}


def lines_since(port: int, since_ms: int) -> Lines:
    """Every line of every log group from a moment on, in Unix time."""
    logs = aws.client("logs", port)
    groups = [
        each["logGroupName"]
        for page in logs.get_paginator("describe_log_groups").paginate()
        for each in page["logGroups"]
    ]
    found = {}
    for group in groups:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since_ms)
        found[group] = [event["message"] for page in pages for event in page["events"]]
    return found
