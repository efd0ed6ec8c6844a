"""From counted refusals to the report of what the lab is short of."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from dyno.roi.answers import Bin, DemandBin, DemandGroup, DemandReport
from dyno.roi.facts import Span

_Row = Mapping[str, Any]


class _Group(NamedTuple):
    """Tests that the same capability lines are for."""

    test_type: str
    drive_type: str
    weight_class: str


def demand_report(found: _Row, period: Span, by: Bin, zone: str, now: datetime) -> DemandReport:
    """
    What was refused, the group that misses most dyno days first.

    Args:
        found: As the store gives it.
    """
    attempts, requests = found["attempts"], found["requests"]
    dynos = {_group(row): row["names"] for row in found["dynos"]}
    groups = [
        _of_group(group, _only(attempts, group), _only(requests, group), dynos.get(group, []))
        for group in {_group(row) for row in attempts}
    ]
    return DemandReport(
        **_counts(attempts, requests),
        as_of=now,
        period=period,
        by=by,
        lab_time_zone=zone,
        by_reason=_by_reason(attempts),
        groups=sorted(groups, key=lambda each: (-each.unmet_dyno_days, -each.refused_attempts, _group(dict(each)))),
        over_time=_over_time(attempts, requests),
    )


def _of_group(group: _Group, attempts: Sequence[_Row], requests: Sequence[_Row], dynos: list[str]) -> DemandGroup:
    counts = _counts(attempts, requests)
    test_type, drive_type, weight_class = group
    return DemandGroup(
        **counts,
        test_type=test_type,
        drive_type=drive_type,
        weight_class=weight_class,
        dynos=dynos,
        missing_dynos=_missing_dynos(requests, counts["unmet_dyno_days"]),
        by_reason=_by_reason(attempts),
        over_time=_over_time(attempts, requests),
    )


def _missing_dynos(requests: Sequence[_Row], unmet_dyno_days: int) -> float:
    """Of the days from the first one that was wanted in vain to the last, how many dynos each would have kept busy."""
    wanted = [row for row in requests if row["first_unmet"]]
    if not wanted:
        return 0.0
    first = min(date.fromisoformat(row["first_unmet"]) for row in wanted)
    last = max(date.fromisoformat(row["last_unmet"]) for row in wanted)
    return round(unmet_dyno_days / ((last - first).days + 1), 2)


def _over_time(attempts: Sequence[_Row], requests: Sequence[_Row]) -> list[DemandBin]:
    return [
        DemandBin(
            **_counts(_in(attempts, start), _in(requests, start)),
            start_date=date.fromisoformat(start),
            by_reason=_by_reason(_in(attempts, start)),
        )
        for start in sorted({row["bin"] for row in attempts})
    ]


def _counts(attempts: Iterable[_Row], requests: Sequence[_Row]) -> dict[str, int]:
    asked, booked = (sum(row[name] for row in requests) for name in ("requests", "booked_later"))
    return {
        "refused_attempts": sum(row["attempts"] for row in attempts),
        "refused_requests": asked,
        "booked_later": booked,
        "unmet_requests": asked - booked,
        "unmet_dyno_days": sum(row["unmet_days"] for row in requests),
    }


def _by_reason(attempts: Iterable[_Row]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for row in attempts:
        counts[row["reason"]] += row["attempts"]
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def _only(rows: Iterable[_Row], group: _Group) -> list[_Row]:
    return [row for row in rows if _group(row) == group]


def _in(rows: Iterable[_Row], start: str) -> list[_Row]:
    return [row for row in rows if row["bin"] == start]


def _group(row: _Row) -> _Group:
    return _Group(row["test_type"], row["drive_type"], row["weight_class"])
