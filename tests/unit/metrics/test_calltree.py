from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dyno.metrics.calltree import MAX_DEPTH, tree
from dyno.metrics.model import Call, Finished

NOON = datetime(2027, 1, 4, 12, tzinfo=UTC)


def row(event_id: str, parent: str | None, at_ms: float, duration_ms: float = 1.0) -> Finished:
    ended_at = NOON + timedelta(milliseconds=at_ms + duration_ms)
    return Finished(event_id, parent, "S", event_id, "success", ended_at, duration_ms)


def shape(calls: list[Call]) -> list[Any]:
    return [(call.call_id, shape(call.calls)) for call in calls]


def test_calls_stand_under_the_call_they_were_made_in_by_their_start() -> None:
    finished = [row("c", "a", 2), row("b", "a", 1), row("d", "b", 1), row("a", None, 0, 10), row("e", None, 11)]

    calls = tree(finished)

    assert shape(calls) == [("a", [("b", [("d", [])]), ("c", [])]), ("e", [])]
    assert calls[0].started_at == NOON


def test_a_call_whose_parent_is_lost_is_an_outermost_one() -> None:
    assert shape(tree([row("b", "gone", 1)])) == [("b", [])]


def test_ids_that_go_round_in_a_circle_lose_no_call() -> None:
    assert shape(tree([row("a", "b", 0), row("b", "a", 1)])) == [("a", []), ("b", [])]


@given(st.lists(st.integers(-1, 80), max_size=80))
def test_whatever_the_parents_every_call_is_there_once_and_not_too_deep(parents: list[int]) -> None:
    calls = tree([row(f"c{n}", f"c{parent}" if parent >= 0 else None, n) for n, parent in enumerate(parents)])

    seen, level, depth = [], calls, 0
    while level:
        seen += [call.call_id for call in level]
        level = [inner for call in level for inner in call.calls]
        depth += 1
    assert sorted(seen) == sorted(f"c{n}" for n in range(len(parents)))
    assert depth <= MAX_DEPTH


def test_a_chain_without_end_is_cut() -> None:
    calls = tree([row(f"c{n:03}", f"c{n - 1:03}", n) for n in range(300)])

    assert len(calls) > 1
