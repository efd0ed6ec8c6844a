"""Changes of the registry at one moment with each other and with bookings: none is lost, and nobody is left behind."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from dyno.allocation import registry
from dyno.allocation.registry_model import DynoChange, NewDyno, NewVehicle, VehicleChange
from dyno.auth import Actor, Role
from dyno.errors import BookingsStranded, NoDynoAvailable, Stale, VehicleRetired
from tests.integration.allocation.conftest import Crowd
from tests.integration.allocation.registered import VIN, change_dyno, create_dyno, create_vehicle, lines
from tests.lab import ADMIN, MONDAY, Lab

ADMINS = 8
ROUNDS = 10

LEFT_BEHIND = """
select o.id from occupancies o join dynos d on d.id = o.dyno_id join vehicles v on v.id = o.vehicle_id
 where o.status = 'scheduled'
   and (not d.enabled or o.start_date < d.available_from or o.end_date > d.available_to
        or not exists (select from capabilities c
                        where c.dyno_id = d.id and c.test_type in (o.test_type, 'any')
                          and c.drive_type in (v.drive_type, 'any') and c.weight_class in (v.weight_class, 'any')))
"""
"""Bookings that their dyno cannot run, by the rule as a sceptic would write it."""


def outcomes(answers: list[Any]) -> Counter[str]:
    return Counter(type(answer).__name__ for answer in answers)


def test_of_admins_who_make_one_vehicle_one_does_and_the_others_are_told_which(lab: Lab, crowd: Crowd) -> None:
    for number in range(ROUNDS):
        wanted = NewVehicle(vin=f"9ZZ0TEST0VD{number:06d}", weight_lbs=5000, drive_type="AWD")

        def attempt(over: Engine, wanted: NewVehicle = wanted) -> Any:
            return registry.create_vehicle(over, wanted, actor=ADMIN, key=None)

        answers = crowd([attempt] * ADMINS)

        assert outcomes(answers) == {"CreatedVehicle": 1, "VehicleExists": ADMINS - 1}
        ids = {getattr(answer, "vehicle_id", None) or answer.details["vehicle_id"] for answer in answers}
        assert ids == {lab.sql("select id from vehicles where vin = :vin", vin=wanted.vin)}


def test_of_admins_who_make_one_dyno_one_does_and_the_others_are_told_which(lab: Lab, crowd: Crowd) -> None:
    for number in range(ROUNDS):
        body = {"name": f"D{number}", "capabilities": lines(f"test-{number} any any", "any AWD any")}
        wanted = NewDyno.model_validate(body)

        def attempt(over: Engine, wanted: NewDyno = wanted) -> Any:
            return registry.create_dyno(over, wanted, actor=ADMIN, key=None)

        answers = crowd([attempt] * ADMINS)

        assert outcomes(answers) == {"CreatedDyno": 1, "DynoExists": ADMINS - 1}
        ids = {getattr(answer, "dyno_id", None) or answer.details["dyno_id"] for answer in answers}
        assert ids == {lab.sql("select id from dynos where name = :name", name=wanted.name)}
    assert {dyno.breadth for dyno in registry.list_dynos(lab.over, None, 50).items} == {2 * ROUNDS + 2}


def test_twins_under_one_key_get_one_answer(lab: Lab, crowd: Crowd) -> None:
    wanted = NewVehicle(vin=VIN, weight_lbs=5000, drive_type="AWD")

    answers = crowd([lambda over: registry.create_vehicle(over, wanted, actor=ADMIN, key="k-1")] * ADMINS)

    assert outcomes(answers) == {"CreatedVehicle": ADMINS}
    assert Counter(answer.replayed for answer in answers) == {False: 1, True: ADMINS - 1}
    assert lab.sql("select count(*) from vehicles") == lab.sql("select count(*) from registry_history") == 1


def test_of_changes_under_one_etag_one_is_made(lab: Lab, crowd: Crowd) -> None:
    vehicle, dyno = create_vehicle(lab), create_dyno(lab)

    def heavier(number: int, over: Engine) -> Any:
        change = VehicleChange(weight_lbs=6000 + number)
        return registry.change_vehicle(over, vehicle.vehicle_id, change, version=1, actor=ADMIN, time_zone="UTC")

    def elsewhere(number: int, over: Engine) -> Any:
        change = DynoChange(facility=f"Hall {number}")
        return registry.change_dyno(
            over, dyno.dyno_id, change, version=dyno.version, actor=Actor(f"a-{number}", Role.ADMIN), time_zone="UTC"
        )

    attempts = [partial(change, number) for change in (heavier, elsewhere) for number in range(ADMINS)]

    assert outcomes(crowd(attempts)) == {"Vehicle": 1, "Dyno": 1, "Stale": 2 * (ADMINS - 1)}


def test_admins_who_widen_and_narrow_dynos_at_once_count_their_breadth_right(lab: Lab, crowd: Crowd) -> None:
    dynos = [create_dyno(lab, f"D{number}", "any any any").dyno_id for number in range(ADMINS)]

    def widen_and_narrow(dyno_id: int, over: Engine) -> None:
        for step in range(ROUNDS):
            wanted = lines("any any any", f"test-{dyno_id}-{step % 3} any any")
            seen = registry.get_dyno(over, dyno_id)
            change = DynoChange.model_validate({"capabilities": wanted})
            with suppress(Stale):  # another's test widened this one
                registry.change_dyno(over, dyno_id, change, version=seen.version, actor=ADMIN, time_zone="UTC")

    answers = crowd([partial(widen_and_narrow, dyno_id) for dyno_id in dynos])

    assert answers == [None] * ADMINS
    counted = lab.rows("select id, breadth from dynos order by id")
    lab.sql("select refresh_breadth()")
    assert lab.rows("select id, breadth from dynos order by id") == counted


CHANGES: dict[str, dict[str, Any]] = {
    "disabled": {"enabled": False},
    "incapable": {"capabilities": lines("evap any any")},
    "away": {"available_to": str(MONDAY - timedelta(days=1))},
    "retired": {"retired": True},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_dyno_that_is_changed_while_a_crowd_books_it_strands_nobody(
    lab: Lab, crowd: Crowd, change: dict[str, Any]
) -> None:
    vins = lab.vehicles(4)

    def book(number: int, place: int, over: Engine) -> Any:
        day = MONDAY + timedelta(days=len(vins) * number + place)
        return lab.auto_allocate(vins[place], day, over=over, test_type=f"test-{number}")

    for number in range(ROUNDS):
        dyno = create_dyno(lab, f"D{number}", f"test-{number} any any")

        def attempt(over: Engine, dyno_id: int = dyno.dyno_id, version: int = dyno.version) -> Any:
            wanted = DynoChange.model_validate(change)
            return registry.change_dyno(over, dyno_id, wanted, version=version, actor=ADMIN, time_zone="UTC")

        changed, *booked = crowd([attempt, *(partial(book, number, place) for place in range(len(vins)))])

        assert lab.rows(LEFT_BEHIND) == []
        assert type(changed).__name__ == ("BookingsStranded" if outcomes(booked)["AutoAllocation"] else "Dyno"), changed
        assert outcomes(booked).keys() <= {"AutoAllocation", "NoDynoAvailable"}


def test_a_booking_that_was_left_behind_would_be_found(lab: Lab) -> None:
    booked_on = create_dyno(lab)
    lab.vehicle()
    lab.auto_allocate()
    assert lab.rows(LEFT_BEHIND) == []

    lab.sql("update dynos set enabled = false where id = :id", id=booked_on.dyno_id)

    assert len(lab.rows(LEFT_BEHIND)) == 1


@contextmanager
def open_transaction(lab: Lab) -> Iterator[Connection]:
    """Of somebody who has not committed yet."""
    with lab.owner.execution_options(isolation_level="READ COMMITTED").connect() as connection:
        yield connection


def wait_until_it_waits(lab: Lab, under_way: "Future[Any]", function: str) -> None:
    """Until a call of a function waits for a lock; fails if it got through."""
    waiting = text("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like :call")
    watcher = create_engine(lab.owner.url, creator=lab.owner.pool._creator, isolation_level="AUTOCOMMIT")
    with watcher.connect() as watch:
        while not watch.scalar(waiting, {"call": f"%{function}(%"}):
            assert not under_way.done(), under_way.result()
    watcher.dispose()


BOOK = text(
    "select book('ann', 'r', null, '', null, :vehicle, null, 'brake', :day, 1, 0, null, null, false, 'UTC', 1825, 180)"
    " ->> 'outcome'"
)


def test_a_change_waits_for_the_booking_that_is_under_way_and_sees_it(lab: Lab) -> None:
    dyno, vehicle_id = create_dyno(lab), lab.vehicle()

    with ThreadPoolExecutor(1) as pool, open_transaction(lab) as booking:
        assert booking.scalar(BOOK, {"vehicle": vehicle_id, "day": MONDAY}) == "booked"
        change = pool.submit(change_dyno, lab, dyno, enabled=False)
        wait_until_it_waits(lab, change, "change_dyno")
        booking.commit()

        with pytest.raises(BookingsStranded):
            change.result()


def test_a_vehicle_waits_for_the_booking_that_is_under_way_and_sees_it(lab: Lab) -> None:
    vehicle = create_vehicle(lab)
    lab.dyno("D1", "brake AWD any")

    with ThreadPoolExecutor(1) as pool, open_transaction(lab) as booking:
        assert booking.scalar(BOOK, {"vehicle": vehicle.vehicle_id, "day": MONDAY}) == "booked"
        change = pool.submit(
            registry.change_vehicle,
            lab.over,
            vehicle.vehicle_id,
            VehicleChange(drive_type="2WD"),
            version=1,
            actor=ADMIN,
            time_zone="UTC",
        )
        wait_until_it_waits(lab, change, "change_vehicle")
        booking.commit()

        with pytest.raises(BookingsStranded):
            change.result()


def test_a_booking_waits_for_the_change_that_is_under_way_and_goes_by_it(lab: Lab) -> None:
    dyno = create_dyno(lab)
    lab.vehicle()
    disable = text("select change_dyno('ada', :id, :version, '{\"enabled\": false}', 'UTC') ->> 'outcome'")

    with ThreadPoolExecutor(1) as pool, open_transaction(lab) as change:
        assert change.scalar(disable, {"id": dyno.dyno_id, "version": dyno.version}) == "changed"
        booking = pool.submit(lab.auto_allocate)
        wait_until_it_waits(lab, booking, "book")
        change.commit()

        with pytest.raises(NoDynoAvailable) as refused:
            booking.result()
    assert [each["reason"] for each in refused.value.details["rejected"]] == ["disabled"]


@pytest.mark.parametrize(
    ("change", "error"), [({"retired": True}, VehicleRetired), ({"weight_lbs": 10_001}, NoDynoAvailable)], ids=str
)
def test_a_booking_waits_for_the_change_of_its_vehicle_and_goes_by_it(
    lab: Lab, change: dict[str, Any], error: type[Exception]
) -> None:
    lab.dyno("D1", "brake AWD <10K")
    vehicle_id = lab.vehicle()
    say = text("select change_vehicle('ada', :id, 1, cast(:change as jsonb), 'UTC') ->> 'outcome'")

    with ThreadPoolExecutor(1) as pool, open_transaction(lab) as changing:
        assert changing.scalar(say, {"id": vehicle_id, "change": json.dumps(change)}) == "changed"
        booking = pool.submit(lab.auto_allocate)
        wait_until_it_waits(lab, booking, "book")
        changing.commit()

        with pytest.raises(error):
            booking.result()
    assert lab.sql("select count(*) from occupancies") == 0
