"""Ways to book: the service's own, and the usual one."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from dyno.allocation import store
from dyno.allocation.model import AutoAllocationRequest, Terms
from dyno.database import autocommit, sqlstate, transaction
from dyno.errors import DatabaseUnavailable
from dyno.settings import Settings
from tests.benchmarks.clients import LEFT_BY_A_BOOKING, Said, Way, Wish, of_the_service

TERMS = Terms("UTC", horizon_days=20_000, max_days=180)
OWNER = "3f0c8a52-7d3e-4b6a-9c1d-5e2f4a6b8c0d"
ROUTE = "POST /allocations/auto"

_VEHICLE = text("select drive_type, weight_class from vehicles where id = :vehicle_id")

# As fast as the usual way gets: the index that the booking function has is there for it, too.
_IS_FREE = """
    not exists (
      select from occupancies o
       where o.dyno_id = d.id and o.occupies and o.start_date < cast(:day as date) + 1 + d.turnaround_days
         and o.free_from > :day)
    and not exists (
      select from occupancies o
       where o.vehicle_id = :vehicle_id and o.occupies and o.start_date <= :day and o.end_date >= :day)
"""
_CAN_RUN_IT = """
    d.enabled and coalesce(d.available_from <= :day, true) and coalesce(d.available_to >= :day, true)
    and exists (
      select from capabilities c
       where c.dyno_id = d.id and c.test_type in (:test_type, 'any') and c.drive_type in (:drive_type, 'any')
         and c.weight_class in (:weight_class, 'any'))
"""
_CANDIDATES = text(f"select d.id from dynos d where {_CAN_RUN_IT} and {_IS_FREE} order by d.breadth, d.name")
_FIRST_CANDIDATE = text(f"{_CANDIDATES.text} limit 1")
_LOCK = text("select turnaround_days from dynos where id = :dyno_id for update")
_LOCK_VEHICLE = text("select id from vehicles where id = :vehicle_id for update")
_STILL = text(f"select d.id from dynos d where d.id = :dyno_id and {_CAN_RUN_IT} and {_IS_FREE}")
_INSERT_SQL = """
    insert into occupancies
      (kind, dyno_id, vehicle_id, test_type, start_date, end_date, turnaround_days, shift_days, booked_by)
    values ('allocation', :dyno_id, :vehicle_id, :test_type, :day, :day, :turnaround_days, :shift_days, :booked_by)
"""
_INSERT, _INSERT_IF_FREE = text(f"{_INSERT_SQL} returning id"), text(f"{_INSERT_SQL} on conflict do nothing")
_SAID = ("dyno_id", "vehicle_id", "test_type", "day", "shift_days", "booked_by")
_ANSWERED = text("select answer from idempotency_keys where owner = :booked_by and route = :route and key = :key")
_NOTE = text("""
    insert into history (occupancy_id, action, actor, after) values (:id, 'book', :booked_by, cast(:answer as jsonb))
""")
_ANSWER = text("""
    insert into idempotency_keys (owner, route, key, body_hash, answer)
    values (:booked_by, :route, :key, :body_hash, cast(:answer as jsonb))
""")

_PARAMETERS = [f"p{number}" for number in range(17)]
_NOTHING = text(f"select {', '.join(f'cast(:{name} as text)' for name in _PARAMETERS)}")

_EXCLUSION_VIOLATION = "23P01"


def engine_of(way: Way) -> Callable[[Settings], Engine]:
    """Makes the engine for a way to book: the service's, or for the usual ways pg8000 as everybody gets it."""
    return _as_everybody_gets_it if way in (usual, usual_asking_for_one) else of_the_service


def _as_everybody_gets_it(settings: Settings) -> Engine:
    at = f"{settings.database_user}@{settings.database_host}:{settings.database_port}/{settings.database_name}"
    made = create_engine(f"postgresql+pg8000://{at}", isolation_level="AUTOCOMMIT")
    event.listen(made, "connect", _without_nagle)
    return made


def _without_nagle(connection: Any, _record: object) -> None:
    connection._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def left_by(way: Way) -> Sequence[str]:
    """The tables in which each booking of a way leaves one row."""
    return LEFT_BY_A_BOOKING[:1] if way is bare else LEFT_BY_A_BOOKING


