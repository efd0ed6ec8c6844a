"""What two databases are compared by: every table's rows and checksum, the revision, and what may never overlap."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

Ask = Callable[[str], Sequence[Sequence[str | None]]]
"""Runs one statement in a database and gives its rows as text; each statement may be a transaction of its own."""

TABLES = """
select relname::text from pg_class
 where relkind in ('r', 'p') and not relispartition and relnamespace = 'public'::regnamespace order by relname"""

# Sums of hashes need no order and no memory, however large a table is. Two servers of one version hash alike.
TABLE = "select count(*)::text, coalesce(sum(hashtextextended(t::text, 0)), 0)::text from {table} t"

REVISION = "select coalesce(max(version_num), 'none')::text from alembic_version"

# By days alone: it trusts neither the constraints nor what is derived from the days.
OVERLAPS = """
select count(*)::text from (
  select start_date <= max(end_date + turnaround_days) over (partition by dyno_id order by start_date, id
                                                             rows between unbounded preceding and 1 preceding)
      or (vehicle_id is not null
          and start_date <= max(end_date) over (partition by vehicle_id order by start_date, id
                                                rows between unbounded preceding and 1 preceding)) as too_soon
    from occupancies
   where status in ('scheduled', 'in_progress', 'completed') or (status = 'held' and expires_at > now())) taken
 where too_soon"""

LAST_WRITES = {
    "history": "(select max(at) from history)",
    "registry_history": "(select max(at) from registry_history)",
    "refusals": "(select max(refused_at) from refusals)",
    "occupancies": "(select max(committed_at) from occupancies)",
}
"""What says when each table was last written to."""

INSTANT = """select to_char({instant} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""

NOW = INSTANT.format(instant="clock_timestamp()")


class RestoreError(RuntimeError):
    """A drill cannot be done; says why."""


@dataclass(frozen=True)
class Table:
    """How much a table holds, and a sum over all of it."""

    rows: int
    checksum: str


@dataclass(frozen=True)
class Measured:
    """
    A database, as far as two of them are compared.

    Attributes:
        overlaps: Occupancies that begin before an earlier one of their dyno or vehicle is over.
        last_write_at: When somebody last changed the lab; None if nobody ever did.
    """

    revision: str
    tables: Mapping[str, Table]
    overlaps: int
    last_write_at: datetime | None


@dataclass(frozen=True)
class Verdict:
    """
    What came of a comparison.

    Attributes:
        faults: What the copy lacks or has wrong, a line each.
        exact: Tables that nobody wrote to meanwhile, and whose every row was compared.
        moving: Tables that somebody wrote to, of which only the number of rows was.
    """

    faults: tuple[str, ...]
    exact: tuple[str, ...]
    moving: tuple[str, ...]


def measure(ask: Ask) -> Measured:
    """
    Measure a database.

    Raises:
        RestoreError: It has no tables, or one with a name that the service would not give.
    """
    names = [str(name) for (name,) in ask(TABLES)]
    if "occupancies" not in names or not all(re.fullmatch("[a-z_]+", name) for name in names):
        raise RestoreError(f"this is no database of the service: its tables are {', '.join(names) or 'none'}")
    return Measured(
        str(_one(ask, REVISION)) if "alembic_version" in names else "none",
        {name: _table(ask, name) for name in names},
        int(str(_one(ask, OVERLAPS))),
        _last_write(ask, names),
    )


def now(ask: Ask) -> datetime:
    """What the database's clock says."""
    return datetime.fromisoformat(str(_one(ask, NOW)))


def judge(before: Measured, after: Measured, copy: Measured) -> Verdict:
    """
    Compare a copy with the database that it is of, which was measured before and after the moment the copy is of.

    A table that was the same both times was the same at that moment, and the copy's has to be.
    """
    still = tuple(name for name in before.tables if before.tables[name] == after.tables.get(name))
    moving = tuple(sorted({*before.tables, *after.tables} - {*still}))
    faults = [*_of_all(before, copy), *_of_still(before, copy, still), *_of_moving(before, after, copy, moving)]
    return Verdict(tuple(faults), still, moving)


def _of_all(before: Measured, copy: Measured) -> Iterator[str]:
    if copy.revision != before.revision:
        yield f"the schema is at {copy.revision}, not at {before.revision}"
    if copy.overlaps:
        yield f"{copy.overlaps} occupancies overlap another"
    for name in sorted({*copy.tables} - {*before.tables}):
        yield f"{name}: a table that should not be there"


def _of_still(before: Measured, copy: Measured, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        wanted, found = before.tables[name], copy.tables.get(name)
        if found is None:
            yield f"{name}: the table is missing"
        elif found.rows != wanted.rows:
            yield f"{name}: {found.rows} rows, not {wanted.rows}"
        elif found.checksum != wanted.checksum:
            yield f"{name}: {found.rows} rows, as there should be, but not the same"


def _of_moving(before: Measured, after: Measured, copy: Measured, names: Sequence[str]) -> Iterator[str]:
    """A table that grew or shrank meanwhile has to be between the two; that is all that can be said of it."""
    for name in names:
        counts = sorted(each.tables[name].rows if name in each.tables else 0 for each in (before, after))
        found = copy.tables.get(name)
        if found is None:
            yield f"{name}: the table is missing"
        elif not counts[0] <= found.rows <= counts[1]:
            yield f"{name}: {found.rows} rows, not {counts[0]} to {counts[1]}"


def _last_write(ask: Ask, names: Sequence[str]) -> datetime | None:
    instants = [latest for name, latest in LAST_WRITES.items() if name in names]
    said = _one(ask, INSTANT.format(instant=f"greatest({', '.join(instants)})"))
    return datetime.fromisoformat(said) if said else None


def _table(ask: Ask, name: str) -> Table:
    ((rows, checksum),) = ask(TABLE.format(table=name))
    return Table(int(str(rows)), str(checksum))


def _one(ask: Ask, statement: str) -> str | None:
    ((value,),) = ask(statement)
    return value
