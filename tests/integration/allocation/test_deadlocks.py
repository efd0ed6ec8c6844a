"""Who books and who moves a booking never wait for each other, whatever the one does between two steps."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from dyno.allocation import planning
from dyno.allocation.planning_model import AllocationChange, Changed
from dyno.errors import Conflict
from tests.lab import ADMIN, MONDAY, TERMS, TUESDAY, Lab

pytestmark = pytest.mark.own_database

WAITS = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%' || :call || '%'"
WAITS_FOR_ANOTHER = WAITS + " and wait_event = 'transactionid'"
STOP = """
create function stop() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock(7);
  return case tg_op when 'DELETE' then old else new end;
end $$;
"""
Until = Callable[[str, "Future[Any]", str], None]


@pytest.fixture
def watch(lab: Lab) -> Iterator[Until]:
    """Waits until a call is done, or waits for somebody."""
    over = create_engine(lab.owner.url, creator=lab.owner.pool._creator, isolation_level="AUTOCOMMIT")
    with over.connect() as connection:

        def until(call: str, done: "Future[Any]", how: str = WAITS) -> None:
            while not (done.done() or connection.execute(text(how), {"call": call}).scalar()):
                pass

        yield until
    over.dispose()


@contextmanager
def stopped(lab: Lab) -> Iterator[None]:
    """Whoever comes by the trigger stops there as long as this lasts."""
    over = create_engine(lab.owner.url, creator=lab.owner.pool._creator)
    with over.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(7)"))
        yield
    over.dispose()


def moved(lab: Lab, allocation_id: int | None, change: AllocationChange) -> Changed | Conflict:
    over = create_engine(
        lab.over.url, creator=lab.over.pool._creator, isolation_level="AUTOCOMMIT", pool_size=1, max_overflow=0
    )
    try:
        return planning.change_allocation(over, allocation_id or 0, change, version=1, actor=ADMIN, terms=TERMS)
    except Conflict as refused:
        return refused
    finally:
        over.dispose()


def test_who_lets_a_hold_lapse_does_not_wait_for_who_moves_onto_its_days(lab: Lab, watch: Until) -> None:
    lab.dyno("D1")
    second = lab.dyno("D2")
    vins = lab.vehicles(3)
    there = lab.auto_allocate(vins[0])
    lab.auto_allocate(vins[1], hold_minutes=1)
    lab.sql("update occupancies set expires_at = clock_timestamp() where status = 'held'")
    lab.sql(
        STOP
        + "create trigger stop after insert on history for each row when (new.action = 'lapse') execute function stop()"
    )

    with ThreadPoolExecutor(2) as pool:
        with stopped(lab):
            booking = pool.submit(lab.auto_allocate, vins[2], backup=True, max_backup_days=7)
            watch("book(", booking, WAITS)
            moving = pool.submit(moved, lab, there.allocation_id, AllocationChange(dyno_id=second))
            watch("change_allocation", moving, WAITS_FOR_ANOTHER)

        assert isinstance(moving.result(), Changed)
        assert booking.result().allocation.vin == vins[2]


def test_who_finds_a_dyno_changed_does_not_wait_for_who_moves_the_vehicle(lab: Lab, watch: Until) -> None:
    first, second, third = lab.dyno("D1"), lab.dyno("D2"), lab.dyno("D3", "evap any any")
    vins = lab.vehicles(2)
    there = lab.auto_allocate(vins[0], MONDAY + timedelta(days=14), 2, test_type="evap")
    lab.occupy(second, lab.sql("select id from vehicles where vin = :vin", vin=vins[1]), MONDAY)
    lab.sql("update dynos set breadth = id")
    lab.sql(STOP + "create trigger stop before delete on occupancies for each row execute function stop()")
    registry = create_engine(lab.owner.url, creator=lab.owner.pool._creator)

    with ThreadPoolExecutor(2) as pool:
        with stopped(lab):
            with registry.begin() as change:
                change.execute(text("select plan_alone()"))
                change.execute(text("select from dynos where id = :id for update"), {"id": first})
                change.execute(text("delete from capabilities where dyno_id = :id"), {"id": first})
                change.execute(text("update dynos set version = version + 1 where id = :id"), {"id": first})
                booking = pool.submit(lab.auto_allocate, vins[0], MONDAY, backup=True, max_backup_days=7)
                watch("book(", booking, WAITS)
                move = AllocationChange(dyno_id=third, start_date=MONDAY)
                moving = pool.submit(moved, lab, there.allocation_id, move)
                watch("change_allocation", moving, WAITS)
            watch("change_allocation", moving, WAITS_FOR_ANOTHER)

        assert booking.result().allocation.start_date >= TUESDAY
        assert isinstance(moving.result(), Changed | Conflict)
    registry.dispose()
