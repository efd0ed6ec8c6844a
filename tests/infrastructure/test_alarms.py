"""Who is told of what, and when: alarms by their meaning, under every strategy."""

import copy
import re
from collections.abc import Callable, Mapping, Sequence, Set
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from cdk.monitoring import alarms as rules
from cdk.monitoring import reference
from cdk.monitoring.prometheus import alerts as prometheus
from cdk.monitoring.runbook import anchor
from cdk.options import Strategy
from cdk.routes import ROUTES
from dyno.metrics import catalogue
from dyno.metrics.catalogue import watching
from dyno.metrics.catalogue.watching import Part
from tests import metric_math
from tests.infrastructure import checks
from tests.infrastructure.checks import Alarm
from tests.infrastructure.template import Resource, Template, Templates, as_list, only, references, resources, text
from tests.metric_math import computed, statistic

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()

ALWAYS = {
    *("ApiErrorBudgetFastLong", "ApiErrorBudgetFastShort", "ApiErrorBudgetSlowLong", "ApiErrorBudgetSlowShort"),
    *("ApiLatency", "RecordsMissing", "DeadLetters", "DatabaseACUUtilization"),
    *("AllocationsErrors", "ExportsErrors", "ImportsErrors", "MetricsErrors"),
    *("AllocationsThrottles", "MetricsThrottles", "RoiThrottles"),
    *("IngestErrors", "IngestAsyncEventsDropped", "IngestDestinationDeliveryFailures"),
    *("LifecycleErrors", "RedriveErrors", "RoiErrors", "MigrateErrors", "BootstrapErrors", "NoticesErrors"),
}
OF_CALLS = {
    *("BookingErrorBudgetFastLong", "BookingErrorBudgetFastShort"),
    *("BookingErrorBudgetSlowLong", "BookingErrorBudgetSlowShort"),
    *("BookingDuration", "MetricsMissing"),
}

NOT_OF_ALARMS = {
    *("First five minutes", "Somebody is needed", "The month costs more than planned"),
    *("Prometheus or Grafana is down", "Nobody hears of alarms", "Data is lost or wrong", "After it"),
    "When something it needs is away",
}
"""Headings of the runbook that no alarm of a metric leads to."""


def test_every_fault_that_somebody_hears_of_has_its_alarm(each: Templates, strategy: str) -> None:
    expected = ALWAYS | (OF_CALLS if strategy == "cloudwatch" else set())

    assert set(checks.alarms(each.monitoring)) == expected


def on_the_page(functions: rules.Functions) -> set[str]:
    """Alarms that docs/metrics.md lists."""
    return {rule.name for rule in rules.rules(Strategy.CLOUDWATCH, functions)}


def test_the_page_lists_the_alarms_that_are_deployed_and_each_function_of_the_api_has_its_own(aws: Templates) -> None:
    assert on_the_page(reference.FUNCTIONS) == set(checks.alarms(aws.monitoring))
    assert set(reference.FUNCTIONS[Part.DOORS]) == {route.function for route in ROUTES}


def test_a_function_of_the_api_that_nobody_watches_would_be_found(aws: Templates) -> None:
    without = {**reference.FUNCTIONS, Part.DOORS: ("allocations", "imports", "metrics", "roi")}

    assert set(checks.alarms(aws.monitoring)) - on_the_page(without) == {"ExportsErrors"}


@pytest.mark.parametrize(
    ("budget", "namespace", "metric"),
    [("Api", "AWS/ApiGateway", "5XXError"), ("Booking", catalogue.NAMESPACE, "Errors")],
)
@pytest.mark.parametrize(
    ("burn", "percentage", "long_s", "short_s"), [("Fast", 7.2, 3_600, 300), ("Slow", 3.0, 21_600, 1_800)]
)
def test_an_error_budget_is_watched_over_a_long_and_a_short_window(
    aws: Templates, budget: str, namespace: str, metric: str, burn: str, percentage: float, long_s: int, short_s: int
) -> None:
    found = checks.alarms(aws.monitoring)
    long, short = (found[f"{budget}ErrorBudget{burn}{window}"] for window in ("Long", "Short"))

    assert long.threshold == short.threshold == pytest.approx(percentage)
    assert {each.period_s for each in long.series} == {long_s}
    assert {each.period_s for each in short.series} == {short_s}
    assert {(each.namespace, each.name) for each in (*long.series, *short.series)} == {(namespace, metric)}
    for alarm in (long, short):
        assert {name: each.statistic for name, each in alarm.by_name.items()} == {"failed": "Sum", "share": "Average"}


