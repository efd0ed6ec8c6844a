"""Ways to book as scripts for pgbench: the service's own statement, and the floors below it."""

from datetime import date
from typing import Any

from sqlalchemy import Connection, event

from dyno.allocation import store
from tests.benchmarks.clients import Wish
from tests.benchmarks.lab import FIRST_DAY, TAKEN_DAYS, TESTS, Size
from tests.benchmarks.peers.booking import OWNER, ROUTE, TERMS, request

COMMIT = "select pg_current_xact_id();"
"""Of a transaction in which nothing happens."""

_TEST = f"(array{list(TESTS)})[1 + mod(cast(:index as integer), {len(TESTS)})]"
_DAY = f"date '{FIRST_DAY}' + cast(:day as integer)"
_KEY = "'key-' || cast(:index as integer)"

INSERT = f"""
    insert into occupancies
      (kind, dyno_id, vehicle_id, test_type, start_date, end_date, turnaround_days, shift_days, booked_by)
    values ('allocation', :dyno_id, :vehicle_id, {_TEST}, {_DAY}, {_DAY}, 0, 0, '{OWNER}');
"""

LIST = """
    select jsonb_agg(jsonb_build_object('dyno_id', d.id, 'dyno_name', d.name, 'reason', 'booked',
             'allocation_id', o.id, 'free_from', o.free_from) order by d.name)
      from dynos d join occupancies o on o.dyno_id = d.id and o.occupies and o.start_date = {day};
"""
"""What a refusal says, of a lab in which nothing else could be the reason."""


def newcomers(size: Size, sql: str) -> str:
    """A statement for one newcomer after the other; that :dyno_id is free on the first day plus :day days."""
    return f"""
\\set vehicle_id 1 + :index
\\set gap permute(:index, {size.bookings * size.gaps})
\\set dyno_id 1 + mod(:gap, {size.dynos})
\\set nth :gap / {size.dynos}
\\set day :nth / {size.gaps} * {size.period} + mod(:dyno_id, {size.period}) + {TAKEN_DAYS} + 2 * mod(:nth, {size.gaps})
{sql}"""


def booking(connection: Connection, start: str = _DAY, test: str = _TEST) -> str:
    """
    What the service sends, with the script's variables in it.

    Args:
        connection: To try it on, for a vehicle that there is not.
        start: The first day wanted, in SQL; so is the test.
    """
    nobody = Wish(number=-1, vehicle_id=-1, test_type="any test", start_date=date(9999, 1, 1))
    varying = {-1: ":vehicle_id", "any test": test, date(9999, 1, 1): start, "a key": _KEY}
    sent: list[tuple[str, tuple[Any, ...]]] = []

    def note(_connection: object, _cursor: object, sql: str, values: tuple[Any, ...], *_more: object) -> None:
        sent.append((sql, values))

    event.listen(connection, "before_cursor_execute", note)
    store.book(connection, request(nobody), None, OWNER, ROUTE, "a key", TERMS)
    event.remove(connection, "before_cursor_execute", note)
    ((sql, values),) = sent
    return f"{sql % tuple(f'({varying.get(value) or _literal(value)})' for value in values)};"


def _literal(value: object) -> str:
    match value:
        case None:
            return "null"
        case bytes():
            return f"'\\x{value.hex()}'"
        case _:
            return "'" + str(value).replace("'", "''") + "'"
