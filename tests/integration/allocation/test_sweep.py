from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from dyno.allocation import service, store
from dyno.allocation.model import Swept
from dyno.database import autocommit
from tests.conftest import EngineAs
from tests.lab import MONDAY, TUESDAY, WEDNESDAY, Lab

NOW = datetime.now(UTC)


def test_holds_lapse_when_their_time_is_over_and_not_before(lab: Lab, engine_as: EngineAs) -> None:
    dyno, vehicle = lab.dyno("D1"), lab.vehicle()
    over = lab.occupy(dyno, vehicle, MONDAY, status="held", expires_at=NOW - timedelta(seconds=1))
    running = lab.occupy(dyno, vehicle, TUESDAY, status="held", expires_at=NOW + timedelta(hours=1))
    booked = lab.occupy(dyno, vehicle, WEDNESDAY)

    swept = service.sweep(engine_as("dyno_lifecycle"), retention_days=400, now=datetime.now(UTC))

    assert swept == Swept(lapsed=1, keys=0, refusals=0)
    assert dict(lab.rows("select id, status from occupancies")) == {
        over: "lapsed",
        running: "held",
        booked: "scheduled",
    }
    assert lab.rows("select occupancy_id, action, actor from history") == [(over, "lapse", "system")]


def test_days_of_a_lapsed_hold_can_be_booked(lab: Lab, engine_as: EngineAs) -> None:
    dyno = lab.dyno("D1")
    lab.occupy(dyno, lab.vehicle("other"), MONDAY, status="held", expires_at=NOW - timedelta(seconds=1))
    lab.vehicle()

    service.sweep(engine_as("dyno_lifecycle"), retention_days=400, now=datetime.now(UTC))

    assert lab.auto_allocate(start_date=MONDAY).allocation.dyno_id == dyno


def test_a_key_is_forgotten_after_24_hours_and_not_before(lab: Lab, engine_as: EngineAs) -> None:
    lab.dyno("D1")
    lab.vehicle()
    lab.auto_allocate(key="old")
    lab.auto_allocate(key="new", start_date=TUESDAY)
    lab.sql("update idempotency_keys set created_at = created_at - interval '24 hours' where key = 'old'")
    lab.sql("update idempotency_keys set created_at = created_at - interval '23 hours 59 minutes' where key = 'new'")

    swept = service.sweep(engine_as("dyno_lifecycle"), retention_days=400, now=datetime.now(UTC))

    assert swept == Swept(lapsed=0, keys=1, refusals=0)
    assert lab.rows("select key from idempotency_keys") == [("new",)]


def test_swept_twice_the_lab_is_as_swept_once(lab: Lab, engine_as: EngineAs) -> None:
    lab.occupy(lab.dyno("D1"), lab.vehicle(), MONDAY, status="held", expires_at=NOW - timedelta(seconds=1))

    first, second = (
        service.sweep(engine_as("dyno_lifecycle"), retention_days=400, now=datetime.now(UTC)) for _ in range(2)
    )

    assert (first.lapsed, second) == (1, Swept(lapsed=0, keys=0, refusals=0))


@pytest.mark.parametrize("table", ["occupancies", "history", "idempotency_keys", "vehicles", "metrics", "users"])
def test_the_night_can_write_no_table_by_itself(lab: Lab, engine_as: EngineAs, table: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"), autocommit(engine_as("dyno_lifecycle")) as connection:
        connection.exec_driver_sql(f"delete from {table}")


def test_a_door_of_the_api_can_not_sweep(lab: Lab) -> None:
    with pytest.raises(DBAPIError, match="permission denied"), autocommit(lab.over) as connection:
        store.sweep(connection, timedelta(), datetime.now(UTC))


def test_a_notice_goes_a_month_after_it_was_sent_and_not_before_it_is(lab: Lab, engine_as: EngineAs) -> None:
    lab.dyno("D1")
    for vin in lab.vehicles(3):
        booked = lab.auto_allocate(vin, backup=True)
        lab.sql("select cancel(:id, 'ann', true)", id=booked.allocation_id)
    old, new, waits = (each for (each,) in lab.rows("select history_id from notices order by 1"))
    lab.sql("update notices set sent_at = now() - interval '31 days' where history_id = :old", old=old)
    lab.sql("update notices set sent_at = now() - interval '29 days' where history_id = :new", new=new)

    service.sweep(engine_as("dyno_lifecycle"), retention_days=400, now=datetime.now(UTC))

    assert lab.rows("select history_id from notices order by 1") == [(new,), (waits,)]
