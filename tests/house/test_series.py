"""What CloudWatch is billed for: every series the service's own code can make, against the budget."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dyno.metrics import catalogue
from dyno.metrics.line import Finished, Lines
from dyno.metrics.observation import Observation
from dyno.settings import Strategy
from tests.unit.metrics.cloudwatch import Point, points

ROOT = Path(__file__).parents[2]
NO_LIMIT = 1_000_000


@dataclass
class Source:
    """
    What a module's text says it will put out.

    Attributes:
        calls: (service, method) of what is tracked.
        observed: Names of business metrics; those with labels are refused, as nobody can count them from here.
        invoked: Whether it notes cold starts.
    """

    module: str
    calls: set[tuple[str, str]] = field(default_factory=set)
    observed: set[str] = field(default_factory=set)
    invoked: bool = False

    @classmethod
    def of(cls, text: str, module: str) -> "Source":
        tree = ast.parse(text)
        source = cls(module)
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        source._read(tree, constants, within=None, owner=None)
        return source

    def _read(self, node: ast.AST, constants: Mapping[str, object], within: str | None, owner: str | None) -> None:
        for child in ast.iter_child_nodes(node):
            inside, owned = within, owner
            if isinstance(child, ast.ClassDef):
                inside, owned = None, child.name
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                inside = child.name
                for decorator in child.decorator_list:
                    self._called(decorator, constants, child.name, owner)
            elif isinstance(child, ast.Call):
                self._called(child, constants, within, owner)
            self._read(child, constants, inside, owned)

    def _called(self, node: ast.expr, constants: Mapping[str, object], within: str | None, owner: str | None) -> None:
        call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        first = call.args[0] if call.args else given.get("service_name") or given.get("name")
        if name == "invocation":
            self.invoked = True
        elif name == "record_business_metric":
            assert "labels" not in given, f"{self.module}: how many label sets has {ast.unparse(call)}?"
            if first and ast.unparse(first) == "metric.name":  # of the catalogue's, one after the other
                self.observed.update(metric.name for metric in catalogue.BUSINESS_METRICS)
            else:
                self.observed.add(_text(first, constants))
        elif name == "track_performance":
            service = _text(first, constants) if first else owner or self.module
            method = _text(given["method"], constants) if "method" in given else within
            assert method, f"{self.module}: which method is {ast.unparse(call)}?"
            self.calls.add((service, method))


def _text(node: ast.expr | None, constants: Mapping[str, object]) -> str:
    found = constants.get(node.id) if isinstance(node, ast.Name) else getattr(node, "value", None)
    assert isinstance(found, str), f"{node and ast.unparse(node)} is not written out in its module"
    return found


def sources(more: Iterable[Source] = ()) -> list[Source]:
    found = [Source.of(path.read_text(), path.stem) for path in (ROOT / "layers/dyno/python/dyno").rglob("*.py")]
    for source in found:
        source.invoked = False  # that is the tracker, in whichever function
    doors = [Source.of(path.read_text(), path.parent.name) for path in (ROOT / "functions").glob("*/handler.py")]
    return [*found, *doors, *more]


def made(strategy: str, of: Iterable[Source]) -> Iterator[Point]:
    """Every value that all environments together put out, whatever is called in them."""
    lines = Lines(strategy, "N", "", NO_LIMIT)
    for source in of:
        for service, method in source.calls:
            yield from points(lines.line(Finished("e", "c", None, service, method, "success", 1.0, 10**18)))
        for name in source.observed:
            observation = Observation("e", "c", None, name, "counter", "Count", 1.0, {}, 10**18)
            yield from points(lines.observations.line(observation))
        if source.invoked:
            yield from points(lines.cold_start(source.module) or "{}")


def count(strategy: str, of: Iterable[Source]) -> int:
    """Those, and what CloudWatch itself takes from ingest's lines: one of each filter."""
    return len({point.series for point in made(strategy, of)}) + len(catalogue.filtered(strategy))


def methods(number: int, service: str) -> Source:
    tracked = "".join(f"@track_performance('{service}')\ndef method_{each}(): ...\n" for each in range(number))
    return Source.of(tracked, "planted")


