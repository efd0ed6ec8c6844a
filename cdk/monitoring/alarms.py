"""When somebody is told, and why: every alarm of a strategy, from what the catalogue promises."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cdk.options import Strategy
from dyno.metrics import catalogue
from dyno.metrics.catalogue import BusinessMetric, CallMetric, ErrorBudget, Limit, LogMetric, watching
from dyno.metrics.catalogue.watching import AwsMetric, Burn, Part

PERIOD_S = 300

SILENCE_S, FEWEST_CALLS = 3_600, 10
"""From that many calls within that time on, some of them must have left a record."""

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
        condition: When it is on, in words.
        incident: What it is a part of, if that is urgent: on while all parts of one are. None tells by itself.
    """

    name: str
    says: str
    section: str
    stats: Mapping[str, Stat]
    threshold: float
    condition: str
    periods: int = 1
    expression: str = ""
    incident: str | None = None

    @property
    def period_s(self) -> int:
        """Of all that it looks at."""
        (period_s,) = {stat.period_s for stat in self.stats.values()}
        return period_s


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
            yield _limited(metric, of, limit)


def _limited(metric: Promising, of: tuple[str, ...], limit: Limit) -> Rule:
    name = limit.name or f"{''.join(of).capitalize()}{metric.name}"
    stats = {"value": Stat(metric, limit.statistic, of, limit.period_s)}
    times = f"{limit.periods} times " if limit.periods > 1 else ""
    condition = f"{limit.statistic} of `{metric.name}` is {limit.at:g} or more for {times}{_told(limit.period_s)}"
    if limit.percentage:
        stats["slow"] = Stat(metric, f"TC({limit.at}:)", of, limit.period_s)
        condition += f", and {watching.FEWEST_FAILURES} or more of them are above it"
    return Rule(
        name,
        limit.says if limit.name else f"{limit.says.rstrip('.')}: {' '.join(of)}.",
        limit.section,
        stats,
        limit.at,
        condition,
        limit.periods,
        expression=f"IF(slow >= {watching.FEWEST_FAILURES}, value, 0)" if limit.percentage else "",
        incident=name if limit.urgent else None,
    )


def _burning(metric: Promising, of: tuple[str, ...], budget: ErrorBudget, burn: Burn) -> Iterator[Rule]:
    """The long window and the short one; a metric of ones and zeros has the share of failures for its average."""
    incident = f"{budget.name}ErrorBudget{burn.name}"
    percentage = burn.rate * budget.percentage
    for window, period_s in (("Long", burn.long_s), ("Short", burn.short_s)):
        share = f"{percentage:g} % or more of them within {_told(period_s)}"
        yield Rule(
            f"{incident}{window}",
            f"{budget.says} {share}.",
            budget.section,
            {"failed": Stat(metric, "Sum", of, period_s), "share": Stat(metric, "Average", of, period_s)},
            percentage,
            f"`{metric.name}` is {share}, and {watching.FEWEST_FAILURES} or more",
            expression=f"IF(failed >= {watching.FEWEST_FAILURES}, 100 * share, 0)",
            incident=incident,
        )


def _of_silence(strategy: Strategy, functions: Functions) -> Iterator[Rule]:
    called = Stat(watching.DOOR_RUNS, "Sum", (functions[Part.DOORS][0],), SILENCE_S)
    (ingest,) = functions[Part.INGEST]
    batches = {"arrived": Stat(watching.BATCHES, "Sum", (ingest,), SILENCE_S)}
    yield _silent("RecordsMissing", "record", called, batches)
    if catalogue.DURATION in catalogue.carried(strategy):
        yield _silent("MetricsMissing", "metric", called, _durations())


def _durations() -> dict[str, Stat]:
    """What any call of the first function leaves: its method's, or the others' share."""
    methods = catalogue.METHODS[catalogue.ALLOCATION_SERVICE][: MOST_METRICS - 2]
    every = [*((catalogue.ALLOCATION_SERVICE, method) for method in methods), catalogue.OTHERS]
    return {
        f"arrived{number}": Stat(catalogue.DURATION, "SampleCount", series, SILENCE_S)
        for number, series in enumerate(every, 1)
    }


def _silent(name: str, what: str, called: Stat, arriving: Mapping[str, Stat]) -> Rule:
    # Whatever FILL makes of a series that has no point at all, a sum that has one takes no notice of it.
    arrived = ", ".join(f"FILL({each}, 0)" for each in arriving)
    return Rule(
        name,
        f"Calls are made, and no {what} of one arrives.",
        MISSING_SECTION,
        {"called": called, **arriving},
        1,
        f"{FEWEST_CALLS} calls or more are made within {_told(SILENCE_S)}, and no {what} of one arrives",
        expression=f"IF((called >= {FEWEST_CALLS}) AND ((SUM([called, {arrived}]) - called) == 0), 1, 0)",
    )


def _told(seconds: int) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h" if hours else f"{minutes} min"
