"""What a migration does to the data that is there."""

from typing import Any

import pytest
from sqlalchemy import text

from dyno import migrations
from dyno.metrics.catalogue import BUCKET_COUNT
from tests.conftest import EngineAs


@pytest.mark.own_database
def test_rollups_counted_before_they_were_wide_are_counted_still(engine_as: EngineAs) -> None:
    owner = engine_as("dyno_owner")
    migrations.downgrade(owner, "0002")
    calls = [("b", "success", 5, 2, 20.0, 11.0), ("b", "success", 63, 1, 7e5, 7e5), ("b", "error", 0, 4, 0.2, 0.05)]
    with owner.begin() as connection:
        for method, *rest in calls:
            values = dict(zip(("outcome", "bucket", "calls", "sum", "max"), rest, strict=True)) | {"method": method}
            key = "'S', :method, :outcome, :bucket, :calls, :sum, :max"
            connection.execute(text(f"insert into metrics_hourly values ('2026-05-04T10:00Z', {key})"), values)
            connection.execute(text(f"insert into metrics_totals values ({key})"), values)

    migrations.upgrade(owner)

    for table in ("metrics_hourly", "metrics_totals"):
        assert wide(engine_as, table) == {
            ("S", "b", "success"): (3, 700020.0, 7e5, {5: 2, 63: 1}),
            ("S", "b", "error"): (4, 0.2, 0.05, {0: 4}),
        }


def wide(engine_as: EngineAs, table: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    columns = ", ".join(f"bucket_{number}" for number in range(BUCKET_COUNT))
    with engine_as("postgres").connect() as connection:
        found = connection.exec_driver_sql(
            f"select service_name, method_name, outcome, calls, duration_ms_sum, duration_ms_max, array[{columns}]"
            f" from {table}"
        ).fetchall()
    return {tuple(row[:3]): (*row[3:6], {index: calls for index, calls in enumerate(row[6]) if calls}) for row in found}
