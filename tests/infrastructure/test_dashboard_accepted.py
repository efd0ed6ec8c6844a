"""What CloudWatch takes on a dashboard is accepted in every form, so that the check is not merely strict."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.infrastructure.dashboard_body import faults
from tests.infrastructure.dashboard_terms import is_instant, is_period, is_statistic, is_time_ago
from tests.infrastructure.test_dashboard_body import ACCOUNT, ALARM, LAMBDA, METRIC, REGION, Body, dimensions, variable

PERCENT = {"left": {"min": 0, "max": 100, "label": "%", "showUnits": False}, "right": {"min": 0.5}}
BAND = [{"value": 200, "label": "top", "color": "#9467bd", "visible": True, "yAxis": "right"}, {"value": 95.5}]
AROUND = [{"value": "2027-01-04T00:00:00Z", "label": "moved"}, {"value": "2027-01-05T00:00:00.000Z"}]
NOTES = {
    "horizontal": [BAND, {"value": 20, "fill": "above", "color": "#aaa"}, {"value": -1.5, "fill": "none"}],
    "vertical": [AROUND, {"value": "2027-01-04T12:00:00+01:00", "fill": "after", "visible": False}],
}

WIDGETS: list[tuple[str, dict[str, Any]]] = [
    ("text", {"markdown": ""}),
    ("text", {"markdown": "# Lab\n[runbook](https://example.org)", "background": "transparent"}),
    ("alarm", {"alarms": [ALARM]}),
    ("alarm", {"alarms": [ALARM] * 100, "sortBy": "timestamp", "states": ["ALARM", "OK"], "title": "Alarms"}),
    ("alarm", {"alarms": ["arn:aws-cn:cloudwatch:cn-north-1:123456789012:alarm:a b"], "states": []}),
    ("custom", {"endpoint": LAMBDA}),
    ("custom", {"endpoint": LAMBDA, "params": {"a": [1]}, "title": "Lab", "updateOn": {"refresh": True}}),
    (
        "explorer",
        {
            "metrics": [{"metricName": "Errors", "resourceType": "AWS::Lambda::Function", "stat": "Sum"}],
            "aggregateBy": {"key": "Runtime", "func": "MAX"},
            "labels": [{"key": "Runtime", "value": "python3.13"}, {"key": "Name"}],
            "widgetOptions": {"legend": {"position": "bottom"}, "view": "bar", "rowsPerPage": 8, "widgetsPerRow": 2},
            "period": 300,
            "splitBy": "FunctionName",
            "title": "Functions",
        },
    ),
    ("metric", {"region": REGION, "metrics": []}),
    ("metric", {"region": REGION, "annotations": {"alarms": [ALARM]}, "view": "timeSeries"}),
    ("metric", {"region": REGION, "metrics": [METRIC], "annotations": NOTES, "yAxis": PERCENT}),
    ("metric", {"region": REGION, "metrics": [METRIC], "view": "gauge", "yAxis": PERCENT}),
    ("metric", {"region": "us-gov-west-1", "metrics": [METRIC], "view": "singleValue", "sparkline": True}),
    ("metric", {"region": REGION, "metrics": [METRIC], "setPeriodToTimeRange": True, "accountId": ACCOUNT}),
    ("metric", {"region": REGION, "metrics": [METRIC], "view": "table", "table": {"layout": "vertical"}}),
    ("metric", {"region": REGION, "metrics": [METRIC], "view": "table", "table": {"summaryColumns": ["MIN", "AVG"]}}),
    ("metric", {"region": REGION, "metrics": [METRIC], "start": "-P7D", "singleValueFullPrecision": False}),
    (
        "metric",
        {
            "region": REGION,
            "metrics": [METRIC],
            "timezone": "+0130",
            "stacked": False,
            "liveData": True,
            "legend": {"position": "hidden"},
            "labels": {"visible": True},
            "stat": "p99.9",
            "period": 10,
            "title": "Errors",
            "start": "2027-01-04T00:00:00Z",
            "end": "2027-01-05T00:00:00Z",
        },
    ),
    ("log", {"region": REGION, "query": "SOURCE a | stats count(*) by bin(1h)", "view": "timeSeries", "stacked": True}),
    (
        "log",
        {"region": REGION, "query": "SOURCE a | stats sum(b) by c", "view": "pie", "title": "d", "accountId": ACCOUNT},
    ),
    ("log", {"region": REGION, "query": "SELECT * FROM `calls`", "queryLanguage": "SQL"}),
]


@pytest.mark.parametrize(("kind", "properties"), WIDGETS)
def test_every_form_of_a_widget_is_accepted(kind: str, properties: dict[str, Any]) -> None:
    assert faults({"widgets": [{"type": kind, "properties": properties}]}) == []


@pytest.mark.parametrize(
    "rows",
    [
        [dimensions(30)],
        [[*METRIC, {"label": "x", "color": "#1f77b4", "period": 60, "stat": "TM(2%:98%)", "visible": False}]],
        [[*METRIC, "site", "a", {"yAxis": "right", "region": "eu-west-1", "accountId": ACCOUNT}]],
        [[*METRIC, "site", "a"], [".", ".", ".", "b"], [".", "Calls", ".", "."]],
        [[*METRIC, "site", "a", "cell", "1"], ["...", "2"], ["...", "b", ".", "."], ["..."]],
        [[*METRIC, "site", "a"], [{"expression": "METRICS()/2"}], ["...", "b", {"id": "m1"}]],
        [[*METRIC, {"id": "m1"}], [{"expression": "e2*2", "id": "e1"}], [{"expression": "m1", "id": "e2"}]],
    ],
)
def test_every_form_of_metrics_is_accepted(rows: list[Any]) -> None:
    assert faults({"widgets": [{"type": "metric", "properties": {"region": REGION, "metrics": rows}}]}) == []


@pytest.mark.parametrize(
    "expression",
    [
        "100*m1/m_2",
        "-m1 ^ 2 - -1.5",
        "(m1 > 15 AND m_2 != 0) || m1 <= 3",
        'SUM([METRICS("4xx"), METRICS("5xx")])',
        "IF(m1<400, 10, 2)",
        "IF(FIRST(SORT(METRICS(), AVG, DESC))>100, 1, 0)",
        "SLICE(SORT(METRICS(), SUM, DESC, 20), 0, 10)",
        "FILL(m1, REPEAT) + FILL(m_2, MIN(m1))",
        "ANOMALY_DETECTION_BAND(m1, 4)",
        'LAMBDA("DataSource", true, "fuzzy", 99.9)',
        "SEARCH(' {AWS/EC2, InstanceId} MetricName=\"CPUUtilization\" ', 'Average', 300)",
        "SUM(SEARCH('{DynoAgent/Production,service,method} MetricName=\"Errors\"', 'p99', 60))",
        """SEARCH('{"My Namespace", "Dimension@Name"}, "Custom:Name[Special_Characters" ', 'Maximum', 120)""",
        """SEARCH('{AWS/Lambda,FunctionName} MetricName="Errors" OR (Calls AND (ProjectA OR ProjectB))', 'Sum')""",
        r"""SEARCH('NOT Namespace=AWS NOT "Europe\\France \(Network\)"', 'Maximum', 120)""",
        "SEARCH('{AWS/Lambda,FunctionName}', 'PR(:300)', 30)",
        'SELECT MAX(CPUUtilization) FROM SCHEMA("AWS/EC2", InstanceId) GROUP BY InstanceId LIMIT 10',
        """select avg(Duration) from "Dyno/Lab" where service = 'A' and method != 'b' order by avg() desc""",
    ],
)
def test_every_form_of_an_expression_is_accepted(expression: str) -> None:
    rows = [[*METRIC, {"id": "m1"}], ["Lab", "Calls", {"id": "m_2"}], [{"expression": expression, "label": ""}]]

    assert faults({"widgets": [{"type": "metric", "properties": {"region": REGION, "metrics": rows}}]}) == []


@pytest.mark.parametrize(
    "query",
    [
        "SOURCE calls | fields @timestamp",
        "SOURCE 'log1' | SOURCE \"/aws/log#2\" |filter Fault > 0\n| fields Message\n| stats count(*) by Fault.Name",
        "SOURCE logGroups(namePrefix: ['calls', 'gateway'], class: ['STANDARD']) | limit any 20",
        'SOURCE a | parse "Error for [*] [*] due to: *" a, b, c | fields coalesce(a, b) as d | sort d DESC | dedup d',
        r"SOURCE a | filter @message like /^REPORT .*(Init|Restore) Duration/ | parse @logStream /\d\/(?<a>[^\/]+)\[/",
        'SOURCE a | filter not (b in ["|", ")"]) and c =~ /x|"y/ # a comment | with \'a pipe\n| limit 5',
        "SOURCE a | STATS pct(duration_ms, 95) as p95, max(@t) BY BIN(5m), service | filter p95 > 2 / 3 | display p95",
        "SOURCE a | pattern @message | unmask @message | unnest items into item | filterIndex a = 'b'",
        "SOURCE a | join type=inner left=a right=b where a.id = b.id (SOURCE 'c' | filter x > 1) | fields `odd name`",
    ],
)
def test_every_form_of_a_query_is_accepted(query: str) -> None:
    assert faults({"widgets": [{"type": "log", "properties": {"region": REGION, "query": query}}]}) == []


@pytest.mark.parametrize(
    "body",
    [
        {"widgets": []},
        {"widgets": [], "start": "-PT3H", "periodOverride": "inherit"},
        {"widgets": [], "start": "2027-01-04T00:00:00.000Z", "end": "2027-01-05T00:00:00.000Z"},
        {"widgets": [], "variables": [variable(defaultValue="a", label="Function", visible=True)]},
        {"widgets": [], "variables": [variable(type="pattern", pattern="us-east-1")]},
        {
            "widgets": [],
            "variables": [variable(inputType="radio", values=[{"value": 1}, {"value": "b", "label": "B"}])],
        },
        {
            "widgets": [],
            "variables": [variable(inputType="select", search="{AWS/Lambda,FunctionName}", populateFrom="a")],
        },
    ],
)
def test_every_form_of_a_body_is_accepted(body: Body) -> None:
    assert faults(body) == []


def test_widgets_may_touch_and_the_last_column_may_be_used() -> None:
    places = [(0, 0, 12, 6), (12, 0, 12, 6), (0, 6, 24, 1), (23, 7, 1, 1000)]
    text_of = {"type": "text", "properties": {"markdown": ""}}
    widgets = [text_of | dict(zip(("x", "y", "width", "height"), place, strict=True)) for place in places]

    assert faults({"widgets": widgets}) == []


@pytest.mark.parametrize(
    ("holds", "known", "unknown"),
    [
        (
            is_statistic,
            "SampleCount Sum Average Minimum Maximum IQM p0 p50 p99.999 p100 tm90 wm98 tc90 ts90",
            "sum Avg max P99 p p101 p9.12345678901 TM90 PR300 IQM(1:2)",
        ),
        (
            is_statistic,
            "TM(2%:98%) TM(150:1000) TM(:95%) TS(80%:) WM(10%:90%) TC(0.005:0.030) PR(:300) PR(100:2000) PR(10:)",
            "tm(1:2) TM(:) TM(2:98%) TM(98%:2%) TM(5:5) TM(%:9) TM(10%:120%) PR(1%:2%)",
        ),
        (lambda seconds: is_period(int(seconds)), "1 5 10 20 30 60 120 300 86400", "0 2 15 45 90 -60 86460"),
        (is_time_ago, "-PT5M -PT3H -PT1H30M -P7D -P2W -P3M -P1DT12H", "PT3H -P -PT -P3H -PT7D -P7 3h now"),
        (
            is_instant,
            "2027-01-04T00:00Z 2027-01-04T00:00:00Z 2027-01-04T00:00:00.000Z 2027-01-04T00:00:00+01:00",
            "2027-01-04 2027-01-04T00:00:00 2027-13-04T00:00:00Z 2027-01-04T25:00:00Z -PT3H",
        ),
    ],
)
def test_a_word_is_known_or_is_not(holds: Callable[[str], bool], known: str, unknown: str) -> None:
    assert [word for word in known.split() if not holds(word)] == []
    assert [word for word in unknown.split() if holds(word)] == []
