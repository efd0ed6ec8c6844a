"""Business metrics as families of Prometheus."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple
from zlib import crc32

from dyno.metrics.catalogue import Family, Kind, naming
from dyno.metrics.model import ObservationTotal


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
    scale = naming.scale(total.unit)
    return total.value * scale.times / scale.by


def _key(total: ObservationTotal) -> _Key:
    return _Key(total.name, Kind(total.kind), total.unit)


def _family(key: _Key, bases: Mapping[str, int]) -> Family:
    base = _base(key)
    if bases[base] > 1 or _is_birthday(base, bases):
        base = _base(key, f"_{crc32(' '.join(key).encode()):08x}")
    suffix = "_total" if key.kind is Kind.COUNTER else ""
    return Family(f"{naming.PREFIX}{base}{suffix}", key.kind, f"{key.name}, as it was recorded.")


def _is_birthday(base: str, bases: Collection[str]) -> bool:
    """Whether OpenMetrics would take it for the moment at which another began to count."""
    return base.endswith("_created") and base.removesuffix("_created") in bases


def _base(key: _Key, mark: str = "") -> str:
    return naming.base(key.name, key.unit, mark)
