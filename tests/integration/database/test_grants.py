"""Each login may do what is written here and nothing else: read off the catalogs, and tried."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import Engine

from cdk.local.instance import LOOPBACK
from dyno.bootstrap import OWNER, ROLES, by_connection, statements
from dyno.database import autocommit, engine
from dyno.errors import DatabaseUnavailable
from dyno.settings import Settings
from tests.conftest import EngineAs
from tests.integration.database.rights import CALL, DENIED, LOGINS, Right, is_denied, rights, told
from tests.integration.metrics.pipeline import line, observation
from tests.lab import Lab

READ_BY = {
    "alembic_version": "metrics",
    "allocation_days": "roi",
    "assumptions_in_force": "roi",
    "calendars": "",
    "calendars_id_seq": "",
    "capabilities": "allocations imports import_jobs roi exports",
    "conflict_checks": "roi",
    "dead_letter_totals": "ingest metrics",
    "dead_letters": "ingest metrics",
    "dynos": "allocations imports import_jobs roi exports",
    "history": "allocations roi exports",
    "idempotency_keys": "",
    "import_jobs": "",
    "import_jobs_id_seq": "",
    "imported_requests": "imports import_jobs",
    "metrics": "metrics roi",
    "metrics_YYYY_MM": "",
    "metrics_rollups": "metrics",
    "metrics_series": "ingest metrics",
    "notices": "",
    "observation_totals": "ingest metrics",
    "observations": "",
    "occupancies": "allocations imports import_jobs roi exports",
    "order_of_choice": "",
    "refusals": "allocations roi",
    "registry_history": "",
    "roi_assumptions": "roi",
    "roi_reports": "roi",
    "users": "allocations roi",
    "vehicles": "allocations imports import_jobs roi exports",
    "dead_letters_id_seq": "",
    "dynos_id_seq": "",
    "history_id_seq": "",
    "metrics_id": "",
    "occupancies_id_seq": "",
    "refusals_id_seq": "",
    "registry_history_id_seq": "",
    "roi_assumptions_id_seq": "",
    "users_id_seq": "",
    "vehicles_id_seq": "",
}
"""Every relation, and who selects from it; nobody may do anything else to any."""

CALLED_BY = {
    "admit": "allocations exports imports import_jobs metrics roi",
    "age_metrics": "lifecycle",
    "age_refusals": "lifecycle",
    "allocation_json": "",
    "announce_import": "imports",
    "answered": "",
    "assume": "roi",
    "assumptions_json": "roi",
    "availability": "allocations",
    "begin_import": "import_jobs",
    "book": "allocations imports import_jobs",
    "calendar_json": "",
    "calendars_of": "exports",
    "cancel": "allocations",
    "carry_over": "imports import_jobs",
    "change_allocation": "allocations",
    "change_dyno": "allocations imports import_jobs",
    "change_user": "allocations",
    "change_vehicle": "allocations imports import_jobs",
    "check_conflicts": "roi",
    "choose": "",
    "close_days": "roi",
    "close_dead_letters": "ingest",
    "close_dyno": "allocations imports import_jobs",
    "conflicts": "roi",
    "conflicts_now": "roi",
    "create_dyno": "allocations imports import_jobs",
    "create_metrics_partition": "lifecycle",
    "create_vehicle": "allocations imports import_jobs",
    "days_there": "roi",
    "drop_metrics_partitions": "lifecycle",
    "duration_bucket": "",
    "dyno_days": "roi",
    "dyno_free_from": "",
    "dyno_json": "",
    "end_import": "import_jobs",
    "enrol": "allocations imports import_jobs",
    "erase_user": "allocations",
    "hand_out_notices": "notices",
    "import_job": "imports",
    "import_json": "",
    "in_order": "",
    "in_the_way": "",
    "ingest": "ingest",
    "is_kept": "roi",
    "is_live": "roi",
    "keep_order": "",
    "keep_order_of_many": "",
    "keep_report": "roi",
    "kept_by": "",
    "lab_days": "roi",
    "lab_month": "ingest",
    "lapse": "",
    "longest_hold": "roi",
    "look_at_all": "",
    "make_calendar": "exports",
    "made_way": "roi",
    "newly_stranded": "",
    "next_windows": "",
    "note_calendar": "exports",
    "note_change": "",
    "note_import": "import_jobs",
    "note_registry": "",
    "obstacle_json": "",
    "open_calendar": "exports",
    "open_days": "roi",
    "open_kept": "",
    "people": "roi",
    "place_all": "imports import_jobs",
    "place_json": "",
    "plan_alone": "imports import_jobs",
    "refresh_breadth": "",
    "refresh_order": "",
    "rejection": "",
    "rejection_json": "",
    "remembered_answer": "",
    "remember_request": "imports import_jobs",
    "renamed": "",
    "reopen_dyno": "allocations",
    "retired_since": "",
    "revoke_calendar": "exports",
    "roi_demand": "roi",
    "roi_facts": "roi",
    "roi_revisions": "roi",
    "schedule": "allocations",
    "set_capabilities": "",
    "shared_days": "roi",
    "since": "roi",
    "stranded": "",
    "sweep": "lifecycle",
    "unfit": "roi",
    "user_json": "",
    "vehicle_free_from": "",
    "vehicle_in_the_way": "",
    "vehicle_json": "",
    "why_not": "",
    "window_json": "",
}
"""Every function, and who may call it."""

WRITTEN_BY_INGEST = {
    "dead_letter_totals",
    "dead_letters",
    "metrics",
    "metrics_rollups",
    "metrics_series",
    "observation_totals",
    "observations",
    "users",
}
"""Of users, rows of people newly seen, which calls refer to by their ids; nothing of who is there."""


def agreed() -> set[tuple[str, str, str]]:
    readers = {(it, "SELECT", f"dyno_{login}") for it, logins in READ_BY.items() for login in logins.split()}
    return readers | {(it, CALL, f"dyno_{login}") for it, logins in CALLED_BY.items() for login in logins.split()}


def differences(found: Iterable[Right]) -> set[str]:
    """What is otherwise than written above."""
    found = list(found)
    granted = {(right.thing, right.privilege, right.login) for right in found if right.granted}
    things = {right.thing for right in found}
    return {" ".join(right) for right in granted ^ agreed()} | (things ^ (READ_BY.keys() | CALLED_BY.keys()))


@pytest.fixture
def owner(engine_as: EngineAs) -> Engine:
    """May do anything; for planting."""
    over = engine_as("postgres")
    with over.connect() as connection:
        # To create a table that refers to another, one must be able to create it somewhere.
        connection.exec_driver_sql("create schema if not exists scratch")
        connection.exec_driver_sql("grant usage, create on schema scratch to public")
    return over


@pytest.fixture
def closed(server_port: int, database: str, owner: Engine) -> Iterator[str]:
    """A database of one's own after the bootstrap, which ran twice; and a login that has no business there."""
    for _ in range(2):
        by_connection({"DATABASE_HOST": LOOPBACK, "DATABASE_PORT": str(server_port), "DATABASE_NAME": database})
    with owner.connect() as connection:
        connection.exec_driver_sql("create role stranger login")
    yield database
    with owner.connect() as connection:
        connection.exec_driver_sql("drop role stranger")