def request(wish: Wish) -> AutoAllocationRequest:
    """What the door makes of a wish."""
    return AutoAllocationRequest(
        vehicle_id=wish.vehicle_id,
        test_type=wish.test_type,
        start_date=wish.start_date,
        days_to_complete=1,
        max_backup_days=wish.max_shift,
    )


def ours(over: Engine, wish: Wish) -> Said:
    """The booking function, with every rule in force, a key and a line of history."""
    broken_off = 0
    while True:
        try:
            with autocommit(over) as connection:
                said = store.book(connection, request(wish), None, OWNER, ROUTE, f"key-{wish.number}", TERMS)
            return Said(booked=said.allocation is not None, broken_off=broken_off)
        except DatabaseUnavailable:
            broken_off += 1


def round_trip(over: Engine, wish: Wish) -> Said:
    """A statement that does nothing, with as many parameters as a booking: what the client itself takes."""
    with autocommit(over) as connection:
        connection.execute(_NOTHING, dict.fromkeys(_PARAMETERS, str(wish.number)))
    return Said(booked=False)


def bare(over: Engine, wish: Wish) -> Said:
    """An INSERT that asks nobody, into the same table with the same constraints."""
    day = {"day": wish.start_date, "turnaround_days": 0, "shift_days": 0, "booked_by": OWNER}
    with autocommit(over) as connection:
        made = connection.execute(_INSERT_IF_FREE, asdict(wish) | day)
        return Said(booked=made.rowcount == 1)


def usual(over: Engine, wish: Wish) -> Said:
    """
    Day by day: the dynos that are free; of these one after the other: lock it, look again, insert.

    Each of them in a transaction of its own, for whoever held one dyno and waited for another would hold up all.
    Whether its key was used is asked first; a line of history and the key's answer are kept with the booking.
    """
    return _day_by_day(over, wish, _all_candidates)


def usual_asking_for_one(over: Engine, wish: Wish) -> Said:
    """The same for whoever knows that one is enough: asks for the first that is free, and again if it is gone."""
    return _day_by_day(over, wish, _first_candidate)


def _day_by_day(over: Engine, wish: Wish, candidates: Callable[[Engine, dict[str, Any]], Iterator[int]]) -> Said:
    key = {"route": ROUTE, "key": f"key-{wish.number}", "body_hash": store.digest(request(wish)), "booked_by": OWNER}
    with over.connect() as connection:
        if connection.execute(_ANSWERED, key).scalar() is not None:
            return Said(booked=False)
        vehicle = connection.execute(_VEHICLE, asdict(wish)).one()._asdict()
    broken_off = 0
    for shift_days in range(wish.max_shift + 1):
        day = wish.start_date + timedelta(days=shift_days)
        on = asdict(wish) | vehicle | key | {"day": day, "shift_days": shift_days}
        for dyno_id in candidates(over, on):
            booked = None
            while booked is None:
                booked = _booked(over, on | {"dyno_id": dyno_id})
                broken_off += booked is None
            if booked:
                return Said(booked=True, broken_off=broken_off)
    return Said(booked=False, broken_off=broken_off)


def _all_candidates(over: Engine, on: dict[str, Any]) -> Iterator[int]:
    with over.connect() as connection:
        candidates = connection.execute(_CANDIDATES, on).scalars().all()
    yield from candidates


def _first_candidate(over: Engine, on: dict[str, Any]) -> Iterator[int]:
    while True:
        with over.connect() as connection:
            candidate = connection.execute(_FIRST_CANDIDATE, on).scalar()
        if candidate is None:
            return
        yield candidate


def _booked(over: Engine, values: dict[str, Any]) -> bool | None:
    """Whether it could be; None if the database broke it off."""
    try:
        with transaction(over) as connection:
            turnaround_days = connection.execute(_LOCK, values).scalar_one()
            connection.execute(_LOCK_VEHICLE, values)
            if connection.execute(_STILL, values).first() is None:
                return False
            made = connection.execute(_INSERT, values | {"turnaround_days": turnaround_days}).scalar_one()
            said = {"allocation_id": made} | {name: values[name] for name in _SAID}
            kept = values | {"id": made, "answer": json.dumps(said, default=str)}
            connection.execute(_NOTE, kept)
            connection.execute(_ANSWER, kept)
            return True
    except DatabaseUnavailable:  # a deadlock
        return None
    except DBAPIError as error:
        if sqlstate(error) == _EXCLUSION_VIOLATION:
            return None
        raise
