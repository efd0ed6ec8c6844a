"""The bill of the real templates: nothing in them hides from it, its sums are exact, it is within its budgets."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from cdk.app import synthesize
from cdk.bill.bill import PRICED, Bill, bill
from cdk.bill.board import Board
from cdk.bill.free import FREE
from cdk.bill.inventory import Group, Resource, UnpricedError
from cdk.bill.report import chart, document, summary, tables
from cdk.bill.series import series
from cdk.bill.traffic import HOURS, SECONDS, Traffic, traced
from cdk.constructs.dashboard import SHOWN
from cdk.cost import REQUESTS
from cdk.options import Strategy, WrongOptionError
from dyno.metrics import catalogue
from dyno.metrics.line import Finished, Lines
from tests.house.test_series import count, sources
from tests.infrastructure.template import Template, Templates, only, resources
from tests.infrastructure.test_watchtower import EVERYTHING, HTTPS

ROOT = Path(__file__).parents[2]
DAY_TO_DAY = Traffic()
BUDGET_USD = {"cloudwatch": 30, "prometheus": 30, "hybrid": 40}
BUDGET_WITH_BALANCER_USD = {"cloudwatch": 30, "prometheus": 55, "hybrid": 65}

Stacks = dict[str, Template]


def stacks(templates: Templates) -> Stacks:
    """A copy to spoil."""
    data, service, monitoring = templates.planted().all
    return {"DynoAgent-Data": data, "DynoAgent-Service": service, "DynoAgent-Monitoring": monitoring}


def over(found: Bill, budgets: dict[str, int]) -> bool:
    return found.of(Group.MONITORING) >= budgets[found.strategy]


def plant(template: Template, **resources: tuple[str, dict[str, Any]]) -> None:
    for name, (type_, properties) in resources.items():
        template["Resources"][name] = {"Type": type_, "Properties": properties}


def double(made: Stacks) -> Stacks:
    """The same with a second task."""
    only(made["DynoAgent-Monitoring"], "AWS::ECS::Service")["Properties"]["DesiredCount"] = 2
    return made


def test_watching_stays_within_its_budget(each: Templates, strategy: str) -> None:
    assert not over(bill(stacks(each), DAY_TO_DAY, Strategy(strategy)), BUDGET_USD)


@pytest.mark.parametrize("strategy_with", ["prometheus", "hybrid"])
@pytest.mark.parametrize(
    ("chosen", "budgets"), [({}, BUDGET_USD), (HTTPS, BUDGET_WITH_BALANCER_USD)], ids=["no way in", "https"]
)
def test_one_task_fits_and_a_second_one_does_not(
    strategy_with: str, chosen: dict[str, str], budgets: dict[str, int], deployment: Callable[..., Templates]
) -> None:
    made = deployment(monitoring=strategy_with, **chosen)

    one, two = (bill(each, DAY_TO_DAY, Strategy(strategy_with)) for each in (stacks(made), double(stacks(made))))

    assert not over(one, budgets)
    assert over(two, budgets)


def test_what_a_watchtower_is_made_of_is_paid_for(deployment: Callable[..., Templates]) -> None:
    without, with_one = (
        bill(stacks(made), DAY_TO_DAY, Strategy.HYBRID)
        for made in (deployment(monitoring="cloudwatch"), deployment(**EVERYTHING))
    )

    assert {item.what for item in with_one.items} - {item.what for item in without.items} == {
        *("processors", "memory", "addresses", "files", "throughput"),
        *("load balancer", "its use", "its addresses", "samples", "samples kept"),
    }


def test_a_nat_gateway_would_be_over_every_budget(each: Templates, strategy: str) -> None:
    spoilt = stacks(each)
    plant(spoilt["DynoAgent-Data"], Nat=("AWS::EC2::NatGateway", {}), Address=("AWS::EC2::EIP", {}))

    assert over(bill(spoilt, DAY_TO_DAY, Strategy(strategy)), BUDGET_WITH_BALANCER_USD)


NIGHTS = tuple(catalogue.BusinessMetric(f"Planted{number}", "Count", "Planted.") for number in range(500))
LINES = tuple(
    catalogue.LogMetric(f"Planted{number}", "Count", "rows", "Planted.", always=True) for number in range(500)
)


@pytest.mark.parametrize(
    ("strategy_with", "kind", "more"),
    [
        ("cloudwatch", "BUSINESS_METRICS", NIGHTS),
        ("hybrid", "BUSINESS_METRICS", NIGHTS),
        *((strategy, "LOG_METRICS", LINES) for strategy in Strategy),  # under prometheus there are no others
    ],
)
def test_five_hundred_more_series_would_be_over_budget(
    strategy_with: str,
    kind: str,
    more: tuple[object, ...],
    deployment: Callable[..., Templates],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = stacks(deployment(monitoring=strategy_with))

    monkeypatch.setattr(catalogue, kind, getattr(catalogue, kind) + more)

    assert over(bill(made, DAY_TO_DAY, Strategy(strategy_with)), BUDGET_WITH_BALANCER_USD)


@pytest.mark.parametrize("of", Strategy)
def test_the_series_are_those_that_the_code_can_make(of: Strategy) -> None:
    doors = sum(source.invoked for source in sources())

    assert series(of, doors) == count(of.value, sources())


def uncounted(made: Stacks, of: Strategy) -> list[str]:
    """Metrics that the templates take from logs, more than the catalogue has."""
    found = [f["MetricName"] for stack in made.values() for f in transformations(stack)]
    counted = [metric.name for metric in catalogue.filtered(of)]
    return sorted((Counter(found) - Counter(counted)).elements())


def transformations(template: Template) -> list[dict[str, Any]]:
    filters = resources(template, "AWS::Logs::MetricFilter").values()
    return [each for found in filters for each in found["Properties"]["MetricTransformations"]]


def test_each_metric_that_is_taken_from_a_log_is_counted_once(each: Templates, strategy: str) -> None:
    made = stacks(each)
    spoilt = stacks(each)
    more = {"MetricTransformations": [{"MetricName": "DeadLetters"}, {"MetricName": "Words"}]}
    plant(spoilt["DynoAgent-Service"], More=("AWS::Logs::MetricFilter", more))

    assert uncounted(made, Strategy(strategy)) == []
    assert uncounted(spoilt, Strategy(strategy)) == ["DeadLetters", "Words"]
    assert sum(len(transformations(stack)) for stack in made.values()) == len(catalogue.filtered(strategy))
    assert all("Dimensions" not in each for stack in made.values() for each in transformations(stack))


def test_the_functions_that_note_cold_starts_are_those_of_the_gateway(aws: Templates) -> None:
    doors = sum(source.invoked for source in sources())

    (found,) = (item for item in bill(stacks(aws), DAY_TO_DAY, Strategy.CLOUDWATCH).items if "metrics" in item.what)

    assert found.quantity == series(Strategy.CLOUDWATCH, doors) > 0


@pytest.mark.parametrize(
    "type_",
    ["AWS::SageMaker::Endpoint", "AWS::CloudFormation::Stack", "Custom::Anything", "AWS::Budgets::BudgetsAction"],
)
def test_a_type_that_nobody_priced_is_named(aws: Templates, type_: str) -> None:
    spoilt = stacks(aws)
    plant(spoilt["DynoAgent-Service"], Hidden=(type_, {}))

    with pytest.raises(UnpricedError, match=rf"{type_} Hidden of DynoAgent-Service"):
        bill(spoilt, DAY_TO_DAY, Strategy.CLOUDWATCH)


@pytest.mark.parametrize(
    ("part", "type_", "change"),
    [
        ("Service", "AWS::ApiGateway::Stage", {"CacheClusterEnabled": True}),
        ("Data", "AWS::RDS::DBInstance", {"DBInstanceClass": "db.r6g.large"}),
        ("Data", "AWS::RDS::DBInstance", {"DBClusterIdentifier": "another"}),
        ("Data", "AWS::Cognito::UserPool", {"UserPoolTier": "GOLD"}),
        ("Data", "AWS::EC2::VPCEndpoint", {"VpcEndpointType": "GatewayLoadBalancer"}),
        ("Service", "AWS::Lambda::Function", {"Architectures": ["x86_64"]}),
        ("Service", "AWS::Lambda::Function", {"MemorySize": {"Ref": "Memory"}}),
    ],
)
def test_a_setting_that_nobody_priced_is_named(aws: Templates, part: str, type_: str, change: dict[str, Any]) -> None:
    spoilt = stacks(aws)
    found = [each for each in spoilt[f"DynoAgent-{part}"]["Resources"].values() if each["Type"] == type_]
    found[0]["Properties"] |= change

    with pytest.raises(UnpricedError, match=type_):
        bill(spoilt, DAY_TO_DAY, Strategy.CLOUDWATCH)


def test_every_resource_has_an_item_or_a_reason(each: Templates, strategy: str) -> None:
    made = stacks(each)

    found = bill(made, DAY_TO_DAY, Strategy(strategy))

    named = {item.of for item in found.items}
    free = {each.type for each in found.free}
    resources = {name: resource["Type"] for stack in made.values() for name, resource in stack["Resources"].items()}
    assert {type_ for name, type_ in resources.items() if name not in named} <= free <= FREE.keys()
    assert {type_ for name, type_ in resources.items() if name in named} <= PRICED.keys()
    assert all(each.reason for each in found.free)


def test_items_add_up_to_the_sums_and_the_sums_to_the_bill(each: Templates, strategy: str) -> None:
    found = bill(stacks(each), DAY_TO_DAY, Strategy(strategy))

    assert sum(item.usd for item in found.items) == found.usd == sum(found.of(group) for group in Group)
    assert all(item.usd == item.usd.quantize(Decimal("0.01")) for item in found.items)
    assert all(item.quantity >= 0 for item in found.items)
    assert all(found.of(group) > 0 for group in Group)


def test_the_bill_never_falls_when_traffic_grows(each: Templates, strategy: str) -> None:
    made = stacks(each)

    @settings(deadline=None)  # what it takes is the machine's
    @given(some.integers(0, 10**9), some.integers(0, 10**8))
    def never_falls(requests: int, more: int) -> None:
        less, grown = (
            bill(made, Traffic(requests=Decimal(each)), Strategy(strategy)) for each in (requests, requests + more)
        )
        assert all(less.of(group) <= grown.of(group) for group in Group)

    never_falls()


def test_a_bill_that_falls_would_be_noticed(aws: Templates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Traffic, "batches", property(lambda self: Decimal(10**12) / (self.requests + 1)))

    with pytest.raises(AssertionError):
        test_the_bill_never_falls_when_traffic_grows(aws, "cloudwatch")


def test_a_database_that_may_not_sleep_is_paid_for_around_the_clock(aws: Templates) -> None:
    spoilt = stacks(aws)
    only(spoilt["DynoAgent-Data"], "AWS::RDS::DBCluster")["Properties"]["ServerlessV2ScalingConfiguration"] |= {
        "MinCapacity": 1
    }

    (capacity,) = (i for i in bill(spoilt, DAY_TO_DAY, Strategy.CLOUDWATCH).items if i.what == "capacity")

    assert capacity.quantity > HOURS


def test_the_database_is_never_paid_for_beyond_its_most_capacity(aws: Templates) -> None:
    busy = replace(DAY_TO_DAY, requests=Decimal(10**12))

    (capacity,) = (i for i in bill(stacks(aws), busy, Strategy.CLOUDWATCH).items if i.what == "capacity")

    assert capacity.quantity == 4 * HOURS


def test_traces_are_paid_for_only_where_something_is_traced(
    aws: Templates, deployment: Callable[..., Templates]
) -> None:
    untraced = deployment(monitoring="cloudwatch", tracing="off")

    on, off = (
        [item for item in bill(stacks(each), DAY_TO_DAY, Strategy.CLOUDWATCH).items if "traces" in item.what]
        for each in (aws, untraced)
    )

    assert on
    assert off == []


def test_x_ray_samples_the_first_of_each_second_and_a_twentieth_of_the_others() -> None:
    assert traced(Decimal(100)) == 100
    assert traced(SECONDS * 21) == SECONDS * 2


def test_a_record_line_is_about_as_long_as_is_assumed() -> None:
    metadata = json.dumps({"allocation_id": 12345, "dyno": "Cell 12", "shift_days": 3, "vin": "9ZZ8LMF12VD000001"})
    event_id = "0193587c-6f3a-7cc1-a1d5-3c2b0e8f9a10"
    finished = Finished(
        event_id, event_id, event_id, "AllocationService", "auto_allocate", "success", 12.345, 10**18,
        metadata=metadata, placed=True,
    )  # fmt: skip

    line = Lines("cloudwatch", catalogue.NAMESPACE, "v0.1.0-12-gabcdef0", 10).line(finished)

    assert 0.75 * float(DAY_TO_DAY.record_bytes) < len(line) <= DAY_TO_DAY.record_bytes


def test_every_figure_of_the_traffic_can_be_given() -> None:
    names = [field.name for field in fields(Traffic)]
    context = {f"traffic_{name}": "7" for name in names if name != "requests"} | {"traffic": 7}

    traffic = Traffic.from_context(context)

    assert [getattr(traffic, name) for name in names] == [Decimal(7)] * len(names)
    assert Traffic.from_context({}) == DAY_TO_DAY


def unlisted(page: str) -> set[str]:
    """Keys of the traffic that a page does not list."""
    keys = {"traffic" if field.name == "requests" else f"traffic_{field.name}" for field in fields(Traffic)}
    return {key for key in keys if f"`{key}`" not in page}


def test_every_figure_of_the_traffic_is_listed() -> None:
    page = (ROOT / "docs/cost.md").read_text()

    assert unlisted(page) == set()
    assert unlisted(page.replace("`traffic_people`", "")) == {"traffic_people"}


def compared(templates: dict[Strategy, Templates]) -> list[str]:
    """The rows of `make cost`, as docs/cost.md lays them out."""
    rows = []
    for requests in REQUESTS:
        traffic = Traffic(requests=Decimal(requests))
        bills = [bill(stacks(templates[each]), traffic, each) for each in Strategy]
        of = [bills[0].of(Group.APPLICATION), *(each.of(Group.MONITORING) for each in bills)]
        rows.append(f"| {requests:,} | {' | '.join(f'${usd:,.2f}' for usd in of)} |")
    return rows


def test_the_page_says_what_it_costs(deployment: Callable[..., Templates]) -> None:
    page = (ROOT / "docs/cost.md").read_text()
    templates = {each: deployment(monitoring=each) for each in Strategy}

    assert f"| application | {' | '.join(Strategy)} |" in page
    assert [row for row in compared(templates) if row not in page] == []
    said = summary(bill(stacks(templates[Strategy.CLOUDWATCH]), DAY_TO_DAY, Strategy.CLOUDWATCH))
    assert said.splitlines()[0] in page


def test_a_page_that_says_what_it_cost_before_would_be_noticed(deployment: Callable[..., Templates]) -> None:
    templates = {each: deployment(monitoring=each) for each in Strategy}
    alarms = templates[Strategy.HYBRID].planted()
    name = next(
        name for name, each in alarms.monitoring["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"
    )
    del alarms.monitoring["Resources"][name]

    assert compared(templates | {Strategy.HYBRID: alarms}) != compared(templates)


def test_a_scrape_every_half_minute_is_assumed_where_there_is_a_prometheus() -> None:
    scrapes = {of: DAY_TO_DAY.scrapes(of) for of in Strategy}

    assert scrapes == {Strategy.CLOUDWATCH: 0, Strategy.PROMETHEUS: 2 * 60 * 730, Strategy.HYBRID: 2 * 60 * 730}


def test_a_figure_that_there_is_not_is_refused() -> None:
    with pytest.raises(WrongOptionError, match="traffic_poeple"):
        Traffic.from_context({"traffic_poeple": "400"})


def usd_of(type_: str, properties: dict[str, Any]) -> Decimal:
    """What a month of one resource costs, alone in its template."""
    template = {"Resources": {"It": {"Type": type_, "Properties": properties}}}
    found = bill({"Planted": template}, DAY_TO_DAY, Strategy.PROMETHEUS)
    return sum((item.usd for item in found.items if item.of == "It"), Decimal(0))


@pytest.mark.parametrize(
    ("type_", "properties", "usd"),
    [
        ("AWS::EC2::NatGateway", {}, "32.85"),
        ("AWS::EC2::EIP", {}, "3.65"),
        ("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Interface", "SubnetIds": ["a", "b"]}, "14.60"),
        ("AWS::ElasticLoadBalancingV2::LoadBalancer", {"Scheme": "internal"}, "17.01"),
        ("AWS::EFS::FileSystem", {"ProvisionedThroughputInMibps": 2}, "12.30"),
        ("AWS::EFS::FileSystem", {"ThroughputMode": "bursting"}, "0.30"),
        ("AWS::APS::Workspace", {}, "7.91"),
        ("AWS::CloudWatch::Dashboard", {"DashboardBody": "{}"}, "3.00"),
        ("AWS::CloudWatch::Alarm", {"Period": 300}, "0.10"),
        ("AWS::CloudWatch::Alarm", {"Period": 10}, "0.30"),
        ("AWS::CloudWatch::CompositeAlarm", {}, "0.50"),
        ("AWS::KMS::Key", {}, "1.00"),
        ("AWS::SecretsManager::Secret", {}, "0.40"),
        ("AWS::Budgets::Budget", {}, "0"),
        ("AWS::WAFv2::WebACL", {}, "5.11"),  # with a request looked at for each of 100,000 and of the scrapes
        ("AWS::WAFv2::WebACLAssociation", {}, "0"),
        ("AWS::Logs::MetricFilter", {}, "0"),
        ("AWS::Logs::QueryDefinition", {}, "0"),
    ],
)
def test_a_month_costs_what_the_list_says(type_: str, properties: dict[str, Any], usd: str) -> None:
    assert usd_of(type_, properties) == Decimal(usd)


def test_throughput_that_is_paid_by_the_byte_is_named() -> None:
    with pytest.raises(UnpricedError, match=r"elastic throughput.*AWS::EFS::FileSystem It"):
        usd_of("AWS::EFS::FileSystem", {"ThroughputMode": "elastic"})


def acl_of(*statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    rules = [{"Name": "Planted", "Statement": each, "Action": {"Block": {}}} for each in statements]
    return {"Rules": rules} | more


def group(name: str, vendor: str = "AWS") -> dict[str, Any]:
    return {"ManagedRuleGroupStatement": {"VendorName": vendor, "Name": name}}


COMMON_RULES = group("AWSManagedRulesCommonRuleSet")
BY_ADDRESS: dict[str, Any] = {"RateBasedStatement": {"AggregateKeyType": "IP", "Limit": 100}}


def test_a_web_acl_costs_a_dollar_a_rule_besides() -> None:
    assert usd_of("AWS::WAFv2::WebACL", acl_of(COMMON_RULES, BY_ADDRESS)) == Decimal("7.11")


@pytest.mark.parametrize(
    ("acl", "why"),
    [
        (acl_of(group("AWSManagedRulesBotControlRuleSet")), "the rule Planted"),
        (acl_of(group("AWSManagedRulesCommonRuleSet", vendor="Somebody")), "the rule Planted"),
        (acl_of({"GeoMatchStatement": {}}), "the rule Planted"),
        ({"Rules": [{"Name": "Puzzle", "Statement": BY_ADDRESS, "Action": {"Captcha": {}}}]}, "the rule Puzzle"),
        (acl_of(*[COMMON_RULES] * 3), "2100 capacity units"),
        (acl_of(COMMON_RULES, AssociationConfig={"RequestBody": {}}), "bodies beyond"),
    ],
)
def test_a_web_acl_with_a_price_of_its_own_is_named(acl: dict[str, Any], why: str) -> None:
    with pytest.raises(UnpricedError, match=f"{why}.*AWS::WAFv2::WebACL It"):
        usd_of("AWS::WAFv2::WebACL", acl)


def test_a_web_acl_is_the_applications_and_only_scrapes_are_the_monitorings(
    deployment: Callable[..., Templates],
) -> None:
    with_it, without = (
        bill(stacks(deployment(monitoring="hybrid", **more)), DAY_TO_DAY, Strategy.HYBRID)
        for more in ({}, {"waf": "off"})
    )

    assert with_it.of(Group.APPLICATION) - without.of(Group.APPLICATION) == Decimal("11.06")
    assert with_it.of(Group.MONITORING) - without.of(Group.MONITORING) == Decimal("0.05")


def looking_at(*entries: dict[str, Any]) -> dict[str, Any]:
    """An alarm on metric math, as CloudFormation has it."""
    return {"Metrics": [{"Id": f"m{number}", "ReturnData": False} | each for number, each in enumerate(entries)]}


def stat(name: str, period_s: int = 300) -> dict[str, Any]:
    return {"MetricStat": {"Metric": {"MetricName": name}, "Period": period_s, "Stat": "Sum"}}


RATIO: dict[str, Any] = {"Expression": "m0 / m1", "ReturnData": True}


def test_an_alarm_on_metric_math_is_paid_for_by_the_metrics_that_it_looks_at() -> None:
    two = looking_at(stat("failed"), stat("all"), RATIO)
    fast = looking_at(stat("failed"), stat("all", period_s=10), RATIO)
    steps = looking_at(stat("failed"), stat("all"), {"Expression": "m0 + m1"}, RATIO)
    returned = looking_at(stat("failed") | {"ReturnData": True})

    priced = [usd_of("AWS::CloudWatch::Alarm", each) for each in (two, fast, steps, returned)]

    assert priced == [Decimal(usd) for usd in ("0.20", "0.60", "0.20", "0.10")]


def opening(**start: str) -> dict[str, Any]:
    """A dashboard with two queries of logs, as the CDK writes one: its region is known to AWS only."""
    log = {"type": "log", "properties": {"query": 'parse "type":"log"', "region": "<region>"}}
    body = json.dumps({**start, "widgets": [log, {"type": "metric", "properties": {}}, log]})
    between = [{"Ref": "AWS::Region"}] * body.count("<region>")
    parts = [part for pair in zip(body.split("<region>"), [*between, ""], strict=True) for part in pair]
    return {"DashboardBody": {"Fn::Join": ["", parts]}}


def dashboard(properties: dict[str, Any]) -> Resource:
    return Resource("Planted", "Board", "AWS::CloudWatch::Dashboard", properties)


@pytest.mark.parametrize(
    ("start", "hours"),
    [({}, 3), ({"start": "-PT3H"}, 3), ({"start": "-P1D"}, 24), ({"start": "-P7D"}, 168), ({"start": "-P1DT12H"}, 36)],
    ids=str,
)
def test_a_dashboard_reads_as_much_of_the_log_as_it_shows(start: dict[str, str], hours: int) -> None:
    assert Board.of(dashboard(opening(**start))) == Board(queries=2, shown_hours=hours)


def test_a_dashboard_that_shows_a_day_costs_eight_times_one_that_shows_three_hours(aws: Templates) -> None:
    def scanned(**start: str) -> Decimal:
        made = stacks(aws)
        only(made["DynoAgent-Monitoring"], "AWS::CloudWatch::Dashboard")["Properties"] |= opening(**start)
        (item,) = (i for i in bill(made, DAY_TO_DAY, Strategy.CLOUDWATCH).items if i.what == "log queries")
        return item.quantity

    assert scanned(start="-P1D") == pytest.approx(8 * scanned())
    assert scanned() > 0


def test_the_dashboard_s_own_body_can_be_read(each: Templates) -> None:
    found = only(each.monitoring, "AWS::CloudWatch::Dashboard")["Properties"]

    board = Board.of(dashboard(found))

    assert board.queries == json.dumps(found).count('\\"type\\":\\"log\\"') > 0
    assert board.shown_hours == SHOWN.to_hours()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (opening(start="-P1M")["DashboardBody"], "what begins at -P1M"),
        (opening(start="-P")["DashboardBody"], "what begins at -P"),
        (opening(start="2026-11-24T00:00:00Z")["DashboardBody"], "what begins at 2026"),
        ({"Fn::Sub": "{}"}, "a body that is not written out"),
        (None, "a body that is not written out"),
        ("{", "a body that is no JSON"),
    ],
)
def test_a_dashboard_of_which_it_is_not_known_what_it_shows_is_named(body: object, why: str) -> None:
    with pytest.raises(UnpricedError, match=f"{why}.*AWS::CloudWatch::Dashboard Board of Planted"):
        Board.of(dashboard({"DashboardBody": body}))


@pytest.mark.parametrize("text", ["many", "-1", "NaN", "Infinity", ""])
def test_traffic_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(WrongOptionError, match=r"-c traffic="):
        Traffic.from_context({"traffic": text})


def test_a_synth_says_what_it_costs_on_stderr_only(
    layers: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    synthesize({"layers": str(layers), "monitoring": "hybrid", "traffic": "250000"}, str(tmp_path))

    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Bill, hybrid: application $" in printed.err
    assert "250,000 requests" in printed.err
    assert len(printed.err.splitlines()) <= 3


def test_a_synth_goes_on_without_a_bill(layers: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    synthesize({"layers": str(layers), "traffic": "many"}, str(tmp_path))

    assert "No bill: -c traffic=many" in capsys.readouterr().err
    assert (tmp_path / "DynoAgent-Service.template.json").exists()


def test_a_bill_is_drawn_and_written_out(aws: Templates) -> None:
    bills = [bill(stacks(aws), Traffic(requests=Decimal(each)), Strategy.CLOUDWATCH) for each in (10_000, 10**8)]

    drawn = "\n".join(line.plain for line in chart(bills))
    written = json.loads(json.dumps(document(bills)))["bills"][1]

    assert "10,000 requests" in drawn
    assert "100,000,000 requests" in drawn
    assert "█" in drawn
    assert tables(bills).row_count == len(bills)
    assert f"${bills[0].usd}" in summary(bills[0])
    assert sum(Decimal(item["usd"]) for item in written["items"]) == Decimal(written["usd"]["sum"]) == bills[1].usd
