"""The migrated schema: up, down, the same as tables.py, and closed to rows that cannot be."""

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from cdk.local import postgres
from cdk.local.instance import LOOPBACK
from dyno import migrations
from dyno.bootstrap import OWNER, by_connection
from dyno.database import violated_constraint
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
