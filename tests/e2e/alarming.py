"""Whether an alarm is on, by the points that its series have, all of them taken for one period."""

import operator
from collections.abc import Iterable

from tests.e2e.deployment import Item
from tests.e2e.watched import Point, Series, series_of
from tests.metric_math import Value, computed, statistic

COMPARISONS = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}


def is_on(alarm: Item, points: Iterable[Point]) -> bool:
    """Whether an alarm is on; what is not measured is what TreatMissingData says of it."""
    value = watched_value(alarm, list(points))
    if value is None:
        return bool(alarm["TreatMissingData"] == "breaching")
    return bool(COMPARISONS[alarm["ComparisonOperator"]](value, float(alarm["Threshold"])))


def watched_value(alarm: Item, points: list[Point]) -> Value:
    """What an alarm compares with its threshold."""
    if "Metrics" not in alarm:
        return statistic(alarm.get("ExtendedStatistic") or alarm["Statistic"], _samples(series_of(alarm), points))
    known = {
        each["Id"]: statistic(each["MetricStat"]["Stat"], _samples(series_of(each["MetricStat"]["Metric"]), points))
        for each in alarm["Metrics"]
        if "MetricStat" in each
    }
    for each in reversed(alarm["Metrics"]):  # an expression stands before those it is made of
        if "Expression" in each:
            known[each["Id"]] = computed(each["Expression"], known)
    [watched] = [each["Id"] for each in alarm["Metrics"] if each.get("ReturnData", True)]
    return known[watched]


def _samples(series: Series, points: list[Point]) -> list[float]:
    return [point.value for point in points if point.series == series]
