"""What dashboards ask Prometheus: by the series that it records, where there are some."""

from cdk.monitoring.prometheus.alerts import BOOKINGS, JOB
from cdk.monitoring.prometheus.promql import labels, share, window
from cdk.monitoring.prometheus.recordings import (
    CALLS_RATE,
    LATELY,
    OUTCOMES_RATE,
    counted,
    of_calls,
    quantile,
    recordings,
)
from dyno.metrics import catalogue
from dyno.metrics.catalogue import CallMetric, Family, Kind
from dyno.metrics.catalogue.watching import Burn

CHOSEN = "{" + ",".join(f'{dimension}=~"${dimension}"' for dimension in catalogue.DIMENSIONS) + "}"
"""Of the services and methods that are chosen at the top of the dashboard."""

RAISED = 'max by (alertname) (ALERTS{alertstate="firing"})'
SCRAPED = f"min(up{labels({'job': JOB})})"
READABLE = f"min ({catalogue.SNAPSHOT_READABLE.name})"

BUDGET_DAYS = 30

OPERATIONS = {"Sum": f"rate{LATELY}", "Average": f"ratio_rate{LATELY}"}
"""Statistics of a metric that is 1 for some calls and 0 for others, as they are recorded."""


def of_statistic(metric: CallMetric, family: Family, statistic: str) -> str:
    """A statistic of the chosen methods' calls, by CloudWatch's name of it."""
    if family.kind is not Kind.HISTOGRAM:
        return f"{of_calls(metric, OPERATIONS[statistic])}{CHOSEN}"
    if statistic == "SampleCount":
        return f"{CALLS_RATE}{CHOSEN}"
    return f"{quantile(family, int(statistic.removeprefix('p')))}{CHOSEN}"


def burning(metric: CallMetric, percentage: float, burn: Burn) -> str:
    """How many times too fast a budget is used up: at 1, it lasts for just its days."""
    return f"{of_calls(metric, f'ratio_rate{window(burn.long_s)}')}{BOOKINGS} / {percentage / 100:g}"


def budget_left(metric: CallMetric, percentage: float) -> str:
    """The share of a budget that the last days left; below 0 it is overdrawn."""
    failed = _over_days(of_calls(metric, OPERATIONS["Sum"]))
    return f"1 - {share(failed, _over_days(CALLS_RATE))} / {percentage / 100:g}"


def bookings_by_outcome() -> str:
    """Calls a second that ask for a booking."""
    return f"sum by (outcome) ({OUTCOMES_RATE}{BOOKINGS})"


def bookings_of_a_day() -> str:
    """Calls that asked for a booking within a day, by outcome."""
    return f"sum by (outcome) ({_within(counted(catalogue.CALLS_TOTAL, f'increase{LATELY}'), '1d')})"


def share_of_a_day(metric: CallMetric) -> str:
    """The share of these that a metric counts."""
    return share(_within(of_calls(metric, OPERATIONS["Sum"]), "1d"), _within(CALLS_RATE, "1d"))


def recently(family: Family) -> str:
    """By how much a counter of the pipeline grew."""
    return counted(family, f"increase{LATELY}")


def now(family: Family) -> str:
    """A gauge, or an info, whoever was scraped."""
    by = f" by ({', '.join(family.labels)})" if family.labels else ""
    return f"max{by} ({family.name})"


def age(family: Family) -> str:
    """Seconds since the moment that a gauge says; 0 if it says none."""
    return f"({now(family)} > bool 0) * (time() - {now(family)})"


def of_family(family: Family) -> str:
    """What is to be seen of any family, by what is recorded of it if something is."""
    by = f"sum by ({', '.join(family.labels)})" if family.labels else "sum"
    match family.kind:
        case Kind.COUNTER:
            return _recorded(counted(family, f"rate{LATELY}")) or f"{by} (rate({family.name}[$__rate_interval]))"
        case Kind.HISTOGRAM:
            buckets = f"sum by ({', '.join((*family.labels, 'le'))}) (rate({family.name}_bucket[$__rate_interval]))"
            return _recorded(quantile(family, 95)) or f"histogram_quantile(0.95, {buckets})"
    return now(family)


def legend(family: Family) -> str:
    """What tells the series of a family apart."""
    return ".".join(f"{{{{{label}}}}}" for label in family.labels) or family.help.rstrip(".")


def _recorded(name: str) -> str | None:
    return name if name in {each.name for each in recordings()} else None


def _within(series: str, days: str) -> str:
    return f"sum_over_time({series}{BOOKINGS}[{days}:{LATELY}])"


def _over_days(series: str) -> str:
    return _within(series, f"{BUDGET_DAYS}d")
