"""Threads on real connections: exactly the right number win, whoever is first."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from dyno.allocation import service
from dyno.errors import NoDynoAvailable, VehicleAlreadyAllocated
from tests.integration.allocation.conftest import CLIENTS
from tests.lab import ANN, MONDAY, Lab


def outcomes(answers: list[Any]) -> Counter[str]:
    return Counter(type(answer).__name__ for answer in answers)


def test_thirty_two_clients_for_the_last_free_dyno_of_a_day(lab: Lab, crowd: Any) -> None:
    lab.dyno("D1")
    vins = lab.vehicles(CLIENTS)

    answers = crowd([lambda over, vin=vin: lab.auto_allocate(vin, over=over) for vin in vins])

    assert outcomes(answers) == {"AutoAllocation": 1, "NoDynoAvailable": CLIENTS - 1}
    for refused in answers:
        if isinstance(refused, NoDynoAvailable):
            assert [each["reason"] for each in refused.details["rejected"]] == ["booked"]


def test_thirty_two_clients_for_one_vehicle(lab: Lab, crowd: Any) -> None:
    for number in range(CLIENTS):
        lab.dyno(f"D{number}")
    lab.vehicle()

    answers = crowd([lambda over: lab.auto_allocate(over=over)] * CLIENTS)

    assert outcomes(answers) == {"AutoAllocation": 1, "VehicleAlreadyAllocated": CLIENTS - 1}
    for refused in answers:
        if isinstance(refused, VehicleAlreadyAllocated):
            assert len(refused.details["in_the_way"]) == 1


def test_sixteen_clients_with_one_key_get_one_booking(lab: Lab, crowd: Any) -> None:
    lab.dyno("D1")
    lab.dyno("D2")
    lab.vehicle()

    answers = crowd([lambda over: lab.auto_allocate(over=over, key="k")] * 16)

    assert len({answer.allocation_id for answer in answers}) == 1
    assert Counter(answer.replayed for answer in answers) == {False: 1, True: 15}
    assert lab.sql("select count(*) from occupancies") == 1


def test_every_slot_is_taken_when_a_crowd_wants_the_same_days(lab: Lab, crowd: Any) -> None:
    for number in range(8):
        lab.dyno(f"D{number}", turnaround_days=number % 2)
    vins = lab.vehicles(CLIENTS)

    answers = crowd(
        [lambda over, vin=vin: lab.auto_allocate(vin, over=over, backup=True, max_backup_days=6) for vin in vins]
    )

    assert outcomes(answers) == {"AutoAllocation": CLIENTS}
    assert not service.list_conflicts(lab.over, None, 10).items


def test_a_crowd_that_books_and_cancels_leaves_no_overlap(lab: Lab, crowd: Any) -> None:
    for number in range(3):
        lab.dyno(f"D{number}")
    vins = lab.vehicles(8)

    def book_and_cancel(over: Engine, seed: int) -> None:
        for step in range(10):
            try:
                booked = lab.auto_allocate(
                    vins[(seed + step) % 8], MONDAY + timedelta(days=step % 4), 1 + seed % 3, over=over, backup=True
                )
            except (NoDynoAvailable, VehicleAlreadyAllocated):
                continue
            if step % 2 and booked.allocation_id:
                service.cancel_allocation(over, booked.allocation_id, actor=ANN)

    crowd([lambda over, seed=seed: book_and_cancel(over, seed) for seed in range(16)])

    assert not service.list_conflicts(lab.over, None, 10).items
    assert lab.sql("select count(*) from history where action = 'cancel'") == lab.sql(
        "select count(*) from occupancies where status = 'cancelled'"
    )


def test_a_vehicle_booked_and_cancelled_by_many_is_refused_with_what_is_in_the_way(lab: Lab, crowd: Any) -> None:
    lab.dyno("D1")
    lab.vehicle()
    refusals: list[VehicleAlreadyAllocated] = []

    def book_and_cancel(over: Engine) -> None:
        for _ in range(40):
            try:
                booked = lab.auto_allocate(over=over)
            except VehicleAlreadyAllocated as refused:
                refusals.append(refused)
            except NoDynoAvailable:
                pass
            else:
                assert booked.allocation_id is not None
                service.cancel_allocation(over, booked.allocation_id, actor=ANN)

    crowd([book_and_cancel] * 6)

    assert all(refused.details["in_the_way"] for refused in refusals)


def test_a_dyno_changed_while_it_is_being_booked_is_not_booked_by_its_old_rules(lab: Lab) -> None:
    dyno_id = lab.dyno("D1")
    lab.vehicle()
    change = lab.owner.execution_options(isolation_level="READ COMMITTED").connect()
    change.execute(text("select from dynos where id = :id for update"), {"id": dyno_id})
    change.execute(text("delete from capabilities where dyno_id = :id"), {"id": dyno_id})
    change.execute(text("update dynos set version = version + 1 where id = :id"), {"id": dyno_id})

    with ThreadPoolExecutor(1) as pool:
        booking = pool.submit(lab.auto_allocate)  # finds the dyno locked, chooses it, and waits for its row
        waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%book(%'"
        other = create_engine(lab.owner.url, creator=lab.owner.pool._creator)
        with other.connect().execution_options(isolation_level="AUTOCOMMIT") as watch:
            while not watch.execute(text(waiting)).scalar():
                assert not booking.done()
        other.dispose()
        change.commit()

        with pytest.raises(NoDynoAvailable):
            booking.result()
    change.close()
