"""Business metrics as families of Prometheus: their names and their base units."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple
from zlib import crc32

from dyno.metrics.catalogue import Family, Kind
from dyno.metrics.model import ObservationTotal

PREFIX = "dyno_business_"

_BETWEEN_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_TOTALS = re.compile(r"(_total)+\Z")


class _Scale(NamedTuple):
    """A unit in terms of its base unit: so many times it, divided by so many."""

    base: str
    times: int = 1
    by: int = 1


def _sizes() -> Iterator[tuple[str, _Scale]]:
    for thousands, prefix in enumerate(("", "kilo", "mega", "giga", "tera")):
        for what, of_a_byte in (("bytes", 1), ("bits", 8)):
            unit = f"{prefix}{what}".capitalize()
            yield unit, _Scale("bytes", 1000**thousands, of_a_byte)
            yield f"{unit}/Second", _Scale("bytes_per_second", 1000**thousands, of_a_byte)


_SCALES: Mapping[str, _Scale] = {
    "Seconds": _Scale("seconds"),
    "Milliseconds": _Scale("seconds", 1, 1_000),
    "Microseconds": _Scale("seconds", 1, 1_000_000),
    "Percent": _Scale("ratio", 1, 100),
    "Count/Second": _Scale("per_second"),
    **dict(_sizes()),
}
"""CloudWatch's units; what is counted, or has another, is shown as it is."""

_AS_IT_IS = _Scale("")


class _Key(NamedTuple):
    """What makes a business metric one."""

    name: str
    kind: Kind
    unit: str


def observed(totals: Sequence[ObservationTotal]) -> dict[Family, list[tuple[dict[str, str], float]]]:
    """
    Each as dyno_business_, its name in snake_case, its base unit, and _total if it is a counter.

    Where several would have one name, each is told apart by a checksum of its name, kind and unit: none ever goes on
    under what was the name of another.

    Args:
        totals: In order of name, kind and unit.
    Returns:
        The label sets and values of each family's series.
    """
    found = {key: list(same) for key, same in groupby(totals, key=_key)}
    bases = Counter(_base(key) for key in found)
    return {_family(key, bases): [(each.labels, _in_base_units(each)) for each in same] for key, same in found.items()}


def _in_base_units(total: ObservationTotal) -> float:
    scale = _SCALES.get(total.unit, _AS_IT_IS)
    return total.value * scale.times / scale.by


def _key(total: ObservationTotal) -> _Key:
    return _Key(total.name, Kind(total.kind), total.unit)


def _family(key: _Key, bases: Mapping[str, int]) -> Family:
    base = _base(key)
    if bases[base] > 1 or _is_birthday(base, bases):
        base = _base(key, f"_{crc32(' '.join(key).encode()):08x}")
    suffix = "_total" if key.kind is Kind.COUNTER else ""
    return Family(f"{PREFIX}{base}{suffix}", key.kind, f"{key.name}, as it was recorded.")


def _is_birthday(base: str, bases: Collection[str]) -> bool:
    """Whether OpenMetrics would take it for the moment at which another began to count."""
    return base.endswith("_created") and base.removesuffix("_created") in bases


def _base(key: _Key, mark: str = "") -> str:
    """The name in OpenMetrics, but for the prefix; `mark` comes before the unit, which must be last."""
    words = _TOTALS.sub("", _BETWEEN_WORDS.sub("_", key.name).lower())
    unit = _SCALES.get(key.unit, _AS_IT_IS).base
    return f"{words.removesuffix(f'_{unit}')}{mark}{unit and f'_{unit}'}"
