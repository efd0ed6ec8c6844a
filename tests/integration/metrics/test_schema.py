from dyno import migrations
from tests.integration.metrics.pipeline import Pipeline, line, logged


def test_the_schema_can_be_taken_down_and_made_anew(pipeline: Pipeline) -> None:
    pipeline.ingest(logged([line("e-1", sub="s")]))

    migrations.downgrade(pipeline.connect("dyno_owner"), "0001")

    assert (
        pipeline.rows(
            "select relname from pg_class where relname ~ 'metric|letter' and relnamespace = 'public'::regnamespace"
        )
        == []
    )
    assert (
        pipeline.rows(
            "select proname from pg_proc where proname ~ '^(ingest|create_metrics_partition|duration_bucket)$'"
        )
        == []
    )
    migrations.upgrade(pipeline.connect("dyno_owner"))
    pipeline.empty()
    pipeline.ingest(logged([line("e-1")]))
    pipeline.check_counts(finished=1, poison=0)


def test_the_next_months_have_their_partitions(pipeline: Pipeline) -> None:
    ahead = pipeline.value(
        "select count(*) from generate_series(-1, 3) n where to_regclass('metrics_' ||"
        " to_char(now() at time zone 'UTC' + make_interval(months => n), 'YYYY_MM')) is not null"
    )

    assert ahead == 5


def test_time_comes_from_the_line_never_from_the_database(pipeline: Pipeline) -> None:
    defaults = pipeline.rows(
        "select column_default from information_schema.columns"
        " where table_name = 'metrics' and column_name = 'created_at'"
    )

    assert defaults == [(None,)]
