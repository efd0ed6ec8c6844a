"""The catalogue is the one place where metrics are named, and all else follows from it."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk.app import synthesize
from cdk.bill.series import series
from cdk.monitoring import reference
from cdk.monitoring.alarms import rules
from cdk.options import Strategy
from dyno.metrics import catalogue, exposition
from dyno.metrics.catalogue import (
    BusinessMetric,
    CallMetric,
    ErrorBudget,
    Family,
    FunctionMetric,
    Kind,
    Limit,
    LogMetric,
    Row,
    Source,
    watching,
)
from dyno.metrics.catalogue.watching import AwsMetric, Part
from dyno.metrics.line import Finished, Lines
from tests.infrastructure import checks
from tests.infrastructure.template import Templates, resources
from tests.infrastructure.test_dashboard import rows
from tests.unit.metrics.cloudwatch import points

ROOT = Path(__file__).parents[2]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
PAGE = (ROOT / "docs" / "metrics.md").read_text()
CATALOGUE = ROOT / "layers" / "dyno" / "python" / "dyno" / "metrics" / "catalogue"

CALL = CallMetric(
    "PlantedCalls",
    "Count",
    Source.ERROR,
    "Planted.",
    row=Row.BOOKINGS,
    objective=ErrorBudget("Planted", 1, "Planted.", "Bookings fail"),
)
START = FunctionMetric("PlantedStarts", "Count", "Planted Time", "Planted.")
LINE = LogMetric(
    "PlantedLines",
    "Count",
    "planted",
    "Planted.",
    always=True,
    objective=Limit("Sum", 7, "Planted.", "Lines were set aside", name="PlantedLines"),
)
NIGHT = BusinessMetric("PlantedNights", "Percent", "Planted.")
AWS = AwsMetric(
    "AWS/RDS",
    "PlantedLoad",
    Part.DATABASE,
    "Count",
    "Planted.",
    Row.DATABASE,
    "Planted",
    objective=Limit("Sum", 3, "Planted.", "The database is near its ceiling", name="PlantedLoad"),
)
SERVED = Family("dyno_planted_total", Kind.COUNTER, "Planted.")


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more metric of each kind."""
    monkeypatch.setattr(catalogue, "CALL_METRICS", (*catalogue.CALL_METRICS, CALL))
    monkeypatch.setattr(catalogue, "FUNCTION_METRICS", (*catalogue.FUNCTION_METRICS, START))
    monkeypatch.setattr(catalogue, "LOG_METRICS", (*catalogue.LOG_METRICS, LINE))
    monkeypatch.setattr(catalogue, "BUSINESS_METRICS", (*catalogue.BUSINESS_METRICS, NIGHT))
    monkeypatch.setattr(watching, "AWS_METRICS", (*watching.AWS_METRICS, AWS))
    monkeypatch.setattr(catalogue, "FAMILIES", (*catalogue.FAMILIES, SERVED))
    monkeypatch.setattr(exposition, "FAMILIES", catalogue.FAMILIES)


def shown(templates: Templates) -> dict[str, set[str]]:
    """Which of the planted names each row of the dashboard shows."""
    names = {metric.name for metric in (CALL, START, LINE, NIGHT, AWS)}
    found = {row: json.dumps(widgets) for row, widgets in rows(templates.monitoring).items()}
    return {row: {name for name in names if name in said} for row, said in found.items() if row}


@pytest.mark.parametrize("strategy_with", Strategy)
@pytest.mark.usefixtures("planted")
def test_a_metric_that_is_added_is_shown_and_watched_under_every_strategy(
    strategy_with: Strategy, layers: Path, tmp_path: Path
) -> None:
    synthesize({"layers": str(layers), "monitoring": strategy_with}, str(tmp_path))
    made = Templates.read(tmp_path)

    expected: dict[str, set[str]] = {row: set() for row in Row}
    expected |= {Row.BOOKINGS: {CALL.name}, Row.LAB: {NIGHT.name}, Row.PIPELINE: {LINE.name}, Row.DATABASE: {AWS.name}}
    expected[Row.FUNCTIONS] = {START.name}
    assert shown(made) == expected
    alarms = checks.alarms(made.monitoring)
    assert alarms["PlantedLoad"].threshold == 3
    assert alarms["PlantedLines"].threshold == 7
    budgets = {name for name in alarms if name.startswith("PlantedErrorBudget")}
    assert len(budgets) == (4 if strategy_with is Strategy.CLOUDWATCH else 0)
    filters = json.dumps(resources(made.monitoring, "AWS::Logs::MetricFilter"))
    assert "{ $.planted = * }" in filters


@pytest.mark.parametrize("strategy_with", Strategy)
@pytest.mark.usefixtures("planted")
def test_a_metric_that_is_added_rides_on_lines_where_the_strategy_says(strategy_with: Strategy) -> None:
    call = Finished("e", "c", None, *catalogue.AUTO_ALLOCATE, "error", 1.0, 10**18)

    line = Lines(strategy_with, catalogue.NAMESPACE, "").line(call)

    assert (CALL.name in {point.name for point in points(line)}) == (strategy_with is Strategy.CLOUDWATCH)


