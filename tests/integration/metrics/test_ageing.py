"""The nightly work on the metrics: what goes, and what never does."""

import threading
from datetime import datetime, timedelta

import pytest

from dyno.database import autocommit, transaction
from dyno.metrics import service
from dyno.metrics.model import Aged, Snapshot
from tests.integration.metrics.pipeline import NOW, Pipeline, line, logged, observation

OLD = NOW - timedelta(days=200)
RECENT = NOW - timedelta(days=50)


def age(pipeline: Pipeline, retention_days: int = 100, now: datetime = NOW) -> Aged:
    return service.age(pipeline.connect("dyno_lifecycle"), retention_days=retention_days, now=now)


def fill(pipeline: Pipeline) -> None:
    for name, moment in (("old", OLD), ("recent", RECENT)):
        at = moment.isoformat()
        lines = [line(f"{name}-1", created_at=at), observation(f"{name}-2", created_at=at), f"{{{name} dyno-call/1"]
        pipeline.ingest(logged(lines), now=moment + timedelta(minutes=1))


def partitions(pipeline: Pipeline) -> set[str]:
    return {
        name
        for (name,) in pipeline.rows(
            "select inhrelid::regclass::text from pg_inherits where inhparent = 'metrics'::regclass"
        )
    }


def kept(pipeline: Pipeline) -> Snapshot:
    snapshot = pipeline.snapshots.read()
    assert snapshot is not None
    return snapshot


def test_what_is_older_than_its_retention_goes_and_the_rest_stays(pipeline: Pipeline) -> None:
    fill(pipeline)

    told = age(pipeline)

    assert f"metrics_{OLD:%Y_%m}" in told.partitions_dropped
    assert (told.rollup_rows, told.observations, told.dead_letters) == (1, 1, 1)
    for table in ("metrics", "metrics_rollups", "observations", "dead_letters"):
        assert pipeline.value(f"select count(*) from {table}") == 1, table


def test_what_was_counted_stays_counted(pipeline: Pipeline) -> None:
    fill(pipeline)
    before = kept(pipeline)

    age(pipeline)
    pipeline.ingest(logged([line("new-1")]))

    after = kept(pipeline)
    assert [series.calls for series in after.totals.series] == [series.calls + 1 for series in before.totals.series]
    assert after.totals.observations == before.totals.observations
    assert after.totals.dead_letters == before.totals.dead_letters
    assert after.totals.open_dead_letters == {"not_json": 1}
    assert after.version > before.version


def test_a_second_time_there_is_nothing_to_do(pipeline: Pipeline) -> None:
    fill(pipeline)
    age(pipeline)

    assert age(pipeline) == Aged(
        partitions_made=0, partitions_dropped=[], partitions_busy=[], rollup_rows=0, observations=0, dead_letters=0
    )


def test_a_month_stays_until_its_last_moment_is_too_old(pipeline: Pipeline) -> None:
    fill(pipeline)
    month = OLD.replace(day=1, hour=0, minute=0, second=0)
    end = (month + timedelta(days=32)).replace(day=1)
    name = f"metrics_{OLD:%Y_%m}"

    a_moment_before = age(pipeline, now=end + timedelta(days=100) - timedelta(seconds=1))
    assert name not in a_moment_before.partitions_dropped

    assert name in age(pipeline, now=end + timedelta(days=100)).partitions_dropped


def test_the_months_ahead_have_their_partitions_even_where_ingest_never_came(pipeline: Pipeline) -> None:
    told = age(pipeline, now=NOW + timedelta(days=365))

    months = {f"metrics_{NOW + timedelta(days=365 + 31 * ahead):%Y_%m}" for ahead in range(3)}
    assert told.partitions_made >= 3
    assert months <= partitions(pipeline)


def test_a_line_that_is_too_old_does_not_bring_its_partition_back(pipeline: Pipeline) -> None:
    fill(pipeline)
    age(pipeline)

    told = pipeline.ingest(logged([line("late", created_at=OLD.isoformat())]), retention_days=100)

    assert (told.rows, told.dead_letters) == (0, 1)
    assert f"metrics_{OLD:%Y_%m}" not in partitions(pipeline)


def test_ageing_beside_batches_loses_none_and_blocks_none(pipeline: Pipeline) -> None:
    fill(pipeline)
    failed: list[BaseException] = []

    def feed(number: int) -> None:
        try:
            for batch in range(30):
                events = logged(
                    [
                        line(f"{number}-{batch}", sub=f"s-{number}-{batch}"),
                        "{dyno-call/1",
                        observation(f"{number}-{batch}"),
                    ]
                )
                pipeline.ingest(events, number=number)
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    feeding = [threading.Thread(target=feed, args=(number,)) for number in range(3)]
    for thread in feeding:
        thread.start()
    for night in range(5):
        age(pipeline, retention_days=100 - night)
    for thread in feeding:
        thread.join()

    assert failed == []
    assert pipeline.value("select count(*) from metrics") == 91
    assert pipeline.value("select count(*) from dead_letters") == 91


def test_a_busy_table_is_left_for_the_next_night_and_nobody_waits_for_long(pipeline: Pipeline) -> None:
    fill(pipeline)

    with transaction(pipeline.owner) as busy:
        busy.exec_driver_sql("lock table metrics in row exclusive mode")
        told = age(pipeline)

    assert (told.partitions_dropped, told.rollup_rows) == ([], 1)
    assert told.partitions_busy
    assert age(pipeline).partitions_dropped == told.partitions_busy


@pytest.mark.parametrize("sql", ["select ingest('[]', '[]')", "select * from metrics", "drop table observations"])
def test_the_nightly_role_may_do_nothing_else(pipeline: Pipeline, sql: str) -> None:
    with autocommit(pipeline.connect("dyno_lifecycle")) as connection, pytest.raises(Exception, match="42501"):
        connection.exec_driver_sql(sql)
