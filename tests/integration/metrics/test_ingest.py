import json
from datetime import UTC, date, datetime, timedelta
from unittest import mock

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dyno.errors import Unavailable
from dyno.metrics.catalogue import BUCKET_BOUNDS_MS, bucket
from tests.integration.metrics.pipeline import NOW, Kept, Pipeline, line, logged

# Text as json.dumps writes it: halves of surrogate pairs, NUL and NaN included.
TEXTS = st.text(max_size=250) | st.sampled_from(["\0", "\ud800", "\\u0000", "𐀀" * 200, "x" * 5_000])
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**4299), 5e-324, 1.7e308, -0.0])
NESTED = st.sampled_from([json.loads("[" * depth + "]" * depth) for depth in (100, 190, 197, 300)])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | NESTED,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
OFFSETS = st.builds("{:+03d}:{:02d}".format, st.integers(-25, 25), st.integers(0, 60))
MOMENTS = st.builds(
    "{}T{:%H:%M:%S.%f}{}".format,
    st.dates() | st.dates(NOW.date() - timedelta(days=401), NOW.date() + timedelta(days=2)),
    st.times(),
    OFFSETS | st.just("Z"),
)
FIELDS = {
    **dict.fromkeys(
        ["event_id", "correlation_id", "sub", "service", "method", "parent_event_id", "error_type", "error_message"],
        TEXTS | VALUES,
    ),
    "created_at": MOMENTS | VALUES,
    "duration_ms": NUMBERS | VALUES,
    "metadata": st.dictionaries(TEXTS, VALUES, max_size=3) | VALUES,
}


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.fixed_dictionaries({}, optional=FIELDS))
@example(changes={"created_at": f"{NOW:%Y-%m-%dT%H:%M:%S}+23:59"})
@example(changes={"created_at": f"{NOW:%Y-%m-%dT%H:%M:%S}-16:00"})
@example(changes={"metadata": {"\0": 1}})
@example(changes={"duration_ms": 5e-324})
def test_no_line_can_fail_its_batch(shared: Pipeline, changes: dict[str, object]) -> None:
    shared.empty()

    told = shared.ingest(logged([line("e-1"), line("e-2", **changes)]))

    assert told.rows + told.dead_letters + told.duplicates == 2
    shared.check_counts(finished=told.rows, poison=told.dead_letters)


def test_a_record_becomes_the_row_it_says(pipeline: Pipeline) -> None:
    said = line(
        "e-1",
        sub="sub-1",
        outcome="rejected",
        duration_ms=2.25,
        created_at="2026-01-02T03:04:05.678901Z",
        parent_event_id="e-0",
        error_type="NoDynoAvailable",
        error_message="none is free; é𝐀 'quoted' \\",
        metadata={"result_keys": ["a"], "shift_days": 1},
    )

    pipeline.ingest(logged([said]), now=datetime(2026, 1, 3, tzinfo=UTC))

    (row,) = pipeline.rows(
        "select event_id, correlation_id, service_name, method_name, sub, duration_ms, success, outcome, error_type,"
        " error_message, metadata, created_at, parent_event_id from metrics m join users u on u.id = m.user_id"
    )
    assert row == (
        "e-1",
        "abc",
        "S",
        "m",
        "sub-1",
        2.25,
        False,
        "rejected",
        "NoDynoAvailable",
        "none is free; é𝐀 'quoted' \\",
        {"result_keys": ["a"], "shift_days": 1},
        datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "e-0",
    )


def test_a_batch_tells_what_became_of_it(pipeline: Pipeline) -> None:
    events = logged([line("e-1"), line("e-2"), line("e-1"), "{poison dyno-call/1", '{"message": "dyno-call/1"}'])

    first, again = pipeline.ingest(events), pipeline.ingest(list(reversed(events)))

    nothing = dict.fromkeys(("rows", "observations", "dead_letters", "recovered"), 0)
    assert first.model_dump() == nothing | {"rows": 2, "dead_letters": 1, "duplicates": 1, "foreign": 1, "lag_s": 60}
    assert again.model_dump() == nothing | {"duplicates": 4, "foreign": 1, "lag_s": None}
    pipeline.check_counts(finished=2, poison=1)


def test_the_lag_is_that_of_the_oldest_new_call_to_the_millisecond(pipeline: Pipeline) -> None:
    old, recent = (
        line(event_id, created_at=(NOW - timedelta(seconds=waited_s)).isoformat())
        for event_id, waited_s in (("e-1", 90.123456), ("e-2", 3.5))
    )

    lags_s = [pipeline.ingest(logged(lines)).lag_s for lines in ([line("e-0"), old], [old, recent], [recent])]

    assert lags_s == [90.123, 3.5, None]
    kept = pipeline.snapshots.read()
    assert kept is not None
    assert kept.ingest_lag_s == 3.5


