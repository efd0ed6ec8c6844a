"""The migrated schema: up, down, the same as tables.py, and closed to roles that have no business there."""

import pytest
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from cdk.local import postgres
from cdk.local.instance import LOOPBACK
from dyno import migrations
from dyno.bootstrap import OWNER, by_connection
from dyno.database import sqlstate, violated_constraint
from dyno.tables import metadata
from tests.conftest import EngineAs
from tests.lab import MONDAY, TUESDAY, Lab


def test_migrations_go_up_down_and_up_again(server_port: int) -> None:
    admin = postgres.connect(server_port)
    admin.run("create database updown")
    by_connection({"DATABASE_HOST": LOOPBACK, "DATABASE_PORT": str(server_port), "DATABASE_NAME": "updown"})
    owner = create_engine(f"postgresql+pg8000://{OWNER.name}@{LOOPBACK}:{server_port}/updown")
    ours = text(
        "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'"
        " where c.relname not like 'alembic_version%' and pg_get_userbyid(relowner) = 'dyno_owner'"
    )
    functions = text("select count(*) from pg_proc where pg_get_userbyid(proowner) = 'dyno_owner'")
    try:
        for _ in range(2):
            assert migrations.upgrade(owner) == migrations.head()
            migrations.downgrade(owner, "base")
            with owner.connect() as connection:
                assert (connection.scalar(ours), connection.scalar(functions)) == (0, 0)
        migrations.upgrade(owner)
        migrations.upgrade(owner)
    finally:
        owner.dispose()
        admin.run("drop database updown with (force)")
        admin.close()


@pytest.mark.own_database
def test_a_schema_newer_than_the_release_is_left_as_it_is(lab: Lab, engine_as: EngineAs) -> None:
    lab.sql("update alembic_version set version_num = '9999'")

    assert migrations.upgrade(engine_as("dyno_owner")) == "9999"
    assert lab.sql("select count(*) from dynos") == 0


def test_the_page_of_tables_is_the_migrated_schema(lab: Lab) -> None:
    found = inspect(lab.owner)
    partitions = {name for (name,) in lab.rows("select inhrelid::regclass::text from pg_inherits")}

    there = {
        table: {
            (column["name"], column["type"].compile(lab.owner.dialect), bool(column["nullable"]))
            for column in found.get_columns(table)
        }
        for table in set(found.get_table_names()) - partitions - {"alembic_version"}
    }

    on_the_page = {
        table.name: {(column.name, column.type.compile(lab.owner.dialect), bool(column.nullable)) for column in table.c}
        for table in metadata.tables.values()
    }
    assert there == on_the_page
    for table in metadata.tables.values():
        assert set(found.get_pk_constraint(table.name)["constrained_columns"]) == set(table.primary_key.columns.keys())
        there_keys = {
            (*key["constrained_columns"], key["referred_table"]) for key in found.get_foreign_keys(table.name)
        }
        assert there_keys == {(key.parent.name, key.column.table.name) for key in table.foreign_keys}