def test_slowness_is_the_p95_of_a_quarter_of_an_hour_with_some_slow_calls_in_it(aws: Templates) -> None:
    found = checks.alarms(aws.monitoring)

    for name, metric in (("ApiLatency", "Latency"), ("BookingDuration", "Duration")):
        alarm = found[name]
        assert {each.name for each in alarm.series} == {metric}
        assert {each: series.statistic for each, series in alarm.by_name.items()} == {
            "value": "p95",
            "slow": "TC(2000:)",
        }
        assert {each.period_s for each in alarm.series} == {900}
        assert is_on(alarm, {"value": 2_000, "slow": 5})
        assert not is_on(alarm, {"value": 1_999, "slow": 5})
        assert not is_on(alarm, {"value": 9_000, "slow": 4})
        assert not is_on(alarm, {"value": None, "slow": None})


SCRAPES_MS = [40.0] * 30
"""What a Prometheus asks within a quarter of an hour, day and night."""

SLOW_PERIODS: dict[str, tuple[Sequence[float], bool]] = {
    "nobody calls": ([], False),
    "nobody but a Prometheus calls": (SCRAPES_MS, False),
    "a Prometheus, and two requests that wake the database": ([*SCRAPES_MS, 8_000, 8_000], False),
    "nine requests, and one that wakes the database": ([50] * 9 + [8_000], False),
    "four that wake the database, and nobody else": ([8_000] * 4, False),
    "five slow ones, and nobody else": ([2_001] * 5, True),
    "a Prometheus, and five slow requests": ([*SCRAPES_MS, *[2_500] * 5], True),
    "five slow ones of five hundred": ([50] * 495 + [8_000] * 5, False),
    "one in ten is slow": ([50] * 90 + [2_500] * 10, True),
}
"""By what goes on: how long each took, in ms, and whether somebody is called."""


def by_samples(alarm: Alarm, samples: Sequence[float]) -> bool:
    """Whether an alarm on statistics of one series is on by these."""
    return is_on(alarm, {name: statistic(each.statistic, samples) for name, each in alarm.by_name.items()})


@pytest.mark.parametrize("period", SLOW_PERIODS)
def test_somebody_is_called_for_several_that_are_slow_and_not_for_a_database_that_wakes(
    each: Templates, strategy: str, period: str
) -> None:
    samples, on = SLOW_PERIODS[period]
    found = checks.alarms(each.monitoring)

    assert by_samples(found["ApiLatency"], samples) == on
    assert ("BookingDuration" in found) == (strategy == "cloudwatch")
    assert all(by_samples(found[name], samples) == on for name in {"BookingDuration"} & found.keys())


def test_a_guard_that_counts_whatever_comes_would_be_noticed(aws: Templates) -> None:
    spoilt = aws.planted()
    alarm = checks.alarms(spoilt.monitoring)["ApiLatency"]
    for metric in spoilt.monitoring["Resources"][alarm.logical_id]["Properties"]["Metrics"]:
        if metric["Id"] == "slow":
            metric["MetricStat"]["Stat"] = "SampleCount"

    planted = checks.alarms(spoilt.monitoring)["ApiLatency"]
    assert {period for period, (samples, on) in SLOW_PERIODS.items() if by_samples(planted, samples) != on} == {
        "a Prometheus, and two requests that wake the database",
        "nine requests, and one that wakes the database",
    }


def test_what_may_not_happen_at_all_is_told_at_once(each: Templates) -> None:
    once = {name for name in ALWAYS if re.search("Errors|Throttles|Dropped|Failures|DeadLetters", name)}
    found = checks.alarms(each.monitoring)

    assert len(once) == len(ALWAYS) - 7
    for name in once:
        (series,) = found[name].series
        assert (found[name].threshold, found[name].periods, series.statistic) == (1, 1, "Sum")


