"""What the catalogs say that each login may do, and what it is told when it tries."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from dyno.bootstrap import OWNER, ROLES
from dyno.database import sqlstate

DENIED = "42501"  # insufficient_privilege
NOT_OF_ITS_KIND = {"42809", "55000"}
"""What views answer, before anybody asks who it is: no view here can be truncated, referred to or written through."""

LOGINS = tuple(role.name for role in ROLES if role is not OWNER)
CALL = "EXECUTE"

TRIED = {
    "SELECT": "select 1 from {it} limit 0",
    "INSERT": "insert into {it} default values",
    "UPDATE": "update {it} set {column} = default where false",
    "DELETE": "delete from {it} where false",
    "TRUNCATE": "truncate {it}",
    "REFERENCES": "create table scratch.planted (it integer references {it})",
    "TRIGGER": "create trigger planted after delete on {it} for each row"
    " execute function suppress_redundant_updates_trigger()",
    "MAINTAIN": "reindex table {it}",
}
TRIED_OF_SEQUENCES = {
    "SELECT": "select last_value from {it}",
    "UPDATE": "select setval('{it}', 1)",
    "USAGE": "select nextval('{it}')",
}

_RELATIONS = """
    select c.oid::regclass::text as name, c.relkind::text as kind, l.login, p.privilege,
           case c.relkind when 'S' then has_sequence_privilege(l.login::name, c.oid, p.privilege)
                          else has_table_privilege(l.login::name, c.oid, p.privilege) end as granted,
           (select quote_ident(attname) from pg_attribute a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by attnum limit 1) as column,
           exists (select from pg_attribute a where a.attrelid = c.oid and a.attacl is not null) as by_column
      from pg_class c
     cross join lateral (select privilege_type from aclexplode(acldefault(
       case relkind when 'S' then 's' else 'r' end::"char", relowner)) where grantee = relowner) p (privilege)
     cross join unnest(cast(:logins as text[])) l (login)
     where c.relnamespace = 'public'::regnamespace and c.relkind not in ('i', 'I', 'c', 't')"""
_FUNCTIONS = """
    select p.proname::text as name, array(select format_type(t, null) from unnest(p.proargtypes) t) as arguments,
           l.login, has_function_privilege(l.login::name, p.oid, 'EXECUTE') as granted
      from pg_proc p cross join unnest(cast(:logins as text[])) l (login)
     where p.pronamespace = 'public'::regnamespace
       and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')"""
# Not constants: of some functions the answer to those is known without a call.
_CALLED = "select {name}({names}) from (select {values} offset 0) given"


class Right(NamedTuple):
    """
    Something a login may or may not do.

    Attributes:
        thing: A relation's or a function's name; of monthly partitions, metrics_YYYY_MM.
        tried: The statement that does it.
    """

    thing: str
    privilege: str
    login: str
    granted: bool
    tried: str


def rights(over: Engine) -> list[Right]:
    """Each login, each relation and function of the schema, each privilege that there is of its kind."""
    with over.connect() as connection:
        return [*_of_relations(connection), *_of_functions(connection)]


def _of_relations(connection: Connection) -> Iterator[Right]:
    for it in connection.execute(text(_RELATIONS), {"logins": list(LOGINS)}):
        if it.by_column:
            raise AssertionError(f"{it.name} has columns with grants of their own")
        thing = re.sub(r"^metrics_\d{4}_\d\d$", "metrics_YYYY_MM", it.name)
        tried = (TRIED_OF_SEQUENCES if it.kind == "S" else TRIED)[it.privilege].format(it=it.name, column=it.column)
        yield Right(thing, it.privilege, it.login, it.granted, tried)


def _of_functions(connection: Connection) -> Iterator[Right]:
    for it in connection.execute(text(_FUNCTIONS), {"logins": list(LOGINS)}):
        names = ", ".join(f"a{number}" for number, _ in enumerate(it.arguments))
        values = ", ".join(f"null::{argument} as a{number}" for number, argument in enumerate(it.arguments))
        yield Right(it.name, CALL, it.login, it.granted, _CALLED.format(name=it.name, names=names, values=values))


def told(over: Engine, statement: str) -> str | None:
    """The SQLSTATE by which a statement fails, undone in any case; None if it does not."""
    with over.connect().execution_options(isolation_level="READ COMMITTED") as connection:
        try:
            # What a role's own settings keep it from is not what its grants do.
            connection.exec_driver_sql("set transaction read write")
            connection.exec_driver_sql(statement)
        except DBAPIError as error:
            return sqlstate(error) or str(error)
        finally:
            connection.rollback()
    return None


def is_denied(over: Engine, statement: str) -> bool:
    """Whether whoever logged in was told that they may not."""
    return told(over, statement) in {DENIED} | NOT_OF_ITS_KIND
