"""Three years of bookings, made where they are kept, and their days as the nightly run would have closed them."""

from datetime import datetime

from sqlalchemy import Connection

YEARS = 3
PEOPLE = 40
A_DAY = 400
"""Bookings of one day of the lab's calendar: each has a dyno and a vehicle of its own."""

# One in ten is cancelled, half of these within a day; one in four was moved.
_FILL = f"""
    insert into dynos (name) select 'D' || number from generate_series(1, {A_DAY}) number;
    insert into capabilities select id, 'any', 'any', 'any' from dynos;
    insert into vehicles (vin, weight_lbs, drive_type)
    select 'V' || lpad(number::text, 8, '0'), 5000, 'AWD' from generate_series(1, {A_DAY}) number;
    insert into users (sub, role, enrolled_at)
    select 'person-' || number, 'user', now - interval '{YEARS} years' from generate_series(0, {PEOPLE - 1}) number;
    insert into occupancies (kind, dyno_id, vehicle_id, test_type, start_date, end_date, shift_days, booked_by,
                             created_at, status, cancelled_at)
    select 'allocation', 1 + number % {A_DAY}, 1 + number % {A_DAY}, 'brake', date '2030-01-01' + number / {A_DAY},
           date '2030-01-01' + number / {A_DAY}, (number % 4 = 0)::integer, 'person-' || number * 7 % {PEOPLE}, made_at,
           case when number % 10 = 0 then 'cancelled' else 'scheduled' end,
           case when number % 20 = 0 then made_at + interval '2 hours'
                when number % 10 = 0 then made_at + interval '3 days' end
      from (select number, now - interval '{YEARS} years' * (bookings - number) / bookings as made_at
              from generate_series(0, bookings - 1) number) each
     order by number;
    perform close_days('UTC', now);
    perform check_conflicts();
"""


def fill(connection: Connection, bookings: int, now: datetime) -> None:
    """
    Put bookings into an empty lab, evenly over the years before a moment, and close the days that can be.

    Args:
        connection: The owner's or the superuser's, on which each statement is its own transaction.
    """
    said = f"declare bookings integer := {bookings}; now timestamptz := '{now.isoformat()}';"
    connection.exec_driver_sql(f"do $$ {said} begin {_FILL} end $$")
    connection.exec_driver_sql("vacuum (analyze) occupancies, allocation_days, users")
