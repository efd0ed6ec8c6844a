"""Calls, put under the calls they were made in."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from dyno.metrics.model import Call, Finished

MAX_DEPTH = 50
"""Deeper calls stand beside their tree: no reader follows them, and no JSON writer has to."""


def tree(finished: Sequence[Finished]) -> list[Call]:
    """
    The outermost calls with those made within them, each level in order of its start.

    A call whose parent is not there, still open or lost with its environment, is an outermost one.
    """
    rows = {row.event_id: row for row in finished}
    calls = {row.event_id: _call(row) for row in finished}
    outermost: list[Call] = []
    for call in sorted(calls.values(), key=lambda each: (each.started_at, each.call_id)):
        parent = _parent(rows, call.call_id)
        (calls[parent].calls if parent else outermost).append(call)
    return outermost


def _call(row: Finished) -> Call:
    return Call(
        call_id=row.event_id,
        service=row.service,
        method=row.method,
        outcome=row.outcome,
        started_at=row.created_at - timedelta(milliseconds=row.duration_ms),
        duration_ms=row.duration_ms,
        calls=[],
    )


def _parent(rows: Mapping[str, Finished], event_id: str) -> str | None:
    parent = rows[event_id].parent_event_id
    above = parent
    for _ in range(MAX_DEPTH):
        if above is None or above not in rows:
            return parent if parent in rows else None
        if above == event_id:  # going round in a circle: somebody made these ids up
            return None
        above = rows[above].parent_event_id
    return None