def refused(over: Engine, statement: str) -> bool:
    try:
        with over.begin() as connection:
            connection.execute(text(statement))
    except DBAPIError as error:
        return sqlstate(error) == "42501"  # insufficient_privilege
    return False


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("dyno_allocations", "insert into occupancies (kind) values ('allocation')"),
        ("dyno_allocations", "update dynos set enabled = false"),
        ("dyno_allocations", "delete from history"),
        ("dyno_allocations", "select * from idempotency_keys"),
        ("dyno_allocations", "select refresh_breadth()"),
        ("dyno_allocations", "insert into users (sub) values ('ann')"),
        ("dyno_allocations", "update users set enrolled_at = now(), role = 'admin'"),
        ("dyno_allocations", "delete from users"),
        ("dyno_allocations", "select remembered_answer('ann', 'POST /users', 'k', '')"),
        ("dyno_allocations", "select remember_answer('ann', 'POST /users', 'k', '', '{}')"),
        ("dyno_allocations", "select answered('ann', 'POST /users', 'k', '', '{}')"),
        ("dyno_allocations", "delete from order_of_choice"),
        ("dyno_allocations", "select refresh_order(1)"),
        ("dyno_allocations", "insert into vehicles (vin, weight_lbs, drive_type) values ('A', 1, 'AWD')"),
        ("dyno_allocations", "update vehicles set retired_at = now()"),
        ("dyno_allocations", "insert into capabilities values (1, 'any', 'any', 'any')"),
        ("dyno_allocations", "select set_capabilities(1, '[]')"),
        ("dyno_allocations", "select * from stranded(1, null, 'UTC', now())"),
        ("dyno_allocations", "delete from registry_history"),
        ("dyno_allocations", "create table mine (id integer)"),
        ("dyno_metrics", "select * from vehicles"),
        ("dyno_metrics", "select place('a', 'r', null, '', 1, null, 'brake', '2999-01-01', 1, 0, true, 'UTC', 1, 1)"),
        ("dyno_metrics", "select reopen_dyno(1, 1, 'a')"),
        ("dyno_roi", "select change_allocation(1, 'a', 1, '{}', true, 'UTC', 1, 1)"),
        ("dyno_ingest", "select availability(1, null, null, null, 'brake', '2999-01-01', 1, 0, 'UTC', 1, 1)"),
        ("dyno_allocations", "select lapse(null, null, null, null, now())"),
        ("dyno_ingest", "select * from occupancies"),
        ("dyno_ingest", "select cancel(1, 'a', true)"),
        ("dyno_ingest", "select enrol('a', 'r', null, '', 'a', 'admin', now())"),
        ("dyno_metrics", "select change_user(1, 1, '{}')"),
        ("dyno_ingest", "select create_vehicle('a', 'r', null, '', '{}')"),
        ("dyno_metrics", "select create_dyno('a', 'r', null, '', '{}')"),
        ("dyno_roi", "select change_vehicle('a', 1, 1, '{}', 'UTC')"),
        ("dyno_lifecycle", "select change_dyno('a', 1, 1, '{}', 'UTC')"),
        ("dyno_allocations", "insert into refusals (actor) values ('ann')"),
        ("dyno_allocations", "delete from refusals"),
        (
            "dyno_allocations",
            "select choose_and_book('a', 'r', null, '', 1, null, 'b', '2999-01-01', 1, 0, true, 'UTC', 1, 1)",
        ),
        ("dyno_allocations", "select close_days('UTC', now())"),
        ("dyno_allocations", "select * from roi_assumptions"),
        *(
            ("dyno_roi", f"delete from {table}")
            for table in (
                "occupancies",
                "refusals",
                "users",
                "allocation_days",
                "roi_assumptions",
                "roi_reports",
                "metrics",
            )
        ),
        ("dyno_roi", "update occupancies set status = 'completed'"),
        ("dyno_roi", "update roi_reports set revision = 1"),
        ("dyno_roi", "update roi_assumptions set reason = 'better'"),
        ("dyno_roi", "insert into allocation_days (time_zone, day) values ('UTC', '2026-01-01')"),
        ("dyno_roi", "insert into refusals (actor) values ('ann')"),
        ("dyno_roi", "truncate roi_reports"),
        ("dyno_roi", "select * from idempotency_keys"),
        ("dyno_roi", "select * from lab_month('UTC', now())"),
        ("dyno_roi", "select cancel(1, 'a', true)"),
        *(
            (role, f"select * from {table}")
            for role in ("dyno_metrics", "dyno_ingest")
            for table in ("refusals", "allocation_days", "roi_assumptions", "assumptions_in_force", "roi_reports")
        ),
        *((role, "select conflicts()") for role in ("dyno_metrics", "dyno_ingest", "dyno_allocations")),
        *(
            (role, "select * from dyno_days('UTC', null, null, now())")
            for role in ("dyno_metrics", "dyno_ingest", "dyno_allocations", "dyno_lifecycle")
        ),
        ("dyno_metrics", "select * from lab_month('UTC', now())"),
        ("dyno_ingest", "select * from assume('a', '2026-01-01', 'r', '{}')"),
        ("dyno_ingest", "select * from keep_report('month', '2026-01-01', 'm', now(), 'd', '{}')"),
        ("dyno_ingest", "select * from people(now(), now())"),
    ],
)
def test_a_role_may_do_nothing_but_its_own_work(engine_as: EngineAs, role: str, statement: str) -> None:
    assert refused(engine_as(role), statement)
    assert not refused(engine_as("postgres"), "select 1")  # the checker sees what is allowed


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"end_date": MONDAY}, "whole_days"),
        ({"status": "held"}, "hold_expires"),
        ({"status": "cancelled"}, "cancelled_at_a_time"),
        ({"booked_by": None}, "allocation_is_complete"),
        ({"test_type": None}, "allocation_is_complete"),
        ({"kind": "maintenance"}, "allocation_is_complete"),
        ({"kind": "maintenance", "test_type": None, "status": "completed"}, "window_is_scheduled"),
        ({"turnaround_days": 31}, "occupancies_turnaround_days_check"),
        ({"turnaround_days": -1}, "occupancies_turnaround_days_check"),
        ({}, "dyno_once"),
    ],
)
def test_the_database_refuses_what_cannot_be(lab: Lab, columns: dict[str, object], constraint: str) -> None:
    dyno_id, vehicle_id = lab.dyno("D1"), lab.vehicle()
    if constraint == "dyno_once":
        lab.auto_allocate(start_date=TUESDAY)

    with pytest.raises(DBAPIError) as broken:
        lab.occupy(dyno_id, vehicle_id, TUESDAY, **columns)

    assert violated_constraint(broken.value) == constraint