def test_poison_does_not_hold_up_its_batch_and_is_kept_with_its_reason(pipeline: Pipeline) -> None:
    poison = [
        "{dyno-call/1",
        line("e-2", duration_ms=-1),
        line("e-3", created_at=(NOW - timedelta(days=401)).isoformat()),
        line("e-4", created_at=(NOW + timedelta(days=2)).isoformat()),
        line("e-5", error_message="a\0b"),
        line("e-6", metadata={"half a pair": "\ud800"}),
        "\0" + line("e-7"),
        line("e-8", error_message="x" * 20_000),
    ]

    pipeline.ingest(logged([line("e-1", metadata={"deep": [[[{"n": 10**4000}]]]}), *poison]))

    pipeline.check_counts(finished=1, poison=8)
    assert pipeline.rows("select reason, letters from dead_letter_totals order by reason") == [
        ("future", 1),
        ("invalid", 2),
        ("not_json", 3),
        ("too_long", 1),
        ("too_old", 1),
    ]


def test_the_longest_names_fit_their_indexes(pipeline: Pipeline) -> None:
    name = "𝐀" * 200

    pipeline.ingest(logged([line("e" * 100, service=name, method=name, correlation_id=name, sub=name)]))

    pipeline.check_counts(finished=1, poison=0)


def test_a_caller_is_one_user_however_many_calls(pipeline: Pipeline) -> None:
    pipeline.ingest(logged(line(f"e-{number}", sub=f"sub-{number % 3}") for number in range(30)))
    pipeline.ingest(logged(line(f"f-{number}", sub=f"sub-{number % 4}") for number in range(30)))

    assert pipeline.value("select count(*) from users") == 4
    assert pipeline.value("select count(*) from metrics where user_id is null") == 0


def test_a_month_without_a_partition_gets_one(pipeline: Pipeline) -> None:
    long_ago = NOW - timedelta(days=200)

    pipeline.ingest(logged([line("e-1", created_at=long_ago.isoformat()), line("e-2")]))

    pipeline.check_counts(finished=2, poison=0)
    assert pipeline.value(f"select count(*) from metrics_{long_ago:%Y_%m}") == 1


def test_rows_lie_in_the_month_of_their_utc_time(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([line("e-1", created_at="2026-02-01T00:30:00+02:00")]), now=datetime(2026, 2, 2, tzinfo=UTC))

    assert pipeline.value("select count(*) from metrics_2026_01") == 1


def test_partitions_are_made_once_with_every_index_and_rule(pipeline: Pipeline) -> None:
    with pipeline.owner.begin() as connection:
        made = [
            connection.execute(text("select create_metrics_partition(:month)"), {"month": date(2031, 2, 28)}).scalar()
            for _ in range(2)
        ]

    assert made == [True, False]
    assert pipeline.value("select count(*) from pg_indexes where tablename = 'metrics_2031_02'") == 6
    assert pipeline.value(
        "select count(*) from pg_constraint where conrelid = 'metrics_2031_02'::regclass and contype in ('c', 'f', 'p')"
    ) == pipeline.value(
        "select count(*) from pg_constraint where conrelid = 'metrics'::regclass and contype in ('c', 'f', 'p')"
    )


def test_python_and_sql_count_by_the_same_buckets(pipeline: Pipeline) -> None:
    beside = [bound * factor for bound in BUCKET_BOUNDS_MS for factor in (0.999, 1.0, 1.001)]
    durations = [0.0, 1e7, *beside]

    counted = pipeline.rows(
        "select duration_bucket(d) from unnest(cast(:durations as double precision[])) d", durations=durations
    )

    assert [index for (index,) in counted] == [bucket(duration) for duration in durations]


def test_the_snapshot_is_what_the_totals_are(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([line("e-1"), line("e-2", duration_ms=70.0), line("e-3", outcome="error"), "{dyno-call/1"]))

    kept = pipeline.snapshots.read()
    assert kept is not None
    assert [(each.outcome, each.calls, each.duration_ms_sum) for each in kept.totals.series] == [
        ("error", 1, 1.5),
        ("success", 2, 71.5),
    ]
    assert (kept.version, kept.totals.dead_letters) == (4, {"not_json": 1})


def test_a_batch_whose_snapshot_failed_is_sent_again_and_brings_it(pipeline: Pipeline) -> None:
    events = logged([line("e-1")])
    with mock.patch.object(Kept, "write", side_effect=Unavailable("S3 is away")), pytest.raises(Unavailable):
        pipeline.ingest(events)

    pipeline.ingest(events)

    pipeline.check_counts(finished=1, poison=0)


def test_a_batch_that_breaks_leaves_nothing_behind(pipeline: Pipeline) -> None:
    pipeline.run("alter table dead_letters add constraint full_up check (false)")

    with pytest.raises(DBAPIError):
        pipeline.ingest(logged([line("e-1", sub="s"), "{dyno-call/1"]))

    pipeline.run("alter table dead_letters drop constraint full_up")
    pipeline.check_counts(finished=0, poison=0)
    assert pipeline.value("select count(*) from users") == 0


def test_metadata_arrives_as_it_was_said(pipeline: Pipeline) -> None:
    said = {"a": None, "b": [1, 2.5, "é\n\\u0000 𝐀"], "c": {"d": True}}

    pipeline.ingest(logged([line("e-1", metadata=said)]))

    assert json.loads(json.dumps(pipeline.value("select metadata from metrics"))) == said
