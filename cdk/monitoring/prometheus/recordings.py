"""
The series that Prometheus records, each named level:metric:operation; the level are the labels that are left.

Source:
    Prometheus documentation, "Recording rules".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cdk.monitoring.alarms import PERIOD_S
from cdk.monitoring.prometheus.promql import grown_by, labels, or_none, share, total, window
from dyno.metrics import catalogue
from dyno.metrics.catalogue import BUCKET_BOUNDS_MS, EXPOSED_BUCKETS, CallMetric, Family, Kind, Limit, bound_s, watching

QUANTILES = (50, 95, 99)

LATELY = window(PERIOD_S)
"""What a rate is of."""

WINDOWS = tuple(map(window, sorted({PERIOD_S, *(each for burn in watching.BURNS for each in burn[2:])})))
"""That one, and those that error budgets are watched over."""


@dataclass(frozen=True)
class Recording:
    """A series that is recorded at each evaluation."""

    name: str
    expression: str
    says: str


def recorded(by: Iterable[str], metric: str, operation: str) -> str:
    """The name of a recorded series."""
    return f"{'_'.join(by)}:{metric}:{operation}"


def counted(family: Family, operation: str) -> str:
    """The recorded series of a counter, by all of its labels."""
    return recorded(family.labels, family.name.removesuffix("_total"), operation)


def of_calls(metric: CallMetric, operation: str) -> str:
    """The recorded series of a metric that counts some of the calls: increase1h, rate5m, ratio_rate6h."""
    return recorded(catalogue.DIMENSIONS, f"{_CALLS.removesuffix('s')}_{metric.name.lower()}", operation)


def quantile(family: Family, percentage: int, over: str = LATELY) -> str:
    """The recorded series of a histogram's quantile."""
    return recorded(family.labels, family.name, f"p{percentage}_{over}")


def slow(family: Family, over: str) -> str:
    """The recorded series of how many of a histogram's calls are above their limit."""
    return recorded(family.labels, family.name, f"slow_{over}")


def per_job(family: Family) -> str:
    """The recorded series of a gauge without labels."""
    return recorded(("job",), family.name, "max")


_CALLS = catalogue.CALLS_TOTAL.name.removesuffix("_total")

CALLS_RATE = recorded(catalogue.DIMENSIONS, _CALLS, f"rate{LATELY}")
OUTCOMES_RATE = counted(catalogue.CALLS_TOTAL, f"rate{LATELY}")
SUCCESS_RATIO = recorded(catalogue.DIMENSIONS, f"{_CALLS.removesuffix('s')}_successes", f"ratio_rate{LATELY}")
INGEST_LAG = per_job(catalogue.INGEST_LAG_SECONDS)
OPEN_LETTERS = recorded(("job",), catalogue.OPEN_DEAD_LETTERS.name, "sum")


def recordings() -> list[Recording]:
    """Every series that is recorded, each after those it is made of."""
    return [*_of_outcomes(), *_of_shares(), *_of_durations(), *_of_pipeline(), *_of_earlier()]


def _of_outcomes() -> Iterator[Recording]:
    """Calls over each window, by outcome and in all."""
    for over in WINDOWS:
        by_outcome = counted(catalogue.CALLS_TOTAL, f"increase{over}")
        yield Recording(by_outcome, grown_by(catalogue.CALLS_TOTAL, over), f"Calls within {over}, by outcome.")
        yield Recording(_every(over), total(catalogue.DIMENSIONS, by_outcome), f"Calls within {over}.")
    by_outcome = counted(catalogue.CALLS_TOTAL, f"increase{LATELY}")
    yield Recording(OUTCOMES_RATE, f"{by_outcome} / {PERIOD_S}", "Calls a second, by outcome.")
    yield Recording(CALLS_RATE, f"{_every(LATELY)} / {PERIOD_S}", "Calls a second.")


def _of_shares() -> Iterator[Recording]:
    """Of the calls those that a metric counts, over each window that somebody looks at."""
    for metric in catalogue.CALL_METRICS:
        if metric.family is catalogue.CALLS_TOTAL and metric.matching:
            yield from _of_share(metric)
    succeeded = f"({_some((('outcome', 'success'),), LATELY)})"
    yield Recording(SUCCESS_RATIO, share(succeeded, _every(LATELY)), "Share of the calls that did what was asked.")