def plant(over: Engine, *faults: str) -> None:
    with over.connect() as connection:
        for fault in faults:
            connection.exec_driver_sql(fault)


@pytest.mark.own_database
def test_each_login_may_do_what_is_written_and_is_denied_whatever_else_it_tries(
    owner: Engine, engine_as: EngineAs
) -> None:
    logged_in = {login: engine_as(login) for login in LOGINS}
    found = rights(owner)

    assert differences(found) == set()
    assert [right for right in found if not right.granted and not is_denied(logged_in[right.login], right.tried)] == []
    assert [right for right in found if right.granted and told(logged_in[right.login], right.tried) == DENIED] == []


@pytest.mark.own_database
@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ("grant insert on users to dyno_ingest", "users INSERT dyno_ingest"),
        ("grant usage on sequence users_id_seq to dyno_roi", "users_id_seq USAGE dyno_roi"),
        ("revoke select on dynos from dyno_allocations", "dynos SELECT dyno_allocations"),
        ("revoke execute on function is_kept from dyno_roi", "is_kept EXECUTE dyno_roi"),
        ("grant execute on function refresh_breadth to public", "refresh_breadth EXECUTE dyno_lifecycle"),
        ("create table planted ()", "planted"),
        ("create view planted as select 1 as one", "planted"),
        ("create function planted() returns integer language sql return 1", "planted"),
        ("drop function erase_user", "erase_user"),
    ],
)
def test_a_right_too_many_or_too_few_would_be_noticed(owner: Engine, fault: str, what: str) -> None:
    plant(owner, fault)

    assert what in differences(rights(owner))