def test_aurora_is_told_of_before_its_ceiling(each: Templates) -> None:
    alarm = checks.alarms(each.monitoring)["DatabaseACUUtilization"]
    (series,) = alarm.series

    assert (series.namespace, series.name, series.statistic) == ("AWS/RDS", "ACUUtilization", "Average")
    assert (alarm.threshold, alarm.periods) == (95, 3)


def test_a_deployments_work_is_watched_where_it_is_done(each: Templates) -> None:
    found = checks.alarms(each.monitoring)

    for name in ("Migrate", "Bootstrap"):
        (series,) = found[f"{name}Errors"].series
        ((_, function),) = series.dimensions
        assert re.search(rf"DynoAgent-Data:.*Ref{name}Function", function)


# What the alarms' arithmetic says of a period, reckoned as CloudWatch does: a series without points has no value.

Values = Mapping[str, float | None]


def value(alarm: Alarm, known: Values) -> float | None:
    """What an alarm compares, by what its series say; None if there is nothing to compare."""
    if alarm.expression is None:
        return known["value"]
    return computed(alarm.expression, {name: known.get(name) for name in alarm.by_name})


def is_on(alarm: Alarm, known: Values) -> bool:
    found = value(alarm, known)
    return found is not None and found >= alarm.threshold


@pytest.mark.parametrize(
    ("failed", "calls", "long", "short"),
    [
        (0, 1_000, False, False),
        (5, 1_000, False, False),
        (71, 1_000, False, False),
        (73, 1_000, True, True),
        (4, 4, False, False),  # somebody woke the database
        (5, 5, True, True),
        (0, 0, False, False),
    ],
)
def test_a_budget_burns_by_the_share_of_calls_that_fail(
    aws: Templates, failed: int, calls: int, long: bool, short: bool
) -> None:
    found = checks.alarms(aws.monitoring)
    known = {"failed": failed, "share": failed / calls} if calls else {"failed": None, "share": None}

    for budget in ("Api", "Booking"):
        assert is_on(found[f"{budget}ErrorBudgetFastLong"], known) == long
        assert is_on(found[f"{budget}ErrorBudgetFastShort"], known) == short


