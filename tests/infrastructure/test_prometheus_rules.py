"""What Prometheus records and raises alerts on, by playing it what goes on in a lab."""

import copy
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdk.local.promtool import promtool
from cdk.monitoring import alarms, reference
from cdk.monitoring.prometheus import alerts, recordings
from cdk.monitoring.prometheus.promql import window
from cdk.monitoring.prometheus.rules import rules
from cdk.monitoring.runbook import anchor
from cdk.options import Strategy
from dyno.metrics import catalogue
from dyno.metrics.catalogue import CallMetric, ErrorBudget, Family, Kind, Limit, LogMetric, Source, watching
from tests.infrastructure.rule_scenarios import BOOKINGS, SCENARIOS, SCRAPED, Scenario, complaint, one

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()
ADDRESS = "https://wiki.lab.example/runbook"

Rules = dict[str, Any]


def every(of: Rules) -> list[dict[str, Any]]:
    return [rule for group in of["groups"] for rule in group["rules"]]


def expressions(of: Rules) -> dict[str, str]:
    return {rule.get("record") or rule["alert"]: rule["expr"] for rule in every(of)}


def raised(of: Rules) -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in every(of) if "alert" in rule}


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_whatever_goes_on_in_the_lab_the_rules_say_what_it_is(scenario: Scenario, tmp_path: Path) -> None:
    assert complaint(rules(ADDRESS), scenario.test(), tmp_path) == ""


def spoilt(key: str, pattern: str, by: str) -> Rules:
    """The rules with a fault wherever the pattern is."""
    planted = copy.deepcopy(rules(ADDRESS))
    for rule in every(planted):
        if key in rule:
            rule[key] = re.sub(pattern, by, rule[key])
    assert planted != rules(ADDRESS), "nothing was planted"
    return planted


FAULTS = {
    "another's family": ("expr", "dyno_calls_total", "dyno_dead_letters_total", "a healthy lab"),
    "another's numerator": ("expr", '"error"', '"success"', "a healthy lab"),
    "a sum that is absent": ("expr", r" or service_method:dyno_calls:\w+ \* 0", "", "a healthy lab"),
    "letters that are absent": ("expr", " or max by .*", "", "a line is set aside and redriven"),
    "a rate of a minute": ("expr", "/ 300", "/ 60", "a healthy lab"),
    "another quantile": ("expr", r"quantile\(0.95", "quantile(0.5", "a healthy lab"),
    "milliseconds": ("expr", ">= 2 and", ">= 2000 and", "bookings become slow"),
    "no fewest that are slow": ("expr", r"(>= 2) and \S+ >= 5$", r"\1", "two bookings of ten wake the database"),
    "any that are slow": ("expr", r"\S+ >= 2 and (\S+ >= 5)$", r"\1", "a few slow bookings among many"),
    "all that there are for slow": ("expr", r' - sum by .*\{le="2\.154"\}.*$', "", "two bookings of ten wake"),
    "a last quarter of an hour that is an hour": ("expr", r"\[15m\]", "[1h]", "five slow bookings and nothing else"),
    "a percentage": ("expr", ">= 0.072", ">= 7.2", "five failures and nothing else"),
    "no share": ("expr", r"\S+ratio_rate\S+ >= \S+ and ", "", "a few failures among many bookings"),
    "no short window": ("expr", r" and \S+ratio_rate\S+ >= \S+", "", "five failures and nothing else"),
    "no long window": ("expr", r"ratio_rate1h(\S+) >= 0.072", r"ratio_rate1h\1 >= 0", "bookings begin to fail"),
    "no fewest failures": ("expr", r" and \S+increase\S+ >= 5", "", "four failures while the database wakes"),
    "a first failure that is none": ("expr", r"\(last_over_time.* or increase", "(increase", "five failures"),
    "a first letter that is none": ("expr", r"\(last_over_time.* or increase", "(increase", "a line is set aside"),
    "a past that is new": ("expr", r" and \(count_over_time.*\)\)\) or", ") or", "Prometheus begins"),
    "new without a snapshot": ("expr", r"\(dyno_snapshot\w+\[(..)\]\)\)", r"(up[\1]))", "the snapshot is lost and"),
    "a reset that is a fall": ("expr", r"increase\((\w+)\[(\w+)\]\)", r"delta(\1[\2])", "the database is restored"),
    "a failure that is over at once": ("expr", r"max_over_time\((\w+)\[5m\]\)", r"\1", "the database is away for a"),
    "a failure that has to last": ("expr", r"max_over_time\(", "min_over_time(", "the database is away for a"),
    "a lag of long ago": ("expr", r" and on \(job\) max by .*", "", "an idle lab"),
    "a lag of one batch": ("for", "10m", "0s", "a redrive brings what waited"),
    "an answer for none": ("expr", "(up.*) == 0", r"\1 == 2", "nobody answers"),
    "counts for none": ("expr", "(dyno_snapshot_readable) == 0", r"\1 == 2", "the snapshot cannot be read"),
    "a time of no calls": ("expr", "(histogram_quantile.*) >= 0", r"\1", "an idle lab"),
}
"""By what is wrong: where, what is there, what instead, and which scenario has to notice."""