@pytest.mark.own_database
def test_a_grant_of_a_column_would_be_noticed(owner: Engine) -> None:
    plant(owner, "grant update (enrolled_at) on users to dyno_allocations")

    with pytest.raises(AssertionError, match="users"):
        rights(owner)


@pytest.mark.own_database
@pytest.mark.parametrize(
    ("fault", "login", "statement"),
    [
        ("grant insert on history to dyno_lifecycle", "dyno_lifecycle", "insert into history default values"),
        ("grant references on users to dyno_roi", "dyno_roi", "create table scratch.a (b integer references users)"),
        ("grant execute on function plan_alone to public", "dyno_metrics", "select plan_alone()"),
    ],
)
def test_what_is_tried_and_let_through_would_be_noticed(
    owner: Engine, engine_as: EngineAs, fault: str, login: str, statement: str
) -> None:
    assert is_denied(engine_as(login), statement)

    plant(owner, fault)

    assert not is_denied(engine_as(login), statement)


@pytest.mark.own_database
def test_a_function_made_from_now_on_is_nobodys_until_it_is_granted(owner: Engine, engine_as: EngineAs) -> None:
    plant(engine_as(OWNER.name), "create function planted() returns integer language sql return 1")

    assert told(engine_as("dyno_roi"), "select planted()") == DENIED


@pytest.mark.own_database
def test_only_the_services_logins_come_in_and_they_make_nothing_there(closed: str, engine_as: EngineAs) -> None:
    with pytest.raises(Exception, match="permission denied for database"):
        engine_as("stranger").connect()

    makes = ("create temporary table mine ()", "create table public.mine ()", "create schema mine")
    made = {(role.name, made) for role in ROLES for made in makes if told(engine_as(role.name), made) != DENIED}
    assert made == {(OWNER.name, "create table public.mine ()")}


@pytest.mark.own_database
def test_the_bootstrap_needs_no_superuser_but_the_databases_owner(
    server_port: int, database: str, owner: Engine, settings_as: Callable[[str], Settings]
) -> None:
    plant(owner, "create role master login createrole", f"alter database {database} owner to master")
    plant(owner, *(f"grant {role.name} to master with admin option, inherit false, set false" for role in ROLES))
    master = engine(settings_as("master"))
    try:
        for _ in range(2):
            plant(master, *statements(database, iam=False))
    finally:
        master.dispose()
        plant(owner, f"alter database {database} owner to postgres")
        plant(owner, *(f"revoke {role.name} from master" for role in ROLES), "drop owned by master", "drop role master")

    with owner.connect() as connection:
        acl = connection.exec_driver_sql("select datacl::text from pg_database where datname = current_database()")
        assert "{=" not in acl.scalar_one()


SPECIAL = """
    select rolname from pg_roles
     where rolname like 'dyno\\_%' and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)
    union all
    select member::regrole::text || ' is ' || roleid::regrole::text from pg_auth_members
     where member::regrole::text like 'dyno\\_%'"""