@pytest.mark.parametrize("fill", [lambda value, _: value, metric_math.filled])
@pytest.mark.parametrize("name", ["RecordsMissing", "MetricsMissing"])
def test_silence_is_told_of_only_where_there_should_be_none(
    aws: Templates, name: str, fill: Callable[..., float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not FILL makes something of a series that has no point at all."""
    monkeypatch.setattr(metric_math, "filled", fill)
    alarm = checks.alarms(aws.monitoring)[name]
    arriving = [each for each in alarm.by_name if each != "called"]

    assert is_on(alarm, {"called": 10})
    assert is_on(alarm, {"called": 500, arriving[0]: 0})
    assert not is_on(alarm, {"called": 9})
    assert not is_on(alarm, {"called": None})
    for one in arriving:
        assert not is_on(alarm, {"called": 500, one: 1})
    assert alarm.periods == 1
    assert {each.period_s for each in alarm.series} == {3_600}


def test_metrics_are_expected_of_every_method_that_has_series_and_of_the_others(aws: Templates) -> None:
    alarm = checks.alarms(aws.monitoring)["MetricsMissing"]
    looked_at = {each.dimensions for each in alarm.series if each.namespace == catalogue.NAMESPACE}

    service = catalogue.ALLOCATION_SERVICE
    every = {frozenset({("service", service), ("method", each)}) for each in catalogue.METHODS[service]}
    assert looked_at == every | {frozenset(catalogue.OVERFLOW.items())}
    assert {each.statistic for each in alarm.series} == {"SampleCount", "Sum"}


def test_no_alarm_looks_at_more_metrics_than_cloudwatch_allows(each: Templates) -> None:
    assert all(len(alarm.series) <= rules.MOST_METRICS for alarm in checks.alarms(each.monitoring).values())


MARGIN_S = 120
"""For what is measured of a run to arrive after its end."""

NEVER_BEGAN = {"Throttles", "AsyncEventsDropped", "DestinationDeliveryFailures"}
"""What is measured of functions, but not of a run."""


def limits_s(templates: Templates) -> dict[str, int]:
    """The most seconds a run of each function may take, by how the monitoring stack refers to it."""
    return {
        f"<{output['Export']['Name']}>": template["Resources"][target]["Properties"]["Timeout"]
        for template in (templates.data, templates.service)
        for output in template["Outputs"].values()
        for target in references(output["Value"])
        if "Export" in output and template["Resources"][target]["Type"] == "AWS::Lambda::Function"
    }


def looking_away(templates: Templates) -> set[str]:
    """
    Alarms that a run which fails at its last second does not set off, as it counts when it began.

    Source:
        Lambda Developer Guide, "Viewing metrics for Lambda functions": the timestamp of a metric is when the function
        was invoked; it comes once the run is over.
    """
    known = limits_s(templates)
    return {
        name
        for name, alarm in checks.alarms(templates.monitoring).items()
        for series in alarm.series
        if series.namespace == watching.LAMBDA and series.name not in NEVER_BEGAN
        if alarm.periods * series.period_s < known[dict(series.dimensions)["FunctionName"]] + MARGIN_S
    }


def test_a_run_that_fails_at_its_last_second_is_still_looked_at(each: Templates) -> None:
    assert len(limits_s(each)) >= 7
    assert looking_away(each) == set()


def test_an_alarm_that_looks_back_less_than_a_run_takes_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted()
    for alarm in resources(spoilt.monitoring, "AWS::CloudWatch::Alarm").values():
        if "Period" in alarm["Properties"]:
            alarm["Properties"]["Period"] = 300

    nights, deployments = {"LifecycleErrors", "RedriveErrors", "RoiErrors"}, {"MigrateErrors", "BootstrapErrors"}
    assert looking_away(spoilt) == nights | deployments


def test_no_alarm_looks_further_back_than_a_day(each: Templates) -> None:
    for alarm in checks.alarms(each.monitoring).values():
        assert alarm.periods * max(series.period_s for series in alarm.series) <= 86_400


def test_an_idle_lab_is_quiet(each: Templates) -> None:
    for logical_id, alarm in resources(each.monitoring, "AWS::CloudWatch::Alarm").items():
        given = alarm["Properties"]
        assert given["TreatMissingData"] == "notBreaching", logical_id
        assert given["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert given["Threshold"] > 0


def wakes(composite: Resource, on: Set[str], template: Template) -> bool:
    """Whether the combined alarm is on while just these alarms are, by their names."""
    rule = text(composite["Properties"]["AlarmRule"])
    ids = {alarm.logical_id: name for name, alarm in checks.alarms(template).items()}
    said = re.sub(r'ALARM\("<(\w+)\.Arn>"\)', lambda found: str(ids[found[1]] in on), rule)
    return bool(eval(said.replace("AND", "and").replace("OR", "or"), {"__builtins__": {}}))


URGENT_ALONE = {"ApiLatency", "BookingDuration"}


def test_somebody_is_called_for_what_people_feel_and_for_nothing_else(each: Templates, strategy: str) -> None:
    urgent = only(each.monitoring, "AWS::CloudWatch::CompositeAlarm")
    names = set(checks.alarms(each.monitoring))
    halves = {name for name in names if "ErrorBudget" in name}

    def called(*on: str) -> bool:
        return wakes(urgent, set(on), each.monitoring)

    assert {name for name in names - halves if called(name)} == URGENT_ALONE & names
    assert not any(called(name) for name in halves)
    budgets = ("Api", "Booking") if strategy == "cloudwatch" else ("Api",)
    for budget, burn, other in product(budgets, ("Fast", "Slow"), ("Fast", "Slow")):
        together = called(f"{budget}ErrorBudget{burn}Long", f"{budget}ErrorBudget{other}Short")
        assert together == (burn == other)
    assert not called()
    assert called(*names)


def test_everything_speaks_to_the_topic_once(each: Templates) -> None:
    (topic,) = resources(each.monitoring, "AWS::SNS::Topic")
    urgent = only(each.monitoring, "AWS::CloudWatch::CompositeAlarm")
    silent = {name for name, alarm in checks.alarms(each.monitoring).items() if not alarm.acts}

    for alarm in (*resources(each.monitoring, "AWS::CloudWatch::Alarm").values(), urgent):
        assert alarm["Properties"].get("AlarmActions", [{"Ref": topic}]) == [{"Ref": topic}]
    assert urgent["Properties"]["OKActions"] == urgent["Properties"]["AlarmActions"]
    assert {name for name, alarm in checks.alarms(each.monitoring).items() if alarm.ends} == {"DatabaseACUUtilization"}
    assert all(name in URGENT_ALONE or "ErrorBudget" in name for name in silent)
    assert len(silent) == len(
        {name for name in checks.alarms(each.monitoring) if name in URGENT_ALONE or "Budget" in name}
    )


def unanswered(template: Template, runbook: str) -> set[str]:
    """Alarms whose link leads nowhere in the runbook."""
    there = {anchor(heading) for heading in re.findall(r"^## (.+)$", runbook, re.MULTILINE)}
    described = {name: alarm.described for name, alarm in checks.alarms(template).items()}
    for name, composite in resources(template, "AWS::CloudWatch::CompositeAlarm").items():
        described[name] = text(composite["Properties"]["AlarmDescription"])
    found = {name: re.findall(r"What to do: docs/runbook\.md#([\w-]+)$", said) for name, said in described.items()}
    return {name for name, links in found.items() if len(links) != 1 or links[0] not in there}


def test_every_alarm_says_what_is_wrong_and_links_to_what_to_do(each: Templates) -> None:
    assert unanswered(each.monitoring, RUNBOOK) == set()
    assert all(alarm.described.index("What to do") > 10 for alarm in checks.alarms(each.monitoring).values())


def test_a_section_that_is_renamed_would_be_noticed(aws: Templates) -> None:
    assert "IngestErrors" in unanswered(aws.monitoring, RUNBOOK.replace("## Batches are not written", "## Batches"))


def sections(runbook: str) -> set[str]:
    return set(re.findall(r"^## (.+)$", runbook, re.MULTILINE)) - NOT_OF_ALARMS


def promised() -> set[str]:
    """Sections that an alarm leads to, here or in Prometheus."""
    of_cloudwatch = {rule.section for rule in rules.rules(Strategy.CLOUDWATCH, reference.FUNCTIONS)}
    return of_cloudwatch | {alert.section for alert in prometheus.alerts()}


def test_the_runbook_has_a_section_for_every_alarm_and_for_nothing_else() -> None:
    assert sections(RUNBOOK) == promised()
    for section in promised():
        said = RUNBOOK.split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
        assert all(part in said for part in ("**Means**", "**Look at**", "**Do**")), section


def test_a_section_that_no_alarm_leads_to_would_be_noticed() -> None:
    assert sections(f"{RUNBOOK}\n## Orphan\n") != promised()


Listed = dict[str, tuple[str, bool, str]]
"""Section, urgency and strategies, by the alarm's name."""


def listed(runbook: str) -> Listed:
    """The runbook's table, alarm by alarm; `…Fast` goes on as the name before it began."""
    found: Listed = {}
    for names, section, urgent, under in re.findall(
        r"^\| (`[^|]+) \| \[([^\]]+)\]\(#[^)]+\) \| ([^|]+) \| ([^|]+) \|$", runbook, re.MULTILINE
    ):
        first = ""
        for name in re.findall(r"`([^`]+)`", names):
            first = first if name.startswith("…") else name
            full = re.sub(r"(Fast|Slow)(Long|Short)$", "", first) + name[1:] if name.startswith("…") else name
            found[full] = (section, urgent != "no", under)
    return {name: row for name, row in found.items() if not name.startswith("<")}


def expected() -> Listed:
    everywhere = {rule.name for rule in rules.rules(Strategy.PROMETHEUS, reference.FUNCTIONS)}
    return {
        rule.name: (rule.section, rule.incident is not None, "all" if rule.name in everywhere else "`cloudwatch`")
        for rule in rules.rules(Strategy.CLOUDWATCH, reference.FUNCTIONS)
    }


def test_the_runbooks_table_lists_every_alarm_as_it_is() -> None:
    assert {name: row for name, row in listed(RUNBOOK).items() if name in expected()} == expected()
    assert set(listed(RUNBOOK)) - set(expected()) <= {alert.name for alert in prometheus.alerts()}


@pytest.mark.parametrize(("before", "after"), [("`IngestErrors`", "`IngestBroken`"), ("| no | all |", "| yes | all |")])
def test_a_table_that_says_something_else_would_be_noticed(before: str, after: str) -> None:
    spoilt = listed(RUNBOOK.replace(before, after))

    assert {name: row for name, row in spoilt.items() if name in expected()} != expected()


def test_links_lead_to_where_the_runbook_is_read(deployment: Callable[..., Templates]) -> None:
    elsewhere = deployment(runbook="https://wiki.lab.example/runbook")

    for alarm in checks.alarms(elsewhere.monitoring).values():
        assert "What to do: https://wiki.lab.example/runbook#" in alarm.described


def speakers(template: Template) -> tuple[set[str], set[str]]:
    """Services that the topic takes notices from, and those that its key lets encrypt them."""
    policy = only(template, "AWS::SNS::TopicPolicy")["Properties"]["PolicyDocument"]["Statement"]
    key = only(template, "AWS::KMS::Key")["Properties"]["KeyPolicy"]["Statement"]
    publishing = [s["Principal"] for s in policy if s["Action"] == "sns:Publish" and s["Effect"] == "Allow"]
    encrypting = [s["Principal"] for s in key if set(s["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey*"}]
    publish, encrypt = (
        {service for principal in each for service in as_list(principal["Service"])}
        for each in (publishing, encrypting)
    )
    return publish, encrypt


def test_the_topic_hears_alarms_and_the_budget_of_this_account_alone(each: Templates) -> None:
    expected = {"cloudwatch.amazonaws.com", "budgets.amazonaws.com"}
    policy = only(each.monitoring, "AWS::SNS::TopicPolicy")["Properties"]["PolicyDocument"]["Statement"]

    assert speakers(each.monitoring) == (expected, expected)
    assert all("Condition" in statement for statement in policy)
    assert only(each.monitoring, "AWS::KMS::Key")["Properties"]["EnableKeyRotation"]


def test_the_month_has_a_budget_that_the_topic_hears_of(each: Templates) -> None:
    (topic,) = resources(each.monitoring, "AWS::SNS::Topic")
    given = only(each.monitoring, "AWS::Budgets::Budget")["Properties"]

    assert given["Budget"]["BudgetLimit"] == {"Amount": 100, "Unit": "USD"}
    assert (given["Budget"]["BudgetType"], given["Budget"]["TimeUnit"]) == ("COST", "MONTHLY")
    notices = given["NotificationsWithSubscribers"]
    assert {(n["Notification"]["NotificationType"], n["Notification"]["Threshold"]) for n in notices} == {
        ("ACTUAL", 80),
        ("FORECASTED", 100),
    }
    for notice in notices:
        assert notice["Subscribers"] == [{"SubscriptionType": "SNS", "Address": {"Ref": topic}}]


def test_the_budget_is_a_choice(deployment: Callable[..., Templates]) -> None:
    more = only(deployment(monthly_budget="250").monitoring, "AWS::Budgets::Budget")
    none = resources(deployment(monthly_budget="off").monitoring, "AWS::Budgets::Budget")

    assert more["Properties"]["Budget"]["BudgetLimit"]["Amount"] == 250
    assert none == {}


def test_another_threshold_or_window_would_be_noticed(aws: Templates) -> None:
    fast = ("Api", "AWS/ApiGateway", "5XXError", "Fast", 7.2, 3_600, 300)
    for change in ({"Threshold": 72}, {"Metrics": _over(aws, "ApiErrorBudgetFastLong", 7_200)}):
        spoilt = aws.planted()
        alarm = checks.alarms(spoilt.monitoring)["ApiErrorBudgetFastLong"]
        spoilt.monitoring["Resources"][alarm.logical_id]["Properties"] |= change

        with pytest.raises(AssertionError):
            test_an_error_budget_is_watched_over_a_long_and_a_short_window(spoilt, *fast)


def _over(templates: Templates, name: str, period_s: int) -> list[dict[str, Any]]:
    alarm = checks.alarms(templates.monitoring)[name]
    metrics = copy.deepcopy(templates.monitoring["Resources"][alarm.logical_id]["Properties"]["Metrics"])
    for metric in metrics:
        metric.get("MetricStat", {})["Period"] = period_s
    return metrics  # type: ignore[no-any-return]
