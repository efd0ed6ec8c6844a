"""What Prometheus calls business metrics, and in which units it has them."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dyno.metrics.catalogue.kinds import BusinessMetric, Family, Kind

PREFIX = "dyno_business_"

_BETWEEN_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_TOTALS = re.compile(r"(_total)+\Z")


class Scale(NamedTuple):
    """A unit in terms of its base unit: so many times it, divided by so many."""

    base: str
    times: int = 1
    by: int = 1


def _sizes() -> Iterator[tuple[str, Scale]]:
    for thousands, prefix in enumerate(("", "kilo", "mega", "giga", "tera")):
        for what, of_a_byte in (("bytes", 1), ("bits", 8)):
            unit = f"{prefix}{what}".capitalize()
            yield unit, Scale("bytes", 1000**thousands, of_a_byte)
            yield f"{unit}/Second", Scale("bytes_per_second", 1000**thousands, of_a_byte)


SCALES: Mapping[str, Scale] = {
    "Seconds": Scale("seconds"),
    "Milliseconds": Scale("seconds", 1, 1_000),
    "Microseconds": Scale("seconds", 1, 1_000_000),
    "Percent": Scale("ratio", 1, 100),
    "Count/Second": Scale("per_second"),
    **dict(_sizes()),
}
"""CloudWatch's units, but for those that are shown as they are."""

_AS_IT_IS = Scale("")


def scale(unit: str) -> Scale:
    """What a unit is reckoned by; what is counted, or has another, is shown as it is."""
    return SCALES.get(unit, _AS_IT_IS)


def base(name: str, unit: str, mark: str = "") -> str:
    """
    The name of a business metric in OpenMetrics, but for prefix and _total: in snake_case, its base unit last.

    Args:
        mark: Comes before the unit, to tell apart what would have one name.
    """
    words = _TOTALS.sub("", _BETWEEN_WORDS.sub("_", name).lower())
    last = scale(unit).base
    return f"{words.removesuffix(f'_{last}')}{mark}{last and f'_{last}'}"


def family(metric: BusinessMetric) -> Family:
    """What Prometheus has of a gauge of the lab, as long as nobody records another of its name."""
    return Family(f"{PREFIX}{base(metric.name, metric.unit)}", Kind.GAUGE, metric.help)
