"""
The tables of docs/metrics.md, from the catalogue and what is derived from it.

`python -m cdk.monitoring.reference` writes them; what stands between them is written by hand.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from cdk.monitoring.alarms import Functions, Rule, rules
from cdk.monitoring.prometheus.alerts import alerts
from cdk.monitoring.prometheus.promql import window
from cdk.monitoring.prometheus.recordings import recordings
from cdk.monitoring.queries import SAVED
from cdk.monitoring.runbook import anchor
from cdk.options import Strategy
from cdk.stage import ROOT
from dyno.metrics import catalogue
from dyno.metrics.catalogue import CallMetric, Family, watching
from dyno.metrics.catalogue.watching import Part

PAGE = ROOT / "docs" / "metrics.md"

FUNCTIONS: Functions = {
    Part.DOORS: ("allocations", "exports", "imports", "metrics", "roi"),
    Part.UNLIMITED: ("allocations", "metrics", "roi"),
    Part.INGEST: ("ingest",),
    Part.NOTICES: ("notices",),
    Part.NIGHTLY: ("lifecycle", "redrive", "roi"),
    Part.DEPLOYMENT: ("bootstrap", "migrate"),
}
"""As the stacks name them, which a test holds."""

PARTS = {
    Part.API: "the API",
    Part.DOORS: "each function of the API",
    Part.UNLIMITED: "each function of the API but those of sheets",
    Part.INGEST: "`metrics_ingest`",
    Part.NOTICES: "`notices`",
    Part.NIGHTLY: "each function of the night",
    Part.DEPLOYMENT: "each function of a deployment",
    Part.DATABASE: "the cluster",
}

Cells = Iterable[str]


def rendered(page: str) -> str:
    """
    The page with its tables anew: each between `<!-- its name -->` and `<!-- end -->`.

    Raises:
        KeyError: A table is named that there is not.
    """
    return re.sub(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", _filled, page, flags=re.DOTALL)


def _filled(place: re.Match[str]) -> str:
    begin, name, end = place.groups()
    return "".join((begin, *(f"{line}\n" for line in TABLES[name]()), end))


def _calls() -> Iterator[str]:
    yield from _head("metric", "unit", "says", "dimensions", *Strategy, "Prometheus")
    for metric in catalogue.CALL_METRICS:
        of = ", ".join(f"`{'.'.join(call)}`" for call in metric.methods)
        dimensions = ", ".join(catalogue.DIMENSIONS) + (f"; of {of}" if of else "")
        carriers = [_mark(metric in catalogue.carried(strategy)) for strategy in Strategy]
        yield _row(f"`{metric.name}`", metric.unit, metric.help, dimensions, *carriers, _counterpart(metric))


def _functions() -> Iterator[str]:
    yield from _head("metric", "unit", "says", "dimensions", *Strategy)
    emitters = [_mark(strategy is Strategy.CLOUDWATCH) for strategy in Strategy]
    for metric in catalogue.FUNCTION_METRICS:
        yield _row(f"`{metric.name}`", metric.unit, metric.help, catalogue.FUNCTION_DIMENSION, *emitters)


def _lines() -> Iterator[str]:
    yield from _head("metric", "unit", "says", "member of the line", *Strategy, "Prometheus")
    for metric in catalogue.LOG_METRICS:
        takers = [_mark(metric in catalogue.filtered(strategy)) for strategy in Strategy]
        family = f"`{metric.family.name}`" if metric.family else ""
        yield _row(f"`{metric.name}`", metric.unit, metric.help, f"`{metric.field}`", *takers, family)


def _business() -> Iterator[str]:
    yield from _head("metric", "unit", "says")
    for metric in catalogue.BUSINESS_METRICS:
        yield _row(f"`{metric.name}`", metric.unit, metric.help)


def _aws() -> Iterator[str]:
    yield from _head("metric", "unit", "of", "says", "shown", "row")
    for metric in watching.AWS_METRICS:
        shown = ", ".join(metric.statistics)
        name = f"`{metric.namespace}` `{metric.name}`"
        yield _row(name, metric.unit, PARTS[metric.part], metric.help, shown, metric.row)


def _families() -> Iterator[str]:
    yield from _head("family", "type", "labels", "says")
    for family in catalogue.FAMILIES:
        yield _row(f"`{family.name}`", family.kind, ", ".join(family.labels), family.help)


def _recordings() -> Iterator[str]:
    yield from _head("series", "says", "expression")
    for each in recordings():
        yield _row(f"`{each.name}`", each.says, f"`{each.expression}`")


def _alerts() -> Iterator[str]:
    yield from _head("alert", "says", "is on while there is", "for", "severity", "what to do")
    for each in alerts():
        for_ = window(each.for_s) if each.for_s else "at once"
        yield _row(f"`{each.name}`", each.says, f"`{each.expression}`", for_, each.severity, _section(each.section))


def _alarms() -> Iterator[str]:
    yield from _head("alarm", "says", "is on while", *Strategy, "what to do")
    for rule, strategies in _by_strategy().values():
        marks = [_mark(strategy in strategies) for strategy in Strategy]
        urgent = "; urgent" if rule.incident else ""
        yield _row(f"`{rule.name}`", rule.says, f"{rule.condition}{urgent}", *marks, _section(rule.section))


def _by_strategy() -> Mapping[str, tuple[Rule, set[Strategy]]]:
    found: dict[str, tuple[Rule, set[Strategy]]] = {}
    for strategy in Strategy:
        for rule in rules(strategy, FUNCTIONS):
            found.setdefault(rule.name, (rule, set()))[1].add(strategy)
    return found


def _queries() -> Iterator[str]:
    for query in SAVED:
        yield from (f"**{query.title}**, of the log of {query.log.value}:", "```", query.text, "```")


def _counterpart(metric: CallMetric) -> str:
    return f"`{_selector(metric.family, metric.matching)}`" if metric.family else ""


def _selector(family: Family, matching: Iterable[tuple[str, str]]) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in matching)
    return f"{family.name}{{{labels}}}" if labels else family.name


def _section(heading: str) -> str:
    return f"[{heading}](runbook.md#{anchor(heading)})"


def _head(*cells: str) -> tuple[str, str]:
    return _row(*cells), _row(*("---" for _ in cells))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def _mark(there: bool) -> str:
    return "yes" if there else ""


TABLES: Mapping[str, Callable[[], Iterable[str]]] = {
    "calls": _calls,
    "functions": _functions,
    "lines": _lines,
    "business": _business,
    "aws": _aws,
    "families": _families,
    "recordings": _recordings,
    "alerts": _alerts,
    "alarms": _alarms,
    "queries": _queries,
}

if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