def special(over: Engine) -> list[str]:
    with over.connect() as connection:
        return list(connection.exec_driver_sql(SPECIAL.replace("%", "%%")).scalars())


@pytest.mark.parametrize(
    ("fault", "undone", "what"),
    [
        ("alter role dyno_roi createdb", "alter role dyno_roi nocreatedb", "dyno_roi"),
        ("alter role dyno_metrics bypassrls", "alter role dyno_metrics nobypassrls", "dyno_metrics"),
        ("grant dyno_roi to dyno_ingest", "revoke dyno_roi from dyno_ingest", "dyno_ingest is dyno_roi"),
        ("grant dyno_owner to dyno_roi", "revoke dyno_owner from dyno_roi", "dyno_roi is dyno_owner"),
    ],
)
def test_no_login_is_special_or_another(owner: Engine, fault: str, undone: str, what: str) -> None:
    assert special(owner) == []

    plant(owner, fault)
    try:
        assert special(owner) == [what]
    finally:
        plant(owner, undone)


def test_each_login_has_the_sessions_it_is_said_to_have(owner: Engine) -> None:
    with owner.connect() as connection:
        limits = connection.exec_driver_sql("select rolname, rolconnlimit from pg_roles where rolname ~ '^dyno_'")
        assert dict(map(tuple, limits)) == {role.name: role.connections for role in ROLES}


def test_a_session_too_many_is_told_to_try_again(settings_as: Callable[[str], Settings]) -> None:
    smallest = min(ROLES, key=lambda role: role.connections)
    with ExitStack() as sessions:
        engines = [engine.__wrapped__(settings_as(smallest.name)) for _ in range(smallest.connections + 1)]
        for each in engines:
            sessions.callback(each.dispose)
        for each in engines[:-1]:
            sessions.enter_context(each.connect())

        with pytest.raises(DatabaseUnavailable, match="takes no connection right now") as refused:
            engines[-1].connect()

    assert refused.value.status == 503


@pytest.mark.own_database
def test_a_login_that_reads_writes_nothing_even_where_it_could(owner: Engine, engine_as: EngineAs) -> None:
    plant(owner, "grant insert on dead_letter_totals to dyno_metrics")

    with autocommit(engine_as("dyno_metrics")) as connection, pytest.raises(Exception, match="read-only transaction"):
        connection.exec_driver_sql("insert into dead_letter_totals values ('r', 1)")


def test_whatever_ingest_is_sent_it_writes_metrics_and_notes_whom_it_saw(lab: Lab, engine_as: EngineAs) -> None:
    lab.dyno("D1")
    lab.vehicle()
    lab.auto_allocate()
    lab.sql("insert into users (sub, role, enrolled_at) values ('ann', 'user', now())")
    tables = [it for it in READ_BY if not it.endswith(("_seq", "_YYYY_MM", "metrics_id"))]

    def there() -> dict[str, Any]:
        return {it: lab.sql(f"select md5(string_agg(x::text, '|' order by x::text)) from {it} x") for it in tables}

    before = there()
    with engine_as("dyno_ingest").connect() as connection:
        letter = """{"letter_id": "l", "reason": "not json", "line": "…", "received_at": "2026-05-04T10:00:00Z"}"""
        sent = (
            f"[{line('e-1', sub='ann')}, {line('e-2', sub='new')}]",
            f"[{letter}]",
            f"[{observation('o', sub='ann')}]",
        )
        connection.exec_driver_sql("select ingest(%s::jsonb, %s::jsonb, %s::jsonb)", sent)
        connection.exec_driver_sql("select close_dead_letters(array['l'])")
        connection.exec_driver_sql("select * from lab_month('UTC', now())")
    after = there()

    assert {it for it in tables if before[it] != after[it]} == WRITTEN_BY_INGEST
    known, seen = lab.rows("select sub, role, enrolled_at is null, left_at, version from users order by id")
    assert (known, seen) == (("ann", "user", False, None, 1), ("new", None, True, None, 1))
