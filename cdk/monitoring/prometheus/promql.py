"""Pieces of PromQL that rules are made of."""

from collections.abc import Iterable, Mapping

from dyno.metrics import catalogue
from dyno.metrics.catalogue import Family


def window(seconds: int) -> str:
    """A duration in whole minutes."""
    hours, rest = divmod(seconds, 3_600)
    return f"{rest // 60 + 60 * hours}m" if rest else f"{hours}h"


def labels(values: Mapping[str, str]) -> str:
    """A selector of series that have these."""
    return "{" + ",".join(f'{name}="{value}"' for name, value in values.items()) + "}"


def total(by: Iterable[str], series: str) -> str:
    """A sum that leaves these labels."""
    return f"sum by ({', '.join(by)}) ({series})"


def or_none(some: str, wherever: str) -> str:
    """What is 0, and not absent, wherever there is the other."""
    return f"{some} or {wherever} * 0"


def share(some: str, every: str) -> str:
    """A ratio, absent where there are none to have a share of."""
    return f"{some} / ({every} > 0)"


def grown_by(family: Family, over: str, **where: str) -> str:
    """
    By how much a family's counters grew, summed over who was scraped.

    To `increase`, a series' first value is where it began: a method's first failures, the first line set aside for a
    reason, would be none. One that comes while others are there has grown from 0: the scrapes that it was in are fewer
    than those that had a snapshot of anything. One that only says that ingest fails dates nothing: what comes behind
    it is no growth.

    Args:
        where: Labels that are not the family's own, with their values, if it is of some series only.
    """
    name = family.name + (labels(where) if where else "")
    scrapes = f"count_over_time({catalogue.SNAPSHOT_TIMESTAMP.name}[{over}])"
    new = f"count_over_time({name}[{over}]) < on (job, instance) group_left () {scrapes}"
    return total(family.labels, f"(last_over_time({name}[{over}]) and ({new})) or increase({name}[{over}])")
