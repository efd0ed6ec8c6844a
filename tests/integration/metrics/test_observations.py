import itertools
import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.metrics.pipeline import NOW, Pipeline, logged, observation


def ago(minutes: int) -> str:
    return (NOW - timedelta(minutes=minutes)).isoformat()


def shown(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    kept = pipeline.snapshots.read()
    assert kept is not None
    return [(each.name, each.kind, each.unit, each.labels, each.value) for each in kept.totals.observations]


def test_an_observation_becomes_the_row_it_says(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([observation("o-1", sub="ann", value=2.5)]))

    assert pipeline.rows(
        "select event_id, correlation_id, sub, name, kind, unit, value, labels, created_at"
        "  from observations left join users on users.id = user_id"
    ) == [
        (
            *("o-1", "abc", "ann", "VehiclesScanned", "counter", "Count", 2.5, {"site": "north"}),
            NOW - timedelta(minutes=1),
        )
    ]


def test_counters_are_summed_by_their_labels(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([observation("o-1", value=2), observation("o-2", labels={"site": "south"})]))
    pipeline.ingest(logged([observation("o-3", value=0.5)]))

    assert shown(pipeline) == [
        ("VehiclesScanned", "counter", "Count", {"site": "north"}, 2.5),
        ("VehiclesScanned", "counter", "Count", {"site": "south"}, 1.0),
    ]


@pytest.mark.parametrize("order", list(itertools.permutations([(3, 10.0), (2, 20.0), (1, 15.0)])))
def test_a_gauge_is_what_was_seen_last_in_whatever_order_it_comes(
    pipeline: Pipeline, order: tuple[tuple[int, float], ...]
) -> None:
    for number, (minutes, value) in enumerate(order):
        line = observation(f"o-{number}", kind="gauge", value=value, created_at=ago(minutes))
        pipeline.ingest(logged([line]))

    assert [value for *_, value in shown(pipeline)] == [15.0]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    said=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 100)), min_size=1, max_size=20),
    size=st.integers(1, 8),
    seed=st.randoms(use_true_random=False),
)
def test_each_counts_once_however_often_it_is_delivered(
    shared: Pipeline, said: list[tuple[str, int]], size: int, seed: Any
) -> None:
    shared.empty()
    lines = [
        observation(f"o-{number}", value=value, labels={"site": site}) for number, (site, value) in enumerate(said)
    ]
    events = logged(lines) * 2
    seed.shuffle(events)

    for start in range(0, len(events), size):
        shared.ingest(events[start : start + size])

    sums = {site: sum(value for where, value in said if where == site) for site in {site for site, _ in said}}
    assert {labels["site"]: value for *_, labels, value in shown(shared)} == sums
    shared.check_counts(finished=0, poison=0, observed=len(said))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "histogram"},
        {"value": "1"},
        {"value": float("inf")},
        {"labels": {"site": 1}},
        {"labels": {"site": ""}},
        {"name": ""},
        {"name": "no PascalCase"},
        {"labels": {"a-b": "c"}},
        {"labels": {f"l{number}": "x" for number in range(6)}},
        {"value": -1.0},
        {"event_id": "?"},
        {"created_at": "yesterday"},
    ],
)
def test_what_is_no_observation_is_a_dead_letter(pipeline: Pipeline, wrong: dict[str, object]) -> None:
    told = pipeline.ingest(logged([observation("o-1", **wrong), observation("o-2")]))

    assert (told.observations, told.dead_letters) == (1, 1)


def test_the_planted_fault_a_duplicate_that_counts_again_is_caught(pipeline: Pipeline) -> None:
    right, wrong = "on conflict (event_id) do nothing", "on conflict (event_id) do update set name = excluded.name"
    source = pipeline.value("select pg_get_functiondef('ingest'::regproc)")
    assert right in source
    events = logged([observation("o-1")])

    pipeline.run(source.replace(right, wrong))
    try:
        pipeline.ingest(events)
        pipeline.ingest(events)
    finally:
        pipeline.run(source)

    assert [value for *_, value in shown(pipeline)] == [2.0]


def test_the_widest_observation_fits_into_its_key(pipeline: Pipeline) -> None:
    four_bytes_each = random.Random(1)  # what repeats would be compressed
    labels = {
        f"l{number}{'x' * 48}": "".join(chr(four_bytes_each.randrange(0x20000, 0x2A000)) for _ in range(100))
        for number in range(5)
    }

    told = pipeline.ingest(
        logged(
            [observation("o-1", name="X" * 100, unit="Terabytes/Second", kind="counter", value=2.0**360, labels=labels)]
        )
    )

    assert told.observations == 1


def test_labels_without_end_share_a_series_and_still_add_up(pipeline: Pipeline) -> None:
    def scans(numbers: range) -> list[str]:
        return [observation(f"o-{number}", labels={"vehicle": str(number)}) for number in numbers]

    pipeline.ingest(logged(scans(range(480))))
    pipeline.ingest(logged(scans(range(480, 560))))
    pipeline.ingest(
        logged([observation("again", labels={"vehicle": "3"}), observation("new", labels={"vehicle": "x"})])
    )

    values = {tuple(labels.items()): value for *_, labels, value in shown(pipeline)}
    assert len(values) == 501
    assert values[("overflow", "true"),] == 61
    assert values[("vehicle", "3"),] == 2
    assert sum(values.values()) == 562
    pipeline.check_counts(finished=0, poison=0, observed=562)