def _of_share(metric: CallMetric) -> Iterator[Recording]:
    for over in WINDOWS if metric.objective else (LATELY,):
        some = of_calls(metric, f"increase{over}")
        yield Recording(some, _some(metric.matching, over), f"{metric.help.rstrip('.')}, within {over}.")
        yield Recording(
            of_calls(metric, f"ratio_rate{over}"), share(some, _every(over)), f"Their share of the calls within {over}."
        )
    lately = of_calls(metric, f"increase{LATELY}")
    yield Recording(of_calls(metric, f"rate{LATELY}"), f"{lately} / {PERIOD_S}", "The same, a second.")


def _of_durations() -> Iterator[Recording]:
    for metric in catalogue.CALL_METRICS:
        if metric.family and metric.family.kind is Kind.HISTOGRAM:
            yield from _quantiles(metric.family)
            match metric.objective:
                case Limit(percentage=int(percentage)) as limit:
                    yield from _slowness(metric.family, limit, percentage)


def _quantiles(family: Family) -> Iterator[Recording]:
    buckets = _buckets(family, "le")
    calls = counted(buckets, f"increase{LATELY}")
    yield Recording(calls, grown_by(buckets, LATELY), f"Calls within {LATELY}, by how long they took at most.")
    for percentage in QUANTILES:
        yield _quantile(family, percentage, LATELY, calls)


def _slowness(family: Family, limit: Limit, percentage: int) -> Iterator[Recording]:
    """Of the time that an alarm looks at; by bucket that would be many series, so only what comes of them is kept."""
    over, bounds = window(limit.period_s), [each for each in EXPOSED_BUCKETS if limit.at <= BUCKET_BOUNDS_MS[each]]
    yield _quantile(family, percentage, over, grown_by(_buckets(family, "le"), over))
    every, quick = (grown_by(_buckets(family), over, le=le) for le in ("+Inf", bound_s(bounds[0])))
    says = f"Calls within {over} that took more than {bound_s(bounds[0])} s, the first bound from {limit.at:g} ms on."
    yield Recording(slow(family, over), f"{every} - {quick}", says)


def _buckets(family: Family, *le: str) -> Family:
    return Family(f"{family.name}_bucket", Kind.COUNTER, family.help, (*family.labels, *le))


def _quantile(family: Family, percentage: int, over: str, calls: str) -> Recording:
    # Of no calls it is NaN, which is not 0 or more: an idle method has none.
    expression = f"histogram_quantile({percentage / 100}, {calls}) >= 0"
    says = f"Seconds that {percentage} % of calls within {over} do not exceed."
    return Recording(quantile(family, percentage, over), expression, says)


def _of_pipeline() -> Iterator[Recording]:
    for metric in catalogue.LOG_METRICS:
        if metric.family and metric.family.kind is Kind.COUNTER:
            within = counted(metric.family, f"increase{LATELY}")
            yield Recording(within, grown_by(metric.family, LATELY), f"{metric.help.rstrip('.')}, within {LATELY}.")
    letters, known = catalogue.OPEN_DEAD_LETTERS, catalogue.SNAPSHOT_TIMESTAMP
    yield Recording(OPEN_LETTERS, or_none(_all(letters), f"max by (job) ({known.name})"), letters.help)
    yield _greatest(catalogue.INGEST_LAG_SECONDS)


def _of_earlier() -> Iterator[Recording]:
    """What the earlier system's panels reckon, by its names."""
    for family in catalogue.EARLIER:
        if family.kind is Kind.COUNTER:
            rate = f"{grown_by(family, LATELY)} / {PERIOD_S}"
            yield Recording(counted(family, f"rate{LATELY}"), rate, "Calls a second, under their earlier name.")
        elif family.kind is Kind.HISTOGRAM:
            yield from _quantiles(family)
        elif family.kind is Kind.GAUGE:
            yield _greatest(family)


def _greatest(family: Family) -> Recording:
    return Recording(per_job(family), f"max by (job) ({family.name})", family.help)


def _all(family: Family) -> str:
    return total(("job",), family.name)


def _every(over: str) -> str:
    return recorded(catalogue.DIMENSIONS, _CALLS, f"increase{over}")


def _some(matching: Iterable[tuple[str, str]], over: str) -> str:
    """Calls within a window that have these labels; none, if there are others."""
    by_outcome = f"{counted(catalogue.CALLS_TOTAL, f'increase{over}')}{labels(dict(matching))}"
    return or_none(total(catalogue.DIMENSIONS, by_outcome), _every(over))
