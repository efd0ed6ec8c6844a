"""What the parts of a dashboard's body have in common: statistics, periods and times, each as CloudWatch writes it."""

import re
from datetime import datetime

NUMBER = r"\d+(?:\.\d{1,10})?"
AT_MOST_S = 86_400
HIGH_RESOLUTION_S = frozenset({1, 5, 10, 20, 30})

_SIMPLE = frozenset({"SampleCount", "Sum", "Average", "Minimum", "Maximum", "IQM"})
_UP_TO = re.compile(rf"(?:p|tm|wm|tc|ts)({NUMBER})")
_BETWEEN = re.compile(rf"(TM|WM|TC|TS|PR)\(({NUMBER})?(%)?:({NUMBER})?(%)?\)")
_AGO = re.compile(r"-P(?=\d|T\d)(?:\d+[MWD])*(?:T(?:\d+[HM])+)?")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)")


def is_statistic(text: str) -> bool:
    """
    Whether CloudWatch knows a statistic: "Sum", "p99.9", "tm90", "TM(2%:98%)", "PR(:300)".

    Source:
        CloudWatch User Guide, "CloudWatch statistics definitions".
    """
    if found := _UP_TO.fullmatch(text):
        return float(found[1]) <= 100
    if found := _BETWEEN.fullmatch(text):
        return _is_range(*found.groups())
    return text in _SIMPLE


def _is_range(name: str, low: str | None, low_percent: str | None, high: str | None, high_percent: str | None) -> bool:
    bounds = [(float(bound), percent) for bound, percent in ((low, low_percent), (high, high_percent)) if bound]
    loose = (low_percent and not low) or (high_percent and not high)
    alike = len({percent for _, percent in bounds}) == 1
    values = [value for value, _ in bounds]
    if loose or not alike or values != sorted(set(values)):
        return False
    in_percent = bounds[0][1] is not None
    return not in_percent or (name != "PR" and values[-1] <= 100)


def is_period(seconds: int) -> bool:
    """
    Whether a metric can be aggregated over so many seconds.

    Source:
        CloudWatch API reference, MetricStat: 1, 5, 10, 20, 30 of high resolution, or a multiple of 60; service quotas:
        a day at most.
    """
    return seconds in HIGH_RESOLUTION_S or (seconds % 60 == 0 and 60 <= seconds <= AT_MOST_S)


def is_time_ago(text: str) -> bool:
    """Whether a text is a time before now: "-PT3H" in hours or minutes, "-P7D" in days, weeks or months."""
    return _AGO.fullmatch(text) is not None


def is_instant(text: str) -> bool:
    """Whether a text is an instant of the calendar in ISO 8601, with its offset from UTC."""
    if _INSTANT.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
