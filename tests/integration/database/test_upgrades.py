"""What a migration does to the data that is there."""

import itertools
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from dyno import migrations
from dyno.allocation import registry, service
from dyno.allocation.registry_model import VehicleChange
from dyno.database import engine
from dyno.metrics.catalogue import BUCKET_COUNT
from dyno.settings import Settings
from tests.conftest import EngineAs
from tests.integration.metrics.pipeline import line
from tests.lab import ADMIN, MONDAY, Lab


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

    before = [read_by_0002(engine_as(role), query) for role, query in READ_BY_0002.items()]
    migrations.upgrade(owner, "0003")
    still = [read_by_0002(engine_as(role), query) for role, query in READ_BY_0002.items()]
    migrations.upgrade(owner)

    assert still == before
    for table in ("metrics_rollups", "metrics_series"):
        assert wide(engine_as, table) == {
            ("S", "b", "success"): (3, 700020.0, 7e5, {5: 2, 63: 1}),
            ("S", "b", "error"): (4, 0.2, 0.05, {0: 4}),
        }


@pytest.mark.own_database
def test_people_who_were_seen_before_anybody_could_leave_are_there_still(engine_as: EngineAs) -> None:
    owner = engine_as("dyno_owner")
    migrations.downgrade(owner, "0003")
    assert sent(engine_as("dyno_ingest"), f"[{line('e-1', sub='ann')}]")

    migrations.upgrade(owner)

    assert sent(engine_as("dyno_ingest"), f"[{line('e-2', sub='ann')}, {line('e-3', sub='bob')}]")
    with engine_as("dyno_allocations").connect() as connection:
        enrolled = connection.exec_driver_sql("select enrol('a', 'r', null, '', 'ann', 'user', now()) ->> 'outcome'")
        assert enrolled.scalar() == "enrolled"
        people = connection.exec_driver_sql("select id, sub, left_at, version from users order by id").fetchall()
    assert [tuple(person) for person in people] == [(1, "ann", None, 2), (2, "bob", None, 1)]


@pytest.mark.own_database
def test_vehicles_are_found_by_their_vins_in_capitals_once_there_is_a_registry(lab: Lab) -> None:
    over = lab.owner
    migrations.downgrade(over, "0007")
    vins = ["9ZZ0TEST0VD000001", "9zz0test0vd000002 ", "9ZZ0TEST0VD000003", "9zz0test0vd000003"]
    for vin in vins:
        lab.vehicle(vin)

    migrations.upgrade(over)

    assert lab.rows("select vin, version, retired_at from vehicles order by id") == [
        ("9ZZ0TEST0VD000001", 1, None),
        ("9ZZ0TEST0VD000002", 2, None),
        ("9ZZ0TEST0VD000003", 1, None),
        ("9zz0test0vd000003", 1, None),
    ]
    twin = registry.change_vehicle(lab.over, 4, VehicleChange(retired=True), version=1, actor=ADMIN, time_zone="UTC")
    assert twin.retired_at


BOOK_OF_0009 = (
    "select book('ann', 'r', 'k', '', null, null, '9ZZ0TEST0VD000001', 'brake', '{day}', 2, 0, null, null, false,"
    " 'UTC', 1825, 180)"
)
CALLED_BY_0009 = {
    "booked": BOOK_OF_0009,
    "booked again": BOOK_OF_0009,
    "changed": """select change_allocation(1, 'pat', 1, '{{"days_to_complete": 1}}', false, 'UTC', 1825, 180)""",
    "looked": "select availability(null, null, 'AWD', '<10K', 'brake', '{day}', 1, 3, 'UTC', 1825, 180)",
    "cancelled": "select cancel(1, 'ann', false)",
    "closed": "select close_dyno('ada', 'r', 'k', '', 1, '{day}', '{day}', 'calibration', true, 7, false, 'UTC', 1825)",
    "reopened": "select reopen_dyno(1, 2, 'ada')",
    "created": """select create_vehicle('ada', 'v', 'k', '',
                                        '{{"vin": "9ZZ0TEST0VD000002", "weight_lbs": 1, "drive_type": "AWD"}}')""",
    "created too": """select create_dyno('ada', 'd', 'k', '',
                        '{{"name": "D2", "enabled": true, "turnaround_days": 0, "capabilities": []}}')""",
    "enrolled": "select enrol('ada', 'u', 'k', '', 'ann', 'user', now())",
    "changed too": """select change_user(1, 1, '{{"role": "admin"}}')""",
}
"""What the release before asks the allocations' login to do, by the outcome it waits for."""


@pytest.mark.own_database
def test_the_release_before_goes_on_planning_on_the_new_schema(lab: Lab, engine_as: EngineAs) -> None:
    lab.dyno("D1")
    lab.vehicle()

    with lab.over.connect() as connection:
        said = {
            outcome: connection.exec_driver_sql(call.format(day=MONDAY)).scalar_one()
            for outcome, call in CALLED_BY_0009.items()
        }
    with engine_as("dyno_lifecycle").connect() as connection:
        swept = connection.exec_driver_sql("select lapsed, keys from sweep(interval '0 days')").one()

    assert {outcome: answer["outcome"] for outcome, answer in said.items()} == {
        outcome: outcome.split()[0] for outcome in CALLED_BY_0009
    }
    assert {outcome for outcome, answer in said.items() if answer.get("replayed")} == {"booked again"}
    assert tuple(swept) == (0, 5)


