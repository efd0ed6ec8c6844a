"""When somebody is told, and why: every alarm of a strategy, from what the catalogue promises."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cdk.options import Strategy
from dyno.metrics import catalogue
from dyno.metrics.catalogue import BusinessMetric, CallMetric, ErrorBudget, Limit, LogMetric, watching
from dyno.metrics.catalogue.watching import AwsMetric, Burn, Part

PERIOD_S = 300

FEWEST_CALLS = 10
"""In each period: from that many on, some of them must have left a record."""

MOST_METRICS = 10
"""That one alarm may look at. Source: CloudWatch User Guide, "CloudWatch service quotas"."""

MISSING_SECTION = "Records are expected, and none arrive"

Promising = CallMetric | LogMetric | AwsMetric
"""Metrics that may have an objective."""

Metric = Promising | BusinessMetric

Functions = Mapping[Part, Sequence[str]]
"""Names of the functions that are watched, by what they are for."""


@dataclass(frozen=True)
class Stat:
    """
    A statistic of one series.

    Attributes:
        of: Which of the metric's series: by the values of its dimensions, or by a function's name; empty if it has one.
    """

    metric: Metric
    statistic: str
    of: tuple[str, ...] = ()
    period_s: int = PERIOD_S


@dataclass(frozen=True)
class Rule:
    """
    An alarm to be.

    Attributes:
        name: Its id in the stack.
        says: What is wrong, to who is called.
        section: The heading in docs/runbook.md of what to do.
        stats: What is looked at, by the names that the expression knows it by.
        threshold: Reached or passed in each of the last `periods` it is an alarm.
        expression: Metric math over `stats`; empty for the one there is.
        incident: What it is a part of, if that is urgent: on while all parts of one are. None tells by itself.
    """

    name: str
    says: str
    section: str
    stats: Mapping[str, Stat]
    threshold: float
    periods: int = 1
    expression: str = ""
    incident: str | None = None

    @property
    def period_s(self) -> int:
        """Of all that it looks at."""
        (period_s,) = {stat.period_s for stat in self.stats.values()}
        return period_s

    @property
    def condition(self) -> str:
        """When it is on, in words."""
        compared = f"`{self.expression}`" if self.expression else self._compared()
        window = f"{self.periods} times {_told(self.period_s)}" if self.periods > 1 else _told(self.period_s)
        return f"{compared} is {self.threshold:g} or more for {window}"

    def _compared(self) -> str:
        (stat,) = self.stats.values()
        return f"{stat.statistic} of `{stat.metric.name}`"


def rules(strategy: Strategy, functions: Functions) -> list[Rule]:
    """Every alarm of a strategy: of what calls tell where that is emitted, of what AWS measures always."""
    return [
        *_of_gateway(),
        *_of_calls(strategy),
        *_of_silence(strategy, functions),
        *_of_lines(strategy),
        *_of_functions(functions),
        *_of_database(),
    ]


def incidents(of: Iterable[Rule]) -> dict[str, list[Rule]]:
    """What somebody is called for: each is on while all of its rules are."""
    found: dict[str, list[Rule]] = {}
    for rule in of:
        if rule.incident:
            found.setdefault(rule.incident, []).append(rule)
    return found


def _of_gateway() -> Iterator[Rule]:
    for metric in watching.AWS_METRICS:
        if metric.part is Part.API:
            yield from _promised(metric)


def _of_calls(strategy: Strategy) -> Iterator[Rule]:
    for metric in catalogue.emitted(strategy, *catalogue.AUTO_ALLOCATE):
        yield from _promised(metric, *catalogue.AUTO_ALLOCATE)


def _of_lines(strategy: Strategy) -> Iterator[Rule]:
    for metric in catalogue.filtered(strategy):
        yield from _promised(metric)


def _of_functions(functions: Functions) -> Iterator[Rule]:
    for metric in watching.AWS_METRICS:
        for name in functions.get(metric.part, ()):
            # What also runs at night tells of its errors there.
            if not (metric is watching.DOOR_CRASHES and name in functions[Part.NIGHTLY]):
                yield from _promised(metric, name)


def _of_database() -> Iterator[Rule]:
    for metric in watching.AWS_METRICS:
        if metric.part is Part.DATABASE:
            yield from _promised(metric)


def _promised(metric: Promising, *of: str) -> Iterator[Rule]:
    match metric.objective:
        case ErrorBudget() as budget:
            for burn in watching.BURNS:
                yield from _burning(metric, of, budget, burn)
        case Limit() as limit:
            name = limit.name or f"{''.join(of).capitalize()}{metric.name}"
            says = limit.says if limit.name else f"{limit.says.rstrip('.')}: {' '.join(of)}."
            stats = {"value": Stat(metric, limit.statistic, of)}
            incident = name if limit.urgent else None
            yield Rule(name, says, limit.section, stats, limit.at, limit.periods, incident=incident)


def _burning(metric: Promising, of: tuple[str, ...], budget: ErrorBudget, burn: Burn) -> Iterator[Rule]:
    """The long window and the short one; a metric of ones and zeros has the share of failures for its average."""
    incident = f"{budget.name}ErrorBudget{burn.name}"
    percentage = burn.rate * budget.percentage
    share = f"{percentage:g} % or more of them"
    long = {
        "failed": Stat(metric, "Sum", of, burn.long_s),
        "share": Stat(metric, "Average", of, burn.long_s),
    }
    yield Rule(
        f"{incident}Long",
        f"{budget.says} {share} within {_told(burn.long_s)}.",
        budget.section,
        long,
        percentage,
        expression=f"IF(failed >= {watching.FEWEST_FAILURES}, 100 * share, 0)",
        incident=incident,
    )
    yield Rule(
        f"{incident}Short",
        f"{budget.says} {share} within {_told(burn.short_s)}.",
        budget.section,
        {"share": Stat(metric, "Average", of, burn.short_s)},
        percentage,
        expression="100 * share",
        incident=incident,
    )


def _of_silence(strategy: Strategy, functions: Functions) -> Iterator[Rule]:
    called = Stat(watching.DOOR_RUNS, "Sum", (functions[Part.DOORS][0],))
    (ingest,) = functions[Part.INGEST]
    batches = {"arrived": Stat(watching.BATCHES, "Sum", (ingest,))}
    yield _silent("RecordsMissing", "Calls are made, and no record of one arrives.", called, batches)
    if catalogue.DURATION in catalogue.carried(strategy):
        yield _silent("MetricsMissing", "Calls are made, and no metric of one arrives.", called, _durations())


def _durations() -> dict[str, Stat]:
    """What any call of the first function leaves: its method's, or the others' share."""
    methods = catalogue.METHODS[catalogue.ALLOCATION_SERVICE][: MOST_METRICS - 2]
    own = [(catalogue.ALLOCATION_SERVICE, method) for method in methods]
    every = [*own, tuple(catalogue.OVERFLOW.values())]
    return {
        f"arrived{number}": Stat(catalogue.DURATION, "SampleCount", series) for number, series in enumerate(every, 1)
    }


def _silent(name: str, says: str, called: Stat, arriving: Mapping[str, Stat]) -> Rule:
    # A sum takes no notice of a series without points, whatever FILL makes of one that has none at all.
    arrived = ", ".join(f"FILL({each}, 0)" for each in arriving)
    return Rule(
        name,
        says,
        MISSING_SECTION,
        {"called": called, **arriving},
        1,
        periods=3,
        expression=f"IF(called >= {FEWEST_CALLS} AND SUM([called, {arrived}]) - called == 0, 1, 0)",
        incident=name,
    )


def _told(seconds: int) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h" if hours else f"{minutes} min"
