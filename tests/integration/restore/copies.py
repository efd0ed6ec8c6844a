"""Copies of a test's database, and how they are spoilt."""

from cdk.local import postgres

LOSE_A_BOOKING = "delete from occupancies where id = (select max(id) from occupancies)"
CHANGE_A_BOOKING = "update occupancies set end_date = end_date + 1 where id = (select max(id) from occupancies)"
LOSE_A_TABLE = "drop table refusals"
GO_BACK = "update alembic_version set version_num = '0001'"
OVERLAP = """
do $$ declare name text; begin
  for name in select conname from pg_constraint where conrelid = 'occupancies'::regclass and contype = 'x' loop
    execute format('alter table occupancies drop constraint %I', name);
  end loop;
end $$;
insert into occupancies (kind, dyno_id, reason, start_date, end_date)
select 'maintenance', dyno_id, 'planted', start_date, end_date from occupancies order by id limit 1
"""


def copied(port: int, source: str, target: str) -> None:
    """Copy a database that nobody is connected to."""
    run(port, "postgres", f"create database {target} template {source}")


def run(port: int, database: str, statements: str) -> None:
    """Run statements as superuser."""
    connection = postgres.connect(port, database)
    try:
        connection.run(statements)
    finally:
        connection.close()


def databases(port: int) -> set[str]:
    """Every database there is."""
    connection = postgres.connect(port)
    try:
        return {name for (name,) in connection.run("select datname::text from pg_database")}
    finally:
        connection.close()