@pytest.mark.usefixtures("planted")
def test_a_family_that_is_added_is_served() -> None:
    text = exposition.exposition(None, release="r", strategy="cloudwatch")

    assert "# HELP dyno_planted_total Planted." in text


@pytest.mark.usefixtures("planted")
def test_a_metric_that_is_added_is_on_the_page_of_metrics() -> None:
    page = reference.rendered(PAGE)

    names = [metric.name for metric in (CALL, START, LINE, NIGHT, AWS)]
    for said in (*names, SERVED.name, "PlantedErrorBudgetFastLong"):
        assert f"`{said}`" in page
        assert said not in PAGE


def test_a_metric_that_is_added_is_billed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {strategy: series(strategy, 3) for strategy in Strategy}
    methods = sum(len(each) for each in catalogue.METHODS.values())

    monkeypatch.setattr(catalogue, "CALL_METRICS", (*catalogue.CALL_METRICS, CALL))
    monkeypatch.setattr(catalogue, "FUNCTION_METRICS", (*catalogue.FUNCTION_METRICS, START))
    monkeypatch.setattr(catalogue, "LOG_METRICS", (*catalogue.LOG_METRICS, LINE))

    grown = {strategy: series(strategy, 3) - before[strategy] for strategy in Strategy}
    assert grown == {Strategy.CLOUDWATCH: methods + 3 + 2, Strategy.PROMETHEUS: 1, Strategy.HYBRID: 1}


def test_the_page_of_metrics_says_what_the_catalogue_says() -> None:
    assert reference.rendered(PAGE) == PAGE, "run: make docs"


def test_a_page_that_says_something_else_would_be_noticed() -> None:
    spoilt = PAGE.replace("Vehicles placed on a dyno.", "Vehicles.")

    assert reference.rendered(spoilt) == PAGE != spoilt


def test_the_page_knows_the_functions_by_the_stacks_names(aws: Templates) -> None:
    named = {name for names in reference.FUNCTIONS.values() for name in names}
    watched = set(checks.alarms(aws.monitoring))

    assert {rule.name for rule in rules(Strategy.CLOUDWATCH, reference.FUNCTIONS)} == watched
    assert all(any(alarm.startswith(name.capitalize()) for alarm in watched) for name in named)


def names() -> set[str]:
    """What only the catalogue may spell; of Count it cannot be told whether a unit is meant."""
    metrics = (
        *catalogue.CALL_METRICS,
        *catalogue.FUNCTION_METRICS,
        *catalogue.LOG_METRICS,
        *catalogue.BUSINESS_METRICS,
        *watching.AWS_METRICS,
    )
    return {each.name for each in (*metrics, *catalogue.FAMILIES)} - set(catalogue.UNITS)


def spelt(source: str) -> set[str]:
    """Names of metrics in a module's texts, alone or within longer ones, its docstrings left aside."""
    tree = ast.parse(source)
    documented = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, DOCUMENTED)}
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return names() & {word for each in texts if each not in documented for word in re.findall(r"\w+", each)}


def modules() -> Iterator[Path]:
    for folder in ("cdk", "functions", "layers"):
        for path in (ROOT / folder).rglob("*.py"):
            if CATALOGUE not in path.parents and "__pycache__" not in path.parts:
                yield path


OTHER_MEANINGS = {
    ("cdk/stacks/service.py", "Allocations"),
    ("layers/dyno/python/dyno/exports/service.py", "Allocations"),
}
"""Words that are no metric where they stand: a construct's id, a sheet's name."""


def test_nothing_but_the_catalogue_names_a_metric() -> None:
    found = {(str(path.relative_to(ROOT)), name) for path in modules() for name in spelt(path.read_text())}

    assert found == OTHER_MEANINGS


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("query = f'sum(rate(dyno_calls_total[{window}]))'", "dyno_calls_total"),
        ("query = 'stats count(*) as Rejections by bin(5m)'", "Rejections"),
        ("""query = f'SEARCH(\\'{{{namespace},service}} MetricName="IngestLag"\\', \\'Sum\\')'""", "IngestLag"),
        ('says = "Look at 5XXError."', "5XXError"),
    ],
)
def test_a_metric_within_a_text_would_be_found(source: str, name: str) -> None:
    assert spelt(source) == {name}
    assert spelt(f'"""Of {name}."""') == set()


@pytest.mark.parametrize("name", ["5XXError", "HoursSaved", "dyno_calls_total", "DeadLetters", "Duration"])
def test_a_metric_that_is_named_elsewhere_would_be_found(name: str) -> None:
    assert spelt(f"watched = metric({name!r})") == {name}
