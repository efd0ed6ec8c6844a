"""Dead letters that are tried again."""

from datetime import timedelta

import pytest

from dyno.metrics import service, store
from tests.integration.metrics.pipeline import NOW, Pipeline, line, logged, observation

LATER = NOW + timedelta(days=2)


def ahead(event_id: str) -> str:
    """A line that is two days early."""
    return line(event_id, created_at=(NOW + timedelta(days=2)).isoformat())


def test_what_was_in_the_future_is_taken_in_once_it_is_not(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([ahead("e-1"), "{dyno-call/1"]))

    too_soon, told = pipeline.retry(), pipeline.retry(now=LATER)

    assert (too_soon.looked_at, too_soon.rows, too_soon.recovered, too_soon.duplicates) == (2, 0, 0, 2)
    assert (told.looked_at, told.rows, told.recovered, told.duplicates, told.next) == (2, 1, 1, 1, None)
    pipeline.check_counts(finished=1, poison=1, recovered=1)


def test_a_letter_whose_line_comes_again_is_closed_by_it(pipeline: Pipeline) -> None:
    events = logged([ahead("e-1")])
    pipeline.ingest(events)

    told = pipeline.ingest(events, now=LATER)

    assert (told.rows, told.recovered) == (1, 1)
    pipeline.check_counts(finished=1, poison=0, recovered=1)


def test_a_letter_that_was_taken_in_and_not_closed_is_closed_the_next_time(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.ingest(logged([ahead("e-1")]))
    with monkeypatch.context() as killed:
        killed.setattr(store, "close_dead_letters", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pipeline.retry(now=LATER)

    told = pipeline.retry(now=LATER)

    assert (told.rows, told.recovered) == (0, 1)
    pipeline.check_counts(finished=1, poison=0, recovered=1)


def test_trying_again_and_again_changes_nothing(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([ahead("e-1"), observation("o-1", created_at=LATER.isoformat()), "{dyno-call/1"]))

    for _ in range(3):
        pipeline.retry(now=LATER)

    pipeline.check_counts(finished=1, observed=1, poison=1, recovered=2)


def test_many_letters_are_tried_in_pages(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_LETTERS", 3)
    pipeline.ingest(logged(ahead(f"e-{number}") for number in range(7)))
    pages: list[int] = []
    after: int | None = 0

    while after is not None:
        told = pipeline.retry(after, now=LATER)
        pages.append(told.rows)
        after = told.next

    assert pages == [3, 3, 1]
    pipeline.check_counts(finished=7, poison=0, recovered=7)


def test_the_snapshot_tells_what_is_open_and_what_ever_was(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([ahead("e-1"), "{dyno-call/1"]))
    pipeline.retry(now=LATER)

    kept = pipeline.snapshots.read()

    assert kept is not None
    assert kept.totals.dead_letters == {"future": 1, "not_json": 1}
    assert kept.totals.open_dead_letters == {"not_json": 1}