@pytest.mark.parametrize("strategy", Strategy)
def test_the_deployment_stays_within_the_budget(strategy: Strategy) -> None:
    series = count(strategy, sources())

    assert series <= catalogue.SERIES_BUDGET
    assert (series > len(catalogue.filtered(strategy)) > 0) == (strategy is not Strategy.PROMETHEUS)


def test_every_door_and_method_is_known_to_the_count() -> None:
    found = sources()

    calls = {call for source in found for call in source.calls}
    assert {("AllocationService", "auto_allocate"), ("MetricsService", "performance")} <= calls
    assert {source.module for source in found if source.invoked} >= {"allocations", "metrics", "roi"}
    assert {metric.name for metric in catalogue.BUSINESS_METRICS} <= {name for each in found for name in each.observed}


def test_the_catalogue_gives_series_to_methods_that_there_are() -> None:
    calls = {call for source in sources() for call in source.calls}

    named = {(service, method) for service, methods in catalogue.METHODS.items() for method in methods}

    assert named - calls == set()
    assert {service for service, _ in calls} <= catalogue.METHODS.keys(), "a service the catalogue does not know"


def test_what_rides_on_some_methods_only_rides_on_those_that_have_series_of_their_own() -> None:
    pairs = {pair for metric in catalogue.CALL_METRICS for pair in metric.methods}

    assert pairs
    assert [pair for pair in pairs if pair[1] not in catalogue.METHODS.get(pair[0], ())] == []


def test_twenty_one_methods_of_a_service_nobody_thought_of_would_be_too_many() -> None:
    assert count("cloudwatch", sources([methods(21, "NewService")])) > catalogue.SERIES_BUDGET


def test_twenty_one_methods_more_in_the_catalogue_would_be_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = methods(21, "AllocationService")
    names = tuple(method for _, method in planted.calls)
    monkeypatch.setitem(
        catalogue.METHODS,
        "AllocationService",
        catalogue.METHODS["AllocationService"] + names,
    )

    assert count("cloudwatch", sources([planted])) > catalogue.SERIES_BUDGET


def test_as_many_methods_as_there_may_ever_be_share_if_nobody_names_them() -> None:
    few, many = (count("cloudwatch", sources([methods(number, "AllocationService")])) for number in (1, 100))

    assert few == many <= catalogue.SERIES_BUDGET


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("@track_performance\ndef a(): ...", {("module", "a")}),
        ("@track_performance()\nasync def a(): ...", {("module", "a")}),
        ("SERVICE = 'S'\n@metrics.track_performance(SERVICE)\ndef a(): ...", {("S", "a")}),
        ("@track_performance(service_name='S', method='m')\ndef a(): ...", {("S", "m")}),
        ("class C:\n  @staticmethod\n  @track_performance\n  def a(): ...", {("C", "a")}),
        ("def a():\n  with track_performance('S', method='b'), x:\n    ...", {("S", "b")}),
        ("def a():\n  def inner():\n    with track_performance('S'):\n      ...", {("S", "inner")}),
        ("tracked = track_performance('S', method='m')(work)", {("S", "m")}),
    ],
)
def test_the_count_reads_whatever_way_a_call_is_tracked(text: str, calls: set[tuple[str, str]]) -> None:
    assert Source.of(text, "module").calls == calls


@pytest.mark.parametrize(
    "text",
    [
        "@track_performance(name())\ndef a(): ...",
        "tracked = track_performance('S')(work)",
        "record_business_metric('Scans', labels={'site': site})",
        "record_business_metric(name)",
    ],
)
def test_what_cannot_be_counted_is_not_passed_over(text: str) -> None:
    with pytest.raises(AssertionError):
        Source.of(text, "module")


def test_business_metrics_and_cold_starts_are_counted() -> None:
    source = Source.of("record_business_metric('Scans')\nwith invocation(event, context): ...", "door")

    assert {point.name for point in made("cloudwatch", [source])} == {"Scans", "ColdStart"}
