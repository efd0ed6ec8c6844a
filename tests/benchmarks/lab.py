"""A lab with years of bookings, made where they are kept; which of its days are free is known by arithmetic."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, text

FIRST_DAY = date(2030, 1, 1)
TESTS = ("brake", "certification", "durability", "evap")
"""Every dyno can run the first, one in four all of them; those that can do less are chosen first."""

OF_A_DYNO = 10
"""Vehicles that always go to one dyno, and so are never on two."""

TAKEN_DAYS = 3
"""Of each period: a booking of two days at most, and a day of turnaround behind it."""

# The constraints are made anew when all is there: row by row they would cost many times as much.
_FILL = """
    for each in select conname from pg_constraint where conrelid = 'occupancies'::regclass and contype = 'x' loop
      execute format('alter table occupancies drop constraint %I', each);
    end loop;
    insert into dynos (name, turnaround_days)
    select 'Cell ' || lpad(number::text, 5, '0'), number % 2 from generate_series(1, dynos) number;
    insert into capabilities
    select id, test, 'any', 'any' from dynos, unnest(tests) with ordinality ranked (test, rank)
     where rank <= 1 + id / 2 % array_length(tests, 1);
    perform refresh_breadth();
    insert into vehicles (vin, weight_lbs, drive_type)
    select 'V' || lpad(number::text, 8, '0'), 5000, 'AWD'
      from generate_series(1, newcomers + dynos * of_a_dyno) number;
    insert into occupancies (kind, dyno_id, vehicle_id, test_type, start_date, end_date, turnaround_days, booked_by)
    select 'allocation', dyno, newcomers + 1 + (dyno - 1) * of_a_dyno + number % of_a_dyno, tests[1],
           first_day + number * period + dyno % period,
           first_day + number * period + dyno % period + (number + dyno) % 2, dyno % 2, 'somebody'
      from generate_series(0, bookings / dynos - 1) number, generate_series(1, dynos) dyno;
    foreach each in array constraints loop
      execute 'alter table occupancies add constraint ' || each;
    end loop;
"""

_CHANGED = "occupancies, history, idempotency_keys, refusals, dynos, capabilities, order_of_choice, vehicles"

_FULL = text("""
    insert into occupancies (kind, dyno_id, vehicle_id, test_type, start_date, end_date, booked_by)
    select 'allocation', dyno, :newcomers - day * :dynos - dyno, 'brake', day + cast(:first_day as date),
           day + cast(:first_day as date), 'somebody'
      from generate_series(1, :dynos) dyno, generate_series(0, :days - 1) day
""")

# By days alone, pair by pair: it trusts no constraint, no index that follows from one, and no derived column.
_OVERLAPS = text("""
    with live as (
      select id, dyno_id, vehicle_id, start_date, end_date, turnaround_days
        from occupancies where status not in ('cancelled', 'lapsed')
    )
    select (select count(*) from live made join live other on other.dyno_id = made.dyno_id and other.id < made.id
             where made.id > :before and made.start_date <= other.end_date + other.turnaround_days
               and other.start_date <= made.end_date + made.turnaround_days)
         + (select count(*) from live made join live other on other.vehicle_id = made.vehicle_id and other.id < made.id
             where made.id > :before and made.start_date <= other.end_date and other.start_date <= made.end_date)
""")


@dataclass(frozen=True)
class Size:
    """
    How large a lab is.

    Attributes:
        period: Days from one booking of a dyno to its next; more than are taken.
        newcomers: Vehicles that were never booked, with the ids from 1 on.
    """

    dynos: int
    bookings: int
    period: int
    newcomers: int = 50_000

    @property
    def days(self) -> int:
        """How many there are bookings on, from the first day on."""
        return self.bookings // self.dynos * self.period

    @property
    def case(self) -> str:
        """What it is called in a table."""
        return f"{self.dynos:,} dynos"

    @property
    def gaps(self) -> int:
        """Windows of a day, and one of turnaround, that are free in each period."""
        return (self.period - TAKEN_DAYS) // 2


TINY = Size(8, 80, 100, newcomers=2_000)
"""Enough to see that everything works."""


def fill(connection: Connection, size: Size) -> None:
    """
    Put dynos, vehicles and bookings into an empty lab.

    Args:
        connection: The owner's or the superuser's, on which each statement is its own transaction.
    """
    said = f"""
        dynos integer := {size.dynos}; bookings integer := {size.bookings}; period integer := {size.period};
        first_day date := '{FIRST_DAY}'; tests text[] := '{{{",".join(TESTS)}}}';
        newcomers integer := {size.newcomers}; of_a_dyno integer := {OF_A_DYNO}; each text;
        constraints text[] := (
          select array_agg(format('%I %s', conname, pg_get_constraintdef(oid)) order by conname)
            from pg_constraint where conrelid = 'occupancies'::regclass and contype = 'x');
    """
    connection.exec_driver_sql(f"do $$ declare {said} begin {_FILL} end $$")
    for table in _CHANGED.split(", "):  # nobody is to be interrupted, and nobody's leavings are taken away for them
        connection.exec_driver_sql(f"alter table {table} set (autovacuum_enabled = false)")
    connection.exec_driver_sql(f"vacuum (analyze) {_CHANGED}")


def full_day(size: Size) -> date:
    """A day after all bookings: the first that is full once it is filled up."""
    return FIRST_DAY + timedelta(days=size.days + size.period)


def fill_up(connection: Connection, size: Size, days: int) -> None:
    """Book every dyno on so many days from the full day on, each on each by a newcomer."""
    connection.execute(
        _FULL, {"first_day": full_day(size), "days": days, "dynos": size.dynos, "newcomers": size.newcomers}
    )
    connection.exec_driver_sql("vacuum (analyze) occupancies")  # as of a lab in which nobody has just done all that


def rows(connection: Connection, table: str) -> int:
    """How many rows a table has."""
    found: int = connection.exec_driver_sql(f"select count(*) from {table}").scalar_one()
    return found


def overlaps(connection: Connection, before: int) -> int:
    """How many pairs of bookings overlap, but for those of the first so many, which are known not to."""
    pairs: int = connection.execute(_OVERLAPS, {"before": before}).scalar_one()
    return pairs