def called(name: str) -> Scenario:
    """The scenario whose name begins so."""
    (scenario,) = [each for each in SCENARIOS if each.name.startswith(name)]
    return scenario


@pytest.mark.needs("promtool")
def test_an_exposition_that_dates_what_it_does_not_count_would_be_noticed(tmp_path: Path) -> None:
    scenario = called("the snapshot is lost while ingest fails")
    dated = {**scenario.series, **one(catalogue.SNAPSHOT_TIMESTAMP, "1000x200")}

    said = complaint(rules(ADDRESS), replace(scenario, series=dated).test(), tmp_path)

    assert dated.keys() == scenario.series.keys()
    assert "BookingErrorBudgetSlow" in said


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("fault", FAULTS)
def test_rules_with_a_fault_would_be_noticed(fault: str, tmp_path: Path) -> None:
    key, pattern, by, name = FAULTS[fault]
    planted = spoilt(key, pattern, by)

    assert complaint(planted, called(name).test(), tmp_path)


def checked(of: Rules, folder: Path) -> str:
    """What promtool complains of."""
    (folder / "rules.yml").write_text(yaml.safe_dump(of))
    done = subprocess.run(
        [promtool(), "check", "rules", "rules.yml"], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stderr


@pytest.mark.needs("promtool")
def test_promtool_accepts_the_rules(tmp_path: Path) -> None:
    assert checked(rules(ADDRESS), tmp_path) == ""


@pytest.mark.needs("promtool")
def test_an_expression_or_a_template_that_cannot_be_read_would_be_noticed(tmp_path: Path) -> None:
    template = rules(ADDRESS)
    every(template)[-1]["annotations"]["description"] += "{{ $value | humanise }}"

    assert "could not parse expression" in checked(spoilt("expr", "sum by", "sum bye"), tmp_path)
    assert "humanise" in checked(template, tmp_path)


TOLD = {
    "BookingErrorBudgetFast": (
        "five failures",
        360,
        {"severity": "page", **BOOKINGS},
        "AllocationService.auto_allocate: 100% of the calls within 1h failed, and 7.2 % or more within 5m.",
    ),
    "BookingDuration": (
        "bookings become slow",
        3_000,
        {"severity": "page", **BOOKINGS},
        "AllocationService.auto_allocate: p95 is 9.608s, within 15m.",
    ),
    "DeadLetters": ("a line is set", 660, {"severity": "ticket", "reason": "invalid"}, "invalid: 1 within 5m."),
    "IngestFailing": (
        "the database is away for a",
        660,
        {"severity": "ticket", **SCRAPED},
        "api.example: failing since 2025-11-01 12:26:40 +0000 UTC, and within the last 5m.",
    ),
    "IngestLagging": (
        "ingest falls behind",
        1_800,
        {"severity": "ticket", "job": "dyno"},
        "dyno: calls wait 6m 40s to be counted, for 10m.",
    ),
    "SnapshotUnreadable": (
        "the snapshot cannot be read",
        960,
        {"severity": "ticket", **SCRAPED},
        "api.example: no counts for 5m (dyno_snapshot_readable is 0).",
    ),
    "ScrapeFailing": (
        "nobody answers",
        960,
        {"severity": "ticket", **SCRAPED},
        "api.example: no answer for 5m (up is 0).",
    ),
}
"""By alert: when somebody is told, with which labels, and what they read."""


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("name", TOLD)
def test_who_is_told_reads_whose_it_is_how_much_and_what_to_do(name: str, tmp_path: Path) -> None:
    scenario, at_s, of, description = TOLD[name]
    rule = raised(rules(ADDRESS))[name]
    expected = {"exp_labels": of, "exp_annotations": {**rule["annotations"], "description": description}}
    test = called(scenario).test()
    test["alert_rule_test"] = [{"alertname": name, "eval_time": f"{at_s}s", "exp_alerts": [expected]}]

    assert complaint(rules(ADDRESS), test, tmp_path) == ""
    assert "exp" in complaint(rules("elsewhere"), test, tmp_path)


def named(expression: str) -> set[str]:
    """Names of series in an expression."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', "", re.sub(r'"[^"]*"', "", expression))
    bare = re.sub(r"\b(by|on|without|ignoring|group_left|group_right) *\([^)]*\)", "", bare)
    words = re.findall(r"(?<![\w:.])[a-zA-Z_:][\w:]*\b(?! *\()", bare)
    return set(words) - {"and", "or", "unless", "offset", "bool", "sum", "max"}


def unknown(of: Rules) -> dict[str, set[str]]:
    """Names that neither the catalogue has nor a rule above has recorded, by rule."""
    known = {"up"}
    for family in catalogue.FAMILIES:
        suffixes = ("_bucket", "_sum", "_count") if family.kind is Kind.HISTOGRAM else ("",)
        known |= {f"{family.name}{suffix}" for suffix in suffixes}
    found = {}
    for rule, expression in expressions(of).items():
        found[rule] = named(expression) - known
        known.add(rule)
    return {rule: names for rule, names in found.items() if names}


def test_every_name_in_a_rule_is_the_catalogues_or_recorded_above() -> None:
    assert unknown(rules(ADDRESS)) == {}
    assert {name for each in expressions(rules(ADDRESS)).values() for name in named(each)} > {
        *("dyno_calls_total", "dyno_call_duration_seconds_bucket", "dyno_ingest_failing_since_seconds"),
        *("service_method:dyno_calls:increase5m", "up"),
    }


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ('sum by (job) (rate(dyno_call_total{job="up"}[5m])) or up', "dyno_call_total"),
        ("dyno_call_duration_seconds", "dyno_call_duration_seconds"),
        ("max(up) and on (job) job:dyno_lag:max > 0", "job:dyno_lag:max"),
        ("up * 5 offset 5m unless dyno_lag", "dyno_lag"),
    ],
)
def test_a_name_that_there_is_not_would_be_found(expression: str, name: str) -> None:
    planted = rules(ADDRESS)
    every(planted)[3]["expr"] = expression

    assert list(unknown(planted).values()) == [{name}]


def test_a_rule_that_is_above_what_it_is_made_of_would_be_found() -> None:
    planted = rules(ADDRESS)
    planted["groups"][0]["rules"].reverse()

    assert "BookingErrorBudgetFast" in unknown(planted)


def test_every_recorded_series_says_its_level_metric_and_operation() -> None:
    names = [each.name for each in recordings.recordings()]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z_]+:dyno_[a-z_]+:[a-z0-9_]+", name) for name in names)
    for each in recordings.recordings():
        level = each.name.split(":")[0]
        by = re.match(r"(?:sum|max) by \(([\w, ]+)\)", each.expression)
        assert by is None or by[1].replace(", ", "_") == level, each.name


def test_the_earlier_systems_names_are_recorded_too() -> None:
    recorded = " ".join(expressions(rules(ADDRESS)))

    for family in catalogue.EARLIER:
        if family.kind is not Kind.INFO:
            assert f":{family.name.removesuffix('_total')}:" in recorded


def test_what_cloudwatch_calls_somebody_for_prometheus_does_too() -> None:
    ours = raised(rules(ADDRESS))
    theirs = {rule.incident or rule.name: rule for rule in alarms.rules(Strategy.CLOUDWATCH, reference.FUNCTIONS)}

    both = ours.keys() & theirs.keys()
    assert both == {"BookingErrorBudgetFast", "BookingErrorBudgetSlow", "BookingDuration", "DeadLetters"}
    for name in both:
        assert ours[name]["labels"]["severity"] == ("page" if theirs[name].incident else "ticket")
        assert ours[name]["annotations"]["runbook_url"] == f"{ADDRESS}#{anchor(theirs[name].section)}"
    assert {ours[name]["labels"]["severity"] for name in ours.keys() - both} == {"ticket"}


def unanswered(of: Rules, runbook: str) -> set[str]:
    """Alerts whose section is not in the runbook, or that it does not mention there."""
    sections = re.split(r"^## ", runbook, flags=re.MULTILINE)[1:]
    said = {f"{ADDRESS}#{anchor(section.splitlines()[0])}": section for section in sections}
    return {
        name for name, rule in raised(of).items() if f"`{name}`" not in said.get(rule["annotations"]["runbook_url"], "")
    }


def test_every_alert_says_what_is_wrong_with_what_and_has_a_section_in_the_runbook() -> None:
    assert unanswered(rules(ADDRESS), RUNBOOK) == set()
    for rule in raised(rules(ADDRESS)).values():
        said = rule["annotations"]
        assert said["summary"].endswith(".")
        assert "{{ $labels." in said["description"]
        assert "{{ $value " in said["description"]


@pytest.mark.parametrize("runbook", ["docs/runbook.md", "//wiki/runbook", ""])
def test_where_the_runbook_has_no_address_alerts_say_its_section_in_words(runbook: str) -> None:
    for alert in alerts.alerts():
        said = raised(rules(runbook))[alert.name]["annotations"]
        assert said["runbook"] == f"{alert.section}, in {runbook}"
        assert "runbook_url" not in said


def test_a_section_or_an_alert_that_is_renamed_would_be_noticed() -> None:
    assert unanswered(rules(ADDRESS), RUNBOOK.replace("## Lines were set aside", "## Lines")) == {"DeadLetters"}
    assert unanswered(rules(ADDRESS), RUNBOOK.replace("`IngestLagging`", "lag")) == {"IngestLagging"}


SERVED = Family("dyno_planted_total", Kind.COUNTER, "Planted.", ("reason",))
LINE = LogMetric(
    "PlantedLines",
    "Count",
    "planted",
    "Planted.",
    objective=Limit("Sum", 7, "Planted.", "Lines were set aside", periods=2, urgent=True, name="PlantedLines"),
    family=SERVED,
)
CALL = CallMetric(
    "Planted",
    "Count",
    Source.PLACED,
    "Planted.",
    objective=ErrorBudget("Planted", 1, "Planted.", "Bookings fail"),
    family=catalogue.CALLS_TOTAL,
    matching=(("outcome", "planted"),),
)


def test_a_metric_that_is_added_with_an_objective_is_recorded_and_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "CALL_METRICS", (*catalogue.CALL_METRICS, CALL))
    monkeypatch.setattr(catalogue, "LOG_METRICS", (*catalogue.LOG_METRICS, LINE))
    monkeypatch.setattr(catalogue, "FAMILIES", (*catalogue.FAMILIES, SERVED))

    made = rules(ADDRESS)
    assert unknown(made) == {}
    assert raised(made)["PlantedLines"]["expr"] == "reason:dyno_planted:increase5m >= 7"
    assert (raised(made)["PlantedLines"]["for"], raised(made)["PlantedLines"]["labels"]) == ("5m", {"severity": "page"})
    for burn in watching.BURNS:
        expression = raised(made)[f"PlantedErrorBudget{burn.name}"]["expr"]
        assert f"service_method:dyno_call_planted:ratio_rate{window(burn.long_s)}{alerts.BOOKINGS} >= " in expression
        assert f">= {burn.rate / 100:g} and " in expression


def test_what_is_said_of_windows_is_what_promql_reads() -> None:
    assert [window(seconds) for seconds in (60, 300, 3_600, 5_400, 21_600)] == ["1m", "5m", "1h", "90m", "6h"]
