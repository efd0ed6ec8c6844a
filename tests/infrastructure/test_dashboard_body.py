"""Dashboards as CloudWatch reads them: ours has no fault, any fault is found, and what it takes is accepted."""

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.infrastructure.dashboard_body import SCHEMA, faults
from tests.infrastructure.template import Template, Templates, only, resources, text

Body = dict[str, Any]
Plant = Callable[[Body], object]

REGION = "us-east-1"
ACCOUNT = "123456789012"
ALARM = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:Errors"
LAMBDA = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:shows"
BELOW = 900
"""A row of the grid where no widget of ours is."""


def dashboard_body(template: Template) -> Body:
    """As AWS would see it: what only AWS knows is of the right form."""
    given = only(template, "AWS::CloudWatch::Dashboard")["Properties"]["DashboardBody"]
    body: Body = json.loads(text(filled(template, given)))
    return body


def filled(template: Template, value: Any) -> Any:
    match value:
        case {"Ref": str(name)}:
            return {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws"}.get(name, name)
        case {"Fn::GetAtt": [name, attribute]}:
            return arn(template, name) if attribute == "Arn" else name
        case {"Fn::ImportValue": str(name)}:
            return re.sub(r"\W", "-", name)
        case dict():
            return {key: filled(template, part) for key, part in value.items()}
        case list():
            return [filled(template, part) for part in value]
    return value


def arn(template: Template, name: str) -> str:
    _, service, kind = template["Resources"][name]["Type"].lower().split("::")
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{kind.removeprefix('composite')}:{name}"


@pytest.fixture(scope="module")
def ours(aws: Templates) -> Body:
    return dashboard_body(aws.monitoring)


def test_cloudwatch_would_take_the_dashboard(each: Templates) -> None:
    assert faults(dashboard_body(each.monitoring)) == []


def test_it_would_take_this_machines_but_for_the_ids_of_alarms_that_are_left_out_here(local: Templates) -> None:
    found = faults(dashboard_body(local.monitoring))

    ids = re.findall(r': alarms\.\d+: "(\w+)" is no', "\n".join(found))
    assert len(ids) == len(found)
    assert not resources(local.monitoring, "AWS::CloudWatch::Alarm").keys() & set(ids)


def body_with(**parts: Any) -> Plant:
    return lambda body: body.update(parts)


def body_without(part: str) -> Plant:
    return lambda body: body.pop(part)


def unstarted(body: Body) -> None:
    body.pop("start", None)
    body["end"] = DAY


def widget(kind: str, body: Body) -> dict[str, Any]:
    """The first of a type."""
    found: dict[str, Any] = next(widget for widget in body["widgets"] if widget["type"] == kind)
    return found


def placed(kind: str, **parts: Any) -> Plant:
    return lambda body: widget(kind, body).update(parts)


def drawn(kind: str, **properties: Any) -> Plant:
    return lambda body: widget(kind, body)["properties"].update(properties)


def lacking(kind: str, part: str) -> Plant:
    return lambda body: widget(kind, body).pop(part)


def undrawn(kind: str, part: str) -> Plant:
    return lambda body: widget(kind, body)["properties"].pop(part)


def added(kind: str, /, count: int = 1, **properties: Any) -> Plant:
    made = {"type": kind, "x": 0, "y": BELOW, "width": 6, "height": 6, "properties": properties}
    return lambda body: body["widgets"].extend([made] * count)


def unplaced(kind: str, count: int, **properties: Any) -> Plant:
    return lambda body: body["widgets"].extend([{"type": kind, "properties": properties}] * count)


def graph(*rows: list[Any], **properties: Any) -> Plant:
    return added("metric", region=REGION, metrics=list(rows), **properties)


def math(*expressions: str) -> Plant:
    """Expressions with the ids e0, e1 and so on."""
    return graph(*([{"expression": each, "id": f"e{number}"}] for number, each in enumerate(expressions)))


def search(terms: str, statistic: str = "Sum", period: str = "300") -> Plant:
    return math(f"SEARCH('{terms}', '{statistic}', {period})")


def noted(**annotations: Any) -> Plant:
    return drawn("metric", annotations=annotations)


def log(query: str, **properties: Any) -> Plant:
    return added("log", region=REGION, query=query, **properties)


def asked(command: str, **properties: Any) -> Plant:
    return log(f"SOURCE '/aws/lambda/calls' | {command}", **properties)


def variable(**changed: Any) -> dict[str, Any]:
    """One that a person types in, but for what is changed."""
    return {"type": "property", "property": "FunctionName", "inputType": "input", "id": "a"} | changed


def varied(*variables: dict[str, Any]) -> Plant:
    return body_with(variables=list(variables))


def dimensions(count: int) -> list[Any]:
    """A metric with so many."""
    return ["Lab", "Errors", *(part for number in range(count) for part in (f"d{number}", "v"))]


LAMBDAS = {"metricName": "Errors", "resourceType": "AWS::Lambda::Function"}
RESOURCES = [
    {**LAMBDAS, "stat": "Sum"},
    {"metricName": "CPUUtilization", "resourceType": "AWS::RDS::DBInstance", "stat": "Average"},
]
METRIC = ["Lab", "Errors"]
DAY, SPRING = "2027-01-04T00:00:00Z", "2027-02-30T00:00:00Z"

PLANTED: list[tuple[str, Plant]] = [
    # the body
    ("'widgets' is a required property", body_without("widgets")),
    ("('title' was unexpected)", body_with(title="Lab")),
    ('start: "3 hours" is no instant or time ago', body_with(start="3 hours")),
    ('start: "-PT7D" is no instant or time ago', body_with(start="-PT7D")),
    ("'start' is a dependency of 'end'", unstarted),
    ('start: "-PT3H" is no instant', body_with(start="-PT3H", end=DAY)),
    (f'end: "{SPRING}" is no instant', body_with(start=DAY, end=SPRING)),
    ("periodOverride: 'always' is not one of", body_with(periodOverride="always")),
    ("entries, 500 at most", unplaced("text", 500, markdown="")),
    ("bytes, 1000000 at most", added("text", markdown="x" * 1_000_000)),
    ("metrics in all widgets, 2500 at most", unplaced("metric", 6, region=REGION, metrics=[METRIC] * 500)),
    ("variables: 26 entries, 25 at most", varied(*(variable(id=f"v{number}") for number in range(26)))),
    ("variables.0.type: 'regex' is not one of", varied(variable(type="regex"))),
    ("variables.0.inputType: 'list' is not one of", varied(variable(inputType="list"))),
    ("variables.0.values: 0 entries, 1 at least", varied(variable(values=[]))),
    ("variables.0.values: 501 entries, 500 at most", varied(variable(values=[{"value": 1}] * 501))),
    ("variables.0.values.0: 'value' is a required", varied(variable(values=[{"label": "a"}]))),
    ("variables.0.defaultValue: 256 characters, 255", varied(variable(defaultValue="x" * 256))),
    ("variables.0: 'pattern' is a required property", varied(variable(type="pattern"))),
    ("variables.0: 'values' is a required property", varied(variable(inputType="select"))),
    ("variables.0: 'populateFrom' is a dependency", varied(variable(search="Errors"))),
    ('variables.0.id: "a b" is no', varied(variable(id="a b"))),
    ("variables.0.label: 31 characters, 30 at most", varied(variable(label="x" * 31))),
    ("the variable 'a' is given 2 times", varied(variable(), variable())),
    ("variable a: the search's parentheses do not", varied(variable(search="{Lab} (Errors", populateFrom="cell"))),
    # the grid
    ("type: 'graph' is not one of", placed("metric", type="graph")),
    ("type: 'chart' is not one of", placed("metric", type="chart")),
    ("'type' is a required property", lacking("metric", "type")),
    ("'properties' is a required property", lacking("metric", "properties")),
    ("('z' was unexpected)", placed("metric", z=1)),
    ("x: 24 is greater than", placed("metric", x=24)),
    ("x: -1 is less than", placed("metric", x=-1)),
    ("y: -1 is less than", placed("metric", y=-1)),
    ("'y' is a dependency of 'x'", lacking("metric", "y")),
    ("width: 25 is greater than", placed("metric", width=25)),
    ("height: 0 is less than", placed("metric", height=0)),
    ("height: 1001 is greater than", placed("metric", height=1001)),
    ('width: "8" is no integer', placed("metric", width="8")),
    ("it ends right of column 24", placed("metric", x=19, y=BELOW, width=6)),
    ("it overlaps widget", added("text", 2, markdown="")),
    # graphs
    ("'region' is a required property", undrawn("metric", "region")),
    ('region: "Virginia" is no', drawn("metric", region="Virginia")),
    ("('colour' was unexpected)", drawn("metric", colour="red")),
    ("view: 'lines' is not one of", drawn("metric", view="lines")),
    ('stacked: "true" is no boolean', drawn("metric", stacked="true")),
    ("title: 256 characters, 255 at most", drawn("metric", title="x" * 256)),
    ('stat: "Avarage" is no statistic', drawn("metric", stat="Avarage")),
    ("period: 90 is no period", drawn("metric", period=90)),
    ('timezone: "UTC" is no', drawn("metric", timezone="UTC")),
    ("legend.position: 'top' is not one of", drawn("metric", legend={"position": "top"})),
    ("legend: 'position' is a required property", drawn("metric", legend={})),
    ('yAxis.left.min: "0" is no number', drawn("metric", yAxis={"left": {"min": "0"}})),
    ("yAxis.left: it ends at 0", drawn("metric", yAxis={"left": {"min": 5, "max": 0}})),
    ("yAxis: Additional properties are not allowed ('middle'", drawn("metric", yAxis={"middle": {}})),
    ("yAxis.left: 'max' is a required property", drawn("metric", view="gauge", yAxis={"left": {"min": 0}})),
    ("'yAxis' is a required property", graph(METRIC, view="gauge")),
    ("yAxis: 'left' is a required property", drawn("metric", view="gauge", yAxis={"right": {"min": 0, "max": 1}})),
    ("table.summaryColumns.0: 'P50' is not one of", drawn("metric", table={"summaryColumns": ["P50"]})),
    ("'start' is a dependency of 'end'", drawn("metric", end="-PT1H")),
    ('accountId: "lab" is no', drawn("metric", accountId="lab")),
    ("it has neither metrics nor an alarm", added("metric", region=REGION)),
    ("it has metrics and an alarm", graph(METRIC, annotations={"alarms": [ALARM]})),
    (
        "it has an alarm and other annotations",
        added("metric", region=REGION, annotations={"alarms": [ALARM], "horizontal": [{"value": 1}]}),
    ),
    ("annotations: Additional properties are not allowed ('d", noted(diagonal=[])),
    ("annotations.alarms: 2 entries, 1 at most", added("metric", region=REGION, annotations={"alarms": [ALARM] * 2})),
    ('annotations.alarms.0: "Errors" is no', added("metric", region=REGION, annotations={"alarms": ["Errors"]})),
    ("annotations.horizontal.0: 'value' is a required", noted(horizontal=[{}])),
    ("annotations.horizontal.0: 1 entries, 2 at least", noted(horizontal=[[{"value": 1}]])),
    ("annotations.horizontal.0: 3 entries, 2 at most", noted(horizontal=[[{"value": 1}] * 3])),
    ('annotations.horizontal.0.value: "5" is no number', noted(horizontal=[{"value": "5"}])),
    ("annotations.horizontal.0.fill: 'left' is not", noted(horizontal=[{"value": 1, "fill": "left"}])),
    ('annotations.horizontal.0.color: "red" is no', noted(horizontal=[{"value": 1, "color": "red"}])),
    ('annotations.vertical.0.value: "noon" is no', noted(vertical=[{"value": "noon"}])),
    ("annotations.vertical.0: 'value' is a required", noted(vertical=[{}])),
    ("annotations.vertical.0: 1 entries, 2 at least", noted(vertical=[[{"value": DAY}]])),
    ("annotations.vertical.0: 3 entries, 2 at most", noted(vertical=[[{"value": DAY}] * 3])),
    ("annotations.vertical.0.fill: 'above' is not", noted(vertical=[{"value": DAY, "fill": "above"}])),
    # their metrics
    ("metrics: 501 entries, 500 at most", graph(*[METRIC] * 501)),
    ("metrics.0: 0 entries, 1 at least", graph([])),
    ("metrics.0.0: 7 is no object", graph([7])),
    ("metrics[0]: ['Lab'] lacks the metric's name", graph(["Lab"])),
    ("metrics[0]: dimension 'service' has no value", graph([*METRIC, "service"])),
    ("metrics[0]: dimension 'a' comes 2 times", graph([*METRIC, "a", "b", "a", "c"])),
    ("metrics[0]: 31 dimensions, 30 at most", graph(dimensions(31))),
    ("metrics[0]: ':Lab' is no name", graph([":Lab", "Errors"])),
    ("is no name", graph(["Lab", "x" * 256])),
    ("is too long", graph([*METRIC, "site", "x" * 1025])),
    ("metrics[0]: ['.', 'Errors'] stands for nothing", graph([".", "Errors"])),
    ("metrics[0]: ['...'] stands for nothing", graph(["..."])),
    ("metrics[1]: ['...', 'a', 'b', 'c'] stands for", graph(METRIC, ["...", "a", "b", "c"])),
    ("metrics[1]: ['.', '.', '.', 'x'] stands for", graph(METRIC, [".", ".", ".", "x"])),
    ("metrics[0]: properties stand last", graph(["Lab", {"label": "x"}, "Errors"])),
    ("metrics[0]: properties stand last", graph([*METRIC, {}, {}])),
    ("('colour' was unexpected)", graph([*METRIC, {"colour": "#fff"}])),
    ('metrics.0.2.stat: "p101" is no statistic', graph([*METRIC, {"stat": "p101"}])),
    ("metrics.0.2.period: 45 is no period", graph([*METRIC, {"period": 45}])),
    ("metrics.0.2.yAxis: 'top' is not one of", graph([*METRIC, {"yAxis": "top"}])),
    ("metrics[0]: it is neither a metric nor an expr", graph([{"label": "x"}])),
    ("metrics[0]: it is an expression and a metric", graph([*METRIC, {"expression": "1"}])),
    ('metrics.0.2.id: "M1" is no', graph([*METRIC, {"id": "M1"}])),
    ("the id 'm1' is given 2 times", graph(*[[*METRIC, {"id": "m1"}]] * 2)),
    # expressions
    ("no metric has the id 'm2'", math("e1/m2", "METRICS()")),
    ("expressions wait for each other", math("e1+1", "e0+1")),
    ("there is no function 'AVERAGE'", math("AVERAGE(METRICS())")),
    ("there is no function 'sum'", math("sum(METRICS())")),
    ("FILL takes 2 to 2 arguments, 1 are given", math("FILL(METRICS())")),
    ("cannot be read: it ends where ')' should", math("SUM(METRICS()")),
    ("cannot be read: ')' stands where an operator", math("SUM(METRICS()))")),
    ("cannot be read: ']' stands where ')' should", math("SUM(METRICS()]")),
    ("cannot be read: it ends where an operand", math("SUM(METRICS()) /")),
    ("cannot be read: '*' stands where an operand", math("2 / * 2")),
    ("cannot be read: '2' stands where an operator", math("2 2")),
    ("is a quote not closed?", math("SUM(METRICS('errors))")),
    ("it is no Metrics Insights query", math("SELECT P99(Duration) FROM Lab")),
    ("2 Metrics Insights queries, one at most", math(*["SELECT MAX(Duration) FROM Lab"] * 2)),
    ("101 searches, 100 at most", math(*["SEARCH('{Lab} Errors', 'Sum')"] * 101)),
    ("expression: 2049 characters, 2048 at most", math("1" * 2049)),
    # searches
    ("schema is no list of names in braces", search('{Lab,service MetricName="Errors"')),
    ("schema is no list of names in braces", search('{My Lab} MetricName="Errors"')),
    ("the search looks for nothing", search(" ")),
    ("the search's terms cannot be read", search('{Lab,service} MetricName="Errors')),
    ("the search's parentheses do not balance", search("{Lab,service} (Errors OR Calls")),
    ("the search's parentheses do not balance", search("{Lab,service} Errors)")),
    ("the search ends in 'OR'", search("{Lab,service} Errors OR")),
    ("the search has nothing for 'AND'", search("{Lab,service} AND Errors")),
    ("the operator is 'OR'", search("{Lab,service} Errors or Calls")),
    ("characters, 1024 at most", search("{Lab,service} " + "x" * 1024)),
    ("'Summe' is no statistic", search("{Lab,service} Errors", "Summe")),
    ("301 is no period", search("{Lab,service} Errors", period="301")),
    ("SEARCH has no text to look for", math("SEARCH(1, 'Sum', 300)")),
    # logs
    ("'query' is a required property", undrawn("log", "query")),
    ("'region' is a required property", undrawn("log", "region")),
    ("('metrics' was unexpected)", drawn("log", metrics=[])),
    ("view: 'line' is not one of", drawn("log", view="line")),
    ("queryLanguage: 'KQL' is not one of", drawn("log", queryLanguage="KQL")),
    ("query: 10001 characters, 10000 at most", log("x" * 10_001)),
    ("it does not begin with SOURCE", log("fields @message")),
    ("names no log group", log("SOURCE | fields @message")),
    ("names no log group", log("SOURCE 'a b' | fields @message")),
    ("it asks nothing of its log groups", log("SOURCE 'calls'")),
    ("51 log groups, 50 at most", log("SOURCE 'calls' | " * 51 + "fields @message")),
    ("there is no command 'select'", asked("select @message")),
    ("there is no command 'SOURCE'", asked("fields @message | SOURCE 'calls'")),
    ("there is no command ''", asked("fields @message | | limit 5")),
    ("filter has nothing after it", asked("filter | limit 5")),
    ("limit takes a number, not 'ten'", asked("fields @message | limit ten")),
    ("stats: there is no function 'p95'", asked("stats count(*), p95(duration_ms) by service")),
    ("stats aggregates nothing", asked("stats duration_ms by bin(5m)")),
    ("fields: there is no function 'upper'", asked("fields upper(service)")),
    ("bin(300s) is cut down to 60s", asked("stats count(*) by bin(300s)")),
    ("its parentheses do not balance", asked("stats count(* by service")),
    ("its parentheses do not balance", asked("stats count(*)) by service")),
    ("a quote ' is not closed", asked("filter outcome = 'error")),
    ('a quote " is not closed', asked('filter outcome = "error')),
    ("a regular expression is not closed", asked("filter @message like /REPORT")),
    ("a regular expression is not closed", asked("parse @message /Duration: (?<ms>.+) ms")),
    ("cannot be read: ", asked("parse @message /(?<duration[0-9]+/")),
    ("a bar needs stats", asked("fields @message", view="bar")),
    ("a timeSeries needs stats by bin()", asked("stats count(*) by service", view="timeSeries")),
    # the other widgets
    ("alarms: 0 entries, 1 at least", drawn("alarm", alarms=[])),
    ("alarms: 101 entries, 100 at most", drawn("alarm", alarms=[ALARM] * 101)),
    ("'alarms' is a required property", undrawn("alarm", "alarms")),
    (f'alarms.0: "{LAMBDA}" is no', drawn("alarm", alarms=[LAMBDA])),
    ("sortBy: 'name' is not one of", drawn("alarm", sortBy="name")),
    ("states.0: 'BROKEN' is not one of", drawn("alarm", states=["BROKEN"])),
    ("('region' was unexpected)", drawn("alarm", region=REGION)),
    ("'markdown' is a required property", added("text")),
    ("background: 'blue' is not one of", added("text", markdown="", background="blue")),
    ("('title' was unexpected)", added("text", markdown="", title="Lab")),
    (f'endpoint: "{ALARM}" is no', added("custom", endpoint=ALARM)),
    ("metrics.0.stat: null is no string", added("explorer", labels=[], metrics=[{**RESOURCES[0], "stat": None}])),
    ("metrics.0: 'stat' is a required property", added("explorer", labels=[], metrics=[LAMBDAS])),
    ("'labels' is a required property", added("explorer", metrics=RESOURCES[:1])),
    ("labels.0: 'key' is a required property", added("explorer", labels=[{"value": "lab"}], metrics=RESOURCES[:1])),
    ("metrics: 0 entries, 1 at least", added("explorer", labels=[], metrics=[])),
    ("metrics: 101 entries, 100 at most", added("explorer", labels=[], metrics=RESOURCES[:1] * 101)),
    (
        'resourceType: "Lambda" is no',
        added("explorer", labels=[], metrics=[{**LAMBDAS, "resourceType": "Lambda", "stat": "Sum"}]),
    ),
    ("its metrics are of 2 types of resource", added("explorer", labels=[], metrics=RESOURCES)),
]


@pytest.mark.parametrize(("fault", "plant"), PLANTED, ids=[f"{fault} {n}" for n, (fault, _) in enumerate(PLANTED)])
def test_a_planted_fault_is_found_and_nothing_else(ours: Body, fault: str, plant: Plant) -> None:
    spoilt = copy.deepcopy(ours)
    plant(spoilt)

    found = faults(spoilt)

    assert [line for line in found if fault in line] == found != []


def test_a_fault_says_which_widget_it_is_in(ours: Body) -> None:
    spoilt = copy.deepcopy(ours)
    number = len(spoilt["widgets"])
    graph([*METRIC, "service"], title="Errors of the lab")(spoilt)
    added("text")(spoilt)

    assert faults(spoilt) == [
        f"widget {number + 1} (text): 'markdown' is a required property",
        f"widget {number} (metric, Errors of the lab): metrics[0]: dimension 'service' has no value",
    ]


def test_a_fault_of_a_variable_hides_none_of_a_widget() -> None:
    broken: Body = {"widgets": [{"type": "metric", "properties": {"region": REGION}}], "variables": [variable(id="")]}

    assert len(faults(broken)) == 2


@pytest.mark.parametrize("body", [[], {}, {"widgets": {}}, {"widgets": [7]}, {"widgets": [], "variables": [7]}])
def test_what_is_no_body_at_all_is_a_fault(body: Any) -> None:
    assert len(faults(body)) == 1


def lax(schema: dict[str, Any], path: str = "") -> list[str]:
    """Objects of a schema that may have any property, and properties that may be anything."""
    found = []
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        found.append(path)
    for name, part in schema.get("properties", {}).items():
        if "type" in schema and not part.keys() & {"type", "enum", "$ref"}:
            found.append(f"{path}.{name}")
        found += lax(part, f"{path}.{name}")
    for name, part in schema.get("$defs", {}).items():
        found += lax(part, name)
    for part in (schema[key] for key in ("items", "then", "else") if key in schema):
        found += lax(part, path)
    return found


def test_nothing_in_the_schema_may_be_anything_but_what_a_type_of_widget_says() -> None:
    assert lax(SCHEMA) == ["widget.properties", "custom.params"]


def test_an_object_or_a_property_that_may_be_anything_would_be_found() -> None:
    spoilt = copy.deepcopy(SCHEMA)
    del spoilt["$defs"]["axis"]["additionalProperties"]
    del spoilt["$defs"]["log"]["properties"]["stacked"]["type"]

    assert {"axis", "log.stacked"} <= set(lax(spoilt))