CATALOGS = (
    """select p.oid::regprocedure::text, pg_get_functiondef(p.oid),
              array(select (grantee::regrole::text, privilege_type)::text
                      from aclexplode(coalesce(proacl, acldefault('f', proowner))) order by 1)
         from pg_proc p where pg_get_userbyid(proowner) = 'dyno_owner' order by 1""",
    """select c.relname, pg_get_viewdef(c.oid),
              array(select (grantee::regrole::text, privilege_type)::text
                      from aclexplode(coalesce(relacl, acldefault('r', relowner))) order by 1)
         from pg_class c where relkind = 'v' and pg_get_userbyid(relowner) = 'dyno_owner' order by 1""",
    "select defaclobjtype, defaclacl::text from pg_default_acl",
)


@pytest.mark.own_database
def test_what_only_earlier_releases_called_comes_back_as_it_was_one_release_back(engine_as: EngineAs) -> None:
    owner = engine_as("dyno_owner")

    def there() -> set[str]:
        with owner.connect() as connection:
            rows = [str(tuple(row)) for query in CATALOGS for row in connection.exec_driver_sql(query)]
        return {re.sub(r" o\([a-z_, ]+\)", " o", row) for row in rows}  # the columns there were when it was made

    migrations.downgrade(owner, "base")
    migrations.upgrade(owner, "0009")
    before = there()
    migrations.upgrade(owner, "0010")
    between = there()
    migrations.downgrade(owner, "0009")

    assert between != before
    assert there() ^ before == set()


@pytest.mark.own_database
def test_what_was_booked_moved_and_held_is_booked_still_one_release_back(lab: Lab, engine_as: EngineAs) -> None:
    owner = engine_as("dyno_owner")
    lab.dyno("D1")
    lab.vehicle()
    held = lab.auto_allocate(hold_minutes=5)

    migrations.downgrade(owner, "0007")
    swept = engine_as("dyno_lifecycle").connect().exec_driver_sql("select lapsed from sweep(interval '1 day')").scalar()
    with lab.over.connect() as connection:
        cancelled = connection.execute(
            text("select cancel(:id, 'ann', false)"), {"id": held.allocation_id}
        ).scalar_one()
    migrations.upgrade(owner)

    assert (swept, cancelled["allocation"]["status"]) == (0, "cancelled")
    assert service.get_allocation(lab.over, held.allocation_id or 0).status == "cancelled"


READ_BY_0002 = {
    "dyno_metrics": """
        select service_name, method_name, sum(calls), round(sum(duration_ms_sum)::numeric, 6), max(duration_ms_max),
               json_object_agg(bucket, outcome || calls order by bucket, outcome)
          from metrics_hourly where hour >= '2026-05-04T10:00Z' group by 1, 2""",
    "dyno_ingest": """
        select service_name, method_name, outcome, round(sum(duration_ms_sum)::numeric, 6),
               json_object_agg(bucket, calls order by bucket) from metrics_totals group by 1, 2, 3 order by 3""",
}
"""What the release before asked, and goes on asking until it is replaced."""


def read_by_0002(over: Engine, query: str) -> list[tuple[Any, ...]]:
    with over.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


@pytest.mark.own_database
def test_the_release_before_goes_on_writing_while_the_schema_changes(
    engine_as: EngineAs, settings_as: Callable[[str], Settings]
) -> None:
    owner = engine_as("dyno_owner")
    migrations.downgrade(owner, "0002")
    with owner.begin() as connection:
        connection.exec_driver_sql(
            "insert into metrics_hourly select timestamptz '2026-01-01Z' + h * interval '1 hour', 'S', 'm' || m,"
            " 'success', b, 1, 1, 1 from generate_series(1, 3000) h, generate_series(1, 5) m, generate_series(0, 9) b"
        )
    writers = [engine(replace(settings_as("dyno_ingest"), release=f"writer {number}")) for number in range(3)]
    over, written, failures = threading.Event(), itertools.count(), itertools.count()

    def write(number: int) -> None:
        while not over.is_set():
            records = f"[{line(f'{number}-{next(written)}', sub=f's{number}')}]"
            while not sent(writers[number], records):
                next(failures)

    writing = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in writing:
        thread.start()
    migrations.upgrade(owner)
    over.set()
    for thread in writing:
        thread.join()
    for each in writers:
        each.dispose()

    assert next(failures) <= len(writers), "only what was under way, and Lambda sends that again"
    with engine_as("postgres").connect() as connection:
        rows, counted = connection.exec_driver_sql(
            "select (select count(*) from metrics), (select sum(calls) from metrics_series)"
        ).one()
    assert rows == counted == next(written)


def sent(over: Engine, records: str) -> bool:
    """Whether a batch was written, by the release before."""
    try:
        with over.connect() as connection:
            connection.execute(text("select ingest(cast(:records as jsonb), '[]')"), {"records": records})
    except DBAPIError:
        return False
    return True


def wide(engine_as: EngineAs, table: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    columns = ", ".join(f"bucket_{number}" for number in range(BUCKET_COUNT))
    with engine_as("postgres").connect() as connection:
        found = connection.exec_driver_sql(
            f"select service_name, method_name, outcome, calls, duration_ms_sum, duration_ms_max, array[{columns}]"
            f" from {table}"
        ).fetchall()
    return {tuple(row[:3]): (*row[3:6], {index: calls for index, calls in enumerate(row[6]) if calls}) for row in found}
