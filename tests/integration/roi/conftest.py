"""A lab with a past, and the engine that reports it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.conftest import EngineAs
from tests.integration.roi.past import Past
from tests.lab import Lab


@pytest.fixture
def roi(engine_as: EngineAs) -> Engine:
    """The engine of the roi door."""
    return engine_as("dyno_roi")


@pytest.fixture
def past(lab: Lab) -> Iterator[Past]:
    """A lab that things have happened to; the months they happened in have partitions until they are forgotten."""
    there = "select inhrelid::regclass::text from pg_inherits where inhparent = 'metrics'::regclass"
    before = set(lab.rows(there))
    lab.sql(
        "select count(create_metrics_partition(m::date))"
        " from generate_series(date '2025-08-01', '2026-06-01', '1 month') m"
    )
    yield Past(lab)
    for (partition,) in set(lab.rows(there)) - before:
        lab.sql(f"drop table {partition}")
